"""Every value comes back equal, of the same type, and the same object wherever it was one object."""

import math
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torpor
from processes import LONG, literal, run


def travel(*values):
    """What a captured frame's local becomes in the adopting process (this one, here)."""

    def job(values):
        got = torpor.dumps()
        return got if isinstance(got, bytes) else values

    return torpor.loads(torpor.run(job, values)).resume()


def same(a, b):
    """Equality that tells apart 1, 1.0 and True, 0.0 and -0.0, and knows NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or (a != a and b != b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items()))
    if isinstance(a, (set, frozenset)):
        return same(sorted(map(repr, a)), sorted(map(repr, b)))
    return a == b


PLAIN = [
    None, True, False, ..., NotImplemented, 0, 1, -1, 255, 256, 257, -5, -6, 2**30, 2**31 - 1, -(2**31), 2**62, 2**63 - 1,
    2**63, -(2**63), -(2**63) - 1, 2**64, 10**50, -(10**400), 2**20000, 0.0, -0.0, 1.5, math.inf, -math.inf, math.nan,
    sys.float_info.min, 5e-324, 1j, complex(-0.0, math.nan), "", "a", "text", "é", "ÿ", "Ā", "€uro", "𝄞 clef", "\0nul\0",
    "\ud800 lone", "x" * 100_000, "é" * 70_000, "𝄞" * 20_000, b"", b"\0bytes\xff", b"y" * 100_000, bytearray(),
    bytearray(b"array"), bytearray(b"z" * 100_000), (), (1,), (1, (2, (3, ()))), [], [1, [2, [3, []]]], {}, {"a": 1, 2: "b"},
    {(1, 2): {3: 4}}, {None: None, True: 0.5}, set(), {1, "a", (2,)}, frozenset(), frozenset({1, frozenset({2})}),
    range(0), range(5), range(1, 10, 3), range(10**30, 10**31, 10**29), slice(None), slice(1, "x", [2]),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values(value):
    (back,) = travel(value)
    if isinstance(value, slice):
        assert back == value
    else:
        assert same(back, value)


KEYS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.floats(allow_nan=False))
VALUES = st.recursive(
    st.one_of(KEYS, st.floats(), st.complex_numbers(), st.builds(bytearray, st.binary())),
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
    max_leaves=30,
)


@hypothesis.settings(max_examples=3000 if LONG else 300, deadline=None, database=None, derandomize=not LONG)
@hypothesis.given(VALUES)
def test_any_plain_graph(value):
    (back,) = travel(value)
    assert same(back, value)


def test_identity_and_aliasing_across_containers():
    shared = [1]
    text = "".join(["not", " interned"])
    a, b, c, d, e, f = travel(shared, {"k": shared}, (shared, shared), text, [text], bytearray(b"x"))
    assert b["k"] is a and c[0] is a and c[1] is a and e[0] is d
    x, y = travel([shared], [shared])
    assert x is not y and x[0] is y[0]


def test_identity_across_frames():
    def inner(x):
        got = torpor.dumps()
        return got if isinstance(got, bytes) else x

    def outer():
        mine = {"own": []}
        got = inner(mine["own"])
        return got if isinstance(got, bytes) else (got is mine["own"], mine)

    assert torpor.loads(torpor.run(outer)).resume() == (True, {"own": []})


def test_cycles():
    a = [1]
    a.append(a)
    d = {"self": None}
    d["self"] = d
    t = ([],)
    t[0].append(t)
    x, y, z = travel(a, d, t)
    assert x[1] is x and y["self"] is y and z[0][0] is z


def test_very_deep_and_very_wide():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    wide = list(range(200_000))
    back, copy = travel(deep, wide)
    depth = 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 100_000 and copy == wide
    while deep:
        deep = deep[0]


def test_dict_and_set_order():
    d = {i: str(i) for i in (5, 3, 9, 1)}
    del d[3]
    (back,) = travel(d)
    assert list(back.items()) == [(5, "5"), (9, "9"), (1, "1")]


def test_mutable_copies_are_independent():
    data = [1, {"a": 2}, bytearray(b"x")]
    (back,) = travel(data)
    back[1]["a"] = 3
    back[2].append(1)
    back.append(4)
    assert data == [1, {"a": 2}, bytearray(b"x")]


def test_objects_with_a_reducer():
    import collections
    import datetime
    import decimal
    import fractions
    import pathlib
    import re
    import uuid

    values = [
        datetime.datetime(2026, 11, 21, 12, 30, tzinfo=datetime.timezone.utc),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        pathlib.PurePosixPath("a/b"),
        re.compile(r"\d+", re.I),
        uuid.UUID(int=5),
        collections.OrderedDict([("b", 1), ("a", [2])]),
        collections.Counter("hello"),
        collections.deque([1, 2, 3], maxlen=5),
        collections.defaultdict(list, {"k": [1]}),
        ValueError("x", 1),
        math.floor,
        len,
        str.upper,
        [].__class__,
        dict,
        math,
        np.float64(1.5),
        np.int8(-3),
        np.dtype("f4"),
    ]
    (back,) = travel(values)
    for old, new in zip(values, back):
        assert type(new) is type(old)
        assert repr(new) == repr(old)
    assert back[7] == values[7] and back[8].maxlen == 5 and back[9]["new"] == []
    assert back[11] is math.floor and back[15] is dict and back[16] is math


def test_iterators_keep_their_place():
    it, shared = iter([1, 2, 3, 4]), iter("abc")
    next(it)
    next(shared)
    a, b, c, d = travel(it, shared, [shared], zip([1, 2], "xy"))
    assert list(a) == [2, 3, 4] and c[0] is b and list(b) == ["b", "c"] and list(d) == [(1, "x"), (2, "y")]


# Objects of the program


def test_main_objects_travel_by_value(stores):
    run("""
        import collections, dataclasses, enum, functools, torpor, typing
        class Plain:
            kind = "plain"
            def __init__(self, x):
                self.x = x
            def double(self):
                return self.x * 2
        class Child(Plain):
            def double(self):
                return super().double() + 1
        class Slots:
            __slots__ = ("a", "b")
        class State:
            def __init__(self):
                self.secret = 1
            def __getstate__(self):
                return {"kept": 5}
            def __setstate__(self, state):
                self.got = state
        class Reduced:
            def __init__(self, n):
                self.n = n
            def __reduce__(self):
                return Reduced, (self.n + 1,)
        class List(list):
            pass
        class Dict(dict):
            def __missing__(self, key):
                return key
        class Meta(type):
            def __new__(meta, name, bases, body, **options):
                return super().__new__(meta, name, bases, {**body, "made_by": "meta"})
        class Made(metaclass=Meta):
            pass
        class Colour(enum.Enum):
            RED = 1
            GREEN = 2
        @dataclasses.dataclass
        class Point:
            x: int
            y: list = dataclasses.field(default_factory=list)
        Pair = collections.namedtuple("Pair", "left right")
        def helper(n, extra=[]):
            extra.append(n)
            return len(extra) + OFFSET
        OFFSET = 100
        def job():
            plain, child = Plain(3), Child(4)
            slots = Slots()
            slots.a = plain
            things = [State(), Reduced(7), List([1]), Dict(a=1), Made(), Colour.RED, Point(1), Pair(1, plain)]
            things[2].tag = plain
            helper(0)
            method, partial, function = child.double, functools.partial(helper, 5), helper
            cycle = Plain(None)
            cycle.x = cycle
            torpor.capture(key="k")
            return [
                plain.double(), child.double(), slots.a is plain, hasattr(slots, "b"), vars(things[0]), things[1].n,
                things[2], things[2].tag is plain, things[3]["new"], things[4].made_by, things[5] is Colour.RED,
                Colour(2).name, things[6] == Point(1), things[7].right is plain, type(things[7]) is Pair, method(),
                method.__self__ is child, partial(), function(1), function is helper, cycle.x is cycle,
                Plain.kind, isinstance(child, Plain), type(child) is Child, typing.get_type_hints(Point)["x"] is int,
            ]
        torpor.run(job)
        """)
    out = run("import torpor; print(repr(torpor.adopt('k').resume()))")
    assert literal(out) == [
        6, 9, True, False, {"got": {"kept": 5}}, 8, [1], True, "new", "meta", True, "GREEN", True, True, True, 9, True,
        102, 103, True, True, "plain", True, True, True,
    ]  # fmt: skip


def test_main_globals_are_private_to_the_resumed_code(stores):
    run("""
        import torpor
        COUNT = 1
        NAMES = ["a"]
        UNUSED = open("/dev/null")  # code that is not captured does not drag its globals along
        def unrelated():
            return UNUSED
        def bump():
            global COUNT
            COUNT += 1
            NAMES.append(COUNT)
            return COUNT
        def job():
            torpor.capture(key="k")
            return bump(), NAMES, __name__
        torpor.run(job)
        """)
    out = run("""
        import torpor
        COUNT = 1000
        NAMES = None
        first, second = torpor.adopt("k").resume(), torpor.adopt("k").resume()
        print([first, second, COUNT, NAMES])
        """)
    first, second, count, names = literal(out)
    assert first == (2, ["a", 2], "__main__")
    assert second[0] in (2, 3) and (count, names) == (1000, None)


def test_exceptions_keep_their_attributes(stores):
    run("""
        import torpor
        class Custom(Exception):
            def __init__(self, a, *, b):
                super().__init__(f"{a}")
                self.b = b
        def job():
            try:
                try:
                    raise ValueError("cause")
                except ValueError as cause:
                    raise Custom(1, b=[2]) from cause
            except Custom as error:
                kept = error
            kept.add_note("note")
            kept.__traceback__ = kept.__cause__.__traceback__ = None
            torpor.capture(key="k")
            return str(kept), kept.b, repr(kept.__cause__), kept.__notes__, kept.__suppress_context__
        torpor.run(job)
        """)
    out = run("import torpor; print(repr(torpor.adopt('k').resume()))")
    assert literal(out) == ("1", [2], "ValueError('cause')", ["note"], True)


def test_reducer_that_fails_is_refused_with_its_path(store):
    class Bad:
        def __reduce_ex__(self, protocol):
            raise RuntimeError("no reducing today")

    def job(things):
        return store.capture(key="k"), things

    with pytest.raises(torpor.UncapturableValue, match=r"frames\[0\].locals\['things'\]\['bad'\]\[0\]"):
        torpor.run(job, {"bad": [Bad()]})
    assert store.snapshots() == []


def test_registered_reducer(stores):
    run("""
        import threading, torpor
        lock = threading.Lock()
        torpor.register(type(lock), lambda lock: (list, (["a lock", lock.locked()],)))
        def job(lock):
            pair = [lock, lock]
            torpor.capture(key="k")
            return pair, pair[0] is pair[1]
        torpor.run(job, lock)
        """)
    out = run("import torpor; print(repr(torpor.adopt('k').resume()))")
    assert literal(out) == ([["a lock", False]] * 2, True)
    with pytest.raises(TypeError):
        torpor.register("not a class", len)
    with pytest.raises(TypeError):
        torpor.register(int, "not a function")


# Arrays


def layouts():
    base = np.arange(24.0)
    big = np.arange(60_000, dtype="i4").reshape(200, 300)
    yield "empty", np.empty((0, 3))
    yield "scalar", np.array(5)
    yield "small", base
    yield "two", base.reshape(4, 6)
    yield "fortran", np.asfortranarray(base.reshape(4, 6))
    yield "big", big
    yield "big fortran", np.asfortranarray(big)
    yield "strided", big[::3, ::-2]
    yield "transposed", big.T
    yield "broadcast", np.broadcast_to(np.arange(5), (3, 5))
    yield "bool", base > 5
    yield "complex", base + 1j
    yield "half", base.astype("f2")
    yield "big endian", base.astype(">f8")
    yield "text", np.array(["a", "bcd", "é"])
    yield "bytes", np.array([b"a", b"bcd"])
    yield "dates", np.array(["2026-11-21", "NaT"], dtype="M8[D]")
    yield "struct", np.array([(1, 2.5, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")])
    yield "objects", np.array([1, "two", [3], None], dtype=object)
    yield "high", np.zeros((1,) * 20)
    read_only = np.arange(30_000.0)
    read_only.flags.writeable = False
    yield "read only", read_only


@pytest.mark.parametrize("array", [pytest.param(array, id=name) for name, array in layouts()])
def test_arrays(array):
    (back,) = travel(array)
    assert type(back) is np.ndarray and back.dtype == array.dtype and back.shape == array.shape
    assert back.flags.writeable == array.flags.writeable or array.base is not None
    assert np.array_equal(back, array) or array.dtype.kind == "M"
    assert back.tobytes() == array.tobytes() or array.dtype.hasobject
    if array.flags.forc and array.ndim == 2:
        assert back.flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("length", [10, 100_000])
def test_views_and_their_base_share_memory(length):
    base = np.arange(length, dtype="f8")
    view, every, other = base[2:8], base[::2], base[:5]
    a, b, c, d, e = travel(base, view, every, other, [base])
    assert e[0] is a
    assert np.shares_memory(a, b) and np.shares_memory(a, c) and np.shares_memory(b, d)
    a[3] = -1
    assert b[1] == -1 and d[3] == -1 and c[2] == 4
    assert a.base is None and a.flags.owndata == base.flags.owndata


def test_view_without_its_base_keeps_sharing():
    def make():
        base = np.arange(100_000.0)
        return base[10:20], base[15:25]

    a, b = make()
    x, y = travel(a, b)
    x[5] = -1
    assert y[0] == -1 and x.tolist()[:5] == [10, 11, 12, 13, 14]


def test_array_over_a_bytearray_shares_it():
    raw = bytearray(b"\1" * 64)
    array = np.frombuffer(raw, dtype="u1")
    a, b = travel(raw, array)
    b[0] = 9
    assert b.tolist() == [9] + [1] * 63
    assert a[0] == 9


def test_array_subclasses():
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0])
    record = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    a, b = travel(masked, record)
    assert type(a) is np.ma.MaskedArray and a.mask.tolist() == [False, True, False] and a.sum() == 4
    assert type(b) is np.recarray and b.a.tolist() == [1]


def test_random_generator_goes_on():
    generator = np.random.default_rng(5)
    generator.random(3)
    (back,) = travel(generator)
    assert back.random(5).tolist() == generator.random(5).tolist()

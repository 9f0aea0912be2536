"""A capture of frames that were captured before gives, byte for byte, what a first one would give.

The engine writes such a capture over the last one where it can (`engine/src/again.rs`). An option with the
value of its default has it walk the stack instead: that is what the captures are compared with here.
"""

import random
import string
import textwrap

import pytest
import torpor
from processes import LONG, literal, run

# What locals may hold from one capture to the next: all that is written over, and all that must not be.
ONE, OTHER = "".join(["a text ", "of its own"]), "".join(["a text ", "of another"])
VALUES = [
    0, 1, -1, 7, -(2**30), 2**30 - 1, 2**30, 2**62, -(2**63), 2**63, 1 << 200, 1.5, -0.0, float("inf"), True, False, None,
    "", "x", "a_name", "b_name", "name_of_another_length", "t\xebxt", "\u20ac", ONE, ONE, OTHER, "x" * 70_000, b"bytes",
    2j, ..., (1, 2), [1], range(3), iter(range(5)), iter([1, 2]),
]  # fmt: skip
WALK = {"keep_dead": True}


@pytest.fixture(autouse=True)
def setting(store, monkeypatch):
    monkeypatch.setitem(globals(), "STORE", store)
    monkeypatch.setitem(globals(), "OPTIONS", {})


def content(snapshot):
    """All of a snapshot but its checksum and when it was made."""
    data = bytes(snapshot or b"")  # in a resumed stack it is None
    return data[:72] + data[80:96] + data[104:]


def inner(a, b, c):
    for n in range(2, 4):
        if n == 3:
            del b
        snapshot = STORE.capture(key="k", **OPTIONS)
        yield_to(content(snapshot))
        snapshot = None
    return a, c


def outer(a, b, c):
    d = a
    return (a, inner(b, c, a), d)


SEEN = []
yield_to = SEEN.append


def with_id(number, text=ONE):
    ticks = iter(range(3))
    for step in range(5):
        number = id(ONE) if step == 1 else id(ticks) if step == 3 else step
        snapshot = STORE.capture(key="k", **OPTIONS)
        yield_to(content(snapshot))
        snapshot = None
    return ticks


def test_numbers_that_are_ids():
    """A number that is the id of something in the frame is not written over one that is none."""
    seen = []
    for options in ({}, WALK):
        OPTIONS.clear()
        OPTIONS.update(options)
        SEEN.clear()
        torpor.run(with_id, 0)
        seen.append([len(content) for content in SEEN])
    assert seen[0] == seen[1] and seen[0][1] == seen[0][3] > seen[0][0] == seen[0][2] == seen[0][4]


def captures(values, options):
    OPTIONS.clear()
    OPTIONS.update(options)
    SEEN.clear()
    torpor.run(outer, *values)
    return list(SEEN)


def test_the_bytes_are_those_of_a_walk():
    chosen = random.Random(1)
    for _ in range(1500):
        few = chosen.sample(VALUES, 4)
        before, now = chosen.choices(few, k=3), chosen.choices(few, k=3)
        captures(before, {})
        assert captures(now, {}) == captures(now, WALK), (before, now)


SHARED, ROUND, NAN = [1, ONE], [2], float("nan")
ROUND.append({"round": ROUND})
#: What containers hold: of it a capture that is like the last one walks only what is plain.
ITEMS = [
    *VALUES, SHARED, SHARED, SHARED, ROUND, NAN, NAN, "y" * 20, [], {}, (), frozenset("ab"), bytearray(b"bytes"), b"b" * 20_000,
    slice(1, ONE), range(1 << 70), iter(()), iter(SHARED), reversed(SHARED), enumerate(SHARED), {"__name__": 1, "b": 2, "c": 3, "d": 4},
    string.whitespace, string.Template.flags, string.__all__, len, str, ValueError("x"), id(SHARED), outer, lambda: SHARED,
]  # fmt: skip


def nested(chosen, depth):
    """A value of containers in containers, with a few things in them, some of them more than once."""
    if not depth or chosen.random() < 0.3:
        return chosen.choice(ITEMS[: chosen.choice([5, 20, len(VALUES), len(ITEMS)])])
    items = [nested(chosen, depth - 1) for _ in range(chosen.randrange(5))]
    plain = [item for item in items if isinstance(item, (int, str, float))]
    kind = chosen.choice([list, tuple, dict, set, frozenset, iter])
    return {n: item for n, item in enumerate(items)} if kind is dict else kind(plain if kind in (set, frozenset) else items)


@pytest.mark.parametrize("seed", range(10 if LONG else 2))
def test_the_bytes_of_containers_are_those_of_a_walk(seed):
    chosen = random.Random(seed)
    kinds = set()
    captures([1, 2, 3], {})  # the first one finds out the functions' names
    for turn in range(600):
        if turn % 6 == 0:
            values = [nested(chosen, 3) for _ in range(3)]
        values[chosen.randrange(3)] = nested(chosen, 3)
        written = captures(values, {})
        assert written == captures(values, WALK), values
        kinds.update(map(type, values))
        if isinstance(values[0], list):
            values[0].append(nested(chosen, 1))  # what it was the last time has changed
    assert kinds >= {list, tuple, dict, set, frozenset}


def test_what_is_adopted_is_what_was_captured_last():
    for number, text in [(1, "a"), (2, "b"), (2**70, "b"), (3, "a longer text"), (-4, "c"), (0.5, "d")]:
        captures([number, text, None], {})
        assert STORE.adopt("k").resume(None) == (number, (text, number), number)


def test_a_function_that_lost_its_name_travels_otherwise(monkeypatch):
    captures([1, 2, 3], {})
    captures([1, 2, 3], {})
    kept = outer
    monkeypatch.setitem(globals(), "outer", None)
    contents = []
    for options in ({}, WALK):
        OPTIONS.update(options)
        SEEN.clear()
        torpor.run(kept, 1, 2, 3)
        contents.append(list(SEEN))
    assert contents[0] == contents[1] and b"test_again:outer" not in contents[0][0]


def test_another_function_of_the_same_code_is_told_apart(monkeypatch):
    captures([1, 2, 3], {})
    twin = type(outer)(outer.__code__, globals(), "outer")
    monkeypatch.setitem(globals(), "outer", twin)
    assert captures([1, 2, 3], {}) == captures([1, 2, 3], WALK)
    assert STORE.adopt("k").frames[-1].code == twin.__code__


def test_a_snapshot_that_replaces_another_is_the_one_that_is_adopted():
    for number in range(3):
        captures([number, number, number], {})
        for _ in range(3):
            assert STORE.adopt("k").resume(None) == (number, (number, number), number)
    other = torpor.Store("other", dir=str(STORE.dir))
    torpor.run(lambda n: other.capture(key="k") and n, 7)
    for _ in range(2):
        assert STORE.adopt("k").resume(None) == (2, (2, 2), 2)
        assert other.adopt("k").resume(True) == 7
    del STORE["k"]
    with pytest.raises(torpor.SnapshotNotFound):
        STORE.adopt("k")
    other.destroy()


def test_an_adopted_array_is_as_captured_after_another_view_of_it_was_written():
    numpy = pytest.importorskip("numpy")

    def job(u):
        STORE.capture(key="k")
        return u

    torpor.run(job, numpy.arange(100_000.0))
    for _ in range(4):
        u = STORE.adopt("k").resume(None)
        assert (u == numpy.arange(100_000.0)).all()
        u[:] = -1
        v = STORE.adopt("k").resume(None)
        assert (v == numpy.arange(100_000.0)).all() and (u == -1).all()


#: A script whose functions travel by value, and what may change between two captures. What captures go through hangs on
#: sys, which stays: a list or dict of the script's own would have every capture walk.
SETTLED = r"""
import abc, collections, copyreg, dataclasses, enum, fractions, math, random, sys, textwrap, types, typing, weakref
from textwrap import TextWrapper, indent
import torpor

store = torpor.Store("settled", dir=sys.argv[1], capacity="16 MiB")
TEXT, OTHER = "".join(["a text ", "of its own"]), "".join(["a text ", "of another"])
NAN, MISSING = float("nan"), object()
limit, table, named, numbers = 3, "x", TEXT, (1, 2.5, TEXT)


def helper(x: int = 1, *, y=2) -> str:
    "What it says."
    return limit, x


def twice(x=(1, TEXT)):
    return helper(x), math.floor, indent, TextWrapper, numbers


def recursive(n):
    return recursive(n - 1) if n else named


def work(a, b):
    for step in range(2):
        made = store.capture(key="k", **sys.options)
        sys.note(made)
        del made
    return twice, recursive, len, limit, table, named, a, b, step


def counted():
    count = 0

    def more(n=1):
        nonlocal count
        count += n
        return count, more

    return more


class Plain:
    "What it says."

    scale, names, marks, kinds = 2, ["a", TEXT], {"b": [NAN], "c": {1, 2}}, (int, frozenset((1, 2)))

    def __init__(self, n):
        self.n = n

    @property
    def half(self):
        return self.n / self.scale

    made = staticmethod(helper)

    @classmethod
    def of(cls, n=TEXT):
        return cls(n)


class Below(Plain, dict):
    __slots__ = ("more",)

    def __init__(self, n):
        super().__init__(n)

    more_of = counted()


@dataclasses.dataclass
class Config:
    n: int = 0
    name: str = TEXT
    items: list = dataclasses.field(default_factory=list, metadata={"unit": "s"})


class Level(enum.Enum):
    LOW = 1
    HIGH = TEXT


class Abstract(abc.ABC):
    @abc.abstractmethod
    def size(self): ...


class Slotted:
    __slots__ = ("n", "__weakref__")


T = typing.TypeVar("T")


class Of(typing.Generic[T]):
    held: "T"
    kinds = list[int], typing.Optional[Plain], int | None, typing.Callable[[T], Slotted]


Pair = collections.namedtuple("Pair", "a b", defaults=(TEXT,))
settings, slotted = Plain(7), Slotted()
space = {"__builtins__": __builtins__, "__name__": "space", "n": 1}
exec("def in_space(x=n): return n, x", space)
in_space = space["in_space"]
more, registry, classes = counted(), {"plain": Plain, "sizes": [1, 2, [3]]}, [Plain, Below]


def work_with_classes(a, b):
    for step in range(2):
        made = store.capture(key="k", **sys.options)
        sys.note(made)
        del made
    return Plain, Below, Config, more, registry, classes, Level, Abstract, Of, Pair, settings, slotted, in_space, twice, a, b, step


def note(snapshot):
    if snapshot is not None:  # in a resumed stack it is
        data = bytes(snapshot)
        sys.contents.append(data[:72] + data[80:96] + data[104:])


sys.note, sys.options, sys.contents = note, {}, []
# Whatever becomes of the classes:
sys.classes, sys.objects = [Plain, Below, Config], [Plain(1), Below(2), Config(1)]
sys.others, sys.settings, sys.slotted, sys.pair, sys.space = [Level, Abstract, Of, Pair], settings, slotted, Pair, space
sys.registered = [type("Registered", (), {}) for _ in range(9)]
sys.cells = [function.__closure__[0] for function in (more, Below.more_of, Below.__init__)]
sys.fields, sys.contained = [*Config.__dataclass_fields__.values()], [Plain.names, Plain.marks]
sys.method, sys.property = vars(Plain)["made"], vars(Plain)["half"]
spare_classes = {"settings": settings, "slotted": slotted, "Plain": Plain, "Below": Below, "Config": Config, "more": more, "registry": registry, "classes": classes}
spare = {"floor": math.floor, "helper": helper}


def swap(owner, name, value):
    if value is not MISSING:
        setattr(owner, name, value)
    elif hasattr(owner, name):
        delattr(owner, name)


def other_code(function):
    return function.__code__.replace(co_consts=(*function.__code__.co_consts, "other"))


def change(chosen):
    pick, module = chosen.choice, sys.modules["__main__"]
    values = [0, 1, 2**40, 1 << 200, 1.5, NAN, None, True, "x", "y", TEXT, OTHER, (1, 2), (TEXT,), b"b", 2j, [1], {"a": 1},
              helper, math, math.sqrt, fractions.Fraction, range(3), collections.OrderedDict, store]
    function = pick([helper, twice, recursive, work])
    pick([
        lambda: swap(module, pick(["limit", "table", "named", "numbers"]), pick(values)),
        lambda: swap(module, "len", pick([MISSING, 3, helper])),
        lambda: swap(module, "unused", pick(values)),
        lambda: swap(function, "__defaults__", pick([None, (1, 2), (TEXT, 1), ([], 1), (None, 2)])),
        lambda: swap(helper, "__kwdefaults__", pick([None, {"y": 2}, {"y": 3}])),
        lambda: swap(function, "__doc__", pick([None, "one", TEXT])),
        lambda: swap(function, "__name__", pick(["one", "two", TEXT])),
        lambda: swap(function, "__qualname__", pick(["one", "two", TEXT])),
        lambda: swap(function, "__module__", pick(["__main__", "elsewhere"])),
        lambda: swap(function, "extra", pick([MISSING, 1, TEXT])),
        lambda: function.__annotations__.update(x=pick([int, str, "int", None])),
        lambda: function.__annotations__.clear(),
        lambda: swap(helper, "__code__", other_code(helper)),
        lambda: swap(module, "helper", types.FunctionType(helper.__code__, globals(), "helper")),
        lambda: swap(indent, "__code__", other_code(indent)),
        lambda: swap(TextWrapper, "extra", pick([MISSING, 1, 2])),
        lambda: swap(textwrap, "extra", pick([MISSING, 1, TEXT])),
        lambda: swap(math, "floor", pick([math.ceil, spare["floor"]])),
        lambda: sys.modules.update(pick([{"textwrap.note": math}, {"alias": textwrap}])),
        lambda: sys.modules.pop(pick(["textwrap.note", "alias"]), None),
        lambda: spare.setdefault("finalizer", weakref.finalize(helper, print)),
        lambda: spare.pop("finalizer").detach() if "finalizer" in spare else None,
        lambda: copyreg.pickle(torpor.Store, lambda store: (list, ())),
        lambda: store.adopt("k"),
        lambda: None,
        *(changes_of_classes(pick, module, values) * 2 if "classes" in sys.argv[4] else ()),
    ])()


def changes_of_classes(pick, module, values):
    owner, cell, field, names, marks = pick(sys.classes), pick(sys.cells), pick(sys.fields), *sys.contained
    return [
        lambda: swap(owner, pick(["scale", "extra", "half", "of"]), pick(values)),
        lambda: swap(owner, "__doc__", pick(["one", TEXT, None])),
        lambda: swap(owner, "__name__", pick(["One", "Two"])),
        lambda: swap(owner, "__qualname__", pick(["One", "Two"])),
        lambda: swap(owner, "__module__", pick(["__main__", "elsewhere"])),
        lambda: swap(owner, pick(["method", "made"]), pick([helper, staticmethod(helper), classmethod(helper), property(helper), more])),
        lambda: swap(owner.__init__, "__defaults__", pick([None, (1,), ([1],)])),
        lambda: swap(pick(sys.others), pick(["scale", "extra"]), pick(values)),
        lambda: swap(sys.settings, pick(["n", "extra"]), pick(values)),
        lambda: vars(sys.settings).pop(pick(["n", "extra"]), None),
        lambda: vars(sys.others[2].__orig_bases__[0]).update(_extra=pick(values)),
        lambda: swap(sys.others[2], "__parameters__", pick([(), (T,)])),
        lambda: vars(sys.settings).clear(),
        lambda: swap(sys.settings, "__dict__", {"n": pick(values)}),
        lambda: swap(sys.settings, "__class__", sys.classes[0]),
        lambda: swap(sys.slotted, "n", pick([MISSING, *values])),
        lambda: weakref.ref(sys.slotted),
        lambda: swap(sys.others[0].LOW, pick(["extra", "_value_"]), pick(values)),
        lambda: swap(sys.pair.__new__, "__defaults__", pick([None, (1,), (TEXT, 2)])),
        lambda: sys.pair.__new__.__globals__.update({pick(["other", "_tuple_new"]): pick(values)}),
        lambda: sys.space.update({pick(["n", "other"]): pick(values)}),
        lambda: swap(sys.space["in_space"], "__defaults__", pick([None, (1,), ([TEXT],)])),
        lambda: sys.others[1].register(pick(sys.registered)),
        lambda: isinstance(3, sys.others[1]),
        lambda: names.append(pick(values)),
        lambda: names.__setitem__(0, pick(values)),
        lambda: marks.update(b=pick(values)),
        lambda: marks["b"].__setitem__(0, pick(values)) if type(marks["b"]) is list else None,
        lambda: marks["c"].add(pick([1, 3, "x", TEXT])),
        lambda: marks.update(c=set(marks["c"])),
        lambda: sys.method.__dict__.update(extra=pick(values)),
        lambda: sys.property.__init__(pick([None, helper, work]), pick([None, helper]), doc=pick([None, TEXT])),
        lambda: swap(cell, "cell_contents", pick([0, 1, 2**40, NAN, TEXT, [1], Plain, Below, more])),
        lambda: swap(sys.classes[1], "__bases__", pick([(sys.classes[0], dict), (dict, sys.classes[0])])),
        lambda: swap(field, pick(["name", "type", "repr", "init"]), pick(values)),
        lambda: swap(field, "metadata", types.MappingProxyType({"unit": pick(values)})),
        lambda: registry.update(sizes=pick(values)),
        lambda: registry.update({pick(["plain", "other"]): pick([Plain, Below, more])}),
        lambda: registry["sizes"].append(1) if type(registry["sizes"]) is list else None,
        lambda: classes.reverse(),
        lambda: swap(module, pick(["Plain", "Below", "Config"]), pick([Plain, Below, Config, type("Plain", (), {"scale": 2})])),
        lambda: swap(module, pick(["settings", "slotted"]), pick([sys.settings, sys.slotted, sys.objects[0], 1])),
        lambda: swap(module, pick(["more", "registry", "classes"]), pick([more, registry, classes, dict(registry), list(classes), counted()])),
        lambda: abc.ABCMeta.register(collections.abc.Sized, pick(sys.registered)),
        lambda: abc.ABCMeta.register(collections.abc.Hashable, owner),
    ]


class Box:
    __slots__ = ("held",)


def wrapped(a, b):
    # Has the next capture begin behind what travels with the frames, instead of being written over the last one.
    if sys.argv[4] == "objects of classes":
        objects = sys.objects
        objects[0].n, objects[1].n, objects[2].items = a, b, [b, Plain]
        return objects, {"plain": Plain, "registry": registry, "objects": objects, "bound": objects[0].__init__}
    if sys.argv[4] == "values":  # that walk is made of values alone
        return [a, [b, a], (b,)], {"a": [a], "b": {b: a}, "c": {a, b}}
    box = Box()
    box.held = (a, b)
    return [[a, helper], {"b": b, "store": store}] if sys.argv[4] == "containers" else [box, collections.deque([a])]


def captures(a, b, **options):
    sys.options.update(options)
    del sys.contents[:]
    function = work_with_classes if "classes" in sys.argv[4] else work
    torpor.run(function, *((a, b) if sys.argv[4] in ("plain", "classes") else wrapped(a, b)))
    sys.options.clear()
    return sys.contents[:]


def reset():  # to where a capture that is like the last one needs no walk
    module = sys.modules["__main__"]
    vars(module).update(limit=3, table="x", named=TEXT, numbers=(1, TEXT), helper=spare["helper"])
    vars(module).pop("len", None)
    for function in (helper, twice, recursive, work):
        function.__defaults__ = function.__kwdefaults__ = function.__doc__ = None
        function.__dict__.clear()
        function.__name__ = function.__qualname__ = function.__code__.co_name
    helper.__annotations__.update(x=int)
    if "finalizer" in spare:
        spare.pop("finalizer").detach()
    copyreg.dispatch_table.pop(torpor.Store, None)
    vars(textwrap).pop("extra", None)
    vars(module).update(spare_classes)
    for owner in spare_classes["classes"]:
        owner.__name__ = owner.__qualname__ = "Some"
        owner.__module__, owner.__doc__ = "__main__", None
        owner.scale, owner.method, owner.extra, owner.made, owner.half = 2, helper, 1, staticmethod(helper), property(helper)
        owner.__init__.__defaults__ = None
    vars(sys.settings).clear()
    sys.settings.n = sys.slotted.n = 1
    sys.space.update(n=1)
    for cell in sys.cells:
        cell.cell_contents = 0
    registry.clear()
    registry.update(plain=Plain, sizes=[1, 2, [3]])


def main(chosen, turns):  # a global that changes would have every capture walk
    few = [0, 1, -5, 2**40, 1.5, None, True, "a", OTHER, OTHER]
    for turn in range(turns):
        if chosen.random() < 0.9:
            reset()
        now = chosen.choices(few, k=2)
        captures(*now)
        for _ in range(chosen.randrange(3)):
            change(chosen)
        others = [TEXT, TEXT, TEXT, TEXT, NAN, id(helper), id(store), *few]
        now = [chosen.choice(others) if chosen.random() < 0.4 else value for value in now]
        written, walked = captures(*now), captures(*now, keep_dead=True)
        assert written == walked, (turn, now)


main(random.Random(int(sys.argv[2])), int(sys.argv[3]))
store.destroy()
print("'done'")
"""


@pytest.mark.parametrize("seed", range(20 if LONG else 4))
@pytest.mark.parametrize("locals", ["plain", "values", "containers", "objects", "classes", "objects of classes"])
def test_what_travels_with_frames_is_written_again_only_as_it_is(seed, locals, tmp_path):
    """Frames of numbers and texts are written over the last ones; of what else they hold a walk is made, which begins behind
    what travels with them."""
    assert literal(run(SETTLED, tmp_path, seed, 300, locals)) == "done"


#: What is written before the frames had one holder when it was kept, and then the frames hold it too.
KEPT = r"""
import sys
import torpor

store = torpor.Store("kept", dir=sys.argv[1], capacity="16 MiB")
things = "".join(["a text ", "of its own"]), bytes(bytearray(b"bytes of its own")), float("nan")


def content(snapshot):
    data = bytes(snapshot or b"")
    return data[:72] + data[80:96] + data[104:]


sys.content, sys.options, sys.contents = content, {}, []


def work(held):
    for step in range(8):
        if step == 5:
            held += things
        sys.contents.append(sys.content(store.capture(key="k", **sys.options)))
    return [one is other for one, other in zip(held, things)]


contents = []
for sys.options in {}, {"keep_dead": True}:
    sys.contents = []
    result = torpor.run(work, [])
    contents.append(sys.contents)
    assert result == store.adopt("k").resume() == [True, True, True]
assert contents[0] == contents[1]
store.destroy()
print("'done'")
"""


def test_what_the_frames_come_to_hold_of_what_was_kept_is_one_object(tmp_path):
    assert literal(run(KEPT, tmp_path)) == "done"


#: A module that fills a dict of its own when it is first used, which goes with frames that use it.
FILLS = """
import torpor

STORE, TABLE = None, {}


def fill():
    TABLE["made"] = 7


def work(held):
    for step in range(8):
        if step == 5:
            fill()
        STORE.capture(key=f"step {step}")
    return step, held, dict(TABLE)
"""


@pytest.mark.parametrize("held", [1, [1, [2]]])
def test_a_table_that_is_filled_between_two_captures_goes_with_the_second(held, store, tmp_path, monkeypatch):
    (tmp_path / "fills_a_table.py").write_text(FILLS)
    monkeypatch.syspath_prepend(tmp_path)
    fills = __import__("fills_a_table")
    fills.STORE = store
    assert torpor.run(fills.work, held) == (7, held, {"made": 7})
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import fills_a_table, torpor
        fills_a_table.STORE = store = torpor.Store({store.name!r}, dir={str(store.dir)!r})
        print([store.adopt(f"step {{step}}").resume() for step in (6, 4)])
    """
    assert literal(run(textwrap.dedent(program))) == [(7, held, {"made": 7})] * 2

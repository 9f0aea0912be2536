"""numpy: arrays of every dtype, views, scalars, iterators; and what offers out-of-band buffers."""

import pickle

import numpy as np


def same(a, b):
    """Equal in everything that can be told of an array by itself."""
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides, (a, b)
    assert a.flags.c_contiguous == b.flags.c_contiguous and a.flags.writeable == b.flags.writeable
    assert repr(a.tolist()) == repr(b.tolist()), (a, b)
    return True


def every():
    """Small and large arrays of each kind of elements."""
    for code in "?bBhHiIlLqQefdgFDG":
        yield np.arange(7).astype(code)
        yield np.arange(5000).astype(code).reshape(50, 100)
    for dtype in (">i4", ">f8", "S5", "U3", ">U3", "V3", "M8[s]", "m8[25us]", "M8[D]"):
        yield np.zeros(4, dtype)
    yield np.array(["a", "bcd"]), np.array([b"x\0y"])
    yield np.array(["2020-01-01", "NaT"], "M8[ns]")


@row("ndarray")
def _():
    held = [array for made in every() for array in (made if isinstance(made, tuple) else (made,))]
    pause()
    again = [array for made in every() for array in (made if isinstance(made, tuple) else (made,))]
    assert len(held) == len(again) > 40 and all(same(a, b) for a, b in zip(held, again))
    held[0][0] = not held[0][0]


@row("ndarray view aliasing base")
def _():
    for_all = []
    for n in (24, 24000):
        base = np.arange(n)
        for_all.append((base, base[2:], base[::-1], base.reshape(-1, 4).T[1:3], base[5:6], base.view("u1"), base[3:3]))
    pause()
    for base, *views in for_all:
        base[:] = 7
        assert all((view == 7).all() for view in views[:4] if view.dtype == base.dtype)
        views[0][0] = -1
        assert base[2] == -1 and all(view.base is base for view in (views[0], views[1], views[4]))
        assert np.shares_memory(views[2], base) and views[1].strides == (-8,) and views[2].strides == (8, 32)
        assert views[4].view("u1").sum() == views[4].view("u1").sum() and views[5].size == 0


@row("ndarray same object twice")
def _():
    held = np.arange(3000.0)
    twice, nested = [held, held], {"k": held}
    pause()
    twice[0][1] = 9
    assert twice[1] is held is nested["k"] and held[1] == 9


@row("F-order ndarray")
def _():
    held, small = np.asfortranarray(np.arange(6000).reshape(60, 100)), np.ones((2, 3), order="F")
    pause()
    assert held.flags.f_contiguous and not held.flags.c_contiguous and held.strides == (8, 480) and held[1, 2] == 102
    assert small.flags.f_contiguous and small.strides == (8, 16)


@row("read-only ndarray flag kept")
def _():
    held, large = np.arange(3), np.arange(5000)
    view = large[1:]
    held.flags.writeable = view.flags.writeable = False
    pause()
    assert not held.flags.writeable and not view.flags.writeable and large.flags.writeable
    large[1] = 5
    assert view[0] == 5
    try:
        held[0] = 1
    except ValueError:
        pass
    else:
        raise AssertionError("it can be written to")


@row("object ndarray w/ lambda")
def _():
    items = []
    held = np.array([lambda x: x + 1, items, None], dtype=object)
    held[2] = held
    pause()
    assert held[0](1) == 2 and held[1] is items and held[2] is held and held.dtype == object


@extra("object ndarray: views and order")
def _():
    base = np.empty((2, 3), dtype=object)
    base[:] = [[1, [2], "3"], [None, {}, 6]]
    held, turned = base[:, 1], np.asfortranarray(base)
    pause()
    base[0, 1] = "changed"
    assert held[0] == "changed" and held.base is base and held.shape == (2,)
    assert turned.flags.f_contiguous and turned[0, 1] == [2]


@extra("object ndarray that holds a view of itself")
def _():
    base = np.empty(3, object)
    held, again = [base[1:], base], [base, base[:2]]
    base[0], base[2] = held[0], again[1]
    del base
    pause()
    view, base = held
    assert base[0] is view and base[2] is again[1] and view.base is base is again[0] and again[1].base is base
    base[1] = "seen"
    assert view[0] == again[1][1] == "seen"


@extra("ndarray: structured")
def _():
    dtype = np.dtype([("a", "i4"), ("b", [("x", "f8"), ("y", "S3")]), ("c", "u1", (2, 2))], align=True)
    held = np.zeros(3000, dtype)
    held["a"], held["b"]["x"][1] = 5, 2.5
    field, titled = held["b"], np.zeros(2, {"names": ["n"], "formats": ["i2"], "offsets": [4], "itemsize": 8, "titles": ["t"]})
    record = np.rec.array([(1, "x")], names="n,t")
    pause()
    assert held.dtype == dtype and held.dtype.isalignedstruct and held[1]["b"]["x"] == 2.5 and held["c"].shape == (3000, 2, 2)
    field["x"][0] = -1
    assert held[0]["b"]["x"] == -1 and titled.dtype.fields["t"][1] == 4 and record.n[0] == 1 and type(record) is np.recarray


@extra("ndarray: structured with objects")
def _():
    items = []
    held = np.array([(1, items)], dtype=[("n", "i4"), ("o", object)])
    pause()
    assert held[0]["o"] is items and held["n"][0] == 1


@extra("ndarray: datetime and timedelta")
def _():
    held, parts = np.array(["2020-01-01T03", "NaT"], "M8[h]"), np.arange(3000, dtype="m8[25s]")
    pause()
    assert held.dtype == "M8[h]" and np.isnat(held[1]) and held[0] == np.datetime64("2020-01-01T03") and parts.dtype.str == "<m8[25s]"
    assert np.datetime_data(parts.dtype) == ("s", 25)


@extra("ndarray: StringDType")
def _():
    held = np.array(["short", "long " * 20, ""], dtype=np.dtypes.StringDType())
    lacking = np.array(["x", None], dtype=np.dtypes.StringDType(na_object=None))
    pause()
    assert held.tolist() == ["short", "long " * 20, ""] and held.dtype == np.dtypes.StringDType()
    assert lacking[1] is None and lacking.dtype.na_object is None
    held[0] = "another text"
    assert held[0] == "another text"


@extra("ndarray: views of a StringDType array")
def _():
    base = np.array(["a", "b", "c"], dtype=np.dtypes.StringDType())
    held = base[1:]
    pause()
    base[1] = "changed"
    assert held[0] == "changed"


@extra("ndarray: zero size and zero dimensions")
def _():
    held = np.zeros((0, 3)), np.array(5.5), np.zeros((2, 0), "i2", order="F"), np.array("text"), np.zeros(0, [("a", "i4")])
    pause()
    assert [a.shape for a in held] == [(0, 3), (), (2, 0), (), (0,)] and held[1] == 5.5 and held[3].item() == "text"
    held[1][()] = 1
    assert held[1] == 1


@extra("ndarray: broadcast and strided tricks")
def _():
    base = np.arange(3)
    held, window = np.broadcast_to(base, (4, 3)), np.lib.stride_tricks.sliding_window_view(base, 2)
    pause()
    base[0] = 9
    assert held.strides == (0, 8) and held[3, 0] == 9 and not held.flags.writeable and window[0, 0] == 9 and window.shape == (2, 2)


@extra("ndarray over other memory")
def _():
    import array

    data, numbers = bytearray(b"abcd"), array.array("d", [1.0, 2.0])
    held, over = np.frombuffer(data, "u1"), np.frombuffer(numbers)
    pause()
    data[0] = 0
    assert held[0] == 0
    numbers[1] = 7.0
    assert over[1] == 7.0


@extra("ndarray: subclass with attributes")
def _():
    class Unit(np.ndarray):
        def __array_finalize__(self, other):
            self.unit = getattr(other, "unit", None)

    held = np.arange(3000.0).view(Unit)
    held.unit = ["m"]
    view = held[1:]
    pause()
    assert type(held) is Unit and held.unit == ["m"] and held[2] == 2 and type(view) is Unit and view.unit is held.unit
    held[1] = 50
    assert view[0] == 50


@extra("ndarray: matrix and chararray")
def _():
    held, text = np.matrix([[1, 2], [3, 4]]), np.char.array(["a ", "b"])
    pause()
    assert (held * held)[0, 0] == 7 and type(held) is np.matrix and text[0] == "a" and type(text) is type(np.char.array(["x"]))


@extra("masked array")
def _():
    held = np.ma.array(np.arange(3000), mask=[False, True] * 1500, fill_value=-5)
    hard = np.ma.array([1, 2], mask=[0, 1], hard_mask=True)
    pause()
    assert held.count() == 1500 and held.fill_value == -5 and held.filled()[1] == -5 and held[1] is np.ma.masked
    assert held.data[3] == 3 and hard.hardmask and hard.mask.tolist() == [False, True]
    held[1] = 8
    assert held[1] == 8


@extra("np.ma.masked and other singletons")
def _():
    held = np.ma.masked, np.newaxis, np.nan, np.ma.nomask
    pause()
    assert held[0] is np.ma.masked and held[1] is None and held[2] is np.nan and held[3] is np.ma.nomask


@row("np.random.Generator state")
def _():
    held, twin = np.random.default_rng(5), np.random.default_rng(5)
    held.normal(size=3), twin.normal(size=3)
    old, kinds = np.random.RandomState(3), [np.random.Generator(b(1)) for b in (np.random.MT19937, np.random.Philox, np.random.SFC64)]
    old.rand()
    shared = held.bit_generator
    pause()
    assert held.bit_generator is shared and (held.integers(0, 100, 9) == twin.integers(0, 100, 9)).all()
    again = np.random.RandomState(3)
    again.rand()
    assert old.rand() == again.rand() and kinds[1].random() == np.random.Generator(np.random.Philox(1)).random()


@extra("np.random.SeedSequence and spawning")
def _():
    held = np.random.SeedSequence(7)
    first = held.spawn(1)
    generator = np.random.default_rng(held)
    pause()
    again = np.random.SeedSequence(7)
    again.spawn(1)
    assert held.spawn(1)[0].spawn_key == (1,) == again.spawn(1)[0].spawn_key and first[0].spawn_key == (0,)
    assert generator.random() == np.random.default_rng(again).random()


@row("np.nditer")
def _():
    base = np.arange(6).reshape(2, 3)
    held = np.nditer(base, flags=["multi_index"])
    next(held)
    pause()
    assert held.multi_index == (0, 0) and [int(x) for x in held] == [1, 2, 3, 4, 5]


@extra("np.ndindex and ndenumerate")
def _():
    base = np.arange(4).reshape(2, 2)
    held, pairs = np.ndindex(2, 2), np.ndenumerate(base)
    next(held), next(pairs)
    pause()
    base[1, 1] = 9
    assert list(held) == [(0, 1), (1, 0), (1, 1)] and list(pairs) == [((0, 1), 1), ((1, 0), 2), ((1, 1), 9)]


@row("ndarray.flat iterator")
def _():
    base = np.arange(6).reshape(2, 3)
    held = base.flat
    next(held), next(held)
    turned = base.T.flat
    next(turned)
    pause()
    base[0, 2] = 50
    assert held.base is base and held.index == 2 and held.coords == (0, 2) and list(held) == [50, 3, 4, 5]
    assert list(turned) == [3, 1, 4, 50, 5]
    held[0] = -1
    assert base[0, 0] == -1


@extra("np.broadcast")
def _():
    held = np.broadcast(np.arange(2).reshape(2, 1), np.arange(3))
    next(held)
    pause()
    assert held.index == 1 and held.shape == (2, 3) and list(held) == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


@row("np.ufunc")
def _():
    held, reduce = np.add, np.multiply.reduce
    pause()
    assert held is np.add and reduce([2, 3, 4]) == 24 and held.outer([1], [2]).tolist() == [[3]]


@row("np.frompyfunc ufunc")
def _():
    shared = []
    held = np.frompyfunc(lambda a, b: (shared.append(a), a + b)[1], 2, 1)
    summing = np.frompyfunc(lambda a, b: a + b, 2, 1, identity=0)
    pause()
    assert held([1, 2], 10).tolist() == [11, 12] and shared == [1, 2] and (held.nin, held.nout) == (2, 1)
    assert summing.identity == 0 and summing.reduce([]) == 0 and held.identity is None


@row("np.memmap")
def _():
    path = os.path.abspath("mapped")
    held = np.memmap(path, "i4", "w+", offset=16, shape=(3, 2))
    held[:] = 5
    held[1, 1] = 9
    view = held[1:]
    pause()
    assert type(held) is np.memmap and held[1, 1] == 9 and held.mode in ("w+", "r+") and held.offset == 16 and held.shape == (3, 2)
    held[0, 0] = 1
    view[0, 0] = 2
    held.flush()
    again = np.memmap(path, "i4", "r", offset=16, shape=(3, 2))
    assert again[0, 0] == 1 and again[1, 0] == 2 == held[1, 0] and os.path.getsize(path) == 40


@extra("np.memmap: read-only and copy on write")
def _():
    path = os.path.abspath("mapped_too")
    np.arange(4, dtype="i4").tofile(path)
    held, private = np.memmap(path, "i4", "r"), np.memmap(path, "i4", "c")
    private[0] = 77
    pause()
    assert held.tolist() == [0, 1, 2, 3] and not held.flags.writeable and held.mode == "r"
    assert private.tolist() == [77, 1, 2, 3] and np.fromfile(path, "i4")[0] == 0
    private[1] = 5
    assert np.fromfile(path, "i4")[1] == 1


@row("np.dtype / np scalar")
def _():
    held = np.dtype([("a", "<i4"), ("b", ">f8")]), np.float32(1.5), np.datetime64("2020-01-01"), np.int8(-3), np.str_("x")
    kinds = np.float64, np.dtype("M8[ns]"), np.void(b"ab"), np.longdouble(1) / 3, np.bool_(True), np.complex64(1 + 2j)
    documented = np.dtype("i4", metadata={"k": 1})
    record = np.array([(1, 2.0)], held[0])[0]
    pause()
    assert held[0] == [("a", "<i4"), ("b", ">f8")] and type(held[1]) is np.float32 and held[2].dtype == "M8[D]" and held[3] == -3
    assert kinds[0] is np.float64 and kinds[1] == np.dtype("M8[ns]") and kinds[2].tobytes() == b"ab" and kinds[3] == np.longdouble(1) / 3
    assert kinds[4] is np.True_ and type(kinds[5]) is np.complex64 and record["b"] == 2.0 and type(record) is np.void
    assert documented.metadata == {"k": 1} and type(held[4]) is np.str_


@row("np.vectorize(lambda)")
def _():
    held = np.vectorize(lambda x, y=1: x * y, otypes=[float], doc="d")
    pause()
    assert held([1, 2], 3).tolist() == [3.0, 6.0] and held.__doc__ == "d" and held([2]).dtype == float


@extra("np.errstate (entered) and printoptions")
def _():
    held = np.errstate(divide="raise")
    held.__enter__()
    pause()
    try:
        np.array(1.0) / 0
    except FloatingPointError:
        held.__exit__(None, None, None)
    else:
        raise AssertionError("the state is not there")
    assert np.geterr()["divide"] == "warn"


@extra("np.poly1d, np.lib objects and np.testing")
def _():
    held = np.poly1d([1, 2]), np.polynomial.Polynomial([1, 2]), np.finfo("f4"), np.iinfo("i2"), np.s_[1:2, ...]
    pause()
    assert held[0](2) == 4 and held[1](2) == 5 and held[2].eps == np.finfo("f4").eps and held[3].max == 32767
    assert held[4] == (slice(1, 2), ...)


class Table:
    """As pandas and pyarrow do: its column goes out of band."""

    def __init__(self, column):
        self.column = column

    def __reduce_ex__(self, protocol):
        assert protocol >= 5
        return Table.made, (pickle.PickleBuffer(self.column), {"n": len(self.column)})

    @classmethod
    def made(cls, buffer, about):
        one = cls(np.frombuffer(buffer, "f8"))
        one.about, one.buffer = about, buffer
        return one


@extra("pickle-5 buffers of a class")
def _():
    large, small = Table(np.arange(50000.0)), Table(np.arange(3.0))
    pause()
    assert large.column[49999] == 49999 and small.column.tolist() == [0, 1, 2]
    if hasattr(large, "about"):
        assert large.about == {"n": 50000} and not large.column.flags.owndata


@extra("pickle.PickleBuffer")
def _():
    data = bytearray(b"abc")
    held, fixed = pickle.PickleBuffer(data), pickle.PickleBuffer(b"xyz")
    pause()
    held.raw()[0] = ord("X")
    assert data == b"Xbc" and fixed.raw().readonly and bytes(fixed.raw()) == b"xyz" and type(held) is pickle.PickleBuffer


@extra("pickle-5 buffers that two objects share")
def _():
    data = bytearray(40000)

    class Shares:
        def __init__(self, data):
            self.data = data

        def __reduce_ex__(self, protocol):
            return Shares, (pickle.PickleBuffer(self.data),)

    one, two = Shares(data), Shares(data)
    pause()
    memoryview(one.data)[5] = 7
    assert memoryview(two.data)[5] == 7

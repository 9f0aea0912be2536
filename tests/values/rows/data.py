"""Data: views, weak references, exceptions, and what the library makes in C."""

import array
import collections
import datetime
import decimal
import fractions
import gc
import hashlib
import hmac
import numbers
import optparse
import pathlib
import random
import re
import string
import struct
import sys
import time
import types
import uuid
import weakref
import zlib


class Node:
    def __init__(self, name=""):
        self.name = name


@row("memoryview")
def _():
    held = memoryview(b"abcdef")[1:5:2]
    shaped = memoryview(bytes(range(24))).cast("B", (2, 3, 4))
    typed = memoryview(array.array("d", [1.5, 2.5]))
    pause()
    assert held.tolist() == [98, 100] and held.readonly and held.strides == (2,) and held.obj == b"abcdef"
    assert shaped.shape == (2, 3, 4) and shaped[1, 2, 3] == 23 and typed.format == "d" and typed.tolist() == [1.5, 2.5]


@row("memoryview aliasing bytearray")
def _():
    data = bytearray(b"abcdef")
    held, locked, back = memoryview(data)[2:], memoryview(data).toreadonly(), memoryview(data)[::-1]
    pause()
    held[0] = ord("X")
    assert data == b"abXdef" and held.obj is data and locked.readonly and locked[2] == ord("X") and back.tolist()[3] == ord("X")
    try:
        data.append(1)
    except BufferError:
        pass
    else:
        raise AssertionError("what has views can be resized")
    held.release(), locked.release(), back.release()
    data.append(1)


@row("slice")
def _():
    items = [1]
    held = slice(items, None, 3)
    pause()
    assert held.start is items and held.stop is None and held.step == 3 and type(held) is slice


@row("Ellipsis/NotImplemented/None types")
def _():
    held = ..., NotImplemented, None, type(...), type(NotImplemented), type(None), True
    pause()
    assert held[0] is ... and held[1] is NotImplemented and held[2] is None and held[6] is True
    assert held[3] is types.EllipsisType and held[4] is types.NotImplementedType and held[5] is types.NoneType


@row("weakref.ref")
def _():
    one, log = Node("one"), []
    held, plain = weakref.ref(one, log.append), weakref.ref(one)
    pause()
    assert held() is one and plain() is one and plain is weakref.ref(one) and held.__callback__ == log.append
    del one
    assert held() is None and log == [held]


@row("weakref dead")
def _():
    one = Node()
    held = weakref.ref(one)
    del one
    pause()
    assert held() is None and type(held) is weakref.ref


@row("weakref.proxy")
def _():
    one = Node("one")
    held = weakref.proxy(one)
    pause()
    held.name = "two"
    assert one.name == "two" and type(held) is weakref.ProxyType
    del one
    try:
        held.name
    except ReferenceError:
        pass
    else:
        raise AssertionError("it holds its object")


@row("WeakValueDictionary")
def _():
    one, lost = Node("one"), Node("lost")
    held = weakref.WeakValueDictionary(a=one)
    held["lost"] = lost
    del lost
    pause()
    assert held["a"] is one and list(held) == ["a"]
    del one
    gc.collect()
    assert len(held) == 0


@row("WeakSet")
def _():
    one, two = Node("one"), Node("two")
    held, keyed = weakref.WeakSet([one, two]), weakref.WeakKeyDictionary({one: "v"})
    pause()
    assert one in held and len(held) == 2 and keyed[one] == "v"
    del one
    gc.collect()
    assert len(held) == 1 and len(keyed) == 0


@extra("weakref.finalize and WeakMethod")
def _():
    one, log = Node("one"), []
    one.__class__.told = lambda self: self.name
    held, method = weakref.finalize(one, log.append, "gone"), weakref.WeakMethod(one.told)
    held.atexit = False
    pause()
    assert held.alive and method()() == "one"
    del one
    gc.collect()
    assert log == ["gone"] and not held.alive and method() is None


@extra("weakref.finalize that nothing holds")
def _():
    one, two, log = Node("one"), Node("two"), []
    weakref.finalize(one, log.append, "gone")
    weakref.finalize(one, log.append, "first").atexit = False
    weakref.finalize(two, lambda log: log.append(two_of_it), log).atexit = False
    two_of_it = len(log)
    passed = Node("passed")
    weakref.finalize(passed, log.append, "of what does not travel")
    passed = None
    assert log == ["of what does not travel"]
    pause()
    del one
    gc.collect()
    assert log == ["of what does not travel", "first", "gone"]
    del two
    gc.collect()
    assert log[3:] == [0]


@extra("finalizers of a class and of what stays")
def _():
    log = []
    weakref.finalize(Node, log.append, "class").atexit = False
    weakref.finalize(weakref.finalize, log.append, "library").atexit = False
    waiting = len(weakref.finalize._registry)
    pause()
    assert [f.peek()[2] for f in weakref.finalize._registry if f.peek()[0] is Node] == [("class",)]
    assert waiting >= len(weakref.finalize._registry) > 0


@extra("exceptions of classes with constructors of their own")
def _():
    class Broken(OSError):
        def __new__(cls, job, path):
            made = super().__new__(cls, 2, "gone", path)
            made.job = job
            return made

    class Missing(ImportError):
        def __init__(self, what):
            super().__init__(f"no {what}", name=what)
            self.count = getattr(self, "count", 0) + 1

    held = Broken("job", "/here"), Missing("thing")
    held[0].__cause__ = held[1]
    pause()
    assert [type(e) for e in held] == [Broken, Missing] and held[0].__cause__ is held[1]
    assert (held[0].errno, held[0].filename, held[0].args, held[0].job) == (2, "/here", (2, "gone"), "job")
    assert (held[1].args, held[1].name, held[1].count) == (("no thing",), "thing", 1)


@extra("classes that say that they are others")
def _():
    class Proxy:
        def __init__(self, other):
            self.other = other

        @property
        def __class__(self):
            return type(self.other)

    class Fake(str):
        __class__ = types.SimpleNamespace

    held = Proxy([1]), Fake("x")
    pause()
    assert isinstance(held[0], list) and isinstance(held[1], types.SimpleNamespace)
    assert [type(one) for one in held] == [Proxy, Fake] and held[0].other == [1] and str(held[1]) == "x"


@extra("classes registered with the library's abstract classes")
def _():
    @collections.abc.Mapping.register
    class Pairs:
        pass

    class More(Pairs):
        pass

    class Whole:
        pass

    numbers.Integral.register(Whole)
    collections.abc.Sequence.register(More)  # its base was a mapping before
    held = Pairs(), More(), Whole()
    pause()
    assert [isinstance(one, collections.abc.Mapping) for one in held] == [True, True, False]
    assert [isinstance(one, collections.abc.Sequence) for one in held] == [False, True, False]
    assert isinstance(held[2], numbers.Rational) and not isinstance(held[0], numbers.Number)
    match held[0]:
        case {}:
            assert True
        case _:
            raise AssertionError("no mapping")


@extra("subclass of weakref.ref")
def _():
    class Named(weakref.ref):
        def __init__(self, one, name):
            super().__init__(one)
            self.name = name

        def __new__(cls, one, name):
            return super().__new__(cls, one)

    one = Node()
    held = Named(one, "n")
    pause()
    assert held() is one and held.name == "n" and type(held) is Named
    del one
    assert held() is None


@row("deque(maxlen)")
def _():
    held = collections.deque([1, 2], maxlen=2)
    held.append(held)
    pause()
    assert held[1] is held and held.maxlen == 2
    held.append(5)
    assert held[1] == 5 and len(held) == 2


@row("defaultdict(lambda)")
def _():
    made = []
    held = collections.defaultdict(lambda: made.append(1) or len(made), a=0)
    held["b"]
    pause()
    assert held == {"a": 0, "b": 1} and held["c"] == 2 and made == [1, 1]


@row("array.array")
def _():
    held, text = array.array("d", [1.5, float("inf")]), array.array("q", range(5000))
    alias = [held]
    pause()
    held.append(2.0)
    assert alias[0] is held and held.tolist() == [1.5, float("inf"), 2.0] and text.typecode == "q" and sum(text) == 12497500


@row("re.Pattern")
def _():
    held, data = re.compile(r"(?P<w>\w+)-(\d)", re.I | re.X), re.compile(rb"\xff")
    pause()
    assert held.match("ab-1").groupdict() == {"w": "ab"} and held.flags & re.I and data.search(b"a\xff").start() == 1
    assert held == re.compile(r"(?P<w>\w+)-(\d)", re.I | re.X) and held.groupindex == {"w": 1}


@row("re.Match")
def _():
    text = "xx ab-1 cd-2"
    held = re.compile(r"(?P<w>[a-z]+)-(\d)").search(text, 6)
    pause()
    assert held.group("w") == "cd" and held.span() == (8, 12) and held.pos == 6 and held.string is text and held.lastindex == 2
    assert held.expand(r"\2\1") == "2cd" and held.re.groups == 2


@extra("re.Match on a buffer")
def _():
    held = re.match(rb"(.)(x)?", bytearray(b"ab"))
    pause()
    assert held.groups() == (b"a", None)


@row("random.Random state")
def _():
    held, twin = random.Random(5), random.Random(5)
    [r.random() for r in (held, twin)], [r.gauss() for r in (held, twin)]
    system = random.SystemRandom()
    pause()
    assert [held.random() for _ in range(5)] == [twin.random() for _ in range(5)] and held.gauss() == twin.gauss()
    assert 0 <= system.random() < 1 and held.getstate() == twin.getstate()


@extra("the module random's own state")
def _():
    random.seed(7)
    held, twin = random.random, random.Random(7)
    held(), twin.random()
    pause()
    assert 0 <= held() < 1


@row("exception w/o traceback")
def _():
    held = OSError(2, "no", "file")
    pause()
    assert held.args == (2, "no") and held.filename == "file" and held.errno == 2 and type(held) is FileNotFoundError
    assert held.__traceback__ is None and held.__cause__ is None


@extra("BlockingIOError: what was written")
def _():
    none, set_later, plain = BlockingIOError("a", "b", 3), BlockingIOError(11, "b"), BlockingIOError("a", "b", 3)
    del none.characters_written
    set_later.characters_written = 7
    pause()
    assert not hasattr(none, "characters_written") and none.args == ("a", "b", 3)
    assert set_later.characters_written == 7 and plain.characters_written == 3 and not hasattr(OSError(1, "x"), "characters_written")


def failing():
    try:
        {}["inner"]
    except KeyError as inner:
        raise ValueError("outer") from inner


@row("exception keeps __traceback__")
def _():
    try:
        failing()
    except ValueError as error:
        held = error
    held.add_note("a note")
    pause()
    tb = held.__traceback__
    assert tb.tb_next.tb_frame.f_code is failing.__code__ and tb.tb_next.tb_lineno == failing.__code__.co_firstlineno + 4
    assert held.__notes__ == ["a note"] and held.args == ("outer",)


@row("exception keeps __cause__/__context__")
def _():
    try:
        failing()
    except ValueError as error:
        held = error
    plain = TypeError()
    plain.__context__ = held
    pause()
    assert type(held.__cause__) is KeyError and held.__context__ is held.__cause__ and held.__suppress_context__
    assert held.__cause__.args == ("inner",) and held.__cause__.__traceback__ is not None
    assert plain.__context__ is held and plain.__cause__ is None and not plain.__suppress_context__


class Failure(Exception):
    def __init__(self, code, *, where):
        super().__init__(f"{code} at {where}")
        self.code, self.where = code, where


@row("exception w/ custom __init__ args (main)")
def _():
    held = Failure(3, where=["here"])
    held.me = held
    pause()
    assert held.code == 3 and held.where == ["here"] and str(held) == "3 at ['here']" and held.me is held and type(held) is Failure


@row("ExceptionGroup")
def _():
    class Own(ExceptionGroup):
        def derive(self, inner):
            return Own(self.message, inner)

    held, own = ExceptionGroup("many", [ValueError(1), ExceptionGroup("in", [KeyError(2)])]), Own("own", [TypeError()])
    pause()
    match, rest = held.split(KeyError)
    assert match.exceptions[0].exceptions[0].args == (2,) and rest.exceptions[0].args == (1,) and held.message == "many"
    assert type(own.subgroup(TypeError)) is Own


@extra("ExceptionGroup with a constructor of its own")
def _():
    class Own(BaseExceptionGroup):
        def __new__(cls, message, exceptions, more):
            return super().__new__(cls, message, exceptions)

    class Alone(BaseExceptionGroup):
        def __new__(cls, number):
            return super().__new__(cls, "alone", [ValueError(number)])

    held, alone = Own("g", [ValueError(1), KeyError(2)], "more"), Alone(4)
    pause()
    assert held.message == "g" and held.args == ("g", list(held.exceptions), "more") and held.exceptions[1].args == (2,)
    assert alone.message == "alone" and alone.args == (4,) and type(alone.exceptions[0]) is ValueError


@extra("exceptions of the interpreter with members")
def _():
    errors = []
    for text in ("no_such_name", "(1).no_attribute", "1 +", "b'\\xff'.decode()"):
        try:
            eval(text)
        except Exception as error:
            errors.append(error)
    stop = StopIteration([1])
    pause()
    assert errors[0].name == "no_such_name" and errors[1].obj == 1 and errors[2].text == "1 +" and errors[3].start == 0
    assert stop.value == [1]


@row("hashlib object")
def _():
    held = hashlib.sha256(b"abc")
    pause()
    held.update(b"def")
    assert held.hexdigest() == hashlib.sha256(b"abcdef").hexdigest()


@extra("hmac object")
def _():
    held = hmac.new(b"key", b"abc", "sha256")
    pause()
    held.update(b"def")
    assert held.digest() == hmac.new(b"key", b"abcdef", "sha256").digest()


@extra("hashlib object that was given nothing yet")
def _():
    held = hashlib.blake2b(digest_size=20)
    pause()
    held.update(b"x")
    assert held.digest() == hashlib.blake2b(b"x", digest_size=20).digest()


@row("zlib compressobj")
def _():
    held = zlib.compressobj(9)
    begun = held.compress(b"a" * 100)
    pause()
    assert zlib.decompress(begun + held.compress(b"b" * 100) + held.flush()) == b"a" * 100 + b"b" * 100


@extra("zlib, bz2 and lzma decompressors")
def _():
    data = zlib.compress(bytes(range(256)) * 20)
    held = zlib.decompressobj()
    begun = held.decompress(data[:100])
    pause()
    assert begun + held.decompress(data[100:]) + held.flush() == bytes(range(256)) * 20


@row("decimal.Context")
def _():
    held = decimal.Context(prec=5, rounding=decimal.ROUND_DOWN, traps=[decimal.Inexact], Emax=99)
    held.flags[decimal.Rounded] = True
    number = decimal.Decimal("1.50")
    pause()
    assert held.prec == 5 and held.rounding == decimal.ROUND_DOWN and held.Emax == 99 and held.traps[decimal.Inexact]
    assert held.flags[decimal.Rounded] and not held.flags[decimal.Inexact] and str(number) == "1.50"
    try:
        held.divide(1, 3)
    except decimal.Inexact:
        pass
    else:
        raise AssertionError("its trap is gone")


@row("types.SimpleNamespace")
def _():
    held = types.SimpleNamespace(a=[1])
    held.me = held
    pause()
    assert held.me is held and held.a == [1] and type(held) is types.SimpleNamespace


SENTINEL = object()


def defaulted(x=SENTINEL):
    return x is SENTINEL


@row("object() sentinel")
def _():
    held, own = SENTINEL, object()
    pair = {own: 1}
    pause()
    assert held is SENTINEL and defaulted() and defaulted(held) and pair[own] == 1 and type(own) is object


@row("struct.Struct")
def _():
    held = struct.Struct("<hI")
    pack = held.pack
    pause()
    assert held.format == "<hI" and held.size == 6 and held.unpack(held.pack(1, 2)) == (1, 2) and pack(1, 2) == held.pack(1, 2)


@row("struct_time/os.stat_result")
def _():
    held, stat, size = time.gmtime(0), os.stat("/"), os.terminal_size((80, 24))
    before = stat.st_mtime_ns, stat.st_ino
    pause()
    assert held.tm_year == 1970 and held.tm_zone in ("UTC", "GMT") and type(held) is time.struct_time
    assert (stat.st_mtime_ns, stat.st_ino) == before and size.columns == 80 and type(stat) is os.stat_result


@row("string.Formatter / Template")
def _():
    held, template = string.Formatter(), string.Template("$a and ${b}")
    pause()
    assert held.format("{0:>3}", 1) == "  1" and template.substitute(a=1, b=2) == "1 and 2"


@extra("dates, fractions, paths and uuids")
def _():
    zone = datetime.timezone(datetime.timedelta(hours=2), "Z")
    when = datetime.datetime(2020, 1, 2, 3, tzinfo=zone, fold=1)
    held = when, datetime.date.min, datetime.timedelta(1), fractions.Fraction(1, 3), pathlib.Path("a/b"), uuid.UUID(int=5)
    pause()
    assert held[0].tzinfo is zone and held[0].fold == 1 and held[3] * 3 == 1 and held[4].name == "b" and held[5].int == 5
    assert type(held[4]) is type(pathlib.Path()) and held[1] == datetime.date(1, 1, 1) and held[2].days == 1


@extra("zoneinfo.ZoneInfo")
def _():
    import zoneinfo

    known = "Europe/Berlin" in zoneinfo.available_timezones()
    held = zoneinfo.ZoneInfo("Europe/Berlin") if known else datetime.timezone.utc
    pause()
    assert held.utcoffset(datetime.datetime(2020, 1, 1)).total_seconds() in (0, 3600)
    assert not known or held is zoneinfo.ZoneInfo("Europe/Berlin")


@extra("numbers and texts at their edges")
def _():
    held = -0.0, float("nan"), 2**200, -(2**63), "\ud800", "a\0b", b"", complex(-0.0, float("inf")), True, 10**5000
    nan, pairs = held[1], [held[1]]
    pause()
    assert str(held[0]) == "-0.0" and nan != nan and nan in pairs and held[2] == 1 << 200 and held[3] == -(1 << 63)
    assert held[4] == "\ud800" and held[5] == "a\0b" and str(held[7].real) == "-0.0" and held[9] == 10**5000


@extra("module that calls itself otherwise")
def _():
    import _pydecimal

    context = _pydecimal.Context(prec=5)
    held = context.create_decimal("1") / 3, _pydecimal._signals, _pydecimal, vars(_pydecimal)
    pause()
    here = sys.modules["_pydecimal"]
    assert type(held[0]) is here.Decimal and held[1] is here._signals and held[2] is here and held[3] is vars(here)
    with held[2].localcontext(context):
        assert str(here.Decimal(1) / 7 + held[0]) == "0.47619" and set(context.traps) == set(held[1])
    assert here.Decimal is not decimal.Decimal


@extra("tuples that are told by identity")
def _():
    held = {"a": optparse.NO_DEFAULT, "b": tuple(["NO", "DEFAULT"])}
    parser = optparse.OptionParser()
    option = parser.add_option("-n", dest="n")
    pause()
    assert held["a"] is optparse.NO_DEFAULT and held["b"] == held["a"] and held["b"] is not held["a"]
    assert option.default is optparse.NO_DEFAULT and parser.parse_args([])[0].n is None


@extra("keys that hold the containers they are in")
def _():
    class Key:
        def __hash__(self):
            return hash(self.name)

        def __eq__(self, other):
            return self.name == other.name

    one = Key()
    one.name = "k"
    held = {one: 1}
    one.home, one.other = held, {one}
    pause()
    twin = Key()
    twin.name = "k"
    assert held[twin] == 1 and one.home is held and twin in one.other and next(iter(held)) is one


@extra("collections")
def _():
    counter, chain = collections.Counter("aab"), collections.ChainMap({}, {"x": 1})
    user, ordered = collections.UserDict(a=1), collections.OrderedDict(b=1, a=2)
    ordered.move_to_end("b")
    pause()
    assert counter.most_common(1) == [("a", 2)] and chain["x"] == 1 and user["a"] == 1 and list(ordered) == ["a", "b"]
    chain["x"] = 2
    assert chain.maps == [{"x": 2}, {"x": 1}]


@extra("parsers and trees in C")
def _():
    import ast
    import xml.etree.ElementTree as tree

    held, syntax = tree.fromstring("<a k='v'><b>t</b>tail</a>"), ast.parse("x = 1")
    pause()
    assert held[0].text == "t" and held[0].tail == "tail" and held.get("k") == "v" and ast.unparse(syntax) == "x = 1"


if sys.version_info >= (3, 15):

    @extra("frozendict")
    def _():
        class Key:
            pass

        key, items = Key(), [1]
        held = key.own = frozendict({key: 1, "items": items})
        items.append(held)
        table = {frozendict(a=1): "found"}
        pause()
        assert list(held) == [key, "items"] and held[key] == 1 and key.own is held and held["items"][1] is held
        assert type(held) is frozendict and table[frozendict(a=1)] == "found"

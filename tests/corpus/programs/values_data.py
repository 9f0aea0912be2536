"""One value of each kind among the locals of a captured frame: what it holds, its state, and that it stays one object."""

import abc
import array
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import operator
import pathlib
import random
import re
import string
import struct
import types
import typing
import uuid
import weakref
import zlib


def value(name, make, see, refused=None):
    """Registers a program: make() before the capture, see() what it made after it."""

    def holding():
        held = make()
        twice = [held, {"again": held}]
        pause()
        return see(held), twice[0] is held, twice[1]["again"] is held

    holding.__name__ = holding.__qualname__ = name
    program(holding, refused=refused) if refused else program(holding)


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


class Access(enum.IntFlag):
    R = 4
    W = 2


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int = 1


Pair = collections.namedtuple("Pair", "a b", defaults=[2])


class Typed(typing.NamedTuple):
    a: int
    b: str = "b"


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


@Shape.register
class Registered:
    pass


class Stack(list):
    pass


class Table(dict):
    def __missing__(self, key):
        return key * 2


# Collections
value("deque", lambda: collections.deque([1, [2], 3], maxlen=3), lambda d: (d.append(4), list(d), d.maxlen))
value("ordered_dict", lambda: collections.OrderedDict(a=1, b=2), lambda d: (d.move_to_end("a"), list(d.items())))
value("counter", lambda: collections.Counter("abca"), lambda c: (c.most_common(1), c["z"]))
value("defaultdict", lambda: collections.defaultdict(lambda: [7], a=1), lambda d: (d["b"], dict(d)))
value("chain_map", lambda: collections.ChainMap({"a": 1}, {"a": 2, "b": 3}), lambda c: (c["a"], c["b"], len(c.maps)))
value("user_dict", lambda: collections.UserDict(a=1), lambda d: dict(d))
value("list_subclass", lambda: Stack([1, 2]), lambda s: (type(s).__name__, list(s)))
value("dict_subclass", lambda: Table(a=1), lambda t: (t["b"], dict(t)))
value("array_array", lambda: array.array("d", [1.5, 2.5]), lambda a: (a.typecode, a.tolist()))
value("mapping_proxy", lambda: types.MappingProxyType({"a": [1]}), lambda m: dict(m))
value("simple_namespace", lambda: types.SimpleNamespace(a=[1]), lambda n: n.a)
value("dict_keys", lambda: {"a": 1, "b": 2}.keys(), lambda k: (list(k), "a" in k, type(k).__name__))
value("dict_values", lambda: {"a": 1, "b": 2}.values(), lambda v: list(v))
value("dict_items", lambda: {"a": 1, "b": 2}.items(), lambda i: list(i))
value("bytearray", lambda: bytearray(b"abc"), lambda b: (b.append(100), bytes(b)))


@program
def dict_view_of_a_live_dict():
    held = {"a": 1}
    keys, values, items = held.keys(), held.values(), held.items()
    pause()
    held["b"] = 2
    return list(keys), list(values), list(items)


# Numbers, times and names
value("decimal_number", lambda: decimal.Decimal("1.10"), lambda d: (str(d), str(d / 3)))
value("decimal_context", lambda: decimal.Context(prec=3), lambda c: (c.prec, str(c.divide(1, 3))))
value("fraction", lambda: fractions.Fraction(1, 3), lambda f: f + 1)
value("complex_number", lambda: [complex(1, -0.0)], repr)
value("nan_and_infinity", lambda: [float("nan"), float("inf"), -0.0], repr)
value("big_integer", lambda: [7**500], lambda n: n[0] % 1000003)
value("not_a_number", lambda: float("nan"), lambda n: (n in [n], {n: 1}.get(n), n == n))
value("date", lambda: datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc), lambda d: d.isoformat())
value("time_delta", lambda: datetime.timedelta(hours=1, microseconds=5), repr)
value("time_zone", lambda: datetime.timezone(datetime.timedelta(hours=2), "name"), repr)
value("uuid_value", lambda: uuid.UUID(int=7), str)
value("path", lambda: pathlib.Path("/a/b.c"), lambda p: (p.suffix, str(p / "d")))
value("pure_windows_path", lambda: pathlib.PureWindowsPath("a\\b"), lambda p: p.parts)
value("random_state", lambda: random.Random(5), lambda r: (r.random(), r.gauss(0, 1)))


@program
def not_a_number_as_a_key():
    key = float("nan")
    table, numbers = {key: "found", float("nan"): "other"}, [key, 1.0, key]
    pause()
    return table.get(key), len(table), numbers.count(key), numbers.index(key), numbers[0] is numbers[2] is key


@program
def random_state_in_the_middle():
    source = random.Random(1)
    first = source.gauss(0, 1), source.random()  # gauss keeps a second number
    pause()
    return first, source.gauss(0, 1), source.random(), source.getrandbits(70)


# Classes
value("enum_member", lambda: Color.RED, lambda c: (c is Color.RED, c.name, Color("g") is Color.GREEN, list(Color)))
value("flag_member", lambda: Access.R | Access.W, lambda f: (Access.R in f, f.value, f == 6))
value("data_class", lambda: Point(1, [2]), lambda p: (p, p < Point(2), dataclasses.asdict(p), dataclasses.replace(p, x=5)))
value("data_class_with_slots", lambda: Slotted(3), lambda s: (s, hasattr(s, "__dict__")))
value("named_tuple", lambda: Pair(1), lambda p: (p, p._asdict(), p._replace(a=5)))
value("typed_named_tuple", lambda: Typed(1), lambda p: (p, p._fields, Typed.__annotations__["a"] in (int, "int")))
value("abstract_class", lambda: Shape, lambda s: (issubclass(Registered, s), s.__abstractmethods__))
value("local_class", lambda: type("Local", (), {"x": 1, "get": lambda self: self.x})(), lambda o: (o.get(), type(o).__name__))
value("generic_alias", lambda: list[int], repr)
value("typing_alias", lambda: typing.Optional[typing.Dict[str, Point]], repr)
value("union_type", lambda: int | str, repr)



class Base:
    made = []

    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        note("subclass", cls.__name__, options)
        Base.made.append(cls.__name__)


class Derived(Base, option=1):
    pass


value("class_with_a_hook_for_subclasses", lambda: Derived, lambda d: (d.made, list(LOG), d.__base__ is Base))


# Callables
value("partial", lambda: functools.partial(lambda a, b, *, c: (a, b, c), 1, c=3), lambda p: (p(2), p.keywords))
value("cached_function", lambda: functools.lru_cache(None)(lambda x: note(x) * 2), lambda f: (f(2), f(2), f.cache_info().misses))
value("item_getter", lambda: operator.itemgetter(1, "a"), lambda g: repr(g))
value("attribute_getter", lambda: operator.attrgetter("real"), lambda g: g(5))
value("method_caller", lambda: operator.methodcaller("upper"), lambda m: m("a"))
value("builtin_bound_method", lambda: [1].append, lambda m: (m(2), m.__self__))
value("comparison_key", lambda: functools.cmp_to_key(lambda a, b: b - a), lambda k: sorted([1, 3, 2], key=k))
value("method", lambda: types.MethodType(lambda self, x: (self, x), 5), lambda m: m(1))
value("wrapped", lambda: functools.wraps(len)(lambda x: x), lambda f: (f.__name__, f.__wrapped__ is len))
value("total_ordering", lambda: functools.total_ordering(type("T", (), {"__eq__": lambda a, b: True, "__lt__": lambda a, b: False})),
      lambda t: t() >= t())  # fmt: skip
value("code_object", lambda: (lambda x: x + 1).__code__, lambda c: (c.co_varnames, types.FunctionType(c, {})(1)))

# Text
value("pattern", lambda: re.compile("(a)(?P<n>b)?", re.I), lambda p: (p.match("AB").groups(), p.flags))
value("match", lambda: re.search(r"(\d)(?P<word>x)?", "ab1x", re.I), lambda m: (m.span(), m.groupdict(), m.string, m.re.pattern))
value("match_of_a_slice", lambda: re.compile("b+").search("abbbc", 2, 3), lambda m: (m.span(), m.pos, m.endpos))
value("match_of_bytes", lambda: re.fullmatch(b"a(.)", b"ax"), lambda m: (m.groups(), m.lastindex))
value("template", lambda: string.Template("$a"), lambda t: t.substitute(a=1))
value("structure", lambda: struct.Struct("<ih"), lambda s: (s.pack(1, 2), s.size))


@program
def match_without_its_object():
    class Text(str):
        pass

    text = Text("key=value")
    match = re.match(r"(\w+)=(\w+)", text)
    pause()
    return match.string is text, match.group(1, 2), match.re.pattern, match.regs


@program
def matches_of_an_iterator():
    out = []
    for match in re.finditer(r"\d", "1a2b3"):
        out.append((match.group(), pause(match.start(), match.start() == 2)))
    return out


@program
def scanners():
    text = "1a22b→333"
    one, two, done = (re.compile(r"\d*").scanner(text, 1) for _ in range(3))
    kept = [one.search, one]
    first = [one.search().span() for _ in range(3)]
    two.match()
    while done.search():
        pass
    raw = re.finditer(rb"\d", bytearray(b"1a2b3"))
    next(raw)
    pause()
    return (first, [m.span() for m in iter(one.search, None)], two.search().span(), done.search(), kept[0].__self__ is one,
            one.pattern.pattern, [m.span() for m in raw])  # fmt: skip


@program
def matches_that_may_be_empty():
    out = []
    for match in re.compile("x*").finditer("axbxx", 0, 4):
        out.append((match.span(), match.pos, match.endpos))
        pause(when=len(out) == 2)
    return out


@program
def fields_of_a_format():
    import string

    parsed = string.Formatter().parse("{a.b[c]}-{}-{x!r:>{w}} end")
    first = next(parsed)
    name, rest = __import__("_string").formatter_field_name_split("a.b[c].d")
    step = next(rest)
    pause()
    return first, list(parsed), name, step, list(rest)


# Buffers
value("memory_view", lambda: memoryview(bytearray(b"abcdef"))[1:4], lambda m: (bytes(m), m.readonly, m.nbytes))


@program
def memory_view_of_a_live_buffer():
    buffer = bytearray(b"abcdef")
    view, cast = memoryview(buffer)[::2], memoryview(buffer).cast("H")
    read_only = memoryview(b"xyz")
    pause()
    view[1] = 90
    buffer[4] = 91
    return bytes(buffer), bytes(view), cast.tolist(), cast.format, read_only[1], view.obj is buffer


# Weak references
class Node:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


@program
def weak_references():
    node, gone = Node("node"), Node("gone")
    reference, dead, again = weakref.ref(node), weakref.ref(gone), weakref.ref(node)
    del gone
    pause()
    before = reference() is node, dead(), again is reference, weakref.ref(node) is reference, reference == again
    del node
    return before, reference()


@program
def weak_reference_met_before_its_object():
    node = Node("node")
    references = [weakref.ref(node)]
    holder = {"reference": references[0], "node": node}
    del node
    pause()
    before = references[0]() is holder["node"]
    holder.clear()
    return before, references[0]()


@program
def weak_reference_to_what_only_it_knows():
    node = Node("node")
    node.me = node
    reference = weakref.ref(node)
    del node  # a cycle: not collected yet, and nothing that travels holds it
    pause(bool(reference()))
    import gc

    gc.collect()
    return reference()


@program
def weak_reference_with_a_callback():
    node = Node("node")
    reference = weakref.ref(node, lambda r: note("gone", r is reference))
    pause()
    del node
    return reference(), list(LOG)


@program
def weak_proxies():
    node, gone = Node("node"), Node("gone")
    proxy, dead = weakref.proxy(node), weakref.proxy(gone)
    call = weakref.proxy(lambda x: x) if False else weakref.proxy(up := (lambda x: x + 1))
    del gone
    pause()
    out = [proxy.name, call(1), type(proxy).__name__, type(call).__name__]
    proxy.name = "renamed"
    try:
        dead.name
    except ReferenceError as error:
        out.append(str(error))
    return out, node.name, up(2)


@program
def weak_collections():
    nodes = [Node(name) for name in "abc"]
    values, keys = weakref.WeakValueDictionary(enumerate(nodes)), weakref.WeakKeyDictionary((n, n.name) for n in nodes)
    items = weakref.WeakSet(nodes)
    last = nodes.pop()
    pause()
    before = [str(v) for v in values.values()], sorted(keys.values()), sorted(map(str, items)), keys[nodes[0]], last in items
    del nodes[0], last
    return before, [str(v) for v in values.values()], sorted(keys.values()), sorted(map(str, items))


@program
def weak_methods():
    class Subject:
        def work(self):
            return "worked"

    subject = Subject()
    method = weakref.WeakMethod(subject.work)
    pause()
    before = method()()
    del subject
    return before, method()


@program
def registry_of_instances():
    class Registered:
        all = weakref.WeakSet()

        def __init__(self, name):
            self.name = name
            self.all.add(self)

    kept = [Registered("a"), Registered("b")]
    pause()
    kept.append(Registered("c"))
    names = sorted(one.name for one in Registered.all)
    del kept[0]
    return names, sorted(one.name for one in Registered.all)


# What holds a state that nobody can read
value("hash_in_progress", lambda: hashlib.sha256(b"a"), lambda h: h.hexdigest(), refused="HASH")
value("compressor", lambda: zlib.compressobj(), lambda c: c.flush(), refused="Compress")

# Type variables
T = typing.TypeVar("T", bound=int)
P = typing.ParamSpec("P")
Ts = typing.TypeVarTuple("Ts")
New = typing.NewType("New", int)


class Box(typing.Generic[T]):
    def __init__(self, item: T):
        self.item = item

    def get(self) -> T:
        return self.item


value("type_variable", lambda: T, lambda t: (t is T, repr(t), t.__bound__, Box.__parameters__ == (T,)))
value("parameter_specification", lambda: P, lambda p: (p is P, repr(p.args), typing.Callable[p, int]))
value("type_variable_tuple", lambda: Ts, lambda t: (t is Ts, repr(t), [x for x in t][0] == typing.Unpack[t]))
value("new_type", lambda: New, lambda n: (n is New, n(3), n.__supertype__))
value("generic_class", lambda: Box[int](3), lambda b: (b.get(), b.__orig_class__, Box[T] == Box[T], Box[str]))
value("own_type_variable", lambda: typing.TypeVar("Own", int, str, covariant=False), lambda t: (t.__constraints__, t.__name__))

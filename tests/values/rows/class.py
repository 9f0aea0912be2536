"""Classes that the adopter cannot import, and their instances."""

import abc
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import itertools
import random
import types
import typing
import zoneinfo

import numpy


class Meta(type):
    def __new__(meta, name, bases, space, tag=None):
        made = super().__new__(meta, name, bases, space)
        made.tag = tag
        return made

    def __init__(cls, name, bases, space, tag=None):
        super().__init__(name, bases, space)
        INITIALISED.append(name)

    def __call__(cls, *args):
        return "called", super().__call__(*args)


INITIALISED = []


class Plain:
    """The doc."""

    shared = []

    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x

    def method(self):
        return __class__


@row("class in __main__")
def _():
    held = Plain
    pause()
    assert held is Plain and held(3).get() == 3 and held.__doc__ == "The doc." and held.__module__ == "__main__"
    assert held(1).method() is Plain and held.__mro__ == (Plain, object)
    assert typing.get_type_hints(held) == {}


@row("instance of __main__ class")
def _():
    one = Plain([1])
    one.me = one
    pause()
    assert type(one) is Plain and one.me is one and one.get() == [1] and isinstance(one, Plain) and vars(one).keys() == {"x", "me"}


@row("local class instance")
def _():
    outside = ["outside"]

    class Local(Plain):
        def get(self):
            return super().get(), outside

    one = Local(5)
    pause()
    assert one.get() == (5, outside) and one.get()[1] is outside and type(one) is Local
    assert Local.__qualname__.endswith("<locals>.Local") and issubclass(Local, Plain)


@row("class w/ metaclass")
def _():
    class Held(metaclass=Meta, tag="t"):
        pass

    before = list(INITIALISED)
    pause()
    assert type(Held) is Meta and Held.tag == "t" and Held()[0] == "called" and INITIALISED == before

    class Below(Held, tag="u"):
        pass

    assert Below.tag == "u" and INITIALISED == [*before, "Below"]


@row("class w/ __slots__ instance")
def _():
    class Slotted:
        __slots__ = ("a", "b", "__private")

        def __init__(self):
            self.a, self.__private = 1, "p"

        def private(self):
            return self.__private

    one = Slotted()
    pause()
    assert one.a == 1 and not hasattr(one, "b") and not hasattr(one, "__dict__") and one.private() == "p"
    one.b = 2
    assert one.b == 2 and Slotted.__slots__ == ("a", "b", "__private")
    try:
        one.c = 3
    except AttributeError:
        pass
    else:
        raise AssertionError("it takes any attribute")


@dataclasses.dataclass(order=True)
class Data:
    x: int
    y: list = dataclasses.field(default_factory=list, compare=False)
    k: typing.ClassVar[int] = 9


@row("dataclass instance (main)")
def _():
    one = Data(1, ["y"])
    pause()
    assert one == Data(1) and one.y == ["y"] and repr(one) == "Data(x=1, y=['y'])" and Data(2) > one
    assert [f.name for f in dataclasses.fields(one)] == ["x", "y"] and dataclasses.replace(one, x=3).x == 3
    assert dataclasses.asdict(one) == {"x": 1, "y": ["y"]} and dataclasses.is_dataclass(Data)


@extra("dataclass, frozen with slots")
def _():
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Point:
        x: int = 0
        y: int = 0

    one = Point(x=1)
    keyed = {one: "at"}
    pause()
    assert keyed[Point(x=1)] == "at" and one.y == 0 and not hasattr(one, "__dict__")
    try:
        one.x = 2
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError("it is not frozen")


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    ROUGE = 1

    def loud(self):
        return self.name + "!"


@row("Enum member (main)")
def _():
    held = Color.RED
    keyed = {Color.GREEN: 1}
    pause()
    assert held is Color.RED is Color(1) is Color["RED"] is Color.ROUGE and held.loud() == "RED!"
    assert keyed[Color("g")] == 1 and list(Color) == [Color.RED, Color.GREEN] and Color.__members__["ROUGE"] is held


@extra("Flag, IntEnum and StrEnum members")
def _():
    class Access(enum.Flag):
        R = enum.auto()
        W = enum.auto()

    class Level(enum.IntEnum):
        LOW = 1

    class Word(enum.StrEnum):
        HI = "hi"

    held = Access.R | Access.W, Level.LOW, Word.HI
    pause()
    assert held[0] is Access(3) and Access.R in held[0] and held[1] is Level(1) and held[1] + 1 == 2
    assert held[2] == "hi" and held[2] is Word("hi") and (held[0] & ~Access.R) is Access.W


Pair = collections.namedtuple("Pair", "left right", defaults=[0])


class Typed(typing.NamedTuple):
    a: int
    b: str = "b"

    def both(self):
        return self.a, self.b


@row("namedtuple instance (main)")
def _():
    one, two = Pair([1]), Typed(2)
    pause()
    assert one == ([1], 0) and one.left == [1] and type(one) is Pair and one._replace(right=3).right == 3
    assert two.both() == (2, "b") and Pair._fields == ("left", "right") and Typed.__annotations__ == {"a": int, "b": str}


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


@Shape.register
class Square:
    pass


@row("ABC class w/ registry")
def _():
    class Disc(Shape):
        def area(self):
            return 3

    held = Disc()
    pause()
    assert isinstance(Square(), Shape) and issubclass(Square, Shape) and isinstance(held, Shape) and not isinstance(1, Shape)
    Shape.register(int)
    assert isinstance(1, Shape)
    try:
        Shape()
    except TypeError:
        pass
    else:
        raise AssertionError("it is not abstract")


@row("mappingproxy (types.MappingProxyType)")
def _():
    mapping = {"a": 1}
    held = types.MappingProxyType(mapping)
    pause()
    mapping["b"] = 2
    assert held == {"a": 1, "b": 2} and type(held) is types.MappingProxyType and not hasattr(held, "__setitem__")


@row("mappingproxy (cls.__dict__)")
def _():
    held, known = Plain.__dict__, str.__dict__
    pause()
    Plain.added = 5
    assert held["added"] == 5 and held["get"] is Plain.get and known["upper"] is str.upper
    del Plain.added


@row("generic alias / typing")
def _():
    held = list[int], dict[str, Plain], typing.Optional[Plain], typing.Callable[[int], str], int | str, typing.Literal["x"]
    pause()
    assert held[0] == list[int] and held[0].__args__ == (int,) and held[1].__args__[1] is Plain
    assert typing.get_args(held[2]) == (Plain, type(None)) and held[3] == typing.Callable[[int], str]
    assert held[4] == int | str and isinstance(1, held[4]) and typing.get_args(held[5]) == ("x",)


T = typing.TypeVar("T", bound=Plain)


class Box(typing.Generic[T]):
    def __init__(self, item: T):
        self.item = item


@row("TypeVar")
def _():
    held, alias, one = T, Box[int], Box(1)
    pause()
    assert held is T and held.__name__ == "T" and held.__bound__ is Plain and Box.__parameters__ == (T,)
    assert alias.__origin__ is Box and one.item == 1 and Box[str].__args__ == (str,)


@extra("class with a cycle through its own namespace")
def _():
    class Node:
        known = []

        def __init_subclass__(cls, **options):
            cls.known.append((cls, options))

    class Leaf(Node, kind="leaf"):
        pass

    Node.root = Node()
    Node.root.cls = Node
    pause()
    assert Node.root.cls is Node and Node.known == [(Leaf, {"kind": "leaf"})] and Node.__subclasses__() == [Leaf]


@extra("class with descriptors that were told their names")
def _():
    class Field:
        def __set_name__(self, owner, name):
            self.calls = getattr(self, "calls", 0) + 1
            self.name = name

        def __get__(self, one, owner):
            return self if one is None else one.__dict__.get(self.name, "none")

    class Record:
        field = Field()

    pause()
    assert Record.field.name == "field" and Record.field.calls == 1 and Record().field == "none"


@extra("typing.Protocol and TypedDict")
def _():
    @typing.runtime_checkable
    class Sized(typing.Protocol):
        def size(self) -> int: ...

    class Movie(typing.TypedDict, total=False):
        title: str

    class Has:
        def size(self):
            return 1

    assert isinstance(Has(), Sized)
    pause()
    assert isinstance(Has(), Sized) and not isinstance(1, Sized) and Movie(title="x") == {"title": "x"}
    assert Movie.__optional_keys__ == {"title"} and Movie.__annotations__ == {"title": str}


@extra("instances of subclasses of builtins")
def _():
    class Text(str):
        pass

    class Items(list):
        def append(self, item):
            raise AssertionError("asked")

    class Mapping(dict):
        def __missing__(self, key):
            return key * 2

    text, items, mapping = Text("t"), Items([1]), Mapping(a=1)
    text.note, items.note = items, text
    pause()
    assert text == "t" and text.note is items and items.note is text and items == [1] and mapping["b"] == "bb"
    assert type(text) is Text and type(items) is Items and type(mapping) is Mapping


@extra("metaclass with an mro() of its own")
def _():
    class Extra:
        def hi(self):
            return "extra"

    class Ordered(type):
        def mro(cls):
            asked.append(cls.__name__)
            found = type.mro(cls)
            return [found[0], Extra, *found[1:]] if cls.__name__ == "Odd" else found

    asked = []

    class Base(metaclass=Ordered):
        def hi(self):
            return "base"

    class Odd(Base):
        pass

    class Below(Odd):
        pass

    before = list(asked)
    held = Odd(), Below()
    Ordered.first = held[0]  # the metaclass is rebuilt around its classes
    pause()
    assert Ordered.first is held[0] and asked == before and [one.hi() for one in held] == ["extra"] * 2 and type(Odd) is Ordered
    assert Odd.__mro__ == (Odd, Extra, Base, object) and Below.__mro__ == (Below, *Odd.__mro__)
    assert "mro" in vars(Ordered) and type("New", (Base,), {}).__name__ == asked[-1] == "New"


@extra("class with __dict__ and __weakref__ among its names")
def _():
    class Odd:
        @property
        def __dict__(self):
            return "no dict"

        __weakref__ = 3

    held = Odd()
    held.x = 1
    pause()
    assert held.__dict__ == "no dict" and held.__weakref__ == 3 and held.x == 1


MADE = []


class Money:
    zero, table = None, {}

    class Unit:
        def __init__(self, name):
            self.name = name

    def __init__(self, amount):
        self.amount, self.unit = amount, self.Unit("EUR")
        MADE.append(amount)

    def __reduce__(self):
        return Money, (self.amount,)

    def __eq__(self, other):
        return type(other) is Money and other.amount == self.amount

    def __hash__(self):
        return hash(self.amount)


Money.zero = Money(0)
Money.table[Money.zero] = [Money(7), Money.zero]


class Stated:
    first = None

    def __init__(self, value):
        self.value = value

    def __getstate__(self):
        return (self.value,)

    def __setstate__(self, state):
        self.value, self.was_set = state[0], True


Stated.first = Stated([1])


def make_rebuilt(value):
    return Rebuilt(value)


class Rebuilt:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return make_rebuilt, (self.value,)


Rebuilt.default = Rebuilt(3)


class Newly:
    def __new__(cls, a, b):
        self = object.__new__(cls)
        self.pair = a, b
        return self

    def __getnewargs__(self):
        return self.pair


class Below(Newly):
    pass


Newly.of_below, Below.own = Below(1, 2), Below(3, 4)


@extra("class that has objects which its own methods make")
def _():
    names = list(vars(Money))
    money, stated = Money(3), Stated(5)
    pause()
    assert (Money.zero.amount, Money.table[Money(0)][0].amount, money.amount) == (0, 7, 3)
    assert Money.table[Money.zero][1] is Money.zero and list(Money.table)[0] is Money.zero
    assert Money.zero.unit.name == "EUR" and type(Money.zero.unit) is Money.Unit and 0 in MADE
    assert list(vars(Money)) == names and stated.value == 5
    assert Stated.first.value == [1] and Stated.first.__dict__.keys() <= {"value", "was_set"}
    assert Rebuilt.default.value == 3 and type(Rebuilt.default) is Rebuilt
    assert Newly.of_below.pair == (1, 2) and Below.own.pair == (3, 4) and type(Below.own) is Below


@extra("slots that something else hides")
def _():
    class Shape:
        __slots__ = ("area", "name")

        def __init__(self):
            self.name = ["shape"]

        def own_name(self):
            return Shape.name.__get__(self)

    class Square(Shape):
        __slots__ = ("side", "__dict__")
        asked = []

        @property
        def area(self):
            self.asked.append(self)
            return self.side**2

    class Named(Shape):
        __slots__ = ("name",)

        def __init__(self):
            super().__init__()
            Shape.name.__set__(self, [self])

    class Parts(Named):
        area = None

        def __reduce__(self):
            return Parts, ()

    square, squares, named, parts = Square(), [Square(), Square()], [Named(), Named()], Parts()
    for i, one in enumerate([square, *squares]):
        one.side, one.more = i + 2, one
    named[1].name.append(named[0])
    pause()
    assert [one.area for one in [square, *squares]] == [4, 9, 16] and len(Square.asked) == 3
    assert all(one.more is one and one.own_name() == one.name == ["shape"] for one in [square, *squares])
    assert all(one.own_name()[0] is one for one in named)
    assert named[0].name == ["shape"] and named[1].name[1] is named[0]
    assert parts.own_name() == [parts] and parts.area is None


@extra("class whose namespace is gone through")
def _():
    class Plain:
        pass

    class Slotted:
        __slots__ = ("a", "_Slotted__b")

    class Member(float, enum.Enum):
        ONE = 1.0

    one, two = Plain(), Slotted()
    one.x = two.a = Member.ONE
    names = []
    for cls in (Plain, Slotted, Member):
        for name, _ in cls.__dict__.items():
            if not names:
                pause()
            names.append(name)
    assert "__slotnames__" not in names and "a" in names and one.x is Member.ONE and two.a is Member.ONE


@extra("subclasses of the library's classes with constructors of their own")
def _():
    class Recent(collections.OrderedDict):
        def __init__(self, capacity):
            super().__init__()
            self.capacity = capacity

        def __setitem__(self, key, value):
            if len(self) >= self.capacity:
                self.popitem(last=False)
            super().__setitem__(key, value)

    class Tree(collections.defaultdict):
        def __init__(self, depth):
            super().__init__(self.child)
            self.depth = depth

        def child(self):
            return Tree(self.depth + 1)

    class Window(collections.deque):
        def __init__(self, name, size):
            super().__init__(maxlen=size)
            self.name = name

        def append(self, item):
            super().append((self.name, item))

    class Money(decimal.Decimal):
        def __new__(cls, amount, unit):
            self = super().__new__(cls, amount)
            self.unit = unit
            return self

    class Stamp(datetime.datetime):
        def __new__(cls, text):
            parsed = datetime.datetime.fromisoformat(text)
            self = super().__new__(cls, *parsed.timetuple()[:6], tzinfo=Zone(2))
            self.text = text
            return self

    class Zone(datetime.tzinfo):
        def __init__(self, hours):
            self.hours = hours

        def utcoffset(self, when):
            return datetime.timedelta(hours=self.hours)

    class Share(fractions.Fraction):
        def __new__(cls, numerator, denominator, owner):
            self = super().__new__(cls, numerator, denominator)
            self.owner = owner
            return self

    class Dice(random.Random):
        def __init__(self, name):
            super().__init__(5)
            self.name = name

    class Address(ipaddress.IPv4Address):
        def __init__(self, text, port):
            super().__init__(text)
            self.port = port

    class Record(types.SimpleNamespace):
        def __init__(self, x):
            super().__init__(x=x)

    class Flags(frozenset):
        def __new__(cls, *flags):
            return super().__new__(cls, flags)

    class Raw(bytearray):
        def __init__(self, a, b):
            super().__init__(a + b)
            self.split = len(a)

    class Cached(collections.OrderedDict):
        def __init__(self, path):
            super().__init__(a=1)
            self.path, self.handle = path, object()

        def __getstate__(self):
            return {"path": self.path}

        def __setstate__(self, state):
            self.__dict__.update(state, handle="reopened")

    recent, tree, window, dice = Recent(2), Tree(0), Window("w", 2), Dice("d")
    recent["a"], recent["b"], recent["c"], tree["x"]["y"] = 1, 2, 3, 4
    window.extend([1, 2])
    window.append(3)
    expected = random.Random(5).random()
    others = Money("1.5", "EUR"), Stamp("2024-01-02T03:04:05"), Share(1, 2, "me"), Address("10.0.0.1", 80), Record(4)
    more = Flags("r", "w"), Raw(b"ab", b"c"), Cached("/p")
    pause()
    recent["d"] = 4
    window.append(5)
    assert list(recent.items()) == [("c", 3), ("d", 4)] and recent.capacity == 2 and type(recent) is Recent
    assert tree["x"].depth == 1 and tree["new"].depth == 1 and tree.default_factory.__self__ is tree and tree["x"]["y"] == 4
    assert list(window) == [("w", 3), ("w", 5)] and window.maxlen == 2
    assert others[0] == decimal.Decimal("1.5") and others[0].unit == "EUR" and type(others[0]) is Money
    assert str(others[1]) == "2024-01-02 03:04:05+02:00" and others[1].text == "2024-01-02T03:04:05"
    assert others[2] * 2 == 1 and others[2].owner == "me" and str(others[3]) == "10.0.0.1" and others[3].port == 80
    assert dice.random() == expected and dice.name == "d"
    assert others[4].x == 4 and more[0] == {"r", "w"} and more[1] == b"abc" and more[1].split == 2
    assert list(more[2]) == ["a"] and more[2].path == "/p" and type(more[2].handle) in (str, object)


@extra("attributes of instances below the library's classes")
def _():
    def below(base, *arguments):
        made = type("Below", (base,), {})(*arguments)
        made.note = [base.__name__]
        return made

    held = [
        below(datetime.datetime, 2024, 1, 2), below(datetime.date, 2024, 1, 2), below(datetime.timedelta, 3), below(datetime.time, 3),
        below(decimal.Decimal, "1.5"), below(decimal.Context, 5), below(fractions.Fraction, 1, 2), below(collections.defaultdict, list),
        below(collections.OrderedDict, [(1, 2)]), below(collections.deque, [1, 2], 3), below(random.Random, 5), below(frozenset, [1]),
        below(bytearray, b"ab"), below(types.SimpleNamespace), below(ipaddress.IPv4Network, "10.0.0.0/8"),
        below(numpy.float64, 1.5), below(numpy.int16, 3), below(collections.Counter, "aab"), below(OSError, 2, "gone"),
    ]  # fmt: skip
    if "UTC" in zoneinfo.available_timezones():  # a small machine may have none
        held.append(below(zoneinfo.ZoneInfo, "UTC"))
    texts = [repr(one) for one in held if not isinstance(one, random.Random)]
    pause()
    assert [repr(one) for one in held if not isinstance(one, random.Random)] == texts
    for one in held:
        assert type(one).__name__ == "Below" and one.note == [type(one).__mro__[1].__name__], one


@extra("subclass of itertools.count")
def _():
    class Steps(itertools.count):
        def __new__(cls, start, name):
            self = super().__new__(cls, start, 2)
            self.name = name
            return self

    steps = Steps(3, "s")
    first = next(steps)
    pause()
    assert (first, next(steps), steps.name) == (3, 5, "s")

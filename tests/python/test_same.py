"""A function, class or type parameter that was adopted before, or comes home, is one object for as long as nobody can tell that it is shared;
what can be told apart is private to each stack, so that a snapshot gives the same whenever it is resumed, in one process too.
"""

import pytest
from processes import literal, run

#: Defines things of every kind that stay one, under their names in `THINGS`; those in `APART` do not.
DEFINITIONS = """
import abc, collections, dataclasses, enum, functools, typing

LEVEL = 3


def plain(x, *, by=2): return x * by


def uses(x): return plain(x) + len([x]) + LEVEL


def recursive(n): return n and recursive(n - 1)


def maker(n):
    def inner(x): return x + n
    return inner


closure = maker(3)
Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Data:
    x: int = 0
    y: list = dataclasses.field(default_factory=list)


class Base(abc.ABC):
    limit = 10
    __slots__ = ("q",)

    @abc.abstractmethod
    def f(self): ...

    @property
    def p(self): return self.q

    @classmethod
    def c(cls): return cls()

    @staticmethod
    def s(): return uses(1)


class Derived(Base):
    def f(self): return super().f

    @functools.cached_property
    def cached(self): return 1


class Typed(typing.NamedTuple):
    a: int = 1


class Colour(enum.Enum):
    RED = 1
    GREEN = 2

    def is_green(self): return self is Colour.GREEN


class Bits(enum.IntFlag):
    A = 1
    B = 2


Word = enum.StrEnum("Word", {"ONE": "one", "TWO": "two"})
T = typing.TypeVar("T")


class Generic(typing.Generic[T]): pass


class Hashed:
    def __init__(self, v): self.v = v
    def __eq__(self, other): return self.v == other.v
    def __hash__(self): return 1


class Meta(type):
    def __call__(cls, *args): return super().__call__(*args)


class Made(metaclass=Meta): pass


THINGS = {n: globals()[n] for n in '''plain recursive closure Point Data Base Derived Typed Colour Bits Word T Generic Hashed
    Meta Made'''.split()}
THINGS["lambda"] = lambda x: x * 2
#: Functions of `THINGS` that use what their module defines: at home that may be something else by the time they are called.
AT_HOME_APART = ["recursive", "closure"]

seen = []


def grows(x): seen.append(x); return seen


def keeps(x, into=[]): return into


def counts():
    global LEVEL_OF
    LEVEL_OF += 1


LEVEL_OF = 0


class Registry:
    entries = {}


class Below(Registry): pass


class Logs:
    def note(self): seen.append(self)


APART = {n: globals()[n] for n in "grows keeps counts Registry Below Logs".split()}
"""
TRIP = """
import torpor, warnings
warnings.simplefilter("error")


def holding(value):
    data = torpor.dumps()
    return data if isinstance(data, bytes) else value


def taken(value): return torpor.run(holding, value)
def back(value): return torpor.loads(taken(value)).resume()
"""


def test_it_comes_home_as_it_is():
    out = run(
        DEFINITIONS
        + TRIP
        + """
away = [n for n, v in THINGS.items() if back(v) is not v]
print((away == AT_HOME_APART, [n for n, v in APART.items() if back(v) is v]))
"""
    )
    assert literal(out) == (True, [])


def test_adopted_twice_it_is_one(tmp_path):
    """In a process that has not seen the script: once from one snapshot, once from another one."""
    run(
        DEFINITIONS
        + TRIP
        + """
import pathlib, sys
for name, value in (THINGS | APART).items():
    for i in range(2):
        pathlib.Path(sys.argv[1], f"{name}.{i}").write_bytes(taken(value))
print(LEVEL)
""",
        tmp_path,
    )
    out = run(
        """
import pathlib, sys, torpor
def adopted(name, i): return torpor.loads(pathlib.Path(sys.argv[1], f"{name}.{i}").read_bytes()).resume()
one, apart = set(), set()
for path in pathlib.Path(sys.argv[1]).glob("*.0"):
    first, again, other = adopted(path.stem, 0), adopted(path.stem, 0), adopted(path.stem, 1)
    (one if first is again is other else apart).add(path.stem)
    assert first is not again or first.__module__ == "__main__"
print((sorted(one), sorted(apart)))
""",
        tmp_path,
    )
    names = "Base Bits Colour Data Derived Generic Hashed Made Meta Point T Typed Word closure lambda plain recursive"
    assert literal(out) == (names.split(), ["Below", "Logs", "Registry", "counts", "grows", "keeps"])


def test_what_a_class_has_comes_with_it():
    out = run(
        DEFINITIONS
        + TRIP
        + """
values = [Colour.GREEN, Bits.A, Bits.A | Bits.B, Word.TWO, Base.__dict__["p"], Derived.f, Data.__dataclass_fields__, Point.x]
classes = [Colour, Bits, Word, Base, Derived, Data, Point]
got = back([*values, *classes, {Colour.RED: 1}])
print(([a is b for a, b in zip(got, values + classes)], got[-1][Colour.RED], got[0].is_green()))
print([a is b for a, b in zip(back(classes + values), classes + values)])
"""
    )
    assert literal(out.strip().splitlines()[0]) == ([True] * 15, 1, True) and literal(out) == [True] * 15


#: Each changes all that a stack shares with what it calls, in ways that a second run would see.
COUNTING = """
import torpor
total = 0
log = []


class Counter:
    made = 0
    names = []

    def bump(self):
        global total
        total += 1
        Counter.made += 1
        log.append(total)
        self.names.append(len(log))


class Quiet:
    made = 0


def cell():
    n = 0

    def step():
        nonlocal n
        n += 1
        return n

    return step, lambda: n


def defaults(x, into=[]):
    into.append(x)
    return into


def main():
    counter, (step, value) = Counter(), cell()
    for _ in range(2):
        counter.bump()
        step()
        Quiet.made += 1
        defaults(Quiet.made)
    got = torpor.capture(key="count")
    if isinstance(got, torpor.Snapshot):
        return got
    for _ in range(3):
        counter.bump()
        step()
        Quiet.made += 1
    return total, log, Counter.made, Counter.names, step(), value(), Quiet.made, defaults(0)
"""
COUNTED = (5, [1, 2, 3, 4, 5], 5, [1, 2, 3, 4, 5], 6, 6, 5, [1, 2, 0])


def test_what_belongs_to_a_class_of_its_own_is_its_own():
    """One that cannot be shared has no part that is: fields, parameters, members that refer to it, classes below and beside it."""
    run(
        """
import abc, dataclasses, enum, torpor, typing
class Own:
    known = []
T = typing.TypeVar("T", bound=Own)
class Box(typing.Generic[T]): pass
@dataclasses.dataclass
class Data:
    own: Own = None
    many: list = dataclasses.field(default_factory=list)
class Kind(enum.Enum):
    ONE = Own
class Shape(abc.ABC): pass
Shape.register(Own)
class Hooked:
    def __init_subclass__(cls): Own.known.append(cls)
class Under(Hooked): pass
def main():
    fields = dataclasses.fields(Data)
    got = torpor.capture(key="own")
    right = T.__bound__ is Own, Box.__parameters__ == (T,), Data.__dataclass_fields__["own"].type is Own, fields == dataclasses.fields(Data)
    class Later(Hooked): pass
    return right, [a is b for a, b in zip(fields, dataclasses.fields(Data))], Kind.ONE.value is Own, issubclass(Own, Shape), Own.known == [Under, Later]
torpor.run(main)
"""
    )
    out = run("import torpor\nfor _ in range(3): print(torpor.adopt('own').resume())")
    assert out.splitlines() == [repr(((True,) * 4, [True, True], True, True, True))] * 3


@pytest.mark.parametrize("where", ["in another process", "at home"])
def test_each_resume_gives_the_same(where):
    """One after the other in one process, where the one before has changed all that it could."""
    again = "for _ in range(3): print(torpor.adopt('count').resume())"
    if where == "at home":
        out = run(COUNTING + "got = torpor.run(main)\n" + again + "\nprint((total, log, Counter.made, Quiet.made))")
        *lines, own = out.strip().splitlines()
        # The process's own stay as they were.
        assert literal(own) == (2, [1, 2], 2, 2) and lines == [repr(COUNTED)] * 3
    else:
        run(COUNTING + "torpor.run(main)")
        assert run("import torpor\n" + again).strip().splitlines() == [repr(COUNTED)] * 3


def test_two_stacks_do_not_share_what_they_change():
    """Both adopted before one is resumed."""
    run(COUNTING + "torpor.run(main)")
    out = run(
        """
import torpor
a, b = torpor.adopt("count"), torpor.adopt("count")
print((a.resume(), b.resume()))
"""
    )
    assert literal(out) == (COUNTED, COUNTED)


def test_what_changed_at_home_is_not_what_was_captured():
    out = run(
        DEFINITIONS
        + TRIP
        + """
class Limit:
    most = 1
    def f(self): return self.most
def level(): return LEVEL
def far(): return level()
cls, fun, deep, made, inner = map(taken, (Limit, level, far, maker, Hashed))
Limit.most, LEVEL = 2, 9
Hashed.more = 1
def other(n): return None
maker.__code__ = other.__code__
cls, fun, deep, made, inner = (torpor.loads(b).resume() for b in (cls, fun, deep, made, inner))
print((cls().f(), cls is Limit, fun(), deep(), made(1)(1), hasattr(inner, "more"), inner is Hashed))
# It is again, with what it has now.
print((back(Limit) is Limit, back(Hashed) is Hashed, back(maker) is maker))
"""
    )
    first, last = out.strip().splitlines()
    assert literal(first) == (1, False, 3, 3, 2, False, False) and literal(last) == (True, True, True)


def test_functions_at_home_keep_apart_from_its_globals():
    """The globals that captured code uses are private to it: the process may give a name another value later."""
    out = run(
        DEFINITIONS
        + TRIP
        + """
def level(): return LEVEL
def above(): return level() + 1
own = back([level, above, recursive])
LEVEL = 100
del recursive
print((own[0](), own[1](), own[2](3), own[0].__globals__ is own[1].__globals__, own[0].__globals__ is globals()))
"""
    )
    assert literal(out) == (3, 4, 0, True, False)


def test_it_goes_when_nobody_has_it():
    """What was captured or adopted is not held for ever."""
    out = run(
        DEFINITIONS
        + TRIP
        + """
import gc, weakref
kinds = [lambda: maker(1), lambda: type("Gone", (), {}), lambda: typing.TypeVar("Gone")]
for make in kinds:
    for _ in range(400):
        value = back(make())
    there = weakref.ref(value)
    del value
    gc.collect()
    print(there())
"""
    )
    assert out.split() == ["None"] * 3


def test_classes_of_properties_and_methods_travel(tmp_path):
    out = run(
        TRIP
        + """
import abc


class shared(property):
    "A property of the class."
    def __init__(self, f, note): super().__init__(f); self.note = note
    def __get__(self, instance, owner): return self.fget(owner)


class quiet(staticmethod):
    __slots__ = ("level",)


class Here(abc.ABC):
    value = shared(lambda cls: cls.__name__, "a note")
    calm = quiet(lambda: 5)
    @abc.abstractclassmethod
    def a(cls): return "a"
    @abc.abstractstaticmethod
    def b(): return "b"
    @abc.abstractproperty
    def c(self): return "c"


vars(Here)["calm"].level = 7
import pathlib, sys
pathlib.Path(sys.argv[1]).write_bytes(taken(Here))
""",
        tmp_path / "here",
    )
    out = run(
        """
import pathlib, sys, torpor
cls = torpor.loads(pathlib.Path(sys.argv[1]).read_bytes()).resume()
own = vars(cls)
print((cls.value, own["value"].note, own["value"].__doc__, cls.calm(), own["calm"].level, cls.a(), cls.b(), sorted(cls.__abstractmethods__)))
""",
        tmp_path / "here",
    )
    assert literal(out) == ("Here", "a note", None, 5, 7, "a", "b", ["a", "b", "c"])

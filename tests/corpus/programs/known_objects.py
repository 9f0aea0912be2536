"""Enumerations, named tuples, exceptions and other objects that say less of themselves than they are."""

import collections
import datetime
import enum
import functools
import sys
import types
import typing

Pair = collections.namedtuple("Pair", "left right")
ORIGIN = Pair(0, 0)
PAIRS = {"far": Pair(3, 4)}


@program
def named_tuple_of_main():
    moved = ORIGIN._replace(left=1)
    pause()
    return moved, ORIGIN, PAIRS["far"]._replace(right=5), type(moved) is Pair


class Shade(enum.Enum):
    DARK = "d"
    LIGHT = "l"

    def __str__(self):
        return f"shade {self.value}"

    def __format__(self, specification):
        return "formatted"

    @classmethod
    def _missing_(cls, value):
        return cls.DARK

    @property
    def opposite(self):
        return Shade.LIGHT if self is Shade.DARK else Shade.DARK


@program
def enumeration_with_special_methods():
    dark = Shade.DARK
    pause()
    return str(dark), f"{dark}", repr(Shade("?")), dark.opposite is Shade.LIGHT, Shade("l") is Shade.LIGHT, list(Shade)


class Day(datetime.date, enum.Enum):
    FIRST = 2026, 1, 1
    LAST = 2026, 12, 31


@program
def enumeration_of_dates():
    first = Day.FIRST
    pause()
    return first is Day.FIRST, first.year, Day.LAST.value - first.value, [day.name for day in Day]


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


@program
def flags_combined():
    both = Access.READ | Access.WRITE
    pause()
    return both, both is Access(3), Access.READ in both, both ^ Access.READ, ~Access.WRITE == Access.READ


@program
def enumeration_with_new():
    class Planet(float, enum.Enum):
        def __new__(cls, mass, name):
            made = float.__new__(cls, mass)
            made._value_ = name
            made.mass = mass
            return made

        EARTH = 5.9, "earth"
        MARS = 0.6, "mars"

    pause()
    return Planet.EARTH + Planet.MARS, Planet("mars") is Planet.MARS, Planet.EARTH.mass, repr(Planet.EARTH)


@program
def names_of_exceptions():
    found = []
    for wrong in ("missing_name", "ORIGIN.nothing"):
        try:
            eval(wrong)
        except (NameError, AttributeError) as error:
            found.append(error)
    pause()
    return found[0].name, found[1].name, found[1].obj


@program
def exit_and_stop_values():
    out = SystemExit(3)
    out.code = 4
    stop = StopIteration(1)
    stop.value = 2
    pause()
    return out.code, out.args, stop.value, stop.args


@program
def class_with_bases_of_its_own():
    class Strange:
        @property
        def __bases__(self):
            return "none"

        @property
        def __name__(self):
            return "strange"

    strange = Strange()
    pause()
    return strange.__bases__, strange.__name__, Strange.__bases__, Strange.__name__


@program
def bound_next_of_a_list():
    step = iter([1, 2, 3]).__next__
    step()
    pause()
    return step(), step(), type(step.__self__).__name__


@program
def function_behind_its_wrapper():
    inner = typing._SpecialForm.__getitem__.__wrapped__
    pause()
    return inner is typing._SpecialForm.__getitem__.__wrapped__, functools.wraps(inner)(len).__wrapped__ is inner


@program
def standard_streams():
    out, err = sys.stdout, sys.stderr
    pause()
    return out is sys.stdout, err is sys.stderr


class Halfway:
    """One that says in the middle of its items that it is not whole."""

    def __reduce__(self):
        return Halfway, (), None, self.items()

    def items(self):
        yield 1
        raise KeyError("not yet")


@program(refused="Halfway")
def items_that_raise():
    halfway = Halfway()
    pause()
    return type(halfway)


class Boxed(typing.Generic[typing.AnyStr]):
    def __init__(self, value: typing.AnyStr):
        self.value = value


@program
def generic_class():
    boxed = Boxed("x")
    pause()
    return boxed.value, Boxed[str].__args__, Boxed.__orig_bases__ == (typing.Generic[typing.AnyStr],)


@program(refused="module")
def module_without_a_name():
    nameless = types.ModuleType.__new__(types.ModuleType)
    pause()
    return type(nameless)


@program(refused="C")
def class_made_in_c():
    kind = type(enumerate.__class_getitem__)
    callable_iterator = type(iter(int, 1))
    pause()
    return kind, callable_iterator


def keyed():
    """A class whose instances hash as its methods say, and a function that finds its containers through them."""

    class Key:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            return hash(self.n)

        def __eq__(self, other):
            return self.n == other.n

        def holders(self):
            return table, group, pairs

    table = {Key(1): "one", Key(2): "two"}
    group = {Key(3), Key(4)}
    pairs = {(Key(5), 0): "pair", "text": Key(6)}
    return Key, table, group, pairs


@program
def keys_whose_methods_lead_back_to_their_dict():
    Key, table, group, pairs = keyed()
    pause()
    same = [a is b for a, b in zip(Key(0).holders(), (table, group, pairs))]
    return same, table[Key(2)], Key(3) in group, Key(9) in group, pairs[Key(5), 0], list(map(len, (table, group, pairs)))


@program
def keys_that_hold_their_dict():
    class Node:
        def __init__(self, name):
            self.name = name
            self.known = {self: name}

        def __hash__(self):
            return hash(self.name)

    node = Node("a")
    other = Node("b")
    node.known[other] = "b"
    other.known = node.known
    pause()
    return node.known[node], other.known[other], [k.name for k in node.known], node.known is other.known


@program
def sets_that_their_items_hold():
    class Member:
        def __init__(self, club, n):
            self.club, self.n = club, n
            club.add(self)

        def __hash__(self):
            return self.n

    club = set()
    members = [Member(club, n) for n in range(5)]
    pause()
    return len(club), all(m in club for m in members), [m.club is club for m in members]


newer("views_of_a_frozendict", """
def views_of_a_frozendict():
    frozen = frozendict(a=1, b=[2])
    keys, values, items = frozen.keys(), frozen.values(), frozen.items()
    pause()
    return list(keys), list(values), list(items), values.mapping is not None, list(values)[1] is frozen["b"], frozen
""", since=(3, 15))


@program
def enumeration_while_a_member_is_made():
    class Planet(enum.Enum):
        EARTH = 30, 3
        MARS = 20, 4

        def __init__(self, mass, radius):
            self.density = pause(mass, mass == 20) // radius

    return [(p.name, p.density, p.value) for p in Planet], Planet((20, 4)) is Planet.MARS, Planet.__module__


@program
def enumeration_of_flags_while_a_member_is_made():
    class Access(enum.IntFlag, boundary=enum.KEEP):
        READ = 1
        WRITE = 2

        def __new__(cls, value):
            made = int.__new__(cls, value)
            made._value_ = pause(value, value == 2)
            return made

    return Access.READ | Access.WRITE, Access(6).value, list(Access)


@program
def protocol_that_has_data():
    @typing.runtime_checkable
    class Named(typing.Protocol):
        name: str

    class Thing:
        name = "thing"

    found = []
    for _ in range(2):
        try:
            found.append(issubclass(Thing, Named))
        except TypeError as error:
            found.append(type(error).__name__)
        pause(None, len(found) == 1)
    return found, isinstance(Thing(), Named)


@program
def function_without_builtins():
    space = {"__builtins__": {}, "__name__": "made"}
    function = eval("lambda value: (value, len)", space)
    pause()
    try:
        return function(1)
    except NameError as error:
        return str(error), function.__globals__["__builtins__"]


def namespace_of(text):
    namespace = {"z": 1}
    exec(text, namespace)
    return namespace


@program
def namespace_that_functions_without_globals_have():
    namespace = {}
    function = types.FunctionType((lambda: 1).__code__, namespace)
    pause()
    namespace["new"] = function
    return function.__globals__ is namespace, list(namespace), function.__globals__["new"] is function


@program
def namespace_keeps_its_order_and_its_items():
    namespace = namespace_of("b = 1\na = 2\ndef f(): return a\nclass C: pass\n0")
    bare = {"y": [1], "x": 2, "w": 3}
    function = types.FunctionType((lambda: x).__code__, bare)
    pause()
    return list(namespace), namespace["f"].__globals__ is namespace, list(bare.items()), function(), bare is function.__globals__


@program
def namespace_of_a_named_tuple():
    Pair = collections.namedtuple("Pair", "a b")
    space = Pair.__new__.__globals__
    pause()
    return space is Pair.__new__.__globals__, list(space), Pair(1, 2), space["__builtins__"]


@program
def namespace_that_is_iterated_over():
    namespace = namespace_of("def f(): return y\ny = 2\nx = 3")
    items = []
    for name in namespace:
        items.append(name)
        pause(None, name == "f")
    return items, namespace["f"]()


@program(refused="keys that are no texts")
def namespace_with_other_keys():
    namespace = namespace_of("def f(): return z")
    namespace[1] = 2
    pause()
    return namespace[1], namespace["f"]()


@program(refused="globals of a function are an object of the class")
def namespace_of_a_class_of_its_own():
    class Space(dict):
        def __missing__(self, name):
            return name

    function = types.FunctionType((lambda: something).__code__, Space())
    pause()
    return function()


@program(refused="globals of a function are an object of the class")
def namespace_of_a_class_of_its_own_that_runs():
    class Space(dict):
        def __missing__(self, name):
            return name

    return types.FunctionType((lambda: (wait(), something)).__code__, Space(wait=pause))()

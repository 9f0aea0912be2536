"""Functions, methods, descriptors and what wraps them."""

import functools
import operator
import types

COUNTER = 0


def in_main(a, b: int = 2, *args, key="k", **rest):
    """What it says."""
    return a, b, args, key, rest


in_main.mark = ["mark"]


class Base:
    __slots__ = ("place",)

    def who(self):
        return "base"


class Child(Base):
    __slots__ = ("other",)

    def who(self):
        return "child"

    @property
    def held(self):
        """The doc."""
        return self.place

    @held.setter
    def held(self, value):
        self.place = [value]

    @classmethod
    def of(cls, x):
        return cls.__name__, x

    @staticmethod
    def plain(x):
        return x + 1


@row("function in __main__")
def _():
    held = in_main
    pause()
    assert held is in_main and held(1, 3, 4, z=5) == (1, 3, (4,), "k", {"z": 5}) and held(0) == (0, 2, (), "k", {})
    assert held.__doc__ == "What it says." and held.mark == ["mark"] and held.__annotations__ == {"b": int}
    assert held.__module__ == "__main__" and held.__qualname__ == "in_main" and held.__kwdefaults__ == {"key": "k"}


@row("lambda")
def _():
    held = lambda x, *, y=[1]: (x, y)
    pause()
    held(0)[1].append(2)
    assert held(0) == (0, [1, 2]) and held.__name__ == "<lambda>"


@row("closure w/ cells")
def _():
    total, log = 0, []

    def add(n):
        nonlocal total
        total += n
        log.append(n)
        return total

    def get():
        return total

    add(3)
    pause()
    assert add(4) == 7 == get() == total and log == [3, 4] and add.__closure__[1] is get.__closure__[0]


@row("recursive closure")
def _():
    def fact(n):
        return 1 if n < 2 else n * fact(n - 1)

    held = fact
    pause()
    assert held(6) == 720 and held.__closure__[0].cell_contents is held


def counting():
    global COUNTER
    COUNTER += 1
    return COUNTER


def current():
    return COUNTER


@row("function using mutated global")
def _():
    held = counting
    held(), held()
    pause()
    assert held() == 3 == current() == COUNTER and held.__globals__ is current.__globals__


@row("bound method (main class)")
def _():
    one = Child()
    held, above = one.who, super(Child, one).who
    pause()
    assert held() == "child" and above() == "base" and held.__self__ is one and held.__func__ is Child.who
    assert held == one.who


@row("builtin bound method ([].append)")
def _():
    items = [1]
    held = items.append
    pause()
    held(2)
    assert items == [1, 2] and held.__self__ is items


@row("builtin function")
def _():
    held, other = len, operator.add
    pause()
    assert held is len and other is operator.add and held([1, 2]) == 2


@row("method-wrapper ((1).__add__)")
def _():
    items = [1]
    held, over = (1).__add__, items.__len__
    pause()
    items.append(5)
    assert held(2) == 3 and over() == 2 and over.__self__ is items and type(held) is types.MethodWrapperType


@row("wrapper_descriptor (object.__repr__)")
def _():
    held = object.__repr__
    pause()
    assert held is object.__repr__ and held(1).startswith("<int object")


@row("method_descriptor (str.upper)")
def _():
    held = str.upper
    pause()
    assert held is str.upper and held("ab") == "AB"


@row("classmethod_descriptor (dict.__dict__[fromkeys])")
def _():
    held = dict.__dict__["fromkeys"]
    pause()
    assert held is dict.__dict__["fromkeys"] and held.__get__(None, dict)("ab") == {"a": None, "b": None}


@row("getset_descriptor")
def _():
    held, own = types.FunctionType.__code__, types.FunctionType.__dict__["__dict__"]
    pause()
    assert held is types.FunctionType.__code__ and own is types.FunctionType.__dict__["__dict__"]
    assert held.__get__(in_main) is in_main.__code__


@extra("getset_descriptor of a class that travels")
def _():
    class Plain:
        pass

    held, weak = Plain.__dict__["__dict__"], Plain.__dict__["__weakref__"]
    one = Plain()
    one.x = 1
    pause()
    assert held is Plain.__dict__["__dict__"] and held.__get__(one) == {"x": 1}
    assert weak is Plain.__dict__["__weakref__"] and weak.__get__(one) is None


@row("member_descriptor (slots)")
def _():
    held, one = Child.other, Child()
    one.place = 1
    held.__set__(one, "set")
    pause()
    assert held is Child.other and one.other == "set" and held.__get__(one) == "set" and held.__objclass__ is Child
    held.__delete__(one)
    assert not hasattr(one, "other") and one.place == 1


@row("staticmethod object")
def _():
    held = Child.__dict__["plain"]
    loose = staticmethod(in_main)
    pause()
    assert held is Child.__dict__["plain"] and held.__get__(None, Child)(1) == 2 and held(4) == 5
    assert loose.__func__ is in_main and loose.__wrapped__ is in_main


@row("classmethod object")
def _():
    held = Child.__dict__["of"]
    pause()
    assert held is Child.__dict__["of"] and held.__get__(None, Child)(1) == ("Child", 1) == Child.of(1)


@row("property object")
def _():
    held, one = Child.held, Child()
    pause()
    one.held = 3
    assert held is Child.__dict__["held"] and held.__get__(one) == [3] and held.__doc__ == "The doc." and held.fdel is None


@extra("property object with a doc of its own")
def _():
    held = property(lambda self: 1, doc="mine")
    pause()
    assert held.__doc__ == "mine" and held.fget(None) == 1 and held.fset is None


@row("functools.partial of lambda")
def _():
    shared = []
    held = functools.partial(lambda *a, **k: (a, k), shared, z=1)
    held.mark = shared
    pause()
    shared.append(1)
    assert held(2, y=3) == (([1], 2), {"z": 1, "y": 3}) and held.mark is shared is held.args[0]


@extra("functools.partialmethod and singledispatchmethod")
def _():
    class Kind:
        part = functools.partialmethod(lambda self, x, y: (x, y), 1)

        @functools.singledispatchmethod
        def of(self, x):
            return "any"

        @of.register
        def _(self, x: int):
            return "int"

    one = Kind()
    pause()
    assert one.part(2) == (1, 2) and one.of(1) == "int" and one.of("") == "any"


@row("lru_cache wrapper (with cache)")
def _():
    @functools.lru_cache(maxsize=2)
    def held(n):
        return [n]

    first = held(1)
    held(2)
    pause()
    assert held(1) is first and held.cache_info() == (1, 2, 2, 2) and held.__wrapped__(5) == [5]


CALLS = []


@functools.lru_cache(None)
def remembered(n):
    CALLS.append(n)
    return n * n


@row("lru_cache: cache content kept")
def _():
    held = remembered
    assert [held(n) for n in (2, 3, 2)] == [4, 9, 4]
    pause()
    assert held(2) == 4 and held(3) == 9 and CALLS == [2, 3] and held.cache_info() == (3, 2, None, 2)
    held.cache_clear()
    assert held(2) == 4 and CALLS == [2, 3, 2]


@row("singledispatch function")
def _():
    @functools.singledispatch
    def held(x):
        return "any"

    @held.register
    def _(x: int):
        return "int"

    held.register(Base, lambda x: "base")
    assert held(True) == "int" and held(Child()) == "base"
    pause()
    assert held(1) == "int" and held(Child()) == "base" and held("") == "any" and held.dispatch(bool)(1) == "int"
    held.register(str, lambda x: "str")
    assert held("") == "str" and set(held.registry) == {object, int, Base, str}


@row("operator.itemgetter")
def _():
    held = operator.itemgetter(1, "k")
    pause()
    assert held({1: "a", "k": "b"}) == ("a", "b")


@row("operator.attrgetter")
def _():
    held, call = operator.attrgetter("real", "__class__.__name__"), operator.methodcaller("split", maxsplit=1)
    pause()
    assert held(3) == (3, "int") and call("a b c") == ["a", "b c"]


@row("super object")
def _():
    one = Child()
    held, of_class = super(Child, one), super(Child, Child)
    pause()
    assert held.who() == "base" and held.__self__ is one and held.__thisclass__ is Child
    assert of_class.who(one) == "base" and of_class.__self_class__ is Child


@extra("functools.cmp_to_key")
def _():
    held = functools.cmp_to_key(lambda a, b: b - a)
    key = held(3)
    pause()
    assert sorted([1, 3, 2], key=held) == [3, 2, 1] and key.obj == 3 and key < held(1)


@extra("functools.cached_property")
def _():
    class Lazy:
        @functools.cached_property
        def made(self):
            return ["made"]

    one, two = Lazy(), Lazy()
    first = one.made
    pause()
    assert one.made is first and two.made == ["made"] and Lazy.made.attrname == "made"


@extra("bound classmethod and builtin classmethod")
def _():
    held, builtin = Child.of, dict.fromkeys
    pause()
    assert held(2) == ("Child", 2) and held.__self__ is Child and builtin("a") == {"a": None}


@extra("functools.wraps decorated")
def _():
    def decorate(f):
        @functools.wraps(f)
        def wrapper(*args):
            return "wrapped", f(*args)

        return wrapper

    held = decorate(in_main)
    pause()
    assert held(1)[0] == "wrapped" and held.__wrapped__ is in_main and held.__name__ == "in_main" and held.mark is in_main.mark


@extra("function of exec'd code")
def _():
    space = {"__name__": "made_up", "factor": 3}
    exec("def f(x):\n    return x * factor\n", space)
    held = space["f"]
    pause()
    assert held(2) == 6 and held.__globals__ is space and space["f"] is held
    space["factor"] = 4
    assert held(2) == 8


@extra("function with builtins of its own")
def _():
    inner, outer = {"len": len}, {"__builtins__": {"abs": abs}, "pause": pause}
    exec("def f():\n    return len('ab'), open\n", {"__builtins__": inner}, held := {})
    exec("def g():\n    pause()\n    return abs(-1), open\n", outer)
    alone = types.FunctionType(held["f"].__code__, {})
    for call in (held["f"], outer["g"]):
        try:
            call()  # the second one is the pause
            raise AssertionError("found")
        except NameError as error:
            assert error.name == "open"
    assert held["f"].__builtins__ is inner and list(inner) == ["len"] and outer["g"].__builtins__ is outer["__builtins__"]
    assert alone() == (2, open) and alone.__globals__ == {}


@extra("function whose builtins are no more those of its globals")
def _():
    space = {"__builtins__": {"len": len}}
    exec("def f():\n    return len('ab')\n", space)
    held = space["f"]
    space["__builtins__"] = {}
    pause()
    assert held() == 2


@extra("function in an object that has its name")
def _():
    import typing

    special = typing.Literal
    held = special._getitem
    behind = held.__wrapped__
    pause()
    assert typing.Literal is special and special._getitem is held and held.__wrapped__ is behind


@extra("properties and wrapped methods of an importable class")
def _():
    import enum
    import fractions

    held = [vars(cls)[name] for cls, name in ((fractions.Fraction, "numerator"), (fractions.Fraction, "from_float"),
                                              (enum.Enum, "name"))]  # fmt: skip
    pause()
    assert held[0] is vars(fractions.Fraction)["numerator"] and held[1] is vars(fractions.Fraction)["from_float"]
    assert held[2] is vars(enum.Enum)["name"] and held[0].fget(fractions.Fraction(3, 4)) == 3


@extra("class that a module has under another name")
def _():
    import typing

    held = typing._NamedTuple
    pause()
    assert held is typing._NamedTuple

    class Pair(typing.NamedTuple):
        one: int

    assert Pair(1).one == 1

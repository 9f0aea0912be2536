"""Classes whose metaclass compares them, hashes them and answers for them in its own way, and notes who asks: a capture asks
none of them, and neither does an adopt."""


class Asked(type):
    """Answers as `type` does, and notes the question."""

    def __eq__(cls, other):
        note("==")
        return cls is other

    def __hash__(cls):
        note("hash")
        return type.__hash__(cls)

    def __getattribute__(cls, name):
        note(name)
        return type.__getattribute__(cls, name)

    def __instancecheck__(cls, obj):
        note("instance?")
        return type.__instancecheck__(cls, obj)

    def __subclasscheck__(cls, other):
        note("subclass?")
        return type.__subclasscheck__(cls, other)

    def __bool__(cls):
        note("true?")
        return True

    def __len__(cls):
        note("len")
        return 0


class Thing(metaclass=Asked):
    def __init__(self, value):
        self.value = value

    def paused(self, result, when):
        pause(when=when)
        return result


#: What reaches a method of the class through C code, and the methods that have nothing else to do.
REACHED = {
    "equality": ("__eq__", lambda a: a == 1),
    "addition": ("__add__", lambda a: a + 1),
    "reflected_addition": ("__radd__", lambda a: 1 + a),
    "subscript": ("__getitem__", lambda a: a[2]),
    "contains": ("__contains__", lambda a: 1 in a),
    "truth": ("__bool__", lambda a: not a),
    "length": ("__len__", lambda a: len(a)),
    "text": ("__str__", lambda a: str(a)),
    "formatted": ("__format__", lambda a: f"{a:3}"),
    "iteration": ("__iter__", lambda a: [x for x in a]),
    "call": ("__call__", lambda a: a(1)),
    "attribute": ("__getattr__", lambda a: a.other),
    "hash": ("__hash__", lambda a: len({a: 1})),
    "index": ("__index__", lambda a: [1, 2, 3][a]),
    "property_of_base": ("named", lambda a: super(type(a), a).named),
}
RESULTS = {"__str__": "text", "__format__": "text", "__index__": 2, "__hash__": 5, "__bool__": False}


def reached(kind):
    """A program in which an object of a class of that metaclass is asked by C code."""
    name, ask = REACHED[kind]

    def run():
        def method(self, *given):
            result = RESULTS.get(name, 3)
            return self.paused(iter((result,)) if name == "__iter__" else result, True)

        Made = Asked("Made", (Thing,), {name: property(method) if name == "named" else method})
        below = Asked("Below", (Made,), {})(1)
        LOG.clear()
        return ask(below), below.value

    run.__name__ = run.__qualname__ = f"asked_by_{kind}"
    return run


for kind in REACHED:
    program(reached(kind))


@program
def constructed():
    class Made(Thing):
        def __init__(self, value):
            super().__init__(pause(value))

    return Made(3).value


@program
def entered():
    class Made(Thing):
        def __enter__(self):
            return self.paused(self, True)

        def __exit__(self, *_):
            return False

    with Made(3) as made:
        return made.value


@program
def held():
    """Objects of such classes, and the classes, as values."""

    class Items(list, metaclass=Asked):
        pass

    class Slots(metaclass=Asked):
        __slots__ = ("a", "b")

    class Failure(Exception, metaclass=Asked):
        pass

    things = Thing(1), Items((1, 2)), Slots(), Failure(3), Thing, Slots, {1: Thing(2)}
    things[1].more = 4
    things[2].a = things[0]
    pause()
    of = type.__getattribute__
    same = type(things[0]) is things[4] and type(things[2]) is things[5] and things[2].a is things[0]
    return same, things[0].value, list(things[1]), things[1].more, things[3].args, of(things[4], "__name__"), things[6][1].value


@program
def without_a_hash():
    """A metaclass that says when classes are equal, and no hash: pickle cannot look for how it is taken apart."""

    class Equal(type):
        def __eq__(cls, other):
            return cls is other

    class Made(metaclass=Equal):
        def __init__(self, value):
            self.value = value

        @property
        def asked(self):
            return pause(self.value)

    made = Made(3)
    return made.asked, type(made) is Made, {1: made}[1].value


@program
def registered_without_a_hash():
    """torpor.register takes such a class as well."""

    class Equal(type):
        __hash__ = None

    class Made(metaclass=Equal):
        def __init__(self, value):
            self.value = value

    torpor.register(Made, lambda made: (Made, (made.value + 1,)))
    made = Made(3)
    pause()
    return made.value > 2, type(made) is Made


@program
def operators_of_classes():
    """What a metaclass makes of products and sums of its classes."""

    class Unit(type):
        def __mul__(cls, other):
            return Unit(cls.__name__ + other.__name__, (), {"parts": (cls, other)})

        def __rmul__(cls, number):
            return pause((number, cls))

        def __radd__(cls, other):
            return other, cls

    metre, second = Unit("metre", (), {}), Unit("second", (), {})
    both = metre * second
    length = 3 * both
    return both.__name__, length[1] is both, (1 + metre)[1] is metre


@program
def names_of_its_own():
    """A metaclass whose classes have other names, for whoever asks them."""

    class Named(type):
        __name__ = property(lambda cls: "other")
        __bases__ = property(lambda cls: ("others",))

    class Made(metaclass=Named):
        def method(self):
            return pause(3)

    made = Made()
    return made.method(), Made.__name__, Made.__bases__, type.__dict__["__name__"].__get__(Made)

"""Construction: __init__, __new__, dataclasses, metaclasses that are called."""


@program
def init():
    class Thing:
        def __init__(self, a, *, b=2):
            self.a = a
            self.b = pause(b)
            self.c = (a, b)

    thing = Thing(1, b=3)
    return thing.a, thing.b, thing.c


@program
def init_plain():
    class Thing:
        def __init__(self):
            pause()
            self.a = 1

    return Thing().a


@program
def init_super():
    class Base:
        def __init__(self, x):
            self.x = pause(x)

    class Derived(Base):
        def __init__(self, x, y):
            super().__init__(x)
            self.y = y

    thing = Derived(1, 2)
    return thing.x, thing.y


@program
def init_star_arguments():
    class Thing:
        def __init__(self, *args, **kwargs):
            self.seen = args, pause(kwargs)

    return Thing(*[1, 2], **{"k": 3}).seen


@program
def init_temporary_arguments():
    class Thing:
        def __init__(self, a, b):
            self.a = a + pause([3])
            self.b = b

    thing = Thing([1, 2], b={"x": [4]})
    return thing.a, thing.b


@program
def init_in_argument():
    class Thing:
        def __init__(self, n):
            self.n = pause(n, n == 2)

    return [t.n for t in (Thing(1), Thing(2), Thing(3))], max([5, 6])


@program
def init_raises():
    class Thing:
        def __init__(self):
            pause()
            raise LookupError("no thing")

    try:
        Thing()
    except LookupError as error:
        return error.args


@program
def init_returns_something():
    class Thing:
        def __init__(self):
            return pause(5)

    try:
        Thing()
    except TypeError as error:
        return str(error)


@program
def init_self_rebound():
    class Thing:
        def __init__(self):
            self.a = 1
            kept, self = self, None
            pause()
            kept.b = 2

    thing = Thing()
    return thing.a, thing.b


@program
def init_slots():
    class Thing:
        __slots__ = ("a", "b")

        def __init__(self, a):
            self.a = a
            self.b = pause(a + 1)

    thing = Thing(1)
    return thing.a, thing.b


@program
def init_of_exception():
    class Own(Exception):
        def __init__(self, a):
            super().__init__(a, pause(2))

    try:
        raise Own(1)
    except Own as error:
        return error.args


@program
def init_of_list_subclass():
    class Items(list):
        def __init__(self, items):
            super().__init__(items)
            self.tag = pause("tag")

    items = Items([1, 2])
    return items, items.tag


@program
def new():
    class Thing:
        def __new__(cls, a):
            self = super().__new__(cls)
            self.a = pause(a)
            return self

        def __init__(self, a):
            note("init", a)

    return Thing(3).a


@program
def new_of_int_subclass():
    class Number(int):
        def __new__(cls, value):
            return super().__new__(cls, pause(value) + 1)

    number = Number(3)
    return number + 1, type(number).__name__


@program
def new_gives_another():
    class Thing:
        def __new__(cls):
            pause()
            return "another"

        def __init__(self):
            note("never")

    return Thing()


@program
def new_then_init():
    class Thing:
        def __new__(cls, *args):
            note("new", args)
            return object.__new__(cls)

        def __init__(self, *args):
            self.args = pause(args)

    return Thing(1, 2).args


@program
def dataclass_init():
    import dataclasses

    @dataclasses.dataclass
    class Point:
        x: int
        y: int = 2

        def __post_init__(self):
            self.z = pause(self.x) + self.y

    point = Point(1)
    return point, point.z, dataclasses.asdict(point)


@program
def dataclass_default_factory():
    import dataclasses

    @dataclasses.dataclass
    class Made:
        items: list = dataclasses.field(default_factory=lambda: pause([1]))

    return Made().items


@program
def dataclass_instance_kept():
    import dataclasses

    @dataclasses.dataclass(frozen=True, order=True)
    class Point:
        x: int
        y: tuple = ()

    point = Point(1, (2,))
    pause()
    return point, point < Point(2), hash(point) == hash(Point(1, (2,)))


@program
def metaclass_call():
    class Meta(type):
        def __call__(cls, *args):
            note("call", args)
            return super().__call__(pause(args[0]))

    class Thing(metaclass=Meta):
        def __init__(self, a):
            self.a = a

    return Thing(1, 2).a


@program
def half_made_fraction():
    import fractions

    class Half(fractions.Fraction):
        def __new__(cls, numerator, denominator):
            self = object.__new__(cls)
            self._numerator = numerator
            pause()
            self._denominator = denominator
            return self

    made = Half(3, 4)
    return made + 1, type(made) is Half, made == fractions.Fraction(3, 4)


@program
def half_made_that_reduces_itself():
    class Pair:
        __slots__ = ("x", "y", "__hidden")

        def __init__(self, x, y):
            self.__hidden = [x]
            self.x = x
            pause()
            self.y = self, y

        def __reduce__(self):
            return Pair, (self.x, self.y)

    pair = Pair(1, 2)
    return pair.x, pair.y[0] is pair, pair.y[1], pair._Pair__hidden


@program
def half_made_with_attributes():
    class Job:
        def __init__(self, name):
            self.parts = [self, name]
            pause()
            self.name = name

        def __getstate__(self):
            return {"name": self.name}

        def __setstate__(self, state):
            note("set")
            self.__init__(**state)

    job = Job("j")
    return job.name, job.parts[0] is job, len(job.parts)


@program
def half_made_with_new_arguments():
    class Point:
        def __new__(cls, x):
            self = super().__new__(cls)
            pause()
            self.x = x
            return self

        def __getnewargs__(self):
            return (self.x,)

    return Point(3).x


@program
def half_made_below_list():
    class Items(list):
        def __init__(self, items):
            super().__init__(items)
            pause()
            self.count_of = len(self)

        def __reduce__(self):
            return Items, (list(self), self.count_of)

    return Items([1]).count_of


@program
def half_made_below_ordered_dict():
    import collections

    class Table(collections.OrderedDict):
        def __init__(self, **pairs):
            super().__init__(**pairs)
            self.move_to_end("a")
            self.first = pause(next(iter(self)))

    table = Table(a=1, b=2)
    return list(table.items()), table.first, type(table) is Table


@program
def half_made_and_not_valid_yet():
    class Network:
        def __init__(self, text):
            self.address, _, bits = text.partition("/")
            self.bits = int(bits)
            pause()
            self.address = self.address.rpartition(".")[0] + ".0"

        def __str__(self):
            return f"{self.address}/{self.bits}"

        def __reduce__(self):
            if not self.address.endswith(".0"):
                raise ValueError(f"{self} has host bits set")
            return type(self), (str(self),)

    return str(Network("10.0.0.7/24"))


@program
def half_made_by_a_function_of_another_name():
    """What is set as a class's __init__ makes its objects, too."""
    made = []

    def begin(self, label="x"):
        made.append(label)
        self.number = len(made)
        pause()
        self.label = label

    class Numbered:
        def __reduce_ex__(self, protocol):
            return type(self), ("again",)

    class Below(Numbered):
        pass

    Numbered.__init__ = begin
    numbered = Below()
    return numbered.number, numbered.label, made


@program
def half_made_by_a_constructor_that_counts():
    made = []

    class Numbered:
        def __init__(self, label="x"):
            made.append(label)
            self.number = len(made)
            pause()
            self.label = label

        def __reduce_ex__(self, protocol):
            return type(self), ("again",)

    numbered = Numbered()
    return numbered.number, numbered.label, made


@program
def half_made_exception():
    class Failure(Exception):
        def __init__(self, what, *, code):
            super().__init__(f"{what}: {code}")
            self.code = code
            pause()
            self.what = what

        def __reduce__(self):
            return make, (self.what, self.code)

    def make(what, code):
        return Failure(what, code=code)

    failure = Failure("no room", code=7)
    return failure.args, failure.code, failure.what


@program
def half_filled_from_its_state():
    import copy

    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __getstate__(self):
            return [self.x, self.y]

        def __setstate__(self, state):
            self.x = state[0]
            pause()
            self.y = state[1]

        def __reduce__(self):
            return Point, (self.x, self.y), self.__getstate__()

    point = copy.copy(Point(1, 2))
    return point.x, point.y

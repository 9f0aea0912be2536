"""Closures, cells, methods, super: what a frame shares with others."""


@program
def nonlocal_counter():
    count = 0

    def step(by):
        nonlocal count
        count += pause(by, count == 3)
        return count

    return [step(1) for _ in range(6)], count


@program
def shared_cells():
    box = 1

    def add():
        nonlocal box
        box += 10

    def get():
        return box

    add()
    pause()
    add()
    box += 100
    return get(), box


@program
def cell_of_an_argument():
    def outer(x):
        def inner():
            nonlocal x
            x += 1
            return x

        inner()
        pause()
        return inner(), x

    return outer(10)


@program
def cell_still_empty():
    def late():
        return value

    pause()
    try:
        late()
    except NameError as error:
        note(type(error).__name__)
    value = 5
    return late()


@program
def cell_deleted():
    value = 1

    def late():
        return value

    del value
    pause()
    try:
        return late()
    except NameError as error:
        return type(error).__name__


@program
def three_levels():
    a = [1]

    def one():
        b = [2]

        def two():
            c = [3]

            def three():
                nonlocal b
                b = b + [4]
                pause()
                a.append(b)
                return a, b, c

            return three()

        return two(), b

    return one(), a


@program
def recursive_closure():
    def fact(n):
        return pause(1) if n == 0 else n * fact(n - 1)

    return fact(12)


@program
def mutual_recursion():
    def even(n):
        return pause(True) if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    return even(10)


@program
def loop_closures():
    made = []
    for i in range(4):
        made.append(lambda x, i=i: x * i + pause(0, i == 2))
    return [f(5) for f in made]


@program
def loop_closures_share():
    made = []
    for i in range(3):
        made.append(lambda: i)
    pause()
    i = 7
    return [f() for f in made]


@program
def closure_over_itself():
    items = []
    items.append(lambda: items)
    pause()
    return items[0]() is items


@program
def decorated():
    def twice(function):
        def wrapper(*args):
            return function(*args) + function(*args)

        return wrapper

    calls = []

    @twice
    def noted(x):
        calls.append(x)
        return pause(x, len(calls) == 1)

    return noted(4), calls


@program
def functools_wraps():
    import functools

    def deco(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            note("before")
            result = function(*args, **kwargs)
            note("after")
            return result, wrapper.__name__

        return wrapper

    @deco
    def named(a, *, b):
        return pause(a) + b

    return named(1, b=2)


@program
def methods_of_an_instance():
    class Thing:
        scale = 2

        def __init__(self):
            self.n = 1

        def go(self, x):
            self.n += pause(x)
            return self.n * self.scale

        @classmethod
        def make(cls):
            return cls().go(5)

        @staticmethod
        def static(x):
            return x + 1

    return Thing.make(), Thing.static(1)


@program
def static_and_class_methods():
    class Thing:
        @classmethod
        def make(cls, x):
            return cls.__name__, cls.static(x)

        @staticmethod
        def static(x):
            return pause(x) + 1

    return Thing.make(1)


@program
def bound_method_kept():
    class Thing:
        def go(self, x):
            self.seen = pause(x)
            return self

    thing = Thing()
    go = thing.go
    return go(3) is thing, thing.seen, go.__self__ is thing


@program
def super_call():
    class Base:
        def go(self, x):
            return ["base", pause(x)]

    class Derived(Base):
        def go(self, x):
            return [__class__.__name__, *super().go(x + 1)]

    return Derived().go(1)


@program
def super_diamond():
    class A:
        def go(self):
            return ["A", pause(1)]

    class B(A):
        def go(self):
            return ["B"] + super().go()

    class C(A):
        def go(self):
            return ["C"] + super().go()

    class D(B, C):
        def go(self):
            return ["D"] + super().go()

    return D().go()


@program
def super_explicit():
    class Base:
        def go(self):
            return "base"

    class Derived(Base):
        def go(self):
            pause()
            return super(Derived, self).go() + " derived"

    return Derived().go()


@program
def super_in_classmethod():
    class Base:
        @classmethod
        def go(cls):
            return cls.__name__, pause(1)

    class Derived(Base):
        @classmethod
        def go(cls):
            return super().go()

    return Derived.go()


@program
def super_object_kept():
    class Base:
        def go(self):
            return "base"

    class Derived(Base):
        def go(self):
            up = super()
            pause()
            return up.go()

    return Derived().go()


NAMES = [f"v{i}" for i in range(300)]


exec(
    "def three_hundred_locals():\n"
    + "".join(f"    {name} = [{i}]\n" for i, name in enumerate(NAMES))
    + "    pause()\n    return sum(["
    + ", ".join(f"{name}[0] * {i}" for i, name in enumerate(NAMES))
    + "])\n"
)


program(three_hundred_locals)


del NAMES


@program
def type_variable_in_annotations():
    import typing

    T = typing.TypeVar("T")

    def first(items: list[T]) -> T:
        return items[pause(0)]

    return first([1, 2])

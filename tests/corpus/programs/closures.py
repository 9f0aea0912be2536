"""Closures, cells, locals, recursion, comprehensions: what a frame's variables are."""


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
def function_attributes():
    def counted():
        counted.calls += 1
        return counted.calls

    counted.calls = 0
    counted()
    pause()
    return counted(), vars(counted)


@program
def mutable_default():
    def f(a, b=[], *, c=()):
        b.append(pause(a, a == 1))
        return list(b), c

    return f(1), f(2)


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
def positional_and_keyword_only():
    def f(a, b, /, c, *, d=4):
        return a, b, pause(c), d

    return f(1, 2, c=3)


@program
def varargs():
    def f(*args, **kwargs):
        extra = pause("extra")
        args += (3,)
        kwargs["y"] = extra
        return args, kwargs

    return f(*[1, 2], **{"x": 3})


@program
def argument_rebound():
    def f(a, b):
        a, b = [b], a
        pause()
        return a, b

    return f(1, 2)


@program
def unbound_local():
    if LOG == "never":
        ghost = 1
    pause()
    try:
        return ghost
    except UnboundLocalError:
        return "unbound"


@program
def unbound_then_bound():
    pause()
    late = 3
    return late


@program
def deleted_local():
    gone = [1]
    del gone
    pause()
    try:
        gone
    except UnboundLocalError:
        gone = 2
    return gone


@program
def locals_call():
    a, b = 1, [2]
    pause()
    c = 3
    return sorted(locals().items())


@program
def locals_call_before():
    a = 1
    seen = locals()
    pause()
    return sorted(seen)


@program
def dead_local_after():
    gone = iter(range(1000))
    next(gone)
    pause()
    gone = None
    return gone


@program
def aliases():
    a = [1]
    b, c = a, {"a": a}
    pause()
    a.append(2)
    return a is b, c["a"] is a, b, c


@program
def aliases_across_frames():
    shared = []

    def inner(mine):
        pause()
        mine.append(1)
        return mine

    got = inner(shared)
    return got is shared, shared


@program
def cycle_in_locals():
    a = []
    b = {"a": a}
    a.append(b)
    pause()
    return a[0]["a"] is a


@program
def recursion_500():
    def level(n):
        return pause(0) if n == 0 else 1 + level(n - 1)

    return level(500)


@program
def recursion_3000():
    def level(n, items):
        if n == 0:
            return pause(items[:3])
        items.append(n)
        try:
            return level(n - 1, items)
        finally:
            items.pop()

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10000)
    try:
        items = []
        return level(3000, items), items
    finally:
        sys.setrecursionlimit(limit)


@program
def recursion_error_after():
    def for_ever(n):
        return for_ever(n + 1)

    pause()
    try:
        for_ever(0)
    except RecursionError as error:
        return type(error).__name__


@program
def frames_with_locals_of_their_own():
    def level(n):
        mine = [n]
        if n == 0:
            return pause(mine)
        inner = level(n - 1)
        return mine + inner

    return level(15)


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


@program
def comprehension_list():
    return [(x, y) for x in range(4) for y in range(x) if pause(x + y, (x, y) == (3, 1)) % 2]


@program
def comprehension_set():
    return sorted({pause(x, x == 4) % 3 for x in range(9)})


@program
def comprehension_dict():
    return {pause(k, k == "b"): v for k, v in zip("abc", range(3))}


@program
def comprehension_dict_value():
    return {k: pause(v, k == "b") for k, v in zip("abc", range(3))}


@program
def comprehension_first_iterable():
    return [x for x in pause([1, 2, 3])]


@program
def comprehension_inner_iterable():
    return [y for x in range(3) for y in pause([x], x == 1) * 2]


@program
def comprehension_nested():
    n = 3
    return [[pause(i * j + n, (i, j) == (1, 2)) for j in range(n)] for i in range(n)]


@program
def comprehension_keeps_outer_name():
    x = "outer"
    inner = [pause(x, x == 1) for x in range(3)]
    return x, inner


@program
def comprehension_with_closure():
    return [f() for f in [lambda i=i: pause(i, i == 1) for i in range(3)]]


@program
def comprehension_cell():
    made = [lambda: i for i in range(3)]
    pause()
    return [f() for f in made]


@program
def comprehension_cell_inside():
    return [(lambda: pause(i, i == 1) + i)() for i in range(3)]


@program
def comprehension_exception():
    x = "outer"
    try:
        [1 // pause(0, True) for x in range(3)]
    except ZeroDivisionError:
        return x


@program
def comprehension_in_class_body_after():
    pause()

    class Made:
        n = 3
        items = [i for i in range(n)]

    return Made.items


@program
def new_function_after():
    pause()

    def made(x):
        return x + 1

    class Made:
        y = made(1)

    return made(1), Made.y, [made(i) for i in range(3)], sum(range(4))


@program
def globals_changed():
    global CORPUS_COUNT
    CORPUS_COUNT = 1
    pause()
    CORPUS_COUNT += 1
    return CORPUS_COUNT


@program
def many_values():
    data = {
        "int": [0, -1, 2**70], "float": [0.5, float("inf")], "complex": 1j, "bytes": b"x", "none": None,
        "set": frozenset((1, 2)), "range": range(3), "slice": slice(1, None), "type": int, "function": len,
        "ellipsis": ..., "bytearray": bytearray(b"y"),
    }
    pause()
    return sorted((k, repr(v)) for k, v in data.items())


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


newer("type_parameters", '''
def type_parameters():
    def first[T](items: list[T], at: int) -> T:
        return items[pause(at)]

    class Box[U]:
        def get[V](self, x: V) -> tuple[U, V]:
            return type(self).__name__, x

    return first([1, 2], 1), Box().get(3), [p.__name__ for p in first.__type_params__ + Box.__type_params__]
''', since=(3, 12))

newer("type_alias", '''
def type_alias():
    type Pair[T] = tuple[T, T]
    pause()
    return Pair.__name__, str(Pair.__value__)
''', since=(3, 12))

newer("type_parameters_suspended", '''
def type_parameters_suspended():
    def decorate(x):
        return lambda f: (x, f(2))

    @decorate(pause("deco"))
    def made[T](x: T) -> T:
        return x

    return made
''', since=(3, 12))

newer("type_parameter_function_default", '''
def type_parameter_function_default():
    def made[T](x: T = pause(4)) -> T:
        return x

    return made(), made(1)
''', since=(3, 12))

newer("fstring_nested_quotes", '''
def fstring_nested_quotes():
    return f"{'a' + f"{pause("b")!r}"} {"c"}"
''', since=(3, 12))

newer("inlined_comprehension_names", '''
def inlined_comprehension_names():
    x, y = "x", "y"
    out = [(x, [(y, pause(z, (x, y, z) == (1, 0, 1))) for y in range(2) for z in range(2)]) for x in range(2)]
    return x, y, out
''', since=(3, 12))

newer("inlined_comprehension_unbound", '''
def inlined_comprehension_unbound():
    out = [pause(x, x == 1) for x in range(3)]
    try:
        return x
    except NameError:
        return out
''', since=(3, 12))

newer("inlined_comprehension_locals", '''
def inlined_comprehension_locals():
    a = 1
    return [(pause(b), sorted(locals())) for b in range(1)], a
''', since=(3, 12))

newer("type_parameter_default", '''
def type_parameter_default():
    def made[T = int](x: T) -> T:
        return pause(x)

    return made(1), [p.__default__ for p in made.__type_params__]
''', since=(3, 13))

newer("template_string", '''
def template_string():
    t = t"a{pause(1)}b{2!r:>4}"
    return t.strings, t.values
''', since=(3, 14))

newer("except_without_parentheses", '''
def except_without_parentheses():
    try:
        raise KeyError(1)
    except ValueError, KeyError:
        return pause("caught"), repr(sys.exc_info()[1])
''', since=(3, 14))

newer("annotations_are_lazy", '''
def annotations_are_lazy():
    def made(a: Later) -> None:
        return a

    Later = int
    pause()
    return made.__annotations__
''', since=(3, 14))

newer("annotations_suspended", '''
def annotations_suspended():
    def made(a: pause("annotation")):
        return a

    return made.__annotations__
''', since=(3, 14))

newer("comprehension_unpacking", '''
def comprehension_unpacking():
    return [*pause(x, x == [2]) for x in ([1], [2], [3, 4])]
''', since=(3, 15))


@program
def comprehension_over_a_cell():
    c = "outer"

    def inner():
        return c

    out = [pause(c, c == 1) for c in range(3)]
    return inner(), out, c


@program
def comprehension_over_a_cell_of_its_own():
    c = "outer"

    def inner():
        return c

    out = [(lambda: c)() + pause(c, c == 1) for c in range(3)]
    return inner(), out


@program
def comprehension_over_an_unbound_cell():
    def inner():
        return c

    out = {pause(c, c == 1): None for c in range(3)}
    c = "late"
    return inner(), sorted(out)


@program
def comprehension_over_an_argument_cell():
    def outer(c):
        def inner():
            nonlocal c
            c += 1
            return c

        return [[c, pause(c, c == 1)] for c in range(3)], inner(), c

    return outer(10)


@program
def type_variable_in_annotations():
    import typing

    T = typing.TypeVar("T")

    def first(items: list[T]) -> T:
        return items[pause(0)]

    return first([1, 2])

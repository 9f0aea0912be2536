"""Builtin iterators and functions that step Python code from C."""

import functools
import itertools


class Countdown:
    """An iterator written in Python that pauses at one number."""

    def __init__(self, n, at=None):
        self.n, self.at = n, at

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return pause(self.n, self.n == self.at)


def stepping(n, at):
    """A generator that pauses at one number."""
    for i in range(n):
        yield pause(i, i == at)


@program
def next_in_for():
    out = []
    for n in Countdown(5, at=2):
        out.append(n)
    return out


@program
def next_in_for_that_stops():
    class Stopping:
        def __iter__(self):
            return self

        def __next__(self):
            pause()
            raise StopIteration

    for n in Stopping():
        note("never")
    else:
        return "else"


@program
def next_called():
    numbers = Countdown(3, at=1)
    return next(numbers), next(numbers), next(numbers), next(numbers, "end")


@program
def next_called_default():
    class Stopping:
        def __next__(self):
            pause()
            raise StopIteration

    return next(Stopping(), "default")


@program
def iter_of_object():
    class Box:
        def __iter__(self):
            return iter(pause([1, 2, 3]))

    return [x for x in Box()]


@program
def iter_called():
    class Box:
        def __iter__(self):
            pause()
            return iter("ab")

    return list(iter(Box()))


@program
def iter_by_getitem():
    class Old:
        def __getitem__(self, i):
            if i == 3:
                raise IndexError
            return pause(i, i == 1)

    out = []
    for x in Old():
        out.append(x)
    return out


@program
def iter_sentinel():
    values = [3, 2, 1, 0]

    def step():
        return pause(values.pop(0), values[0] == 2)

    out = []
    for x in iter(step, 0):
        out.append(x)
    return out


@program
def map_in_for():
    out = []
    for x in map(lambda n: pause(n, n == 2) * 10, range(4)):
        out.append(x)
    return out


@program
def map_of_two():
    out = []
    for x in map(lambda a, b: (a, pause(b, b == "b")), [1, 2, 3], "abc"):
        out.append(x)
    return out


@program
def map_over_generator():
    out = []
    for x in map(str, stepping(4, 2)):
        out.append(x)
    return out


@program
def filter_in_for():
    out = []
    for x in filter(lambda n: pause(n, n == 2) % 2 == 0, range(6)):
        out.append(x)
    return out


@program
def filter_over_generator():
    out = []
    for x in filter(None, stepping(4, 2)):
        out.append(x)
    return out


@program
def zip_first():
    out = []
    for pair in zip(stepping(4, 1), "abc"):
        out.append(pair)
    return out


@program
def enumerate_generator():
    out = []
    for pair in enumerate(stepping(4, 1), 10):
        out.append(pair)
    return out


@program
def enumerate_iterator():
    out = []
    for pair in enumerate(Countdown(4, at=1)):
        out.append(pair)
    return out


@program
def reversed_object():
    class Box:
        def __reversed__(self):
            return iter([3, pause(2), 1])

    return [x for x in reversed(Box())]


@program
def reversed_sequence():
    class Box:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return pause(i, i == 1)

    out = []
    for x in reversed(Box()):
        out.append(x)
    return out


@program
def any_of_generator():
    return any(x == 2 for x in stepping(4, 1)), any(pause(x, False) for x in [0])


@program
def any_of_expression():
    return any(pause(x, x == 1) > 2 for x in range(6))


@program
def all_of_expression():
    return all(pause(x, x == 2) < 4 for x in range(6))


@program
def any_of_map():
    return any(map(lambda x: pause(x, x == 1) > 2, range(6)))


@program
def starmap_in_for():
    out = []
    for x in itertools.starmap(lambda a, b: pause(a, a == 2) + b, [(1, 2), (2, 3)]):
        out.append(x)
    return out


@program
def chain_over_generator():
    out = []
    for x in itertools.chain([9], stepping(3, 1)):
        out.append(x)
    return out


@program
def islice_over_generator():
    out = []
    for x in itertools.islice(stepping(9, 2), 4):
        out.append(x)
    return out


@program
def takewhile_predicate():
    out = []
    for x in itertools.takewhile(lambda n: pause(n, n == 1) < 3, range(9)):
        out.append(x)
    return out


@program(refused="list")
def groupby_key():
    out = []
    for key, group in itertools.groupby([1, 1, 2, 3], lambda n: pause(n, n == 2) % 2):
        out.append((key, list(group)))
    return out


@program
def accumulate_function():
    out = []
    for x in itertools.accumulate([1, 2, 3], lambda a, b: pause(a, b == 3) + b):
        out.append(x)
    return out


@program
def partial():
    made = functools.partial(lambda a, b, c: (a, pause(b), c), 1, c=3)
    return made(2)


@program
def partial_of_partial():
    made = functools.partial(functools.partial(lambda *a, **k: (a, pause(k)), 1), 2, x=3)
    return made(4, y=5)


@program
def partial_of_one():
    made = functools.partial(lambda a, b: (a, pause(b)), 1)
    return made(2)


@program
def partial_of_one_method():
    class Thing:
        def go(self, a, b, c=4):
            return a, pause(b), c

    made = functools.partial(Thing().go, 1)
    return made(2)


@program
def partial_method():
    class Thing:
        def go(self, a, b):
            return a, pause(b)

        three = functools.partialmethod(go, 3)

    return Thing().three(4)


@program
def lru_cache():
    calls = []

    @functools.lru_cache
    def slow(n):
        calls.append(n)
        return pause(n, n == 2) * 10

    return slow(1), slow(2), slow(2), slow(1), calls


@program
def lru_cache_recursive():
    @functools.lru_cache(maxsize=None)
    def fib(n):
        return pause(n, n == 0) if n < 2 else fib(n - 1) + fib(n - 2)

    return fib(20)


@program
def cached_property():
    class Thing:
        @functools.cached_property
        def slow(self):
            note("computed")
            return pause([1])

    thing = Thing()
    return thing.slow, thing.slow is thing.slow


@program
def singledispatch_method():
    class Thing:
        @functools.singledispatchmethod
        def go(self, x):
            return "other"

        @go.register
        def _(self, x: str):
            return "str", pause(x)

    return Thing().go("a"), Thing().go(1)


@program
def context_run():
    import contextvars

    name = contextvars.ContextVar("name", default="outer")

    def inner(x):
        name.set("inner")
        pause(x)
        return x, name.get()

    return contextvars.copy_context().run(inner, 1), name.get()


@program
def operator_callables():
    import operator

    class Thing:
        def go(self, x):
            return pause(x) + 1

    return operator.methodcaller("go", 3)(Thing())


@program
def operator_methodcaller_named():
    import operator

    class Thing:
        def go(self, x, *, y=1):
            return pause(x, y == 2 and not LOG) + note(y)

    call = operator.methodcaller("go", 3, y=2)
    return call(Thing()), call(*(Thing(),))


@program
def operator_itemgetter():
    import operator

    class Thing:
        def __getitem__(self, key):
            return [pause(key)]

    return operator.itemgetter("key")(Thing())


@program
def operator_attrgetter():
    import operator

    class Thing:
        @property
        def half(self):
            return pause(2)

    return operator.attrgetter("half")(Thing())


@program
def operator_attrgetter_by_getattr():
    import operator

    class Thing:
        def __getattr__(self, name):
            return pause(name)

    return operator.attrgetter("half")(Thing())


@program(refused="by calling")
def operator_itemgetter_of_two():
    import operator

    class Thing:
        def __getitem__(self, key):
            return pause(key, key == 2)

    return operator.itemgetter(1, 2, 3)(Thing())


@program
def lru_cache_kept():
    calls = []

    @functools.lru_cache(maxsize=3, typed=True)
    def slow(*args, **kwargs):
        calls.append((args, kwargs))
        return len(calls)

    slow(1), slow(1.0), slow((1, 2)), slow(1), slow(1, k="v"), slow("text")
    pause()
    again = slow("text"), slow(1, k="v"), slow(1), slow(1.0), slow(k="v")
    return again, slow.cache_info(), slow.cache_parameters(), slow.__name__, calls


@program
def lru_cache_evicts_the_oldest():
    @functools.lru_cache(2)
    def slow(n):
        note("computed", n)
        return [n]

    first = slow(1)
    slow(2), slow(1)
    pause()
    return slow(3), slow(1) is first, slow(2), slow.cache_info()


@program
def lru_cache_without_an_end():
    @functools.lru_cache(None)
    def slow(*args, **kwargs):
        return args, kwargs

    kept = slow(1, 2), slow(), slow(a=1, b=[2][0]), slow("x")
    slow.extra = "attribute"
    pause()
    return [slow(1, 2) is kept[0], slow() is kept[1], slow(a=1, b=2) is kept[2], slow("x") is kept[3]], slow.cache_info(), slow.extra


@program
def lru_cache_of_nothing():
    @functools.lru_cache(0)
    def slow(n):
        return n

    slow(1), slow(1)
    pause()
    return slow(2), slow.cache_info()


@program
def lru_cache_method():
    class Thing:
        @functools.lru_cache
        def slow(self, n):
            note("computed", n)
            return pause(n, n == 2)

    thing = Thing()
    return thing.slow(1), thing.slow(2), thing.slow(1), thing.slow(2), Thing.slow.cache_info()

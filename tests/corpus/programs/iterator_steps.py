"""Iterators of itertools that step Python code: nested, ended, failing, and asked in other ways than by a loop."""

import itertools


class Steps:
    """An iterator written in Python that pauses at one number."""

    def __init__(self, n, at):
        self.n, self.at, self.i = n, at, -1

    def __iter__(self):
        return self

    def __next__(self):
        self.i += 1
        pause(None, self.i == self.at)
        if self.i == self.n:
            raise StopIteration
        return self.i


def steps(n, at):
    """A generator that pauses at one number, at its end if that is n."""
    try:
        for i in range(n + 1):
            pause(None, i == at)
            if i < n:
                yield i
    finally:
        note("steps are over")


def collected(it):
    """What a loop gets, and what is left of the iterator afterwards."""
    out = []
    for x in it:
        out.append(x)
    else:
        out.append("else")
    return out, next(it, "nothing")


MAKERS = {
    "chain": lambda source: itertools.chain("a", source, "b"),
    "chain_last": lambda source: itertools.chain(source),
    "from_iterable": lambda source: itertools.chain.from_iterable(map(lambda n: "xy"[:n], source)),
    "islice": lambda source: itertools.islice(source, 1, 6, 2),
    "islice_open": lambda source: itertools.islice(source, 2, None),
    "starmap": lambda source: itertools.starmap(lambda *a: a, zip(source, "abcd")),
    "takewhile": lambda source: itertools.takewhile(lambda n: n < 9, source),
    "dropwhile": lambda source: itertools.dropwhile(lambda n: n < 2, source),
    "filterfalse": lambda source: itertools.filterfalse(lambda n: n % 2, source),
    "accumulate": lambda source: itertools.accumulate(source, lambda a, b: a * 2 + b, initial=5),
    "accumulate_sum": lambda source: itertools.accumulate(source),
    "pairwise": lambda source: itertools.pairwise(source),
    "cycle": lambda source: itertools.islice(itertools.cycle(source), 9),
    "compress": lambda source: itertools.compress(source, [1, 0, 1, 1, 0]),
    "tee": lambda source: itertools.tee(source)[1],
    "nested": lambda source: itertools.islice(itertools.chain(map(str, enumerate(source)), "z"), 1, 9),
    "nested_filter": lambda source: filter(None, itertools.pairwise(itertools.chain([7], source))),
    "zipped": lambda source: zip(itertools.chain(source, [9]), itertools.count()),
}
SOURCES = {
    "generator": lambda: steps(4, 2),
    "generator_first": lambda: steps(4, 0),
    "generator_end": lambda: steps(4, 4),
    "iterator": lambda: Steps(4, 2),
    "iterator_end": lambda: Steps(4, 4),
}


def stepping(make, source):
    def run():
        return collected(MAKERS[make](SOURCES[source]()))

    return run


for _make in MAKERS:
    for _source in SOURCES:
        _run = stepping(_make, _source)
        _run.__name__ = f"{_make}_over_{_source}"
        program(_run)


ASKING = {
    "takewhile": lambda f: itertools.takewhile(lambda n: f(n) < 3, range(6)),
    "dropwhile": lambda f: itertools.dropwhile(lambda n: f(n) < 3, range(6)),
    "filterfalse": lambda f: itertools.filterfalse(lambda n: f(n) % 2, range(6)),
    "starmap": lambda f: itertools.starmap(lambda a, b: f(a) + b, zip(range(6), range(6))),
    "accumulate": lambda f: itertools.accumulate(range(6), lambda a, b: a + f(b)),
    "filter": lambda f: filter(lambda n: f(n) % 2, range(6)),
    "map_in_chain": lambda f: itertools.chain([9], map(lambda n: f(n), range(6))),
}


def asking(make):
    def run():
        return collected(ASKING[make](lambda n: pause(n, n == 2)))

    return run


for _make in ASKING:
    _run = asking(_make)
    _run.__name__ = f"{_make}_function"
    program(_run)


@program(refused="list")
def groups_over_generator():
    out = []
    for key, group in itertools.groupby(steps(5, 3), lambda n: n // 2):
        out.append((key, list(zip(group, "ab"))))
    return out


@program
def group_itself_over_generator():
    out = []
    for key, group in itertools.groupby(steps(5, 3), lambda n: n // 2):
        for item in group:
            out.append((key, item))
    return out


@program
def group_itself_asks_key():
    out = []
    for key, group in itertools.groupby(range(5), lambda n: pause(n, n == 3) // 2):
        for item in group:
            out.append((key, item))
    return out


@program
def next_of_islice():
    it = itertools.islice(steps(4, 2), 2, None)
    return next(it), next(it), next(it, "end"), next(it, "end")


@program
def next_of_chain_that_ends():
    it = itertools.chain(steps(1, 1))
    next(it)
    try:
        next(it)
    except StopIteration as stop:
        return stop.args, stop.__context__, next(it, "end")


@program
def next_of_islice_with_a_value():
    def source():
        yield 1
        return pause("value")

    it = itertools.islice(source(), 5)
    next(it)
    try:
        next(it)
    except StopIteration as stop:
        return stop.args, stop.__context__, next(it, "end")


@program
def any_of_chain():
    return any(itertools.chain([0], steps(2, 1))), all(itertools.chain([1], (x for x in [2, 0])))


@program
def yield_from_iterator():
    def outer():
        got = yield from Steps(3, 1)
        yield got

    out = []
    for x in outer():
        out.append(x)
    return out


@program
def yield_from_chain():
    def outer():
        yield "first"
        got = yield from itertools.chain("a", steps(2, 1), "b")
        yield got

    out = []
    for x in outer():
        out.append(x)
    return out


@program
def yield_from_iterator_that_ends():
    class Ending:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration(pause("value"))

    def outer():
        yield (yield from Ending())

    out = []
    for x in outer():
        out.append(x)
    return out


@program
def tee_shared():
    a, b = itertools.tee(steps(4, 2))
    out = [next(b), next(b)]
    for x in a:
        out.append(x)
    return out, next(b), next(b), next(b, "end")


@program
def exception_in_source():
    def source():
        yield 1
        try:
            yield pause(2)
        finally:
            note("closing")
        raise KeyError("source")

    it, out = itertools.chain(source(), "never"), []
    try:
        for x in it:
            out.append(x)
    except KeyError as error:
        out.append((error.args, error.__context__))
    return out, next(it, "n")


@program
def exception_in_function():
    def check(n):
        if pause(n, n == 2) == 2:
            raise LookupError(n)
        return True

    it, out = itertools.takewhile(check, itertools.count()), []
    try:
        for x in it:
            out.append(x)
    except LookupError as error:
        out.append(error.args)
    return out, next(it)


@program
def closed_in_finally():
    g, out = steps(4, 1), []
    try:
        for x in itertools.islice(g, 2):
            out.append(x)
    finally:
        g.close()
    return out, next(g, "closed")


@program(refused="FOR_ITER")
def grouped_by_two():
    """Which of the two steps of zip waits, only its C code knows."""
    g, out = steps(4, 1), []
    for pair in zip(g, g):
        out.append(pair)
    return out


@program(refused="FOR_ITER")
def same_function_twice():
    def f(n):
        return pause(n, n == 2) + 1

    out = []
    for x in map(f, map(f, range(2))):
        out.append(x)
    return out


@program
def filter_with_bound_method():
    class Odd:
        def check(self, n):
            return pause(n, n == 1) % 2

    out = []
    for x in filter(Odd().check, range(4)):
        out.append(x)
    return out


@program(refused="FOR_ITER")
def function_that_rebinds_in_a_closure():
    def check(n):
        def change():
            nonlocal n
            n = 7

        change()
        return pause(n, n == 7) and n

    out = []
    for x in filter(check, [1]):
        out.append(x)
    return out


@program(refused="FOR_ITER")
def longest_of_generator():
    out = []
    for pair in itertools.zip_longest("abc", steps(2, 1)):
        out.append(pair)
    return out


def strict_zips(source, *others):
    """Of zip(strict=True): how a loop over it ends, for others that are as long, longer and shorter."""
    out = []
    try:
        for pair in zip(source, *others, strict=True):
            out.append(pair)
    except ValueError as error:
        out.append((repr(error), repr(error.__context__)))
    return out


@program
def strict_zip_of_generator():
    return strict_zips(steps(4, 2), "abcd")


@program
def strict_zip_of_longer():
    return strict_zips(steps(4, 4), "abcd", "abcde")


@program
def strict_zip_of_shorter():
    return strict_zips(Steps(4, 3), "abcd", "abcd", "abc")


@program
def strict_zip_that_ends_together():
    return strict_zips(Steps(4, 4), "abcd")


newer("strict_map_of_longer", """
def strict_map_of_longer():
    out = []
    try:
        for x in map(max, itertools.chain(steps(2, 2)), (1, 2, 3), strict=True):
            out.append(x)
    except ValueError as error:
        out.append(repr(error))
    return out
""", since=(3, 14))

newer("strict_map_of_shorter", """
def strict_map_of_shorter():
    out = []
    try:
        for x in map(max, Steps(3, 2), (1, 2), strict=True):
            out.append(x)
    except ValueError as error:
        out.append(repr(error))
    return out
""", since=(3, 14))


def deep(source, levels):
    for n in range(levels):
        source = (
            lambda it: map(lambda x: x, it), lambda it: filter(None, it), lambda it: itertools.chain(it, "z"), enumerate,
            lambda it: zip(it, itertools.count()), lambda it: itertools.islice(it, 9),
        )[n % 6](source)  # fmt: skip
    return source


@program
def nested_deeply_over_generator():
    return collected(deep(steps(4, 2), 18))


@program
def nested_deeply_over_iterator():
    return collected(deep(Steps(4, 2), 7))


@program
def nested_deeply_under_next():
    it = deep(steps(4, 2), 5)
    return [next(it) for _ in range(4)]


@program
def nested_deeply_under_any():
    return any(map(lambda x: False, deep(steps(4, 2), 4)))


@program
def nested_deeply_delegated():
    def delegating():
        yield from deep(Steps(4, 2), 5)

    return [x for x in delegating()]


@program
def nested_function_that_is_asked():
    return collected(map(str, itertools.chain(enumerate(filter(lambda x: pause(True, x == 2), range(4))))))

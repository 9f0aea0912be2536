"""Generators as values, not started, half way, exhausted; and as targets."""

import types


def count(n):
    """Yields 0 to n - 1; what is sent is noted."""
    for i in range(n):
        got = yield i
        if got is not None:
            note("got", got)
    return "end"


@program
def expression_generator_not_started():
    base = 10
    g = (i + base for i in [1, 2, 3])
    pause()
    base = 20
    return list(g)


@program
def expression_generator_half():
    g = ((i, j) for i in range(2) for j in "ab")
    next(g)
    pause()
    return list(g)


@program
def value_not_started():
    g = count(3)
    pause()
    return list(g)


@program
def value_half():
    g = count(5)
    next(g), next(g)
    pause()
    return list(g)


@program
def value_exhausted():
    g = count(1)
    list(g)
    pause()
    return next(g, "exhausted"), g.gi_frame


@program
def value_closed():
    g = count(3)
    next(g)
    g.close()
    pause()
    return next(g, "closed")


@program
def value_failed():
    def source():
        yield 1
        raise KeyError("f")

    g = source()
    next(g)
    try:
        next(g)
    except KeyError:
        pass
    pause()
    return next(g, "over")


@program
def value_send_after():
    g = count(4)
    next(g)
    pause()
    return g.send("hello"), list(g)


@program
def value_throw_after():
    def source():
        try:
            yield 1
        except KeyError as error:
            yield error.args
        finally:
            note("finally")

    g = source()
    next(g)
    pause()
    return g.throw(KeyError(3)), list(g)


@program
def value_close_after():
    def source():
        try:
            yield 1
        finally:
            note("closed")

    g = source()
    next(g)
    pause()
    g.close()
    return list(g)


@program
def value_inside_try_and_with():
    import contextlib

    def source():
        with contextlib.suppress(KeyError):
            try:
                yield 1
                raise KeyError
            finally:
                note("finally")
        yield 2

    g = source()
    next(g)
    pause()
    return list(g)


@program
def value_in_except():
    def source():
        try:
            raise ValueError("v")
        except ValueError:
            yield repr(sys.exc_info()[1])
            yield repr(sys.exc_info()[1])
            raise

    g = source()
    next(g)
    pause()
    note(next(g), sys.exc_info()[1])
    next(g)


@program
def value_yield_from_half():
    def inner():
        yield 1
        yield 2
        return "r"

    def outer():
        got = yield from inner()
        yield got

    g = outer()
    next(g)
    pause()
    return type(g.gi_yieldfrom).__name__, list(g)


@program
def value_shared_between_two():
    g = count(6)
    a, b = zip(g, g), [g]
    next(a)
    pause()
    return next(a), next(b[0]), list(a)


@program
def value_in_itself():
    def source():
        yield 1
        yield box[0] is g

    box = []
    g = source()
    box.append(g)
    next(g)
    pause()
    return next(g)


@program
def value_over_shared_iterator():
    items = iter(range(6))
    g = (x * 10 for x in items)
    next(g)
    pause()
    return next(items), next(g), next(items)


@program
def value_in_for_of_the_caller():
    out = []
    for x in count(5):
        out.append(pause(x, x == 2))
    return out


@program
def value_in_zip_and_enumerate():
    out = []
    for i, (a, b) in enumerate(zip(count(4), "abcd")):
        out.append((i, pause(a, a == 1), b))
    return out


@program
def value_in_map_and_filter():
    out = []
    for x in map(str, filter(None, count(4))):
        out.append(pause(x, x == "2"))
    return out


@program
def value_recursive_tree():
    def walk(tree):
        if isinstance(tree, list):
            for part in tree:
                yield from walk(part)
        else:
            yield tree

    out = []
    for leaf in walk([1, [2, [3, 4]], 5]):
        out.append(pause(leaf, leaf == 3))
    return out


@program
def value_with_closure():
    total = 0

    def source():
        nonlocal total
        while True:
            total += yield total

    g = source()
    next(g)
    g.send(5)
    pause()
    total += 100
    return g.send(1), total


@program
def value_method_of_instance():
    class Source:
        def __init__(self):
            self.items = [1, 2, 3]

        def __iter__(self):
            for item in self.items:
                yield item, self.items

    source = Source()
    g = iter(source)
    next(g)
    pause()
    source.items.append(4)
    return [x for x, _ in g]


@program
def value_names():
    g = count(1)
    g.__name__, g.__qualname__ = "renamed", "a.b"
    pause()
    return g.__name__, g.__qualname__, next(g)


@program
def value_types_coroutine():
    @types.coroutine
    def source():
        got = yield 1
        return got

    g = source()
    next(g)
    pause()
    try:
        g.send(4)
    except StopIteration as stop:
        return stop.value


@program
def three_hundred_generators():
    all_of_them = [count(3) for _ in range(300)]
    for i, g in enumerate(all_of_them):
        for _ in range(i % 3):
            next(g)
    pause()
    return sum(len(list(g)) for g in all_of_them)


@program(target="object")
def target_half():
    def source():
        out = []
        for i in range(4):
            out.append((yield i))
        return out

    g = source()
    next(g)
    return g


@program(target="object")
def target_not_started():
    def source(x):
        yield x
        yield x + 1

    return source(5)


@program(target="object")
def target_in_yield_from():
    def inner():
        try:
            got = yield 1
        except ValueError as error:
            got = error.args
        return got

    def outer():
        yield ((yield from inner()), "outer")

    g = outer()
    next(g)
    return g


@program(target="object")
def target_in_try():
    def source():
        try:
            yield 1
            yield 2
        except ValueError as error:
            yield repr(error.__context__)
        finally:
            yield "finally"

    g = source()
    next(g)
    return g


@program(target="object")
def target_expression():
    g = (x * 2 for x in range(5) if x != 3)
    next(g)
    return g


@program(target="object")
def target_with_handled():
    def source():
        try:
            raise KeyError("k")
        except KeyError:
            yield 1
            yield repr(sys.exc_info()[1])

    g = source()
    next(g)
    return g

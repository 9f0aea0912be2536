"""Generators that run: under for, next, send, throw, close and yield from."""


def count(n):
    """Yields 0 to n - 1; what is sent is noted."""
    for i in range(n):
        got = yield i
        if got is not None:
            note("got", got)
    return "end"


@program
def running_in_for():
    def source():
        for i in range(4):
            yield pause(i, i == 2)

    return [(x, note(x)) for x in source()]


@program
def running_in_for_with_handled():
    def source():
        yield 1
        try:
            raise KeyError("inside")
        except KeyError:
            pause()
            yield repr(sys.exc_info()[1])
        yield repr(sys.exc_info()[1])

    out = []
    try:
        raise ValueError("outside")
    except ValueError:
        for x in source():
            out.append((x, repr(sys.exc_info()[1])))
    return out


@program
def running_in_for_last():
    def source():
        yield 1
        pause()

    out = []
    for x in source():
        out.append(x)
    else:
        out.append("else")
    return out


@program
def running_in_two_fors():
    def inner(n):
        for i in range(n):
            yield pause(i, (n, i) == (3, 1))

    def outer():
        for n in range(5):
            for x in inner(n):
                yield n, x

    out = []
    for pair in outer():
        out.append(pair)
    return out


@program
def running_in_next():
    def source():
        yield 1
        yield pause(2)
        yield 3

    g = source()
    return next(g), next(g), next(g), next(g, "end")


@program
def running_in_next_last():
    def source():
        yield 1
        pause()

    g = source()
    next(g)
    try:
        next(g)
    except StopIteration as stop:
        return repr(stop)


@program
def running_in_next_default():
    def source():
        yield 1
        pause()

    g = source()
    return next(g, 0), next(g, "default")


@program
def running_in_send():
    def source():
        got = yield 1
        got = yield pause(got) + 1
        return got

    g = source()
    g.send(None)
    out = [g.send(10)]
    try:
        g.send(20)
    except StopIteration as stop:
        out.append(stop.value)
    return out


@program
def running_in_send_that_returns():
    def source():
        got = yield 1
        return pause(got) * 2

    g = source()
    next(g)
    try:
        g.send(5)
    except StopIteration as stop:
        return stop.value


@program
def running_in_throw():
    def source():
        try:
            yield 1
        except KeyError as error:
            yield pause(error.args)
        yield repr(sys.exc_info()[1])

    g = source()
    return next(g), g.throw(KeyError("k")), next(g)


@program
def running_in_close():
    def source():
        try:
            yield 1
        finally:
            note(pause("closing"))

    g = source()
    next(g)
    g.close()
    return list(g)


@program
def running_in_method_wrapper():
    g = count(3)
    step = (x for x in map(g.send, [None, 1, 2]))
    next(step)
    pause()
    return list(step)


@program
def running_in_dunder_next():
    def source():
        yield pause(1)
        yield 2

    g = source()
    return g.__next__(), g.__next__()


@program
def yield_from():
    def inner():
        got = yield 1
        yield pause(got)
        return "inner"

    def outer():
        result = yield from inner()
        yield result

    return [x for x in outer()]


@program
def yield_from_three_levels():
    def one():
        yield pause(1)
        return "one"

    def two():
        return "two", (yield from one())

    def three():
        yield ("three", (yield from two()))

    return [x for x in three()]


@program(refused="list")
def yield_from_under_list():
    def inner():
        yield pause(1)

    def outer():
        yield from inner()

    return list(outer())


@program
def yield_from_list_kept():
    def source():
        yield from [1, 2, 3]

    g = source()
    next(g)
    pause()
    return list(g)


@program
def yield_from_throw():
    def inner():
        try:
            yield 1
        except KeyError as error:
            yield pause(error.args)

    def outer():
        yield from inner()
        yield "after"

    g = outer()
    return next(g), g.throw(KeyError(7)), next(g)


@program
def yield_in_expression():
    def source():
        return [1, (yield "a"), pause(2), (yield "b")]

    g = source()
    out = [next(g), g.send("x")]
    try:
        g.send("y")
    except StopIteration as stop:
        out.append(stop.value)
    return out


@program
def expression_generator_running():
    out = []
    for x in (pause(i, i == 2) * 10 for i in range(4)):
        out.append(x)
    return out

"""throw() of generators that delegate."""


def steps(generator):
    """What is left of a generator, with what it returns."""
    out = []
    try:
        while True:
            out.append(next(generator))
    except StopIteration as stop:
        return out, stop.value


def handling():
    return repr(sys.exc_info()[1])


def catches(again=False):
    """Yields at the exception, goes on, and returns; or raises what came."""
    try:
        yield 1
    except KeyError as error:
        yield pause(error.args), handling()
        if again:
            raise
    note(handling())
    yield "last"
    return "caught"


def outer_of(inner):
    result = yield from inner
    note("outer", result, handling())
    yield "outer", result
    return "end"


def nested(inner, levels):
    for _ in range(levels):
        inner = outer_of(inner)
    return inner


@program
def throw_one_level():
    g = nested(catches(), 1)
    return next(g), g.throw(KeyError(7)), steps(g)


@program
def throw_three_levels():
    g = nested(catches(), 3)
    return next(g), g.throw(KeyError(7)), steps(g)


@program
def throw_seven_levels():
    g = nested(catches(), 7)
    return next(g), g.throw(KeyError(7)), steps(g)


@program
def throw_class():
    g = nested(catches(), 2)
    return next(g), g.throw(KeyError), steps(g)


@program
def throw_then_raised_again():
    def outer():
        try:
            yield from catches(again=True)
        except KeyError as error:
            yield "outer", error.args, handling()
        yield handling()

    g = outer()
    return next(g), g.throw(KeyError(1)), steps(g)


@program
def throw_through_all():
    g = nested(catches(again=True), 2)
    out = [next(g), g.throw(KeyError(1))]
    try:
        next(g)
    except KeyError as error:
        out.append((error.args, error.__context__))
    return out, steps(g)


@program
def throw_returns():
    def inner():
        try:
            yield 1
        except KeyError as error:
            return pause(error.args)

    g = nested(inner(), 2)
    return next(g), g.throw(KeyError(2)), steps(g)


@program
def throw_returns_through_all():
    def inner():
        try:
            yield 1
        except KeyError as error:
            return pause(error.args)

    def outer():
        return [(yield from inner())]

    g = outer()
    next(g)
    try:
        g.throw(KeyError(2))
    except StopIteration as stop:
        return stop.value


@program
def throw_raises_another():
    def inner():
        try:
            yield 1
        except KeyError as error:
            raise ValueError(pause("x")) from error

    def outer():
        try:
            yield from inner()
        except ValueError as error:
            yield repr(error.__cause__), repr(error.__context__), handling()

    g = outer()
    return next(g), g.throw(KeyError(2)), steps(g)


@program
def throw_raises_another_through_all():
    def inner():
        try:
            yield 1
        except KeyError:
            raise ValueError(pause("x"))

    g = nested(inner(), 2)
    next(g)
    try:
        raise OSError("around")
    except OSError:
        try:
            g.throw(KeyError(2))
        except ValueError as error:
            return chain(error), handling()


@program
def throw_stop_iteration_inside():
    def inner():
        try:
            yield 1
        except KeyError:
            raise StopIteration(pause("x"))

    g = nested(inner(), 2)
    next(g)
    try:
        g.throw(KeyError(2))
    except RuntimeError as error:
        return chain(error)


@program
def throw_in_finally():
    def inner():
        try:
            yield 1
        finally:
            note(pause("finally"), handling())

    def outer():
        try:
            yield from inner()
        finally:
            note("outer finally", handling())

    g = nested(outer(), 2)
    next(g)
    try:
        g.throw(KeyError("k"))
    except KeyError as error:
        return error.args, steps(g)


@program
def throw_while_handled_outside():
    """What the caller handles is seen by what it throws into."""
    g = nested(catches(), 2)
    next(g)
    try:
        raise OSError("around")
    except OSError:
        return g.throw(KeyError(1)), handling(), steps(g)


@program
def throw_into_one_that_awaits_a_call():
    def step(x):
        return pause(x) * 2

    def inner():
        try:
            yield 1
        except KeyError as error:
            yield step(error.args[0])

    g = nested(inner(), 2)
    return next(g), g.throw(KeyError(3)), steps(g)


@program
def throw_then_generator_inside():
    """Below what was thrown into, other generators run."""

    def source(last):
        yield 1
        yield pause(2, last)

    def inner():
        try:
            yield 0
        except KeyError:
            for x in source(False):
                yield x
            yield from source(True)

    g = nested(inner(), 2)
    return next(g), g.throw(KeyError), steps(g)


@program
def throw_then_loop_over_generator_inside():
    def source():
        yield pause(1)
        yield 2

    def inner():
        try:
            yield 0
        except KeyError:
            for x in source():
                yield x, handling()

    g = nested(inner(), 2)
    return next(g), g.throw(KeyError), steps(g)


@program
def throw_inside_of_throw():
    def middle():
        g = nested(catches(), 2)
        note(next(g))
        try:
            yield "middle"
        except KeyError as error:
            yield g.throw(error)
        yield from g

    g = nested(middle(), 2)
    return next(g), g.throw(KeyError(5)), steps(g)


class Thrown:
    """An iterator in Python with a throw() of its own."""

    def __init__(self, outcome):
        self.outcome = outcome

    def __iter__(self):
        return self

    __await__ = __iter__

    def __next__(self):
        return "next"

    def send(self, value):
        return "sent"

    def throw(self, error, *more):
        pause()
        if self.outcome == "yields":
            return "thrown", repr(error)
        if self.outcome == "returns":
            raise StopIteration("returned")
        raise error


def over(outcome):
    def source():
        try:
            result = yield from Thrown(outcome)
            yield "result", result
        except KeyError as error:
            yield "raised", error.args, handling()

    return nested(source(), 2)


@program
def throw_to_method_that_yields():
    g = over("yields")
    return next(g), g.throw(KeyError(1)), next(g)


@program
def throw_to_method_that_returns():
    g = over("returns")
    return next(g), g.throw(KeyError(1)), steps(g)


@program
def throw_to_method_that_raises():
    g = over("raises")
    return next(g), g.throw(KeyError(1)), steps(g)


@program
def throw_to_nothing():
    """What is delegated to knows no throw()."""

    def source():
        try:
            yield from [1, 2, 3]
        except KeyError as error:
            yield pause(error.args)

    g = nested(source(), 2)
    return next(g), g.throw(KeyError(1)), steps(g)


@program
def throw_caught_outside():
    """What is delegated to lets the exception through."""

    def inner():
        yield 1

    def outer():
        try:
            yield from inner()
        except KeyError as error:
            yield pause(error.args), handling()

    g = nested(outer(), 2)
    return next(g), g.throw(KeyError(1)), steps(g)

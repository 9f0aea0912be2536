"""throw(), close() and their like of generators, coroutines and async generators that delegate."""

import types


@types.coroutine
def tick(value=None):
    return (yield value)


def complete(coroutine, *thrown):
    """Drives a coroutine; after its first step each of the exceptions is thrown into it, then None is sent."""
    seen, thrown = [], list(thrown)
    try:
        seen.append(coroutine.send(None))
        while True:
            seen.append(coroutine.throw(thrown.pop(0)) if thrown else coroutine.send(None))
    except StopIteration as stop:
        return seen, stop.value


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


@program(refused="it handles an exception")
def throw_while_it_handles():
    """What it delegates to does not see what it handles itself, for once."""

    def outer():
        try:
            raise OSError("own")
        except OSError:
            yield from catches()

    g = outer()
    return next(g), g.throw(KeyError(1)), steps(g)


# Coroutines


async def waits():
    try:
        await tick("a")
    except KeyError as error:
        note(pause(error.args), handling())
        await tick("b")
        return "caught"


async def awaits(levels):
    result = await (awaits(levels - 1) if levels else waits())
    note("awaits", result, handling())
    await tick(levels)
    return levels


@program
def coroutine_throw():
    return complete(waits(), KeyError(1))


@program
def coroutine_throw_one_level():
    return complete(awaits(0), KeyError(1))


@program
def coroutine_throw_four_levels():
    return complete(awaits(3), KeyError(1))


@program
def coroutine_throw_to_object():
    async def job():
        try:
            return await Thrown("returns")
        finally:
            note(handling())

    return complete(job(), KeyError(1))


@program
def coroutine_throw_to_wrapper():
    class Waits:
        def __await__(self):
            return waits().__await__()

    async def job():
        return await Waits(), await tick("c")

    return complete(job(), KeyError(1))


@program
def coroutine_throw_in_async_with():
    class Guard:
        async def __aenter__(self):
            return self

        async def __aexit__(self, kind, value, traceback):
            note(kind.__name__, await tick("leaving"))
            return pause(True)

    async def inner():
        async with Guard():
            await tick("inside")
        await tick("after")
        return handling()

    async def job():
        return await inner()

    return complete(job(), KeyError(1))


async def source():
    for i in range(3):
        try:
            await tick(("waits", i))
        except KeyError as error:
            note(pause(error.args), handling())
            await tick("caught")
        yield i


@program
def throw_while_async_for_waits():
    async def job():
        return [x async for x in source()]

    async def outer():
        return await job()

    return complete(outer(), KeyError(1))


@program
def throw_while_anext_waits():
    async def job():
        g = source()
        return await anext(g), await anext(g, "default"), await g.asend(None), await anext(g, "default")

    return complete(job(), KeyError(1))


@program
def throw_while_async_generator_awaits():
    async def outer():
        async for x in source():
            yield x, await waits()

    async def job():
        return [x async for x in outer()]

    return complete(job(), KeyError(1))


@program
def throw_to_asend():
    g = source()
    step = g.asend(None)
    out = [step.send(None), step.throw(KeyError(1))]
    try:
        step.send(None)
    except StopIteration as stop:
        out.append(stop.value)
    return out


@program
def throw_to_athrow():
    async def catching():
        try:
            yield 1
        except ValueError:
            try:
                await tick("first")
            except KeyError as error:
                note(pause(error.args), handling())
                await tick("second")
            yield 2

    async def job():
        g = catching()
        await anext(g)
        return await g.athrow(ValueError)

    return complete(job(), KeyError(1))


@program
def throw_to_aclose():
    async def closing():
        try:
            yield 1
        finally:
            try:
                await tick("first")
            except KeyError as error:
                note(pause(error.args), handling())
                await tick("second")

    async def job():
        g = closing()
        await anext(g)
        return await g.aclose()

    return complete(job(), KeyError(1))


# close()


@program
def close_one_level():
    def inner():
        try:
            yield 1
        finally:
            note(pause("closing"), handling())

    g = nested(inner(), 1)
    next(g)
    note(g.close(), handling())
    return steps(g)


@program
def close_three_levels():
    def inner():
        try:
            yield 1
        except GeneratorExit:
            note(pause("closing"), handling())
            raise

    def outer():
        try:
            yield from inner()
        finally:
            note("outer", handling())

    g = nested(outer(), 2)
    next(g)
    note(g.close(), handling())
    return steps(g)


@program
def close_returns():
    def inner():
        try:
            yield 1
        except GeneratorExit:
            note(pause("closing"))
            return "inner"

    def outer():
        try:
            yield from inner()
        except GeneratorExit:
            return "outer"

    g = outer()
    next(g)
    return g.close(), steps(g)


@program
def close_ignored():
    def inner():
        try:
            yield 1
        except GeneratorExit:
            yield pause("closing")

    def outer():
        try:
            yield from inner()
        except RuntimeError as error:
            note(chain(error), handling())
            raise

    g = nested(outer(), 1)
    next(g)
    try:
        g.close()
    except RuntimeError as error:
        return chain(error), steps(g)


@program
def close_raises():
    def inner():
        try:
            yield 1
        finally:
            raise KeyError(pause("closing"))

    def outer():
        try:
            yield from inner()
        except KeyError as error:
            note(chain(error), handling())
            raise ValueError("another")

    g = nested(outer(), 1)
    next(g)
    try:
        raise OSError("around")
    except OSError:
        try:
            g.close()
        except ValueError as error:
            return chain(error), steps(g)


@program
def close_outer_yields():
    def inner():
        try:
            yield 1
        finally:
            note(pause("closing"))

    def outer():
        try:
            yield from inner()
        except GeneratorExit:
            yield "ignored"

    g = nested(outer(), 1)
    next(g)
    try:
        g.close()
    except RuntimeError as error:
        return chain(error), steps(g)


@program
def throw_generator_exit():
    def inner():
        try:
            yield 1
        finally:
            note(pause("closing"), handling())

    g = nested(inner(), 2)
    next(g)
    try:
        g.throw(GeneratorExit("g"))
    except GeneratorExit as error:
        return chain(error), steps(g)


@program
def throw_generator_exit_caught():
    def inner():
        try:
            yield 1
        finally:
            note(pause("closing"))

    def outer():
        try:
            yield from inner()
        except GeneratorExit as error:
            yield error.args, handling()

    g = nested(outer(), 1)
    next(g)
    return g.throw(GeneratorExit("g")), steps(g)


@program
def coroutine_close():
    async def inner():
        try:
            await tick("a")
        finally:
            note(pause("closing"), handling())

    async def job():
        await inner()

    c = job()
    c.send(None)
    note(c.close())
    return handling()

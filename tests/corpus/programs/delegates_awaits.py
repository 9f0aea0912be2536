"""throw() and close() of coroutines and async generators that await, and of generators that delegate and are closed."""

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


def outer_of(inner):
    result = yield from inner
    note("outer", result, handling())
    yield "outer", result
    return "end"


def nested(inner, levels):
    for _ in range(levels):
        inner = outer_of(inner)
    return inner


class Thrown:
    """What is awaited: it returns when it is thrown into."""

    def __await__(self):
        return self

    def __next__(self):
        return "next"

    def throw(self, error, *more):
        raise StopIteration(pause("returned"))


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
            return await Thrown()
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

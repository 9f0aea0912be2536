"""Asynchronous generators: in the stack, as values, as targets."""

import contextlib
import types


@types.coroutine
def tick(value=None):
    return (yield value)


def complete(coroutine):
    seen = []
    while True:
        try:
            seen.append(coroutine.send(None))
        except StopIteration as stop:
            return seen, stop.value


async def numbers(n, at=None):
    """Yields 0 to n - 1, and waits between them."""
    try:
        for i in range(n):
            await tick(("waits", i))
            got = yield pause(i, i == at)
            if got is not None:
                note("got", got)
    finally:
        note("finally")


@program
def running_in_async_for():
    async def job():
        out = []
        async for x in numbers(4, at=2):
            out.append(x)
        return out

    return complete(job())


@program
def running_in_comprehension():
    async def job():
        return [x * 2 async for x in numbers(4, at=1) if x != 3]

    return complete(job())


@program
def running_in_asend():
    async def source():
        got = yield 1
        yield pause(got) + 1

    async def job():
        g = source()
        return await g.asend(None), await g.asend(5)

    return complete(job())


@program
def running_in_athrow():
    async def source():
        try:
            yield 1
        except KeyError as error:
            yield pause(error.args)

    async def job():
        g = source()
        return await g.asend(None), await g.athrow(KeyError("k"))

    return complete(job())


@program
def running_in_aclose():
    async def source():
        try:
            yield 1
        finally:
            await tick("closing")
            note(pause("closed"))

    async def job():
        g = source()
        await g.asend(None)
        await g.aclose()
        return "after"

    return complete(job())


@program
def running_in_anext():
    async def job():
        g = numbers(3, at=1)
        return await anext(g), await anext(g), await anext(g), await anext(g, "end")

    return complete(job())


@program
def running_nested():
    async def outer():
        async for x in numbers(3, at=1):
            yield x, await tick("outer")

    async def job():
        return [x async for x in outer()]

    return complete(job())


@program
def consumer_suspended():
    async def job():
        out = []
        async for x in numbers(4):
            out.append(pause(x, x == 2))
        return out

    return complete(job())


@program
def value_not_started():
    async def job(g):
        return [x async for x in g]

    g = numbers(3)
    pause()
    return complete(job(g))


@program
def value_half():
    async def first(g):
        return await anext(g)

    async def rest(g):
        return [x async for x in g]

    g = numbers(4)
    complete(first(g))
    pause()
    return complete(rest(g))


@program
def value_exhausted():
    async def rest(g):
        return [x async for x in g]

    g = numbers(2)
    complete(rest(g))
    pause()
    return complete(rest(g))


@program
def value_asend_after():
    async def job(g):
        return await g.asend("hello"), await anext(g, "end")

    async def first(g):
        return await anext(g)

    g = numbers(3)
    complete(first(g))
    pause()
    return complete(job(g))


@program
def value_aclose_after():
    async def first(g):
        return await anext(g)

    g = numbers(3)
    complete(first(g))
    pause()
    complete(g.aclose())
    return list(LOG)


@program
def value_waiting_in_asend():
    g = numbers(2)
    step = g.asend(None)
    step.send(None)
    pause()
    return complete(step)


@program
def value_expression():
    async def job(g):
        return [x async for x in g]

    g = (x + 1 async for x in numbers(3))
    pause()
    return complete(job(g))


@program
def value_consumer_waits_in_source():
    async def job():
        return [x async for x in numbers(3)]

    c = job()
    c.send(None)
    c.send(None)
    pause()
    return complete(c)


@program
def async_context_manager_decorator():
    @contextlib.asynccontextmanager
    async def managed(name):
        note("enter", name)
        await tick("entering")
        try:
            yield name.upper()
        finally:
            note("exit", name)

    async def job():
        async with managed("m") as got:
            note(pause(got))
        return "after"

    return complete(job())


@program
def async_context_manager_entering():
    @contextlib.asynccontextmanager
    async def managed():
        note(pause("entering"))
        yield 1

    async def job():
        async with managed() as got:
            return got

    return complete(job())


@program(target="object")
def target_half():
    async def source():
        try:
            yield 1
            yield 2
        except ValueError as error:
            yield error.args
        finally:
            await tick("finally")

    async def first(g):
        return await anext(g)

    g = source()
    complete(first(g))
    return g


@program(target="object")
def target_not_started():
    async def source():
        got = yield 1
        yield got

    return source()

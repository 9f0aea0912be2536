"""Coroutines: in the stack, as values, as targets; async for and async with. No event loop: a driver sends None."""

import contextlib
import contextvars
import types


@types.coroutine
def tick(value=None):
    """Suspends up to the driver, which gets the value."""
    return (yield value)


def complete(coroutine):
    """Drives a coroutine; what it suspended with, and its result."""
    seen = []
    while True:
        try:
            seen.append(coroutine.send(len(seen) or None))
        except StopIteration as stop:
            return seen, stop.value


class Guard:
    def __init__(self, name, swallow=(), at=None):
        self.name, self.swallow, self.at = name, swallow, at

    async def __aenter__(self):
        note("enter", self.name, await tick("entering"))
        pause(None, self.at == "enter")
        return self

    async def __aexit__(self, kind, value, traceback):
        note("exit", self.name, kind and kind.__name__)
        await tick("leaving")
        pause(None, self.at == "exit")
        return kind is not None and issubclass(kind, self.swallow)


class Numbers:
    """An asynchronous iterator."""

    def __init__(self, n, at=None):
        self.n, self.i, self.at = n, 0, at

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.i == self.n:
            raise StopAsyncIteration
        self.i += 1
        await tick(self.i)
        return pause(self.i, self.i == self.at)


@program
def running():
    async def job():
        return pause(1) + 1

    return complete(job())


@program
def running_after_tick():
    async def job():
        a = await tick("a")
        b = pause(a)
        return a, b, await tick("b")

    return complete(job())


@program
def running_in_await():
    async def inner(x):
        return pause(x) + await tick("inner")

    async def outer():
        return [await inner(1), await inner(2) if False else 0]

    return complete(outer())


@program
def running_three_levels():
    async def one():
        await tick(1)
        pause()
        return "one"

    async def two():
        return "two", await one()

    async def three():
        return "three", await two()

    return complete(three())


@program
def running_in_loop():
    async def inner(i):
        await tick(i)
        return pause(i, i == 2)

    async def outer():
        return [await inner(i) for i in range(4)]

    return complete(outer())


@program
def running_with_handled():
    async def inner():
        pause()
        note(repr(sys.exc_info()[1]))
        raise KeyError("inner")

    async def outer():
        try:
            raise ValueError("outer")
        except ValueError:
            try:
                await inner()
            except KeyError as error:
                return error.args, repr(error.__context__)

    return complete(outer())


@program
def running_in_await_method():
    class Awaitable:
        def __await__(self):
            got = yield "awaiting"
            return pause(got)

    async def job():
        return await Awaitable()

    return complete(job())


@program
def running_in_throw():
    async def job():
        try:
            await tick(1)
        except KeyError as error:
            return pause(error.args)

    c = job()
    c.send(None)
    try:
        c.throw(KeyError("k"))
    except StopIteration as stop:
        return stop.value


@program
def running_in_close():
    async def job():
        try:
            await tick(1)
        finally:
            note(pause("closing"))

    c = job()
    c.send(None)
    c.close()


@program
def async_for_body():
    async def job():
        out = []
        async for x in Numbers(4):
            out.append(pause(x, x == 2))
        else:
            out.append("else")
        return out

    return complete(job())


@program
def async_for_anext():
    async def job():
        return [x async for x in Numbers(4, at=3)]

    return complete(job())


@program
def async_with_body():
    async def job():
        async with Guard("a") as a:
            note(pause(a.name))
            await tick("inside")

    return complete(job())


@program
def async_with_two_and_exception():
    async def job():
        async with Guard("a", swallow=KeyError), Guard("b"):
            pause()
            raise KeyError("x")
        return "swallowed"

    return complete(job())


@program
def async_with_entering():
    async def job():
        async with Guard("a", at="enter") as a:
            return a.name

    return complete(job())


@program
def async_with_leaving():
    async def job():
        async with Guard("a", at="exit"):
            note("inside")
        return "after"

    return complete(job())


@program
def async_with_leaving_exception():
    async def job():
        async with Guard("a", swallow=KeyError, at="exit"):
            raise KeyError
        return "after"

    return complete(job())


@program
def async_exit_stack():
    async def job():
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(Guard("a"))
            await stack.enter_async_context(Guard("b"))
            note(pause("in"))
        return "after"

    return complete(job())


@program
def async_comprehension_condition():
    async def job():
        return {x: await tick(x) async for x in Numbers(4) if pause(x, x == 3) % 2}

    return complete(job())


@program
def value_not_started():
    async def job(x):
        return x, await tick(x)

    c = job(1)
    pause()
    return complete(c)


@program
def value_half():
    async def job():
        out = [await tick(1), await tick(2)]
        return out

    c = job()
    c.send(None)
    pause()
    return complete(c)


@program
def value_finished():
    async def job():
        return 1

    c = job()
    complete(c)
    pause()
    try:
        c.send(None)
    except RuntimeError as error:
        return str(error)


@program
def value_in_await_chain():
    async def inner():
        try:
            return await tick("inner")
        finally:
            note("finally")

    async def outer():
        return "outer", await inner()

    c = outer()
    c.send(None)
    pause()
    return type(c.cr_await).__name__, complete(c)


@program
def value_inside_async_with():
    async def job():
        async with Guard("a"):
            await tick("inside")
        return "after"

    c = job()
    c.send(None)
    c.send(None)
    pause()
    return complete(c)


@program
def value_entering_async_with():
    async def job():
        async with Guard("a") as a:
            return a.name

    c = job()
    c.send(None)
    pause()
    return complete(c)


@program
def value_inside_async_for():
    async def job():
        out = []
        async for x in Numbers(3):
            out.append((x, await tick("body")))
        return out

    c = job()
    for _ in range(3):
        c.send(None)
    pause()
    return complete(c)


@program
def value_several_interleaved():
    async def job(name, n):
        for i in range(n):
            note(name, i)
            await tick(i)
        return name

    waiting = [job("a", 2), job("b", 3), job("c", 1)]
    finished = []
    rounds = 0
    while waiting:
        for c in list(waiting):
            try:
                c.send(None)
            except StopIteration as stop:
                waiting.remove(c)
                finished.append(stop.value)
        rounds += 1
        pause(None, rounds == 2)
    return finished, rounds


@program
def value_thrown_into_after():
    async def job():
        try:
            await tick(1)
        except KeyError as error:
            return error.args

    c = job()
    c.send(None)
    pause()
    try:
        c.throw(KeyError("late"))
    except StopIteration as stop:
        return stop.value


@program
def asyncio_coroutine_kept():
    import asyncio

    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    async def both():
        return await asyncio.gather(later(1), later(2))

    pause()
    return asyncio.run(both())


@program
def asyncio_run_suspended():
    import asyncio

    async def job():
        await asyncio.sleep(0)
        return pause(1)

    return asyncio.run(job())


@program
def context_variable():
    name = contextvars.ContextVar("name", default="default")
    token = name.set("set")
    seen = name.get()
    name.reset(token)
    pause()
    return seen, type(token).__name__


@program(target="object")
def target_half():
    async def job():
        out = [await tick(1)]
        try:
            out.append(await tick(2))
        except ValueError as error:
            out.append(error.args)
        return out

    c = job()
    c.send(None)
    return c


@program(target="object")
def target_not_started():
    async def job():
        return await tick(1), await tick(2)

    return job()


@program(target="object")
def target_in_await_chain():
    async def inner():
        try:
            return await tick("inner")
        except ValueError as error:
            return error.args

    async def outer():
        return "outer", await inner(), await tick("outer")

    c = outer()
    c.send(None)
    return c

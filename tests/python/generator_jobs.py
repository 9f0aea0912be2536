"""Generators, coroutines and async generators that note what happens to them; a part of scripts that run as `__main__`,
behind the helpers of jobs.py. Nothing in them captures."""

import sys
import types


def stop_for():
    def source(n):
        k = 0
        for i in range(n):
            k += i
            yield k, i
        return "end"

    out = []
    for x, y in source(3):
        out.append(x - y)
    out += [a + b for a, b in source(3)]
    return out, {b: a for a, b in source(2)}


def stop_for_ends_early():
    log = []

    def source():
        try:
            for i in range(5):
                yield i
        finally:
            log.append(sys.exc_info()[0].__name__)

    for x in source():
        log.append(x)
        if x == 2:
            break
    return log


def stop_next_and_send():
    def source(first):
        got = yield first
        while got:
            more = [got, (yield got * 2), len(str(got))]
            got = more[1] or 1 - len(more[:got])
        return "returned"

    g = source("a")
    out = [next(g), g.send(4), g.send(1), g.send(3), g.__next__()]
    try:
        g.send(0)
    except StopIteration as stop:
        out.append(stop.value)
    g = source(1)
    return out, next(g, "default"), next(g, "default"), next(g, "default"), g.gi_running


def stop_yield_from():
    def inner(n):
        got = []
        for i in range(n):
            got.append((yield i))
        return got

    def middle(n):
        result = yield from inner(n)
        return [*result, (yield "middle")]

    def outer():
        a = yield from middle(2)
        b = yield from [7, 8]
        yield a, b
        return "outer"

    g = outer()
    out = [next(g)]
    try:
        while True:
            out.append(g.send(len(out) if len(out) < 4 else None))
    except StopIteration as stop:
        out.append(stop.value)
    return out


def stop_handlers():
    log = []

    def source():
        try:
            yield 1
            raise KeyError("own")
        except KeyError as error:
            log.append(repr(sys.exc_info()[1]))
            yield 2
            log.append(repr(sys.exc_info()[1]))
            try:
                yield int("x")
            except ValueError as inner:
                log.append(repr(inner.__context__))
                yield 3
                log.append(repr(sys.exc_info()[1]))
            log.append(repr(sys.exc_info()[1]))
        finally:
            log.append(repr(sys.exc_info()[1]))
            yield 4
        log.append(repr(sys.exc_info()[1]))
        raise ArithmeticError("last")

    try:
        raise OSError("outside")
    except OSError:
        try:
            for x in source():
                log.append((x, repr(sys.exc_info()[1])))
        except ArithmeticError as error:
            log.append(repr(error.__context__))
    return log


def stop_throw():
    log = []

    def source():
        n = 0
        while True:
            try:
                log.append((yield n))
            except KeyError as error:
                log.append(error.args)
                n += 1
            except ValueError:
                return "done"
            else:
                n += 10

    g = source()
    out = [next(g), g.throw(KeyError(1)), g.send(2), g.throw(KeyError(3))]
    try:
        g.throw(ValueError)
    except StopIteration as stop:
        out.append(stop.value)
    g = source()
    next(g)
    try:
        g.throw(TypeError("through"))
    except TypeError as error:
        out.append(repr(error))
    return out, log


def stop_close():
    log = []

    def source():
        try:
            try:
                yield 1
            finally:
                log.append("inner")
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("outer")

    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            log.append("stubborn")
            yield 2

    g = source()
    next(g)
    g.close()
    g = stubborn()
    next(g)
    try:
        g.close()
    except RuntimeError as error:
        log.append(str(error))
    return log, list(g)


def stop_delegates():
    log = []

    def inner(n):
        for i in range(n):
            try:
                yield i
            except KeyError as error:
                log.append((error.args, repr(sys.exc_info()[1])))
                yield "caught"
            except ValueError as error:
                raise LookupError("instead")
            finally:
                log.append(repr(sys.exc_info()[1]))
        return n

    def outer(n):
        try:
            result = yield from inner(n)
            log.append(result)
            result = yield from inner(n)
        except LookupError as error:
            log.append(repr(error.__context__))
            yield "lookup"
        finally:
            log.append("outer")

    def outermost(n):
        yield from outer(n)
        return "end"

    g = outermost(2)
    out = [next(g), g.throw(KeyError(1)), next(g), next(g), g.throw(ValueError), g.send(None) if not log else "sent"]
    g = outermost(3)
    out += [next(g), g.throw(KeyError), g.close()]
    g = outermost(3)
    try:
        out += [next(g), g.throw(GeneratorExit(2))]
    except GeneratorExit as error:
        out.append(error.args)
    return out, log


def stop_stop_iteration():
    def source():
        yield next(iter([1]))
        yield next(iter([]))

    out = []
    try:
        for x in source():
            out.append(x)
    except RuntimeError as error:
        out.append((str(error), type(error.__cause__).__name__))
    return out


def stop_generator_expressions():
    total = 0
    for x in (a * b for a in range(1, 3) for b in (3, 4) if b - a):
        total += x
    for x, y in zip((i * i for i in range(3)), "abc"):
        total += x * len(y)
    for i, x in enumerate(str(q) for q in range(3)):
        total += i * int(x)
    for x in map(abs, (-q for q in range(3))):
        total += x
    return total, any(q > 1 for q in range(3)), all(q < 9 for q in range(3))


def stop_recursive():
    def tree(depth):
        if depth:
            yield from tree(depth - 1)
            yield depth
            for x in tree(depth - 1):
                yield x

    return [x for x in tree(3)]


def stop_closures():
    total = []

    def source(n):
        def note(x):
            total.append(x)
            return len(total)

        with Guard(total, "g", (KeyError,)):
            for i in range(n):
                yield note(i)
            raise KeyError
        yield [note(q) for q in "ab"]

    return [x for x in source(2)], total


def drive(coroutine, *sent):
    """Runs a coroutine; what it yields is noted, what is sent comes from a list."""
    out, value = [], None
    try:
        while True:
            out.append(coroutine.send(value))
            value = len(out)
    except StopIteration as stop:
        return out, stop.value


@types.coroutine
def tick(x):
    got = yield x
    return got


def stop_coroutines():
    async def leaf(n):
        a = await tick(n)
        b = await tick(a)
        return a + b

    async def branch(n):
        try:
            x = await leaf(n)
            y = [await leaf(x), await tick("y")]
            raise KeyError(str(y))
        except KeyError as error:
            await tick(repr(sys.exc_info()[1]))
            return error.args

    return drive(branch(5))


class Waits:
    def __await__(self):
        got = yield "waits"
        return got


class Wraps:
    def __init__(self, function):
        self.function = function

    def __await__(self):
        return self.function().__await__()


class Manager:
    def __init__(self, log):
        self.log = log

    async def __aenter__(self):
        self.log.append(await tick("enter"))
        return self

    async def __aexit__(self, kind, value, traceback):
        self.log.append(await tick("exit"))
        return kind is KeyError


class Steps:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.n -= 1
        if self.n < 0:
            raise StopAsyncIteration
        await tick("step")
        return self.n


def stop_thrown_into_awaits():
    log = []

    async def leaf():
        try:
            await tick("a")
        except KeyError as error:
            log.append(repr(sys.exc_info()[1]))
            return await tick(error.args)
        finally:
            log.append("leaf")

    async def source():
        for x in range(2):
            yield x, await leaf()

    async def work():
        out = [await leaf(), await Wraps(leaf)]
        async for x in source():
            out.append(x)
        return out

    c = work()
    out = [c.send(None)]
    try:
        while len(out) < 20:
            out += [c.throw(KeyError(len(out))), c.send("sent")]
    except StopIteration as stop:
        out.append(stop.value)
    c = work()
    c.send(None)
    return out, c.close(), log


def stop_async_with_and_for():
    async def work():
        log = []
        async with Manager(log) as manager:
            log.append(await Waits())
            async for x in Steps(2):
                log.append(x)
            raise KeyError
        return log, [x async for x in Steps(2) if x]

    return drive(work())


def stop_async_generators():
    log = []

    async def source(n):
        try:
            for i in range(n):
                await tick("before")
                got = yield i
                log.append(got)
        except KeyError:
            yield await tick("caught")
        finally:
            await tick("finally")
            log.append("finally")

    async def work():
        out = []
        async for x in source(2):
            out.append(x)
        g = source(3)
        out.append(await g.asend(None))
        out.append(await g.asend("sent"))
        out.append(await g.athrow(KeyError))
        await g.aclose()
        g = source(9)
        out.append(await anext(g))
        await g.aclose()
        out.append(await anext(g, "default"))
        return out, [x async for x in source(2)], log

    return drive(work())

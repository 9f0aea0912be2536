"""Generators, coroutines, frames, tracebacks, cells, contexts."""

import asyncio
import contextlib
import contextvars
import inspect
import traceback
import types

CLOSED = []


def collecting(n):
    got = []
    try:
        for i in range(n):
            got.append((yield i))
    finally:
        CLOSED.append(n)
    return got


def returned(generator, value=None):
    """What a generator that is at its end returns."""
    try:
        generator.send(value)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it yielded once more")


@row("generator (suspended)")
def _():
    held = collecting(3)
    next(held), held.send("a")
    alias = [held]
    pause()
    assert alias[0] is held and inspect.getgeneratorstate(held) == "GEN_SUSPENDED" and CLOSED == []
    assert held.gi_frame.f_locals["got"] == ["a"] and held.__name__ == "collecting"
    assert held.send("b") == 2 and returned(held, "c") == ["a", "b", "c"] and CLOSED == [3]


@row("generator (not started)")
def _():
    held = collecting(1)
    pause()
    assert inspect.getgeneratorstate(held) == "GEN_CREATED"
    assert next(held) == 0 and returned(held, "x") == ["x"]


@row("generator (exhausted)")
def _():
    held = collecting(2)
    assert list(held) == [0, 1]
    pause()
    assert inspect.getgeneratorstate(held) == "GEN_CLOSED" and held.gi_frame is None and list(held) == []
    assert held.gi_code is collecting.__code__ and held.__qualname__ == "collecting"


@row("generator expression")
def _():
    source = iter([1, 2, 3, 4])
    held = (x * 2 for x in source)
    next(held)
    pause()
    assert next(source) == 2 and list(held) == [6, 8]


@types.coroutine
def switch(value):
    return (yield value)


async def waiting(value):
    async with contextlib.AsyncExitStack():
        got = await switch(value)
        return got, await switch(got)


@row("coroutine (not started)")
def _():
    held = waiting("a")
    pause()
    assert inspect.getcoroutinestate(held) == "CORO_CREATED"
    assert held.send(None) == "a" and held.send("b") == "b" and returned(held, "c") == ("b", "c")


@row("coroutine (suspended)")
def _():
    held = waiting("a")
    held.send(None)
    pause()
    assert inspect.getcoroutinestate(held) == "CORO_SUSPENDED" and held.cr_await is not None
    assert held.send("b") == "b" and returned(held, "c") == ("b", "c")


async def streaming():
    got = []
    try:
        while True:
            got.append((yield len(got)))
    finally:
        CLOSED.append(got)


@row("async generator")
def _():
    held = streaming()
    assert returned(held.asend(None)) == 0
    pause()
    assert returned(held.asend("x")) == 1 and returned(held.aclose()) is None and CLOSED == [["x"]]


@row("frame")
def frame_of_the_stack():
    held, there = sys._getframe(), "here"
    pause()
    assert held is sys._getframe() and held.f_code is frame_of_the_stack.__code__
    assert held.f_locals["there"] == "here"


@extra("frames of the stack, of each other, and what they show")
def frames_of_the_stack():
    def inner():
        mine = sys._getframe()
        caller = mine.f_back
        both = [mine, caller, mine]
        pause()
        assert both[0] is mine is both[2] is sys._getframe() and both[1] is caller is mine.f_back
        mine.f_trace_lines = False
        return mine, caller

    kept = {"own": sys._getframe()}
    frame, outer = inner()
    assert outer is kept["own"] is sys._getframe()
    assert frame.f_code is inner.__code__ and frame.f_back is outer and set(frame.f_locals) == {"mine", "caller", "both"}
    assert frame.f_lineno == inner.__code__.co_firstlineno + 7 and frame.f_locals["both"][0] is frame
    assert outer.f_lineno == sys._getframe().f_lineno and outer.f_globals is globals()
    frame.clear()


@extra("frame in a traceback that is handled")
def _():
    def fails():
        frames.append(sys._getframe())
        raise LookupError

    frames = []
    try:
        fails()
    except LookupError as error:
        here, entry = sys._getframe(), error.__traceback__
        frames.clear()
        pause()
        assert entry.tb_frame is here is sys._getframe() and entry.tb_next.tb_frame.f_code is fails.__code__
        assert entry.tb_lineno == here.f_code.co_firstlineno + 8
        assert traceback.extract_tb(entry)[1].name == "fails"


@extra("frames of generators, suspended and running")
def _():
    def steps(wait):
        own = sys._getframe()
        yield own
        wait()
        yield own

    async def step():
        await asyncio.sleep(0)

    held = steps(None)
    frame, fresh, coroutine = next(held), steps(None), step()
    before = fresh.gi_frame, coroutine.cr_frame
    running = steps(pause)
    own = next(running)
    assert next(running) is own is running.gi_frame
    assert frame is held.gi_frame and frame.f_locals["own"] is frame
    assert before == (fresh.gi_frame, coroutine.cr_frame) and before[0].f_code is steps.__code__
    assert next(fresh) is before[0]
    coroutine.close()


@extra("locals of a frame, seen through it")
def _():
    there = ["here"]
    held = sys._getframe().f_locals
    pause()
    assert held["there"] is there
    there = "changed"
    assert sys.version_info < (3, 13) or held["there"] == "changed"


@extra("frame of a generator that runs outside")
def _():
    def steps():
        yield sys._getframe()
        yield next(other)

    def others():
        yield from ()
        held = [one.gi_frame]
        pause()
        assert held[0] is one.gi_frame
        yield True

    one, other = steps(), others()
    next(one)
    assert next(one)


@extra("frame outside of the boundary")
def _():
    held = sys._getframe()
    while held.f_back is not None:
        held = held.f_back
    pause()
    assert held.f_code.co_name == "<module>"


@extra("frame of a function that has returned")
def _():
    def inner():
        return sys._getframe()

    held = inner()
    pause()
    assert held.f_code.co_name == "inner" and held.f_lineno == inner.__code__.co_firstlineno + 1


def failing(n):
    if n:
        failing(n - 1)
    raise LookupError("deep")


@row("traceback")
def _():
    try:
        failing(2)
    except LookupError as error:
        held = error.__traceback__
    before = [(e.name, e.lineno) for e in traceback.extract_tb(held)]
    pause()
    assert [(e.name, e.lineno) for e in traceback.extract_tb(held)] == before and len(before) == 4
    assert held.tb_next.tb_frame.f_code is failing.__code__


@row("code object")
def _():
    held = compile("made = base * 2", "<text>", "exec")
    own = collecting.__code__
    pause()
    space = {"base": 21}
    exec(held, space)
    assert space["made"] == 42 and held.co_filename == "<text>" and own is collecting.__code__
    assert held == compile("made = base * 2", "<text>", "exec")


@row("cell")
def _():
    count = 0

    def up():
        nonlocal count
        count += 1
        return count

    held = up.__closure__[0]
    pause()
    assert held is up.__closure__[0] and up() == 1 and held.cell_contents == 1 == count


@row("empty cell")
def _():
    held, full = types.CellType(), types.CellType(7)
    pause()
    try:
        held.cell_contents
    except ValueError:
        held.cell_contents = full.cell_contents
    else:
        raise AssertionError("it has contents")
    assert held.cell_contents == 7


@row("greenlet (suspended)")
def _():
    import greenlet

    def body(first):
        second = greenlet.getcurrent().parent.switch(first + 1)
        return first, second

    held = greenlet.greenlet(body)
    assert held.switch(1) == 2
    pause()
    assert held and not held.dead and held.switch("x") == (1, "x") and held.dead


@row("asyncio.Future")
def _():
    loop = asyncio.new_event_loop()
    held, done = loop.create_future(), loop.create_future()
    seen = []
    held.add_done_callback(seen.append)
    done.set_result(5)
    pause()
    held.set_result("r")
    assert held.result() == "r" and done.result() == 5
    held.get_loop().run_until_complete(asyncio.sleep(0))
    assert seen == [held]
    loop.close()


VARIABLE = contextvars.ContextVar("variable", default="nothing")


@row("contextvars.Context")
def _():
    local = contextvars.ContextVar("local")
    held = contextvars.Context()
    held.run(VARIABLE.set, "something")
    held.run(local.set, [1])
    pause()
    assert held[VARIABLE] == "something" and held.run(VARIABLE.get) == "something" and VARIABLE.get() == "nothing"
    assert held[local] == [1] and len(held) == 2


@row("contextvars.ContextVar")
def _():
    held = VARIABLE
    token = held.set("here")
    pause()
    assert held is VARIABLE and held.get() == "here" and held.name == "variable"
    held.reset(token)
    assert held.get() == "nothing"


@contextlib.contextmanager
def managed(log):
    log.append("in")
    try:
        yield len(log)
    except KeyError:
        log.append("key")
    finally:
        log.append("out")


@row("contextlib._GeneratorContextManager (entered)")
def _():
    log = []
    held = managed(log)
    assert held.__enter__() == 1
    pause()
    assert log == ["in"] and held.__exit__(KeyError, KeyError(1), None) is True and log == ["in", "key", "out"]


@extra("coroutine under an asyncgen's asend")
def _():
    stream = streaming()
    held = stream.asend(None)
    pause()
    assert returned(held) == 0 and returned(stream.asend("y")) == 1


@extra("generator that delegates")
def _():
    def outer():
        return (yield from collecting(2)), "outer"

    held = outer()
    next(held)
    pause()
    assert held.gi_yieldfrom.gi_code is collecting.__code__
    assert held.send("p") == 1 and returned(held, "q") == (["p", "q"], "outer")


@extra("wrapped coroutine")
def _():
    held = waiting(1).__await__()
    assert next(held) == 1
    pause()
    assert held.send(2) == 2 and returned(held, 3) == (2, 3)


@extra("contextlib.ExitStack")
def _():
    log = []
    held = contextlib.ExitStack()
    held.enter_context(managed(log))
    held.callback(log.append, "callback")
    pause()
    held.close()
    assert log == ["in", "callback", "out"]


@extra("async context manager (entered)")
def _():
    log = []

    @contextlib.asynccontextmanager
    async def manager():
        log.append("in")
        try:
            yield "value"
        finally:
            log.append("out")

    held = manager()
    assert returned(held.__aenter__()) == "value"
    pause()
    assert returned(held.__aexit__(None, None, None)) is False and log == ["in", "out"]

"""Generators, coroutines and async generators that run in a captured stack go on as the original's do, can be
captured again, and are ordinary ones afterwards."""

import ast
import sys

import pytest
import torpor
from processes import literal, resume, run

# Each job calls here() once. It captures twice: what a resumed stack captures replaces the original's.
SOURCE = '''
import sys, torpor, types

KEY = None


def here(value=None, when=True):
    if when and KEY is not None:
        torpor.capture(key=KEY)
        torpor.capture(key=KEY + " again")
    return value


@types.coroutine
def tick(value=None):
    return (yield value)


def complete(coroutine, answer=None):
    seen = []
    try:
        seen.append(coroutine.send(None))
        while True:
            seen.append(coroutine.send(answer))
    except StopIteration as stop:
        return seen, stop.value


def names():
    frame, out = sys._getframe(1), []
    while frame is not None and frame.f_code.co_name not in ("run", "<module>"):
        out.append(frame.f_code.co_name)
        frame = frame.f_back
    return out


def trail(error):
    tb, out = error.__traceback__, []
    while tb is not None:
        out.append((tb.tb_frame.f_code.co_name, sorted(n for n in tb.tb_frame.f_locals if n[0] == "v")))
        tb = tb.tb_next
    return out


def chain(error):
    out = []
    while error is not None:
        out.append((type(error).__name__, error.args))
        error = error.__cause__ or error.__context__
    return out


def job_functions_between():
    def inner(n):
        for i in range(n):
            yield here(i, (n, i) == (3, 1)), len(names())

    def middle(n):
        return [pair for pair in inner(n)]

    def outer():
        for n in (2, 3, 4):
            yield n, middle(n)

    return [item for item in outer()], names()


def job_used_on():
    def source():
        got = []
        try:
            for i in range(9):
                got.append((yield here(i, i == 2)))
        except KeyError as error:
            got.append((yield repr(error)))
            return got

    g = source()
    out = [next(g), g.send("a"), g.send("b"), g.gi_running, g.gi_frame.f_lineno > 0, g.send("c")]
    out.append(g.throw(KeyError(1)))
    try:
        g.send("d")
    except StopIteration as stop:
        out.append(stop.value)
    return out, g.gi_frame, g.gi_running, list(g)


def job_closed_afterwards():
    log = []

    def source():
        try:
            for i in range(9):
                yield here(i, i == 2)
        finally:
            log.append("closed")

    for x in source():
        if x == 3:
            break
    log.append("after")
    return log


def job_delegates():
    def one():
        got = yield here(1)
        try:
            yield got
        except ValueError as error:
            return "one", error.args

    def two():
        return (yield from one()), (yield "two")

    def three():
        return "three", (yield from two())

    g = three()
    out = [next(g), g.send("sent"), g.gi_yieldfrom.gi_code.co_name, g.throw(ValueError(5))]
    try:
        g.send("end")
    except StopIteration as stop:
        return out, stop.value


def job_stop_iteration_inside():
    def source():
        yield 1
        here()
        raise StopIteration("inner")

    try:
        return list(x for x in (yielded for yielded in source())) if False else [x for x in source()]
    except RuntimeError as error:
        return chain(error)


def job_stop_iteration_in_a_coroutine():
    async def inner():
        here()
        raise StopIteration(3)

    async def outer():
        try:
            await inner()
        except RuntimeError as error:
            return chain(error)

    return complete(outer())


def job_raises_through_levels():
    def inner(v_in=1):
        yield 1
        here()
        raise KeyError("inner")

    def outer(v_out=2):
        try:
            for x in inner():
                yield x
        except KeyError as error:
            raise ValueError("outer") from error

    kept = outer()
    try:
        for x in kept:
            pass
    except ValueError as error:
        return chain(error), trail(error), trail(error.__cause__), kept.gi_frame


def job_handled_in_each():
    def state():
        return repr(sys.exc_info()[1])

    def inner():
        try:
            raise KeyError("inner")
        except KeyError:
            here()
            yield state()
        yield state()

    def outer():
        try:
            raise ValueError("outer")
        except ValueError:
            for x in inner():
                yield x, state()
        yield state()

    out = [state()]
    try:
        raise TypeError("lowest")
    except TypeError:
        for x in outer():
            out.append((x, state()))
    return out, state()


def job_frame_kept():
    kept = []

    def source(v=7):
        got = here(v)
        kept.append(sys._getframe())
        yield got
        v += 1

    out = [x for x in source()]
    frame = kept[0]
    return out, frame.f_locals["v"], frame.f_code.co_name, frame.f_back and frame.f_back.f_code.co_name


def job_long_loop():
    def source():
        yield 1
        yield here(2)

    class Steps:
        n = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.n += 1
            if self.n > 2:
                here(when=not out[-1])
                raise StopIteration
            return self.n

    out = [0]
    for x in source():
        LONG
    out.append("between")
    return out, x


def job_long_loop_that_stops():
    class Steps:
        n = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.n += 1
            if self.n > 2:
                here()
                raise StopIteration
            return self.n

    out = []
    for x in Steps():
        LONG
    else:
        out.append("else")
    return out, x


def job_deep():
    def level(n):
        yield n
        if n:
            for x in level(n - 1):
                yield x
        else:
            yield here("bottom")

    return [x for x in level(40)]


def job_any_next_send():
    def source(*values):
        for v in values:
            got = yield v
            here(when=v == 0)

    g = source(0, 0, 1) if KEY is None else source(None, 0, 3)
    return any(v for v in g), next(g, "end")


def job_async_for():
    async def source(n):
        for i in range(n):
            await tick(("a", i))
            here(when=i == 1)
            await tick(("b", i))
            yield i

    async def job():
        out = []
        async for x in source(3):
            out.append((x, await tick("body")))
        else:
            out.append("else")
        return out, [x async for x in source(1)]

    return complete(job(), "answer")


def job_async_for_last():
    async def source():
        yield 1
        here()

    async def job():
        return [x async for x in source()], "after"

    return complete(job())


def job_async_raises():
    async def source(error):
        yield 1
        await tick()
        here(when=error is KeyError)
        raise error("inside")

    async def job():
        out = []
        for error in (KeyError, StopIteration, StopAsyncIteration, GeneratorExit):
            g = source(error)
            try:
                async for x in g:
                    out.append(x)
            except BaseException as raised:
                out.append((chain(raised), g.ag_running, g.ag_frame))
        return out

    return complete(job())


def job_async_stop_iteration():
    async def source():
        yield 1
        here()
        raise StopAsyncIteration("inside")

    async def job():
        try:
            return [x async for x in source()]
        except RuntimeError as error:
            return chain(error), trail(error)[1:]

    return complete(job())


def job_asend_kept():
    async def source():
        got = yield 1
        here()
        await tick("in")
        yield got

    async def job():
        g = source()
        first = g.asend(None)
        step = await first, g.asend("sent")
        got = await step[1]
        out = [got, g.ag_running]
        for over in (first, step[1]):
            try:
                await over
            except RuntimeError as error:
                out.append(str(error))
        try:
            await anext(g)
        except StopAsyncIteration:
            out.append("end")
        return out

    return complete(job())


def job_athrow():
    async def source():
        try:
            yield 1
        except KeyError as error:
            here()
            await tick("in")
            yield error.args
        yield "more"

    async def job():
        g = source()
        return await anext(g), await g.athrow(KeyError("k")), g.ag_running, [x async for x in g]

    return complete(job())


def job_athrow_ends():
    async def source():
        try:
            yield 1
        except KeyError:
            here()

    async def job():
        g = source()
        await anext(g)
        try:
            await g.athrow(KeyError("k"))
        except StopAsyncIteration as error:
            return repr(error), g.ag_running, [x async for x in g]

    return complete(job())


def job_aclose():
    async def source():
        try:
            yield 1
        finally:
            here()
            await tick("closing")

    async def job():
        g = source()
        await anext(g)
        return await g.aclose(), g.ag_running, [x async for x in g]

    return complete(job())


def job_aclose_ignored():
    async def source():
        try:
            yield 1
        except GeneratorExit:
            here()
            yield 2

    async def job():
        g = source()
        await anext(g)
        try:
            await g.aclose()
        except RuntimeError as error:
            return str(error), g.ag_running

    return complete(job())


def job_anext_default():
    async def source():
        yield 1
        here()
        await tick("in")

    class Own:
        def __aiter__(self):
            return self

        async def __anext__(self):
            await tick("own")
            raise StopAsyncIteration

    async def job():
        g = source()
        return await anext(g), await anext(g, "default"), await anext(Own(), "other"), await anext(g, "again")

    return complete(job())


def job_anext_default_of_a_coroutine():
    class Own:
        def __init__(self, *values):
            self.values = list(values)

        def __aiter__(self):
            return self

        async def __anext__(self):
            await tick("own")
            if not self.values:
                here()
                raise StopAsyncIteration
            return self.values.pop()

    async def job():
        own = Own(None, (1, 2))
        return await anext(own, 0), await anext(own, 0), await anext(own, 0)

    return complete(job())


def job_await_of_a_coroutine():
    async def inner():
        await tick("first")
        here()
        await tick("second")
        return None, "inner"

    class Wrapped:
        def __await__(self):
            return inner().__await__()

    async def job():
        return await Wrapped(), names()

    return complete(job())


def job_stepped_by_hand():
    async def source():
        yield 1
        here()
        await tick("in")
        yield (1, 2)
        yield None

    def steps(awaitable):
        out = []
        try:
            while True:
                out.append(awaitable.send(None))
        except (StopIteration, StopAsyncIteration) as stop:
            return out, repr(stop), stop.args

    g = source()
    return [steps(g.asend(None)), steps(g.__anext__()), steps(anext(g, 5)), steps(anext(g, 5)), steps(g.aclose())]


def job_values():
    async def source():
        try:
            while True:
                await tick("in")
                yield 1
        except KeyError as error:
            await tick("caught")
            yield error.args

    async def inner():
        return await tick("inner")

    made = source(), source(), source(), source(), source()
    begun = made[0].asend(None)
    over = made[1].asend(None)
    coroutine = inner()
    kept = [begun, begun.send(None), over, complete(over), made[2].athrow(KeyError(3)), made[1].aclose(),
            anext(made[3], 9), made[4].asend(None), coroutine.__await__(), begun]
    here()
    out = [kept[0] is kept[9], complete(begun), complete(kept[5]), complete(kept[6]), complete(kept[7])]
    for step in (kept[2], kept[4]):
        try:
            out.append(complete(step))
        except (RuntimeError, KeyError) as error:
            out.append(repr(error))
    out.append(complete(kept[8]))
    out.append(repr(coroutine.cr_frame))
    return out
'''.replace("LONG", "if x:\n" + "".join(f"            out.append((x, {n}))\n" for n in range(120)).rstrip())

JOBS = [node.name for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef) and node.name[:4] == "job_"]

PRODUCER = SOURCE + """
if __name__ == "__main__":
    job = globals()[sys.argv[1]]
    for _ in range(60 * (sys.argv[2] == "warm")):
        job()
    KEY = sys.argv[1]
    print(repr(torpor.run(job)))
"""


@pytest.mark.parametrize("how", ["cold", "warm"])
@pytest.mark.parametrize("job", JOBS)
def test_what_runs_in_the_stack_goes_on_and_is_captured_again(stores, job, how):
    expected = run(PRODUCER, job, how).rstrip("\n")
    assert resume(job) == expected
    assert resume(f"{job} again") == expected


def test_an_exception_is_raised_where_the_innermost_generator_stands(stores):
    run(SOURCE + """
def inner():
    try:
        yield here(1)
    except KeyError as error:
        yield "caught", error.args, names()

def outer():
    for x in inner():
        yield x

KEY = "k"
torpor.run(lambda: [x for x in outer()])
""")
    out = run("import torpor\nprint(torpor.adopt('k').throw(KeyError(1)))")
    names = ["inner", "outer", "<lambda>"]
    if sys.version_info < (3, 12):
        names.insert(2, "<listcomp>")
    assert literal(out) == [("caught", (1,), names)]


def test_nothing_is_left_behind_by_many_resumes(stores):
    out = run(SOURCE + """
import gc

class Marker:
    pass

def depth():
    def down(n):
        try:
            return down(n + 1)
        except RecursionError:
            return n
    return down(0)

def job():
    mark = Marker()

    async def source():
        own = Marker()
        for i in range(3):
            await tick(i)
            yield here(i, i == 1), own

    async def consume():
        return [x async for x, _ in source()]

    def middle():
        own = Marker()
        yield complete(consume())

    return [x for x in middle()]

KEY = "k"
torpor.run(job)
KEY = None

def once(error):
    continuation = torpor.adopt("k")
    if error is None:
        continuation.resume()
        return
    try:
        continuation.throw(error)
    except KeyError:
        pass

before = depth()
counts = []
for _ in range(3):
    for _ in range(30):
        once(None)
        once(KeyError)
        torpor.adopt("k")
    gc.collect()
    live = [o for o in gc.get_objects() if type(o).__name__ in ("Marker", "generator", "coroutine", "async_generator")]
    counts.append((len(live), depth()))
print((counts[0] == counts[1] == counts[2], counts[0][0] < 10, counts[0][1] == before))
""")
    assert literal(out) == (True, True, True)


def test_awaitables_are_made_of_what_fits_only():
    async def source():
        yield

    (engine,) = (m for name, m in sys.modules.items() if name.startswith("_torpor_engine_"))
    g = source()
    size = len(engine.awaitable_parts(engine.make_step(False, 2, ((g,), ())))[1])
    assert size == 2
    for throws, state, parts in (
        (False, 3, ((g,), ())),
        (False, -1, ((g,), ())),
        (False, 0, ((g,),)),
        (False, 0, ((), (g,))),
        (False, 0, ((1,), (1,))),
        (False, 0, ((g, g), (1,))),
        (True, 0, ((g,),)),
        (False, 0, (g, 1)),
        (False, 0, ((x for x in ()), ())),
    ):
        with pytest.raises(TypeError):
            engine.make_step(throws, state, parts)
    for wrong in (g, None, 3):
        with pytest.raises(TypeError):
            engine.awaitable_parts(wrong)
        with pytest.raises(TypeError):
            engine.end_step(wrong, True)

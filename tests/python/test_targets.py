"""A suspended generator, coroutine, async generator or greenlet is captured from outside, and adopted as what it was:
its frames can be looked at, nothing of it runs until it is resumed, and then it goes on where it stood."""

import gc
import hashlib
import types
import weakref

import pytest
import torpor
from processes import literal, run

LOG = []


def source_that_captures(store, out):
    """Captures itself alone before each yield, and before it returns."""
    for i in range(3):
        got = store.capture(stack=1)
        if isinstance(got, torpor.Snapshot):
            out.append(got)
        if i == 2:
            return "end", got
        yield i


def counting(start):
    try:
        total = start
        while True:
            got = yield total
            total += got if got is not None else 1
    finally:
        LOG.append("closed")


def adopted(target, **options):
    """The continuation of a capture of `target` without a store."""
    return torpor.loads(torpor.dumps(target, **options))


@types.coroutine
def tick(value):
    return (yield value)


def test_generator_goes_on_in_another_process(stores):
    run(
        """
        import torpor

        def inner(k):
            cells = [k]
            got = yield (lambda: cells)()
            return got, cells

        def outer():
            name = "outer"
            try:
                raise KeyError("handled")
            except KeyError:
                result = yield from inner(7)
                yield name, result
                raise

        g = outer()
        next(g)
        snapshot = torpor.capture(g, key="g")
        assert [(f.function, f.locals_names) for f in snapshot.frames] == [
            ("inner", ["k", "cells"]), ("outer", ["name"])
        ], snapshot.frames
        assert g.send("here") == ("outer", ("here", [7]))   # the original goes on
        """
    )
    out = run(
        """
        import torpor

        c = torpor.adopt("g")
        frames = c.frames
        assert [f.code.co_name for f in frames] == ["inner", "outer"]
        assert frames[0].locals["cells"] == [7]
        frames[1].locals["name"] = "changed"
        g = c.object
        assert c.resumed
        assert g.gi_yieldfrom.gi_frame.f_lineno == frames[0].lineno
        seen = [g.send("there")]
        try:
            next(g)
        except KeyError as error:
            seen.append(error.args)
        print(repr(seen))
        """
    )
    assert literal(out) == [("changed", ("there", [7])), ("handled",)]


def test_resume_is_one_send():
    g = counting(10)
    assert next(g) == 10
    assert adopted(g).resume(5) == 15
    assert adopted(g).resume() == 11
    assert g.send(1) == 11


def test_throw_is_one_throw():
    def source():
        try:
            yield 1
        except ValueError as error:
            yield error.args
        return "end"

    g = source()
    next(g)
    assert adopted(g).throw(ValueError("thrown")) == ("thrown",)
    with pytest.raises(KeyError):
        adopted(g).throw(KeyError)
    with pytest.raises(StopIteration):
        adopted(g).resume()


def test_return_is_a_stop_iteration_with_the_value():
    def source():
        got = yield
        return got * 2

    g = source()
    next(g)
    with pytest.raises(StopIteration) as stop:
        adopted(g).resume(21)
    assert stop.value.value == 42


def test_coroutine_with_what_it_awaits():
    async def inner():
        here = "inner"
        return here, await tick(1)

    async def outer():
        return await inner()

    c = outer()
    c.send(None)
    continuation = adopted(c)
    assert [f.code.co_name for f in continuation.frames] == ["tick", "inner", "outer"]
    made = continuation.object
    assert type(made) is types.CoroutineType and made.cr_await.__qualname__ == inner.__qualname__
    with pytest.raises(StopIteration) as stop:
        made.send("value")
    assert stop.value.value == ("inner", "value")
    c.close()


def test_async_generator_is_an_object_only():
    async def source():
        got = yield 1
        await tick("awaits")
        yield got

    def first(step):
        with pytest.raises(StopIteration) as stop:
            step.send(None)
        return stop.value.value

    g = source()
    assert first(g.asend(None)) == 1
    continuation = adopted(g)
    for impossible in (continuation.resume, lambda: continuation.throw(ValueError)):
        with pytest.raises(torpor.ResumeError, match=r"\.object"):
            impossible()
    made = continuation.object
    step = made.asend("sent")
    assert step.send(None) == "awaits"
    assert first(step) == "sent"


def test_async_generator_in_the_middle_of_a_step():
    async def source():
        yield "got", await tick("awaits")

    g = source()
    step = g.asend(None)
    assert step.send(None) == "awaits"
    continuation = adopted(g)
    assert [f.code.co_name for f in continuation.frames] == ["tick", "source"]
    rest = continuation.object.asend(None)
    with pytest.raises(StopIteration) as stop:
        rest.send(None)
    assert stop.value.value == ("got", None)


@pytest.mark.parametrize("value", [None, 3])
def test_not_started(value):
    def source(a, *, b):
        def both():
            return a, b

        yield both()

    continuation = adopted(source(1, b=2))
    assert dict(continuation.frames[0].locals) == {"a": 1, "b": 2}
    continuation.frames[0].locals["b"] = "assigned"
    if value is not None:
        with pytest.raises(torpor.ResumeError, match="not started"):
            continuation.resume(value)
    assert continuation.resume(None) == (1, "assigned")


def test_dropping_runs_nothing():
    g = counting(0)
    next(g)
    LOG.clear()
    continuation = adopted(g)
    assert continuation.frames[0].locals["total"] == 0
    del continuation
    assert LOG == []
    made = adopted(g).object
    del made
    assert LOG == ["closed"]


class Thing:
    """Something whose end can be seen."""


@pytest.mark.parametrize("how", ["dropped", "object", "resume", "throw"])
def test_nothing_is_held_afterwards(how):
    def source(thing):
        got = yield thing
        yield got

    def outer(thing):
        yield from source(thing)

    g = outer(Thing())
    next(g)
    continuation = adopted(g)
    seen = [weakref.ref(continuation.frames[0].locals["thing"])]
    if how == "object":
        made = continuation.object
        sent = Thing()
        assert made.send(sent) is sent
        seen.append(weakref.ref(sent))
        del made, sent
    elif how == "resume":
        assert continuation.resume("value") == "value"
    elif how == "throw":
        with pytest.raises(KeyError):
            continuation.throw(KeyError)
    del continuation
    gc.collect()
    assert [one() for one in seen] == [None] * len(seen)


def test_taken_once():
    g = counting(0)
    next(g)
    continuation = adopted(g)
    made = continuation.object
    for again in (lambda: continuation.object, continuation.resume, lambda: continuation.frames[0]):
        with pytest.raises((torpor.AlreadyResumed, IndexError)):
            again()
    assert next(made) == 1


def test_its_frame_object_stands_for_it():
    g = counting(4)
    next(g)
    assert adopted(g.gi_frame).resume(1) == 5


def test_what_the_frame_holds_is_one_graph():
    def source(box):
        box.append(box)
        yield box
        yield me, box

    me = source([])
    next(me)
    made = adopted(me).object
    own, box = next(made)
    assert own is made and box[0] is box and own is not me


def test_delegate_that_somebody_else_finished():
    def inner():
        yield 1

    def outer(inside):
        got = yield from inside
        yield "after", got

    inside = inner()
    g = outer(inside)
    next(g)
    inside.close()
    continuation = adopted(g)
    assert [f.code.co_name for f in continuation.frames] == ["outer"]
    assert continuation.resume() == ("after", None)


def test_stack_counts_from_the_target():
    def inner():
        yield 1
        yield 2

    def outer():
        yield from inner()

    g = outer()
    next(g)
    continuation = adopted(g, stack=1)
    assert [f.code.co_name for f in continuation.frames] == ["outer"]
    assert continuation.resume() == 2


def test_exclude_names_locals_of_the_target():
    def inner(x):
        yield x

    def outer(x):
        yield from inner(5)
        yield x

    g = outer(1)
    next(g)
    continuation = adopted(g, exclude=["x"])
    assert "x" not in continuation.frames[1].locals and continuation.frames[0].locals["x"] == 5
    made = continuation.object
    with pytest.raises(UnboundLocalError):
        next(made)
    continuation = adopted(g, exclude=["x"])
    continuation.frames[1].locals["x"] = 9
    assert continuation.resume() == 9


def test_refusals():
    def running():
        yield torpor.dumps(me)

    me = running()
    with pytest.raises(torpor.UnsupportedFrame, match="running"):
        next(me)
    done = counting(0)
    done.close()
    with pytest.raises(torpor.UnsupportedFrame, match="exhausted or closed"):
        torpor.dumps(done)
    with pytest.raises(torpor.CaptureError, match="a list"):
        torpor.dumps([])
    with pytest.raises(torpor.UncapturableValue, match=r"locals\['start'\].*HASH"):
        torpor.dumps(counting(hashlib.sha256(b"given")))


def test_running_stack_is_no_object(stores):
    def job():
        return torpor.dumps()

    data = torpor.run(job)
    continuation = torpor.loads(data)
    with pytest.raises(torpor.ResumeError, match="no object"):
        continuation.object
    assert continuation.resume("value") == "value"


def resumed(snapshot, *value):
    """What one step of a stack that ends at a generator gives."""
    assert [f.function for f in snapshot.frames] == ["source_that_captures"]
    return snapshot.adopt().resume(*value)


def test_stack_that_ends_at_a_generator(store):
    out = []
    assert list(source_that_captures(store, out)) == [0, 1]
    assert resumed(out[0], "first") == 0 and out[0].adopt().frames[0].locals["i"] == 0
    with pytest.raises(StopIteration) as stop:
        resumed(out[2], "last")
    assert stop.value.value == ("end", "last")


def test_stack_that_ends_at_an_async_generator(store):
    async def source():
        yield store.capture(stack=1)

    with pytest.raises(torpor.UnsupportedFrame, match="the coroutine that iterates it"):
        source().asend(None).send(None)

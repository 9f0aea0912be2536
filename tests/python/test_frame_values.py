"""Promise: frame objects of a captured stack are those of the resumed one, at any depth and however often; one that was
never resumed shows nothing, and none of them keeps or frees what is not its own."""

import gc
import sys
import weakref

import pytest
import torpor
from processes import literal, run
from torpor import UncapturableValue


def test_in_another_process(stores):
    run("""
        import sys, torpor
        def inner(depth):
            own = sys._getframe()
            if depth:
                return [own, *inner(depth - 1)]
            torpor.capture(key="k")
            chain, f = [], own
            while f is not None and f.f_code is own.f_code:
                chain.append(f)
                f = f.f_back
            return [own, *chain]
        def job():
            got = inner(5)
            frames, chain = got[:6], got[6:]
            values = [f.f_locals["depth"] for f in frames]
            return values, [a is b for a, b in zip(reversed(frames), chain)], [f.f_lineno for f in frames]
        print(repr(torpor.run(job)))
        """)
    out = run("import torpor\nprint(repr((torpor.adopt('k').resume(), torpor.adopt('k').resume())))")
    once, again = literal(out)
    assert once == again == ([5, 4, 3, 2, 1, 0], [True] * 6, [6, 6, 6, 6, 6, 12])


class Held:
    pass


def job(wait):
    held, frame = Held(), sys._getframe()
    wait()
    return frame, weakref.ref(held), frame is sys._getframe(), frame.f_locals["held"] is held


def test_what_the_frame_holds_lives_as_long_as_its_object(store):
    torpor.run(job, lambda: store.capture(key="k", stack=2))
    frame, ref, same, seen = store.adopt("k").resume()
    assert same and seen and ref() is not None and frame.f_locals["held"] is ref()
    assert gc.is_tracked(frame) and frame.f_code is job.__code__
    frame.clear()
    if sys.version_info < (3, 13):  # what f_locals gave is a dict of the frame's own
        del frame
        gc.collect()
    assert ref() is None


def test_its_cycles_are_collected(store):
    torpor.run(job, lambda: store.capture(key="k", stack=2))
    ref = store.adopt("k").resume()[1]  # frame -> its locals -> frame
    gc.collect()
    assert ref() is None


def test_unresumed_ones_show_nothing_and_go(store):
    torpor.run(job, lambda: store.capture(key="k", stack=2))
    count = lambda: sum(type(o) is type(sys._getframe()) for o in gc.get_objects())
    gc.collect()
    before = count()
    for _ in range(20):
        frame = store.adopt("k").frames[1].locals["frame"]
        assert frame.f_code == job.__code__ and dict(frame.f_locals) == {} and frame.f_back is None
        frame.clear()
    del frame
    gc.collect()
    assert count() <= before


def test_a_resume_that_fails_before_it_begins(store):
    """The recursion limit, or a signal handler that raises: the object shows a frame of its own again."""

    def deep(n, wait):
        frame = sys._getframe()
        if n:
            return [frame, *deep(n - 1, wait)]
        wait()
        return [frame]

    torpor.run(deep, 50, lambda: store.capture(key="k", stack=None))
    cont = store.adopt("k")
    frames = [f.locals["frame"] for f in cont.frames if "frame" in f.locals]
    assert len(frames) == 51
    limit = sys.getrecursionlimit()
    depth, f = 0, sys._getframe()
    while f is not None:
        depth, f = depth + 1, f.f_back
    sys.setrecursionlimit(depth + 30)
    try:
        with pytest.raises(RecursionError):
            cont.resume()
    finally:
        sys.setrecursionlimit(limit)
    assert all(f.f_code == deep.__code__ and f.f_back is None for f in frames)
    back = cont.resume()
    assert back == frames[::-1] and [f.f_locals["n"] for f in back] == list(range(50, -1, -1))


def test_a_signal_handler_that_raises_while_it_begins(store):
    import signal

    torpor.run(job, lambda: store.capture(key="k", stack=2))

    def handler(number, frame):
        raise InterruptedError

    old = signal.signal(signal.SIGUSR1, handler)
    failed = 0
    try:
        for _ in range(50):
            cont = store.adopt("k")
            frame = cont.frames[1].locals["frame"]
            try:
                signal.raise_signal(signal.SIGUSR1) if _ % 2 else None
                assert cont.resume()[0] is frame
            except InterruptedError:
                failed += 1
            assert frame.f_code == job.__code__
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert failed == 25


def test_generators(store):
    def steps(wait):
        frame = sys._getframe()
        yield frame
        wait()
        yield frame

    held = steps(None)
    next(held)
    store.capture(held, key="suspended")
    back = store.adopt("suspended").object
    own = back.gi_frame
    assert own.f_locals["frame"] is own and own is not held.gi_frame
    back.close()
    assert own.f_locals["frame"] is own if sys.version_info >= (3, 13) else True
    # As a value; dropped before it runs, and resumed.

    def holds():
        inner, other = steps(None), steps(None)
        frames = next(inner), other.gi_frame
        store.capture(key="value", stack=1)
        return inner, other, frames

    torpor.run(holds)
    store.adopt("value")
    cont = store.adopt("value")
    frames = cont.frames[0].locals["frames"]
    assert frames[0] is cont.frames[0].locals["inner"].gi_frame
    del cont
    gc.collect()
    assert [f.f_code for f in frames] == [steps.__code__] * 2
    inner, other, frames = store.adopt("value").resume()
    assert frames == (inner.gi_frame, other.gi_frame) and frames[0].f_locals["frame"] is frames[0]
    # In the stack, sent to from C and from Python.

    def drives():
        generator = steps(lambda: store.capture(key="stack", stack=None))
        frame = next(generator)
        again = next(generator) if len(sys.argv) < 0 else generator.send(None)
        return frame is again is generator.gi_frame

    assert torpor.run(drives) and store.adopt("stack").resume()


def test_refusals(store):
    def over():
        return sys._getframe()

    def outside():
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
        return frame

    for make, why in ((over, "whose call is over"), (outside, "not part of the captured stack")):

        def holds(made):
            store.capture(key="k", stack=1)
            return made

        with pytest.raises(UncapturableValue, match=why):
            torpor.run(holds, [make()])
    assert len(store) == 0


def test_a_traceback_through_the_stack(store):
    def fails():
        raise KeyError("k")

    def handles():
        try:
            fails()
        except KeyError as error:
            store.capture(key="k", stack=1)
            return error, sys._getframe()

    for error, frame in (torpor.run(handles), store.adopt("k").resume()):
        entry = error.__traceback__
        assert entry.tb_frame is frame and entry.tb_next.tb_frame.f_code == fails.__code__ and entry.tb_next.tb_next is None
        assert entry.tb_lineno == handles.__code__.co_firstlineno + 2


def test_one_that_belongs_to_two_frames_is_damage(store):
    """What a snapshot says of its frame objects is checked: several for one frame, or for none."""
    from torpor import _native

    engine = _native.requests()

    class Twice:
        def __init__(self, of, code):
            self.of, self.code = of, code

        def __reduce__(self):
            return engine.make_frame, (self.code,), self.of, None, None, engine.fill_frame

    def holds(made):
        store.capture(key="k", stack=1)
        return made

    other = compile("a = b = c = d = 1", "other", "exec")
    for made in ([Twice(0, holds.__code__)] + [Twice(0, holds.__code__)], [Twice(1, holds.__code__)], [Twice(-1, holds.__code__)],
                 [Twice("x", holds.__code__)], [Twice(0, other)], [Twice((i for i in ()), holds.__code__)]):  # fmt: skip
        torpor.run(holds, made)
        with pytest.raises(torpor.CorruptSnapshot, match="frame object"):
            store.adopt("k")

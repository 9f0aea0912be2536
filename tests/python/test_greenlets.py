"""A suspended greenlet is captured from outside: its frames go on with what is switched or thrown to them, in a
greenlet or as an ordinary stack; what cannot be proved without its C stack is refused."""

import sys
import threading

import pytest
import torpor
from greenlet import GreenletExit, getcurrent, greenlet
from processes import literal, run

LOG = []


def up(value):
    return getcurrent().parent.switch(value)


def adopted(target, **options):
    return torpor.loads(torpor.dumps(target, **options))


def suspended(function, *args):
    """A greenlet that switched to this one once."""
    made = greenlet(function)
    made.switch(*args)
    return made


def adding(total):
    try:
        while True:
            total += up(total)
    finally:
        LOG.append("left")


def test_goes_on_in_another_process(stores):
    run(
        """
        import torpor
        from greenlet import getcurrent, greenlet

        def up(value):
            return getcurrent().parent.switch(value)

        def job(n):
            got = [n]
            while len(got) < 4:
                got.append(up(len(got)))
            return got

        g = greenlet(job)
        g.switch("start")
        snapshot = torpor.capture(g, key="g")
        assert [f.function for f in snapshot.frames] == ["up", "job"], snapshot.frames
        assert g.switch("original") == 2
        """
    )
    out = run(
        """
        import greenlet, torpor

        g = torpor.adopt("g").greenlet()
        assert g and not g.dead and g.parent is greenlet.getcurrent()
        print(repr([g.switch("a"), g.switch("b"), g.switch("c"), g.dead]))
        """
    )
    assert literal(out) == [2, 3, ["start", "a", "b", "c"], True]


def test_resume_runs_it_in_the_current_greenlet():
    def job():
        return "got", up(1)

    g = suspended(job)
    assert adopted(g).resume() == ("got", ())
    assert adopted(g).resume(None) == ("got", None)
    assert adopted(g).resume("value") == ("got", "value")
    with pytest.raises(KeyError):
        adopted(g).throw(KeyError)
    assert g.switch("original") == ("got", "original")


def test_what_is_switched_arrives_as_switch_gives_it():
    def job():
        return up(1)

    g = suspended(job)
    assert adopted(g).greenlet().switch() == ()
    assert adopted(g).greenlet().switch(1, 2) == (1, 2)
    assert adopted(g).greenlet().switch(a=1) == {"a": 1}
    g.switch()


def test_thrown_into():
    def job():
        try:
            up(1)
        except ValueError as error:
            return error.args, error.__context__, sys.exc_info()[1] is error

    g = suspended(job)
    assert adopted(g).greenlet().throw(ValueError("v")) == (("v",), None, True)
    ended = adopted(g).greenlet()
    assert isinstance(ended.throw(), GreenletExit) and ended.dead
    g.switch()


def test_locals_and_frames_can_be_looked_at():
    def job(total):
        return up(total) + total

    continuation = adopted(suspended(job, 5))
    assert continuation.frames[1].locals["total"] == 5
    continuation.frames[1].locals["total"] = 10
    assert continuation.greenlet().switch(1) == 11
    with pytest.raises(torpor.AlreadyResumed):
        continuation.greenlet()
    with pytest.raises(torpor.ResumeError, match=r"greenlet\(\)"):
        adopted(suspended(adding, 5)).object


def test_dropping_runs_nothing():
    g = suspended(adding, 1)
    continuation = adopted(g)
    LOG.clear()
    del continuation
    assert LOG == []
    g.throw()
    assert LOG == ["left"]


def test_nothing_outside_of_it_is_seen():
    def job():
        up(1)
        frame = sys._getframe()
        return frame.f_back, sys.exc_info()[1]

    g = suspended(job)
    try:
        raise KeyError("outside")
    except KeyError:
        assert adopted(g).greenlet().switch() == (None, None)
    g.switch()


def nested_handlers():
    try:
        raise KeyError("first")
    except KeyError:
        try:
            raise ValueError("second")
        except ValueError:
            up(1)
            up(repr(sys.exc_info()[1]))
        up(repr(sys.exc_info()[1]))
        raise


def test_handled_exceptions_travel_twice():
    first = adopted(suspended(nested_handlers)).greenlet()
    assert first.switch() == "ValueError('second')"
    second = adopted(first).greenlet()
    assert second.switch() == "KeyError('first')"
    third = adopted(second)
    assert [f.code.co_name for f in third.frames] == ["up", "nested_handlers"]
    for last in (third.greenlet(), second, first):
        with pytest.raises(KeyError, match="first"):
            while True:
                last.switch()


def test_generators_run_in_it():
    def numbers():
        try:
            raise KeyError("in the generator")
        except KeyError:
            for i in range(3):
                yield up(i), repr(sys.exc_info()[1])

    def job():
        out = []
        for item in numbers():
            out.append(item)
        return out

    g = suspended(job)
    made = adopted(g).greenlet()
    assert made.switch("a") == 1
    assert made.switch("b") == 2
    assert made.switch("c") == [(x, "KeyError('in the generator')") for x in "abc"]
    g.throw()


def test_switch_as_a_bound_method():
    def plain():
        switch = getcurrent().parent.switch
        return "got", switch(1)

    def starred():
        switch = getcurrent().parent.switch
        return "got", switch(*(2,))

    for job in (plain, starred):
        g = suspended(job)
        assert adopted(g).greenlet().switch("a") == ("got", "a")
        g.switch()


def test_run_is_a_boundary():
    def job():
        return torpor.run(up, 1), "outside"

    g = suspended(job)
    continuation = adopted(g)
    assert [f.code.co_name for f in continuation.frames] == ["up"]
    assert continuation.resume("inside") == "inside"
    assert [f.code.co_name for f in adopted(g, stack=1).frames] == ["up"]
    g.switch()


def test_the_greenlet_that_waits_for_this_one():
    def job():
        return torpor.dumps(getcurrent().parent)

    def outer():
        return greenlet(job).switch()

    got = torpor.run(outer)
    continuation = torpor.loads(got)
    assert [f.code.co_name for f in continuation.frames] == ["outer"]
    assert continuation.resume("another") == "another"


def refused(target, match):
    with pytest.raises(torpor.UnsupportedFrame, match=match):
        torpor.dumps(target)


def test_refusals():
    refused(getcurrent(), "is running")
    refused(greenlet(up), "has not started")
    done = greenlet(len)
    done.switch(())
    refused(done, "is finished")


def test_as_values():
    done = greenlet(len)
    done.switch(())
    done.note = [done]

    def job(value):
        torpor.dumps()
        return value

    def values(value):
        yield value

    made = adopted(values(done)).object
    finished = next(made)
    assert finished.dead and finished.note[0] is finished
    for value, state in ((greenlet(len), "has not started"), (suspended(adding, 1), "suspended"),
                         (getcurrent(), "running")):  # fmt: skip
        with pytest.raises(torpor.UncapturableValue, match=rf"locals\['value'\].*{state}"):
            torpor.run(job, value)
        value.throw() if state == "suspended" else None


def test_c_code_in_between_is_refused():
    def mapped():
        return list(map(getcurrent().parent.switch, [1]))

    def sorting():
        return sorted([2, 1], key=lambda x: up(x) and 0)

    for function, match in ((mapped, r"did not call as greenlet\.switch"), (sorting, "C code lies between")):
        g = suspended(function)
        refused(g, match)
        g.throw()


def test_greenlets_of_other_threads_are_refused():
    made, looked = [], threading.Event()

    def body():
        made.append(suspended(adding, 1))
        made.append(None)
        looked.wait(60)
        made[0].throw()

    thread = threading.Thread(target=body)
    thread.start()
    while len(made) < 2:
        pass
    try:
        refused(made[0], "another thread")
    finally:
        looked.set()
        thread.join()


class Disturbing:
    """Lets something run while it is captured."""

    def __init__(self, disturb):
        self.disturb = disturb

    def __reduce__(self):
        self.disturb()
        return Disturbing, (None,)


@pytest.mark.parametrize("kind", ["generator", "greenlet"])
def test_target_that_runs_while_it_is_captured(kind):
    """What its frame held when it was looked at travels; nothing that is gone is touched."""

    def source(held):
        yield held
        yield "second"

    def switching(held):
        up(held)
        up("second")

    if kind == "generator":
        target = source(Disturbing(lambda: next(target, None)))
        next(target)
    else:
        target = suspended(switching, Disturbing(lambda: target.dead or target.switch()))
    for _ in range(4):
        try:
            continuation = adopted(target)
        except torpor.CaptureError:
            break
        assert type(continuation.frames[-1].locals["held"]) is Disturbing
    assert not getattr(target, "gi_frame", None)

"""A suspended greenlet is captured from outside: its frames go on with what is switched or thrown to them, in a
greenlet or as an ordinary stack; what cannot be proved without its C stack is refused."""

import collections
import hashlib
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
    nothing = collections.namedtuple("Nothing", ())()
    assert adopted(g).greenlet().switch(nothing) is nothing
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


class Held:
    """A frame that holds a value, captured and resumed in this process."""

    def __init__(self, value):
        self.continuation = torpor.run(self.job, value)

    def job(self, value):
        got = torpor.dumps()
        return torpor.loads(got) if isinstance(got, bytes) else value

    def resumed(self):
        return self.continuation.resume("resumed")

    def value(self):
        return self.continuation.frames[0].locals["value"]


def test_as_values():
    done = greenlet(len)
    done.switch(())
    done.note = [done]
    finished = Held(done).resumed()
    assert finished.dead and finished.note[0] is finished
    assert Held(greenlet(len)).resumed().switch("abc") == 3
    g = suspended(adding, 1)
    adopted_one = Held(g).resumed()
    assert adopted_one and not adopted_one.dead and adopted_one.parent is getcurrent()
    assert adopted_one.switch(10) == 11 and g.switch(5) == 6
    assert Held(getcurrent()).resumed() is getcurrent()
    for one in (g, adopted_one):
        one.throw()


def test_values_that_are_never_resumed_run_nothing():
    LOG.clear()
    g = suspended(adding, 1)
    held = Held([g])
    value = held.value()
    del held
    assert LOG == [] and not value[0].dead
    # What was taken from a continuation outlives it.
    assert value[0].switch(2) == 3
    del value
    assert LOG == ["left"]
    g.throw()


def test_value_taken_before_the_stack_is_resumed():
    def job(other):
        return up("job") + other[0].switch(1)

    one, two = suspended(adding, 100), greenlet(job)
    two.switch([one])
    one.friend = two
    held = Held((one, two))
    _, taken = held.value()
    assert taken.switch(10) == 101  # `one` waits by then, and switches to its parent
    mine, _ = held.resumed()
    assert mine.friend is taken and mine.switch(1) == 102 and taken.switch(5) == 15
    one.throw(), two.throw(), mine.throw()


def test_value_travels_again_and_again():
    def numbers():
        while True:
            yield up("numbers")

    def job(total):
        for got in numbers():
            total += got
            up(total)

    g = suspended(job, 1)
    once = Held(g).resumed()
    twice = Held(once).resumed()
    thrice = Held([twice, once]).resumed()
    for one in (g, once, twice, *thrice):
        assert (one.switch(5), one.switch(), one.switch(1)) == (6, "numbers", 7)
    again = Held(twice).resumed()
    assert (again.switch(), again.switch(10)) == ("numbers", 17)


def test_values_know_who_runs_them():
    main = getcurrent()

    def job():
        while True:
            main.switch(getcurrent().parent is main)

    held = Held(suspended(job))
    other = greenlet(held.resumed)
    with pytest.raises(torpor.ResumeError, match="in the greenlet that adopted it"):
        other.switch()
    assert held.resumed().switch() is True


def test_values_that_are_refused():
    main = getcurrent()

    class Own(greenlet):
        def __getattribute__(self, name):
            return super().__getattribute__(name)

    with pytest.raises(torpor.UncapturableValue, match="decides itself"):
        Held(Own(len))
    inner = greenlet(lambda: Held(main))
    with pytest.raises(torpor.UncapturableValue, match=r"locals\['value'\].*began"):
        inner.switch()
    path = r"locals\['value'\].*\.frames\[0\]\.locals\['value'\]\.held.*HASH"
    with pytest.raises(torpor.UncapturableValue, match=path):
        Held(suspended(adding, Unaddable(hashlib.sha256(b"given"))))


class Unaddable:
    def __init__(self, held):
        self.held = held


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

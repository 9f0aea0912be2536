"""Promise: a resumed stack runs with the context variables that it was captured with, and changes nobody else's."""

import contextvars
import decimal
import sys
import threading

import greenlet
import pytest
import torpor
from processes import literal, resume, run

NAME = contextvars.ContextVar("NAME", default="default")
SECOND = contextvars.ContextVar("SECOND")


def job(store, key="k"):
    token = NAME.set("captured")
    got = store.capture(key=key)
    seen = NAME.get(), SECOND.get("nothing"), got if type(got) is str else None
    NAME.set("changed")
    SECOND.set("changed")
    NAME.reset(token)
    return seen, NAME.get()


def captured(store, function=job, *arguments):
    """Captures in a context of its own."""
    return contextvars.copy_context().run(torpor.run, function, store, *arguments)


def own():
    return {v.name: value for v, value in contextvars.copy_context().items()}


def test_the_resumers_context_is_undamaged(store):
    contextvars.copy_context().run(undamaged, store)


def undamaged(store):
    captured(store)
    token = NAME.set("resumer")
    before = own()
    for value in ("one", "two"):
        assert store.adopt("k").resume(value) == (("captured", "nothing", value), "default")
        assert own() == before
    with pytest.raises(KeyError):
        store.adopt("k").throw(KeyError())
    assert own() == before
    NAME.reset(token)
    assert NAME.get() == "default"


def bare(store):
    seen = len(contextvars.copy_context())
    store.capture(key="bare")
    return seen, len(contextvars.copy_context()), NAME.get(), SECOND.set("left")


def test_a_stack_without_variables_runs_in_an_empty_context(store):
    contextvars.Context().run(torpor.run, bare, store)
    assert not any(frame.function is None for frame in store["bare"].frames)

    def resumed():
        NAME.set("resumer")
        before = own()
        assert store.adopt("bare").resume()[:3] == (0, 0, "default")
        assert own() == before

    contextvars.copy_context().run(resumed)


def again(store):
    NAME.set("first")
    kept = []
    for i in range(4):
        got = store.capture(key="again")
        if type(got) is str:
            return got, NAME.get(), i, kept
        kept.append(store.adopt("again").resume("inner"))
        NAME.set(f"changed {i}")
    return kept


def test_every_capture_has_the_variables_of_its_moment(store):
    kept = captured(store, again)
    assert [(got, name, i) for got, name, i, _ in kept] == [
        ("inner", name, i) for i, name in enumerate(("first", "changed 0", "changed 1", "changed 2"))
    ]


def small(store, n):
    found = []
    for i in range(n):
        found.append(store.capture(key="small"))
        if i == n // 2:
            NAME.set(i)
    return found, NAME.get()


def test_a_variable_that_is_set_is_seen_by_the_next_capture(store):
    """Captures of the same frames are written over the last one, which had no variables."""
    contextvars.Context().run(torpor.run, small, store, 6)
    assert store.adopt("small").resume("end")[1] == 3


def resumed_and_captured(store):
    NAME.set("first")
    if type(store.capture(key="one")) is str:
        NAME.set("second")
        if type(store.capture(key="two")) is str:
            NAME.set("third")
            store.capture(key="three")
    return NAME.get(), len(contextvars.copy_context())


def test_a_resumed_stack_is_captured_with_what_it_set(store):
    captured(store, resumed_and_captured)
    variables = len(contextvars.copy_context()) + 1  # NAME: what else there is came along
    assert store.adopt("one").resume("on") == ("second", variables)
    assert store.adopt("two").resume("on") == ("third", variables)
    assert store.adopt("three").resume("on") == ("third", variables)
    assert [frame.qualname for frame in store["three"].frames] == ["resumed_and_captured"]


def in_contexts(store, contexts):
    def level(i):
        NAME.set(i)
        if i == len(contexts):
            store.capture(key="deep")
            return [NAME.get()]
        return [*contexts[i].run(level, i + 1), NAME.get()]

    return level(0), [context[NAME] for context in contexts]


def test_nested_contexts_are_entered_and_left(store):
    captured(store, in_contexts, [contextvars.copy_context() for _ in range(5)])
    for _ in range(3):
        assert store.adopt("deep").resume() == ([5, 4, 3, 2, 1, 0], [1, 2, 3, 4, 5])
    assert NAME.get() == "default"


def test_a_context_that_is_in_use_is_refused(store):
    """Its frames cannot enter it once more; the continuation's other frames never run."""
    captured(store, in_contexts, [contextvars.copy_context()])
    continuation = store.adopt("deep")
    (context,) = continuation.frames[-1].locals["contexts"]
    before = own()
    with pytest.raises(RuntimeError, match="already entered"):
        context.run(continuation.resume)
    assert own() == before
    assert store.adopt("deep").resume() == ([1, 0], [1])


def outer_frame(store):
    def inside():
        def innermost():
            with pytest.raises(torpor.UnsupportedFrame, match="another context"):
                store.capture(key="outer", target=sys._getframe(2))
            return store.capture(key="inside", target=sys._getframe(1))

        return contextvars.copy_context().run(innermost)

    NAME.set("outer")
    got = inside()
    return NAME.get(), got is not None


def test_a_target_further_out_has_its_own_context(store):
    assert captured(store, outer_frame) == ("outer", True)
    assert store.adopt("inside").resume(None)[0] == "outer"


def switching(store):
    NAME.set("in the greenlet")
    got = greenlet.getcurrent().parent.switch("waiting")
    seen = NAME.get()
    NAME.set("after")
    return got, seen, NAME.get()


def test_a_greenlet_brings_its_own(store):
    g = greenlet.greenlet(switching)
    assert g.switch(store) == "waiting"
    store.capture(key="g", target=g)
    before = own()
    assert store.adopt("g").resume("there") == ("there", "in the greenlet", "after")
    h = store.adopt("g").greenlet()
    assert h.switch("again") == ("again", "in the greenlet", "after")
    assert own() == before
    assert g.switch("original") == ("original", "in the greenlet", "after")


def with_greenlet(store):
    g = greenlet.greenlet(switching)
    g.switch(store)
    NAME.set("outside")
    store.capture(key="with")
    return g.switch("there"), NAME.get()


def test_a_greenlet_among_the_values_brings_its_own(store):
    expected = (("there", "in the greenlet", "after"), "outside")
    assert captured(store, with_greenlet) == expected
    assert store.adopt("with").resume() == expected


def test_threads_have_their_own(store):
    found = []

    def target():
        NAME.set("thread")
        store.capture(key="thread")
        found.append(NAME.get())

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert found == ["thread"]
    continuation = store.adopt("thread")
    continuation.frames[0].locals["found"].clear()
    kept = continuation.frames[0].locals["found"]
    continuation.resume()
    assert kept == ["thread"] and NAME.get() == "default"


def test_variables_of_the_program_come_home_as_themselves(stores):
    out = run("""
        import contextvars, torpor
        MINE = contextvars.ContextVar("MINE")
        class Asks:
            def ask(self):
                return MINE.get()
        def job(asks):
            MINE.set("captured")
            torpor.capture(key="k")
            return MINE.get(), asks.ask()
        print(contextvars.copy_context().run(torpor.run, job, Asks()))
        print([torpor.adopt("k").resume() for _ in range(2)], MINE.get("nothing"))
        """)
    assert out.splitlines() == ["('captured', 'captured')", "[('captured', 'captured'), ('captured', 'captured')] nothing"]
    assert literal(resume("k")) == ("captured", "captured")


def test_variables_that_travelled_do_not_stay_for_good(stores):
    """An adopter keeps the variables that came by their origin, but not when nothing else holds them."""
    out = run("""
        import contextvars, sys, torpor
        def job():
            mine = contextvars.ContextVar("mine")
            mine.set(1)
            data = torpor.dumps()
            return mine.get() if data is None else data
        for _ in range(400):
            data = contextvars.Context().run(torpor.run, job)
            assert torpor.loads(data).resume() == 1
        engine = next(m for n, m in sys.modules.items() if n.startswith("_torpor_engine_"))
        print(len(engine._origins), len(engine._origin_ids))
        """)
    kept, ids = map(int, out.split())
    assert kept == ids <= 130


def fractions(store):
    decimal.getcontext().prec = 5
    store.capture(key="decimal")
    return str(decimal.Decimal(1) / 3)


def test_the_decimal_context_is_the_stacks_own(store):
    assert captured(store, fractions) == "0.33333"
    with decimal.localcontext(decimal.Context(prec=9)):
        assert store.adopt("decimal").resume() == "0.33333"
        assert str(decimal.Decimal(1) / 3) == "0.333333333"


def test_what_stands_in_the_way_is_named(store):
    def refused(store):
        SECOND.set({"a": threading.current_thread()})
        store.capture(key="k")

    with pytest.raises(torpor.UncapturableValue, match=r"context\.SECOND.*\['a'\].*thread"):
        captured(store, refused)
    assert "k" not in store


def stopped(store):
    x = 1
    y = x + len(NAME.get())
    return y, NAME.get()


def tracing(store, name):
    def tracer(frame, event, arg):
        if frame.f_code is stopped.__code__:
            if event == "line" and frame.f_lineno == stopped.__code__.co_firstlineno + 2:
                store.capture(frame, "stopped")
            return tracer

    NAME.set(name)
    sys.settrace(tracer)
    try:
        return stopped(store)
    finally:
        sys.settrace(None)


def test_a_frame_that_is_stopped_brings_its_context(store):
    assert captured(store, tracing, "in") == (3, "in")
    assert store.adopt("stopped").resume() == (3, "in")


def tracing_in_a_context(store):
    return contextvars.copy_context().run(tracing, store, "inner"), NAME.get()


def test_a_frame_that_is_stopped_in_a_context_is_left_with_it(store):
    assert captured(store, tracing_in_a_context) == ((6, "inner"), "default")
    assert store.adopt("stopped").resume() == ((6, "inner"), "default")
    assert NAME.get() == "default"


def steps(store):
    NAME.set("generator")
    store.capture(key="step", stack=1)
    yield NAME.get()


def test_one_step_of_a_generator_has_its_own(store):
    assert contextvars.copy_context().run(next, steps(store)) == "generator"
    assert store.adopt("step").resume() == "generator"
    assert NAME.get() == "default"

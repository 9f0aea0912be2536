"""Tracers and other tools see a resumed frame as they see any other, whenever they were switched on or off."""

import sys

import pytest
from processes import literal, run

SCRIPT = """
import sys, torpor
def inner(n):
    got = torpor.capture(key="k")
    n += 1
    return got, n
def job():
    total = 0
    for i in range(3):
        got, n = inner(i)
        total += n
    return got, total
if __name__ == "__main__":
    torpor.run(job)
"""

MONITOR = """
import sys, torpor
WATCHED = ("job", "inner", "base", "hold")  # the last two are the engine's own, hidden
seen = []
mon = sys.monitoring
E = mon.events
KINDS = {"line": E.LINE, "return": E.PY_RETURN, "start": E.PY_START}
def tool_on(number, kinds):
    mon.use_tool_id(number, "test")
    def note(kind):
        def callback(code, *rest):
            if code.co_name in WATCHED:
                seen.append((kind, code.co_name, rest[0] - code.co_firstlineno if kind == "line" else None))
        return callback
    for kind in kinds:
        mon.register_callback(number, KINDS[kind], note(kind))
    mon.set_events(number, sum(KINDS[kind] for kind in kinds))
def tool_off(number):
    mon.set_events(number, 0)
    mon.free_tool_id(number)
"""

#: What the rest of the last of three rounds does: it was captured in inner, in the line after its first.
LINES = [("inner", 2), ("inner", 3), ("job", 4), ("job", 2), ("job", 5)]
MONITORING = hasattr(sys, "monitoring")


if MONITORING:

    def seen_lines(seen):
        return [(name, line) for kind, name, line in seen if kind == "line"]

    def monitored(stores, program):
        run(SCRIPT)
        return literal(run(MONITOR + program))

    @pytest.mark.parametrize("others", [(), (1,), (0, 1, 3, 4, 5)])
    def test_a_tool_that_was_on_before_the_resume_sees_the_rest(stores, others):
        seen, result = monitored(stores, f"""
cont = torpor.adopt("k")
for number in {others!r}:
    mon.use_tool_id(number, "other")
tool_on(2, ["line", "return", "start"])
result = cont.resume(7)
print(repr((seen, result)))
""")
        assert result == (7, 6)
        assert seen_lines(seen) == LINES
        assert [name for kind, name, _ in seen if kind == "return"] == ["inner", "job"]
        assert [name for kind, name, _ in seen if kind == "start"] == []

    @pytest.mark.parametrize("rounds", [2])
    def test_a_tool_that_was_switched_off_sees_nothing_more(stores, rounds):
        seen, results = monitored(stores, f"""
results = []
for _ in range({rounds}):
    tool_on(2, ["line"])
    results.append(torpor.adopt("k").resume())
    tool_off(2)
    before = len(seen)
    results.append(torpor.adopt("k").resume())
    assert len(seen) == before
print(repr((seen, results)))
""")
        assert results == [(None, 6)] * 2 * rounds
        assert seen_lines(seen) == LINES * rounds

    @pytest.mark.parametrize("number", [0, 5])
    def test_no_tool_number_is_kept(stores, number):
        names, result = monitored(stores, f"""
tool_on({number}, ["line"])
tool_off({number})
result = torpor.adopt("k").resume()
print(repr(([mon.get_tool(n) for n in range(6)], result)))
""")
        assert names == [None] * 6
        assert result == (None, 6)


TRACE = """
import sys, torpor
seen = []
def local(frame, event, arg):
    seen.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
    return local
def new(frame, event, arg):
    if frame.f_code.co_name in ("job", "inner"):
        return local(frame, event, arg)
"""


def test_a_tracer_that_was_set_before_the_resume(stores):
    """As with any running frame, it sees the functions that are entered from then on."""
    run(SCRIPT)
    seen, result = literal(run(TRACE + """
cont = torpor.adopt("k")
sys.settrace(new)
result = cont.resume(7)
sys.settrace(None)
print(repr((seen, result)))
"""))
    assert result == (7, 6)
    assert seen == []


def test_a_tracer_sees_what_a_resumed_frame_calls(stores):
    run("""
        import torpor
        def after(n):
            n += 1
            return n
        def job():
            torpor.capture(key="k")
            return after(1)
        torpor.run(job)
        """)
    seen, result = literal(run(TRACE.replace('("job", "inner")', '("job", "after")') + """
cont = torpor.adopt("k")
sys.settrace(new)
result = cont.resume()
sys.settrace(None)
print(repr((seen, result)))
"""))
    assert result == 2
    assert [(event, name) for event, name, _ in seen] == [
        ("call", "after"), ("line", "after"), ("line", "after"), ("return", "after")]


def test_a_tracer_can_be_set_on_a_frame_that_runs_again(stores):
    run("""
        import sys, torpor
        seen = []
        def local(frame, event, arg):
            seen.append((event, frame.f_lineno - frame.f_code.co_firstlineno))
            return local
        def attach():
            sys.settrace(lambda *_: None)
            sys._getframe(1).f_trace = local
        def job():
            torpor.capture(key="k")
            attach()
            x = 1
            return x
        def outer():
            result = job()
            sys.settrace(None)
            return result, seen
        torpor.run(outer)
        """)
    result, seen = literal(run("import torpor\nprint(repr(torpor.adopt('k').resume()))"))
    assert result == 1
    assert seen == [("line", 3), ("line", 4), ("return", 4)]


THROWING = """
import sys, torpor
seen = []
def noted(kind):
    return lambda code, *_: seen.append((code.co_name, kind))
def heard(frame, event, arg):
    if not event.startswith("c_"):
        seen.append((frame.f_code.co_name, event))
def thrown(into):
    try:
        into(KeyError("k"))
    except KeyError:
        return "raised"
cont = torpor.adopt("k")
"""


#: What a profiler hears of an exception that is thrown into the stack, innermost first. 3.11 shows the engine's own frames,
#: 3.12 tells of exceptions in them and shows the next frame of the program's.
LEFT = {
    (3, 11): ["hold", "inner", "job", "base", "thrown"],
    (3, 12): ["inner", "inner", "job", "thrown", "thrown"],
}.get(sys.version_info[:2], ["inner", "job", "thrown"])


def test_an_exception_is_told_of_in_the_frames_of_the_program_alone(stores):
    run(SCRIPT)
    seen, result = literal(run(THROWING + """
sys.setprofile(heard)
result = thrown(cont.throw)
sys.setprofile(None)
print(repr((seen, result)))
"""))
    assert (seen, result) == ([("thrown", "call"), *((name, "return") for name in LEFT)], "raised")


if MONITORING:

    def test_tools_are_told_of_an_exception_in_the_frames_of_the_program_alone(stores):
        run(SCRIPT)
        seen, result = literal(run(THROWING + """
monitoring = sys.monitoring
monitoring.use_tool_id(2, "test")
for name in ("RAISE", "PY_UNWIND"):
    monitoring.register_callback(2, getattr(monitoring.events, name), noted(name))
monitoring.set_events(2, monitoring.events.RAISE | monitoring.events.PY_UNWIND)
result = thrown(cont.throw)
monitoring.set_events(2, 0)
print(repr((seen, result)))
"""))
        names = ["inner", "job"] if sys.version_info >= (3, 13) else ["hold", "inner", "job", "base"]
        told = [(name, kind) for name in names for kind in ("RAISE", "PY_UNWIND")]
        assert (seen, result) == ([*told, ("thrown", "RAISE")], "raised")


#: They assert that no tool's number is given back while greenlets are suspended under a trace function.
ASSERTS = hasattr(sys, "gettotalrefcount") and sys.version_info >= (3, 14)


@pytest.mark.skipif(ASSERTS, reason="debug builds assert that code of suspended greenlets was instrumented anew")
@pytest.mark.parametrize("how", ["settrace", "setprofile"])
def test_a_greenlet_where_no_frame_lies_below(stores, how):
    """Trace functions are called with a frame of the program's, or not at all; until then 3.12 to 3.14 had none to show."""
    run("""
import torpor
from greenlet import getcurrent, greenlet
def body(start):
    try:
        got = getcurrent().parent.switch("suspended")
    except LookupError:
        got = "caught"
    return getcurrent().parent.switch(got)
def held():
    other = greenlet(body)
    other.switch(None)
    torpor.capture(key="held")
    return other.throw(LookupError), other.switch("end")
g = greenlet(body)
g.switch(None)
torpor.capture(g, key="g")
torpor.run(held)
""")
    out = run(f"""
import sys, torpor
from greenlet import greenlet
def told(frame, event, arg):
    return told
def made():
    return torpor.adopt("g").greenlet()
outcomes = []
one, two, three = made(), made(), made()
held = torpor.adopt("held")
sys.{how}(told)
outcomes.append((one.switch("plain"), one.switch("end")))
outcomes.append((two.throw(LookupError), two.switch("end")))
try:
    three.throw(OSError("through"))
except OSError as error:
    outcomes.append(error.args)
outcomes.append(held.resume())
sys.{how}(None)
print(repr(outcomes))
""")
    assert literal(out) == [("plain", "end"), ("caught", "end"), ("through",), ("caught", "end")]

"""A frame that is stopped at an instruction goes on with that instruction; where that cannot be told it is refused."""

import pathlib

import pytest
import torpor
from processes import LONG, literal, run

SOURCE = pathlib.Path(__file__).with_name("jobs.py").read_text()

MORE = '''
def stop_keyword_calls(n=3):
    out = []
    for i in range(n):
        out.append(pair(i, *[1, 2], first=len("abc"[i:]), second=max(i, 1), **{"third": i}))
        out.append("-".join([str(i), format(i, ">3")]))
    return out


def stop_long_code():
    x = 0
    y = [%s]
    while x < 2:
        x += 1
        if y:
            z = (%s)
    return sum(y), z, x


def stop_handlers():
    log = []
    for i in range(4):
        try:
            try:
                log.append(10 // (i - 1))
                if i == 2:
                    raise KeyError(i)
            except ZeroDivisionError as error:
                log.append(type(error.__context__).__name__)
                raise ValueError("again") from error
            finally:
                log.append(i)
        except (ValueError, KeyError) as error:
            log.append((type(error).__name__, error.args, type(error.__cause__).__name__))
            try:
                raise
            except LookupError:
                log.append("lookup")
            except ValueError as inner:
                log.append(inner is error)
    return log


def stop_inner_calls():
    def step(a, b=2, *, c):
        t = a * b
        with Guard(log, t) as guard:
            t += c
            log.append(guard.name)
        return [t + k for k in range(a) if k != 1], {k: a for k in "xy"}

    log = []
    total = [step(i, c=i) for i in range(3)]
    return total, log


def stop_one_line_loops():
    n = k = 0
    while n < 5: n += 1
    for _ in range(4): k = k * 2 + n
    return n, k, [a * b for a in (1, 2) for b in (3, 4)]


def stop_unpacking():
    (a, *b), c = [1, 2, 3], {"k": (4, 5)}
    match c:
        case {"k": (x, y)} if x < y:
            a, b = b, a
        case _:
            a = None
    del c
    return a, b, f"{x!r:>4}{y}", a[0] < x < y, not b or x, (lambda q: q + x)(1)
''' % (", ".join(map(str, range(400))), " + ".join(f"x * {k}" for k in range(300)))  # fmt: skip

# Captures every job at every event of a kind, into one file, with what the job returns undisturbed.
TAKING = '''
import collections, os, pickle, sys
OWN = {f.__code__ for f in list(globals().values()) if hasattr(f, "__code__") and f is not here}
TAKEN, REFUSED = [], collections.Counter()
STEP = 1

def take(frame, event, expected):
    global COUNT
    COUNT += 1
    if COUNT % STEP:
        return
    try:
        TAKEN.append((torpor.dumps(frame), expected, f"{frame.f_code.co_name}:{frame.f_lineno} {event} {frame.f_lasti}"))
    except torpor.UnsupportedFrame as refusal:
        REFUSED[event, "unsupported"] += 1
    except torpor.UncapturableValue as refusal:
        REFUSED[event, "value"] += 1

def belongs(code, job):
    return code in OWN or code.co_filename == job.__code__.co_filename and "<locals>" in code.co_qualname

def by_tracing(job, expected, kinds):
    def tracer(frame, event, arg):
        if not belongs(frame.f_code, job):
            return None
        frame.f_trace_opcodes = "opcode" in kinds
        if event in kinds:
            take(frame, event, expected)
        return tracer
    sys.settrace(tracer)
    try:
        return repr(torpor.run(job))
    finally:
        sys.settrace(None)

def by_monitoring(job, expected, kinds):
    m = sys.monitoring
    m.use_tool_id(3, "test")
    def callback(event):
        def called(code, *_):
            if belongs(code, job):
                take(sys._getframe(1), event, expected)
        return called
    events = 0
    for kind in kinds:
        m.register_callback(3, getattr(m.events, kind), callback(kind))
        events |= getattr(m.events, kind)
    m.set_events(3, events)
    try:
        return repr(torpor.run(job))
    finally:
        m.set_events(3, 0)
        m.free_tool_id(3)

if __name__ == "__main__":
    way, kinds, STEP = globals()[sys.argv[1]], sys.argv[2].split(","), int(sys.argv[3])
    COUNT = 0
    jobs = [f for n, f in list(globals().items()) if n.startswith(("job_", "stop_"))]
    for job in jobs:
        LOG.clear()
        expected = repr(torpor.run(job))
        LOG.clear()
        assert way(job, expected, kinds) == expected, job  # the original is not disturbed
    with open(sys.argv[4], "wb") as file:
        pickle.dump(TAKEN, file)
    print(repr((len(TAKEN), dict(REFUSED))))
'''
PRODUCER = SOURCE + MORE + TAKING

# Resumes them all in one process that never saw the source; says which came out wrong.
CONSUMER = """
import pickle, sys, torpor
wrong, right = [], 0
for data, expected, where in pickle.load(open(sys.argv[1], "rb")):
    try:
        cont = torpor.loads(data)
        line = cont.frames[0].lineno
        if where.split()[0].split(":")[1] not in (str(line), "None"):
            wrong.append(("line", where, line))
        got = repr(cont.resume())
    except BaseException as error:
        got = repr(error)
    if got == expected:
        right += 1
    else:
        wrong.append((where, got[:200], expected[:200]))
print(repr((right, len(wrong), wrong[:5])))
"""

EVENTS = [("by_tracing", "line"), ("by_tracing", "call"), ("by_tracing", "opcode")]
if hasattr(__import__("sys"), "monitoring"):
    EVENTS += [("by_monitoring", "LINE"), ("by_monitoring", "INSTRUCTION"), ("by_monitoring", "PY_START,JUMP")]


@pytest.mark.parametrize("way, kinds", EVENTS)
def test_every_stop_goes_on_as_the_original(stores, way, kinds):
    many = kinds in ("opcode", "INSTRUCTION")
    path = stores / "taken"
    taken, refused = literal(run(PRODUCER, way, kinds, 1 if LONG or not many else 3, path))
    right, wrong, first = literal(run(CONSUMER, path))
    assert (wrong, first) == (0, [])
    assert right == taken
    # 3.12.1 reports no opcodes to trace functions.
    assert taken > (60 if kinds in ("call", "PY_START,JUMP", "opcode") else 500), refused


@pytest.mark.parametrize("sort", ["asks", "functools.partial(asks)", "Sort().method", "Sort()"])
@pytest.mark.parametrize("way", ["tracing", "monitoring"] if hasattr(__import__("sys"), "monitoring") else ["tracing"])
def test_a_callback_may_be_of_any_sort(stores, way, sort):
    """Compilers give calls of the usual sort a place of their own in the evaluation loop."""
    out = run("""
        import functools, sys, torpor
        def job():
            n = 20
            n += 1
            n *= 2
            return n
        taken, refused = [], []
        def asks(*about):
            frame = sys._getframe(1) if sys.argv[1] == "monitoring" else about[0]
            while frame.f_code in (Sort.method.__code__, Sort.__call__.__code__):
                frame = frame.f_back
            if frame.f_code is job.__code__ and (sys.argv[1] == "monitoring" or about[1] == "line"):
                try:
                    taken.append(torpor.dumps(frame))
                except torpor.UnsupportedFrame as refusal:
                    refused.append(str(refusal))
            return callback
        class Sort:
            def method(self, *about):
                return asks(*about)
            def __call__(self, *about):
                return asks(*about)
        callback = eval(sys.argv[2])
        if sys.argv[1] == "tracing":
            sys.settrace(callback)
            torpor.run(job)
            sys.settrace(None)
        else:
            tools, line = sys.monitoring, sys.monitoring.events.LINE
            tools.use_tool_id(2, "test")
            tools.register_callback(2, line, callback)
            tools.set_local_events(2, job.__code__, line)
            torpor.run(job)
            tools.free_tool_id(2)
        print([torpor.loads(one).resume() for one in taken], refused)
        """, way, sort)
    assert out.strip() == "[42, 42, 42, 42] []"


@pytest.mark.parametrize("event", ["return", "exception"])
def test_events_after_the_instruction_are_refused(stores, event):
    out = run("""
        import sys, torpor
        def job(n):
            try:
                if n: raise KeyError(n)
            except KeyError:
                return len("abc")
        said = []
        def tracer(frame, event, arg):
            if event == sys.argv[1] and frame.f_code is job.__code__:
                try:
                    said.append(type(torpor.dumps(frame)).__name__)
                except torpor.UnsupportedFrame as refusal:
                    said.append(refusal.function)
            return tracer
        sys.settrace(tracer)
        torpor.run(job, 1)
        sys.settrace(None)
        print(said)
        """, event)
    assert literal(out) == ["job"]


def test_c_code_that_calls_back_is_no_stop(stores):
    """A frame that handed itself to a C function, which calls Python: its instruction is half-way."""
    out = run("""
        import sys, torpor
        said = []
        def key(frame):
            def of(x):
                try:
                    torpor.dumps(frame)
                    said.append("captured")
                except torpor.UnsupportedFrame as refusal:
                    said.append(refusal.function)
                return x
            return of
        def job():
            here = key(sys._getframe())
            return sorted([2, 1], key=here)
        def traced(frame, event, arg):  # a callback of the interpreter that lets C code call back in turn
            if event == "line" and frame.f_code is job.__code__ and not said:
                sorted([1], key=key(sys._getframe()))
            return traced
        torpor.run(job)
        said.append("|")
        sys.settrace(traced)
        said.clear()
        torpor.run(job)
        sys.settrace(None)
        print(said)
        """)
    assert literal(out) == ["traced", "job", "job"]


def test_signal_stops_go_on_as_the_original(stores):
    """Where the interpreter looks for signals before a call or a jump; in the middle of a call it is refused."""
    path = stores / "taken"
    out = run("""
        import pickle, random, signal, sys, torpor
        taken, refused, fired = [], set(), False
        def inner(n, acc):
            i = 0
            while i < n:
                acc = (acc * 31 + i + len(str(i))) % 1000003
                i += 1
            return acc
        def middle(n):
            t = 0
            for k in range(n):
                try:
                    t = (t + [k, inner(7, k)][1]) % 1000003
                    if k % 7 == 3:
                        raise ValueError(t)
                except ValueError as error:
                    t = (t + error.args[0] + inner(3, t)) % 1000003
            return t
        def handler(signum, frame):
            global fired
            fired = True
            if frame.f_code not in (inner.__code__, middle.__code__):
                return
            try:
                taken.append((torpor.dumps(frame), expected, f"{frame.f_code.co_name}:{frame.f_lineno} signal"))
            except torpor.UnsupportedFrame as refusal:
                refused.add(refusal.function)
        expected = repr(torpor.run(middle, 300))
        signal.signal(signal.SIGALRM, handler)
        rounds = 0
        while len(taken) < 40 and rounds < 4000:
            rounds += 1
            fired = False
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + random.random() * 0.001)
            while not fired:
                assert repr(torpor.run(middle, 300)) == expected
        pickle.dump(taken, open(sys.argv[1], "wb"))
        print(len(taken))
        """, path)
    assert literal(out) == 40
    assert literal(run(CONSUMER, path)) == (40, 0, [])


STOPPED = """
import sys, torpor, traceback
def outer(log):
    try:
        return inner(log, 5)
    except KeyError as error:
        return "caught", [t.lineno - FIRST for t in traceback.extract_tb(error.__traceback__)][1:], log
def inner(log, n):
    log.append(sys.exc_info()[0])
    n += 1
    log.append(n)
    back = sys._getframe(1).f_code.co_name
    return back, log, torpor.dumps()
FIRST = inner.__code__.co_firstlineno
WANTED = int(sys.argv[1]) if len(sys.argv) > 1 else 3
def tracer(frame, event, arg):
    if event == "line" and frame.f_code is inner.__code__ and frame.f_lineno == FIRST + WANTED:
        try:
            raise OSError("of the callback")
        except OSError:
            torpor.capture(frame, "k")
    return tracer
sys.settrace(tracer)
torpor.run(outer, [])
sys.settrace(None)
"""


def test_values_are_refused_and_exceptions_are_raised_at_the_instruction(stores):
    run(STOPPED)
    out = run("""
        import torpor
        cont = torpor.adopt("k")
        said = []
        for value in (None, 1):
            try:
                cont.resume(value)
            except torpor.ResumeError as error:
                said.append(type(error).__name__)
        back, log, again = cont.resume()
        said += [back, log, torpor.adopt("k").throw(KeyError("x"))]
        # The resumed frame captured itself in turn: it goes on from there too.
        resumed = torpor.loads(again).resume(7)
        print(said + [resumed])
        """)
    thrown = ("caught", [3], [None])
    assert literal(out) == ["ResumeError", "ResumeError", "outer", [None, 6], thrown, ("outer", [None, 6], 7)]


def test_what_the_callback_handles_does_not_travel(stores):
    run(STOPPED, 1)
    assert literal(run("import torpor; print(torpor.adopt('k').resume()[:2])")) == ("outer", [None, 6])


def test_frame_objects_outlive_the_resumed_frame(stores):
    run(STOPPED)
    out = run("""
        import gc, sys, torpor
        kept = []
        def tracer(frame, event, arg):
            kept.append(frame)
            return None
        def job(n):
            box = [n]
            n += 1
            kept.append(sys._getframe())
            return n
        def stop(frame, event, arg):
            if event == "line" and frame.f_lineno == job.__code__.co_firstlineno + 2:
                torpor.capture(frame, "own")
            return stop
        sys.settrace(stop)
        torpor.run(job, 1)
        sys.settrace(None)
        kept.clear()
        for k in range(200):
            cont = torpor.adopt("own", writable=True)
            result = cont.resume()
            assert result == 2
        depth = []
        def deep(n):
            return torpor.adopt("own").resume() if n == 0 else deep(n - 1)
        for n in range(0, 400, 7):  # over the edges of the data stack's chunks
            assert deep(n) == 2
        gc.collect()
        print(torpor.adopt("own").frames[0].locals["box"])
        """)
    assert literal(out) == [1]


def test_recursion_count_is_what_it_was(stores):
    run(STOPPED)
    out = run("""
        import sys, torpor
        def room():
            n = 0
            def down():
                nonlocal n
                n += 1
                down()
            try:
                down()
            except RecursionError:
                return n
        before = room()
        for _ in range(50):
            torpor.adopt("k").resume()
            try:
                torpor.adopt("k").throw(SystemExit)
            except SystemExit:
                pass
        print(room() - before)
        """)
    assert literal(out) == 0


def test_liveness_knows_exception_edges():
    def job(a, b, c):
        try:
            b = a + 1
            c = b
        except ValueError:
            return c
        return b

    code = job.__code__
    lines = {line - code.co_firstlineno: start for start, _, line in reversed(list(code.co_lines())) if line}
    live = torpor.liveness.live_locals
    assert live(code, 0) == {"a", "c"}
    assert live(code, lines[2]) == {"a", "c"}  # c is read by the handler
    assert live(code, lines[3]) == {"b", "c"}
    assert live(code, lines[6]) == {"b"}
    for offset in (-1, len(code.co_code)):
        with pytest.raises(ValueError):
            live(code, offset)
    with pytest.raises(TypeError):
        live(job, 0)

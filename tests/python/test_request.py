"""A capture asked for from outside happens by itself: the program runs on, and what resumes has seen no call."""

import os
import sys
import threading
import time

import pytest
import torpor
from processes import REFUSES_REQUESTS, finish, literal, resume, run, start

pytestmark = pytest.mark.skipif(REFUSES_REQUESTS, reason="refused there while there are other threads: test_jit.py")

#: A program that asks for captures of itself; `work` is pure, so every resume has to give the same.
PROGRAM = """
import os, signal, sys, threading, time, torpor
def inner(n, acc):
    i = 0
    while i < n:
        acc = (acc * 31 + i + len(str(i))) % 1000003
        i += 1
    return acc
def work(n, seed=0):
    t = seed
    for k in range(n):
        t = (t + inner(20, k)) % 1000003
    return t
PID, handles = os.getpid(), []
def job(n, count=1):
    "Runs until it was captured, and for a while afterwards; a resumed one for that while."
    while os.getpid() == PID and not (len(handles) >= count and all([h.done for h in handles])):
        work(20)
    return work(n)
"""


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    if hasattr(sys, "monitoring"):
        assert [sys.monitoring.get_tool(tool) for tool in range(6)] == [None] * 6
    assert sys.gettrace() is None


def spin(stop):
    n = 0
    while not stop[0]:
        n += 1
    return n


def test_from_a_timer(stores):
    out = run(PROGRAM + """
timer = threading.Timer(0.02, lambda: handles.append(torpor.request("k")))
timer.start()
print(repr((torpor.run(job, 50), handles[0].wait(0).key, handles[0].wait().frames[-1].qualname)))
""")
    result, key, outermost = literal(out)
    assert (key, outermost) == ("k", "job")
    assert resume("k") == repr(result)
    assert resume("k") == repr(result)


def test_from_a_signal_handler(stores):
    out = run(PROGRAM + """
signal.signal(signal.SIGALRM, lambda *_: handles.append(torpor.request("k")))
signal.setitimer(signal.ITIMER_REAL, 0.02)
result = torpor.run(job, 50)
functions = [frame.qualname for frame in handles[0].wait(0).frames]
print(repr((result, functions[-1], "<lambda>" in functions)))
""")
    result, outermost, handler = literal(out)
    assert (outermost, handler) == ("job", False)
    assert resume("k") == repr(result)


def test_of_another_thread(stores):
    out = run(PROGRAM + """
results = []
def target():
    results.append(work(200000))
for wanted in (lambda t: t, lambda t: t.ident):
    thread = threading.Thread(target=target)
    thread.start()
    snapshot = torpor.request("k", thread=wanted(thread)).wait(20)
    thread.join()
cont = torpor.adopt("k")
cont.resume()
print(repr((results[0] == results[1], [f.qualname for f in snapshot.frames][-2:])))
""")
    assert literal(out) == (True, ["work", "target"])


def test_several_at_once_are_all_answered(stores):
    out = run(PROGRAM + """
def ask():
    for i in range(3):
        handles.append(torpor.request(f"k{i}"))
timer = threading.Timer(0.02, ask)
timer.start()
result = torpor.run(job, 50, 3)
print(repr((result, sorted(h.wait(0).key for h in handles))))
""")
    result, keys = literal(out)
    assert keys == ["k0", "k1", "k2"]
    assert [resume(key) for key in keys] == [repr(result)] * 3


def test_a_thread_that_is_blocked_is_captured_when_it_comes_back(stores):
    out = run(PROGRAM + """
def job():
    time.sleep(0.3)
    n = 1
    return n + 1
handle = []
threading.Timer(0.05, lambda: handle.append(torpor.request("k"))).start()
result = torpor.run(job)
frame = handle[0].wait(5).frames[0]
print(repr((result, frame.qualname, frame.lineno - job.__code__.co_firstlineno)))
""")
    assert literal(out) == (2, "job", 2)
    assert resume("k") == "2"


def test_it_waits_until_c_code_has_returned(stores):
    out = run(PROGRAM + """
handle = []
def key(x):
    if not handle:
        handle.append(torpor.request("k"))
    y = -x
    return y
def job():
    items = sorted(range(5), key=key)
    tail = items[:2]
    return tail, len(items)
result = torpor.run(job)
frame = handle[0].wait(5).frames[0]
print(repr((result, frame.qualname, frame.lineno - job.__code__.co_firstlineno)))
""")
    assert literal(out) == (([4, 3], 5), "job", 2)
    assert resume("k") == "([4, 3], 5)"


def test_a_deep_stack_below_c_code_is_not_looked_through_at_every_line(stores):
    """It takes as long as many lines, and C code may run for as long as the program."""
    out = run(PROGRAM + """
from torpor import _request
Open = _request._engine.OpenRequest
counts = dict.fromkeys(("line", "_obstructed"), 0)
for name in counts:
    def counted(self, *args, name=name, original=getattr(Open, name)):
        counts[name] += 1
        return original(self, *args)
    setattr(Open, name, counted)
def below(depth):
    if depth:
        return below(depth - 1)
    handles.append(torpor.request("k"))
    total = 0
    for i in range(20000):
        total += i % 7
    return total
def job():
    total = sum(below(400) for _ in range(1))
    while not handles[0].done:
        total += 1
    return total >= 59997
print(repr((torpor.run(job), handles[0].wait(0).frames[0].qualname, counts)))
""")
    total, innermost, counts = literal(out)
    assert (total, innermost) == (True, "job")
    assert counts["line"] > 10_000 and counts["_obstructed"] * 3 < counts["line"], counts


def test_what_stands_in_the_way_is_said(stores, store):
    stop = [False]
    thread = threading.Thread(target=lambda: sorted([1], key=lambda _: spin(stop)))
    thread.start()
    handle = store.request("k", thread=thread)
    said = ""
    while "C code lies between it and" not in said:  # once the thread has come to a line
        with pytest.raises(TimeoutError) as caught:
            handle.wait(0.3)
        said = str(caught.value)
    assert not handle.done
    stop[0] = True
    thread.join()
    with pytest.raises(torpor.CaptureError, match="ended"):
        handle.wait(20)
    assert handle.done and "k" not in store


def test_a_thread_that_ends_is_told(store):
    thread = threading.Thread(target=time.sleep, args=(0.2,))
    thread.start()
    handle = store.request(thread=thread)
    with pytest.raises(TimeoutError, match="no line"):
        handle.wait(0.01)
    with pytest.raises(torpor.CaptureError, match="ended"):
        handle.wait(20)
    with pytest.raises(torpor.InvalidArgument):
        store.request(thread=thread)
    with pytest.raises(torpor.InvalidArgument):
        store.request(thread=12345)


def test_cancelled_is_over(store):
    stop = [False]
    thread = threading.Thread(target=sorted, args=([1],), kwargs={"key": lambda _: spin(stop)})
    thread.start()
    handle = store.request("k", thread=thread)
    handle.cancel()
    handle.cancel()
    stop[0] = True
    thread.join()
    assert handle.done
    with pytest.raises(torpor.CaptureError, match="cancelled"):
        handle.wait()
    assert "k" not in store


def test_errors_of_the_capture_reach_the_handle(store):
    stop = [False]
    thread = threading.Thread(target=spin, args=(stop,))
    thread.start()
    handle = store.request("k", thread=thread, state="nonsense")
    with pytest.raises(torpor.CaptureError, match="nonsense"):
        handle.wait(20)
    stop[0] = True
    thread.join()


def test_the_thread_itself_cannot_wait(store):
    handle = store.request(stack=10**6, keep_dead=True, externals={"none": object()})
    try:
        if not handle.done:
            with pytest.raises(RuntimeError):
                handle.wait(1)
    finally:
        handle.cancel()


def test_a_debugger_goes_on(stores):
    """A trace function of the program sees the same lines, with and without an open request."""
    out = run(PROGRAM + """
seen = []
def tracer(frame, event, arg):
    if frame.f_code in (work.__code__, inner.__code__):
        seen.append((event, frame.f_lineno))
        return tracer
def traced(ask):
    seen.clear()
    sys.settrace(tracer)
    handle = torpor.request("k") if ask else None
    result = work(3)
    same = sys.gettrace() is tracer
    sys.settrace(None)
    if handle:
        assert handle.done
    return result, same, list(seen)
plain = torpor.run(traced, False)
asked = torpor.run(traced, True)
print(repr((plain == asked, len(plain[2]) > 50, sys.gettrace())))
""")
    assert literal(out) == (True, True, None)


def test_a_thread_that_waits_for_a_processor_misses_no_place(stores):
    """However long a look at the stack took by the clock: the next line is looked at as well."""
    out = run(PROGRAM + """
def asks():
    handle = torpor.request("k")
    return work(1), handle.done
hours = [7200, 3600, 0]
clock, time.perf_counter = time.perf_counter, lambda: hours.pop() if hours[1:] else hours[0]
result = torpor.run(asks)
time.perf_counter = clock
print(repr(result))
""")
    assert literal(out)[1] is True


#: Every tool of sys.monitoring has an owner, which counts lines as a coverage tool does.
TAKEN = PROGRAM + """
lines = [0]
def counted(code, line):
    lines[0] += 1
    return sys.monitoring.DISABLE
for tool in range(6) if hasattr(sys, "monitoring") else ():
    sys.monitoring.use_tool_id(tool, f"tool {tool}")
    sys.monitoring.register_callback(tool, sys.monitoring.events.LINE, counted)
    sys.monitoring.set_events(tool, sys.monitoring.events.LINE)
def taken():
    if not hasattr(sys, "monitoring"):
        return True
    names = [sys.monitoring.get_tool(tool) for tool in range(6)]
    return names == [f"tool {tool}" for tool in range(6)] and lines[0] > 0
def others():
    "The trace functions of all threads, as each sees its own."
    seen, barrier = [], threading.Barrier(4)
    def other(tracer):
        sys.settrace(tracer)
        barrier.wait()
        barrier.wait()
        seen.append(sys.gettrace() is tracer)
        sys.settrace(None)
    threads = [threading.Thread(target=other, args=(tracer,)) for tracer in (None, lambda *_: None, None)]
    for thread in threads:
        thread.start()
    barrier.wait()
    return threads, barrier, seen
"""


def test_from_a_timer_when_all_tools_are_taken(stores):
    out = run(TAKEN + """
threads, barrier, seen = others()
timer = threading.Timer(0.02, lambda: handles.append(torpor.request("k")))
timer.start()
result = torpor.run(job, 50)
barrier.wait()
for thread in threads:
    thread.join()
print(repr((result, handles[0].wait(0).key, handles[0].wait().frames[-1].qualname, seen, sys.gettrace(), taken())))
""")
    result, *rest = literal(out)
    assert rest == ["k", "job", [True] * 3, None, True]
    assert resume("k") == repr(result)


def test_from_a_signal_handler_when_all_tools_are_taken(stores):
    out = run(TAKEN + """
signal.signal(signal.SIGALRM, lambda *_: handles.append(torpor.request("k")))
signal.setitimer(signal.ITIMER_REAL, 0.02)
result = torpor.run(job, 50)
functions = [frame.qualname for frame in handles[0].wait(0).frames]
print(repr((result, functions[-1], "<lambda>" in functions, sys.gettrace(), taken())))
""")
    result, *rest = literal(out)
    assert rest == ["job", False, None, True]
    assert resume("k") == repr(result)


def test_of_another_thread_when_all_tools_are_taken(stores):
    out = run(TAKEN + """
results = []
def target():
    results.append((work(200000), sys.gettrace()))
for _ in range(3):
    thread = threading.Thread(target=target)
    thread.start()
    snapshot = torpor.request("k", thread=thread).wait(20)
    thread.join()
torpor.adopt("k").resume()  # with results of its own
print(repr((len(results), len(set(results)), [f.qualname for f in snapshot.frames][-2:], taken())))
""")
    assert literal(out) == (3, 1, ["work", "target"], True)


def test_cancelled_when_all_tools_are_taken(stores):
    out = run(TAKEN + """
stop, ended = [False], []
def spin():
    while not stop[0]:
        pass
    ended.append(sys.gettrace())
def blocked():
    sorted([1], key=lambda _: spin())
thread = threading.Thread(target=blocked)
thread.start()
handle = torpor.request("k", thread=thread)
time.sleep(0.1)
handle.cancel()
again = torpor.request("k", thread=thread)
again.cancel()
stop[0] = True
thread.join()
print(repr((ended, handle.done, again.done, sys.gettrace(), taken())))
""")
    assert literal(out) == ([None], True, True, None, True)


def test_a_debugger_goes_on_when_all_tools_are_taken(stores):
    out = run(TAKEN + """
seen = []
def tracer(frame, event, arg):
    if frame.f_code in (work.__code__, inner.__code__):
        seen.append((event, frame.f_lineno))
        return tracer
def traced(ask):
    seen.clear()
    sys.settrace(tracer)
    handle = torpor.request("k") if ask else None
    result = work(3)
    same = sys.gettrace() is tracer
    sys.settrace(None)
    if handle:
        assert handle.done
    return result, same, list(seen)
plain = torpor.run(traced, False)
asked = torpor.run(traced, True)
print(repr((plain == asked, len(plain[2]) > 50, sys.gettrace(), taken())))
""")
    assert literal(out) == (True, True, None, True)


def test_a_child_has_no_open_requests(stores):
    out = run(PROGRAM + """
thread = threading.Thread(target=time.sleep, args=(1,), daemon=True)
thread.start()
handle = torpor.request("k", thread=thread)
pid = os.fork()
if pid == 0:
    try:
        handle.wait(1)
    except torpor.CaptureError as error:
        free = not hasattr(sys, "monitoring") or sys.monitoring.get_tool(4) is None
        os._exit(7 if "fork" in str(error) and free and sys.gettrace() is None else 1)
    os._exit(2)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
handle.cancel()
""")
    assert literal(out) == 7


SERVED = PROGRAM + """
torpor.serve()
torpor.serve()
print("ready", flush=True)
def serving(flag):
    while not os.path.exists(flag):
        work(10)
    return "ended"
print(torpor.run(serving, sys.argv[1]))
"""


def test_from_the_command_line(stores):
    flag = stores / "flag"
    process = start(SERVED, flag)
    try:
        assert process.stdout.readline() == "ready\n"
        out = run(CLI, "request", process.pid, "k")
        assert out.startswith("snapshot ")
        assert torpor.Store()["k"].frames[-1].qualname == "serving"
        # Nobody serves under this number; a client that talks nonsense harms nobody.
        run(CLI, "request", os.getpid(), "k", status=1)
        place = next(path for path in stores.rglob(f"serve-{process.pid}"))
        assert place.stat().st_mode & 0o777 == 0o600 and place.parent.stat().st_mode & 0o777 == 0o700
        for nonsense in (b"\n", b"[]\n", b'{"key": 1, "timeout": 1}\n', b'{"key": "k", "timeout": 1e99}\n', b"x" * 99999):
            assert b"error" in talk(place, nonsense)
        assert run(CLI, "request", process.pid, "again").startswith("snapshot ")
    finally:
        flag.touch()
    assert finish(process) == "ended\n"
    assert not place.exists()
    assert resume("k") == "'ended'"
    # What a process leaves that was killed goes when the next one looks.
    place.touch()
    run(CLI, "request", process.pid, "k", status=1)
    assert not place.exists()


def test_a_forked_child_is_not_served(stores):
    out = run("""
        import os, torpor
        from torpor import _local, _serve
        torpor.serve()
        name = os.path.join(_local.place(torpor.Store()), f"serve-{os.getpid()}")
        pid = os.fork()
        if pid == 0:
            os._exit(3 if not _serve._served else 4)
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists(name)])
        """)
    assert literal(out) == [3, True]


CLI = "import sys\nfrom torpor.__main__ import main\nsys.exit(main())\n"


def talk(place, data):
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(place))
        try:
            client.sendall(data)
        except BrokenPipeError:  # it had enough
            pass
        try:
            return client.recv(4096)
        except ConnectionResetError:
            return b"error"

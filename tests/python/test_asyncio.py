"""Promise: a program that asyncio runs goes on in another process, its loop with it; the resumer's own loop is untouched.

Most of what waits in a loop is a program of the corpus, event_loops.py.
"""

import asyncio
import gc
import subprocess
import threading

import pytest
import torpor
from processes import PATIENCE, REFUSES_REQUESTS, finish, literal, resume, run, start

requests = pytest.mark.skipif(REFUSES_REQUESTS, reason="refused there while there are other threads: test_jit.py")

#: A program whose loop runs until it was captured, and for a while afterwards.
PROGRAM = """
import asyncio, os, sys, threading, torpor
PID, handles = os.getpid(), []
async def producer(queue, n):
    for i in range(n):
        await queue.put(i)
        await asyncio.sleep(0.001)
    await queue.put(None)
async def consumer(queue):
    total = 0
    while (item := await queue.get()) is not None:
        total += item
        await asyncio.sleep(0)
    return total
async def waiting():
    while os.getpid() == PID and not (handles and handles[0].done):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    return "waited"
async def main():
    queue = asyncio.Queue(3)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(producer(queue, 50)), group.create_task(consumer(queue)), group.create_task(waiting())]
    return [task.result() for task in tasks], len(asyncio.all_tasks())
def asked():
    handles.append(torpor.request("k"))
threading.Timer(0.02, asked).start()
result = asyncio.run(main())
if os.getpid() == PID:
    handles[0].wait()
print(repr(result))
"""


@requests
def test_a_request_takes_the_loop_along(stores):
    captured = run(PROGRAM).strip()
    assert literal(captured) == ([None, 1225, "waited"], 1)
    for _ in range(2):
        assert run("import sys, torpor\ntorpor.adopt('k').resume()").strip() == captured


async def other(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def waits(future):
    return await future


async def main(store, key):
    task = asyncio.create_task(other(5))
    await asyncio.sleep(0)
    got = store.capture(key=key)
    loop = asyncio.get_running_loop()
    return got if type(got) is str else None, await task, asyncio.current_task().get_loop() is loop


def job(store, key="k"):
    return asyncio.run(main(store, key))


def test_inside_of_a_running_loop(store):
    assert torpor.run(job, store) == (None, 5, True)

    async def outer():
        loop, task, hooks = asyncio.get_running_loop(), asyncio.current_task(), __import__("sys").get_asyncgen_hooks()
        got = store.adopt("k").resume("inner")
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        assert __import__("sys").get_asyncgen_hooks() == hooks
        return got, await other(3)

    assert asyncio.run(outer()) == (("inner", 5, True), 3)


def test_in_another_thread(store):
    torpor.run(job, store)
    got = []
    thread = threading.Thread(target=lambda: got.append(store.adopt("k").resume("there")))
    thread.start()
    thread.join()
    assert got == [("there", 5, True)]


def test_the_loop_that_was_set_stays(store):
    torpor.run(job, store)
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    try:
        store.adopt("k").resume()
        assert asyncio.get_event_loop() is own
    finally:
        asyncio.set_event_loop(None)
        own.close()


def test_an_exception_that_is_thrown_in(store):
    torpor.run(job, store)
    with pytest.raises(LookupError, match="thrown"):
        store.adopt("k").throw(LookupError("thrown"))
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


AGAIN = """
import asyncio, sys, torpor
async def other(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n
async def main():
    seen = []
    task = asyncio.create_task(other(7))
    for i in range(3):
        seen.append(await asyncio.create_task(other(i)))
        got = torpor.capture(key=f"k{i}")
        if type(got) is str:
            seen.append(got)
    return seen, await task
print(repr(asyncio.run(main())))
"""


@requests
def test_captured_again_where_it_was_resumed(stores):
    assert literal(run(AGAIN)) == ([0, 1, 2], 7)
    again = "import sys, torpor\ntorpor.adopt(sys.argv[1]).resume(sys.argv[2])"
    assert literal(run(again, "k0", "first")) == ([0, "first", 1, 2], 7)
    assert literal(run(again, "k1", "second")) == ([0, "first", 1, "second", 2], 7)
    assert literal(run(again, "k2", "third")) == ([0, "first", 1, "second", 2, "third"], 7)


def test_dropping_it_says_nothing(stores):
    run(AGAIN)
    script = "import gc, torpor\ncont = torpor.adopt('k1')\nprint(cont.frames[0].lineno > 0)\ndel cont\ngc.collect()\n"
    process = start(script, flags=("-W", "error"))
    out, err = process.communicate(timeout=PATIENCE)
    assert (out.strip(), err) == ("True", "")


CLOCK = """
import asyncio, time, torpor

time.monotonic = lambda: time.perf_counter() + 1e7
async def main():
    loop, seen = asyncio.get_running_loop(), []
    start = loop.time()
    timer = loop.call_later(0.05, seen.append, "timer")
    torpor.capture(key="k")
    first = loop.time()
    async with asyncio.timeout(60):
        await asyncio.sleep(0.1)
    return 1e7 < start <= first <= loop.time(), timer.when() > 1e7, seen
print(repr(asyncio.run(main())))
"""


@requests
def test_its_clock_goes_on_where_it_stood(stores):
    assert literal(run(CLOCK)) == (True, True, ["timer"])
    assert literal(run("import torpor\ntorpor.adopt('k').resume()")) == (True, True, ["timer"])


def refused(store, main):
    def job():
        return asyncio.run(main())

    with pytest.raises(torpor.UncapturableValue) as info:
        torpor.run(job)
    assert len(store) == 0
    return str(info.value)


def test_what_a_loop_has_open_is_refused_by_name(store):
    import signal
    import socket

    async def signals():
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
        store.capture(key="k")

    assert "remove_signal_handler" in refused(store, signals)

    async def server():
        async with await asyncio.start_server(print, "127.0.0.1", 0):
            store.capture(key="k")

    assert "watches descriptor" in refused(store, server) or "server" in refused(store, server)

    async def connection():
        mine, other = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=mine)
        try:
            store.capture(key="k")
        finally:
            writer.close()
            other.close()

    assert "open transports (_SelectorSocketTransport)" in refused(store, connection)

    async def watched():
        mine, other = socket.socketpair()
        loop = asyncio.get_running_loop()
        loop.add_reader(mine.fileno(), print)
        try:
            store.capture(key="k")
        finally:
            loop.remove_reader(mine.fileno())
            mine.close()
            other.close()

    assert "it watches descriptor" in refused(store, watched)


def test_a_boundary_inside_of_the_loop_leaves_the_loop_out(store):
    def inner():
        got = store.capture(key="k")
        try:
            return got, asyncio.get_running_loop() is not None
        except RuntimeError:
            return got, False

    async def main():
        return torpor.run(inner)

    assert asyncio.run(main())[1] is True
    assert store.adopt("k").resume(3) == (3, False)


def test_futures_are_one_object_wherever_they_are_held(store):
    async def main():
        future = asyncio.get_running_loop().create_future()
        holders = [future, {"future": future}, asyncio.ensure_future(future)]
        task = asyncio.create_task(waits(future))
        await asyncio.sleep(0)
        got = store.capture(key="k")
        assert holders[0] is holders[1]["future"] is holders[2] is future
        assert task._fut_waiter is future
        future.set_result(got if type(got) is int else 0)
        return await task

    def job():
        return asyncio.run(main())

    assert torpor.run(job) == 0
    assert store.adopt("k").resume(5) == 5


def test_many_captures_of_a_loop_leave_nothing(store):
    torpor.run(job, store)
    counts = []
    for _ in range(4):
        for _ in range(20):
            store.adopt("k").resume()
            store.adopt("k")
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[-1] - counts[1] < 50


TRACED = """
import asyncio, json, sys, torpor

FUNCTIONS = {"unregister", "_fileobj_lookup", "_fileobj_to_fd", "_remove_reader", "get_event_loop_policy", "_get_event_loop_policy"}

async def main():
    await asyncio.sleep(0)
    return len(asyncio.all_tasks()), asyncio.get_running_loop().is_running()

def job():
    return asyncio.run(main())

def trace(frame, event, arg):
    if event == "line" and frame.f_code.co_name in FUNCTIONS:
        key = f"stop {len(stops)}"
        try:
            store.capture(frame, key)
        except torpor.UncapturableValue as error:
            assert "it is being made" in str(error)  # the loop: its constructor watches its own socket
        else:
            stops.append((key, frame.f_code.co_name))
    return trace

store, stops = torpor.Store(), []
sys.settrace(trace)
result = torpor.run(job)
sys.settrace(None)
print(repr((result, stops)))
"""
RESUMED = """
import sys, torpor
got = torpor.adopt(sys.argv[1]).resume()
print(repr((got, "asyncio" in sys.modules and sys.modules["asyncio.events"]._event_loop_policy is None)))
"""


def test_where_numbers_of_the_loops_own_socket_are_held():
    """And where the policy of event loops has just been made. The adopter's numbers are others."""
    result, stops = literal(run(TRACED))
    assert {name for _, name in stops} >= {"unregister", "_fileobj_lookup", "_fileobj_to_fd", "_remove_reader"}
    for key, name in stops:
        assert (key, name, literal(run(RESUMED, key))[0]) == (key, name, result)


def test_a_forked_child_sees_its_tasks(stores):
    """What torpor has tried out of tasks is dropped in whichever process, and leaves the list of tasks as it is."""
    out = run("""
        import asyncio, gc, os, sys, torpor
        async def other():
            await asyncio.sleep(0)
        async def main():
            tasks = [asyncio.create_task(other()) for _ in range(3)]
            before = len(asyncio.all_tasks())
            gc.collect()
            return before, len(asyncio.all_tasks())
        async def captured():
            await asyncio.sleep(0)
            torpor.capture(key="k")
            return await main()
        def forked():
            pid = os.fork()
            if pid:
                return os.waitpid(pid, 0)[1]
            print(asyncio.run(main()), flush=True)
            os._exit(0)
        gc.disable()
        print(torpor.run(lambda: asyncio.run(captured())), flush=True)
        assert forked() == 0
    """)
    assert out.splitlines() == ["(4, 4)"] * 2

"""Part of the processes that run.py starts: one stage of a run that is captured again in each process that goes on with it."""

import sys
import threading
import time

import torpor

#: Seconds between looks of the thread that asks; how often threads take turns.
LOOK, TURN = 0.0005, 0.0005


def is_below(function, frame):
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None


def hop(run, key, delay):
    """Calls run(), and asks for a capture of it `delay` seconds after `chained` has begun or gone on: (what run() returned,
    whether it was captured before that)."""
    ended, found = threading.Event(), []
    main = threading.get_ident()

    def ask():
        while not is_below("chained", sys._current_frames()[main]):
            if ended.wait(LOOK):
                return
        if ended.wait(delay):
            return
        request = torpor.request(key, thread=main)
        ended.wait()
        if request.done:
            found.append(request.wait(0))
        request.cancel()

    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        text = run()
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(before)
    return text, bool(found)


def timed(run):
    start = time.perf_counter()
    return run(), time.perf_counter() - start

"""Promise: C code between two frames is bridged only where it is the instruction's own call, still running.

What the interpreter does after a call (destructors, generators that are closed, signal handlers, callbacks of weak
references) reaches Python code at the same instruction, with operands that may be gone: such captures are refused, or
the frame is resumed as it went on. Either way nothing crashes, and the original runs on undisturbed.
"""

import pytest
from processes import literal, resume, run

#: Captures; what became of it is appended to `outcome`. A refusal is swallowed, as a program might.
CAPTURE = """
import gc, os, signal, sys, threading, torpor, weakref
outcome = []
def capture():
    try:
        torpor.capture(key="k")
        outcome.append("captured")
    except torpor.UnsupportedFrame:
        outcome.append("refused")
"""

AFTER_A_CALL = {
    "a destructor of an argument": """
        class Dying:
            def __del__(self):
                capture()
        def job():
            return len([Dying()]) + 1
        """,
    "a destructor in the list of starred arguments": """
        class Dying:
            def __del__(self):
                capture()
        class Made:
            def __init__(self, *args):
                self.n = len(args)
        def job():
            return Made(*[Dying(), 2]).n
        """,
    "a generator that is closed once any() is done": """
        def source():
            try:
                yield 0
                yield 1
                yield 2
            finally:
                capture()
        def job():
            return any(source()), 5
        """,
    "a generator that a loop leaves": """
        def source():
            try:
                yield 1
                yield 2
            finally:
                capture()
        def job():
            for x in source():
                break
            return x
        """,
    "the callback of a weak reference": """
        class Thing:
            pass
        def job():
            thing = Thing()
            ref = weakref.ref(thing, lambda r: capture())
            thing = str(7)
            return thing
        """,
    "a signal handler": """
        def job():
            signal.signal(signal.SIGUSR1, lambda *a: capture())
            n = 0
            for i in range(50):
                if i == 25:
                    os.kill(os.getpid(), signal.SIGUSR1)
                n += len(str(i))
            return n
        """,
    "a signal handler inside of a builtin": """
        def job():
            signal.signal(signal.SIGALRM, lambda *a: capture())
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            sys.set_int_max_str_digits(0)
            return len(str(7 ** 200000))
        """,
    "a callback of the garbage collector": """
        def job():
            gc.callbacks.append(lambda phase, info: phase == "stop" and not outcome and capture())
            gc.collect()
            return len([1])
        """,
    "a destructor in the middle of an operator": """
        class Dying:
            def __init__(self, n):
                self.n = n
            def __add__(self, other):
                return self.n
            def __del__(self):
                capture()
        def job():
            return Dying(3) + Dying(4)
        """,
    "a key function": """
        def key(x):
            if x == 2:
                capture()
            return -x
        def job():
            return sorted([1, 3, 2], key=key)
        """,
}


@pytest.mark.parametrize("what", AFTER_A_CALL)
def test_code_that_runs_after_a_call_is_told_from_code_that_the_call_runs(stores, what):
    import textwrap

    script = CAPTURE + textwrap.dedent(AFTER_A_CALL[what])
    expected = literal(run(script.replace('torpor.capture(key="k")', "pass") + "print(repr(torpor.run(job)))"))
    got, outcomes = literal(run(script + "print(repr((torpor.run(job), outcome)))"))
    assert got == expected
    assert outcomes and set(outcomes) <= {"captured", "refused"}
    if outcomes[-1] == "captured":
        assert resume("k") == repr(expected)


def test_refusals_name_the_function_that_was_called_and_the_line(stores):
    out = run("""
        import functools, torpor
        def key(*args):
            torpor.capture(key="k")
        def by_sorted():
            return sorted([1], key=key)
        def by_sum():
            return sum(key(x) for x in [1])
        def by_join():
            return "".join(key(x) for x in [1])
        def by_reduce():
            return functools.reduce(key, [1, 2])
        found = []
        for job in (by_sorted, by_sum, by_join, by_reduce):
            try:
                torpor.run(job)
            except torpor.UnsupportedFrame as e:
                found.append((e.function, e.lineno, str(e).split(" by calling ")[1].split(" ")[0]))
        print(found)
        """)
    assert literal(out) == [("by_sorted", 6, "sorted"), ("by_sum", 8, "sum"), ("by_join", 10, "join"),
                            ("by_reduce", 12, "reduce")]  # fmt: skip


def test_frames_of_torpors_own_are_not_shown(stores):
    out = run("""
        import torpor
        class Thing:
            def __init__(self, n):
                self.n = n
                torpor.capture(key="k")
            def __len__(self):
                return Thing(self.n).n
        def job():
            return len(Thing.__new__(Thing).__class__(3)) if False else len(make())
        def make():
            thing = Thing.__new__(Thing)
            thing.n = 4
            return thing
        torpor.run(job)
        snapshot = torpor.Store()["k"]
        names = [f.function for f in snapshot.frames]
        continuation = torpor.adopt("k")
        print((names, [f.code.co_name for f in continuation.frames], continuation.resume()))
        """)
    names = ["__init__", "__len__", "job"]
    assert literal(out) == (names, names, 4)
    assert resume("k") == "4"


def test_a_capture_inside_of_a_resumed_bridge(stores):
    """What finishes C code is part of the stack, and is captured again with it."""
    out = run("""
        import torpor
        class Thing:
            def __len__(self):
                for i in range(3):
                    torpor.capture(key=f"k{i}")
                return 7
        def job():
            return len(Thing()) + 1
        torpor.run(job)
        """)
    del out
    run("import torpor; print(torpor.adopt('k0').resume())")
    assert resume("k1") == "8"
    assert resume("k2") == "8"

"""Code that the JIT compiler has compiled (PYTHON_JIT=1, CPython 3.14 and later) is captured and resumed as any other."""

import sys

import processes
import pytest
import torpor
from processes import literal, run

JOBS = '''
import sys, torpor

TURNS = 20000  # some times as many as a loop takes to be compiled
WANTED = []

def pause(n):
    if n in WANTED:
        WANTED.remove(n)
        torpor.capture(key=str(n))
    return n

class Number:
    def __init__(self, value):
        self.value = value
    def __add__(self, other):
        return Number(pause(self.value + other))
    @property
    def twice(self):
        return pause(self.value) * 2

def calls(n):
    total = 0
    for i in range(n):
        total = total * 3 % 1009 + pause(i)
    return total

def operators(n):
    total = Number(0)
    for i in range(n):
        total = total + 1
    return total.value

def generated(n):
    for i in range(n):
        yield pause(i) * 2

def loop_over_generator(n):
    total = 0.5
    for x in generated(n):
        total += x
    return total

def expressions(n):
    total = 0
    for i in range(n):
        try:
            total += (i, pause(i), [total])[1]
        finally:
            total ^= 1
    return total

def properties(n):
    number, total = Number(0), 0
    for i in range(n):
        number.value = i
        total += number.twice
    return total

def inlined(i):
    return [pause(i), i][0] + 1

def nested_calls(n):
    total, i = 0, 0
    while i < n:
        total += inlined(i) if i & 1 else -inlined(i)
        i += 1
    return total

def caught(n):
    total = 0
    for i in range(n):
        try:
            total += 1 // (pause(i) % 7)
        except ZeroDivisionError as error:
            total += len(error.args)
    return total

def compiled(function):
    """How many pieces of machine code begin in a function."""
    import _opcode
    if not hasattr(_opcode, "get_executor"):
        return 0
    count = 0
    for at in range(0, len(function.__code__.co_code), 2):
        try:
            count += _opcode.get_executor(function.__code__, at) is not None
        except (ValueError, RuntimeError):
            pass
    return count

def warm(function):
    """What a function returns; it is compiled then."""
    for _ in range(10 if hasattr(sys, "_jit") and sys._jit.is_enabled() else 1):
        result = function(TURNS)
        if compiled(function):
            break
    return result
'''

NAMES = ("calls", "operators", "loop_over_generator", "expressions", "properties", "nested_calls", "caught")
#: What the compiler of 3.14 finds no way through.
NOT_COMPILED = ("loop_over_generator", "properties") if sys.version_info < (3, 15) else ()


@pytest.fixture
def compiles(name, monkeypatch):
    """Has the processes that the test starts compile, and says whether this Python can compile the job."""
    monkeypatch.setenv("PYTHON_JIT", "1")
    monkeypatch.setattr(processes, "ISOLATED", ["-s", "-P"])
    return hasattr(sys, "_jit") and sys._jit.is_available() and name not in NOT_COMPILED


@pytest.mark.parametrize("name", NAMES)
def test_hot_loops(name, compiles, stores):
    capturing = f"""
def main():  # a new global variable would have what is compiled thrown away
    plain = warm({name})
    pieces = compiled({name})
    WANTED.extend((1000, 19000))
    print(repr((torpor.run({name}, TURNS), pieces, WANTED, plain)))
main()
"""
    result, pieces, wanted, plain = literal(run(JOBS + capturing))
    assert (result, wanted) == (plain, [])
    assert bool(pieces) == compiles
    assert processes.resume("19000") == repr(plain)
    # The process that resumes compiles the loop in its turn, and is captured again.
    first = torpor.Store("default")["19000"].pid
    assert processes.resume("1000") == repr(plain)
    assert torpor.Store("default")["19000"].pid != first
    assert processes.resume("19000") == repr(plain)


@pytest.mark.parametrize("name", NAMES)
def test_requests_to_hot_loops(name, compiles, stores):
    requesting = f"""
import signal
def main():
    plain = warm({name})
    pieces = compiled({name})
    handles = []
    signal.signal(signal.SIGALRM, lambda *_: handles.append(torpor.request("k")))
    while not (handles and handles[0].done):
        handles.clear()
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        assert torpor.run({name}, TURNS) == plain
        signal.setitimer(signal.ITIMER_REAL, 0)
        if handles and not handles[0].done:
            handles[0].cancel()
            handles.clear()  # over, but not captured
        elif handles and handles[0].wait(0).frames[-1].function == "main":
            handles.clear()  # the job had ended before
    print(repr((plain, pieces)))
main()
"""
    plain, pieces = literal(run(JOBS + requesting))
    assert bool(pieces) == compiles
    assert processes.resume("k") == repr(plain)


@pytest.mark.parametrize("name", ["calls"])
def test_requests_of_other_threads(compiles, stores):
    """The interpreter of 3.14 frees machine code that other threads run if what it watches changes."""
    asking = """
import threading, time
ended, outcome = [], []
def ask():
    try:
        time.sleep(0.05)
        outcome.append(torpor.request("k").wait(60).key)
    except torpor.CaptureError as refusal:
        outcome.append(str(refusal))
    finally:
        ended.append(True)
def job():
    n = 0
    while not ended:
        n += calls(100) > 0
    return n > 0
asker = threading.Thread(target=ask)
asker.start()
result = torpor.run(job)
asker.join()
print(repr((result, outcome, compiled(job))))
"""
    result, [outcome], pieces = literal(run(JOBS + asking))
    assert result
    if compiles and sys.version_info < (3, 15):
        assert "JIT compiler" in outcome and "PYTHON_JIT=0" in outcome
    else:
        assert outcome == "k"

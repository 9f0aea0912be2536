"""Imports that are under way: the adopter's import system has what it needs while the stack runs, and only then.

That they resume at all, in all their forms, the corpus shows (`tests/corpus/programs/imports.py`).
"""

import pytest
from processes import literal, run

MODULE = """
import torpor, sys
early = [1]
def helper():
    return early, __name__
got = torpor.capture(key="import") if "capture" in sys.argv else "not captured"
late = early + [2]
"""
CAPTURE = """
import sys, torpor
sys.path.insert(0, sys.argv[2])

def job():
    import half_made
    return half_made.helper(), half_made.late, sys.modules["half_made"] is half_made, half_made.__spec__._initializing

print(repr(torpor.run(job)))
"""
END = (([1], "half_made"), [1, 2], True, False)
ADOPT = """
import importlib, sys, threading, torpor
sys.path.insert(0, sys.argv[2])

def held():
    locks = (ref() for ref in list(importlib._bootstrap._module_locks.values()))
    return [lock.name for lock in locks if lock is not None and lock.owner is not None]

continuation = torpor.adopt("import")
before = "half_made" in sys.modules, held()
"""


@pytest.fixture
def directory(stores):
    (stores / "half_made.py").write_text(MODULE)
    assert literal(run(CAPTURE, "capture", stores)) == END
    return stores


def adopted(directory, text):
    return literal(run(ADOPT + text, "adopt", directory))


def test_nothing_is_imported_before_it_is_resumed(directory):
    text = "result = continuation.resume()\nprint(repr((before, result, 'half_made' in sys.modules, held())))"
    assert adopted(directory, text) == ((False, []), END, True, [])


def test_what_is_dropped_leaves_nothing(directory):
    text = "del continuation\nimport half_made\nprint(repr((before, half_made.got, held())))"
    assert adopted(directory, text) == ((False, []), "not captured", [])


def test_a_module_that_is_imported_already(directory):
    """It stays, and the continuation can still be resumed once it is gone."""
    text = """
import half_made
try:
    continuation.resume()
except torpor.ResumeError as error:
    text = str(error)
same = sys.modules["half_made"] is half_made and half_made.got
locks = held()
del sys.modules["half_made"]
print(repr((text, same, locks, continuation.resume(), held())))
"""
    text, same, locks, result, after = adopted(directory, text)
    assert "'half_made', which is imported here already" in text
    assert (same, locks, result, after) == ("not captured", [], END, [])


def test_an_exception_takes_the_module_out_again(directory):
    text = """
try:
    continuation.throw(KeyError("thrown"))
except KeyError as error:
    raised = error.args
gone = "half_made" not in sys.modules
import half_made
print(repr((raised, gone, held(), half_made.got)))
"""
    assert adopted(directory, text) == (("thrown",), True, [], "not captured")


def test_a_stack_that_cannot_run_leaves_nothing(directory):
    text = """
sys.setrecursionlimit(20)
try:
    continuation.resume()
except RecursionError:
    sys.setrecursionlimit(1000)
print(repr(("half_made" in sys.modules, held(), continuation.resume())))
"""
    assert adopted(directory, text) == (False, [], END)


def test_locals_can_be_looked_at(directory):
    text = """
names = [frame.code.co_name for frame in continuation.frames]
body = continuation.frames[0].locals
print(repr((names[0], "_find_and_load" in names, body["early"], body["__name__"], "late" in body)))
"""
    assert adopted(directory, text) == ("<module>", True, [1], "half_made", False)


def test_another_thread_waits_for_the_import(stores):
    """It finds the module whole."""
    (stores / "half_made.py").write_text(MODULE.replace("late =", "import time; meet = sys.modules['__main__'].__dict__.get('meet')\n"
                                                        "if meet: meet.set(); time.sleep(0.2)\nlate ="))
    assert literal(run(CAPTURE, "capture", stores)) == END
    text = """
meet, found = threading.Event(), []
def other():
    meet.wait(60)
    import half_made
    found.append(hasattr(half_made, "late"))
thread = threading.Thread(target=other)
thread.start()
result = continuation.resume()
thread.join()
print(repr((result, found, held())))
"""
    assert adopted(stores, text) == (END, [True], [])


def test_the_body_alone(stores):
    """Without the frames of the import it goes on in a namespace of its own."""
    (stores / "half_made.py").write_text(MODULE.replace('key="import"', 'key="import", stack=1'))
    assert literal(run(CAPTURE, "capture", stores)) == END
    text = "body = continuation.frames[0].locals\nresult = continuation.resume()\nprint(repr((result, 'half_made' in sys.modules)))"
    assert adopted(stores, text) == (None, False)


def test_a_function_below_a_boundary_in_the_body(stores):
    """What its module contains travels: importing it again would run the body again."""
    body = """
import torpor, sys
values = [1]
def job(n):
    torpor.capture(key="import")
    values.append(n)
    return values, __name__
result = torpor.run(job, 2) if "capture" in sys.argv else None
"""
    (stores / "half_made.py").write_text(body)
    script = "import sys\nsys.path.insert(0, sys.argv[2])\nimport half_made\nprint(repr(half_made.result))"
    assert literal(run(script, "capture", stores)) == ([1, 2], "half_made")
    assert adopted(stores, "print(repr((before, continuation.resume())))") == ((False, []), ([1, 2], "half_made"))


def test_captured_again_during_the_import(stores):
    """A resumed import is one like any other."""
    (stores / "half_made.py").write_text(MODULE.replace("late =", "torpor.capture(key='again')\nlate ="))
    assert literal(run(CAPTURE, "capture", stores)) == END
    assert adopted(stores, "print(repr(continuation.resume()))") == END
    script = ADOPT.replace('"import"', '"again"') + "print(repr((before, continuation.resume(), held())))"
    assert literal(run(script, "adopt", stores)) == ((False, []), END, [])


PARTED = """
import torpor
def seen():
    try:
        return type(torpor.capture(key="parted")).__name__
    except torpor.UnsupportedFrame as error:
        return str(error)
before = seen()
from . import _queue
after = seen()
"""


def test_extension_modules_of_a_package_that_is_being_imported(stores):
    """What they keep was told to them by the rest of the package: the adopter's would not know it."""
    (stores / "parted").mkdir()
    (stores / "parted" / "__init__.py").write_text(PARTED)
    text = """
import shutil, sys, torpor, _queue
shutil.copy(_queue.__file__, sys.argv[1] + "/parted")
sys.path.insert(0, sys.argv[1])

def job():
    import parted
    return parted.before, parted.after, parted._queue.__name__

print(repr(torpor.run(job)))
"""
    before, after, name = literal(run(text, stores))
    assert (before, name) == ("Snapshot", "parted._queue")
    assert "the import of 'parted' is under way" in after and "'parted._queue' is loaded already" in after
    text = """
import sys, torpor
sys.path.insert(0, sys.argv[1])
print(repr(torpor.adopt("parted").resume("resumed")))
"""
    before, after, name = literal(run(text, stores))
    assert (before, name) == ("str", "parted._queue") and "'parted._queue' is loaded already" in after


def test_an_extension_module_that_is_being_imported(stores):
    """Wherever that stands, it goes on or is refused."""
    (stores / "parted").mkdir()
    (stores / "parted" / "__init__.py").write_text("")
    text = """
import shutil, sys, torpor, _queue, parted
shutil.copy(_queue.__file__, sys.argv[1] + "/parted")
store, captured, refused = torpor.Store(), [], []

def job():
    import parted._queue
    return parted._queue.__name__, sorted(parted._queue.__dict__)

def trace(frame, event, arg):
    if event == "line" and frame.f_code.co_name in ("create_module", "_init_module_attrs", "exec_module", "module_from_spec"):
        try:
            store.capture(frame, f"stop {frame.f_lineno}")
        except (torpor.UnsupportedFrame, torpor.UncapturableValue) as error:
            refused.append(str(error))
        else:
            captured.append(f"stop {frame.f_lineno}")
    return trace

sys.settrace(trace)
result = torpor.run(job)
sys.settrace(None)
print(repr((result, sorted(set(captured)), refused)))
"""
    result, captured, refused = literal(run(f"import sys\nsys.path.insert(0, sys.argv[1])\n{text}", stores))
    assert captured and refused
    assert all("is made by machine code" in text or "is loaded already" in text for text in refused), refused
    adopt = """
import sys, torpor
sys.path.insert(0, sys.argv[1])
print(repr(torpor.adopt(sys.argv[2]).resume()))
"""
    for key in captured:
        assert (key, literal(run(adopt, stores, key))) == (key, result)


#: Captures at each line at which the import system is about to take the lock of a module.
AT_LOCKS = r"""
import importlib, sys, torpor
sys.path.insert(0, sys.argv[1])
told = {"captured": 0}

def trace(frame, event, arg):
    code = frame.f_code
    if code.co_filename != "<frozen importlib._bootstrap>":
        return None if code.co_filename.startswith("<torpor") else trace
    if event == "line" and importlib._bootstrap._blocking_on:
        try:
            torpor.Store().capture(frame, "k")
            told["captured"] += 1
        except torpor.UnsupportedFrame as error:
            told[f"{code.co_name}, line {frame.f_lineno}"] = str(error)
    return trace

def job():
    sys.settrace(trace)
    try:
        import imported_under_a_trace
        return imported_under_a_trace.late
    finally:
        sys.settrace(None)

print(repr((torpor.run(job), told)))
"""


def test_a_capture_leaves_an_import_alone_that_takes_its_lock(stores):
    """CPython 3.11 notes for each thread one lock that it is about to wait for, and forgets it with any other import."""
    (stores / "imported_under_a_trace.py").write_text("late = 3\n")
    result, told = literal(run(AT_LOCKS, stores))
    assert result == 3
    assert sum("takes and gives back locks" in why for why in told.values() if isinstance(why, str)) > 3

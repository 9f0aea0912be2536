"""A lock that an importable module has under a name, and that the captured code took by that name, is never resumed as if
it were held: the capture is refused, and one when the lock is free, or held as a value, goes on."""

import importlib
import logging
import sys
import threading
from pathlib import Path

import pytest
import torpor
from processes import literal, run

TEXT = """
import _thread, threading, torpor
plain, again, condition = threading.Lock(), threading.RLock(), threading.Condition()
def take(name):
    if name == "plain": plain.acquire()
    elif name == "again": again.acquire()
    else: condition.acquire()
def give(name): globals()[name].release()
def helped(name):
    take(name)
    try: return [torpor.capture(key="held")] and 1
    finally: give(name)
def by_plain():
    plain.acquire()
    try: return [torpor.capture(key="held")] and 1
    finally: plain.release()
def by_again():
    again.acquire()
    try: return [torpor.capture(key="held")] and 1
    finally: again.release()
def by_condition():
    condition.acquire()
    try: return [torpor.capture(key="held")] and 1
    finally: condition.release()
def with_plain():
    with plain: return [torpor.capture(key="held")] and 1
def with_again():
    with again: return [torpor.capture(key="held")] and 1
def with_condition():
    with condition: return [torpor.capture(key="held")] and 1
def through(value):
    value.acquire()
    try: return [torpor.capture(key="held")] and 1
    finally: value.release()
def yields(name):
    take(name)
    try: yield 1
    finally: give(name)
def holds(name):
    made = yields(name)
    next(made)
    return [torpor.capture(key="held")] and list(made)
def step(taken):
    if taken: again.acquire()
    try: torpor.capture(key="held")
    finally:
        if taken: again.release()
def neither(name):
    return [torpor.capture(key="held")] and 1
"""


@pytest.fixture
def module(tmp_path, monkeypatch, stores):
    (tmp_path / "with_locks.py").write_text(TEXT)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield importlib.import_module("with_locks")
    del sys.modules["with_locks"]


@pytest.mark.parametrize("name", ["plain", "again", "condition"])
@pytest.mark.parametrize("way", ["by", "helped", "holds"])
def test_a_lock_that_is_held_by_its_name_is_refused_by_name(module, way, name):
    job, arguments = (getattr(module, f"by_{name}"), ()) if way == "by" else (getattr(module, way), (name,))
    with pytest.raises(torpor.UncapturableValue, match=rf"^frames\[0\]\S*\['{name}'\]: the lock with_locks\.{name} is held"):
        torpor.run(job, *arguments)
    assert not module.condition._lock._is_owned() and not module.again._is_owned() and not module.plain.locked()


def test_locks_that_a_frame_holds_as_values_travel_in_their_state(module):
    """In a process of one thread, because a plain lock does not say who has taken it."""
    script = """
    import sys, torpor
    sys.path.insert(0, sys.argv[1])
    import with_locks
    results = []
    for name in ("plain", "again", "condition"):
        for job, arguments in ((f"with_{name}", ()), ("through", (getattr(with_locks, name),))):
            results += [torpor.run(getattr(with_locks, job), *arguments), torpor.adopt("held").resume()]
    print(results)
    """
    assert literal(run(script, Path(module.__file__).parent)) == [1] * 12


def test_locks_that_are_free_again_are_no_hindrance_and_are_looked_at_each_time(module):
    """Also where the same frames were captured just before."""
    assert torpor.run(module.neither, "plain") == 1
    module.again.acquire()
    with pytest.raises(torpor.UncapturableValue, match="with_locks.again is held"):
        torpor.run(module.neither, "plain")
    module.again.release()
    assert torpor.run(module.neither, "plain") == 1
    assert torpor.adopt("held").resume() == 1


def test_the_graph_of_the_last_capture_is_not_used_again_while_a_lock_is_held(module):
    for taken in (False, False, True, False, True):
        if taken:
            with pytest.raises(torpor.UncapturableValue, match="with_locks.again is held"):
                torpor.run(module.step, taken)
        else:
            torpor.run(module.step, taken)
    assert not module.again._is_owned()


def test_a_lock_that_another_thread_has_taken_is_no_hindrance(module):
    """An RLock knows its owner; of a plain one no captured frame speaks."""
    taken, done = threading.Event(), threading.Event()

    def other():
        with module.again, module.plain:
            taken.set()
            done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait()
    try:
        assert torpor.run(module.neither, "plain") == 1
    finally:
        done.set()
        thread.join()


def test_a_lock_of_a_module_that_a_program_speaks_of(stores):
    """The frames are those of a program; the lock is one of the library's."""

    def job():
        logging._lock.acquire()
        try:
            return [torpor.capture(key="held")] and 1
        finally:
            logging._lock.release()

    with pytest.raises(torpor.UncapturableValue, match=r"^frames\[0\]\.f_globals\['logging'\]\._lock: the lock logging\._lock is held"):
        torpor.run(job)


def test_a_logger_in_the_making_goes_on_or_is_refused_at_every_line(stores):
    """`getLogger` takes the lock of its module: by `with`, or by a function of its own."""
    results = []

    def traced(frame, event, _):
        if frame.f_code.co_filename != logging.__file__:
            return None
        if event == "line":
            try:
                torpor.capture(frame, key=f"at {len(results)}")
                results.append(frame.f_lineno)
            except (torpor.UncapturableValue, torpor.UnsupportedFrame):
                pass
        return traced

    def job():
        sys.settrace(traced)
        try:
            return logging.getLogger("torpor.made.here").name
        finally:
            sys.settrace(None)

    assert torpor.run(job) == "torpor.made.here"
    assert len(results) >= 4
    for number in range(len(results)):
        assert torpor.adopt(f"at {number}").resume() == "torpor.made.here", results[number]
    assert not logging._lock._is_owned()

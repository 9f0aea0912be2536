"""Which frames are captured, from where to where; what cannot be is refused by name, function and line."""

import pytest
import torpor
from processes import literal, resume, run

# A refusal: what it raised, and that nothing was written.
REFUSED = """
import sys, torpor
store = torpor.Store()
def attempt(job, *words):
    before = store.stats()
    try:
        torpor.run(job)
    except torpor.UnsupportedFrame as error:
        assert error.status == 201, error.status
        text = str(error)
        for word in words:
            assert word in text, (word, text)
        assert "script_0.py" in text or "line" in text, text
        assert error.function and error.lineno > 0 and error.what, vars(error)
    else:
        raise AssertionError("captured")
    after = store.stats()
    assert (before.used, before.snapshots) == (after.used, after.snapshots)
    assert len(store) == 0 and store.snapshots() == []
"""


def names(snapshot):
    return [frame.function for frame in snapshot.frames]


def test_stack_is_innermost_first_up_to_run(store):
    def inner():
        return store.capture()

    def outer():
        return inner()

    def above():
        return torpor.run(outer)

    assert names(above()) == ["inner", "outer"]


def test_stack_argument_counts_frames(store):
    def inner(stack):
        return store.capture(stack=stack)

    def outer(stack):
        return inner(stack)

    assert names(torpor.run(outer, 1)) == ["inner"]
    assert names(torpor.run(outer, 2)) == ["inner", "outer"]


def test_run_passes_arguments_results_and_exceptions():
    def function(a, *args, b=2, **kwargs):
        return a, args, b, kwargs

    assert torpor.run(function, 1, 2, b=3, c=4, fn=5) == (1, (2,), 3, {"c": 4, "fn": 5})
    assert torpor.run(len, "abc") == 3
    with pytest.raises(ZeroDivisionError):
        torpor.run(lambda: 1 / 0)
    with pytest.raises(TypeError):
        torpor.run()


def test_snapshot_describes_its_frames(store):
    def job(a, b=2, *rest, **more):
        here = store.capture()
        return here

    snapshot = torpor.run(job, 1)
    (frame,) = snapshot.frames
    assert frame.function == "job"
    assert frame.qualname.endswith("test_snapshot_describes_its_frames.<locals>.job")
    assert frame.module == __name__
    assert frame.filename == __file__
    assert frame.lineno == job.__code__.co_firstlineno + 1
    assert {"a", "b", "rest", "more", "store"} >= set(frame.locals_names) >= {"a", "b"}


def test_continuation_frames_can_be_read_and_assigned(store):
    def inner(x, y):
        got = store.capture(key="k")
        return x, y, got

    def outer():
        a = [1, 2]
        return inner(a, 5), a

    torpor.run(outer)
    cont = store.adopt("k")
    first, second = cont.frames
    assert first.code.co_name == "inner" and second.code.co_name == "outer"
    assert first.lineno == inner.__code__.co_firstlineno + 1
    assert second.lineno == outer.__code__.co_firstlineno + 2
    assert first.locals["x"] is second.locals["a"]
    assert first.locals["y"] == 5
    assert "got" not in first.locals and "x" in first.locals and "nothing" not in first.locals
    assert {"x", "y"} <= set(first.locals) and len(first.locals) == len(list(first.locals))
    first.locals["y"] = "assigned"
    second.locals["a"].append(3)
    with pytest.raises(KeyError):
        first.locals["nothing"]
    with pytest.raises(KeyError):
        first.locals["nothing"] = 1
    assert cont.resume(0) == (([1, 2, 3], "assigned", 0), [1, 2, 3])


def test_deleted_local_is_unbound_after_resume(store):
    def job():
        x = 1
        store.capture(key="k")
        return x

    torpor.run(job)
    cont = store.adopt("k")
    del cont.frames[0].locals["x"]
    with pytest.raises(UnboundLocalError):
        cont.resume()


def test_cell_of_a_frame_is_a_local(store):
    def outer():
        shared = 1

        def inner():
            store.capture(key="k")
            return shared

        return inner(), shared

    torpor.run(outer)
    cont = store.adopt("k")
    assert cont.frames[0].locals["shared"] == 1
    cont.frames[0].locals["shared"] = 2
    assert cont.frames[1].locals["shared"] == 2
    assert cont.resume() == (2, 2)


def test_locals_outlive_the_continuation_and_the_store(stores):
    import numpy
    with torpor.Store("gone") as store:

        def job():
            a = numpy.arange(100_000)
            store.capture(key="k")
            return a

        torpor.run(job)
        array = store.adopt("k").frames[0].locals["a"]
        store.destroy()
    assert array.sum() == 4999950000
    array[:] = 1
    assert array.sum() == 100_000


# Boundaries


def test_main_module_frame_is_included(stores):
    run("""
        import torpor
        values = [1]
        for i in range(3):
            values.append(i)
            if i == 1:
                snapshot = torpor.capture(key="k")
        print(values, [f.function for f in snapshot.frames] if snapshot else None)
        """)
    assert run("import torpor; torpor.adopt('k').resume()") == "[1, 0, 1, 2] None\n"


def test_function_under_main_module_takes_the_module_along(stores):
    out = run("""
        import torpor
        def job(n):
            got = torpor.capture(key="k")
            return n if isinstance(got, torpor.Snapshot) else got
        before = "before"
        result = job(5)
        print([before, result])
        print([f.function for f in torpor.Store()["k"].frames])
        """)
    assert out.splitlines() == ["['before', 5]", "['job', '<module>']"]
    out = run("import torpor; torpor.adopt('k').resume('R')")
    assert out.splitlines()[0] == "['before', 'R']"


def test_thread_function_is_a_boundary(stores):
    run("""
        import threading, torpor
        def job(n):
            torpor.capture(key="k")
            results.append(n * 2)
            return n * 3
        def target(n):
            return job(n) + 1
        results = []
        thread = threading.Thread(target=target, args=(5,))
        thread.start()
        thread.join()
        assert results == [10]
        assert [f.function for f in torpor.Store()["k"].frames] == ["job", "target"]
        """)
    assert resume("k") == "16"


def test_bare_thread_is_a_boundary(stores):
    run("""
        import _thread, time, torpor
        done = []
        def target(n):
            torpor.capture(key="k")
            done.append(n)
            return n
        _thread.start_new_thread(target, (7,))
        while not done:
            time.sleep(0.001)
        """)
    assert resume("k") == "7"


# Refusals: C code in between


def test_generator_that_c_code_runs_is_refused(stores):
    run(REFUSED + """
import itertools
def numbers():
    yield 1
    yield torpor.capture(key="k")
def job():
    for n in itertools.zip_longest(numbers(), ()):
        pass
attempt(job, "numbers")
attempt(lambda: list(itertools.islice(numbers(), 2)), "numbers")
""")


def test_sort_key_is_refused(stores):
    run(REFUSED + """
def key(x):
    torpor.capture(key="k")
    return x
def job():
    return sorted([3, 1, 2], key=key)
attempt(job, "job")
attempt(lambda: list(map(key, [1])), "lambda")
""")


def test_special_methods_in_the_middle_of_c_code_are_refused_cold_and_warm(stores):
    run(REFUSED + """
armed = False
class Thing:
    def note(self, result):
        if armed:
            torpor.capture(key="k")
        return result
    def __hash__(self):
        return self.note(1)
    def __eq__(self, other):
        return self.note(True)
    def __format__(self, spec):
        return self.note("thing")
thing = Thing()
def by_key():
    return {(thing, 1): 1}
def by_search():
    return [1].index(thing)
def by_format():
    return "{} {}".format(thing, thing)
jobs = [by_key, by_search, by_format]
for warm in (False, True):
    armed = True
    for job in jobs:
        attempt(job)
    armed = False
    for _ in range(200):
        for job in jobs:
            job()
""")


def test_target_has_to_be_a_frame_of_this_thread(store):
    for wrong in (5, "key", object(), len):
        with pytest.raises((TypeError, torpor.CaptureError)):
            store.capture(wrong)
    assert len(store.snapshots()) == 0


def test_frame_of_the_own_stack_can_be_the_target(stores):
    run("""
        import sys, torpor
        def inner():
            snapshot = torpor.capture(sys._getframe(1), key="k")
            assert [f.function for f in snapshot.frames] == ["outer"], snapshot.frames
            return "inner"
        def outer():
            got = inner()
            return got, "outer"
        torpor.run(outer)
        """)
    out = run("import torpor; print(torpor.adopt('k').resume('given'))")
    assert literal(out) == ("given", "outer")

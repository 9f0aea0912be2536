"""A resumed stack goes on exactly as the original does: every construct, its result, its exceptions, its frames."""

import ast
import pathlib

import pytest
from processes import finish, literal, resume, run, start

SOURCE = pathlib.Path(__file__).with_name("jobs.py").read_text()
JOBS = [node.name for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef) and node.name.startswith("job_")]

# Runs one job in a process of its own; "warm" means specialised code, as in any program that has run for a while.
PRODUCER = SOURCE + """
if __name__ == "__main__":
    import sys
    job = globals()[sys.argv[1]]
    if sys.argv[2] == "warm":
        for _ in range(60):
            job()
    KEY = sys.argv[1]
    LOG.clear()
    print(repr(torpor.run(job)))
"""


@pytest.mark.parametrize("how", ["cold", "warm"])
@pytest.mark.parametrize("job", JOBS)
def test_every_construct_goes_on_as_the_original(stores, job, how):
    expected = run(PRODUCER, job, how).rstrip("\n")
    assert resume(job) == expected
    assert resume(job) == expected  # a snapshot is not used up


def test_value_is_delivered_into_the_suspended_call(stores):
    run("""
        import torpor
        def job():
            got = [torpor.capture(key="k")]
            return "original" if isinstance(got[0], torpor.Snapshot) else ("resumed", got)
        assert torpor.run(job) == "original"
        """)
    out = run("""
        import torpor
        print([torpor.adopt("k").resume(), torpor.adopt("k").resume(None), torpor.adopt("k").resume(7),
               torpor.adopt("k").resume(value={"a": [1]})])
        """)
    assert literal(out) == [("resumed", [None])] * 2 + [("resumed", [7]), ("resumed", [{"a": [1]}])]


def test_exception_is_delivered_into_the_suspended_call(stores):
    run("""
        import torpor
        def job():
            try:
                torpor.capture(key="k")
            except ValueError as error:
                return "caught", error.args
            return "nothing"
        torpor.run(job)
        """)
    out = run("""
        import torpor
        print(torpor.adopt("k").throw(ValueError("in", 1)), torpor.adopt("k").throw(ValueError))
        cont = torpor.adopt("k")
        error = KeyError("through")
        try:
            cont.throw(error)
        except KeyError as caught:
            names = []
            traceback = caught.__traceback__
            while traceback:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            print(caught is error, names)
        """)
    first, second = out.strip().splitlines()
    assert first == "('caught', ('in', 1)) ('caught', ())"
    assert second == "True ['<module>', 'job', 'capture']" or second == "True ['<module>', 'job']"


def test_program_exception_leaves_resume_with_its_traceback(stores):
    run("""
        import torpor
        def inner():
            torpor.capture(key="k")
            return 1 / 0
        def outer():
            return inner()
        try:
            torpor.run(outer)
        except ZeroDivisionError:
            pass
        """)
    out = run("""
        import torpor, traceback
        def caller():
            return torpor.adopt("k").resume()
        try:
            caller()
        except ZeroDivisionError as error:
            frames = traceback.extract_tb(error.__traceback__)
            print([(f.name, f.lineno) for f in frames if "script_0" in f.filename or f.name in ("inner", "outer")])
            print(error.__context__)
        """)
    names, context = out.strip().splitlines()
    assert [name for name, _ in literal(names)][-3:] == ["caller", "outer", "inner"]
    assert dict(literal(names))["inner"] == 5
    assert context == "None"


def test_f_back_and_stack_are_the_resumed_ones(stores):
    run("""
        import sys, torpor
        def inner():
            torpor.capture(key="k")
            names, frame = [], sys._getframe()
            while frame:
                names.append(frame.f_code.co_name)
                frame = frame.f_back
            return names
        def middle():
            return inner()
        def outer():
            return middle()
        print(torpor.run(outer))
        """)
    out = run("""
        import torpor
        def caller():
            return torpor.adopt("k").resume()
        print(caller())
        """)
    assert literal(out)[:4] == ["inner", "middle", "outer", "caller"]
    assert literal(out)[-1] == "<module>"


def test_recursion_limit_counts_resumed_frames(stores):
    run("""
        import torpor
        def job(n):
            if n:
                return job(n - 1)
            torpor.capture(key="k")
            def down(depth):
                return down(depth + 1)
            try:
                down(0)
            except RecursionError:
                return "limit"
        print(torpor.run(job, 300))
        """)
    assert resume("k") == "'limit'"


def test_capture_inside_a_resumed_stack(stores):
    run("""
        import torpor
        def job():
            out = []
            for step in range(6):
                out.append(step)
                torpor.capture(key=f"step {step}")
            return out
        assert torpor.run(job) == [0, 1, 2, 3, 4, 5]
        """)
    for step in range(3):  # each process captures again what the one before captured
        run("import sys, torpor; torpor.adopt(sys.argv[1]).resume()", f"step {step}")
    assert resume("step 3") == "[0, 1, 2, 3, 4, 5]"


def test_resumed_stack_is_a_boundary_of_its_own(stores):
    run("""
        import torpor
        def job():
            torpor.capture(key="k")
            return len(torpor.capture(key="again").frames)
        assert torpor.run(job) == 1
        """)
    out = run("""
        import torpor
        def deep(n):
            return deep(n - 1) if n else torpor.adopt("k").resume()
        print(deep(5))
        """)
    assert literal(out) == 1


def test_resumed_stack_can_be_resumed_from_inside_another(stores):
    run("""
        import torpor
        def job(n):
            torpor.capture(key=f"k{n}")
            return n + (torpor.adopt(f"k{n - 1}").resume() if n else 0)
        for n in range(5):
            torpor.run(job, n)
        """)
    assert resume("k4") == "10"


def test_twice_is_refused(stores):
    run("""
        import torpor
        def job():
            torpor.capture(key="k")
            return 1
        torpor.run(job)
        cont = torpor.adopt("k")
        assert not cont.resumed and cont.resume() == 1 and cont.resumed
        for again in (cont.resume, lambda: cont.throw(ValueError())):
            try:
                again()
            except torpor.AlreadyResumed as error:
                assert error.status == 401
            else:
                raise AssertionError
        """)


def test_generators_and_threads_work_after_resume(stores):
    """What could not travel is made by the resumed code itself."""
    run("""
        import threading, torpor
        def job():
            torpor.capture(key="k")
            found = []
            thread = threading.Thread(target=lambda: found.extend(x * x for x in range(4)))
            thread.start()
            thread.join()
            return found
        torpor.run(job)
        """)
    assert resume("k") == "[0, 1, 4, 9]"


def test_many_processes_resume_one_snapshot_at_once(stores):
    run("""
        import torpor
        def job():
            total = 0
            for i in range(1000):
                if i == 500:
                    torpor.capture(key="k")
                total += i
            return total
        torpor.run(job)
        """)
    consumers = [start("import torpor; print(torpor.adopt('k').resume())") for _ in range(6)]
    assert [literal(finish(process)) for process in consumers] == [499500] * 6


def test_dropping_a_continuation_runs_nothing(stores):
    out = run("""
        import gc, torpor
        class Guard:
            def __enter__(self):
                return self
            def __exit__(self, *exc):
                print("exit")
        def job():
            try:
                with Guard():
                    torpor.capture(key="k")
            finally:
                print("finally")
        torpor.run(job)
        print("dropping")
        cont = torpor.adopt("k")
        frames = cont.frames
        del cont, frames
        gc.collect()
        print("dropped")
        """)
    assert out.split() == ["exit", "finally", "dropping", "dropped"]


def test_tracing_and_profiling_see_resumed_frames(stores):
    run("""
        import torpor
        def job():
            torpor.capture(key="k")
            a = 1
            b = 2
            return a + b
        torpor.run(job)
        """)
    out = run("""
        import sys, torpor
        seen = set()
        def tracer(frame, event, argument):
            seen.add((frame.f_code.co_name, event))
            return tracer
        cont = torpor.adopt("k")
        sys.settrace(tracer)
        result = cont.resume()
        sys.settrace(None)
        print(result)
        """)
    assert literal(out) == 3

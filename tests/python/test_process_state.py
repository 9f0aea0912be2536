"""What the library keeps for the whole process (numbers of `random` and `numpy.random`, filters of `warnings`, limits) goes
on with a resumed stack, and the process that resumes it has its own again afterwards."""

import sys
import warnings

import pytest
import torpor
from processes import literal, run

DRAWS = """
import random, sys, torpor{numpy}
{before}
def job():
    drawn = []
    for step in range(4):
        drawn.append({draw})
        if step in (1, 2):
            torpor.capture(key=f"at {{step}}")
    return drawn
random.seed(3); {seed}
print(repr(torpor.run(job)))
"""
RESUMES = """
import random, sys, torpor, warnings
{before}
own = {state}
results = [torpor.adopt(key).resume() for key in sys.argv[1:]]
print(repr((results, {state} == own)))
"""
CASES = {
    "random": ("", "", "random.random()", "random.getstate()"),
    "random, used by the adopter too": ("", "random.seed(9); random.random()", "random.random()", "random.getstate()"),
    "numpy": (", numpy", "import numpy", "numpy.random.rand()", "repr(numpy.random.get_state())"),
    "numpy, imported later": ("", "import numpy", "numpy.random.rand()", "repr(numpy.random.get_state())"),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_go_on(case, stores):
    """Adopted again and again, each time from the place of the capture; one capture was made by a resumed stack."""
    numpy, before, draw, state = CASES[case]
    script = DRAWS.format(numpy=numpy, before=before, draw=draw, seed="numpy.random.seed(4)" if "numpy" in draw else "")
    expected = literal(run(script))
    results, same = literal(run(RESUMES.format(before=before, state=state), "at 1", "at 2", "at 1"))
    assert results == [expected] * 3 and same
    assert literal(run(RESUMES.format(before=before, state=state), "at 2")) == ([expected], True)


def test_a_child_of_a_fork_has_drawn_nothing(stores):
    """Though the module seeds its generator there; what the parent had drawn is not the child's."""
    script = """
    import os, random, torpor
    def job():
        sizes = [len(bytes(torpor.capture(key="k")))]
        random.random()
        sizes.append(len(bytes(torpor.capture(key="k"))))
        return sizes
    if os.fork() == 0:
        print(repr(torpor.run(job)), flush=True)
        os._exit(0)
    os.wait()
    random.random()
    if os.fork() == 0:
        print(repr(torpor.run(job)), flush=True)
        os._exit(0)
    os.wait()
    """
    (first, second), (third, fourth) = map(literal, run(script).splitlines())
    assert first + 2000 < min(second, third, fourth)


def test_an_adopter_without_numpy_imports_it(stores):
    script = DRAWS.format(numpy=", numpy", before="", draw="numpy.random.rand()", seed="numpy.random.seed(4)")
    expected = literal(run(script))
    assert literal(run(RESUMES.format(before="", state="1"), "at 1")) == ([expected], True)


def test_a_resume_that_fails_half_way_leaves_the_process_its_own(stores):
    """Where numpy cannot be imported, `random` has its own numbers again."""
    run(DRAWS.format(numpy=", numpy", before="", draw="numpy.random.rand()", seed="numpy.random.seed(4)"))
    script = """
    import random, sys, torpor
    continuation, own = torpor.adopt("at 1"), random.getstate()
    sys.modules["numpy.random"] = None
    try:
        continuation.resume()
    except ImportError:
        print(random.getstate() == own)
    """
    assert run(script) == "True\n"


def test_what_raises_leaves_the_process_its_own(stores):
    draws = DRAWS.format(numpy="", before="", draw="random.random() if step < 3 else 1 / 0", seed="")
    run(draws.replace("print(repr(torpor.run(job)))", "try: torpor.run(job)\nexcept ZeroDivisionError: pass"))
    script = """
    import random, sys, torpor
    own = random.getstate()
    try:
        torpor.adopt("at 1").resume()
    except ZeroDivisionError:
        print(random.getstate() == own)
    """
    assert run(script) == "True\n"


def test_a_process_that_draws_nothing_brings_nothing(stores):
    """Not even with both modules imported; what is drawn brings some kilobytes."""
    script = """
    import numpy.random, random, torpor
    def job():
        sizes = []
        for draw in (None, None, numpy.random.rand):
            if draw is not None:
                draw()
            sizes.append(len(bytes(torpor.capture(key="k"))))
        return sizes
    print(repr(torpor.run(job)))
    """
    first, second, drawn = literal(run(script))
    assert abs(first - second) < 200 < 2000 < drawn - first


WARNS = """
import torpor, warnings
def job():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torpor.capture(key="w")
        warnings.warn("w")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torpor.capture(key="e")
        warnings.warn("e")
try: torpor.run(job)
except UserWarning as warning: print(repr(str(warning)))
"""


def test_filters_are_the_stacks_own(stores):
    assert literal(run(WARNS)) == "e"
    script = """
    import torpor, warnings
    own = warnings.filters, list(warnings.filters), warnings.showwarning, warnings._showwarnmsg_impl
    raised = []
    for key in ("w", "e", "w"):
        try:
            torpor.adopt(key).resume()
        except UserWarning as warning:
            raised.append(str(warning))
    now = warnings.filters, list(warnings.filters), warnings.showwarning, warnings._showwarnmsg_impl
    print(repr((raised, now[0] is own[0], now == own)))
    """
    assert literal(run(script)) == (["e"] * 3, True, True)


def test_who_records_around_the_boundary_is_left_alone(store):
    """What is recorded below the captured frames does not come with them."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("is kept")
        snapshot = torpor.run(lambda: store.capture(key="inside"))
    assert b"is kept" not in bytes(snapshot) and [str(warning.message) for warning in seen] == ["is kept"]


LIMITS = """
import csv, sys, torpor
def deep(n):
    return n and 1 + deep(n - 1)
def descend(n):
    return descend(n - 1) if n else job()
def job():
    torpor.capture(key="limits")
    rows = list(csv.reader(["a;b"], "own"))
    try:
        list(csv.reader(["x" * 21]))
    except csv.Error as error:
        return deep(4000), len(str(10**5000)), rows, str(error), csv.list_dialects()
sys.setrecursionlimit(9000)
sys.set_int_max_str_digits(6000)
csv.field_size_limit(20)
csv.register_dialect("own", delimiter=";")
print(repr(torpor.run(descend, 3000)))
"""


def test_limits_are_the_stacks_own(stores):
    """Deep calls, long numbers, and what csv was told; resumed deeper than this process lets others be."""
    expected = literal(run(LIMITS))
    assert expected[0] == 4000 and expected[2] == [["a", "b"]]
    script = """
    import sys, torpor
    {imports}
    def limits():
        import csv
        return sys.getrecursionlimit(), sys.get_int_max_str_digits(), csv.field_size_limit(), csv.list_dialects()
    sys.set_int_max_str_digits(5000)
    results = [torpor.adopt("limits").resume() for _ in range(2)]
    print(repr((results, limits())))
    """
    own = 1000, 5000, 131072, ["excel", "excel-tab", "unix"]
    for imports in ("", "import csv"):
        assert literal(run(script.format(imports=imports))) == ([expected] * 2, own)


def test_the_limit_of_depth_is_never_lowered(stores):
    """Other threads are deep in calls already, which the process has promised them."""
    run("""
    import sys, torpor
    def job():
        torpor.capture(key="low")
        return sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    torpor.run(job)
    """)
    assert literal(run("import torpor; print(torpor.adopt('low').resume())")) == 1000


def test_the_limit_of_depth_stays_while_another_thread_needs_it(stores):
    """Two threads resume deep stacks; the first that ends leaves the other what it was promised."""
    run("""
    import sys, torpor
    def deep(n):
        return n and 1 + deep(n - 1)
    def descend(n):
        return descend(n - 1) if n else job()
    def job():
        wait = torpor.capture(key="deep")
        if callable(wait):
            wait()
        return deep(1000), sys.getrecursionlimit()
    sys.setrecursionlimit(9000)
    torpor.run(descend, 3000)
    """)
    script = """
    import sys, threading, torpor
    threading.stack_size(256 << 20)
    first, second, gone = torpor.adopt("deep"), torpor.adopt("deep"), threading.Event()
    waits, found = threading.Event(), []
    def stay():
        waits.set()
        gone.wait(60)
    def go():
        found.append(second.resume(stay))
    thread = threading.Thread(target=go)
    thread.start()
    waits.wait(60)
    own = first.resume()
    gone.set()
    thread.join()
    print(repr((own, found, sys.getrecursionlimit())))
    """
    assert literal(run(script)) == ((1000, 9000), [(1000, 9000)], 1000)


CHANGING = """
import sys, torpor, warnings
path, taken, refused = {path!r}, [], []
def heard(frame, event, arg):
    if frame.f_code.co_name not in ("__enter__", "__exit__") or "warnings" not in frame.f_code.co_filename:
        return None
    def at_line(frame, event, arg):
        if event == "line":
            try:
                image = torpor.dumps(frame)
            except torpor.CaptureError as error:
                refused.append(str(error))
            else:
                with open(f"{path}{len(taken)}", "wb") as file:
                    file.write(image)
                taken.append(frame.f_lineno)
        return at_line
    return at_line
def job():
    sys.settrace(heard)
    with warnings.catch_warnings(record=True) as caught:
        sys.settrace(None)
        warnings.simplefilter("always")
        warnings.warn("x")
        sys.settrace(heard)
    sys.settrace(None)
    return [str(one.message) for one in caught]
print(repr((torpor.run(job), len(taken), refused)))
"""


def test_filters_are_being_changed(stores):
    """At each line of what changes them: it goes on, or, while the interpreter's own lock is held, is refused."""
    path = str(stores / "taken")
    result, taken, refused = literal(run(CHANGING.replace("{path!r}", repr(path))))
    assert result == ["x"] and taken > 4
    assert all("_Lock cannot be captured: it may be held" in one or "lock that only the interpreter knows" in one for one in refused)
    assert bool(refused) == (sys.version_info >= (3, 14))
    script = f"""
    import torpor
    print(repr([torpor.load({path!r} + str(n)).adopt().resume() for n in range({taken})]))
    """
    assert literal(run(script)) == [["x"]] * taken


PACKAGE = """
import threading, weakref
from . import core
notes, seen, named = weakref.WeakKeyDictionary(), weakref.WeakSet(), weakref.WeakValueDictionary()
current = threading.local()
others = threading.local()
"""
CORE = """
import sys, threading, torpor
lock = threading.Lock
def current():
    return sys.modules["settings"].current
class Settings:
    def __init__(self, value):
        self.value = value
    def __enter__(self):
        self.before = getattr(current(), "stack", None)
        current().stack = [*(self.before or ()), self]
    def __exit__(self, *_):
        assert current().stack.pop() is self
        if self.before is None:
            del current().stack
def run(work):
    with Settings(3):
        return work()
def scope(value):
    with Settings(value):
        yield value
class Bar:
    shown = 0
    @classmethod
    def lock(cls):
        if not hasattr(cls, "_lock"):
            cls._lock = threading.RLock()
            cls._pipe = open(1, "wb", closefd=False)
        return cls._lock
    def __iter__(self):
        settings = sys.modules["settings"]
        with self.lock():
            settings.notes[self] = ["noted"]
            settings.seen.add(self)
            settings.named["bar"] = self
        yield from range(3)
        with self._lock:
            settings.seen.remove(self)
            yield settings.notes[self], settings.named["bar"] is self
"""


@pytest.fixture
def package(tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "__init__.py").write_text(PACKAGE)
    (tmp_path / "settings" / "core.py").write_text(CORE)
    return f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torpor, socket\n"


@pytest.mark.parametrize("work", ["settings.core.run(job)", "outer()"])
def test_thread_locals_of_packages_that_run_go_on(package, work, stores):
    """Where a frame of the package is captured, or a generator of its code is held; what cannot travel is left out."""
    script = f"""
{package}
import settings
settings.others.connected = socket.socketpair()
def job():
    torpor.capture(key="k")
    return [one.value for one in settings.current.stack], hasattr(settings.others, "connected")
def outer():
    scope = settings.core.scope(4)
    next(scope)
    found = job()
    scope.close()
    return found
def main():
    return {work}
print(repr((torpor.run(main), vars(settings.current))))
"""
    expected = [3 if "run" in work else 4]
    assert literal(run(script)) == ((expected, True), {})
    script = f"""
{package}
import settings
settings.current.stack = "own"
found = torpor.adopt("k").resume()
print(repr((found, vars(settings.current), vars(settings.others))))
"""
    assert literal(run(script)) == ((expected, False), {"stack": "own"}, {})
    # An adopter that has not imported the package yet imports it.
    assert literal(run(f"{package}print(repr(torpor.adopt('k').resume()))")) == (expected, False)


def test_what_a_package_has_gained_goes_on(package, stores):
    """An attribute that a class's own method has set, entries of the module's weak containers for what travels."""
    script = f"""
{package}
import settings
other = settings.core.Settings(1)
settings.notes[other] = "not theirs"
def job():
    found = []
    for item in settings.core.Bar():
        if item == 1:
            torpor.capture(key="k")
        found.append(item)
    return found
print(repr((torpor.run(job), len(settings.notes))))
"""
    expected = [0, 1, 2, (["noted"], True)]
    assert literal(run(script)) == (expected, 1)
    script = f"""
{package}
import settings
results = [torpor.adopt("k").resume() for _ in range(2)]
print(repr((results, len(settings.notes), hasattr(settings.core.Bar, "_pipe"))))
"""
    assert literal(run(script)) == ([expected] * 2, 0, False)


def test_threads_capture_while_others_are_asked_for_limits(stores):
    """The look at csv runs in Python: another thread may capture meanwhile."""
    script = """
    import csv, sys, threading, torpor
    def job(name):
        for _ in range(300):
            torpor.capture(key=name)
        return name
    results = []
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=lambda name=name: results.append(torpor.run(job, name))) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(repr(sorted(results)))
    """
    assert literal(run(script)) == list("abcd")

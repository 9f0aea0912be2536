"""Capture, adopt and resume beside pickle, cloudpickle, a plain call and memcpy.

One run, everything in turn, medians and ratios: machines are shared and noisy, so figures of one run
are compared with each other and with nothing else. Run: make bench
"""

import gc
import mmap
import pickle
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cloudpickle
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import torpor  # noqa: E402
import workload  # noqa: E402

clock = time.perf_counter_ns


def per_call(function, calls):
    start = clock()
    for _ in range(calls):
        function()
    return (clock() - start) / calls


def side_by_side(functions, rounds, calls, inside=None):
    """Median time of a call in ns of each function; they take turns, round by round.

    inside: functions that take their own time, and say what one of their n calls took.
    """
    inside = inside or {}
    times = {name: [] for name in [*functions, *inside]}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(per_call(function, calls))
        for name, function in inside.items():
            times[name].append(function(calls))
    return {name: statistics.median(t) for name, t in times.items()}


def show(title, rows):
    print(f"\n{title}")
    for name, ns, note in rows:
        text = f"{ns / 1e6:10.2f} ms" if ns >= 1e6 else f"{ns / 1e3:10.2f} us"
        print(f"  {name:44} {text}   {note}")


def small(store):
    ten = workload.TEN
    dumped, clouded = pickle.dumps(ten, 5), cloudpickle.dumps(ten)
    torpor.run(workload.ten_locals)
    args = (1, 2, 3, 1.0, 2.0, 3.0, "a", "b", "c")
    t = side_by_side(
        {
            "pickle.dumps": lambda: pickle.dumps(ten, 5),
            "cloudpickle.dumps": lambda: cloudpickle.dumps(ten),
            "capture": lambda: torpor.run(workload.ten_locals),
            "run": lambda: torpor.run(workload.plain, *args),
            "pickle.loads": lambda: pickle.loads(dumped),
            "cloudpickle.loads": lambda: cloudpickle.loads(clouded),
            "adopt": lambda: store.adopt("bench"),
            "adopt + resume": lambda: store.adopt("bench").resume(None),
            "plain call": lambda: workload.plain(*args),
        },
        rounds=31,
        calls=2000,
        inside={"inside": lambda n: torpor.run(workload.ten_locals_inside, n)[0]},
    )
    dumps, loads = t["pickle.dumps"], t["pickle.loads"]
    show(
        "A frame with 10 small locals",
        [
            ("pickle.dumps, protocol 5", dumps, "1.00x"),
            ("cloudpickle.dumps", t["cloudpickle.dumps"], f"{t['cloudpickle.dumps'] / dumps:.2f}x"),
            ("capture", t["inside"], f"{t['inside'] / dumps:.2f}x of pickle.dumps"),
            ("  with torpor.run and the call of the function", t["capture"], f"{t['capture'] / dumps:.2f}x"),
            ("  torpor.run of a plain function alone", t["run"], ""),
            ("pickle.loads", loads, "1.00x"),
            ("cloudpickle.loads", t["cloudpickle.loads"], f"{t['cloudpickle.loads'] / loads:.2f}x"),
            ("adopt", t["adopt"], f"{t['adopt'] / loads:.2f}x of pickle.loads"),
            ("adopt + resume", t["adopt + resume"], f"{t['adopt + resume'] / loads:.2f}x of pickle.loads"),
            ("a plain call", t["plain call"], ""),
        ],
    )


STORE = None


def ten_locals_of_main(n):
    """As `workload.ten_locals_inside`; a function of a script travels by value, with the globals that it uses."""
    i, j, k, l = 1, 200_000, -5, 1 << 40
    x, y, z = 1.5, 2.5, 1e300
    a, b, c = "hello", "some text here", "third one"
    start = clock()
    for _ in range(n):
        STORE.capture(key="bench")
    took = (clock() - start) / n
    return took, i, j, k, l, x, y, z, a, b, c


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def object_of_main(n):
    """A local that has to be walked, of a class that travels by value."""
    point, names, place = Point(1, 2.5), {"a": [1, 2], "b": (3, "x")}, "here"
    start = clock()
    for _ in range(n):
        STORE.capture(key="bench")
    took = (clock() - start) / n
    return took, point, names, place


def of_script(store):
    ten, point = workload.TEN, {"point": Point(1, 2.5), "names": {"a": [1, 2], "b": (3, "x")}, "place": "here"}
    for title, function, values in (
        ("A frame with 10 small locals, its function in __main__", ten_locals_of_main, ten),
        ("A frame with an object and a dict, function and class in __main__", object_of_main, point),
    ):
        torpor.run(function, 10)
        dumped, clouded = pickle.dumps(values, 5), cloudpickle.dumps(values)
        t = side_by_side(
            {
                "pickle.dumps": lambda values=values: pickle.dumps(values, 5),
                "cloudpickle.dumps": lambda values=values: cloudpickle.dumps(values),
                "pickle.loads": lambda dumped=dumped: pickle.loads(dumped),
                "cloudpickle.loads": lambda clouded=clouded: cloudpickle.loads(clouded),
                "adopt": lambda: store.adopt("bench"),
                "adopt + resume": lambda: store.adopt("bench").resume(None),
            },
            rounds=31,
            calls=500,
            inside={"capture": lambda n, function=function: torpor.run(function, n)[0]},
        )
        dumps, loads = t["pickle.dumps"], t["pickle.loads"]
        show(
            title,
            [
                ("pickle.dumps, which names function and class", dumps, "1.00x"),
                ("cloudpickle.dumps", t["cloudpickle.dumps"], f"{t['cloudpickle.dumps'] / dumps:.2f}x"),
                ("capture", t["capture"], f"{t['capture'] / dumps:.2f}x of pickle.dumps"),
                ("pickle.loads", loads, "1.00x"),
                ("cloudpickle.loads", t["cloudpickle.loads"], f"{t['cloudpickle.loads'] / loads:.2f}x"),
                ("adopt", t["adopt"], f"{t['adopt'] / loads:.2f}x of pickle.loads"),
                ("adopt + resume", t["adopt + resume"], f"{t['adopt + resume'] / loads:.2f}x of pickle.loads"),
            ],
        )


def deep(store):
    stack = [dict(depth=d, i=d, x=1.5 * d, a="text") for d in range(9)] + [workload.TEN]
    dumped = pickle.dumps(stack, 5)
    torpor.run(workload.deep, 10, 1, 1.5, "text")
    t = side_by_side(
        {
            "pickle.dumps": lambda: pickle.dumps(stack, 5),
            "cloudpickle.dumps": lambda: cloudpickle.dumps(stack),
            "capture": lambda: torpor.run(workload.deep, 10, 1, 1.5, "text"),
            "pickle.loads": lambda: pickle.loads(dumped),
            "adopt": lambda: store.adopt("bench"),
            "adopt + resume": lambda: store.adopt("bench").resume(None),
        },
        rounds=31,
        calls=500,
    )
    dumps, loads = t["pickle.dumps"], t["pickle.loads"]
    show(
        "A stack of 10 frames",
        [
            ("pickle.dumps of the same locals", dumps, "1.00x"),
            ("cloudpickle.dumps", t["cloudpickle.dumps"], f"{t['cloudpickle.dumps'] / dumps:.2f}x"),
            ("capture (with the 10 calls)", t["capture"], f"{t['capture'] / dumps:.2f}x of pickle.dumps"),
            ("pickle.loads", loads, "1.00x"),
            ("adopt", t["adopt"], f"{t['adopt'] / loads:.2f}x of pickle.loads"),
            ("adopt + resume", t["adopt + resume"], f"{t['adopt + resume'] / loads:.2f}x of pickle.loads"),
        ],
    )


def arrays(store, megabytes, rounds):
    n = megabytes << 20
    u = np.arange(n // 8, dtype=np.float64)
    name = f"{megabytes} MB" if megabytes < 1000 else f"{megabytes // 1024} GB"
    # Warm shared memory to copy into: a store's array would do, a shared mapping is plainer.
    warm = np.frombuffer(mmap.mmap(-1, n), dtype=np.float64)
    np.copyto(warm, u)
    torpor.run(workload.array, u, 1)
    functions = {
        "memcpy": lambda: np.copyto(warm, u),
        "capture": lambda: torpor.run(workload.array, u, 1),
        "adopt": lambda: store.adopt("bench"),
        "adopt + resume": lambda: store.adopt("bench").resume(None),
    }
    if megabytes <= 100:
        dumped = pickle.dumps(u, 5)
        functions["pickle.dumps"] = lambda: pickle.dumps(u, 5)
        functions["pickle.loads"] = lambda: pickle.loads(dumped)
    t = side_by_side(functions, rounds=rounds, calls=1)
    rows = [
        ("memcpy into warm shared memory", t["memcpy"], "1.00x"),
        ("capture", t["capture"], f"{t['capture'] / t['memcpy']:.2f}x of memcpy"),
        ("adopt", t["adopt"], ""),
        ("adopt + resume", t["adopt + resume"], ""),
    ]
    if "pickle.dumps" in t:
        rows.insert(2, ("pickle.dumps, protocol 5", t["pickle.dumps"], f"{t['pickle.dumps'] / t['memcpy']:.2f}x of memcpy"))
        rows.append(("pickle.loads", t["pickle.loads"], ""))
    show(f"An array of {name}", rows)


def timed(function):
    start = clock()
    function()
    return clock() - start


def handed_over(store, megabytes, rounds):
    """Arrays that live in the store: a capture hands them over. What the program pays afterwards is shown too."""
    n = megabytes << 17
    source = np.arange(n, dtype=np.float64)
    warm = np.frombuffer(mmap.mmap(-1, n * 8), dtype=np.float64)
    np.copyto(warm, source)
    times = {}

    def note(name, function):
        times.setdefault(name, []).append(timed(function))

    for _ in range(rounds):
        note("memcpy", lambda: np.copyto(warm, source))
        note("capture, copied", lambda: torpor.run(workload.array, source, 1))
        made = []
        note("make", lambda: made.append(store.empty(n)))
        note("fill", lambda: made[0].fill(1))
        note("hand over", lambda: torpor.run(workload.array, made[0], 1))
        note("read", lambda: made[0][::512].sum())
        note("write a tenth", lambda: made[0][: n // 10 : 512].fill(2))
        note("write all", lambda: made[0].fill(3))
        note("capture again", lambda: torpor.run(workload.array, made[0], 1))
        note("drop", made.clear)
        note("make, numpy", lambda: made.append(np.empty(n)))
        note("fill, numpy", lambda: made[0].fill(1))
        made.clear()
    t = {name: statistics.median(all_) for name, all_ in times.items()}
    of = lambda name: f"{t[name] / t['memcpy']:.3f}x of memcpy"  # noqa: E731
    show(
        f"An array of {megabytes} MB that lives in the store",
        [
            ("memcpy into warm shared memory", t["memcpy"], "1.00x"),
            ("capture of an ordinary array (copied)", t["capture, copied"], of("capture, copied")),
            ("capture of the store's array (handed over)", t["hand over"], of("hand over")),
            ("  then reading every page", t["read"], of("read")),
            ("  then writing to a tenth of the pages", t["write a tenth"], of("write a tenth")),
            ("  then writing everything", t["write all"], of("write all")),
            ("  the next capture of it (copied)", t["capture again"], of("capture again")),
            ("store.empty and first fill", t["make"] + t["fill"], ""),
            ("numpy.empty and first fill", t["make, numpy"] + t["fill, numpy"], ""),
            ("dropping it", t["drop"], ""),
        ],
    )


def adopt_by_size(store):
    """Adopting does not depend on the size: all sizes take turns, each under its own key."""
    sizes = {"1 KB": 1 << 10, "1 MB": 1 << 20, "100 MB": 100 << 20, "1 GB": 1 << 30}
    for name, n in sizes.items():
        torpor.run(workload.array, np.ones(n // 8), 1, name)
    t = side_by_side({name: (lambda name=name: store.adopt(name)) for name in sizes}, rounds=101, calls=20)
    first = t["1 KB"]
    show("Adopting, by the size of the array", [(name, ns, f"{(ns - first) / 1e3:+.2f} us") for name, ns in t.items()])


def main():
    gc.disable()
    directory = tempfile.mkdtemp(prefix="torpor-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    global STORE
    store = STORE = workload.store = torpor.Store("bench", dir=directory, capacity="6 GiB")
    print(f"torpor {torpor.__version__}, {platform.python_implementation()} {platform.python_version()}, numpy {np.__version__}")
    try:
        small(store)
        of_script(store)
        deep(store)
        arrays(store, 1, rounds=101)
        arrays(store, 100, rounds=15)
        arrays(store, 1024, rounds=5)
        handed_over(store, 100, rounds=15)
        adopt_by_size(store)
    finally:
        store.destroy()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Capturing, adopting and resuming for ever costs no memory, no objects and no room in the store."""

from processes import LONG, literal, run

CYCLES = 20_000

MEASURE = """
import gc, resource, sys, torpor
import numpy
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
def cycles(n, once):
    for _ in range(n):
        once()
def measure(once, n):
    cycles(n // 10 + 300, once)  # caches fill
    gc.collect()
    before = (len(gc.get_objects()), sys.getallocatedblocks(), memory(), store.stats())
    cycles(n, once)
    gc.collect()
    after = (len(gc.get_objects()), sys.getallocatedblocks(), memory(), store.stats())
    print(repr((
        after[0] - before[0], after[1] - before[1], after[2] - before[2],
        after[3].used - before[3].used, after[3].snapshots - before[3].snapshots, after[3].pins - before[3].pins,
    )))
store = torpor.Store("leaks", capacity="64 MiB")
"""


def check(out):
    objects, blocks, memory, used, snapshots, pins = literal(out)
    assert abs(objects) < 200, objects
    assert abs(blocks) < 2000, blocks
    assert memory < 4 << 20, memory
    assert (snapshots, pins) == (0, 0)
    assert used <= 0 or used < 64 << 10, used


def test_plain_values(stores):
    check(run(MEASURE + """
class Thing:
    def __init__(self, x):
        self.x = x
def inner(a, b):
    data = {"list": [1, 2.5, "text"], "set": {1, 2}, "big": 2**100}
    thing = Thing([a])
    got = store.capture(key="k")
    return data, thing.x, got
def outer():
    return inner([1], b"b")
def once():
    torpor.run(outer)
    store.adopt("k").resume(5)
measure(once, CYCLES)
""".replace("CYCLES", str(CYCLES))))


def test_arrays(stores):
    check(run(MEASURE + """
def job():
    u = numpy.ones(10_000)
    v = u[::2]
    got = store.capture(key="k")
    v += 1
    return u
def once():
    torpor.run(job)
    assert store.adopt("k").resume()[0] == 2
measure(once, CYCLES)
""".replace("CYCLES", str(CYCLES if LONG else CYCLES // 4))))


def test_dropped_continuations_and_exceptions(stores):
    check(run(MEASURE + """
def job():
    u, cycle = numpy.ones(5000), []
    cycle.append(cycle)
    try:
        store.capture(key="k")
    finally:
        u += 1
    return u
torpor.run(job)
def once():
    store.adopt("k")
    cont = store.adopt("k")
    cont.frames[0].locals["cycle"]
    try:
        cont.throw(ValueError("x"))
    except ValueError:
        pass
measure(once, CYCLES)
""".replace("CYCLES", str(CYCLES if LONG else CYCLES // 4))))


def test_refused_captures(stores):
    check(run(MEASURE + """
import threading
def job(thing, data):
    store.capture(key="k")
def once():
    try:
        torpor.run(job, threading.current_thread(), [{}, numpy.ones(5000)])
    except torpor.UncapturableValue:
        pass
measure(once, CYCLES)
""".replace("CYCLES", str(CYCLES if LONG else CYCLES // 4))))


def test_files_and_bytes(stores, tmp_path):
    check(run(MEASURE + f"""
def job():
    u = numpy.ones(5000)
    got = torpor.dumps()
    return got if isinstance(got, bytes) else u
path = {str(tmp_path / "s.torpor")!r}
def saved():
    u = numpy.ones(5000)
    return store.capture(key="k")
torpor.run(saved).save(path)
def once():
    torpor.loads(torpor.run(job)).resume()
    torpor.load(path).adopt()
    store["k"].read("u")
measure(once, {CYCLES if LONG else CYCLES // 4})
"""))


def test_descriptors_and_mappings(stores):
    """No file descriptor and no mapping stays behind."""
    out = run("""
        import gc, os, torpor, numpy
        store = torpor.Store("s")
        def job():
            u = numpy.ones(100_000)
            return store.capture(key="k"), u
        def count():
            gc.collect()
            with open("/proc/self/maps") as file:
                return len(os.listdir("/proc/self/fd")), len(file.readlines())
        def rounds(n):
            for _ in range(n):
                torpor.run(job)
                store.adopt("k").resume()
                torpor.Store("s").close()
                torpor.Store("other").destroy()
        rounds(20)
        before = count()
        rounds(300)
        after = count()
        print((after[0] - before[0], after[1] - before[1]))
        """)
    files, mappings = literal(out)
    assert files <= 1 and mappings < 20


def test_greenlets_and_weak_references(stores):
    check(run(MEASURE + """
import weakref
from greenlet import getcurrent, greenlet
class Thing:
    pass
def numbers():
    while True:
        yield getcurrent().parent.switch(1)
def job(x, held):
    for got in numbers():
        if got:
            return held
def holding():
    thing = Thing()
    thing.greenlets = [greenlet(job), greenlet(job)]
    thing.weak = weakref.ref(thing), weakref.WeakSet([thing])
    started, waiting = thing.greenlets
    started.switch(1, thing)
    store.capture(key="k")
    got = started.switch(2)
    got.greenlets.clear()
    return got
def once():
    torpor.run(holding)
    store.adopt("k").resume()
    store.adopt("k")
measure(once, CYCLES)
""".replace("CYCLES", str(CYCLES // 10))))

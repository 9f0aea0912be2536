"""Adopting copies no buffer: arrays are private copy-on-write views that pin their snapshot and nothing else."""

import ctypes
import gc
import pickle
import threading

import numpy as np
import pytest
import torpor
from processes import literal, run

MIB = 1 << 20


def make(store, megabytes=8, key="k"):
    def job():
        u = np.ones(megabytes * MIB // 8)
        got = store.capture(key=key)
        return u, got

    return torpor.run(job)[1]


def test_arrays_are_writable_views_that_own_their_memory(store):
    make(store)
    u, _ = store.adopt("k").resume()
    assert u.flags.writeable and u.flags.owndata and u.base is None
    u += 1
    assert u.sum() == 2 * MIB
    other, _ = store.adopt("k").resume()
    assert other.sum() == MIB and not np.shares_memory(u, other)


def test_read_only_views(store):
    make(store)
    u, _ = store.adopt("k", writable=False).resume()
    assert not u.flags.writeable and u.sum() == MIB
    with pytest.raises(ValueError):
        u[0] = 2
    assert store["k"].adopt(writable=False).resume()[0].sum() == MIB


def test_untouched_pages_are_not_copied(stores):
    """A process that adopts 200 MiB and reads one element has not grown by the array."""
    run("""
        import numpy, torpor
        def job():
            u = numpy.ones(25 << 20)
            got = store.capture(key="k")
            return u
        store = torpor.Store("big", capacity="1 GiB")
        torpor.run(job)
        """)
    out = run("""
        import torpor, numpy
        def private():
            with open("/proc/self/smaps_rollup") as file:
                return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
        store = torpor.Store("big")
        before = private()
        u = store.adopt("k").resume()
        u[12345] = 7
        after = private()
        print((u.nbytes, (after - before) << 10, u[12344:12347].tolist()))
        """)
    size, grown, values = literal(out)
    assert size == 200 * MIB and grown < 20 * MIB and values == [1, 7, 1]


class Column:
    """Memory of a library's own, which offers it as pickle's out-of-band buffers are."""

    def __init__(self, memory):
        self.memory = memory

    def __reduce_ex__(self, protocol):
        return Column, (pickle.PickleBuffer(self.memory),)


def test_out_of_band_buffers_are_not_copied(store, stores):
    def job(memory):
        first, second = Column(memory), Column(memory)
        got = store.capture(key="k")
        return first, second, got

    for make_memory in (ctypes.c_double * 50_000, lambda: np.ones(50_000)):
        torpor.run(job, make_memory())
        first, second, _ = store.adopt("k").resume()
        for column in (first, second):
            view = np.frombuffer(column.memory, "u1")
            assert type(column.memory) is pickle.PickleBuffer and view.nbytes == 400_000 and view.flags.writeable
            with open("/proc/self/maps") as file:
                ranges = [(line.split("-")[0], line.split("-")[1].split()[0], line.split()[-1]) for line in file]
            (place,) = [p for low, high, p in ranges if int(low, 16) <= view.ctypes.data < int(high, 16)]
            assert place.startswith(str(stores)), place
    np.frombuffer(first.memory, "f8")[0] = 7  # of the array, both are buffers
    assert np.frombuffer(second.memory, "f8")[0] == 7


def test_arrays_keep_the_snapshot_until_they_go(store):
    snapshot = make(store)
    u, _ = store.adopt("k").resume()
    del snapshot, store["k"]
    assert "k" not in store and u.sum() == MIB
    view = u[5:10]
    del u
    gc.collect()
    assert view.tolist() == [1] * 5 and store.stats().pins == 1
    del view
    gc.collect()
    assert store.stats().pins == 0 and store.stats().used < MIB


def test_one_array_outlives_the_others_and_the_store(stores):
    store = torpor.Store("short")

    def job():
        a, b = np.arange(50_000.0), np.arange(50_000)
        store.capture(key="k")
        return a, b

    torpor.run(job)
    a, b = store.adopt("k").resume()
    store.destroy()
    store.close()
    del b
    gc.collect()
    a *= 2
    assert a[-1] == 99998.0


def test_adopted_array_can_be_used_as_any_other(store):
    make(store)
    u, _ = store.adopt("k").resume()
    assert pickle.loads(pickle.dumps(u[:10], 5)).sum() == 10
    assert (u.reshape(1024, -1) @ np.ones(u.size // 1024)).sum() == MIB
    u.resize(u.size * 2, refcheck=False)
    assert u.sum() == MIB
    u.resize(10, refcheck=False)
    assert u.tolist() == [1] * 10


def test_unknown_key_and_number(store):
    for what in ("nothing", 123456789, 2**63):
        with pytest.raises(torpor.SnapshotNotFound) as caught:
            store.adopt(what)
        assert isinstance(caught.value, KeyError) and isinstance(caught.value, torpor.AdoptError)
        assert caught.value.status == 301 and "'" not in str(caught.value)[:1]
    for wrong in (None, 1.5, b"k", -1):
        with pytest.raises((TypeError, ValueError, OverflowError, KeyError)):
            store.adopt(wrong)


def test_timeout_waits_for_the_key(store):
    with pytest.raises(TimeoutError):
        store.adopt("k", timeout=0.05)
    timer = threading.Timer(0.2, make, (store,))
    timer.start()
    assert store.adopt("k", timeout=60).resume()[0].sum() == MIB
    timer.join()


def test_continuation_is_collected_with_its_cycles(store):
    def job():
        cycle = []
        cycle.append(cycle)
        return store.capture(key="k"), cycle

    torpor.run(job)
    for resumed in (False, True):
        cont = store.adopt("k")
        cont.frames[0].locals["cycle"].append(cont)
        import weakref

        gone = weakref.ref(cont)
        if resumed:
            cont.resume()
        del cont
        gc.collect()
        assert gone() is None


def test_adopting_in_many_threads(store):
    make(store)
    sums = []

    def consume():
        for _ in range(20):
            u, _ = store.adopt("k").resume()
            u[0] = 5
            sums.append(u.sum())

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [MIB + 4] * 80


def test_ctrl_c_interrupts_a_wait(stores):
    out = run("""
        import os, signal, threading, time, torpor
        store = torpor.Store()
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        begin = time.monotonic()
        for wait in (lambda: store.wait("never"),):
            try:
                wait()
            except KeyboardInterrupt:
                print("interrupted")
        """)
    assert out == "interrupted\n"


def test_missing_module_is_a_clear_error(stores, tmp_path):
    (tmp_path / "gone.py").write_text("class Thing:\n    pass\n")
    run(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import gone, torpor
        def job():
            thing = gone.Thing()
            torpor.capture(key="k")
            return thing
        torpor.run(job)
        """,
        tmp_path,
    )
    out = run("""
        import torpor
        try:
            torpor.adopt("k")
        except (torpor.AdoptError, ImportError) as error:
            print("gone" in str(error))
        """)
    assert out == "True\n"


def test_a_comprehensions_variable_can_be_assigned_though_a_cell_has_its_name(stores):
    """From 3.12 on the variable is in the slot of the cell, for as long as the comprehension runs."""

    def job():
        c = "outer"
        data = [torpor.dumps() for c in range(2)]
        return data, c, (lambda: c)()

    data, *rest = torpor.run(job)
    assert rest == ["outer", "outer"]
    continuation = torpor.loads(data[1])
    frame = continuation.frames[0]
    if "c" in frame.locals:
        frame.locals["c"] = "assigned"
        assert frame.locals["c"] == "assigned"
    (first, second), *rest = continuation.resume("resumed")
    assert (first[:4], second, rest) == (data[0][:4], "resumed", ["outer", "outer"])


def test_threads_adopt_at_once_what_none_of_them_has_imported(stores):
    """One of them imports; the others wait until it has."""
    (stores / "slow.py").write_text("import time\ntime.sleep(0.3)\nclass Late:\n    n = 4\nimport slow_too\n")
    (stores / "slow_too.py").write_text("import time\ntime.sleep(0.2)\nlast = 5\n")
    run("""
        import sys
        sys.path.insert(0, sys.argv[1])
        import slow, torpor
        def job():
            late, module, found = slow.Late(), slow.slow_too, slow
            torpor.capture(key="late")
            return late.n, module.last, found.slow_too.last
        torpor.run(job)
        """, stores)
    out = run("""
        import sys, threading
        sys.path.insert(0, sys.argv[1])
        import torpor
        found = []
        def adopt():
            try:
                found.append(torpor.adopt("late").resume())
            except BaseException as error:
                found.append(error)
        threads = [threading.Thread(target=adopt) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(found)
        """, stores)
    assert out.strip() == str([(4, 5, 5)] * 3)

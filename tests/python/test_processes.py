"""Processes that share a snapshot see none of each other's writes; forked children keep what they had."""

import numpy as np
import pytest
import torpor
from processes import finish, literal, run, start

MAKE = """
import numpy, torpor
def job():
    u = numpy.arange(500_000, dtype="f8")
    got = torpor.capture(key="k")
    if got is None or isinstance(got, torpor.Snapshot):
        return float(u.sum())
    mine, other = got
    u[:] = mine
    torpor.capture(key=f"{mine} wrote")
    torpor.Store().wait(f"{other} wrote", timeout=60)
    return float(u.min()), float(u.max())
torpor.run(job)
"""


def test_two_processes_write_to_one_snapshot(stores):
    run(MAKE)
    before = bytes(torpor.Store()["k"])
    consumer = "import sys, torpor; print(torpor.adopt('k').resume((int(sys.argv[1]), int(sys.argv[2]))))"
    processes = [start(consumer, 5, 6), start(consumer, 6, 5)]
    assert [literal(finish(process)) for process in processes] == [(5.0, 5.0), (6.0, 6.0)]
    assert bytes(torpor.Store()["k"]) == before
    assert torpor.adopt("k").resume() == 124999750000.0


def test_fork_with_adopted_arrays(stores):
    """The child's arrays stay valid when the parent lets go, and the other way round; writes stay private."""
    run(MAKE)
    out = run("""
        import gc, os, torpor
        store = torpor.Store()
        cont = store.adopt("k")
        u = cont.frames[0].locals["u"]
        u[0] = 10
        go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(go[1])
            os.read(go[0], 1)  # the parent has dropped everything and destroyed the store
            ok = u[0] == 10 and u[-1] == 499_999 and float(u.sum()) == 124999750010.0
            u[0] = 99
            ok = ok and cont.resume() == 124999750099.0
            os._exit(0 if ok else 1)
        u[0] = 20
        del cont, u
        gc.collect()
        del store["k"]
        store.gc()
        assert store.stats().pins == 1 and store.stats().used > 4_000_000, store.stats()  # the child's
        store.destroy()
        os.write(go[1], b"x")
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        """)
    assert literal(out) == 0


def test_forked_child_captures_and_adopts(stores):
    out = run("""
        import os, torpor
        store = torpor.Store()
        def job(n):
            store.capture(key=f"k{n}")
            return n
        torpor.run(job, 0)
        children = []
        for n in range(1, 5):
            child = os.fork()
            if child == 0:
                torpor.run(job, n)
                os._exit(store.adopt("k0").resume())
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print((codes, [store.adopt(f"k{n}").resume() for n in range(5)], store.gc() is not None, store.stats().processes))
        """)
    codes, values, _, processes = literal(out)
    assert codes == [0] * 4 and values == [0, 1, 2, 3, 4] and processes == 1


def test_multiprocessing_workers_resume(stores):
    out = run("""
        import multiprocessing, torpor
        def job(n):
            total = sum(range(n))
            torpor.capture(key=f"k{n}")
            return total
        def work(n):
            return torpor.adopt(f"k{n}").resume()
        if __name__ == "__main__":
            for n in range(8):
                torpor.run(job, n)
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    print(pool.map(work, range(8)))
        """)
    assert out.splitlines() == ["[0, 0, 1, 3, 6, 10, 15, 21]"] * 3


@pytest.mark.parametrize("writable", [True, False])
def test_snapshot_is_shared_memory(store, writable):
    """What two adopts see is the same physical bytes until somebody writes."""

    def job():
        u = np.arange(100_000.0)
        store.capture(key="k")
        return u

    torpor.run(job)
    a, b = (store.adopt("k", writable=writable).resume() for _ in range(2))
    assert not np.shares_memory(a, b) or not writable
    assert np.array_equal(a, b)

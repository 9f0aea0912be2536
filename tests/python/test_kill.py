"""The main job: a process is killed with SIGKILL, another one finishes its work; and no kill harms a store."""

import pathlib
import random
import signal
import time

import torpor
from processes import LONG, PATIENCE, finish, literal, resume, run, start

HEAT = (pathlib.Path(__file__).parents[2] / "demo" / "heat.py").read_text()


def test_main_job(stores):
    """The demo's solver, killed half way, ends bit-identical in a process that never saw its source."""
    size, steps = 1200, 20
    a = start(HEAT, size, steps, steps // 2)
    snapshot = torpor.Store().wait("demo", timeout=PATIENCE)
    a.send_signal(signal.SIGKILL)
    out, _ = a.communicate(timeout=PATIENCE)
    assert a.returncode == -signal.SIGKILL and "result" not in out
    assert [f.function for f in snapshot.frames] == ["checkpoint", "advance", "solve", "<module>"]
    assert snapshot.nbytes < 3 * size * size * 8  # two arrays, whichever frames hold them
    u, v = snapshot.read("u", 1), snapshot.read("v", 1)
    assert u.shape == v.shape == (size, size) and not (u == v).all()
    script = "import time, torpor; torpor.adopt('demo').resume(time.perf_counter())"
    resumed = run(script).splitlines()[-1]
    again = run(script).splitlines()[-1]
    undisturbed = run(HEAT, size, steps).splitlines()[-1]
    assert resumed == again == undisturbed and resumed.startswith("result ")


def test_chain_of_killed_processes(stores):
    """Each process is killed after a capture of its own; the last one finishes what the first one began."""
    run("""
        import torpor
        def job():
            total = 0
            for i in range(100):
                total += i * i
                if i % 10 == 5:
                    torpor.capture(key=f"{i}")
            return total
        torpor.run(job)
        """)
    victim = """
        import sys, time, torpor
        torpor.adopt(sys.argv[1]).resume()
        print("done", flush=True)
        time.sleep(600)
        """
    for i in range(5, 95, 10):
        store = torpor.Store()
        for later in range(i + 10, 96, 10):
            del store[f"{later}"]
        process = start(victim, i)
        assert process.stdout.readline() == "done\n"
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert resume("95") == str(sum(i * i for i in range(100)))


def test_kill_at_any_moment_leaves_a_whole_store(stores):
    """Killed in the middle of captures, adopts and deletes: what is under a key is complete, the rest is reclaimed."""
    store = torpor.Store("s", capacity="64 MiB")
    victim = """
        import numpy, torpor
        store = torpor.Store("s")
        def job(n):
            u = numpy.full(40_000, float(n))
            store.capture(key="small", stack=1)
            got = store.capture(key="k")
            return n if isinstance(got, torpor.Snapshot) else (n, float(u.min()), float(u.max()))
        print("ready", flush=True)
        n = 0
        while True:
            n += 1
            torpor.run(job, n)
            if n % 3 == 0:
                store.adopt("k").resume()
            if n % 7 == 0:
                store["small"].remove()
        """
    random.seed(5)
    for _ in range(60 if LONG else 15):
        process = start(victim)
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.01, 0.12))
        process.kill()
        process.communicate(timeout=PATIENCE)
        if "k" in store:
            store["k"].verify()
            n, low, high = store.adopt("k").resume()
            assert low == high == n
    for key in list(store):
        del store[key]
    store.gc()
    stats = store.stats()
    assert (stats.snapshots, stats.pins, stats.processes) == (0, 0, 1), stats

    def large():
        data = bytes(40 << 20)
        store.capture(key="large")
        return len(data)

    assert torpor.run(large) == 40 << 20  # the room is all there again
    assert store.adopt("large").resume() == 40 << 20


def test_kill_of_a_reader_frees_its_pins(stores):
    run("""
        import numpy, torpor
        def job():
            data = numpy.zeros(1 << 18)
            torpor.Store("s").capture(key="k")
            return data
        torpor.run(job)
        """)
    store = torpor.Store("s")
    reader = start("""
        import time, torpor
        held = torpor.Store("s").adopt("k")
        print("held", flush=True)
        time.sleep(600)
        """)
    assert reader.stdout.readline() == "held\n"
    del store["k"]
    store.gc()
    assert store.stats().used > 1 << 20
    reader.kill()
    reader.communicate(timeout=PATIENCE)
    store.gc()
    assert store.stats().used < 1 << 20 and store.stats().pins == 0


def test_waiters_survive_a_killed_producer(stores):
    waiter = start("import torpor; print(torpor.Store().wait('k', timeout=120).read('n'))")
    for n in (1, 2):
        process = start("""
            import os, signal, sys, torpor
            def job(n):
                got = torpor.capture(key="k" if n == 2 else "other")
                os.kill(os.getpid(), signal.SIGKILL)
            torpor.run(job, int(sys.argv[1]))
            """, n)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL
    assert literal(finish(waiter)) == 2

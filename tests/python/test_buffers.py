"""Arrays that live in a store are handed over and not copied; what the program does afterwards changes no snapshot."""

import gc
import signal
import time

import numpy as np
import pytest
import torpor
from processes import finish, literal, run, start

MIB = 1 << 20


@pytest.fixture
def place(either_place):
    return either_place


def keep(store, key="k", **arrays):
    """Captures a frame that holds these arrays; returns the snapshot."""

    def job(arrays):
        return store.capture(key=key)

    return torpor.run(job, arrays)


def adopted(store, key="k"):
    """The arrays of a snapshot that `keep` made."""
    return store.adopt(key).frames[0].locals["arrays"]


def test_an_array_is_as_numpy_makes_it(store):
    for shape, dtype in [(5, float), ((2, 3), "i4"), ((), complex), ((0, 7), "f4"), (0, bool), ([4], "S3"), ((2,), "M8[s]")]:
        made, model = store.zeros(shape, dtype), np.zeros(shape, dtype)
        assert (made.shape, made.dtype) == (model.shape, model.dtype)
        assert made.strides == model.strides or made.size == 0
        assert str(made.flags) == str(model.flags)
        assert made.base is None and np.array_equal(made, model)
    record = np.dtype([("a", "i4"), ("b", "f8", (2,))])
    assert store.zeros(3, record)["b"].shape == (3, 2)
    assert store.empty(3, (float, 2)).shape == np.empty(3, (float, 2)).shape
    assert store.empty(3, "S").dtype == np.empty(3, "S").dtype
    fortran = store.zeros((3, 4), order="F")
    assert fortran.flags.f_contiguous and not fortran.flags.c_contiguous
    copy = store.array(np.arange(12.0).reshape(3, 4).T)
    assert copy.flags.f_contiguous and np.array_equal(copy, np.arange(12.0).reshape(3, 4).T)
    assert store.array([[1, 2], [3, 4]], "f4").tolist() == [[1, 2], [3, 4]]
    assert store.array(np.arange(10)[::2]).tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.empty(-1),
        lambda s: s.empty((2, -1)),
        lambda s: s.empty(3, object),
        lambda s: s.empty(3, [("a", object)]),
        lambda s: s.empty(3, on_capture="move"),
        lambda s: s.empty(3, order="K"),
        lambda s: s.empty((1 << 40, 1 << 40)),
        lambda s: s.empty((0, 1 << 70)),
    ],
)
def test_what_cannot_be_is_refused(store, wrong):
    with pytest.raises(ValueError):
        wrong(store)
    assert store.stats().used == 0 and store.stats().slots == 0


def test_wrong_types(store):
    for wrong in (lambda: store.empty("3"), lambda: store.empty(2.5), lambda: store.empty(3, "nonsense")):
        with pytest.raises(TypeError):
            wrong()


def test_nothing_is_copied_and_writes_stay_private(store):
    u = store.empty(8 * MIB // 8)
    u[:] = 1
    address, before = u.ctypes.data, store.stats().used
    assert before >= 8 * MIB
    snapshot = keep(store, u=u)
    assert store.stats().used < before + MIB and store.stats().buffers == 1
    assert u.ctypes.data == address and u.flags.writeable and u.flags.owndata
    u += 1
    v = adopted(store)["u"]
    assert (u == 2).all() and (v == 1).all() and v.flags.writeable and not np.shares_memory(u, v)
    v[:] = 3
    assert (adopted(store)["u"] == 1).all() and (u == 2).all()
    assert (snapshot.read("arrays")["u"] == 1).all()
    snapshot.verify()
    # From now on it is copied, as any array.
    second = keep(store, "second", u=u)
    assert store.stats().used > before + 8 * MIB
    assert (adopted(store, "second")["u"] == 2).all() and (adopted(store)["u"] == 1).all()
    del u, v
    gc.collect()
    assert (adopted(store)["u"] == 1).all()
    del snapshot, second, store["k"], store["second"]
    gc.collect()
    assert store.stats().used < MIB and store.stats().buffers == 0 and store.stats().pins == 0


def test_views_and_aliases_travel_as_such(store):
    u = store.zeros((1000, 500))
    w = store.zeros(100_000)
    keep(store, u=u, same=u, row=u[3], back=u[::-1, ::2], flat=u.reshape(-1), w=w, plain=np.ones(100_000))
    u[:] = 9
    a = adopted(store)
    assert a["u"] is a["same"] and a["u"].base is None and a["row"].base is a["u"]
    a["u"][3, 4] = 7
    a["flat"][5] = 8
    assert a["row"][4] == 7 and a["back"][999 - 3, 2] == 7 and a["u"][0, 5] == 8
    assert a["w"].sum() == 0 and a["plain"].sum() == 100_000 and a["u"].sum() == 15


def test_a_view_alone_hands_its_owner_over(store):
    u = store.zeros(MIB)
    part = u[10:20]
    del u
    before = store.stats().used
    keep(store, part=part)
    assert store.stats().used < before + MIB
    part += 1
    assert adopted(store)["part"].tolist() == [0] * 10


def test_on_capture_copy_copies(store):
    u = store.zeros(MIB, on_capture="copy")
    before = store.stats().used
    for n in range(3):
        u[:] = n
        keep(store, u=u)
        u[:] = 99
        assert (adopted(store)["u"] == n).all()
    assert store.stats().used >= before + 8 * MIB


def test_into_another_store_and_without_one(store):
    u = store.array(np.arange(MIB))
    other = torpor.Store("other", capacity="64 MiB")
    keep(other, u=u)
    assert other.stats().used >= 8 * MIB and adopted(other)["u"][-1] == MIB - 1

    def job(u):
        return torpor.dumps()

    data = torpor.run(job, u)
    u[:] = 0
    assert torpor.loads(data).frames[0].locals["u"][-1] == MIB - 1
    keep(store, u=u)
    assert adopted(store)["u"][-1] == 0


def test_one_self_contained_region(store, tmp_path):
    u = store.array(np.arange(MIB))
    snapshot = keep(store, u=u)
    u[:] = 0
    snapshot.save(tmp_path / "file")
    for found in (
        torpor.loads(bytes(snapshot)),
        torpor.loads(memoryview(snapshot)),
        torpor.load(tmp_path / "file", verify="full").adopt(),
    ):
        assert found.frames[0].locals["arrays"]["u"].sum() == MIB * (MIB - 1) // 2
    assert len(memoryview(snapshot)) == snapshot.nbytes == len(bytes(snapshot)) > 8 * MIB
    assert memoryview(snapshot).readonly


def test_an_array_that_changed_hands(store):
    """Resized, it is numpy's own memory; seen under another shape and type it is still the store's."""
    u = store.zeros(MIB)
    u.resize(2 * MIB, refcheck=False)
    u[-1] = 5
    keep(store, u=u)
    u[:] = 1
    assert adopted(store)["u"].sum() == 5
    w = store.zeros(MIB).view("i4").reshape(1024, 2048)
    before = store.stats().used
    keep(store, w=w)
    assert store.stats().used < before + MIB and adopted(store)["w"].shape == (1024, 2048)


def test_a_full_store(stores):
    store = torpor.Store("small", capacity="4 MiB")
    kept = store.zeros(3 * MIB // 8)
    with pytest.raises(torpor.StoreFull):
        store.empty(2 * MIB // 8)
    with pytest.raises(torpor.StoreFull):
        store.zeros(1 << 30)
    del kept
    gc.collect()
    assert store.zeros(3 * MIB // 8).sum() == 0


def test_waiting_for_room_can_be_interrupted(stores):
    out = run("""
        import signal, torpor
        store = torpor.Store("w", capacity="4 MiB", full="wait")
        kept = store.zeros(3 << 17)
        def interrupt(*_):
            raise InterruptedError("enough")
        signal.signal(signal.SIGALRM, interrupt)
        for wait in (lambda: store.zeros(3 << 17), lambda: torpor.run(lambda: store.capture(attach={"x": bytes(3 << 20)}))):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                wait()
            except InterruptedError as error:
                print(error)
        del kept
        print(store.zeros(3 << 17).sum(), store.stats().buffers)
        """)
    assert out.split() == ["enough", "enough", "0.0", "0"]


def test_killed_waiters_do_not_stand_in_the_way(stores):
    store = torpor.Store("w", capacity="4 MiB", full="wait")
    kept = store.zeros(3 * MIB // 8)
    script = """
        import sys, torpor
        store = torpor.Store("w")
        print("waits", flush=True)
        def job():
            store.capture(key="k", attach={"x": bytes(3 << 20)})
        torpor.run(job)
        """
    waiters = [start(script) for _ in range(3)]
    for waiter in waiters:
        assert waiter.stdout.readline() == "waits\n"
    time.sleep(0.2)
    for waiter in waiters[:2]:
        waiter.send_signal(signal.SIGKILL)
        finish(waiter, -signal.SIGKILL)
    assert waiters[2].poll() is None and "k" not in store
    del kept
    gc.collect()
    finish(waiters[2])
    assert len(store["k"].attachment("x")) == 3 * MIB


def test_children_share_it_until_it_is_handed_over(stores):
    out = run("""
        import os, torpor, numpy
        store = torpor.Store("s", capacity="64 MiB")
        u = store.zeros(1 << 20)
        def job(u, key):
            store.capture(key=key)
            return u
        def child(work):
            pid = os.fork()
            if pid == 0:
                work()
                os._exit(0)
            return pid
        def wait(pid):
            assert os.waitpid(pid, 0)[1] == 0
        wait(child(lambda: u.__setitem__(0, 1)))
        read, write = os.pipe()
        def late():
            os.read(read, 1)
            u[1] = 2
        pid = child(late)
        torpor.run(job, u, "while shared")
        os.write(write, b"x")
        wait(pid)
        shared = u[:3].tolist(), store.adopt("while shared").resume()[:3].tolist(), store.stats().used >> 20
        torpor.run(job, u, "alone")
        u[2] = 3
        wait(child(lambda: u.__setitem__(2, 9)))
        wait(child(lambda: torpor.run(job, u, "child")))
        print((shared, u[:3].tolist(), [store.adopt(k).resume()[:3].tolist() for k in ("while shared", "alone", "child")]))
        """)
    shared, mine, found = literal(out)
    assert shared == ([1, 2, 0], [1, 0, 0], 16)
    assert mine == [1, 2, 3] and found == [[1, 0, 0], [1, 2, 0], [1, 2, 3]]


def test_a_snapshot_outlives_the_killed_process_that_made_its_arrays(stores):
    run(
        """
        import os, signal, torpor, numpy
        store = torpor.Store("s", capacity="64 MiB")
        def job():
            u = store.array(numpy.arange(1 << 20))
            lost = store.zeros(1 << 20)
            got = store.capture(key="k", exclude=["lost"])
            if got is not None:
                u[:] = 0
                os.kill(os.getpid(), signal.SIGKILL)
            return u
        torpor.run(job)
        """,
        status=-signal.SIGKILL,
    )
    store = torpor.Store("s")
    store.gc()
    assert store.stats().buffers == 1 and store.stats().used < 10 * MIB
    u = store.adopt("k").resume()
    assert u.sum() == MIB * (MIB - 1) // 2
    del store["k"]
    assert u.sum() == MIB * (MIB - 1) // 2
    del u
    gc.collect()
    store.gc()
    assert store.stats().used == 0


def test_a_closed_and_a_destroyed_store(stores):
    store = torpor.Store("s", capacity="64 MiB")
    u, v = store.zeros(MIB), store.zeros(MIB)
    keep(store, u=u)
    store.close()
    with pytest.raises(RuntimeError):
        store.zeros(3)
    u += 1
    v += 1
    again = torpor.Store("s")
    keep(again, "second", v=v)
    again.destroy()
    v += 1
    del again
    gc.collect()
    assert u.sum() == MIB and v.sum() == 2 * MIB
    with pytest.raises(torpor.StoreNotFound):
        torpor.Store("s", create=False)


def test_memory_comes_back_however_often(store):
    """A hundred arrays handed over one after the other need the room of two."""
    for n in range(100):
        u = store.empty(20 * MIB // 8)
        u[::512] = n
        keep(store, u=u)
        assert adopted(store)["u"][512] == n
    del u, store["k"]
    gc.collect()
    stats = store.stats()
    assert (stats.used, stats.buffers, stats.pins, stats.slots) == (0, 0, 0, 0)


def test_attached_and_in_a_frame_it_is_handed_over_once(store):
    u = store.array(np.arange(MIB))

    def job(u):
        return store.capture(key="k", attach={"whole": u})

    snapshot = torpor.run(job, u)
    u[:] = 0
    assert np.asarray(snapshot.attachment("whole"))[-1] == MIB - 1
    assert store.adopt("k").frames[0].locals["u"][-1] == MIB - 1


def test_fresh_processes_adopt_it(stores):
    run("""
        import torpor, numpy
        store = torpor.Store("s", capacity="64 MiB")
        def job():
            u, v = store.array(numpy.arange(1 << 20)), numpy.ones(5)
            store.capture(key="k")
            u[:] += 1
            return int(u[-1]), float(v.sum()), u.flags.owndata
        print(repr(torpor.run(job)))
        """)
    for _ in range(2):
        out = run("import torpor; print(repr(torpor.Store('s').adopt('k').resume()))")
        assert literal(out) == (MIB, 5.0, True)

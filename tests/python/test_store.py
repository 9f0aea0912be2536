"""A store is a mapping of keys to snapshots that processes share; every refusal of it is a clear error."""

import gc
import json
import os
import signal
import stat
import threading
import time

import numpy
import pytest
import torpor
from processes import LONG, finish, run, start


@pytest.fixture
def place(either_place):
    return either_place


def put(store, key=None, value=None):
    def job(value):
        return store.capture(key=key)

    return torpor.run(job, value)


def test_create_attach_and_missing(stores):
    with pytest.raises(torpor.StoreNotFound) as caught:
        torpor.Store("s", create=False)
    assert caught.value.status == 101 and "s" in str(caught.value) and list(stores.rglob("*s*")) == []
    first = torpor.Store("s", capacity="8 MiB")
    again = torpor.Store("s", create=False, capacity="1 GiB")  # ignored when attaching
    assert first.capacity == again.capacity == 8 << 20
    assert first.name == "s" and str(stores) in first.dir
    put(first, "k", 5)
    assert "k" in again


@pytest.mark.parametrize("name", ["", "a/b", "..", "x\0y", "n" * 300])
def test_names_that_cannot_be(stores, name):
    with pytest.raises(ValueError) as caught:
        torpor.Store(name)
    assert not isinstance(caught.value, torpor.TorporError) or caught.value.status == 1
    assert not list(stores.iterdir())


def test_capacity_is_bytes_or_text(stores):
    assert torpor.Store("a", capacity=1 << 24).capacity == 1 << 24
    assert torpor.Store("b", capacity="1.5 GiB").capacity == 3 << 29
    assert 19_900_000 < torpor.Store("c", capacity="20MB").capacity <= 20_000_000
    for wrong in ("much", "4 XB", "-1", "", 0, -5):
        with pytest.raises(ValueError):
            torpor.Store("d", capacity=wrong)
    with pytest.raises(ValueError):
        torpor.Store("d", full="maybe")


def test_directory_is_private(store):
    for path in [store.dir, *(os.path.join(at, name) for at, _, names in os.walk(store.dir) for name in names)]:
        mode = os.stat(path).st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0, path


def test_mapping(store):
    assert len(store) == 0 and list(store) == [] and "a" not in store and 5 not in store
    a, b = put(store, "a", 1), put(store, "b", 2)
    unnamed = put(store)
    assert sorted(store) == sorted(store.keys()) == ["a", "b"] and len(store) == 2
    assert store["a"] == a and store.get("b") == b and store.get("c") is None and store.get("c", 1) == 1
    assert dict(store.items()) == {"a": a, "b": b} and sorted(s.id for s in store.values()) == [a.id, b.id]
    assert [s.id for s in store.snapshots()] == [a.id, b.id, unnamed.id]
    with pytest.raises(KeyError):
        store["c"]
    with pytest.raises(torpor.SnapshotNotFound):
        del store["c"]
    del store["a"]
    assert "a" not in store and [s.id for s in store.snapshots()] == [b.id, unnamed.id]


@pytest.mark.parametrize("key", ["k", "é€𝄞", "a/b\n\x1b[31m", "x" * 255, " ", "é" * 127])
def test_keys_that_can_be(store, key):
    snapshot = put(store, key)
    assert snapshot.key == key and list(store) == [key] and store[key] == snapshot
    del store[key]
    assert key not in store


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b", "é" * 128, "\ud800"])
def test_keys_that_cannot_be(store, key):
    with pytest.raises(ValueError):
        put(store, key)
    with pytest.raises((ValueError, KeyError)):
        store[key]
    assert key not in store and store.snapshots() == []
    with pytest.raises(TypeError):
        put(store, 5)


def test_a_key_names_the_last_snapshot(store):
    first = put(store, "k", 1)
    second = put(store, "k", 2)
    assert store["k"] == second != first and first.read("value") == 1
    del first
    gc.collect()
    assert [s.id for s in store.snapshots()] == [second.id]


def test_full_store_is_a_clear_error_and_changes_nothing(stores):
    store = torpor.Store("small", capacity="1 MiB")
    kept = put(store, "kept", 1)
    used = store.stats().used
    with pytest.raises(torpor.StoreFull) as caught:
        put(store, "k", bytes(4 << 20))
    assert caught.value.status == 102 and "small" in str(caught.value)
    assert store.stats().used == used and list(store) == ["kept"] and store["kept"] == kept
    with pytest.raises(torpor.StoreFull):
        for i in range(10_000):
            put(store, f"k{i}", bytes(100_000))
    for key in list(store):
        del store[key]
    del kept
    put(store, "again", bytes(100_000))


def test_full_wait_waits_for_room(stores):
    store = torpor.Store("small", capacity="4 MiB", full="wait")
    put(store, "old", bytes(3 << 20))
    timer = threading.Timer(0.3, lambda: store.__delitem__("old"))
    timer.start()
    put(store, "new", bytes(3 << 20))
    timer.join()
    assert list(store) == ["new"]


def test_full_drop_drops_the_oldest_under_the_same_key(stores):
    store = torpor.Store("small", capacity="4 MiB", full="drop")
    for n in range(20):
        put(store, "k", bytes([n]) * (3 << 20))
    assert store["k"].read("value")[0] == 19


def test_full_drop_never_drops_what_somebody_holds(stores):
    store = torpor.Store("small", capacity="4 MiB", full="drop")
    held = put(store, "k", bytes([1]) * (3 << 20))
    for key in ("k", "other", None):
        with pytest.raises(torpor.StoreFull):
            put(store, key, bytes(3 << 20))
    assert store["k"] == held and held.read("value")[0] == 1 and list(store) == ["k"]
    with pytest.raises(torpor.StoreFull):  # too large for any store of this size: nothing is dropped for it
        put(store, "k", bytes(5 << 20))
    assert store["k"] == held
    part = held.adopt(writable=False).frames[0].locals["value"][:5]
    del held
    gc.collect()
    with pytest.raises(torpor.StoreFull):
        put(store, "other", bytes(3 << 20))  # under another key
    put(store, "k", bytes([2]) * (3 << 20))
    assert part == bytes([1]) * 5 and store["k"].read("value")[0] == 2


def test_full_wait_does_not_wait_for_what_can_never_be(stores):
    store = torpor.Store("small", capacity="4 MiB", full="wait")
    with pytest.raises(torpor.StoreFull):
        put(store, "k", bytes(5 << 20))
    assert store.snapshots() == []


def test_full_wait_ends(stores):
    """With `full_timeout` a wait ends with StoreFull, for captures, arrays and insert; it is the store's, as `full` is."""
    store = torpor.Store("small", capacity="4 MiB", full="wait", full_timeout=0.3)
    held = put(store, "old", bytes(3 << 20))
    array = numpy.zeros(3 << 17)
    for attempt in (
        lambda: put(store, "new", bytes(3 << 20)),
        lambda: put(torpor.Store("small", full="error"), "new", bytes(3 << 20)),
        lambda: store.zeros(array.shape),
        lambda: store.array(array),
        lambda: store.insert(held, "new"),
    ):
        start = time.monotonic()
        with pytest.raises(torpor.StoreFull):
            attempt()
        assert time.monotonic() - start >= 0.3
    out = run("""
        import torpor
        store = torpor.Store("small")
        try:
            store.zeros(3 << 17)
        except torpor.StoreFull as error:
            print(error.status)
        """)
    assert out == "102\n" and list(store) == ["old"] and store.stats().slots == 1
    del held
    timer = threading.Timer(0.1, lambda: store.__delitem__("old"))
    timer.start()
    put(store, "new", bytes(3 << 20))
    timer.join()
    assert list(store) == ["new"]


@pytest.mark.parametrize(
    ("full", "limit"), [("error", 1), ("drop", 1), ("wait", float("nan")), ("wait", 1e12), ("wait", "x")]
)
def test_full_timeouts_that_cannot_be(stores, full, limit):
    with pytest.raises((ValueError, TypeError)):
        torpor.Store("s", full=full, full_timeout=limit)
    with pytest.raises(torpor.StoreNotFound):
        torpor.Store("s", create=False)


def test_ctrl_c_ends_a_wait_for_room(stores):
    waiter = start("""
        import torpor
        store = torpor.Store("small", capacity="4 MiB", full="wait", full_timeout=600)
        kept = store.zeros(3 << 17)
        print("waits", flush=True)
        try:
            store.zeros(3 << 17)
        except KeyboardInterrupt:
            print(store.stats().buffers)
        """)
    assert waiter.stdout.readline() == "waits\n"
    time.sleep(0.3)
    assert waiter.poll() is None
    waiter.send_signal(signal.SIGINT)
    assert finish(waiter) == "1\n"


def test_wait_sees_other_processes(stores):
    store = torpor.Store("shared")
    producer = start("""
        import time, torpor
        store = torpor.Store("shared")
        def job(n):
            store.capture(key="k")
        for n in range(3):
            time.sleep(0.2)
            torpor.run(job, n)
        """)
    after, seen = None, []
    while not seen or seen[-1] != 2:
        snapshot = store.wait("k", after=after, timeout=60)
        assert after is None or snapshot.id > getattr(after, "id", after)
        after = snapshot if len(seen) % 2 else snapshot.id
        seen.append(snapshot.read("n"))
    assert seen == sorted(seen)
    finish(producer)
    with pytest.raises(TimeoutError):
        store.wait("k", after=after, timeout=0.05)
    with pytest.raises(TimeoutError):
        store.wait("other", timeout=0)


def test_stats_and_gc(store):
    empty = store.stats()
    snapshot = put(store, "k", bytes(1 << 20))
    stats = store.stats()
    assert stats["used"] == stats.used >= empty.used + (1 << 20)
    assert stats.snapshots == 1 and stats.processes >= 1 and stats.pins >= 1
    assert stats.capacity == 256 << 20
    store.gc()
    assert store["k"] == snapshot and store.stats().snapshots == 1


def test_dead_process_leaves_nothing_that_gc_does_not_take(stores):
    store = torpor.Store("s")
    run("""
        import os, torpor
        store = torpor.Store("s")
        def job(value):
            return store.capture(key="k")
        held = [torpor.run(job, bytes(1 << 20)) for _ in range(4)]
        os._exit(0)
        """)
    store.gc()
    stats = store.stats()
    assert stats.snapshots == 1 and len(store) == 1
    del store["k"]
    store.gc()
    assert store.stats().snapshots == 0 and store.stats().pins == 0


def test_the_command_line_says_and_takes_back_the_same(stores):
    """stats() and gc() of Python, and stat and gc of the command line."""
    store = torpor.Store("s", capacity="64 MiB")
    kept = put(store, "k", bytes(100_000)), store.zeros(1 << 17)
    victim = """
        import os, signal, torpor
        store = torpor.Store("s")
        def job():
            held = store.zeros(1 << 18), torpor.Store("s")["k"]
            os.kill(os.getpid(), signal.SIGKILL)
        job()
        """

    def cli(command):
        return json.loads(run("import torpor.__main__, sys; sys.exit(torpor.__main__.main(sys.argv[1:]))",
                              "--store", "s", command, "--json"))  # fmt: skip

    run(victim, status=-signal.SIGKILL)
    stats = store.stats()
    assert stats.buffers == 2 and stats.pins == 4 and stats.processes == 2 and stats.used > 3 << 20
    back = store.gc()
    assert set(back) == {"processes", "snapshots", "pins", "bytes"}
    assert (back.processes, back.snapshots, back.pins) == (1, 0, 2) and back.bytes >= 2 << 20, back
    assert set(store.gc().values()) == {0}
    found, mine = cli("stat"), store.stats()
    assert found == {**mine, "processes": 2} and mine.buffers == 1 and mine.pins == 2 and mine.slots == 2
    run(victim, status=-signal.SIGKILL)
    cli("gc")  # the command has it back when it attaches
    assert store.stats() == {**mine, "cached": store.stats().cached} and kept


def test_destroy(stores):
    first, second = torpor.Store("s"), torpor.Store("s")
    snapshot = put(first, "k", 5)
    first.destroy()
    for use in (lambda: second["k"], lambda: second.adopt("k"), lambda: put(second, "k"), second.stats):
        with pytest.raises(torpor.StoreNotFound) as caught:
            use()
        assert caught.value.status == 101
    assert snapshot.read("value") == 5  # held data stays
    with pytest.raises(torpor.StoreNotFound):
        torpor.Store("s", create=False)
    assert torpor.Store("s").snapshots() == []


def test_close_and_context_manager(stores):
    with torpor.Store("s") as store:
        snapshot = put(store, "k", 5)
        assert not store.closed
    assert store.closed
    store.close()
    for use in (lambda: store["k"], lambda: store.adopt("k"), lambda: put(store, "k"), store.stats):
        with pytest.raises(RuntimeError):
            use()
    assert snapshot.read("value") == 5 and torpor.Store("s")["k"] == snapshot


def test_store_and_snapshot_objects_travel_by_name_and_number(stores):
    run("""
        import torpor
        def job():
            with torpor.Store("s") as store:
                first = store.capture(key="first")
                found = [first]
                store.capture(key="k")
                return store.name, store["first"] == found[0]
        print(repr(torpor.run(job)))
        """)
    out = run("import torpor; print(repr(torpor.Store('s').adopt('k').resume()))")
    assert "'s'" in out and "True" in out


def test_snapshot_object_whose_snapshot_is_gone_stays_harmless(stores):
    """A loop that keeps its last snapshot in a local: each capture frees the one that the next one mentions."""
    run("""
        import torpor
        def job():
            kept = None
            for n in range(5):
                got = torpor.capture(key="k")
                kept, number = (kept, None) if got is None else (got, got.id)
            return n, kept, number
        torpor.run(job)
        """)
    run("""
        import torpor
        n, kept, number = torpor.adopt("k").resume()
        assert n == 4 and kept.id > 0 and kept not in torpor.Store().snapshots()
        try:
            kept.read("n")
        except torpor.SnapshotNotFound as error:
            assert str(kept.id) in str(error)
        else:
            raise AssertionError(kept)
        """)


def test_default_store_follows_torpor_dir(stores, monkeypatch, tmp_path):
    def job():
        return torpor.capture(key="k")

    torpor.run(job)
    monkeypatch.setenv("TORPOR_DIR", str(tmp_path))
    with pytest.raises(torpor.SnapshotNotFound):
        torpor.adopt("k")
    torpor.run(job)
    assert list(tmp_path.iterdir())


def test_many_processes_create_and_fill_one_store(stores):
    rounds = 200 if LONG else 40
    script = """
        import sys, torpor
        me, rounds = sys.argv[1], int(sys.argv[2])
        store = torpor.Store("s", capacity="64 MiB")
        def job(n):
            store.capture(key=f"mine {me}")
            store.capture(key="ours")
            return n
        for n in range(rounds):
            assert torpor.run(job, n) == n
            assert store.adopt(f"mine {me}").resume() == n
            assert 0 <= store.adopt("ours").resume() <= rounds
        """
    for process in [start(script, n, rounds) for n in range(4)]:
        finish(process)
    store = torpor.Store("s", create=False)
    store.gc()
    assert sorted(store) == [f"mine {n}" for n in range(4)] + ["ours"]
    assert store.stats().snapshots == 5


def test_insert(store, stores, tmp_path):
    """A snapshot of another store, of a file or of bytes can be published; what is there is not changed."""

    def job():
        large, small = numpy.arange(40_000.0), [numpy.arange(3), b"x" * 100_000]
        store.capture(key="k", stack=1)
        return large, small

    torpor.run(job)
    snapshot = store["k"]
    path = tmp_path / "file"
    snapshot.save(path)
    with torpor.Store("other", capacity="16 MiB") as other:
        for n, source in enumerate((snapshot, torpor.load(path))):
            inserted = other.insert(source, f"{n}")
            inserted.verify()
            assert inserted.key == f"{n}" and inserted.nbytes == snapshot.nbytes
            assert [f.function for f in inserted.frames] == [f.function for f in snapshot.frames]
            assert (inserted.read("large") == numpy.arange(40_000.0)).all()
            large, (small, text) = other.adopt(f"{n}").resume()
            assert (large == numpy.arange(40_000.0)).all() and (small == numpy.arange(3)).all() and len(text) == 100_000
        assert other.insert(snapshot).key is None
        with pytest.raises(ValueError, match="a key has"):
            other.insert(snapshot, "")
        with pytest.raises(TypeError):
            other.insert(bytes(snapshot), "bytes")
        assert len(other.snapshots()) == 3
    with torpor.Store("small", capacity="256 KiB") as small, pytest.raises(torpor.StoreFull):
        small.insert(snapshot, "k")

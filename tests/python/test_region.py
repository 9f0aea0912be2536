"""A snapshot is one immutable region: read in place, saved, loaded and sent as it is, without running its code."""

import os
import time

import numpy as np
import pytest
import torpor
from processes import literal, run


def job(store, key="k"):
    u = np.arange(300_000, dtype="f8").reshape(300, 1000)
    small = [1, {"a": (2.5, None)}, b"b"]
    text = "text"
    nested = {"arrays": [u[:10], np.arange(5)]}
    got = store.capture(key=key)
    return float(u.sum()), small, text, len(nested), got


@pytest.fixture
def snapshot(store):
    return torpor.run(job, store)[-1]


def test_properties(store, snapshot):
    assert isinstance(snapshot.id, int) and snapshot.id > 0 and snapshot.key == "k"
    assert snapshot.nbytes >= 300_000 * 8
    assert snapshot.pid == os.getpid() and abs(snapshot.created - time.time()) < 600
    assert snapshot.python == ".".join(map(str, __import__("sys").version_info[:3]))
    assert snapshot == store["k"] and hash(snapshot) == hash(store["k"])
    assert "k" in repr(snapshot) and str(snapshot.id) in repr(snapshot)


def test_numbers_are_never_used_again(store):
    numbers = [torpor.run(job, store)[-1].id for _ in range(5)]
    for key in list(store):
        del store[key]
    numbers.append(torpor.run(job, store)[-1].id)
    assert numbers == sorted(set(numbers))


def test_read_gives_locals_in_place(snapshot):
    u = snapshot.read("u")
    assert type(u) is np.ndarray and u.shape == (300, 1000) and u.sum() == 44999850000.0
    assert not u.flags.writeable
    with pytest.raises(ValueError):
        u[0, 0] = 1
    assert snapshot.read("small") == [1, {"a": (2.5, None)}, b"b"]
    assert snapshot.read("text", 0) == "text" and snapshot.read("text", frame=0) == "text"


def test_read_refuses_what_is_not_there(snapshot):
    with pytest.raises(KeyError):
        snapshot.read("nothing")
    with pytest.raises(IndexError):
        snapshot.read("u", 7)


def test_arrays_lists_them_by_path(snapshot):
    found = snapshot.arrays()
    assert found["frames[0].locals['u']"].shape == (300, 1000)
    assert found["frames[0].locals['nested']['arrays'][1]"].tolist() == [0, 1, 2, 3, 4]
    assert not any(array.flags.writeable for array in found.values())


def test_reading_runs_no_code(stores):
    run("""
        import torpor
        class Bomb:
            def __init__(self):
                self.inside = 5
            def __reduce__(self):
                return print, ("boom",)
            def __repr__(self):
                print("boom")
        def job():
            bomb, inside = Bomb(), [Bomb()]
            torpor.capture(key="k")
        torpor.run(job)
        """)
    out = run("""
        import torpor
        snapshot = torpor.Store()["k"]
        bomb = snapshot.read("bomb")
        print((type(bomb).__name__, bomb.type_name, type(snapshot.read("inside")[0]).__name__))
        snapshot.arrays(), snapshot.frames, snapshot.verify()
        """)
    lines = out.strip().splitlines()
    assert len(lines) == 1 and "boom" not in lines[0].lower().replace("bomb", "")
    kind, name, inside = literal(out)
    assert (kind, inside) == ("Opaque", "Opaque") and isinstance(name, str) and name


def test_bytes_are_one_region(snapshot):
    data = bytes(snapshot)
    assert len(data) >= 300_000 * 8
    total, small, *_ = torpor.loads(data).resume()
    assert total == 44999850000.0 and small == [1, {"a": (2.5, None)}, b"b"]


def test_save_and_load(snapshot, tmp_path):
    path = tmp_path / "s.torpor"
    snapshot.save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.torpor"]
    for verify in ("graph", "full"):
        loaded = torpor.load(path, verify=verify)
        assert loaded.read("text") == "text" and loaded.read("u").sum() == 44999850000.0
        loaded.verify()
        assert loaded.adopt().resume()[0] == 44999850000.0
    with pytest.raises(ValueError):
        torpor.load(path, verify="nothing")


def test_saved_file_is_resumed_elsewhere(stores, tmp_path):
    path = tmp_path / "s.torpor"
    run(
        """
        import numpy, sys, torpor
        def job():
            u = numpy.arange(100_000.0)
            got = torpor.capture(key="k")
            return u.sum() if isinstance(got, torpor.Snapshot) else (float(u.sum()), got)
        torpor.run(job)
        torpor.Store()["k"].save(sys.argv[1])
        torpor.Store().destroy()
        """,
        path,
    )
    out = run("import sys, torpor; print(torpor.load(sys.argv[1]).adopt().resume('x'))", path)
    assert literal(out) == (4999950000.0, "x")


def test_save_replaces_a_file_whole_or_not_at_all(snapshot, tmp_path):
    path = tmp_path / "s.torpor"
    path.write_bytes(b"old")
    snapshot.save(str(path))
    assert torpor.load(str(path)).read("text") == "text"
    with pytest.raises(OSError) as caught:
        snapshot.save(tmp_path / "no" / "such" / "folder")
    assert isinstance(caught.value, torpor.TorporError) and caught.value.status == 5
    with pytest.raises(FileNotFoundError):
        torpor.load(tmp_path / "nothing")


def test_loaded_file_can_be_deleted_while_in_use(snapshot, tmp_path):
    path = tmp_path / "s.torpor"
    snapshot.save(path)
    cont = torpor.load(path).adopt()
    path.unlink()
    assert cont.resume()[0] == 44999850000.0


def test_remove_drops_the_key_only_if_it_is_still_its_own(store):
    first = torpor.run(job, store)[-1]
    second = torpor.run(job, store)[-1]
    assert store["k"] == second
    first.remove()
    assert store["k"] == second
    second.remove()
    assert "k" not in store
    assert second.read("text") == "text"  # held, so still there


def test_removed_memory_comes_back(store):
    empty = store.stats().used
    snapshot = torpor.run(job, store)[-1]
    assert store.stats().used > empty
    snapshot.remove()
    del snapshot
    assert store.stats().snapshots == 0
    for _ in range(300):  # far more than the store holds
        torpor.run(job, store)[-1].remove()


def test_written_arrays_never_reach_the_snapshot(store, snapshot):
    before = bytes(snapshot)
    cont = store.adopt("k")
    u = cont.frames[0].locals["u"]
    u[:] = -1
    assert cont.resume()[0] == -300_000
    assert bytes(snapshot) == before and store.adopt("k").resume()[0] == 44999850000.0


def test_snapshot_that_was_made_elsewhere_shows_the_same(stores):
    run("""
        import torpor
        def job(n):
            if n:
                return job(n - 1)
            return torpor.capture(key="k")
        torpor.run(job, 3)
        """)
    frames = torpor.Store()["k"].frames
    assert [f.function for f in frames] == ["job"] * 4
    assert [f.lineno for f in frames] == [6, 5, 5, 5]
    assert torpor.Store()["k"].read("n", 2) == 2

"""What the host attaches to a capture comes back as it was, in place and read-only, and is nothing of the program's."""

import array
import ctypes
import gc
import mmap

import numpy as np
import pytest
import torpor
from processes import literal, run

MIB = 1 << 20


#: Options of the capture that `keep` makes: a global of an imported module, so that they are not in its frames.
OPTIONS = {}


def keep(store, key="k", **options):
    OPTIONS.clear()
    OPTIONS.update(options)

    def job(value):
        return store.capture(key=key, **OPTIONS), value

    try:
        return torpor.run(job, 5)[0]
    finally:
        OPTIONS.clear()


def test_every_sort_of_buffer(store):
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int32), ("b", ctypes.c_double)]

    grid = np.arange(60_000.0).reshape(200, 300)
    buffers = {
        "bytes": b"some bytes",
        "bytearray": bytearray(100_000),
        "array": array.array("d", [1, 2, 3]),
        "memoryview": memoryview(b"abcdef")[2:4],
        "grid": grid,
        "fortran": np.asfortranarray(grid),
        "part": grid[10:20],
        "scalar": np.array(7.5),
        "complex": np.ones(5000, "c16"),
        "record": np.zeros(3, [("a", "i4"), ("b", "f8")]),
        "ctypes": (Pair * 3)(),
        "mmap": mmap.mmap(-1, 8192),
        "é": b"\x00",
    }
    snapshot = keep(store, attach=buffers)
    assert snapshot.attachments == tuple(sorted(buffers))
    for name, buffer in buffers.items():
        given, found = memoryview(buffer), snapshot.attachment(name)
        assert found.readonly and found.tobytes("A") == given.tobytes("A"), name
        assert (found.format, found.shape, found.itemsize) == (given.format, given.shape, given.itemsize), name
    back = np.asarray(snapshot.attachment("fortran"))
    assert back.flags.f_contiguous and np.array_equal(back, grid) and not back.flags.writeable
    with pytest.raises(TypeError):
        snapshot.attachment("bytes")[0] = 1
    with pytest.raises(TypeError):
        ctypes.c_char.from_buffer(snapshot.attachment("bytes"))
    # The frame is as it would be without.
    assert store.adopt("k").resume(None) == (None, 5) and not snapshot.arrays()


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 262_145])
def test_sizes(store, size):
    data = bytes(range(256)) * (size // 256 + 1)
    snapshot = keep(store, attach={"x": data[:size], "y": np.zeros((0, 3))})
    assert bytes(snapshot.attachment("x")) == data[:size] and snapshot.attachment("x").shape == (size,)
    assert snapshot.attachment("y").nbytes == 0 and snapshot.attachment("y").shape == (0, 3)
    snapshot.verify()


def test_more_than_a_gibibyte_without_a_copy(stores):
    store = torpor.Store("large", capacity="3 GiB")
    data = store.zeros((1 << 30) + 12345, "u1")
    data[-1] = 7
    before = store.stats().used
    snapshot = keep(store, attach={"x": data})
    assert store.stats().used < before + MIB
    data[-1] = 8
    found = snapshot.attachment("x")
    assert len(found) == (1 << 30) + 12345 and found[-1] == 7 and found[0] == 0


def test_what_is_in_the_frame_too_is_there_once(store):
    def job(u, v):
        return store.capture(key="k", attach={"u": u, "part": u[:50_000], "small": v}), u

    u, v = np.arange(MIB), np.arange(10)
    before = store.stats().used
    snapshot = torpor.run(job, u, v)[0]
    assert store.stats().used < before + 10 * MIB
    for _ in range(2):
        mine = store.adopt("k").resume(None)[1]
        mine[:] = 0  # a private view
        assert np.array_equal(np.asarray(snapshot.attachment("u")), u)
        assert np.array_equal(np.asarray(snapshot.attachment("part")), u[:50_000])
    assert np.array_equal(np.asarray(snapshot.attachment("small")), v)


def wrong(attach, *words):
    return pytest.param(attach, words, id=words[0])


@pytest.mark.parametrize(
    "attach, words",
    [
        wrong({"x": 5}, "x", "int", "no buffer"),
        wrong({"x": "text"}, "str", "x"),
        wrong({"x": np.zeros((4, 4))[:, ::2]}, "contiguous", "x"),
        wrong({"x": memoryview(b"abcdef")[::2]}, "one piece"),
        wrong({"x": np.array([None])}, "addresses"),
        wrong({5: b""}, "5", "no text"),
        wrong({"": b""}, "1 to 255"),
        wrong({"x" * 256: b""}, "255"),
        wrong({"a\0b": b""}, "NUL"),
        wrong(5, "mapping"),
        wrong([b"x"], "list", "mapping"),
    ],
)
def test_what_cannot_be_attached_is_refused(store, attach, words):
    before = store.stats()
    with pytest.raises(torpor.CaptureError) as caught:
        keep(store, attach=attach)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "k" not in store and store.stats() == before


def test_a_name_that_is_not_there(store):
    snapshot = keep(store, attach={"x": b""})
    for name in ("y", "", "X"):
        with pytest.raises(KeyError) as caught:
            snapshot.attachment(name)
        assert "x" in str(caught.value)
    assert keep(store, attach={}).attachments == () == keep(store).attachments


def test_it_pins_its_snapshot_and_nothing_else(store):
    view = keep(store, attach={"x": bytes(MIB), "y": b"small"}).attachment("x")
    del store["k"]
    assert len(view) == MIB and store.stats().pins == 1
    part = view[5:10]
    del view
    gc.collect()
    assert bytes(part) == bytes(5) and store.stats().pins == 1
    part.release()
    del part
    gc.collect()
    assert store.stats().pins == 0 and store.stats().used < MIB


def test_buffers_are_released_after_the_capture(store):
    data = bytearray(100_000)
    keep(store, attach={"x": data})
    data.append(1)  # a BufferError while it is exported
    with pytest.raises(torpor.CaptureError):
        keep(store, attach={"x": data, "y": 5})
    data.append(1)


def test_through_files_bytes_and_other_processes(store, tmp_path):
    snapshot = keep(store, attach={"x": np.arange(100_000)})
    snapshot.save(tmp_path / "file")
    loaded = torpor.load(tmp_path / "file", verify="full")
    assert np.asarray(loaded.attachment("x"))[-1] == 99_999
    out = run("""
        import torpor
        found = torpor.Store("test").get("k").attachment("x")
        print((found.format, found.shape, found[12345]))
        """)
    assert literal(out) == ("l", (100_000,), 12345)

    def job():
        return torpor.dumps(attach={"x": b"abc"})

    assert b"abc" in torpor.run(job)


def test_with_globals_generators_and_requests(store):
    """Attachments stand behind all that the frames need of their modules."""
    run("""
        import torpor
        store = torpor.Store("test")
        table = {"a": [1, 2]}
        def double(x):
            return [table["a"], x * 2]
        def numbers():
            yield double(1)
            yield double(2)
        made = numbers()
        next(made)
        store.capture(made, "generator", attach={"x": b"of a generator"})
        def job():
            store.capture(key="frames", attach={"x": b"of frames", "table": bytes(50_000)})
            return double(21)
        torpor.run(job)
        """)
    assert literal(run("import torpor; print(repr(next(torpor.Store('test').adopt('generator').object)))")) == [[1, 2], 4]
    assert literal(run("import torpor; print(repr(torpor.Store('test').adopt('frames').resume()))")) == [[1, 2], 42]
    assert bytes(store["generator"].attachment("x")) == b"of a generator"
    assert bytes(store["frames"].attachment("x")) == b"of frames"


def test_memoryview_of_a_snapshot(store):
    snapshot = keep(store, attach={"x": bytes(50_000)})
    view = memoryview(snapshot)
    assert view.readonly and view.nbytes == snapshot.nbytes and view.format == "B" and view.ndim == 1
    assert torpor.loads(view).resume(1) == (1, 5) and bytes(view[4:8]) == b"TRPR"
    del snapshot, store["k"]
    gc.collect()
    assert torpor.loads(view).resume(2) == (2, 5)
    with pytest.raises(TypeError):
        view[0] = 1

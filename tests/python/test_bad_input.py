"""Damaged bytes, files and stores, and misuse, are clear errors with a status: never a crash, a hang or a leftover."""

import pathlib
import sys

import pytest
import torpor
from processes import LONG, literal, run

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"

# Damages `original` again and again and hands it to `use`, which may raise TorporError and nothing else.
FUZZ = """
import random, sys, torpor, warnings
warnings.simplefilter("ignore")
def damage(data, random):
    data = bytearray(data)
    kind = random.randrange(7)
    at = random.randrange(len(data)) if random.random() < 0.5 else random.randrange(min(len(data), 512))
    if kind == 0:
        data[at] ^= 1 << random.randrange(8)
    elif kind == 1:
        for _ in range(random.randrange(1, 20)):
            data[random.randrange(len(data))] = random.randrange(256)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data[at:at + 8] = random.choice([0, 2**64 - 1, 2**63, 2**32, len(data), len(data) + 1]).to_bytes(8, "little")
    elif kind == 4:
        data = bytearray(random.randbytes(random.randrange(2000)))
    elif kind == 5:
        data[at:] = random.randbytes(len(data) - at)
    else:
        other = random.randrange(len(data))
        data[at:at + 64], data[other:other + 64] = data[other:other + 64], data[at:at + 64]
    return bytes(data)
def fuzz(original, use, seed, tries):
    kinds = {}
    for n in range(tries):
        damaged = damage(original, random.Random(seed * 1_000_003 + n))
        try:
            use(damaged)
            kind = "adopted"
        except (torpor.TorporError, OSError) as error:
            kind = type(error).__name__
            assert getattr(error, "status", 0) > 0 and len(str(error)) > 10, repr(error)
        kinds[kind] = kinds.get(kind, 0) + 1
    print(repr(kinds))
class Point:
    def __init__(self, x):
        self.x = x
def inner(point, items):
    import numpy
    small, big = numpy.arange(6.0).reshape(2, 3), numpy.ones(3000)
    got = torpor.dumps()
    return got if isinstance(got, bytes) else (point.x, items)
def outer():
    return inner(Point([1, 2.5, "text", b"bytes", {"k": (None, True)}, {1, 2}, 10**30]), [[], {}])
original = torpor.run(outer)
seed, tries = int(sys.argv[1]), int(sys.argv[2])
"""


def total(outputs):
    kinds = {}
    for out in outputs:
        for kind, count in literal(out).items():
            kinds[kind] = kinds.get(kind, 0) + count
    return kinds


def test_damaged_bytes(stores):
    """10,000 tries and more."""
    script = FUZZ + "fuzz(original, lambda damaged: torpor.loads(damaged).resume(), seed, tries)"
    batches = 40 if LONG else 5
    kinds = total(run(script, seed, 2000) for seed in range(batches))
    assert sum(kinds.values()) == batches * 2000 >= 10_000
    assert kinds["CorruptSnapshot"] > batches * 2000 // 2
    assert set(kinds) <= {"CorruptSnapshot", "VersionMismatch", "adopted"}


def test_damaged_files(stores, tmp_path):
    script = FUZZ + f"""
path = {str(tmp_path / "s.torpor")!r}
def use(damaged):
    with open(path, "wb") as file:
        file.write(damaged)
    snapshot = torpor.load(path, verify="full")
    snapshot.adopt().resume()
fuzz(original, use, seed, tries)
"""
    kinds = total(run(script, seed, 1000) for seed in range(10 if LONG else 2))
    assert set(kinds) <= {"CorruptSnapshot", "VersionMismatch", "adopted"}
    assert kinds["CorruptSnapshot"] > sum(kinds.values()) * 3 // 4


def test_damaged_payload_is_found_by_verify(store, tmp_path):
    def job():
        data = bytes(range(256)) * 40_000
        return store.capture()

    path = tmp_path / "s.torpor"
    torpor.run(job).save(path)
    content = bytearray(path.read_bytes())
    content[5_000_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(torpor.CorruptSnapshot):
        torpor.load(path, verify="full")
    with pytest.raises(torpor.CorruptSnapshot):
        torpor.load(path).verify()


def test_damaged_store(stores):
    """Whatever is scribbled over a store's files between two runs, using it gives answers or errors."""
    script = FUZZ + """
import os, pathlib, shutil
template = pathlib.Path(sys.argv[3])
place = template.with_name(f"copy {seed}")
def files(root):
    return sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
def use(n):
    choice = random.Random(seed * 1_000_003 + n)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    path = choice.choice(files(place))
    with open(path, "r+b") as file:
        size = path.stat().st_size
        for _ in range(choice.choice([1, 1, 4, 100])):
            file.seek(choice.randrange(size if choice.random() < 0.5 else min(size, 4096)))
            file.write(choice.choice([b"\\0", b"\\xff", b"\\xff" * 8, choice.randbytes(1), choice.randbytes(16)]))
        if choice.random() < 0.2:
            file.truncate(choice.randrange(size))
    store = torpor.Store("s", dir=str(place), create=False)
    for act in (store.keys, store.snapshots, store.stats, store.gc, lambda: store.adopt("k0").resume(),
                lambda: torpor.run(job, store, "new"), lambda: store["k1"].verify(), lambda: store.__delitem__("k2")):
        try:
            act()
        except torpor.TorporError:
            pass
def job(store, key):
    got = store.capture(key=key)
    return key
kinds = {}
for n in range(tries):
    try:
        use(n)
        kind = "used"
    except (torpor.TorporError, OSError) as error:
        kind = type(error).__name__
    kinds[kind] = kinds.get(kind, 0) + 1
print(repr(kinds))
"""
    run("""
        import sys, torpor
        store = torpor.Store("s", dir=sys.argv[1], capacity="16 MiB")
        def job(n):
            data = [n, bytes(50_000)]
            store.capture(key=f"k{n}")
        for n in range(3):
            torpor.run(job, n)
        """, stores / "template")
    kinds = total(run(script, seed, 150, stores / "template") for seed in range(20 if LONG else 3))
    assert set(kinds) <= {"used", "StoreCorrupt", "StoreError", "StoreNotFound", "CorruptSnapshot", "FileError"}


def test_not_snapshots(stores, tmp_path):
    for data in (b"", b"\0", b"TRPR", b"not a snapshot at all", bytes(100_000), b"\xff" * 4096):
        with pytest.raises(torpor.CorruptSnapshot) as caught:
            torpor.loads(data)
        assert caught.value.status == 302
        (tmp_path / "f").write_bytes(data)
        with pytest.raises(torpor.CorruptSnapshot):
            torpor.load(tmp_path / "f")
    for wrong in (None, 5, "text", [1]):
        with pytest.raises((TypeError, BufferError)):
            torpor.loads(wrong)
    with pytest.raises((OSError, ValueError)):
        torpor.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        torpor.load(tmp_path / "nothing")


def test_bytes_may_lie_anywhere(stores):
    """Unaligned and read-only buffers are as good as any."""

    def job():
        got = torpor.dumps()
        return got if isinstance(got, bytes) else "resumed"

    data = torpor.run(job)
    for offset in range(9):
        moved = bytes(offset) + data + b"tail"
        assert torpor.loads(memoryview(moved)[offset : offset + len(data)]).resume() == "resumed"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14", "3.15"])
def test_snapshots_of_every_python_version(version):
    """Files from when the format was fixed: the own version's is resumed, the others' are refused but can be read."""
    snapshot = torpor.load(GOLDEN / f"python-{version}.torpor", verify="full")
    assert snapshot.python.startswith(version + ".")
    assert [f.function for f in snapshot.frames] == ["inner", "outer"]
    assert snapshot.read("items") == [1, 2.5, "text", b"bytes", None, (True, 10**30)]
    if sys.version.startswith(version + "."):
        assert snapshot.adopt().resume("value") == ([1, 2.5, "text", b"bytes", None, (True, 10**30)], "value", 499500.0)
    else:
        with pytest.raises(torpor.VersionMismatch) as caught:
            snapshot.adopt()
        assert caught.value.status == 303 and version in str(caught.value) and sys.version.split()[0] in str(caught.value)


def test_statuses_are_the_contract():
    expected = {
        "StoreError": 100, "StoreNotFound": 101, "StoreFull": 102, "StoreCorrupt": 103, "CaptureError": 200,
        "UnsupportedFrame": 201, "UncapturableValue": 202, "AdoptError": 300, "SnapshotNotFound": 301,
        "CorruptSnapshot": 302, "VersionMismatch": 303, "ResumeError": 400, "AlreadyResumed": 401,
    }  # fmt: skip
    for name, status in expected.items():
        kind = getattr(torpor, name)
        assert issubclass(kind, torpor.TorporError) and kind.status == status
    for name, parent in [
        ("StoreFull", "StoreError"), ("UnsupportedFrame", "CaptureError"), ("UncapturableValue", "CaptureError"),
        ("SnapshotNotFound", "AdoptError"), ("CorruptSnapshot", "AdoptError"), ("VersionMismatch", "AdoptError"),
        ("AlreadyResumed", "ResumeError"),
    ]:  # fmt: skip
        assert issubclass(getattr(torpor, name), getattr(torpor, parent))
    assert issubclass(torpor.CodeChanged, Warning) and issubclass(torpor.StateIgnored, Warning)


def test_wrong_arguments(store):
    def job(**options):
        return store.capture(**options)

    for options in ({"stack": 0}, {"stack": -1}, {"stack": "all"}, {"keep_dead": "yes"}, {"nonsense": 1}, {"exclude": 5}):
        with pytest.raises((TypeError, ValueError, OverflowError, torpor.CaptureError)):
            torpor.run(job, **options)
    assert store.snapshots() == []
    with pytest.raises((TypeError, ValueError)):
        store.wait("k", timeout=float("nan"))


ATTACHED = """
import collections, itertools, sys, torpor
engine = next(m for name, m in sys.modules.items() if name.startswith("_torpor_engine"))
numbers = [-5, -1, 0, 1, 3, 10**6, 2**62, None, "x", ()]
ordered = collections.OrderedDict(a=1, b=2)
containers = [({1: 1, 2: 2},), ([1, 2],), (ordered,), (bytearray(b"ab"),), ((1,),), (memoryview(b"ab"),), ()]
asked = fitting = 0
def use(make, *args):
    global asked, fitting
    asked += 1
    try:
        list(itertools.islice(make(*args), 10))
        fitting += 1
    except (TypeError, ValueError, RuntimeError, IndexError, OverflowError, MemoryError, AttributeError, KeyError, SystemError):
        pass
def filled(made, parts):
    it = made()
    try:
        engine.fill_attached(it, parts)
    except (TypeError, ValueError, OverflowError, SystemError):
        pass
    return it
for a, b in itertools.product(numbers, numbers):
    for number, c in itertools.product(range(len(engine._ATTACHED)), containers):
        for parts in ((c, a, b, b), (a, c), (c, a, True, (1,))):
            use(filled, lambda: engine.make_attached(number), parts)
    use(filled, lambda: engine.make_ordered_iterator("keys", True), ((ordered,), a, b, (b,)))
    use(engine.make_set_iterator, {1, 2}, 2, a, (b,))
    use(engine.make_set_iterator, {1, 2}, a, b, (1,))
    use(engine.make_deque_iterator, collections.deque("ab"), 0, 2, a, b)
    use(engine.make_namespace_iterator, int, a, b, (1,))
    use(engine.make_memory_iterator, memoryview(b"abc"), a)
print(repr((asked, fitting)))
"""


def test_iterators_with_parts_that_do_not_fit(stores):
    asked, fitting = literal(run(ATTACHED))
    assert asked > 20_000 and 0 < fitting < asked

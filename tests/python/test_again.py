"""A capture of frames that were captured before gives, byte for byte, what a first one would give.

The engine writes such a capture over the last one where it can (`engine/src/again.rs`). An option with the
value of its default has it walk the stack instead: that is what the captures are compared with here.
"""

import random

import pytest
import torpor

# What locals may hold from one capture to the next: all that is written over, and all that must not be.
ONE, OTHER = "".join(["a text ", "of its own"]), "".join(["a text ", "of anothe"])
VALUES = [
    0, 1, -1, 7, -(2**30), 2**30 - 1, 2**30, 2**62, -(2**63), 2**63, 1 << 200, 1.5, -0.0, float("inf"), True, False, None,
    "", "x", "a_name", "b_name", "name_of_another_length", "t\xebxt", "\u20ac", ONE, ONE, OTHER, "x" * 70_000, b"bytes",
    2j, ..., (1, 2), [1], range(3), iter(range(5)), iter([1, 2]),
]  # fmt: skip
WALK = {"keep_dead": True}


@pytest.fixture(autouse=True)
def setting(store, monkeypatch):
    monkeypatch.setitem(globals(), "STORE", store)
    monkeypatch.setitem(globals(), "OPTIONS", {})


def content(snapshot):
    """All of a snapshot but its checksum and when it was made."""
    data = bytes(snapshot or b"")  # in a resumed stack it is None
    return data[:72] + data[80:96] + data[104:]


def inner(a, b, c):
    for n in range(2, 4):
        if n == 3:
            del b
        snapshot = STORE.capture(key="k", **OPTIONS)
        yield_to(content(snapshot))
        snapshot = None
    return a, c


def outer(a, b, c):
    d = a
    return (a, inner(b, c, a), d)


SEEN = []
yield_to = SEEN.append


def with_id(number, text=ONE):
    ticks = iter(range(3))
    for step in range(5):
        number = id(ONE) if step == 1 else id(ticks) if step == 3 else step
        snapshot = STORE.capture(key="k", **OPTIONS)
        yield_to(content(snapshot))
        snapshot = None
    return ticks


def test_numbers_that_are_ids():
    """A number that is the id of something in the frame is not written over one that is none."""
    seen = []
    for options in ({}, WALK):
        OPTIONS.clear()
        OPTIONS.update(options)
        SEEN.clear()
        torpor.run(with_id, 0)
        seen.append([len(content) for content in SEEN])
    assert seen[0] == seen[1] and seen[0][1] == seen[0][3] > seen[0][0] == seen[0][2] == seen[0][4]


def captures(values, options):
    OPTIONS.clear()
    OPTIONS.update(options)
    SEEN.clear()
    torpor.run(outer, *values)
    return list(SEEN)


def test_the_bytes_are_those_of_a_walk():
    chosen = random.Random(1)
    for _ in range(1500):
        few = chosen.sample(VALUES, 4)
        before, now = chosen.choices(few, k=3), chosen.choices(few, k=3)
        captures(before, {})
        assert captures(now, {}) == captures(now, WALK), (before, now)


def test_what_is_adopted_is_what_was_captured_last():
    for number, text in [(1, "a"), (2, "b"), (2**70, "b"), (3, "a longer text"), (-4, "c"), (0.5, "d")]:
        captures([number, text, None], {})
        assert STORE.adopt("k").resume(None) == (number, (text, number), number)


def test_a_function_that_lost_its_name_travels_otherwise(monkeypatch):
    captures([1, 2, 3], {})
    captures([1, 2, 3], {})
    kept = outer
    monkeypatch.setitem(globals(), "outer", None)
    contents = []
    for options in ({}, WALK):
        OPTIONS.update(options)
        SEEN.clear()
        torpor.run(kept, 1, 2, 3)
        contents.append(list(SEEN))
    assert contents[0] == contents[1] and b"test_again:outer" not in contents[0][0]


def test_another_function_of_the_same_code_is_told_apart(monkeypatch):
    captures([1, 2, 3], {})
    twin = type(outer)(outer.__code__, globals(), "outer")
    monkeypatch.setitem(globals(), "outer", twin)
    assert captures([1, 2, 3], {}) == captures([1, 2, 3], WALK)
    assert STORE.adopt("k").frames[-1].code == twin.__code__


def test_a_snapshot_that_replaces_another_is_the_one_that_is_adopted():
    for number in range(3):
        captures([number, number, number], {})
        for _ in range(3):
            assert STORE.adopt("k").resume(None) == (number, (number, number), number)
    other = torpor.Store("other", dir=str(STORE.dir))
    torpor.run(lambda n: other.capture(key="k") and n, 7)
    for _ in range(2):
        assert STORE.adopt("k").resume(None) == (2, (2, 2), 2)
        assert other.adopt("k").resume(True) == 7
    del STORE["k"]
    with pytest.raises(torpor.SnapshotNotFound):
        STORE.adopt("k")
    other.destroy()


def test_an_adopted_array_is_as_captured_after_another_view_of_it_was_written():
    numpy = pytest.importorskip("numpy")

    def job(u):
        STORE.capture(key="k")
        return u

    torpor.run(job, numpy.arange(100_000.0))
    for _ in range(4):
        u = STORE.adopt("k").resume(None)
        assert (u == numpy.arange(100_000.0)).all()
        u[:] = -1
        v = STORE.adopt("k").resume(None)
        assert (v == numpy.arange(100_000.0)).all() and (u == -1).all()

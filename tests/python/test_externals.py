"""What cannot travel, or shall not, stays behind: both sides have it under a name, or the program replaces it."""

import hashlib
import socket
import subprocess
import sys

import pytest
import torpor
from processes import literal, run


class Holder:
    def __init__(self, thing):
        self.thing = thing


class Other:
    pass


def kept(store, thing, **options):
    """What a frame held, as it comes back in this process."""

    def job():
        local, again = Holder(thing), [thing]
        store.capture(key="k", stack=2, **options)
        return local.thing, again[0]

    return torpor.run(job)


def test_externals_are_the_adopters_own(store):
    pair = socket.socketpair()
    mine, yours = pair
    assert kept(store, mine, externals={"link": mine}) == (mine, mine)
    back = store.adopt("k", externals={"link": yours, "more": 1}).resume()
    assert back[0] is yours and back[1] is yours
    for s in pair:
        s.close()


@pytest.mark.parametrize("thing", [[1, 2], {"a": 1}, {1, 2}, (1, 2), Holder(1), len, Other, sys, object()], ids=lambda thing: getattr(thing, "__name__", type(thing).__name__))
def test_anything_with_an_identity_can_stay_behind(store, thing):
    kept(store, thing, externals={"it": thing})
    own = Holder(2)
    back = store.adopt("k", externals={"it": own}).resume()
    assert back[0] is own and back[1] is own


def test_in_another_process(stores):
    run("""
        import queue, torpor
        tasks = queue.SimpleQueue()
        def job(tasks, total=0):
            for n in range(3):
                total += n
                if n == 1:
                    torpor.capture(key="k", externals={"tasks": tasks})
            tasks.put(total)
            return total
        torpor.run(job, tasks)
    """)
    script = """
        import queue, torpor
        mine = queue.SimpleQueue()
        print(repr((torpor.adopt("k", externals={"tasks": mine}).resume(), mine.get())))
    """
    assert literal(run(script)) == (3, 3)


def test_what_the_adopter_does_not_have_is_named(store):
    lock = [1]
    kept(store, lock, externals={"the lock": lock})
    for externals in (None, {}, {"another": 1}):
        with pytest.raises(torpor.AdoptError, match="externals={\"the lock\": ...}"):
            store.adopt("k", externals=externals)
    assert store["k"].frames[0].locals_names  # reading needs none
    assert isinstance(store["k"].read("local"), torpor.Opaque)


@pytest.mark.parametrize("plain", [None, True, 5, 1.5, "text", b"bytes"])
def test_plain_data_is_no_external(store, plain):
    with pytest.raises(torpor.CaptureError, match="plain data"):
        kept(store, plain, externals={"x": plain})
    assert len(store.snapshots()) == 0


@pytest.mark.parametrize("wrong", [5, [1], {1: len}])
def test_externals_are_names_and_objects(store, wrong):
    with pytest.raises((torpor.CaptureError, TypeError)):
        kept(store, [1], externals=wrong)


def test_a_replacement_travels_in_its_place(store):
    asked = []

    def instead(thing, path):
        asked.append((type(thing).__name__, path))
        return ["in its place"]

    kept(store, hashlib.sha256(b"given"), on_uncapturable=instead)
    back = store.adopt("k").resume()
    assert back[0] == ["in its place"] and back[0] is back[1]
    assert len(asked) == 1 and asked[0][0] == "HASH" and asked[0][1].startswith("frames[0]."), asked


@pytest.mark.parametrize("replacement", [0, "", (), "text", b"", 1.5, 10**40, {"a": [1]}, len])
def test_any_value_can_be_a_replacement(store, replacement):
    kept(store, hashlib.sha256(b"given"), on_uncapturable=lambda thing, path: replacement)
    back = store.adopt("k").resume()
    assert back == (replacement, replacement)


def test_none_leaves_it_refused(store):
    with pytest.raises(torpor.UncapturableValue, match="HASH"):
        kept(store, hashlib.sha256(b"given"), on_uncapturable=lambda thing, path: None)
    assert len(store.snapshots()) == 0


def test_a_replacement_that_cannot_travel_is_refused(store):
    with pytest.raises(torpor.UncapturableValue, match="HASH"):
        kept(store, hashlib.sha256(b"given"), on_uncapturable=lambda thing, path: hashlib.sha256(b"given"))
    with pytest.raises(torpor.UncapturableValue, match="HASH"):
        kept(store, hashlib.sha256(b"given"), on_uncapturable=lambda thing, path: thing)


def test_the_replacement_may_be_what_travels_anyway(store):
    common = [1]

    def job():
        first, second = common, hashlib.sha256(b"given")
        store.capture(key="k", stack=2, on_uncapturable=lambda thing, path: common)
        return first, second

    torpor.run(job)
    first, second = store.adopt("k").resume()
    assert first == [1] and first is second


def test_an_error_in_the_hook_is_the_captures(store):
    def fails(thing, path):
        raise ZeroDivisionError(path)

    with pytest.raises(ZeroDivisionError, match="frames.0."):
        kept(store, hashlib.sha256(b"given"), on_uncapturable=fails)
    with pytest.raises(torpor.CaptureError, match="no function"):
        kept(store, [1], on_uncapturable=5)
    assert len(store.snapshots()) == 0


def test_a_hook_that_captures_itself(store):
    """The hook is the program's: it may do anything."""

    def instead(thing, path):
        kept(store, "inner")
        return subprocess.list2cmdline([path])

    kept(store, hashlib.sha256(b"given"), on_uncapturable=instead)
    first, second = store.adopt("k").resume()
    assert first == second and first.startswith("frames[0].")

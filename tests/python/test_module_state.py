"""State of imported modules: what a module has under a name is the adopter's own, and a difference is told."""

import textwrap

import pytest
from processes import literal, run

MODULE = """
import collections, random, threading

class Kind:
    def __init__(self, n):
        self.n = n

class Slotted:
    __slots__ = ("n",)

KIND = Kind(0)
SLOTTED = Slotted()
SLOTTED.n = 0
NAMES = [1]
TABLE = {"a": 1}
SET = {1}
BYTES = bytearray(b"a")
QUEUE = collections.deque([1])
COUNTS = collections.Counter("aab")
MISSING = object()
RANDOM = random.Random(1)
LOCK = threading.Lock()
LOCKED = threading.Condition()
"""
OBJECTS = ("KIND", "SLOTTED", "NAMES", "TABLE", "SET", "QUEUE", "COUNTS", "MISSING", "RANDOM", "LOCK", "LOCKED")
CAPTURE = """
import sys
sys.path.insert(0, sys.argv[2])
import torpor, state_of

def job(objects):
    kept = list(objects)
    torpor.capture(key=sys.argv[1])
    names = vars(sys.modules["state_of"])
    return [name for name, obj in zip(NAMES, kept) if names.get(name) is not obj], kept is objects

NAMES = {names!r}
{change}
torpor.run(job, [getattr(state_of, name) for name in NAMES])
"""
RESUME = """
import sys, warnings
sys.path.insert(0, sys.argv[2])
import torpor
{before}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        result = torpor.adopt(sys.argv[1]).resume()
    except torpor.AdoptError as error:
        result = str(error)
print(repr((result, [(w.category.__name__, str(w.message)) for w in caught])))
"""


@pytest.fixture
def module(stores):
    """The directory of the module."""
    (stores / "state_of.py").write_text(MODULE)
    return stores


def through(directory, names=OBJECTS, change="", before=""):
    """What a resumed frame finds that holds these objects of the module, and the warnings of the adopt."""
    change = textwrap.dedent(change)
    run(CAPTURE.format(names=names, change=change), "state", directory)
    return literal(run(RESUME.format(before=textwrap.dedent(before)), "state", directory))


def test_objects_of_a_module_are_its_own(module):
    assert through(module) == (([], False), [])


WHOLE = """
class Constant(int):
    __reduce__ = None

class Whole(tuple):
    def __reduce_ex__(self, protocol):
        raise TypeError("stays in one piece")

CONSTANT, PAIR = Constant(7), Whole((1, 2))
"""


def test_what_cannot_be_taken_apart_is_its_modules(module):
    """Also where it is equal by what it contains: there is no other way to bring it."""
    with (module / "state_of.py").open("a") as file:
        file.write(WHOLE)
    assert through(module, ("CONSTANT", "PAIR")) == (([], False), [])
    assert through(module, ("CONSTANT", "PAIR"), before="import state_of") == (([], False), [])


def test_objects_of_a_module_that_is_imported_already(module):
    assert through(module, before="import state_of") == (([], False), [])


CHANGES = {
    "KIND": "state_of.KIND.n = 1",
    "SLOTTED": "state_of.SLOTTED.n = 1",
    "NAMES": "state_of.NAMES.append([2.5, 'x', None, (1, 2)])",
    "TABLE": "state_of.TABLE['b'] = {1 << 80: b'b'}",
    "SET": "state_of.SET.add(2)",
    "QUEUE": "state_of.QUEUE.append(2)",
    "COUNTS": "state_of.COUNTS['a'] = 5",
    "RANDOM": "state_of.RANDOM.random()",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_told(module, name):
    """On either side; the same change on both is none."""
    for change, before in ((CHANGES[name], ""), ("", "import state_of\n" + CHANGES[name])):
        result, warned = through(module, change=change, before=before)
        assert result == ([], False)
        assert [category for category, _ in warned] == ["StateIgnored"]
        assert f"state_of.{name}" in warned[0][1]
    assert through(module, change=CHANGES[name], before="import state_of\n" + CHANGES[name]) == (([], False), [])


def test_an_object_that_is_of_another_class_here(module):
    message, _ = through(module, ("NAMES",), before="import state_of\nstate_of.NAMES = {}")
    assert "'state_of.NAMES', which is a dict here" in message and "by_value=" in message
    message, _ = through(module, ("NAMES",), before="import state_of\ndel state_of.NAMES")
    assert "state_of:NAMES" in message


def test_what_a_module_does_not_have_under_a_name_is_a_copy(module):
    """Also if it had it once."""
    change = "kept = state_of.NAMES\nstate_of.NAMES = [1]\nstate_of.kept_elsewhere = (kept,)\nNAMES = ('OLD',)\nstate_of.OLD = kept\n"
    result, _ = through(module, ("NAMES",), change=change + "old = [kept]\ndel state_of.OLD\nstate_of.__dict__['OLD'] = old[0]\ndel state_of.OLD\n"
                        "NAMES = ('TABLE',)")
    assert result == ([], False)
    run(CAPTURE.format(names=("OLD",), change="state_of.OLD = state_of.NAMES\nstate_of.NAMES = [1]\nold = state_of.OLD\n"), "state", module)
    # A name that the module does not get by being imported: the adopter's gets it with what travels.
    assert literal(run(RESUME.format(before=""), "state", module)) == (([], False), [])


def test_what_functions_of_the_module_assign_is_a_copy(module):
    """Another process may not have made it yet."""
    (module / "lazy.py").write_text(textwrap.dedent("""
        class Kind:
            pass
        _made = None
        def get():
            global _made
            if _made is None:
                _made = Kind()
                _made.n = 5
            return _made
        """))
    run("""
        import sys
        sys.path.insert(0, sys.argv[1])
        import torpor, lazy

        def job():
            kept, again = lazy.get(), lazy.get()
            torpor.capture(key="lazy")
            return kept.n, kept is again, lazy._made is None

        print(torpor.run(job))
    """, module)
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import torpor
        print(repr(torpor.adopt("lazy").resume()))
    """
    assert literal(run(script, module)) == (5, True, True)


def test_buffers_are_values(module):
    """What may be large travels as it is, as arrays do."""
    assert through(module, ("BYTES",)) == ((["BYTES"], False), [])


def test_the_index_follows_changes(module):
    """An object that becomes a module's between two captures is found, and one that was is not any more."""
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import torpor, state_of

        def job(obj):
            other = obj
            torpor.capture(key="one")

        def kind(obj):
            torpor.run(job, obj)
            return torpor.Store("default")["one"].read("obj")

        mine, found = [5, 6], []
        for n in range(3):
            found.append(type(kind(mine)).__name__)
            state_of.NAMES, kept = mine, state_of.NAMES
            found.append(type(kind(mine)).__name__)
            state_of.NAMES = kept
        print(repr(found))
    """
    assert literal(run(script, module)) == ["list", "Opaque"] * 3


def test_the_index_follows_modules(module):
    """So are objects of modules that come and go, whose dicts may lie where another's lay before."""
    script = """
        import gc, importlib.machinery, sys, types
        import torpor

        def job(obj):
            other = obj
            torpor.capture(key="one")

        def kind(obj):
            torpor.run(job, obj)
            return type(torpor.Store("default")["one"].read("obj")).__name__

        mine, found = [5, 6], []
        for n in range(6):
            name = f"comes{n % 2}"
            sys.modules[name] = types.ModuleType(name)
            found.append(kind(mine))                    # it has no spec: it cannot be imported
            sys.modules[name].ITEM = mine
            sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
            found.append(kind(mine))
            other = [n]
            sys.modules[name].ITEM = other
            found.extend([kind(mine), kind(other)])
            del sys.modules[name]
            gc.collect()
            found.extend([kind(mine), kind(other)])
        print(repr(found))
    """
    assert literal(run(script, module)) == ["list", "Opaque", "list", "Opaque", "list", "list"] * 6


def test_a_lock_that_is_held_stays_with_the_frame(module):
    """The adopter's own is not held."""
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        import torpor, state_of

        def job(lock, condition):
            with lock, condition:
                torpor.capture(key=sys.argv[1])
            return lock.locked()

        torpor.run(job, state_of.LOCK, state_of.LOCKED)
    """
    run(script, "state", module)
    assert literal(run(RESUME.format(before=""), "state", module)) == (False, [])


def test_a_weak_reference_to_what_a_module_has(module):
    """The module holds it."""
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        import torpor, state_of, weakref

        def job(one, other):
            torpor.capture(key=sys.argv[1])
            return one() is state_of.KIND, other() is state_of.SET

        torpor.run(job, weakref.ref(state_of.KIND), weakref.ref(state_of.SET))
    """
    run(script, "state", module)
    assert literal(run(RESUME.format(before=""), "state", module)) == ((True, True), [])


def test_by_value_is_stronger(module):
    script = CAPTURE.format(names=OBJECTS, change="").replace("key=sys.argv[1]", "key=sys.argv[1], by_value=['state_of']")
    run(script.replace('vars(sys.modules["state_of"])', "vars(state_of)"), "state", module)
    (module / "state_of.py").unlink()
    result, _ = literal(run(RESUME.format(before=""), "state", module))
    assert result == ([], False)


PROGRAM = {
    "part_a.py": "import part_p.sub as sub\ncounter = [0]\nclass C:\n    made = []\ndef step(x):\n    counter[0] += x\n    C.made.append(x)\n"
    "    return sub.twice(counter[0])\n",
    "part_p/__init__.py": "label = 'p'\n",
    "part_p/sub.py": "from . import label\ncalls = 0\ndef twice(x):\n    global calls\n    calls += 1\n    return 2 * x, calls, label\n",
}
RUN_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
import torpor, part_a

def job():
    kept, first = part_a.counter, part_a.step(3)
    torpor.capture(key=sys.argv[1], state={state})
    import part_a as again, part_p.sub
    from part_p import label
    same = again is part_a, kept is again.counter, part_p.sub is again.sub, again.C.__module__, again.__spec__.name
    return first, part_a.step(4), again.C.made, same, sys.modules["part_a"] is part_a

print(repr(torpor.run(job)))
"""
PROGRAM_ENDS = ((6, 1, "p"), (14, 2, "p"), [3, 4], (True, True, True, "part_a", "part_a"), True)


@pytest.fixture
def program(stores):
    (stores / "part_p").mkdir()
    for name, text in PROGRAM.items():
        (stores / name).write_text(text)
    return stores


@pytest.mark.parametrize("state", ['"program"', '"all"', '["part_a", "part_p", "part_p.sub"]'])
def test_modules_of_the_program_travel_with_their_state(program, state):
    """To a process that cannot import them, and to one that could."""
    assert literal(run(RUN_PROGRAM.format(state=state), "program", program)) == PROGRAM_ENDS
    assert literal(run(RESUME.format(before=""), "program", program)) == (PROGRAM_ENDS, [])
    assert literal(run(RESUME.format(before="sys.path.remove(sys.argv[2])"), "program", program)) == (PROGRAM_ENDS, [])


def test_main_only_is_not_enough_without_the_modules(program):
    run(RUN_PROGRAM.format(state='"main"'), "program", program)
    message, _ = literal(run(RESUME.format(before="sys.path.remove(sys.argv[2])"), "program", program))
    assert "cannot be imported here" in message


def test_an_unknown_state_is_refused():
    import torpor

    with pytest.raises(torpor.CaptureError, match="state=.*is not one of"):
        torpor.capture(key="nothing", state="everything")


LAZY = """
cache = None
limit = 3
LISTED = []
TABLES = {}

def fill():
    global cache
    cache = {"a": 1}

def work(wait):
    if cache is None:
        fill()
    wait()
    return cache and cache["a"], LISTED, limit

def other(wait):
    wait()
    return limit

def unbound(wait):
    global made_here
    made_here = [1]
    wait()
    return made_here

def filled(wait):
    if "here" not in TABLES:
        TABLES["here"] = 1
    wait()
    return sorted(TABLES.items())

def steps():
    fill()
    yield
    yield cache
"""
USES_LAZY = """
import sys
sys.path.insert(0, sys.argv[2])
import torpor, lazy_tables

print(repr(torpor.run(lazy_tables.{function}, lambda: torpor.capture(key=sys.argv[1], state={state}))))
"""


@pytest.fixture
def lazy(stores):
    (stores / "lazy_tables.py").write_text(LAZY)
    return stores


def test_a_name_that_functions_assign_and_a_frame_uses_is_told(lazy):
    """A module's cache is the adopter's: that it is another one is told; of the same, or one of no use to the frames, nothing is."""
    assert literal(run(USES_LAZY.format(function="work", state='"main"'), "lazy", lazy)) == (1, [], 3)
    made = RESUME.format(before="import lazy_tables; lazy_tables.fill()")
    assert literal(run(made, "lazy", lazy)) == ((1, [], 3), [])
    elsewhere = RESUME.format(before="import lazy_tables; lazy_tables.cache = {'a': 2}")
    (result, warned) = literal(run(elsewhere, "lazy", lazy))
    assert result == (2, [], 3) and [category for category, _ in warned] == ["StateIgnored"]
    # What no function assigns is the module's own constant.
    assert literal(run(RESUME.format(before="import lazy_tables; lazy_tables.fill(); lazy_tables.limit = 4"), "lazy", lazy)) == ((1, [], 4), [])


AND_AFTER = RESUME.replace("result, [", "result, lazy_tables.cache, [").format(before="import lazy_tables")


def test_what_a_module_made_when_it_was_first_used_comes_where_there_is_none(lazy):
    """As long as the stack runs: then it is None again, as before."""
    run(USES_LAZY.format(function="work", state='"main"'), "lazy", lazy)
    assert literal(run(AND_AFTER, "lazy", lazy)) == ((1, [], 3), None, [])


def test_so_does_what_importing_the_module_does_not_make_at_all(lazy):
    run(USES_LAZY.format(function="unbound", state='"main"'), "lazy", lazy)
    seen = AND_AFTER.replace("lazy_tables.cache", "hasattr(lazy_tables, 'made_here')")
    assert literal(run(seen, "lazy", lazy)) == ([1], False, [])
    own = seen.replace("import lazy_tables", "import lazy_tables; lazy_tables.made_here = 3")
    result, has_it, warned = literal(run(own, "lazy", lazy))
    assert (result, has_it) == (3, True) and "'lazy_tables.made_here'" in warned[0][1]


def test_it_comes_with_a_generator_of_the_module_too(lazy):
    script = """
    import sys
    sys.path.insert(0, sys.argv[2])
    import torpor, lazy_tables

    def work():
        steps = lazy_tables.steps()
        next(steps)
        torpor.capture(key=sys.argv[1])
        return next(steps)

    print(repr(torpor.run(work)))
    """
    assert literal(run(script, "lazy", lazy)) == {"a": 1}
    assert literal(run(AND_AFTER, "lazy", lazy)) == ({"a": 1}, None, [])


def test_entries_of_a_dict_that_was_empty_come_where_they_are_missing(lazy):
    run(USES_LAZY.format(function="filled", state='"main"'), "lazy", lazy)
    seen = AND_AFTER.replace("lazy_tables.cache", "lazy_tables.TABLES")
    assert literal(run(seen, "lazy", lazy)) == ([("here", 1)], {}, [])
    seen = seen.replace("import lazy_tables", "import lazy_tables; lazy_tables.TABLES.update(here=2, more=3)")
    assert literal(run(seen, "lazy", lazy)) == ([("here", 2), ("more", 3)], {"here": 2, "more": 3}, [])


def test_what_cannot_travel_is_left_out_and_told(lazy):
    keep = "sys.path.insert(0, sys.argv[2])\nimport socket, lazy_tables\nlazy_tables.cache = dict(zip('ab', socket.socketpair()))"
    script = USES_LAZY.format(function="work", state='"main"').replace("sys.path.insert(0, sys.argv[2])", keep)
    script = script.replace("print(repr(", "print(len(")
    assert run(script, "lazy", lazy).strip() == "3"
    result, cache, warned = literal(run(AND_AFTER, "lazy", lazy))
    assert (result, cache) == ((None, [], 3), None)
    assert [category for category, _ in warned] == ["StateIgnored"] and "'lazy_tables.cache'" in warned[0][1]


PUT_THERE = """
import sys
sys.path.insert(0, sys.argv[2])
import socket, torpor, lazy_tables

class Kind:
    pass

def made():
    return lazy_tables.put_there.kind(), lazy_tables.Made()

def work():
    lazy_tables.put_there = lazy_tables.Named = type("Named", (), {"kind": Kind, "pair": None})
    lazy_tables.Made = type("Made", (lazy_tables.Named,), {"__module__": "lazy_tables"})
    lazy_tables.unused = lazy_tables.ends = socket.socketpair()
    torpor.capture(key=sys.argv[1])
    one, other = made()
    return type(one).__name__, type(other).__name__, hasattr(lazy_tables, "ends")

print(repr(torpor.run(work)))
"""


def test_what_somebody_put_into_a_module_comes_for_code_that_gets_it_from_there(lazy):
    """No frame holds it: classes that a program registers in a module, a setting. What cannot travel is left out."""
    assert literal(run(PUT_THERE, "lazy", lazy)) == ("Kind", "Made", True)
    seen = AND_AFTER.replace("lazy_tables.cache", "[n for n in vars(lazy_tables) if n in ('put_there', 'Made', 'ends', 'unused')]")
    result, there, warned = literal(run(seen, "lazy", lazy))
    assert (result, there) == (("Kind", "Made", False), []) and not [text for _, text in warned if "Made" in text]


def test_a_name_that_the_frames_do_not_use_is_not_told(lazy):
    run(USES_LAZY.format(function="other", state='"main"'), "lazy", lazy)
    assert literal(run(RESUME.format(before="import lazy_tables; lazy_tables.fill()"), "lazy", lazy)) == (3, [])


def test_a_module_that_travels_brings_what_its_functions_assigned(lazy):
    run(USES_LAZY.format(function="work", state='["lazy_tables"]'), "lazy", lazy)
    assert literal(run(RESUME.format(before=""), "lazy", lazy)) == ((1, [], 3), [])

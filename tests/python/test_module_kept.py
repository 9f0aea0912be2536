"""Modules that travel with their state (state=) to a process that has imported them: it keeps its own and is told so,
and what was captured is bound to what its own module has under the same names."""

import textwrap

import pytest
from processes import literal, run
from test_module_state import PROGRAM_ENDS, RESUME, RUN_PROGRAM, program  # noqa: F401  (a fixture)

BINDS = """
import collections, contextvars, enum, functools, typing
counter, table, members = [0], {"a": 1}, {1}
queue = collections.deque([1])
T = typing.TypeVar("T")
variable = contextvars.ContextVar("variable")
class Kind:
    __slots__ = ("n",)
    def __init__(self, n):
        self.n = n
    def go(self, wait):
        wait()
        return self.n
    @staticmethod
    def plain(): pass
    class Inner: pass
class Colour(enum.Enum):
    RED = 1
class Failed(Exception): pass
Pair = collections.namedtuple("Pair", "a b")
kind = Kind(5)
deep = [Kind(6)]
def decorated(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)
    return wrapper
@decorated
def wrapped(): return 1
@functools.lru_cache
def cached(n): return n
def steps(wait):
    yield 1
    wait()
    yield 2
def plain(wait, x=[]):
    wait()
    return counter[0]
def local():
    def inner(): return counter
    return inner
setting = None
def set_it(x):
    global setting
    setting = x
"""
BOUND = """
import sys
sys.path.insert(0, sys.argv[2])
import torpor, binds

def wait():
    torpor.capture(key="binds", state=["binds"])

def job():
    m = binds
    binds.set_it([1, 2])
    binds.counter[0] = 7
    binds.cached(3)
    binds.variable.set([4])
    held = dict(counter=m.counter, table=m.table, members=m.members, queue=m.queue, T=m.T, Kind=m.Kind, Colour=m.Colour,
                Failed=m.Failed, Pair=m.Pair, kind=m.kind, wrapped=m.wrapped, cached=m.cached, plain=m.plain, set_it=m.set_it,
                variable=m.variable)
    others = m.Kind.go, m.Kind.plain, m.Kind.Inner, m.Colour.RED, m.Kind(8), m.kind.go, m.local(), m.setting, vars(m), m.deep[0]
    result = {call}
    own = sys.modules["binds"]
    wrong = [name for name, obj in held.items() if getattr(own, name) is not obj]
    go, plain, inner, red, made, method, local, setting, names, deep = others
    right = (go is own.Kind.go, plain is own.Kind.plain, inner is own.Kind.Inner, red is own.Colour.RED, type(made) is own.Kind,
             method == own.kind.go, local() is own.counter, names is vars(own), m is own, type(deep) is own.Kind)
    return wrong, [i for i, r in enumerate(right) if not r], setting, deep.n, made.n, own.variable.get(), result

if __name__ == "__main__":
    print(repr(torpor.run(job)))
    {again}
"""
CALLS = {
    "m.plain(wait)": 0,
    "m.kind.go(wait)": 5,
    "[v for v in m.steps(wait)]": [1, 2],
    "wait()": None,
}




@pytest.fixture
def binds(stores):
    (stores / "binds.py").write_text(BINDS)
    return stores


def captured(directory, call="m.plain(wait)", again=""):
    return run(BOUND.format(call=call, again=textwrap.dedent(again)), "binds", directory)


def through(directory, before="", after=""):
    """What the resumed program returns, the warnings of the adopt, and what is printed after that."""
    script = RESUME.format(before=textwrap.dedent(before)) + textwrap.dedent(after)
    lines = run(script, "binds", directory).strip().splitlines()
    return [eval(line) for line in lines]


KEPT = ["StateIgnored"]


def kinds(warned):
    return [category for category, _ in warned]


@pytest.mark.parametrize("call", CALLS)
def test_what_is_bound(binds, call):
    """To the adopter's own module; and to one that was brought."""
    captured(binds, call)
    [(result, warned)] = through(binds, before="import binds")
    assert result == ([], [], [1, 2], 6, 8, [4], CALLS[call]) and kinds(warned) == KEPT and "'binds'" in warned[0][1]
    brought = 7 if "plain" in call else CALLS[call]
    assert through(binds) == [(([], [], [1, 2], 6, 8, [4], brought), [])]


def test_twice_in_one_process(binds):
    """The second adopt finds the module that the first one brought."""
    captured(binds)
    (binds / "binds.py").unlink()
    first, (second, warned) = through(binds, before="print(repr(torpor.adopt(sys.argv[1]).resume()))")
    assert first == second == ([], [], [1, 2], 6, 8, [4], 7) and kinds(warned) == KEPT


def test_two_continuations_at_once(binds):
    captured(binds)
    (binds / "binds.py").unlink()
    after = "print(repr((other.resume(), seen is sys.modules['binds'])))"
    (_, warned), (other, same) = through(binds, before="other = torpor.adopt(sys.argv[1]); seen = sys.modules['binds']", after=after)
    assert other == ([], [], [1, 2], 6, 8, [4], 7) and same and kinds(warned) == KEPT


def test_coming_home(binds):
    """To the process that captured."""
    again = """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            binds.counter[0] = 9
            print(repr((torpor.adopt("binds").resume(), [w.category.__name__ for w in caught])))
    """
    out = captured(binds, again=textwrap.indent(textwrap.dedent(again), "    "))
    assert literal(out) == (([], [], [1, 2], 6, 8, [4], 9), KEPT)


def test_code_that_differs(binds):
    """The captured code runs, and finds the adopter's own globals; others get the adopter's own function."""
    captured(binds)
    changed = BINDS.replace("    return counter[0]", "    return 'other'").replace("counter, table, members = [0]", "counter, table, members = [3]")
    (binds / "binds.py").write_text(changed)
    [(result, warned)] = through(binds, before="import binds")
    assert result == ([], [], [1, 2], 6, 8, [4], 3)
    assert kinds(warned) == ["CodeChanged", *KEPT] and "binds:plain" in warned[0][1]


REFUSED = {
    "a function": ("del binds.plain", "binds:plain"),
    "a class": ("del binds.Kind", "binds:Kind"),
    "an inner class": ("del binds.Kind.Inner", "binds:Kind.Inner"),
    "a method": ("del binds.Kind.go", "binds:Kind.go"),
    "an object": ("del binds.table", "binds:table"),
    "an object of another kind": ("binds.table = []", "binds:table"),
    "a class that is none": ("binds.Kind = binds.plain", "binds:Kind"),
    "no module": ("sys.modules['binds'] = 5", "sys.modules['binds'] is no module"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_adopters_module_lacks(binds, what):
    """A refusal that names it; sys.modules and the module stay as they were."""
    change, message = REFUSED[what]
    captured(binds)
    before = f"import binds\n{change}\nbefore = list(sys.modules), dict(vars(binds))"
    (result, _), same = through(binds, before, "print(repr((list(sys.modules)[:len(before[0])], vars(binds)) == before))")
    assert message in result and "here" in result and same


def test_what_is_not_referred_to_may_be_missing(binds):
    captured(binds)
    [(result, warned)] = through(binds, before="import binds\ndel binds.decorated, binds.steps, binds.local, binds.deep")
    assert result == ([], [], [1, 2], 6, 8, [4], 0) and kinds(warned) == KEPT


def test_what_is_not_referred_to_is_not_rebuilt(stores):
    """Nothing of it runs, and it is not missed."""
    (stores / "loud.py").write_text(textwrap.dedent("""
        class Loud:
            def __reduce__(self):
                return make, ("loud",)
        def make(text):
            print(text)
            return Loud()
        class Holds:
            pass
        holds = Holds()
        holds.inner = {"list": [1], "loud": Loud(), "more": [Loud()]}
        holds.inner["self"] = holds.inner
        loud = Loud()
        used = 5
        """))
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import torpor, loud

        def job():
            deep, made = loud.holds.inner["list"], loud.holds.inner["more"][0]
            torpor.capture(key="binds", state=["loud"])
            return deep, type(made) is loud.Loud, loud.used

        torpor.run(job)
    """
    run(script, stores)
    out = run(RESUME.format(before="import loud; loud.used = 6"), "binds", stores).splitlines()
    assert out[:-1] == ["loud"] and eval(out[-1])[0] == ([1], True, 6)
    out = run(RESUME.format(before=""), "binds", stores).splitlines()
    assert out[:-1] == ["loud"] * 3 and eval(out[-1]) == (([1], True, 5), [])


def test_a_cycle_through_what_is_kept(stores):
    """What is rebuilt of a module's contents finds the adopter's own again."""
    (stores / "ring.py").write_text(textwrap.dedent("""
        class Node:
            pass
        top = Node()
        top.node = Node()
        top.node.up, top.node.pair = top, (top, [top.node])
        table = {"node": top.node}
        top.table = table
        """))
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import torpor, ring

        def job():
            node = ring.top.node
            torpor.capture(key="binds", state=["ring"])
            return (node.up is ring.top, node.pair[0] is ring.top, node.pair[1][0] is node, type(node) is ring.Node,
                    ring.table["node"] is ring.top.node, node is ring.top.node)

        torpor.run(job)
    """
    run(script, stores)
    assert literal(run(RESUME.format(before="import ring"), "binds", stores))[0] == (True, True, True, True, True, False)
    assert literal(run(RESUME.format(before=""), "binds", stores)) == ((True,) * 6, [])


def test_modules_of_which_some_are_imported(program):
    """The adopter gets the others, and what it has stays as it is."""
    run(RUN_PROGRAM.format(state='"program"'), "binds", program)
    [(result, warned)] = through(program, before="import part_a")
    assert result == ((6, 1, "p"), (8, 1, "p"), [4], PROGRAM_ENDS[3], True) and kinds(warned) == KEPT
    assert all(f"'{name}'" in warned[0][1] for name in ("part_a", "part_p", "part_p.sub"))
    after = "print(repr((kept is sys.modules['part_p'], kept.label, sys.modules['part_p.sub'] is kept.sub)))"
    (result, warned), modules = through(program, "import part_p as kept; kept.label = 'own'", after)
    assert result == PROGRAM_ENDS[:3] + ((True, True, True, "part_a", "part_a"), True)
    assert kinds(warned) == KEPT and "part_a" not in warned[0][1] and modules == (True, "own", True)


def test_nothing_stays_after_a_failure(program):
    """Of any step of the adopt: not the modules that were brought, nor what a package has of them."""
    run(RUN_PROGRAM.format(state='"program"'), "binds", program)
    before = "import part_p; warnings.simplefilter('error'); before = list(sys.modules), dict(vars(part_p))"
    script = RESUME.format(before=before).replace("torpor.AdoptError", "torpor.StateIgnored").replace('simplefilter("always")', "")
    script = script.replace("warnings.\n", "\n") + "print(repr(([n for n in sys.modules if n.startswith('part_')], vars(part_p) == before[1])))"
    (result, _), modules = [eval(line) for line in run(script, "binds", program).strip().splitlines()]
    assert "keep their own: 'part_p'" in result and modules == (["part_p"], True)


def test_a_program_that_is_adopted_by_itself(program):
    """All modules of the program are the adopter's, and go on from what it has."""
    run(RUN_PROGRAM.format(state='"program"'), "binds", program)
    before = "import part_a; part_a.step(100)"
    [(result, _)] = through(program, before=before)
    assert result[1:3] == ((208, 2, "p"), [100, 4])


CLASSED = """
import sys, types
class Counting(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        asked.append(name)
        return len(asked)
asked = []
def function():
    import classed
    return classed.more
sys.modules[__name__].__class__ = Counting
"""
USES_CLASSED = """
import sys
sys.path.insert(0, sys.argv[2])
import torpor, classed
def job(held):
    first = classed.one
    torpor.capture(key="classed", state={state})
    if held is None:
        held = sys.modules["classed"]
    return first, function(), held.again, type(held).__name__, held.asked, type(held) is held.Counting
function = classed.function
torpor.run(job, {held})
"""


@pytest.mark.parametrize("state", ["['classed']", "'program'"])
@pytest.mark.parametrize("held", ["classed", "None"])
def test_a_module_with_a_class_of_its_own(stores, state, held):
    """The adopter that has not imported it gets it with its class; one that has keeps its own, as it is."""
    (stores / "classed.py").write_text(textwrap.dedent(CLASSED))
    run(USES_CLASSED.format(state=state, held=held), "-", stores)
    result, told = literal(run(RESUME.format(before=""), "classed", stores / "nowhere"))
    assert (result, told) == ((1, 2, 3, "Counting", ["one", "more", "again"], True), [])
    plain = "import classed, types; classed.__class__ = types.ModuleType; classed.more = classed.again = 9"
    for before, expected in [
        ("import classed; classed.first", (1, 2, 3, "Counting", ["first", "more", "again"], True)),
        (plain, (1, 9, 9, "module", [], False)),
    ]:
        result, told = literal(run(RESUME.format(before=before), "classed", stores))
        assert (result, [name for name, _ in told]) == (expected, ["StateIgnored"])

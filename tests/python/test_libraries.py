"""What libraries rely on goes on: modules behind their packages, marks told by identity, objects in the middle of their work."""

import sys
import textwrap

import pytest
from processes import literal, run

BEFORE = "import sys\nsys.path.insert(0, sys.argv[1])\nimport torpor\n"
ADOPT = BEFORE + "{before}\nresult = torpor.adopt('k').resume()\nprint(repr({result}))\n"


@pytest.fixture
def library(stores):
    """A function that installs modules, as a distribution does, and gives the place for the path."""

    def install(**modules):
        place = stores / "site-packages"
        for name, text in modules.items():
            path = place.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return place

    return install


def through(place, script, before="", result="result"):
    """What a script gives, and what its stack gives where it is resumed."""
    original = literal(run(BEFORE + textwrap.dedent(script) + "\nprint(repr(torpor.run(job)))\n", place))
    return original, literal(run(ADOPT.format(before=before, result=result), place))


# --- modules behind their packages ------------------------------------------------------------------------

PARTS = {"pack____init__": "", "pack__inner____init__": "", "pack__inner__deep": "number = 3", "pack__other": "number = 4"}


def test_code_gets_at_modules_through_their_package(library):
    place = library(**PARTS)
    script = """
    import pack.inner.deep, pack.other
    def later():
        return lambda: pack.inner.deep.number
    def job():
        torpor.capture(key="k")
        return later()(), pack.inner.deep.number
    """
    loaded = "sorted(name for name in sys.modules if name.startswith('pack'))"
    original, (resumed, found) = through(place, script, result=f"(result, {loaded})")
    assert resumed == original == (3, 3)
    assert found == ["pack", "pack.inner", "pack.inner.deep"]  # what the code mentions, and no more


def test_a_module_that_is_gone_is_not_missed_before_it_is_used(library):
    place = library(**PARTS)
    script = """
    import pack.inner.deep, pack.other
    def job(asked=True):
        torpor.capture(key="k")
        return pack.inner.deep.number if asked else pack.other.number
    """
    run(BEFORE + textwrap.dedent(script) + "\ntorpor.run(job)\n", place)
    (place / "pack" / "other.py").unlink()
    assert literal(run(ADOPT.format(before="", result="result"), place)) == 3


# --- told by identity -----------------------------------------------------------------------------------------

MARKS = """
UNSET = "== unset =="
OTHER = "== unset "
OTHER += "=="

class Plain:
    pass

class Holder:
    EMPTY = object()
    MARK = Plain()
    FULL = Plain()
    FULL.value = []

def tell(value):
    marks = {"UNSET": UNSET, "OTHER": OTHER, "EMPTY": Holder.EMPTY, "MARK": Holder.MARK, "FULL": Holder.FULL}
    return [name for name, mark in marks.items() if value is mark]
"""


def test_marks_are_those_of_the_adopter(library):
    """Texts that a module has, and objects without contents that its classes have; what has contents is a copy."""
    script = """
    import marks
    def job():
        held = [marks.UNSET, marks.OTHER, marks.Holder.EMPTY, marks.Holder.MARK, marks.Holder.FULL, "== unset ==" + str()]
        again = held[0]
        torpor.capture(key="k")
        return [marks.tell(value) for value in held], again is held[0], held[1]
    """
    original, resumed = through(library(marks=MARKS), script)
    assert original == ([["UNSET"], ["OTHER"], ["EMPTY"], ["MARK"], ["FULL"], []], True, "== unset ==")
    assert resumed == ([["UNSET"], ["OTHER"], ["EMPTY"], ["MARK"], [], []], True, "== unset ==")


def test_a_text_that_the_module_has_no_more_keeps_its_letters(library):
    place = library(marks=MARKS)
    script = "import marks\ndef job():\n    held = marks.UNSET\n    torpor.capture(key='k')\n    return held\n"
    run(BEFORE + script + "torpor.run(job)\n", place)
    (place / "marks.py").write_text(MARKS.replace("== unset ==", "== other =="))
    assert literal(run(ADOPT.format(before="", result="result"), place)) == "== unset =="


def test_every_capture_of_a_loop_has_the_mark(library):
    """Also one that writes the last graph anew with other values."""
    script = """
    import marks
    def job():
        found = []
        for held in ("one of", marks.UNSET, "one of", marks.OTHER):
            held = held + "" if held == "one of" else held
            torpor.capture(key="k" + str(len(found)))
            found.append(marks.tell(held))
        return found
    """
    place = library(marks=MARKS)
    expected = literal(run(BEFORE + textwrap.dedent(script) + "\nprint(repr(torpor.run(job)))\n", place))
    assert expected == [[], ["UNSET"], [], ["OTHER"]]
    for n in range(4):
        assert literal(run(ADOPT.format(before="", result="result").replace("'k'", f"'k{n}'"), place)) == expected


KINDS = """
import enum

class Value:
    pass

class Kind(enum.Enum):
    ONE = Value()
    TWO = (1, Value())
    PLAIN = 3
"""


def test_members_of_enumerations_are_those_of_the_adopter_whatever_their_values_are(library):
    script = """
    from kinds import Kind
    def job():
        held = list(Kind)
        torpor.capture(key="k")
        return [kind.name for kind in held if kind is Kind[kind.name]]
    """
    original, resumed = through(library(kinds=KINDS), script)
    assert original == resumed == ["ONE", "TWO", "PLAIN"]


GENERIC = """
import typing

T = typing.TypeVar("T")

class Box(typing.Generic[T]):
    def method(self):
        pass
"""
if sys.version_info >= (3, 12):
    GENERIC = """
class Box[T]:
    def method[U](self, given: U):
        return given
"""


def test_type_parameters_of_what_the_adopter_imports_are_its_own(library):
    script = """
    from generic import Box
    def job():
        held = [*Box.__parameters__, *getattr(Box.method, "__type_params__", ())]
        torpor.capture(key="k")
        now = [*Box.__parameters__, *getattr(Box.method, "__type_params__", ())]
        return [one is other for one, other in zip(held, now, strict=True)]
    """
    original, resumed = through(library(generic=GENERIC), script)
    assert original == resumed == [True] * (2 if sys.version_info >= (3, 12) else 1)


# --- at work ------------------------------------------------------------------------------------------------------

WORKER = """
import threading

class Worker:
    def __init__(self, **given):
        self.done, self.lock = [], threading.Lock()
        self.__dict__.update(given)

    def __getstate__(self):
        asked.append(1)
        return {name: value for name, value in self.__dict__.items() if name not in ("lock", "handle", "place")}

    def __setstate__(self, state):
        self.__init__(**state)
        self.done = ["rebuilt"]

    def work(self, wait):
        with self.lock:
            self.place = 3
            wait()
            self.done.append(getattr(self, "place", None))
        return self.done, self.lock.locked()

asked = []
"""
AT_WORK = """
import socket
{origin}
def job():
    worker = Worker({given})
    resting = Worker(done=[1])
    return worker.work(lambda: torpor.capture(key="k")), resting.done
"""


def test_objects_of_a_library_that_works_are_taken_with_all_that_they_have(library):
    """Their `__getstate__` leaves out what objects at rest do not need."""
    script = AT_WORK.format(origin="from worker import Worker", given="")
    original, resumed = through(library(worker=WORKER), script)
    assert original == resumed == (([3], False), [1])


def test_the_hooks_of_objects_at_rest_are_asked(library):
    """No code of their package runs."""
    script = """
    from worker import Worker
    def job():
        resting = Worker(done=[1])
        torpor.capture(key="k")
        return resting.done
    """
    assert through(library(worker=WORKER), script) == ([1], ["rebuilt"])


def test_its_hook_is_asked_if_a_part_cannot_travel(library):
    script = AT_WORK.format(origin="from worker import Worker", given="handle=socket.socketpair()")
    place = library(worker=WORKER.replace("with self.lock:", "if True:"))
    original, resumed = through(place, script)
    assert original == (([3], False), [1])
    assert resumed == ((["rebuilt", None], False), [1])


def test_hooks_of_the_programs_own_classes_are_asked_in_any_case(library):
    own = WORKER.replace("with self.lock:", "if True:")
    original, resumed = through(library(), AT_WORK.format(origin=own, given=""))
    assert original == (([3], False), [1])
    assert resumed == ((["rebuilt", None], False), ["rebuilt"])


# --- classes whose contents are made of what leads to them ---------------------------------------------------------

CHECKED = """
class Checker:
    def __init__(self, schema):
        self.schema, self.kinds = schema, [schema["kind"], *schema["inner"]]

    def __reduce__(self):
        return Checker, (self.schema,)
"""


def test_a_constructor_gets_containers_that_are_whole(library):
    """A frame holds the schema, which leads to the class, which has what is made of the schema."""
    script = """
    from checked import Checker
    def job():
        class Model:
            pass
        inner = ["first"]
        schema = {"model": Model, "inner": inner}
        inner.append(schema)
        Model.checker = None
        schema["kind"] = "model"
        inner[1] = "second"
        Model.checker = Checker(schema)
        del Model
        torpor.capture(key="k")
        model = schema["model"]
        return model.checker.kinds, model.checker.schema is schema, schema["inner"] is inner
    """
    original, resumed = through(library(checked=CHECKED), script)
    assert original == resumed == (["model", "first", "second"], True, True)


def test_what_is_looked_up_in_its_class_is_refused_with_the_class(library):
    script = """
    from looked import Column
    class Table:
        column = Column()
    Table.column.place = Table, "column"
    def job(table=Table):
        try:
            torpor.capture(key="k")
        except torpor.UncapturableValue as error:
            return str(error)
    print(repr(torpor.run(job)))
    """
    looked = "class Column:\n    def __reduce__(self):\n        return getattr, self.place\n"
    told = literal(run(BEFORE + textwrap.dedent(script), library(looked=looked)))
    assert "['column']: it is looked up in its class" in told and "define the class in a module" in told


# --- what metaclasses keep in classes -------------------------------------------------------------------------------

TABLES = """
class Meta(type):
    def __call__(cls):
        if "table" not in cls.__dict__:
            cls.table = {"for": cls.__name__}
        return type.__call__(cls)

class Lexer(metaclass=Meta):
    pass

class Own(Lexer):
    table = "stated"
"""


def test_what_a_metaclass_has_set_in_a_class_goes_on(library):
    script = """
    from tables import Lexer, Own
    def job():
        lexers = Lexer(), Own()
        torpor.capture(key="k")
        return [lexer.table for lexer in lexers], "table" in Lexer.__dict__
    """
    original, resumed = through(library(tables=TABLES), script)
    assert original == resumed == ([{"for": "Lexer"}, "stated"], True)


# --- methods -----------------------------------------------------------------------------------------------------------


def test_methods_of_what_cannot_be_called_are_methods_still(library):
    script = """
    def job():
        method = classmethod(1).__get__(1)
        torpor.capture(key="k")
        try:
            method()
        except TypeError:
            return method.__func__, method.__self__.__name__
    """
    original, resumed = through(library(), script)
    assert original == resumed == (1, "int")


# --- the standard library's containers and protocols ------------------------------------------------------------------


def test_counters_of_the_programs_own_keep_their_attributes(library):
    script = """
    import collections
    class Counted(collections.Counter):
        def __init__(self, *args):
            self.called = 0
            super().__init__(*args)
            self.called += 1
    def job():
        held = Counted("abca")
        held.called = 7
        torpor.capture(key="k")
        return dict(held), held.called, type(held) is Counted, held.most_common(1)
    """
    original, resumed = through(library(), script)
    assert original == resumed == ({"a": 2, "b": 1, "c": 1}, 7, True, [("a", 2)])


def test_a_weak_dictionary_that_is_being_changed_is_refused(library):
    """Its method has the dict inside of it in its hands."""
    script = """
    import weakref
    class Key:
        pass
    class Pairs(dict):
        def items(self):
            try:
                torpor.capture(key="k")
            except torpor.UncapturableValue as error:
                told.append(str(error))
            return super().items()
    told = []
    def job():
        held, kept = weakref.WeakValueDictionary(), Key()
        pairs = Pairs(one=kept)
        held.update(pairs)
        torpor.capture(key="k")
        return told, list(held)
    """
    (told, names), resumed = through(library(), script)
    assert names == ["one"] and resumed == (told, names)
    assert len(told) == 1 and "has yet to end" in told[0]


def test_classes_stay_registered_with_protocols(library):
    protocol = "import typing\n\nclass Sized(typing.Protocol):\n    def size(self): ...\n"
    script = """
    import abc
    from sized import Sized
    def job():
        class Own:
            pass
        Sized.register(Own)
        torpor.capture(key="k")
        return any(ref() is Own for ref in abc._get_dump(Sized)[0])
    """
    assert through(library(sized=protocol), script) == (True, True)


# --- classes without a name ---------------------------------------------------------------------------------

BELOW = """
import collections, importlib.util, sys, torpor

def base(stop):
    class Local:
        def stopped(self):
            stop()
            return super().__repr__()[:8], isinstance(self, Derived), __class__
    return Local

class Derived(base(lambda: torpor.capture(key="k"))):
    def stopped(self): return super().stopped()

class Pair(collections.namedtuple("Pair", "x y")):
    __slots__ = ()

# A library of its own of a module that others import, too.
spec = importlib.util.find_spec("copied")
copied = importlib.util.module_from_spec(spec)
spec.loader.exec_module(copied)

class Reader(copied.Reader):
    def read(self): return super().read()
"""
COPIED = """
import torpor
class Reader:
    def read(self):
        torpor.capture(key="k")
        return super().__repr__()[:8], __class__
"""


def test_classes_from_which_importable_ones_are_derived_are_the_bases_of_those(library):
    place = library(below=BELOW, copied=COPIED)
    script = """
    import below
    def job():
        local, pair = below.Derived.__mro__[1], below.Pair(1, 2)
        shown, right, found = below.Derived().stopped()
        return shown, right, found is local is below.Derived.__mro__[1], isinstance(pair, below.Pair.__mro__[1])
    """
    original, resumed = through(place, script)
    assert resumed == original == ("<below.D", True, True, True)


def test_a_modules_own_copy_of_another_one_is_that_copy(library):
    place = library(below=BELOW, copied=COPIED)
    script = """
    import below
    def job():
        shown, found = below.Reader().read()
        return shown, found is below.Reader.__mro__[1] is below.copied.Reader
    """
    original, resumed = through(place, script)
    assert resumed == original == ("<below.R", True)

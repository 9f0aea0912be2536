"""Classes that travel, and the namespaces of modules that do, list their names where they go on as they did."""

import processes
import torpor
from processes import literal, run

CLASSES = '''
import abc, collections, dataclasses, enum, torpor, typing

class Empty:
    pass

class Documented:
    "What it says."
    last, first = 1, 2
    def method(self):
        return super().__init__()

class Annotated(Documented):
    z: int = 3
    a: str

class Slots:
    __slots__ = "b", "a", "__weakref__"
    other = 1

class WithDict:
    __slots__ = ("b", "__dict__")

@dataclasses.dataclass(slots=True, order=True)
class Data:
    n: int
    name: str = "x"

class Abstract(abc.ABC):
    size = 1
    @abc.abstractmethod
    def method(self): ...

class Color(enum.Enum):
    RED = 1
    BLUE = 2
    ALSO_RED = 1

class Bits(enum.Flag):
    A = 1
    B = 2

class Meta(type):
    def __new__(meta, name, bases, names):
        cls = super().__new__(meta, name, bases, dict(reversed(names.items())))
        cls.added = cls.__name__
        return cls

class Made(metaclass=Meta):
    one, two = 1, 2

class Of(typing.Generic[typing.TypeVar("T")]):
    x = 1

Pair = collections.namedtuple("Pair", "b a")
Changed = type("Changed", (Exception,), {"__doc__": "d", "b": 1, "a": 2, "__module__": __name__})
del Changed.b
Changed.c = Changed.b = 3

def names():
    classes = Empty, Documented, Annotated, Slots, WithDict, Data, Abstract, Color, Bits, Made, Of, Pair, Changed
    return [(cls.__name__, list(vars(cls))) for cls in classes]

def job():
    torpor.capture(key="k")
    return names()

print(repr(torpor.run(job)))
'''


def test_names_of_classes(stores):
    listed = literal(run(CLASSES))
    assert dict(listed)["Changed"][-2:] == ["c", "b"]
    assert literal(processes.resume("k")) == listed


#: Twice, for the second capture is made over the first.
NAMESPACE = '''
import os, sys, torpor
LAST = 1
def job():
    for key in "one", "two":
        torpor.capture(key=key)
    return list(globals())
class Thing:
    pass
TABLE, thing = {}, Thing()
first, also = os.path, [thing]
del LAST
LAST = 2
print(repr(torpor.run(job)))
'''


def test_names_of_the_main_module(stores):
    listed = literal(run(NAMESPACE))
    assert listed[-1] == "LAST"
    for key in "one", "two":
        assert literal(processes.resume(key)) == listed


MODULE = """
import os
import torpor
B = 1
def names(key):
    torpor.capture(key=key, state="program")
    return list(globals())
class A:
    pass
def last():
    pass
C = [A()]
del B
B = 2
"""


def test_names_of_a_module_that_travels_with_its_state(stores, tmp_path):
    (tmp_path / "has_names.py").write_text(MODULE)
    program = f"""
        import sys, torpor
        sys.path.insert(0, {str(tmp_path)!r})
        import has_names
        print(repr(torpor.run(has_names.names, "k")))
    """
    listed = literal(run(program))
    assert listed[-1] == "B"
    assert literal(processes.resume("k")) == listed


def test_what_was_set_while_adopting_comes_last(stores):
    """A name that only code of the program sets, while it is rebuilt, is behind those that were captured."""
    program = """
        import torpor
        class Sets:
            def __getstate__(self):
                return 1
            def __setstate__(self, state):
                globals()["set_by_it"] = state
        held = Sets()
        def job():
            torpor.capture(key="k")
            return list(globals())
        print(repr(torpor.run(job)))
    """
    listed = literal(run(program))
    assert literal(processes.resume("k")) == [*listed, "set_by_it"]
    assert torpor.Store("default")["k"].frames[0].function == "job"

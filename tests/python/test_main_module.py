"""The adopter's `__main__` stays as it is, and yet what looks names of a program up there finds those of the captured one:
its objects are pickled where its frames go on, and what it returned is pickled by the adopter.
"""

from processes import literal, run

PROGRAM = """
import collections, copy, dataclasses, enum, pickle, sys
import torpor


@dataclasses.dataclass
class Data:
    x: int


class Plain:
    def __eq__(self, other):
        return type(other) is type(self) and vars(other) == vars(self)


class Color(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


def twice(x):
    return 2 * x


def everything():  # the frame that is captured names none of them
    plain = Plain()
    plain.own = [1, 2]
    return [Data(1), plain, Color.RED, Point(1, 2), Data, Point, Color, twice]


def work(values, key):
    torpor.capture(key=key)
    again = pickle.loads(pickle.dumps(values))
    assert [type(a) is type(b) and a == b for a, b in zip(again, values, strict=True)] == [True] * len(values)
    assert [copy.copy(value) == value for value in values] == [True] * len(values)
    return values


if __name__ == "__main__":
    torpor.run(work, everything(), sys.argv[1])
    torpor.run(work, [], sys.argv[1] + "-nothing")
"""

ADOPTER = """
import pickle, sys, types
import torpor


def asked(name):
    try:
        return getattr(main, name)
    except AttributeError as e:
        return str(e)


def adopt():
    before, missing = dict(vars(main)), asked("Plain")
    values = torpor.adopt(sys.argv[1]).resume()
    assert vars(main) == before and sys.modules["__main__"] is main and isinstance(main, types.ModuleType)
    again = pickle.loads(pickle.dumps(values))
    assert [type(a) for a in again] == [type(b) for b in values]
    return [missing, asked("Plain").__qualname__, asked("nothing"), asked("__nothing__"), hasattr(main, "nothing")]


main = sys.modules["__main__"]
print(adopt())
"""
MISSING = "module '__main__' has no attribute {!r}"


def test_objects_are_pickled_where_the_frames_go_on_and_by_the_adopter():
    run(PROGRAM, "pickled")
    missing = [MISSING.format("nothing"), MISSING.format("__nothing__")]
    assert literal(run(ADOPTER, "pickled")) == [MISSING.format("Plain"), "Plain", *missing, False]


OWN = """
import sys, torpor

class Data: pass
own = Data

try:
    torpor.adopt(sys.argv[1]).resume()
except Exception as e:
    print(repr((type(e).__name__, sys.modules["__main__"].Data is own, Data is own)))
"""


def test_the_adopters_own_names_come_first():
    """What has the name of something of the adopter's cannot be found by it: pickle says so."""
    run(PROGRAM, "own")
    assert literal(run(OWN, "own")) == ("PicklingError", True, True)


ANSWERS_ITSELF = """
import sys, torpor

def __getattr__(name):
    return "mine", name

before = type(sys.modules["__main__"])
result = torpor.adopt(sys.argv[1]).resume()
print(repr((result, type(sys.modules["__main__"]) is before, sys.modules["__main__"].Plain)))
"""


def test_a_module_that_answers_itself_is_left_alone():
    run(PROGRAM, "answers")
    assert literal(run(ANSWERS_ITSELF, "answers-nothing")) == ([], True, ("mine", "Plain"))


AGAIN = """
import sys, torpor

def again(values, main):
    torpor.capture(key=sys.argv[2])
    return [type(value).__name__ for value in values], type(main).__name__, main.__name__, sys.argv[1]

values = torpor.adopt(sys.argv[1]).resume()
torpor.run(again, values, sys.modules["__main__"])
"""


def test_what_was_adopted_and_its_adopters_main_can_be_captured():
    run(PROGRAM, "first")
    run(AGAIN, "first", "second")
    last = "import sys, torpor\nprint(repr(torpor.adopt(sys.argv[1]).resume()))"
    kinds = ["Data", "Plain", "Color", "Point", "type", "type", "EnumType", "function"]
    assert literal(run(last, "second")) == (kinds, "module", "__main__", "second")

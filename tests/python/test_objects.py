"""Objects are rebuilt as they are, and nothing of the program runs for it that pickle's protocol does not demand."""

import collections
import ctypes
import dataclasses
import functools
import gc
import sys
import textwrap
import weakref

import pytest
import torpor
from processes import literal, run
from test_values import travel

RAN = []


class New:
    def __new__(cls, a):
        RAN.append("New.__new__")
        return object.__new__(cls)

    def __init__(self, a):
        RAN.append("New.__init__")
        self.a = a


class WithArguments(New):
    """Asks for its own arguments: then __new__ is the one that gets them."""

    def __getnewargs__(self):
        return (self.a,)


class Number(int):
    def __new__(cls, value, note=None):
        RAN.append("Number.__new__")
        return int.__new__(cls, value + 1)


class Items(list):
    def __iter__(self):
        RAN.append("Items.__iter__")
        return iter(())

    def extend(self, items):
        RAN.append("Items.extend")

    append = extend


class Box(dict):
    def __setitem__(self, key, value):
        RAN.append("Box.__setitem__")

    def items(self):
        RAN.append("Box.items")
        return []


class Watched:
    """Every look at an attribute is noted."""

    __slots__ = ("a", "unset", "__dict__")

    def __getattribute__(self, name):
        RAN.append(f"get {name}")
        return object.__getattribute__(self, name)

    def __getattr__(self, name):
        RAN.append(f"getattr {name}")
        raise AttributeError(name)

    def __setattr__(self, name, value):
        RAN.append(f"set {name}")
        object.__setattr__(self, name, value)

    @property
    def __class__(self):
        RAN.append("__class__")
        return Watched


class Own(Exception):
    def __new__(cls, *args):
        RAN.append("Own.__new__")
        return super().__new__(cls, *args)

    def __init__(self, a):
        super().__init__(a, "more")


def quietly(*values):
    """As travel; what ran meanwhile must be nothing."""
    RAN.clear()
    got = travel(*values)
    assert RAN == []
    return got


def test_new_does_not_run_again():
    (back,) = quietly(New(1))
    assert type(back) is New and vars(back) == {"a": 1}
    (number,) = quietly(Number(4))
    assert type(number) is Number and number == 5
    (error,) = quietly(Own(1))
    assert type(error) is Own and error.args == (1, "more")


def test_new_runs_with_the_arguments_that_a_class_asks_for():
    kept = WithArguments(2)
    RAN.clear()
    (back,) = travel(kept)
    assert type(back) is WithArguments and back.a == 2 and RAN == ["New.__new__"]


def test_containers_do_not_ask_their_subclasses():
    items, box = Items(), Box()
    list.extend(items, [1, [2]])
    dict.__setitem__(box, "a", items)
    back_box, back_items = quietly(box, items)
    assert type(back_box) is Box and dict.__getitem__(back_box, "a") is back_items
    assert type(back_items) is Items and list(list.__iter__(back_items)) == [1, [2]]


def test_subclasses_of_other_mappings():
    class Sorted(collections.OrderedDict):
        pass

    made = Sorted(b=1, a=2)
    made.move_to_end("b")
    (back,) = travel(made)
    assert list(back.items()) == [("a", 2), ("b", 1)] and type(back) is Sorted
    back.move_to_end("a")
    assert list(back) == ["b", "a"]


def test_attribute_hooks_do_not_run():
    watched = Watched()
    watched.a, watched.b = [1], [2]
    (back,) = quietly(watched)
    get = object.__getattribute__
    assert type(back) is Watched and get(back, "a") == [1] and get(back, "__dict__") == {"b": [2]}
    with pytest.raises(AttributeError):
        get(back, "unset")


def test_a_dict_that_others_have_stays_the_instances():
    class Thing:
        pass

    full, empty, looped = Thing(), Thing(), Thing()
    full.a = 1
    looped.me = looped
    values = full, vars(full), vars(empty), empty, vars(looped), looped
    full, full_dict, empty_dict, empty, looped_dict, looped = travel(*values)
    assert vars(full) is full_dict and vars(empty) is empty_dict and vars(looped) is looped_dict
    empty_dict["b"] = 2
    full.c = 3
    assert empty.b == 2 and full_dict == {"a": 1, "c": 3} and looped.me is looped


def test_a_state_that_is_not_the_dict_is_copied():
    class Thing:
        def __init__(self):
            self.data = {"x": 1}

        def __getstate__(self):
            return self.data

    thing = Thing()
    back, data = travel(thing, thing.data)
    assert vars(back) == {"x": 1} and vars(back) is not data


def test_iterators_over_subclasses():
    Point = collections.namedtuple("Point", "x y z")

    class Again(tuple):
        def __iter__(self):
            return iter("no")

    items, point, again = Items(), iter(Point(1, 2, 3)), tuple.__iter__(Again((4, 5)))
    list.extend(items, [1, 2])
    numbers = list.__iter__(items)
    next(numbers), next(point), next(again)
    numbers, point, again, items = travel(numbers, point, again, items)
    list.append(items, 3)
    assert (list(numbers), list(point), list(again)) == ([2, 3], [2, 3], [5])


def test_bound_methods_of_a_base():
    class Loud(list):
        def append(self, item):
            super().append((item, "loud"))

        def __len__(self):
            return 100

    loud = Loud()
    append, length, outer, above = travel(super(Loud, loud).append, super(Loud, loud).__len__, loud.append, super(Loud, loud))
    append(1)
    outer(2)
    above.append(3)
    assert list(append.__self__) == [1, (2, "loud"), 3] and length() == 3
    assert append.__self__ is length.__self__ is outer.__self__ is above.__self__


class Below(weakref.ref):
    note = "a note"


def test_weak_references_live_as_long_as_something_else_holds_what_they_refer_to():
    target = New(1)
    other, proxy, reference = travel(target, weakref.proxy(target), weakref.ref(target))
    assert reference() is other and weakref.ref(other) is reference
    del other
    assert reference() is None
    with pytest.raises(ReferenceError):
        proxy.x
    (dead,) = travel(weakref.ref(target))
    assert dead() is None
    (named,) = travel(weakref.ref(New))
    assert named() is New
    (below,) = travel(Below(target))
    assert below() is None and type(below) is Below and below.note == "a note"


def test_sentinels_of_modules_are_the_modules_own():
    missing, field, sentinel = travel(dataclasses.MISSING, dataclasses._FIELD, functools._initial_missing)
    assert missing is dataclasses.MISSING and field is dataclasses._FIELD and sentinel is functools._initial_missing
    (other,) = travel(object())
    assert type(other) is object and other is not functools._initial_missing


def test_what_was_thrown_is_kept_by_nobody():
    """The frames that an exception went through go with it, and what they held with them."""

    class Thing:
        def __init__(self, log):
            self.log = log

        def __del__(self):
            self.log.append("gone")

    data = []

    def inner(thing):
        got = torpor.dumps()
        if isinstance(got, bytes):
            data.append(got)

    def job():
        log = []
        try:
            inner(Thing(log))
        except ValueError:
            log.append("caught")
        return log

    gc.disable()
    try:
        assert torpor.run(job) == ["gone"]
        assert torpor.loads(data[0]).throw(ValueError) == ["caught", "gone"]
    finally:
        gc.enable()


PATHS = """
import pathlib, pickle, sys, torpor

class Own(pathlib.PurePosixPath):
    def __init__(self, *parts):
        super().__init__(*parts) if sys.version_info >= (3, 12) else None
        self.note = 5

def job():
    made = pathlib.PurePosixPath("/srv/./data") / "c.txt"
    other, own = pathlib.PurePosixPath("/srv/data/c.txt"), Own("a", "b")
    own.note += len(own.name)
    found = type(hash(made)), made == other, {made: 1}[other], str(made), made.with_suffix(".x").name
    return repr(found), own < Own("a/c"), made.match("*.txt"), made.parts, made.relative_to("/srv").parent.name, own.note, str(own)

taken, refused = [], []

def tracer(frame, event, arg):
    if "pathlib" not in frame.f_code.co_filename:
        return tracer if frame.f_code.co_filename == __file__ else None
    if event == "line":
        try:
            taken.append((torpor.dumps(frame), f"{frame.f_code.co_qualname}:{frame.f_lineno}"))
        except torpor.CaptureError as refusal:
            refused.append(str(refusal))
    return tracer

expected = torpor.run(job)
sys.settrace(tracer)
traced = torpor.run(job)
sys.settrace(None)
with open(sys.argv[1], "wb") as file:
    pickle.dump((expected, taken), file)
print(repr((traced == expected, len(taken), refused)))
"""


def test_paths_keep_what_their_methods_found_out(stores):
    """At every line of pathlib: its methods look at what they have just kept in the path."""
    same, stops, refused = literal(run(PATHS, stores / "paths"))
    assert same and stops > 30 and len(refused) < stops / 5, refused
    assert literal(run("""
    import pickle, sys, torpor
    with open(sys.argv[1], "rb") as file:
        expected, taken = pickle.load(file)
    print(repr([where for data, where in taken if torpor.loads(data).resume() != expected]))
    """, stores / "paths")) == []  # fmt: skip


def test_functions_that_are_called_in_another_way_are_refused(store):
    def function():
        return 1

    call = ctypes.cast(ctypes.pythonapi.PyObject_Vectorcall, ctypes.c_void_p)
    if sys.version_info >= (3, 12):
        ctypes.pythonapi.PyFunction_SetVectorcall(ctypes.py_object(function), call)
    else:  # as extensions do there: the word behind the object's head and thirteen references
        ctypes.c_void_p.from_address(id(function) + object.__basicsize__ + 13 * 8).value = call.value
    with pytest.raises(torpor.UncapturableValue, match=r"locals\['function'\].*another way of being called"):
        torpor.run(lambda function: (store.capture(), function), function)

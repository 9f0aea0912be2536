"""Modules, their dicts, and what finds them."""

import collections
import importlib
import json
import math
import pathlib
import types


@row("stdlib module")
def _():
    held = json
    pause()
    assert held is json is importlib.import_module("json") and held.loads("[1]") == [1]


@row("dynamic module (types.ModuleType)")
def _():
    held = types.ModuleType("made_up", "doc")
    exec("counter = 1\ndef up():\n    global counter\n    counter += 1\n    return counter\n", held.__dict__)
    held.me, space = held, held.__dict__
    pause()
    assert held.up() == 2 == held.counter and held.me is held and held.__dict__ is space is held.up.__globals__
    assert held.__name__ == "made_up" and held.__doc__ == "doc" and type(held) is types.ModuleType


SOURCE = "STATE = []\nLIMIT = 3\n\ndef add(x):\n    STATE.append(x)\n    return STATE[:LIMIT]\n\nclass Kind:\n    pass\n"


@row("module not on consumer path")
def _():
    pathlib.Path("not_there_then.py").write_text(SOURCE)
    sys.path.insert(0, os.getcwd())
    held = importlib.import_module("not_there_then")
    held.add(1)
    one = held.Kind()
    pause(state="program")
    assert held.add(2) == [1, 2] and type(one) is held.Kind and held.STATE == [1, 2]
    assert importlib.import_module("not_there_then") is held and held.add.__globals__ is held.__dict__


@extra("module not on consumer path, by_value=")
def _():
    pathlib.Path("not_there_either.py").write_text(SOURCE)
    sys.path.insert(0, os.getcwd())
    held = importlib.import_module("not_there_either")
    held.add(1)
    pause(by_value=["not_there_either"])
    assert held.add(2) == [1, 2] and held.add.__globals__ is held.__dict__ and held.Kind.__module__ == "not_there_either"


@row("module __dict__ (vars(math))")
def _():
    held, module = vars(math), math
    pause()
    assert held is vars(module) is vars(math) and held["pi"] is math.pi


COUNT = [0]


def counting():
    COUNT[0] += 1
    return COUNT[0]


@row("__main__ globals dict")
def _():
    held = globals()
    counting()
    pause()
    assert held is globals() is counting.__globals__ and held["counting"] is counting and counting() == 2
    held["COUNT"] = [10]
    assert counting() == 11 and held["__name__"] == "__main__" and "a name that is not there" not in held


@extra("__main__ itself")
def _():
    import __main__ as held

    pause()
    assert held.counting is counting and vars(held) is globals()


@row("ModuleSpec")
def _():
    held = json.__spec__
    pause()
    assert held.name == "json" and held.submodule_search_locations and held.loader.is_package("json")
    assert held.parent == "json" and held.has_location


@extra("module with attributes of its own class")
def _():
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            return name.upper()

    held = Lazy("lazy")
    held.x = 1
    pause()
    assert held.x == 1 and held.other == "OTHER" and type(held) is Lazy and held.__name__ == "lazy"


@extra("module that was given another class")
def _():
    class Counting(types.ModuleType):
        "Counts what is asked of it."

        def __getattr__(self, name):
            self.asked.append(name)
            return self

        def __setattr__(self, name, value):
            raise AttributeError(f"{name} is not to be set")

        def __call__(self):
            return len(self.asked)

    held = types.ModuleType("counting", "Its text.")
    exec("asked = []\ndef me(): return this", held.__dict__)
    held.this = held
    held.__class__ = Counting
    again, function, namespace = [held, Counting], held.me, held.__dict__
    assert held.one is held and held() == 1
    pause()
    assert again[0] is held and type(held) is Counting is again[1] and held.__doc__ == "Its text."
    assert function() is held and function.__globals__ is namespace is held.__dict__
    assert held.two is held and held() == 2 and held.asked == ["one", "two"]
    try:
        held.x = 1
    except AttributeError as error:
        assert str(error) == "x is not to be set"
    else:
        raise AssertionError


@extra("module whose class has slots")
def _():
    class Slotted(types.ModuleType):
        __slots__ = ("extra",)

    held = Slotted("slotted")
    held.extra = 1
    pause()
    assert held.extra == 1 and type(held) is Slotted


@extra("submodule and package by one name")
def _():
    import os.path
    import xml.etree.ElementTree as tree

    held = os.path, tree
    pause()
    assert held[0] is os.path and held[1].fromstring("<a/>").tag == "a" and held[1] is sys.modules["xml.etree.ElementTree"]


@extra("function, class and object that were put into an importable module")
def _():
    import string

    exec("def added(x):\n    return x + 1\n", vars(string))
    string.kept = kept = collections.deque([1])
    string.Kind = type("Kind", (), {"__module__": "string", "n": 3})
    held, one = string.added, string.Kind()
    pause()
    assert held(1) == 2 and held.__globals__ is vars(string) and one.n == 3
    assert string.kept is kept and string.Kind is type(one) and string.added is held

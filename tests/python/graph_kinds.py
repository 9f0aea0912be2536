"""Kinds of objects for test_value_graphs.py: an importable module, so that its classes travel by reference."""

import collections
import functools
import itertools
import types
import weakref

import numpy as np
from graphs import Node


class Slotted:
    __slots__ = ("a", "b", "number", "__weakref__")


class Items(list):
    """A list with attributes."""


class Mapping(dict):
    """A dict with attributes."""


class Bag(set):
    """A set with attributes."""


class Pair(collections.namedtuple("Pair", "left right")):
    """A tuple with names."""


class Failure(Exception):
    def __init__(self):
        raise AssertionError("it is rebuilt without being called")


class Keyed:
    """A key whose hash needs its state."""

    def __hash__(self):
        return hash(self.tag)

    def __eq__(self, other):
        return type(other) is Keyed and self.tag == other.tag


def default():
    return "default"


def waiting(*held):
    yield held
    yield list(held)


def closing(cell):
    def inner():
        return cell

    return inner


def method(self):
    return self


NUMBERS = itertools.count()


def numbered(cls, name="number"):
    """Told apart from others of its kind by a number."""

    def make():
        made = cls()
        setattr(made, name, next(NUMBERS))
        return made

    return make


def same(x):
    return x


def failure():
    return Exception.__new__(Failure)


def fill_sequence(made, parts):
    made.extend(parts)


def fill_mapping(made, parts):
    for i, part in enumerate(parts):
        made[i] = part


def fill_keys(made, parts):
    """Parts that can be keys are keys, whatever they lead to."""
    for i, part in enumerate(parts):
        made[part if type(part) in (Node, Keyed, Slotted) else f"k{i}"] = part


def fill_set(made, parts):
    made.update(part for part in parts if type(part) in (Node, Keyed, Slotted, int, str))


def fill_attributes(made, parts):
    for name, part in zip("ab", parts):
        setattr(made, name, part)


def fill_failure(made, parts):
    made.args = tuple(parts[:1])
    for name, part in zip(("__cause__", "__context__"), parts[1:]):
        if isinstance(part, BaseException):
            setattr(made, name, part)
    made.extra = parts


def fill_array(made, parts):
    for i, part in enumerate(parts[:3]):
        made[i] = part


def fill_cell(made, parts):
    if parts:
        made.cell_contents = parts[0]


def fill_with_attribute(fill):
    def filled(made, parts):
        fill(made, parts)
        made.note = parts[-1] if parts else None

    return filled


#: What exists before it is filled: (how it is made, how it is filled).
OPEN = {
    "list": (list, fill_sequence),
    "dict": (dict, fill_mapping),
    "dict by keys": (dict, fill_keys),
    "set": (set, fill_set),
    "deque": (lambda: collections.deque(maxlen=9), fill_sequence),
    "OrderedDict": (collections.OrderedDict, fill_keys),
    "defaultdict": (lambda: collections.defaultdict(default), fill_mapping),
    "Counter": (collections.Counter, fill_mapping),
    "Node": (numbered(Node), fill_attributes),
    "Slotted": (numbered(Slotted), fill_attributes),
    "SimpleNamespace": (types.SimpleNamespace, fill_attributes),
    "Items": (Items, fill_with_attribute(fill_sequence)),
    "Mapping": (Mapping, fill_with_attribute(fill_keys)),
    "Bag": (Bag, fill_with_attribute(fill_set)),
    "Keyed": (numbered(Keyed, "tag"), lambda made, parts: setattr(made, "parts", parts)),
    "Failure": (failure, fill_failure),
    "array of objects": (lambda: np.empty(3, object), fill_array),
    "cell": (types.CellType, fill_cell),
}
#: What is complete when it is made, from what is there (one of them open, so that cycles lead through it).
CLOSED = {
    "tuple": lambda parts: tuple(parts),
    "Pair": lambda parts: Pair(parts, parts[0]),
    "frozenset": lambda parts: frozenset(part for part in parts if type(part) in (Node, Slotted, int, str)),
    "method": lambda parts: types.MethodType(method, parts[0] if parts[0] is not None else 0),
    "partial": lambda parts: functools.partial(default, *parts),
    "closure": lambda parts: closing(parts[0]),
    "generator": lambda parts: started(waiting(*parts)),
    "list iterator": lambda parts: started(iter([0, *parts])),
    "tuple iterator": lambda parts: iter(tuple(parts)),
    "map": lambda parts: map(same, parts),
    "chain": lambda parts: itertools.chain(parts, iter(parts)),
    "weak reference": lambda parts: next((weakref.ref(p) for p in parts if type(p) in (Node, Slotted, Bag)), None),
    "proxy": lambda parts: types.MappingProxyType({"parts": parts}),
    "view of a dict": lambda parts: next((p.values() for p in parts if type(p) is dict), None),
    "view of an array": lambda parts: next((p[1:] for p in parts if type(p) is np.ndarray and len(p) == 3), None),
    "slice": lambda parts: slice(parts[0], None, parts[-1]),
}


def started(iterator):
    next(iterator)
    return iterator


def parts_of(value):
    """(what is seen of it by itself, what it holds): of every kind above."""
    cls = type(value)
    if cls in (int, str, float, bytes, bool) or value is None:
        return repr(value), []
    if cls in (list, tuple, collections.deque):
        return getattr(value, "maxlen", None), list(value)
    if cls in (dict, collections.OrderedDict, collections.Counter):
        return None, [part for pair in value.items() for part in pair]
    if cls is collections.defaultdict:
        return None, [value.default_factory, *value.values()]
    if cls in (set, frozenset):
        return None, ordered(value)
    if cls in (Items, Pair):
        return None, [*value, *vars(value).values()] if cls is Items else list(value)
    if cls is Mapping:
        return None, [part for pair in value.items() for part in pair] + [vars(value)]
    if cls is Bag:
        return None, [*ordered(value), vars(value)]
    if cls is Slotted:
        return None, [getattr(value, name, "unset") for name in ("a", "b", "number")]
    if isinstance(value, BaseException):
        return None, [value.args, value.__cause__, value.__context__, vars(value)]
    if cls is np.ndarray:
        return (value.shape, value.strides), [value.base, *value.tolist()]
    if cls is types.CellType:
        try:
            return "full", [value.cell_contents]
        except ValueError:
            return "empty", []
    if cls is types.MethodType:
        return None, [value.__func__, value.__self__]
    if cls is functools.partial:
        return None, [value.func, *value.args]
    if cls is types.FunctionType:
        return value.__qualname__, list(value.__closure__ or ())
    if cls is types.GeneratorType:
        return value.__qualname__, [value.gi_frame.f_locals["held"]]
    if cls is weakref.ref:
        return None, [value()]
    if cls is types.MappingProxyType:
        return None, [value["parts"]]
    if cls is type({}.values()):
        return None, list(value)
    if cls is slice:
        return None, [value.start, value.stop, value.step]
    if cls in (type(iter([])), type(iter(()))):
        made, (over, *_), *index = value.__reduce__()
        return (made.__name__, index), [over]
    if cls in (map, itertools.chain):
        return None, list(value)  # nothing else holds what is below them
    return None, [vars(value)]


def ordered(items):
    """The items of a set in an order that does not depend on where they are."""
    number = lambda item: item if type(item) in (int, str) else item.tag if type(item) is Keyed else item.number
    return sorted(items, key=lambda item: (type(item).__name__, number(item)))

"""Kinds of objects for test_graphs.py: an importable module, so that they travel by reference."""

import torpor


class Node:
    """A plain object with attributes, cycles welcome."""


class Rebuilt:
    """An object whose constructor reads its argument: it must be complete by then."""

    def __init__(self, items):
        self.items = list(items)

    def __reduce__(self):
        return Rebuilt, (self.items,)


class Tagged:
    """An object whose hash depends on its state, as a key before and after."""

    def __init__(self, tag):
        self.tag = tag

    def __hash__(self):
        return hash(self.tag)

    def __eq__(self, other):
        return isinstance(other, Tagged) and self.tag == other.tag


def holder(store, value):
    store.capture(key="graph")
    return value


def round_trip(store, value):
    """`value` as a frame's local, captured and resumed."""
    torpor.run(holder, store, value)
    return store.adopt("graph").resume()

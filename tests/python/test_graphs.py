"""Any mixture of values, shared and cyclic, comes back as one graph with the same identities."""

import os
import random
import sys
import threading

import pytest
from graphs import Node, Rebuilt, Tagged, round_trip

ROUNDS = 4000 if os.environ.get("TORPOR_TEST_LONG") else 600


def make(r, depth, pool):
    """A random value; containers enter the pool when they exist, so later values can refer to them."""
    draw = r.random()
    if pool and draw < 0.15:
        return r.choice(pool)
    if depth <= 0 or draw < 0.45:
        return r.choice([
            r.randint(-5, 5), r.randint(-(2**70), 2**70), r.random(), f"s{r.randint(0, 9)}", f"é{r.randint(0, 3)}",
            b"xy", None, True, 2 + 1j, ..., NotImplemented, "long " * 30, bytearray(b"abc"), "", "a", "\ud800x",
            range(r.randint(0, 9)), slice(1, None, 2),
        ])  # fmt: skip
    n = r.randint(0, 5)
    kind = r.randint(0, 9)
    if kind == 0:
        value = []
        pool.append(value)
        value.extend(make(r, depth - 1, pool) for _ in range(n))
    elif kind == 1:
        value = tuple(make(r, depth - 1, pool) for _ in range(n))
        pool.append(value)
    elif kind == 2:
        value = {}
        pool.append(value)
        for i in range(n):
            value[r.choice([i, f"k{i}", (i, "t"), Tagged(i)])] = make(r, depth - 1, pool)
    elif kind == 3:
        value = set(r.sample(range(100), n))
        pool.append(value)
    elif kind == 4:
        value = frozenset(r.sample(range(100), n))
        pool.append(value)
    elif kind == 5:
        value = Node()
        pool.append(value)
        value.a, value.b = make(r, depth - 1, pool), make(r, depth - 1, pool)
    elif kind == 6:
        value = Rebuilt([make(r, depth - 1, list(pool)) for _ in range(n)])
        pool.append(value)
    elif kind == 7:
        value = iter([make(r, depth - 1, list(pool)) for _ in range(n)])
        pool.append(value)
    elif kind == 8:
        value = iter(range(n, 3 * n + 1, r.choice([1, 2])))
        next(value, None)
        pool.append(value)
    else:
        value = bytearray(r.randbytes(n))
        pool.append(value)
    return value


def canonical(value):
    """What a graph is, with its identities: equal for graphs that nobody could tell apart."""
    seen, kept, out = {}, [], []

    def go(v):
        kind = type(v)
        if kind in (int, float, str, bytes, bool, complex, range, slice) or v in (None, ..., NotImplemented):
            out.append((kind.__name__, repr(v)))
            return
        if id(v) in seen:
            out.append(("again", seen[id(v)]))
            return
        seen[id(v)] = len(seen)
        kept.append(v)
        out.append(kind.__name__)
        if kind in (list, tuple):
            out.append(len(v))
            for item in v:
                go(item)
        elif kind is dict:
            out.append(len(v))
            for key, item in v.items():
                go(key)
                go(item)
        elif kind in (set, frozenset):
            out.append(sorted(v))
        elif kind is bytearray:
            out.append(bytes(v))
        elif kind in (Node, Rebuilt, Tagged):
            go(v.__dict__)
        else:  # an iterator: over what, and how far it is; of a range, what is left
            over, *position = v.__reduce__()[1:]
            if type(over[0]) is range:
                out.append(repr(over[0][position[0] or 0 if position else 0 :]))
            else:
                go(over)
                out.append(repr(position))

    go(value)
    return out


def in_deep_thread(function):
    """The comparison recurses, torpor does not."""
    failures = []

    def body():
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(100_000)
        try:
            function()
        except BaseException as e:
            failures.append(e)
        finally:
            sys.setrecursionlimit(limit)

    threading.stack_size(256 << 20)
    thread = threading.Thread(target=body)
    threading.stack_size(0)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_random_graphs(store):
    def body():
        for seed in range(ROUNDS):
            value = make(random.Random(seed), 5, [])
            assert canonical(round_trip(store, value)) == canonical(value), f"seed {seed}"

    in_deep_thread(body)


@pytest.mark.parametrize("length", [100_000])
def test_nothing_recurses(store, length):
    nested = inner = []
    for _ in range(length):
        inner.append([])
        inner = inner[0]
    chain = node = Node()
    for _ in range(length):
        node.a = Node()
        node = node.a
    node.a = None
    nested, chain = round_trip(store, (nested, chain))
    depth = 0
    while nested:
        nested = nested[0]
        depth += 1
    assert depth == length
    links = 0
    while chain is not None:
        chain = chain.a
        links += 1
    assert links == length + 1


def test_self_containing_values(store):
    pair = ([],)
    pair[0].append(pair)
    mapping = {}
    mapping["me"] = mapping
    node = Node()
    node.a, node.b = node, frozenset([node])
    pair, mapping, node = round_trip(store, (pair, mapping, node))
    assert pair[0][0] is pair and mapping["me"] is mapping and node.a is node
    (member,) = node.b
    assert member is node

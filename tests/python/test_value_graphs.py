"""Graphs of every kind of container and holder, with shared parts and cycles through them, keep their identities."""

import hypothesis
import hypothesis.strategies as st
from graph_kinds import CLOSED, OPEN, parts_of
from graphs import round_trip
from processes import LONG

KINDS = sorted(OPEN) + sorted(CLOSED)
ATOMS = [0, -1, 2**70, "text", "é", b"bytes", None, True, 2.5]
#: What each object holds, by number: atoms first, then what is made, in its order.
HELD = st.lists(st.integers(0, 30), min_size=1, max_size=4)


def built(steps):
    """The objects of a graph: closed ones hold what was made before them, open ones anything."""
    made, held = [], []
    for kind, numbers in steps:
        if kind in OPEN:
            made.append(OPEN[kind][0]())
        else:
            before = ATOMS[:3] + made
            made.append(CLOSED[kind]([before[n % len(before)] for n in reversed(numbers)]))
        held.append(numbers)
    everything = ATOMS[:3] + made
    for (kind, _), one, numbers in zip(steps, made, held):
        if kind in OPEN:
            OPEN[kind][1](one, [everything[-1 - n % len(everything)] for n in numbers])
    return made


def canonical(graph):
    """What a graph is, with its identities: equal for graphs that nobody could tell apart."""
    seen, kept, out, work = {}, [], [], [graph]
    while work:
        value = work.pop()
        if id(value) in seen:
            out.append(("again", seen[id(value)]))
            continue
        what, parts = parts_of(value)
        out.append((type(value).__name__, what, len(parts)))
        if parts or type(value) not in (int, str, float, bytes, bool, type(None), tuple, frozenset):
            seen[id(value)] = len(seen)  # of what holds nothing and cannot change, nobody can tell which one it is
            kept.append((value, parts))
        work.extend(reversed(parts))
    return out


@hypothesis.settings(
    max_examples=4000 if LONG else 250,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.lists(st.tuples(st.sampled_from(KINDS), HELD), min_size=1, max_size=14))
def test_any_graph(store, steps):
    graph = built(steps)
    back = round_trip(store, graph)
    assert canonical(back) == canonical(graph)


def test_every_kind_is_there(store):
    """Each kind twice, so that each holds others of every sort."""
    graph = built([(kind, [7 * i + 3, 5 * i + 1, i]) for i, kind in enumerate(KINDS * 2)])
    assert len(graph) == 2 * len(KINDS)
    back = round_trip(store, graph)
    assert canonical(back) == canonical(graph)

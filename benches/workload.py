"""What is captured: functions in an importable module, as the figures in the README say."""

import time

import torpor

store = None


def ten_locals():
    i, j, k, l = 1, 200_000, -5, 1 << 40
    x, y, z = 1.5, 2.5, 1e300
    a, b, c = "hello", "some text here", "third one"
    got = store.capture(key="bench")
    return got, i, j, k, l, x, y, z, a, b, c


TEN = dict(i=1, j=200_000, k=-5, l=1 << 40, x=1.5, y=2.5, z=1e300, a="hello", b="some text here", c="third one")


def ten_locals_inside(n):
    """Time of one capture in ns, taken inside of the frame that is captured (its loop included)."""
    i, j, k, l = 1, 200_000, -5, 1 << 40
    x, y, z = 1.5, 2.5, 1e300
    a, b, c = "hello", "some text here", "third one"
    start = time.perf_counter_ns()
    for _ in range(n):
        store.capture(key="bench")
    took = (time.perf_counter_ns() - start) / n
    return took, i, j, k, l, x, y, z, a, b, c


def deep(depth, i, x, a):
    if depth == 1:
        return ten_locals()
    result = deep(depth - 1, i + 1, x * 2, a)
    return result


def array(u, n, key="bench"):
    total = n
    got = store.capture(key=key)
    return got, total


def plain(i, j, k, x, y, z, a, b, c):
    total = i + j
    return total

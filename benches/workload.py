"""What is captured: functions in an importable module, as the figures in the README say."""

import torpor

store = None


def ten_locals():
    i, j, k, l = 1, 200_000, -5, 1 << 40
    x, y, z = 1.5, 2.5, 1e300
    a, b, c = "hello", "some text here", "third one"
    got = store.capture(key="bench")
    return got, i, j, k, l, x, y, z, a, b, c


TEN = dict(i=1, j=200_000, k=-5, l=1 << 40, x=1.5, y=2.5, z=1e300, a="hello", b="some text here", c="third one")


def ten_locals_many(n, clock, out):
    i, j, k, l = 1, 200_000, -5, 1 << 40
    x, y, z = 1.5, 2.5, 1e300
    a = b = c = "text"
    for _ in range(n):
        start = clock()
        store.capture(key="bench")
        out.append(clock() - start)
    return i, j, k, l, x, y, z, a, b, c


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

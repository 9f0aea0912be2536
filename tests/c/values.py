"""Captures one frame with a local of every kind under the key "values", for values.c to read."""

import datetime

import host

try:
    import numpy
except ImportError:
    numpy = None


def scene():
    nothing = None
    yes, no = True, False
    small, negative, big = 42, -(1 << 63), -(1 << 100)
    real, number = 2.5, 1.5 - 2j
    text = "grüße, 世界\0!"
    raw, changing = b"\x00\xff", bytearray(b"abc")
    items, pair = [1, "two", 3.0], (nothing, yes)
    same = items
    group, frozen = {7}, frozenset({"x"})
    table = {"a": 1, 2: [3]}
    loop = []
    loop.append(loop)
    steps, part = range(1, 10, 3), slice(None, 5)
    day = datetime.date(2026, 11, 21)
    if numpy is not None:
        array = numpy.arange(6.0).reshape(2, 3)
        view = array[::-1, 1]
        large = numpy.arange(100_000, dtype="int32")
        readable = numpy.arange(3)
        readable.flags.writeable = False
    del no
    return outer_line(), locals()


def outer_line():
    return host.checkpoint()


def main():
    grid = memoryview(bytes(range(256)) * 1000).cast("B").cast("i", (640, 100))
    host.mode(True, None, "values", {"raw": b"as it is", "empty": b"", "grid": grid})
    host.run(scene)


main()

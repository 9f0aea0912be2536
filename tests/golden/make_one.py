"""Saves a small snapshot of a stack of two frames to the file that is named; see generate."""

import pathlib
import sys

import numpy
import torpor


def inner(items, array):
    got = torpor.dumps()
    return got if isinstance(got, bytes) else (items, got, float(array.sum()))


def outer():
    return inner([1, 2.5, "text", b"bytes", None, (True, 10**30)], numpy.arange(1000.0))


if __name__ == "__main__":
    data = torpor.run(outer)
    pathlib.Path(sys.argv[1]).write_bytes(data)
    print(f"{sys.argv[1]}: {len(data)} bytes")

"""Prints every frame and local of a snapshot, read without running its code: dump.py STORE KEY.

The text, line by line: kind and contents of each value; containers with their length, their items on the
lines after; "again N" for the Nth container or array of the local. The C and Rust programs print the same.
"""

import struct
import sys

import numpy
import torpor


def integer(n):
    length = 1
    while not -(1 << 8 * length - 1) <= n < 1 << 8 * length - 1:
        length += 1
    return n.to_bytes(length, "little", signed=True).hex()


def elements(a):
    total = 0xCBF29CE484222325
    for byte in a.tobytes():
        total = (total ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{total:016x}"


def bits(f):
    return struct.pack("<d", f).hex()


class Dump:
    def __init__(self):
        self.seen = []

    def items(self, kind, items):
        return f"{kind} {len(items)}\n" + "".join(map(self.value, items))

    def value(self, v):
        kind = type(v)
        if kind in (list, dict, set, bytearray, numpy.ndarray):
            for n, other in enumerate(self.seen):
                if other is v:
                    return f"again {n}\n"
            self.seen.append(v)
        if v is None:
            return "none\n"
        if kind is bool:
            return f"bool {int(v)}\n"
        if kind is int:
            return f"int {integer(v)}\n"
        if kind is float:
            return f"float {bits(v)}\n"
        if kind is complex:
            return f"complex {bits(v.real)} {bits(v.imag)}\n"
        if kind is str:
            return f"str {v.encode('utf-8', 'surrogatepass').hex()}\n"
        if kind in (bytes, bytearray):
            return f"{kind.__name__} {v.hex()}\n"
        if kind in (list, tuple):
            return self.items(kind.__name__, v)
        if kind in (range, slice):
            return self.items(kind.__name__, (v.start, v.stop, v.step))
        if kind in (set, frozenset):
            return f"{kind.__name__} {len(v)}\n" + "".join(sorted(map(self.value, v)))
        if kind is dict:
            return f"dict {len(v)}\n" + "".join(self.value(x) for entry in v.items() for x in entry)
        if kind is numpy.ndarray:
            # numpy calls a 64-bit integer "l" or "q"; snapshots say "q".
            letter = {"l": "q", "L": "Q"}.get(memoryview(v).format, memoryview(v).format)
            return f"array {letter} ({' '.join(map(str, v.shape))}) {elements(v)}\n"
        if kind is torpor.Opaque:
            return f"opaque {v.type_name}\n"
        return f"something else: {kind}\n"


def main(store, key):
    store = torpor.Store(store, create=False)
    snapshot = store[key]
    print("snapshot", snapshot.id, snapshot.nbytes, snapshot.pid)
    for i, frame in enumerate(snapshot.frames):
        print("frame", frame.function, frame.qualname, frame.module, frame.lineno)
        for name in frame.locals_names:
            print(f"{name}: {Dump().value(snapshot.read(name, i))}", end="")
    print("store", *store.stats().values())


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])

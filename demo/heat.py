"""Process A of the demo: heat spreads over a plate, and half way the program captures itself.

usage: heat.py SIZE STEPS [CAPTURE_AT]
"""

import hashlib
import os
import sys
import time

import numpy as np
import torpor


class Clock:
    """Says how long a block took in this process."""

    def __enter__(self):
        self.begin = time.perf_counter()
        return self

    def __exit__(self, *exc):
        print(f"process {os.getpid()}: left the solver's with block", flush=True)


def checkpoint(u, step):
    begin = time.perf_counter()
    got = torpor.capture(key="demo")
    if isinstance(got, torpor.Snapshot):  # the original goes on
        took = time.perf_counter() - begin
        print(f"process {os.getpid()}: step {step}, captured {got.nbytes >> 20} MiB in {took * 1e3:.1f} ms", flush=True)
    else:  # the resumed one: got is what resume() was given
        took = time.perf_counter() - got
        print(f"process {os.getpid()}: step {step} again, {took * 1e6:.0f} µs after resume()", flush=True)


def advance(u, v, step, capture_at):
    v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    if step == capture_at:
        checkpoint(u, step)
    return float(np.abs(v[1:-1, 1:-1] - u[1:-1, 1:-1]).max())


def solve(size, steps, capture_at):
    u = np.zeros((size, size))
    u[0] = 100 * np.sin(np.linspace(0, np.pi, size))
    v = u.copy()
    total = 0.0
    try:
        with Clock():
            for step in range(1, steps + 1):
                total = total + step * advance(u, v, step, capture_at)
                u, v = v, u
    finally:
        steps_left = steps - step
    return u, total, steps_left


if __name__ == "__main__":
    size, steps, *capture_at = map(int, sys.argv[1:])
    u, total, steps_left = solve(size, steps, capture_at[0] if capture_at else None)
    digest = hashlib.sha256(u.tobytes()).hexdigest()
    print(f"result {total!r} {steps_left} {digest}", flush=True)

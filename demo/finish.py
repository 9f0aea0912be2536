"""Process B of the demo: a fresh interpreter that has never seen heat.py adopts what process A captured."""

import os
import time

import numpy  # noqa: F401  adopting would import it; this keeps the import out of the time below
import torpor

begin = time.perf_counter()
continuation = torpor.adopt("demo")
took = time.perf_counter() - begin
print(f"process {os.getpid()}: adopted in {took * 1e6:.0f} µs", flush=True)
continuation.resume(time.perf_counter())

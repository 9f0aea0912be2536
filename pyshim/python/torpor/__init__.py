"""Zero-copy snapshots of running Python functions in shared memory.

``torpor.capture(key="k")`` writes the caller's whole stack into a store and goes on; in another process
``torpor.adopt("k").resume()`` lets it run on from there. Big arrays are copied once when they are
captured and never when they are adopted.

Linux x86-64 and CPython with the GIL. Adopting runs code that the snapshot brings, as unpickling does;
listing and reading never do.
"""

from ._errors import (
    AdoptError,
    AlreadyResumed,
    CaptureError,
    CodeChanged,
    CorruptSnapshot,
    InvalidArgument,
    ResumeError,
    SnapshotNotFound,
    StateIgnored,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreNotFound,
    TorporError,
    UncapturableValue,
    UnsupportedFrame,
    VersionMismatch,
)
from ._handover import hand_over, take_over
from ._native import Continuation, Snapshot, __version__, adopt, load, loads, register, run
from ._opaque import Opaque
from ._serve import serve
from ._store import Request, Store, capture, dumps, request
from . import liveness

__all__ = [
    "AdoptError",
    "AlreadyResumed",
    "CaptureError",
    "CodeChanged",
    "Continuation",
    "CorruptSnapshot",
    "InvalidArgument",
    "Opaque",
    "Request",
    "ResumeError",
    "Snapshot",
    "SnapshotNotFound",
    "StateIgnored",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreNotFound",
    "TorporError",
    "UncapturableValue",
    "UnsupportedFrame",
    "VersionMismatch",
    "__version__",
    "adopt",
    "capture",
    "dumps",
    "hand_over",
    "liveness",
    "load",
    "loads",
    "register",
    "request",
    "run",
    "serve",
    "take_over",
]

"""Captures that are asked for from outside: by a signal handler, a timer, another thread.

The engine watches the wanted thread while a request is open, and tries a capture at each line that it runs, until
one is not refused.

A request may come at any moment, also in a signal handler in the middle of this module: there are no
locks that it could wait for for ever, and every step may be repeated.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from types import FrameType
from typing import Any

from . import _native
from ._errors import CaptureError, InvalidArgument, UncapturableValue, UnsupportedFrame
from ._native import Snapshot

#: The engine's part: which threads are watched, and when one tries.
_engine = _native.requests()
_engine.OWN_FILES.update(os.path.join(os.path.dirname(__file__), name + ".py")
                         for name in ("_request", "_serve", "_store", "_frame", "_handover", "_local"))  # fmt: skip
#: Seconds between two looks at whether the thread still runs and is still watched.
_TICK = 0.05


class Request:
    """A capture that was asked for and may not have happened yet: what ``torpor.request`` returns."""

    __slots__ = ("_arguments", "_ended", "_error", "_mine", "_open", "_pid", "_snapshot", "_store", "_thread")

    def __init__(self, store: Any, thread: int, known: threading.Thread | None, arguments: tuple[Any, ...]) -> None:
        self._store, self._arguments = store, arguments
        self._mine = thread
        self._thread = known
        self._pid = os.getpid()
        self._snapshot: Snapshot | None = None
        self._error: BaseException | None = None
        self._open: Any = _engine.OpenRequest(thread, self._try)
        self._ended = _thread.allocate_lock()  # held until there is a result
        self._ended.acquire()

    @property
    def done(self) -> bool:
        """Whether it is over: captured, failed, cancelled, or without hope because the thread has ended."""
        if self._ended.locked():
            self._look()
        return not self._ended.locked()

    def wait(self, timeout: float | None = None) -> Snapshot:
        """The snapshot, once there is one.

        Raises ``TimeoutError``, which says what stood in the way so far, and ``CaptureError`` when the
        request was cancelled or the thread has ended. The thread that is to be captured cannot wait.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self.done:
            if _thread.get_ident() == self._mine:
                raise RuntimeError("The thread that is to be captured cannot wait for it: it would have to run.")
            left = _TICK if end is None else min(_TICK, end - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"No capture in {timeout} s. {self._open.why()}")
            if self._ended.acquire(timeout=left):
                self._release()
        if self._error is not None:
            raise self._error
        assert self._snapshot is not None
        return self._snapshot

    def cancel(self) -> None:
        """Gives the request up, if it is still open."""
        self._end(None, CaptureError("The request was cancelled."))

    def __reduce__(self) -> Any:
        return _travelled, (self._snapshot,)

    def __repr__(self) -> str:
        state = "open" if not self.done else "failed" if self._error else "captured"
        return f"<torpor.Request of thread {self._mine}, {state}>"

    def _look(self) -> None:
        """Ends the request if its thread has ended; watches it again if somebody else took the place."""
        if self._pid != os.getpid():
            self._error = CaptureError("The request was made before a fork, in the parent process.")
            self._release()
        elif self._thread is not None and not self._thread.is_alive() or self._mine not in sys._current_frames():
            self._end(None, CaptureError(f"The thread has ended before it could be captured. {self._open.why()}"))
        else:
            _engine.update_requests()

    def _release(self) -> None:
        try:
            self._ended.release()
        except RuntimeError:  # somebody else did
            pass

    def _end(self, snapshot: Snapshot | None, error: BaseException | None) -> None:
        if _engine.close_request(self._open):  # not open: it has ended, or is just ending
            self._result(snapshot, error)

    def _result(self, snapshot: Snapshot | None, error: BaseException | None) -> None:
        try:
            self._snapshot, self._error = snapshot, error
        finally:
            self._release()

    def _try(self, frame: FrameType) -> tuple[str, str | None, int | None] | None:
        """One line of the thread: captures it, unless something stands in the way."""
        snapshot = failure = None
        try:
            snapshot = _native.capture(self._store, frame, *self._arguments)
        except UnsupportedFrame as refusal:
            return str(refusal), refusal.function, refusal.lineno
        except UncapturableValue as refusal:
            return str(refusal), None, None
        except Exception as error:
            failure = error.with_traceback(None)
        self._end(snapshot, failure)
        return None


def _travelled(snapshot: Snapshot | None) -> Request:
    """A handle that travelled inside a snapshot: with its result, if it had one, and without hope otherwise."""
    made = Request(None, 0, None, ())
    made._snapshot = snapshot
    if snapshot is None:
        made._error = CaptureError("The request was made by another process.")
    made._release()
    return made


def _thread_of(thread: int | threading.Thread | None) -> tuple[int, threading.Thread | None]:
    if thread is None:
        thread = threading.main_thread()
    if isinstance(thread, threading.Thread):
        if thread.ident is None or not thread.is_alive():
            raise InvalidArgument(f"The thread {thread.name} does not run.")
        return thread.ident, thread
    if thread not in sys._current_frames():
        raise InvalidArgument(f"There is no thread {thread}.")
    known = getattr(threading, "_active", {}).get(thread)  # None for a thread that threading does not know
    return thread, known


def request(
    store: Any, key: str | None, thread: int | threading.Thread | None, options: tuple[Any, ...] | None
) -> Request:
    """Opens a request; options are those of a capture in their order, or None."""
    ident, known = _thread_of(thread)
    if _engine.instrumenting_is_unsafe():
        raise CaptureError("A request changes what the interpreter watches, which crashes CPython 3.14 with its JIT compiler on "
                           "if other threads run Python (gh-142513): switch it off (PYTHON_JIT=0), use 3.15, or ask while the "
                           "program has one thread, from a signal handler.")  # fmt: skip
    _native.learn_stops()
    made = Request(store, ident, known, (key, options))
    _engine.open_request(made._open)
    return made


os.register_at_fork(after_in_child=_engine.forget_requests)

"""Captures that are asked for from outside: by a signal handler, a timer, another thread.

While a request is open, the interpreter reports the lines that run (`sys.monitoring`; on 3.11 a trace
function of the one thread, in front of what it has). At each line of the wanted thread a capture is
tried, until one is not refused. Nothing is watched while no request is open.

A request may come at any moment, also in a signal handler in the middle of this module: there are no
locks that it could wait for for ever, and every step may be repeated.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from types import CodeType, FrameType
from typing import Any

from . import _native
from ._errors import CaptureError, InvalidArgument, UncapturableValue, UnsupportedFrame
from ._native import Snapshot

_OWN = tuple(os.path.join(os.path.dirname(__file__), name + ".py")
             for name in ("_request", "_serve", "_store", "_frame"))  # fmt: skip
_RUN = threading.Thread.run.__code__
_BOOTSTRAP = threading.Thread._bootstrap_inner.__code__  # type: ignore[attr-defined]
_MONITORING = hasattr(sys, "monitoring")
#: Seconds between two looks at whether the thread still runs and is still watched.
_TICK = 0.05
#: After a refusal, this many times as long as it took is spent in the program: a bound on the slowdown.
_PAUSE = 4.0
#: Seconds for which a frame that stood in the way is taken to do so while it stands where it stood.
_MEMORY = 0.02
_MOST_REFUSALS = 8

#: The open requests. One operation on it is atomic; it is copied to be walked.
_open: dict[Request, None] = {}
#: Monitoring tools that this module has taken.
_tools: list[int] = []


class Request:
    """A capture that was asked for and may not have happened yet: what ``torpor.request`` returns."""

    __slots__ = ("_arguments", "_ended", "_error", "_mine", "_not_before", "_obstacle", "_pid", "_refusals",
                 "_snapshot", "_store", "_thread")  # fmt: skip

    def __init__(self, store: Any, thread: int, known: threading.Thread | None, arguments: tuple[Any, ...]) -> None:
        self._store, self._arguments = store, arguments
        self._mine = thread
        self._thread = known
        self._pid = os.getpid()
        self._snapshot: Snapshot | None = None
        self._error: BaseException | None = None
        self._refusals: dict[str, None] = {}
        self._obstacle: tuple[int, int, float] | None = None
        self._not_before = 0.0
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
                raise TimeoutError(f"No capture in {timeout} s. {self._why()}")
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

    def _why(self) -> str:
        if not self._refusals:
            return "The thread ran no line of Python since it was asked."
        return "Refused so far: " + "; ".join(self._refusals)

    def _look(self) -> None:
        """Ends the request if its thread has ended; watches it again if somebody else took the place."""
        if self._pid != os.getpid():
            self._error = CaptureError("The request was made before a fork, in the parent process.")
            self._release()
        elif self._thread is not None and not self._thread.is_alive() or self._mine not in sys._current_frames():
            self._end(None, CaptureError(f"The thread has ended before it could be captured. {self._why()}"))
        else:
            _update()

    def _release(self) -> None:
        try:
            self._ended.release()
        except RuntimeError:  # somebody else did
            pass

    def _end(self, snapshot: Snapshot | None, error: BaseException | None) -> None:
        if _open.pop(self, self) is self:  # not open: it has ended, or is just ending
            return
        try:
            self._snapshot, self._error = snapshot, error
        finally:
            self._release()
        _update()

    def _try(self, frame: FrameType) -> None:
        """One line of the thread: captures it, unless something stands in the way."""
        now = time.perf_counter()
        if now < self._not_before or self._obstructed(frame, now):
            return
        snapshot = failure = None
        try:
            snapshot = _native.capture(self._store, frame, *self._arguments)
        except (UnsupportedFrame, UncapturableValue) as refusal:
            if len(self._refusals) < _MOST_REFUSALS:
                self._refusals[str(refusal)] = None
            if not (isinstance(refusal, UnsupportedFrame) and self._remember(frame, refusal, now)):
                self._not_before = now + _PAUSE * (time.perf_counter() - now)
        except Exception as error:
            failure = error.with_traceback(None)
        if snapshot is not None or failure is not None:
            self._end(snapshot, failure)

    def _remember(self, frame: FrameType | None, refusal: Any, now: float) -> bool:
        while frame is not None:
            if frame.f_lineno == refusal.lineno and frame.f_code.co_qualname == refusal.function:
                # By number, not by reference: the frame's values are not to live longer.
                self._obstacle = (id(frame), frame.f_lasti, now + _MEMORY)
                return True
            frame = frame.f_back
        return False

    def _obstructed(self, frame: FrameType | None, now: float) -> bool:
        obstacle, callee = self._obstacle, None
        if frame is not None and frame.f_code is _RUN:
            return True
        while frame is not None:
            if frame.f_code.co_filename in _OWN:
                return True
            if frame.f_code is _BOOTSTRAP:  # of a thread, what its run() does is the program
                return callee is None or callee.f_code.co_name != "run"
            if obstacle is not None and id(frame) == obstacle[0] and frame.f_lasti == obstacle[1]:
                return now < obstacle[2]
            callee, frame = frame, frame.f_back
        return False


def _travelled(snapshot: Snapshot | None) -> Request:
    """A handle that travelled inside a snapshot: with its result, if it had one, and without hope otherwise."""
    made = Request(None, 0, None, ())
    made._snapshot = snapshot
    if snapshot is None:
        made._error = CaptureError("The request was made by another process.")
    made._release()
    return made


def _line(frame: FrameType) -> None:
    """A line is about to run, in any thread."""
    thread = _thread.get_ident()
    for request in tuple(_open):
        if request._mine == thread:
            request._try(frame)


def _on_line(code: CodeType, line: int) -> None:
    _line(sys._getframe(1))


def _on_jump(code: CodeType, offset: int, destination: int) -> None:
    if destination < offset:  # a loop within one line
        _line(sys._getframe(1))


def _update() -> None:
    """Watches if and only if a request is open. May be interrupted by itself anywhere."""
    if _MONITORING:
        if _open and not _tools:
            _take_tool()
        while _tools and not _open:
            _give_back(_tools.pop())
    else:
        wanted = {request._mine for request in tuple(_open)}
        for thread in wanted:
            if _native.watch(thread, _line):
                _watched.add(thread)
        for thread in tuple(_watched):
            if thread not in {request._mine for request in tuple(_open)}:
                _watched.discard(thread)
                _native.unwatch(thread)


#: Threads that have a trace function of ours (3.11).
_watched: set[int] = set()


def _take_tool() -> None:
    monitoring = sys.monitoring
    for tool in (4, 3, 5, 1, 2, 0):
        if monitoring.get_tool(tool) is None:
            try:
                monitoring.use_tool_id(tool, "torpor")
            except ValueError:  # another thread was faster
                continue
            _tools.append(tool)
            events = monitoring.events
            monitoring.register_callback(tool, events.LINE, _on_line)
            monitoring.register_callback(tool, events.JUMP, _on_jump)
            monitoring.set_events(tool, events.LINE | events.JUMP)
            return
    raise RuntimeError("All tools of sys.monitoring are taken; torpor.request needs one while a request is open.")


def _give_back(tool: int) -> None:
    monitoring = sys.monitoring
    monitoring.set_events(tool, 0)
    for event in (monitoring.events.LINE, monitoring.events.JUMP):
        monitoring.register_callback(tool, event, None)
    monitoring.free_tool_id(tool)


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
    _native.learn_stops()
    made = Request(store, ident, known, (key, options))
    _open[made] = None
    try:
        _update()
    except BaseException:
        _open.pop(made, None)
        raise
    return made


def _after_fork() -> None:
    _open.clear()
    _update()


os.register_at_fork(after_in_child=_after_fork)

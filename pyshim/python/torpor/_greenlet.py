"""Greenlets that resume an adopted stack. The package is imported when one is asked for."""

from __future__ import annotations

from typing import Any

from ._native import Continuation, hide


def _body(switch: Any, continuation: Continuation) -> Any:
    # Waits like the greenlet that was captured: one that was never started would not see what is thrown to it.
    error = None
    try:
        value = switch()
    except BaseException as thrown:
        error = thrown
    if error is not None:
        # Outside of the handler, where nothing is handled.
        return continuation.throw(error)
    return continuation.resume() if value == () else continuation.resume(value)


hide(_body)


def make(continuation: Continuation) -> Any:
    """A suspended greenlet below the current one, which resumes the continuation: the one that was captured, for what
    was captured with it."""
    from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

    made = continuation._own_greenlet(_body)
    if made is None:
        made = greenlet(_body)
    greenlet.switch(made, getcurrent().switch, continuation)
    vars(made).pop("run", None)  # of one whose class has a run method
    return made

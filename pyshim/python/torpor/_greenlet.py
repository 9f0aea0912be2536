"""Greenlets that resume an adopted stack. The package is imported when one is asked for."""

from __future__ import annotations

from typing import Any

from ._native import Continuation, run_in_greenlet


def make(continuation: Continuation) -> Any:
    """A suspended greenlet below the current one, which resumes the continuation: the one that was captured, for what
    was captured with it."""
    from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

    made = continuation._own_greenlet(run_in_greenlet)
    if made is None:
        made = greenlet(run_in_greenlet)
    greenlet.switch(made, getcurrent().switch, continuation)
    vars(made).pop("run", None)  # of one whose class has a run method
    return made

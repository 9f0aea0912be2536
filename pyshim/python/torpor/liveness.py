"""Which locals the code can still read: what `keep_dead=False` leaves out of a capture.

>>> def f(a, b):
...     c = a + b
...     return c * 2
>>> import torpor.liveness
>>> sorted(torpor.liveness.live_locals(f.__code__, 0))
['a', 'b']
"""

from __future__ import annotations

from types import CodeType

from . import _native

__all__ = ["live_locals"]


def live_locals(code: CodeType, offset: int) -> frozenset[str]:
    """Names of the locals that may be read before they are assigned again, from a byte offset of the code on.

    ``offset`` is what ``frame.f_lasti`` and ``dis`` call an offset; within an instruction's inline cache
    it means the instruction, which itself is not yet run. All ways are followed, into exception handlers
    too. Variables that closures share count as alive, and all locals do where the code uses ``locals()``,
    ``eval()`` or the like.
    """
    if not isinstance(code, CodeType):
        raise TypeError("live_locals takes a code object and a byte offset")
    if not 0 <= offset < len(code.co_code):
        raise ValueError(f"The offset {offset} is outside of the code, which has {len(code.co_code)} bytes.")
    return _native.live_locals(code, offset)

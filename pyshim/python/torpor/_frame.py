"""The frames of a continuation, and the arrays of a snapshot, as Python programs see them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._native import Continuation, Snapshot


class Locals(MutableMapping[str, Any]):
    """The locals of one frame of a continuation that has not run yet, cells and free variables included.

    Reading gives the objects that the frame will use. Assigning changes what it finds when it is
    resumed; deleting unbinds. A name that the function does not have is a ``KeyError``.
    """

    __slots__ = ("_continuation", "_index")

    def __init__(self, continuation: Continuation, index: int) -> None:
        self._continuation = continuation
        self._index = index

    def __getitem__(self, name: str) -> Any:
        return self._continuation._get_local(self._index, name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._continuation._set_local(self._index, name, value)

    def __delitem__(self, name: str) -> None:
        self._continuation._del_local(self._index, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._continuation._local_names(self._index))

    def __len__(self) -> int:
        return len(self._continuation._local_names(self._index))

    def __repr__(self) -> str:
        return f"<locals {', '.join(self)}>"


class Frame:
    """One suspended call of a continuation: ``code``, ``lineno`` and ``locals``."""

    __slots__ = ("code", "lineno", "locals")

    def __init__(self, continuation: Continuation, index: int) -> None:
        #: The code object that will run on.
        self.code: CodeType = continuation._frame_code(index)
        #: The line of the suspended call, from 1.
        self.lineno: int = continuation._frame_lineno(index)
        #: A mapping that can be assigned to until the continuation is resumed.
        self.locals = Locals(continuation, index)

    def __repr__(self) -> str:
        return f"<frame {self.code.co_qualname} at {self.code.co_filename}:{self.lineno}>"


def frames(continuation: Continuation) -> tuple[Frame, ...]:
    """The frames of a continuation, innermost first."""
    return tuple(Frame(continuation, index) for index in range(continuation._frame_count()))


def arrays(snapshot: Snapshot) -> dict[str, Any]:
    """Every array that a snapshot's locals hold, directly or inside builtin containers, by its path."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    keep: list[Any] = []  # ids stay distinct while the objects live
    for index, frame in enumerate(snapshot.frames):
        for name in frame.locals_names:
            work = [(f"frames[{index}].locals[{name!r}]", snapshot.read(name, index))]
            while work:
                path, value = work.pop()
                if hasattr(value, "__array_interface__"):
                    found[path] = value
                elif isinstance(value, (list, tuple, dict, set, frozenset)) and id(value) not in seen:
                    seen.add(id(value))
                    keep.append(value)
                    if isinstance(value, dict):
                        work.extend((f"{path}[{key!r}]", item) for key, item in value.items())
                    elif isinstance(value, (list, tuple)):
                        work.extend((f"{path}[{i}]", item) for i, item in enumerate(value))
                    else:
                        work.extend((f"{path}{{…}}", item) for item in value)
    return found

"""How the command line prints snapshots. Nothing here runs code of a snapshot."""

from __future__ import annotations

import linecache
import os
import reprlib
import stat
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._native import Snapshot, SnapshotFrame

_SOURCE_LIMIT = 16 << 20  # a longer file is not read for the sake of five lines


def clean(text: object) -> str:
    """Text with everything escaped that a terminal would obey or not show."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def size(n: int) -> str:
    """A number of bytes for people."""
    if n < 1024:
        return f"{n} B"
    value = float(n)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1024 or unit == "TiB":
            break
    return f"{value:.1f} {unit}"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60
        self.maxlong = 40

    def repr1(self, x: Any, level: int) -> str:
        array = describe_array(x)
        return array if array else super().repr1(x, level)


def describe_array(value: Any) -> str | None:
    """``float64[512, 512]  2.0 MiB`` for an array, ``None`` for anything else."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or not isinstance(shape, tuple):
        return None
    return f"{dtype}[{', '.join(map(str, shape))}]  {size(value.nbytes)}"


_short = _Repr()


def describe(value: Any) -> str:
    """A value on one line: its type, and what it holds as far as there is room."""
    array = describe_array(value)
    if array:
        return clean(array)
    if type(value).__name__ == "Opaque":
        return clean(repr(value))
    try:
        text = _short.repr(value)
    except (ValueError, RecursionError):  # an int of more digits than Python prints
        text = "…"
    return clean(f"{type(value).__name__}  {text}")


def source(filename: str, lineno: int, around: int = 2) -> Iterator[tuple[int, str]]:
    """Numbered source lines around one, if the file is still there."""
    try:
        info = os.stat(filename)
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(info.st_mode) or info.st_size > _SOURCE_LIMIT:
        return
    for number in range(max(1, lineno - around), lineno + around + 1):
        line = linecache.getline(filename, number)
        if line:
            yield number, line.rstrip("\n")


def frame_lines(snapshot: Snapshot, index: int, frame: SnapshotFrame) -> Iterator[str]:
    """One frame: where it stands, its source, its locals."""
    yield f"frame {index}  {clean(frame.qualname)}  {clean(frame.filename)}:{frame.lineno}"
    for number, line in source(frame.filename, frame.lineno):
        mark = "->" if number == frame.lineno else "  "
        yield f"   {mark} {number:>5} | {clean(line)}"
    rows = [(f"      {clean(name)}", describe(snapshot.read(name, index))) for name in frame.locals_names]
    yield from table(rows)


def snapshot_lines(snapshot: Snapshot) -> Iterator[str]:
    """A whole snapshot, innermost frame first."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(snapshot.created))
    name = clean(snapshot.key) if snapshot.key else "(no key)"
    python = f"Python {snapshot.python}" if snapshot.python else "no Python"
    yield f"{name}  #{snapshot.id}  {size(snapshot.nbytes)}  captured {when} by process {snapshot.pid}, {python}"
    for index, frame in enumerate(snapshot.frames):
        yield ""
        yield from frame_lines(snapshot, index, frame)


def as_json(value: Any) -> Any:
    """A value in JSON's terms: arrays and what has no JSON form as text that describes it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: as_json(item) for key, item in value.items()}
    return describe(value)


def snapshot_json(snapshot: Snapshot, locals: bool = False) -> dict[str, Any]:
    """A snapshot as JSON data."""
    frames = [
        {
            "function": frame.function,
            "qualname": frame.qualname,
            "module": frame.module,
            "filename": frame.filename,
            "lineno": frame.lineno,
            "locals": {name: describe(snapshot.read(name, index)) for name in frame.locals_names}
            if locals
            else list(frame.locals_names),
        }
        for index, frame in enumerate(snapshot.frames)
    ]
    return {
        "id": snapshot.id,
        "key": snapshot.key,
        "nbytes": snapshot.nbytes,
        "created": snapshot.created,
        "pid": snapshot.pid,
        "python": snapshot.python,
        "frames": frames,
    }

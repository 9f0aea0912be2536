"""Saving a snapshot while the program runs on: what ``snapshot.save(path, background=True)`` returns."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from ._errors import StoreError
from ._native import Snapshot


class Saving:
    """A file that is being written by a thread of its own, whole or not at all.

    The thread pins the snapshot, so what it was captured from may go on, and the snapshot be replaced or removed. The
    interpreter does not end before the file is written. A fork's child, and a process in which a captured handle is
    adopted, can ask for ``path`` only: the file is the business of the process that began it.
    """

    __slots__ = ("_error", "_path", "_pid", "_thread")

    def __init__(self, snapshot: Snapshot, path: Path) -> None:
        self._path = Path(os.path.abspath(path))  # the working directory may change meanwhile
        self._pid = os.getpid()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._write, args=(snapshot,), name=f"torpor saves {self._path.name}"
        )
        self._thread.start()

    def _write(self, snapshot: Snapshot) -> None:
        try:
            snapshot.save(self._path)
        except BaseException as error:
            self._error = error

    def _own(self) -> threading.Thread:
        if self._thread is None or self._pid != os.getpid():
            raise StoreError(
                f"{self._path} is or was written by another process; load it there, or look whether it exists."
            )
        return self._thread

    @property
    def path(self) -> Path:
        """The file's absolute path. It exists when the file is complete, unless there was one before."""
        return self._path

    @property
    def done(self) -> bool:
        """Whether it is over, well or not."""
        return not self._own().is_alive()

    def wait(self, timeout: float | None = None) -> Path:
        """Waits until the file is on the disk and returns its path.

        Raises what ``save`` would have raised, and ``TimeoutError``; the file is written on all the same.
        """
        thread = self._own()
        thread.join(timeout)
        if thread.is_alive():
            raise TimeoutError(f"{self._path} is not written after {timeout} s.")
        if self._error is not None:
            raise self._error
        return self._path

    def __reduce__(self) -> Any:
        return _travelled, (str(self._path),)

    def __repr__(self) -> str:
        mine = self._thread is not None and self._pid == os.getpid()
        state = "in another process" if not mine else "done" if self.done else "under way"
        return f"<torpor.Saving {str(self._path)!r}, {state}>"


def _travelled(path: str) -> Saving:
    """A handle that travelled inside a snapshot."""
    handle = Saving.__new__(Saving)
    handle._path, handle._pid, handle._error, handle._thread = Path(path), 0, None, None
    return handle

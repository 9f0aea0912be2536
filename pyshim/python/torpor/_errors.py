"""The exceptions and warnings of torpor. Which Rust error becomes which: src/errors.rs."""

from __future__ import annotations


class TorporError(Exception):
    """Something that torpor could not or would not do; the message says what, where and what helps."""

    #: The number that the C interface gives for the same error.
    status: int = 2
    #: The operating system's error number, where it had a part in this.
    errno: int | None = None


class InvalidArgument(TorporError, ValueError):
    """An argument that cannot be right, such as a key of 300 bytes or a capacity below one page."""

    status = 1


class OutOfMemory(TorporError, MemoryError):
    """The host has not enough memory."""

    status = 3


class FileError(TorporError, OSError):
    """The operating system refused a file; ``errno`` is its reason."""

    status = 5


class FileMissing(FileError, FileNotFoundError):
    """There is no such file."""


class FileForbidden(FileError, PermissionError):
    """The file may not be used by this user."""


class StoreError(TorporError):
    """A store could not do what was asked."""

    status = 100


class StoreNotFound(StoreError):
    """There is no store of that name, or it has been destroyed."""

    status = 101


class StoreFull(StoreError):
    """The snapshot does not fit into what is left of the store's capacity or of the host's memory."""

    status = 102


class StoreCorrupt(StoreError):
    """The store's own tables are damaged."""

    status = 103


class CaptureError(TorporError):
    """A stack could not be captured; nothing was written and nothing has changed."""

    status = 200


class UnsupportedFrame(CaptureError):
    """A frame stands in a place where it cannot be captured: the function, the line and what it is."""

    status = 201
    function: str = ""
    filename: str = ""
    lineno: int = 0
    what: str = ""


class UncapturableValue(CaptureError):
    """Values that cannot travel: ``refusals`` lists all of them, each as (path, reason)."""

    status = 202
    refusals: list[tuple[str, str]] = []


class AdoptError(TorporError):
    """A snapshot could not be turned into a continuation."""

    status = 300


class SnapshotNotFound(AdoptError, KeyError):
    """No snapshot has that key or number."""

    status = 301
    __str__ = Exception.__str__  # KeyError would show the message's repr


class CorruptSnapshot(AdoptError):
    """The bytes are damaged, cut short, or not a snapshot at all."""

    status = 302


class VersionMismatch(AdoptError):
    """The snapshot was captured by another version of Python, or is of another format."""

    status = 303


class ResumeError(TorporError):
    """A continuation could not be resumed."""

    status = 400


class AlreadyResumed(ResumeError):
    """A continuation runs once; adopt the snapshot again for another run."""

    status = 401


class CodeChanged(UserWarning):
    """The code of a function differs from the captured one: the captured code runs."""


class StateIgnored(UserWarning):
    """A module's captured data was left aside, because the adopter has imported that module itself."""

"""Stores, and the calls that capture: plain Python functions, because of where they stand on the stack.

A capture finds its caller suspended in a call of a Python function, which every CPython version keeps
in the same well-defined state. So these wrappers call the native function themselves, directly, and are
made known to the engine (`register_entry`), which leaves their frames out of what it captures.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Thread
from typing import Any, TypedDict, TypeVar, Unpack

from . import _local, _native
from ._errors import InvalidArgument
from ._native import Continuation, Snapshot
from ._native import capture as _capture
from ._native import dumps as _dumps
from ._request import Request
from ._request import request as _request

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CaptureOptions(TypedDict, total=False):
    """What a capture may be told by keyword; `_in_order` has the defaults."""

    stack: int | None
    exclude: Iterable[str | int] | Mapping[int, Iterable[str]]
    keep_dead: bool | None
    state: str | Iterable[Any]
    by_value: Iterable[Any]
    externals: Mapping[str, Any] | None
    attach: Mapping[str, Any] | None
    on_uncapturable: Callable[[Any, str], Any] | None


def _in_order(
    *,
    stack: int | None = None,
    exclude: Iterable[str | int] | Mapping[int, Iterable[str]] = (),
    keep_dead: bool | None = None,
    state: str | Iterable[Any] = "main",
    by_value: Iterable[Any] = (),
    externals: Mapping[str, Any] | None = None,
    attach: Mapping[str, Any] | None = None,
    on_uncapturable: Callable[[Any, str], Any] | None = None,
) -> tuple[Any, ...]:
    """The options as the native functions take them."""
    return stack, exclude, keep_dead, state, by_value, externals, attach, on_uncapturable


_in_order.__qualname__ = "capture"  # the function that refuses an unknown keyword


def _takes_options(function: _Function) -> _Function:
    """Gives the function the signature that it has for its callers.

    It takes the options as `**options`: keyword parameters of its own, with defaults that are looked up one
    by one, would be an eighth of a small capture's time.
    """
    own = inspect.signature(function)
    positional = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = inspect.signature(_in_order).parameters.values()
    function.__signature__ = own.replace(parameters=[*positional, *options])  # type: ignore[attr-defined]
    return function


_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
          "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}  # fmt: skip


def _bytes(capacity: int | str | None) -> int | None:
    """A capacity in bytes, from a number or from text such as ``"4 GiB"``."""
    if isinstance(capacity, str):
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", capacity)
        unit = match and _UNITS.get(match[2].lower())
        if not match or not unit:
            raise InvalidArgument(
                f"The capacity {capacity!r} is not a number of bytes; write for example 4294967296 or '4 GiB'."
            )
        capacity = int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
    if capacity is not None and capacity <= 0:
        raise InvalidArgument(f"The capacity is {capacity} bytes; it has to be more than nothing.")
    return capacity


class Numbers(dict[str, int]):
    """Numbers by name: a dict whose keys are attributes too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> int:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Store(_native.Store):
    """A named shared-memory area that the processes of one user on one host share.

    ``name`` picks the store; it is created if there is none, unless ``create=False``, which then raises
    ``StoreNotFound``. ``capacity`` (bytes, or text like ``"4 GiB"``) limits a store that is created:
    memory is taken as it is used; default: the smaller of 4 GiB and half of what is free; an existing
    store keeps its own. ``full`` says what a capture does when there is no room: ``"error"`` raises
    ``StoreFull``, ``"wait"`` waits, at most ``full_timeout`` seconds (default: for ever) before it raises ``StoreFull``,
    ``"drop"`` drops the oldest unreferenced snapshot under the same key. An existing store keeps its own way.
    ``dir`` is the directory where stores live (default: ``TORPOR_DIR``, else shared memory).

    A store is a mapping of keys to snapshots, and a context manager that closes itself. Closing is for
    this object only: snapshots, continuations and arrays that came from it stay valid.
    """

    __slots__ = ()

    def __new__(
        cls,
        name: str = "default",
        *,
        create: bool = True,
        capacity: int | str | None = None,
        full: str = "error",
        full_timeout: float | None = None,
        dir: str | None = None,
    ) -> Store:
        return super().__new__(cls, name, create, _bytes(capacity), full, full_timeout, dir, False)

    @_takes_options
    def capture(
        self, target: Any = None, key: str | None = None, **options: Unpack[CaptureOptions]
    ) -> Any:
        """Captures the stack from the caller's own frame (or ``target``) outward, and returns twice.

        Here it returns the ``Snapshot``; in the resumed stack it returns what ``resume`` was given.
        ``target`` is a frame of this thread's stack, or a suspended generator, coroutine, async generator or
        greenlet: that is captured with what it delegates to, and nothing of it runs.

        ``key`` names the snapshot (1 to 255 bytes of UTF-8). ``stack`` is the number of frames; ``None``
        goes up to the nearest boundary: ``torpor.run``, a ``resume``, a thread's function, the module
        frame of ``__main__`` (included). ``exclude`` are names or indices of the target's locals to leave
        out, or ``{frame_index: names}``. ``keep_dead``: locals that can no longer be read travel unless
        they cannot be captured (``None``), always (``True``), never (``False``). ``state`` says
        whose module-level data travels: ``"main"`` that of ``__main__``, ``"program"`` also modules outside of the
        standard library and installed distributions, ``"all"`` every pure-Python module outside of the standard
        library, or a list of modules; ``"none"`` names only. ``by_value`` are modules whose functions, classes and
        data travel whole. What other modules have under a name is the adopter's own. ``externals`` are
        ``{name: object}`` that stay behind and are replaced by the adopter's own; ``attach`` are ``{name: buffer}``
        that belong to the snapshot and to no frame (contiguous, anything but addresses), for
        ``Snapshot.attachment(name)``. ``on_uncapturable(object, path)`` is asked about each object that cannot be
        captured: what it returns travels in its place, ``None`` leaves it refused.

        Raises ``UnsupportedFrame`` or ``UncapturableValue``, naming everything that stands in the way,
        before anything is written, and ``StoreFull``.
        """
        return _capture(self, target, key, _in_order(**options) if options else None)

    @_takes_options
    def request(
        self,
        key: str | None = None,
        *,
        thread: int | Thread | None = None,
        **options: Unpack[CaptureOptions],
    ) -> Request:
        """Asks for a capture of a thread (``None``: the main thread) at its next line where that is possible.

        May be called from a signal handler, a timer or another thread. The thread runs on; what was
        captured goes on from that line when it is resumed, and has seen no call. Returns a handle with
        ``.done``, ``.wait(timeout)``, which gives the ``Snapshot``, and ``.cancel()``. ``thread`` is a
        ``threading.Thread`` or an identifier; the other options are those of ``capture``. While no
        request is open, nothing is slower; while one is, the interpreter reports every line.
        """
        return _request(self, key, thread, _in_order(**options) if options else None)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def get(self, key: str, default: Any = None) -> Any:
        """The snapshot under a key, or ``default``."""
        try:
            return self[key]
        except KeyError:
            return default

    __reduce__ = _native.Store.__reduce__  # of this class itself: there is nothing more to keep

    def items(self) -> list[tuple[str, Snapshot]]:
        """Keys and their snapshots; a key that goes away meanwhile is left out."""
        found = ((key, self.get(key)) for key in self.keys())
        return [(key, snapshot) for key, snapshot in found if snapshot is not None]

    def values(self) -> list[Snapshot]:
        """The snapshots that have a key."""
        return [snapshot for _, snapshot in self.items()]

    def empty(self, shape: Any, dtype: Any = float, *, order: str = "C", on_capture: str = "handover") -> Any:
        """A numpy array whose memory is the store's, with anything in it.

        The first capture of a frame that holds it into this store *hands its pages over*: nothing is copied, the
        snapshot has the pages, and the program goes on with a private copy-on-write view at the same address. From
        then on the array is like an adopted one: a page costs its copy when it is first written to, and further
        captures copy the array. ``on_capture="copy"`` copies from the start: needed for memory that a device knows
        (registered with a network card or a GPU, target of a receive under way). Arrays up to 256 KiB, and those
        that a forked child shares, are copied too; until they are handed over, children write to the same memory.
        Views travel as views. The memory is the store's again when array and snapshot are gone. ``StoreFull`` if
        there is no room.
        """
        return _new_array(self, shape, dtype, order, on_capture, False)

    def zeros(self, shape: Any, dtype: Any = float, *, order: str = "C", on_capture: str = "handover") -> Any:
        """As ``empty``, filled with zeros."""
        return _new_array(self, shape, dtype, order, on_capture, True)

    def array(self, object: Any, dtype: Any = None, *, on_capture: str = "handover") -> Any:
        """As ``empty``, with the contents (and the memory order) of an array or of what numpy makes one of."""
        import numpy

        source = numpy.asarray(object, dtype)
        order = "F" if source.flags.f_contiguous and not source.flags.c_contiguous else "C"
        made = _new_array(self, source.shape, source.dtype, order, on_capture, False)
        made[...] = source
        return made

    def stats(self) -> Numbers:
        """The store as it is now, in numbers.

        Bytes: ``capacity`` (the limit), ``used`` (by snapshots and arrays), ``cached`` (free and kept warm for the
        next ones, up to 3/8 of the capacity), ``overhead`` (the store's own tables). ``snapshots``, ``keys``, ``retired`` (snapshots replaced or
        removed that somebody still holds), ``buffers`` (arrays that live in the store, handed over or not),
        ``processes``, ``pins`` (pairs of a process and what it holds), ``slots`` (in use).
        """
        return Numbers(self._stats())

    def gc(self) -> Numbers:
        """Takes back what dead processes left, and nothing else: how many ``processes``, ``snapshots``, ``pins``, ``bytes``."""
        _local.reap(_local.place(self))
        return Numbers(self._gc())


def _new_array(store: Store, shape: Any, dtype: Any, order: str, on_capture: str, zeroed: bool) -> Any:
    import numpy

    if on_capture not in ("handover", "copy"):
        raise InvalidArgument(f'on_capture is {on_capture!r}; it can be "handover" or "copy".')
    if order not in ("C", "F"):
        raise InvalidArgument(f'order is {order!r}; it can be "C" or "F".')
    # An array without elements says what numpy makes of a dtype such as "S" or (float, 3).
    sample = numpy.empty(0, dtype)
    if sample.dtype.hasobject:
        raise InvalidArgument(
            f"An array of {sample.dtype} holds Python objects, which cannot live in a store; make it with numpy.empty."
        )
    try:
        sizes = [operator.index(shape)]
    except TypeError:
        sizes = [operator.index(size) for size in shape]
    sizes += sample.shape[1:]
    if any(size < 0 for size in sizes):
        raise InvalidArgument(f"The shape {tuple(sizes)} has a negative size.")
    nbytes = math.prod(sizes) * sample.dtype.itemsize
    if nbytes >= 1 << 46 or any(size >= 1 << 62 for size in sizes) or len(sizes) > 32:
        raise InvalidArgument(f"An array of the shape {tuple(sizes)} is larger than any store.")
    return store._array(sizes, sample.dtype, nbytes, order == "F", on_capture == "handover", zeroed)


Mapping.register(Store)


@_takes_options
def capture(target: Any = None, key: str | None = None, **options: Unpack[CaptureOptions]) -> Any:
    """``Store.capture`` on the default store: a ``Snapshot`` here, what ``resume`` was given in the resumed stack."""
    return _capture(None, target, key, _in_order(**options) if options else None)


@_takes_options
def request(
    key: str | None = None, *, thread: int | Thread | None = None, **options: Unpack[CaptureOptions]
) -> Request:
    """``Store.request`` on the default store."""
    return _request(None, key, thread, _in_order(**options) if options else None)


@_takes_options
def dumps(target: Any = None, **options: Unpack[CaptureOptions]) -> Any:
    """Captures without a store: the snapshot as ``bytes``, for ``torpor.loads``. Returns twice, as ``capture`` does."""
    return _dumps(target, _in_order(**options) if options else None)


_native.register_unchanging(Store)  # it travels as its name and its place
for _entry in (Store.capture, capture, dumps):
    _native.register_entry(_entry)


def _attach(name: str, dir: str | None) -> Store:
    """A store that travelled inside a snapshot: by name, opened as the program that is resumed would open it."""
    return _native.Store.__new__(Store, name, True, None, "error", None, dir, True)


__all__ = ["Continuation", "Request", "Snapshot", "Store", "capture", "dumps", "request"]

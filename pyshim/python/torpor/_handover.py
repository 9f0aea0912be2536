"""Open descriptors that go to the process that adopts: connections, sockets that listen, ends of pipes.

A snapshot names them (`externals=`). Who captured it offers them at a socket in the store's directory, `hand_over`; who
adopts asks there, `take_over`. In this order, so that at no moment nobody has them:

    taker                          giver
    {"take": id}             ->
                             <-    {"objects": [...]}, and copies of the descriptors (SCM_RIGHTS)
    adopts; {"taken": true}  ->    or {"failed": why}: the giver waits for somebody else
                             <-    {"yours": true}, and closes its own; or {"kept": why}, when it does not wait any more

If the giver dies without its last word, the taker has them alone; if the taker dies before it said that it has adopted,
the giver has them as before.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import _local
from ._errors import AdoptError, InvalidArgument
from ._native import Continuation, Snapshot
from ._store import Store

#: Seconds for the other side to say what it does not have to think about.
_PATIENCE = 10.0
_TICK = 0.02
_NAME = "give-{}-{}"
#: Descriptors in one message (SCM_MAX_FD).
_MOST = 253
#: Listening sockets of `hand_over` calls that wait.
_open: set[socket.socket] = set()


class _Failed(Exception):
    """A conversation that came to nothing: the text says why."""


def hand_over(snapshot: Snapshot, externals: Mapping[str, Any], *, timeout: float | None = None) -> int:
    """Gives open descriptors to the process that adopts ``snapshot`` with ``torpor.take_over``; its number is returned.

    ``externals`` are, by the names that the capture gave them, sockets (connected or listening), ``io.FileIO`` and
    ``io.BufferedWriter`` such as ends of pipes, and connections of ``multiprocessing``. The call waits until somebody has adopted
    the snapshot with them, and closes them then. Until that moment they stay open here, whatever becomes of
    those who try; they are not to be used meanwhile. Raises ``TimeoutError`` after ``timeout`` seconds (``None`` waits for
    ever), which says who tried and failed: nothing was given away then.

    Captures return twice, so the call belongs where the original goes on::

        got = torpor.capture(key="job", externals={"peer": peer})
        if isinstance(got, torpor.Snapshot):
            torpor.hand_over(got, {"peer": peer}, timeout=60)
            return
    """
    end = None if timeout is None else time.monotonic() + timeout
    store = _home(snapshot)
    recipes, copies = [], []
    try:
        for name, thing in _checked(externals):
            recipes.append({"name": name, **_recipe(name, thing)})
            copies.append(os.dup(thing.fileno()))  # another thread may close it, and the number name something else
        offer = json.dumps({"objects": recipes}).encode() + b"\n"
        if len(offer) > _local.LONGEST:
            raise InvalidArgument(f"The names of externals= take {len(offer)} bytes; {_local.LONGEST} can be told.")
        taker = _offer(store, snapshot.id, offer, copies, end, timeout)
    finally:
        for fd in copies:
            os.close(fd)
    for thing in externals.values():
        _give_up(thing)
    return taker


def take_over(
    key_or_id: str | int,
    *,
    timeout: float | None = None,
    writable: bool = True,
    externals: Mapping[str, Any] | None = None,
    store: Store | None = None,
) -> Continuation:
    """Adopts a snapshot with the descriptors that the process that captured it gives with ``torpor.hand_over``.

    They take the places that the capture named; ``externals`` are others, of this process's own. When the call returns,
    they are this process's alone, and resuming goes on with them. If it raises, they are still open there.
    ``timeout``: seconds to wait for the snapshot and for somebody who gives; ``None`` does not wait. ``store``: default, the
    default store. Raises what ``adopt`` does, ``AdoptError`` if nobody gives or the giver does not wait any more, and
    ``TimeoutError``.
    """
    end = None if timeout is None else time.monotonic() + timeout
    if store is None:
        store = Store()
    if isinstance(key_or_id, str):
        snapshot = store[key_or_id] if timeout is None else store.wait(key_or_id, timeout=timeout)
    else:
        snapshot = store._by_id(key_or_id)
    with _giver(store, snapshot, end) as sock:
        giver = _local.peer(sock)
        if giver.uid != os.getuid():
            raise AdoptError(f"What process {giver.pid} gives belongs to another user.")
        sock.settimeout(_PATIENCE if end is None else max(end - time.monotonic(), _TICK))
        own: dict[str, Any] = {}
        try:
            try:
                own = _received(sock, snapshot.id)
                continuation = snapshot.adopt(writable=writable, externals={**(externals or {}), **own})
            except _Failed:
                raise
            except BaseException as error:
                _say(sock, {"failed": f"{type(error).__name__}: {error}"[:1000]})
                raise
            _confirmed(sock)
            return continuation
        except BaseException as error:
            for thing in own.values():
                _give_up(thing)
            if isinstance(error, _Failed):
                raise AdoptError(f"Process {giver.pid}, which captured snapshot {snapshot.id}, {error}.") from None
            if isinstance(error, TimeoutError):
                what = f"Process {giver.pid} said nothing for {sock.gettimeout():.3g} s: it may be stopped, or talk to others."
                raise TimeoutError(what) from None
            raise


# --- the giver ---------------------------------------------------------------------------------------


def _home(snapshot: Snapshot) -> Store:
    """The store that a snapshot is in."""
    if not isinstance(snapshot, Snapshot):
        raise InvalidArgument(
            f"hand_over() takes the Snapshot that the capture returned, not {type(snapshot).__name__}: in the resumed stack, "
            "where a capture returns something else, there is nothing to hand over."
        )
    try:
        _, (name, dir, _) = snapshot.__reduce__()
    except TypeError:
        raise InvalidArgument("The snapshot is in no store: nobody can find it there.") from None
    return Store(name, create=False, dir=dir)


def _checked(externals: Mapping[str, Any]) -> list[tuple[str, Any]]:
    items = list(externals.items()) if isinstance(externals, Mapping) else []
    if not items or not all(isinstance(name, str) for name, _ in items):
        raise InvalidArgument("externals= is {name: object}, of what is handed over, and not empty.")
    if len(items) > _MOST:
        raise InvalidArgument(f"externals= has {len(items)} objects; {_MOST} can be handed over at once.")
    return items


def _recipe(name: str, thing: Any) -> dict[str, Any]:
    """How the taker makes an object of the descriptor; everything but the descriptor itself."""
    here = f"externals[{name!r}]"
    kind = type(thing)
    try:
        if kind is socket.socket:
            if thing.fileno() < 0:
                raise ValueError  # as the other kinds do when they are closed
            return {"kind": "socket", "timeout": thing.gettimeout(), "inheritable": thing.get_inheritable()}
        if kind in (io.FileIO, io.BufferedWriter):
            raw = thing if kind is io.FileIO else thing.raw
            if type(raw) is not io.FileIO:
                raise InvalidArgument(f"{here} writes to a {type(raw).__name__}, which is no descriptor.")
            thing.flush()
            how = {"kind": "file", "mode": raw.mode, "inheritable": os.get_inheritable(raw.fileno())}
            return {**how, "buffered": kind is io.BufferedWriter}
        connection = getattr(sys.modules.get("multiprocessing.connection"), "Connection", None)
        if connection is not None and kind is connection:
            if thing.closed:
                raise ValueError
            return {"kind": "connection", "readable": thing.readable, "writable": thing.writable}
    except ValueError as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{here} is closed: there is nothing to hand over.") from None
    if kind is io.BufferedReader or kind is io.BufferedRandom or kind is io.TextIOWrapper:
        why = "what it has read ahead would stay behind; open it with buffering=0"
    elif isinstance(thing, socket.socket):
        why = "its class keeps a state of its own (keys, sessions) in this process"
    else:
        why = "only sockets, FileIO, BufferedWriter and connections of multiprocessing are descriptors that go as they are"
    raise InvalidArgument(f"{here} is a {kind.__name__}, which cannot be handed over: {why}.")


def _offer(store: Store, id: int, offer: bytes, fds: list[int], end: float | None, timeout: float | None) -> int:
    """Waits for a process that takes them; its number."""
    directory = _local.place(store)
    _local.reap(directory)
    name = _NAME.format(os.getpid(), id)
    tried: list[str] = []
    listener = _local.listener(directory, name, 8)
    _open.add(listener)
    try:
        while True:
            if end is not None:
                listener.settimeout(max(end - time.monotonic(), 1e-6))
            try:
                client, _ = listener.accept()
            except TimeoutError:
                found = "; ".join(tried[-8:]) or "nobody tried (torpor.take_over)"
                raise TimeoutError(f"Nobody took over snapshot {id} in {timeout:.3g} s: {found}.") from None
            with client:
                taker = _local.peer(client)
                try:
                    _give(client, taker, offer, fds, end)
                    return taker.pid
                except (_Failed, OSError) as error:
                    late = isinstance(error, TimeoutError)
                    tried.append(f"process {taker.pid}: {'it did not answer in time' if late else error}")
                    _say(client, {"kept": "does not wait any more" if late else "keeps what it had"})
                except BaseException:
                    _say(client, {"kept": "was interrupted, and keeps what it had"})
                    raise
    finally:
        _open.discard(listener)
        listener.close()
        _local.remove(directory, name)


def _give(client: socket.socket, taker: _local.Peer, offer: bytes, fds: list[int], end: float | None) -> None:
    """One conversation; returns once the taker has adopted."""
    left = None if end is None else max(end - time.monotonic(), 1e-6)
    client.settimeout(_PATIENCE if left is None else min(left, _PATIENCE))
    if taker.uid != os.getuid():
        raise _Failed("it belongs to another user")
    if "take" not in _heard(client, "it ended before it asked"):
        raise _Failed("it did not ask for a snapshot")
    client.settimeout(left)
    sent = socket.send_fds(client, [offer], fds)
    if sent < len(offer):  # sending nothing fails if the other side has answered and gone already
        client.sendall(offer[sent:])
    answer = _heard(client, "it ended before it had adopted")
    if "taken" not in answer:
        raise _Failed(str(answer.get("failed", "it did not adopt")))
    client.sendall(b'{"yours": true}\n')  # BrokenPipeError: it is gone, and nothing was given away


def _give_up(thing: Any) -> None:
    """Closes an object, whose descriptor somebody else has."""
    if isinstance(thing, socket.socket):
        fd = thing.detach()  # makefile() keeps a socket that is closed open
        if fd >= 0:
            os.close(fd)
    else:
        thing.close()


# --- the taker ---------------------------------------------------------------------------------------


def _giver(store: Store, snapshot: Snapshot, end: float | None) -> socket.socket:
    """A socket that is connected with a process that gives what the snapshot left behind."""
    directory, suffix = _local.place(store), f"-{snapshot.id}"
    while True:
        _local.reap(directory)
        for name in os.listdir(directory):
            if not (name.startswith("give-") and name.endswith(suffix)):
                continue
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                _local.connect(directory, name, sock)
                return sock
            except (FileNotFoundError, ConnectionRefusedError):  # just ended
                sock.close()
            except BaseException:
                sock.close()
                raise
        gone = not os.path.exists(f"/proc/{snapshot.pid}")
        if gone or end is None:
            state = "has ended, and what it had open is closed" if gone else "does not hand it over; it has to call torpor.hand_over()"
            raise AdoptError(f"Nobody gives what snapshot {snapshot.id} left behind: process {snapshot.pid} {state}.")
        if time.monotonic() >= end:
            raise TimeoutError(f"Process {snapshot.pid} did not hand over what snapshot {snapshot.id} left behind.")
        time.sleep(min(_TICK, max(0.0, end - time.monotonic())))


def _received(sock: socket.socket, id: int) -> dict[str, Any]:
    """The giver's objects, as they are here."""
    try:
        sock.sendall(json.dumps({"take": id}).encode() + b"\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has said why before it was asked
    begun, flags = b"", 0
    fds: list[int] = []
    for _ in range(2):  # the first reset is told before what came before it
        try:
            begun, fds, flags, _ = socket.recv_fds(sock, 4096, _MOST, socket.MSG_CMSG_CLOEXEC)
            break
        except ConnectionResetError:
            continue
    made: dict[str, Any] = {}
    try:
        if not begun:
            raise _Failed("ended before it handed anything over")
        answer = _heard(sock, "ended before it handed everything over", begun)
        if "kept" in answer:
            raise _Failed(str(answer["kept"]))
        recipes = answer.get("objects", [])
        if flags & socket.MSG_CTRUNC or len(fds) != len(recipes):
            raise OSError(f"{len(fds)} of {len(recipes)} descriptors came; see `ulimit -n`")
        for recipe in recipes:
            made[recipe["name"]] = _MAKERS[recipe["kind"]](fds[0], recipe)
            del fds[0]
    except BaseException:
        for thing in made.values():
            _give_up(thing)
        raise
    finally:
        for fd in fds:
            os.close(fd)
    return made


def _make_socket(fd: int, recipe: dict[str, Any]) -> socket.socket:
    made = socket.socket(fileno=fd)
    made.settimeout(recipe["timeout"])
    made.set_inheritable(recipe["inheritable"])
    return made


def _make_file(fd: int, recipe: dict[str, Any]) -> io.FileIO | io.BufferedWriter:
    raw = io.FileIO(fd, recipe["mode"])
    os.set_inheritable(fd, recipe["inheritable"])
    return io.BufferedWriter(raw) if recipe["buffered"] else raw


def _make_connection(fd: int, recipe: dict[str, Any]) -> Any:
    from multiprocessing.connection import Connection

    return Connection(fd, readable=recipe["readable"], writable=recipe["writable"])


_MAKERS: dict[str, Callable[[int, dict[str, Any]], Any]] = {
    "socket": _make_socket,
    "file": _make_file,
    "connection": _make_connection,
}


def _confirmed(sock: socket.socket) -> None:
    """Tells the giver that the snapshot is adopted, and waits until it has let go."""
    try:
        sock.sendall(b'{"taken": true}\n')
    except (BrokenPipeError, ConnectionResetError):
        pass  # its last word may be there
    try:
        said = _last_word(sock)
    except TimeoutError:
        sock.shutdown(socket.SHUT_RDWR)  # from here on it cannot let go; perhaps it just has
        sock.setblocking(False)
        try:
            said = _last_word(sock)
        except BlockingIOError:
            said = None
        if said is None:
            raise TimeoutError from None
    if said is None:
        if not _has_ended(_local.peer(sock).pid):
            raise _Failed("went away without a word, and keeps what it had")
    elif "yours" not in said:
        raise _Failed(str(said.get("kept", "keeps what it had")))


def _last_word(sock: socket.socket) -> dict[str, Any] | None:
    """None if the other end was closed without one."""
    for _ in range(2):  # the first reset is told before what came before it
        try:
            said = json.loads(_local.line(sock))
            return said if type(said) is dict else {}
        except ConnectionResetError:
            continue
        except ValueError:
            break
    return None


def _has_ended(pid: int) -> bool:
    """Whether a process that closed a socket did so because it ended: it closes them a little before that shows."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                state = stat.read().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in (b"Z", b"X"):
            return True
        time.sleep(_TICK)
    return False


# --- both --------------------------------------------------------------------------------------------


def _heard(sock: socket.socket, ended: str, begun: bytes = b"") -> dict[str, Any]:
    try:
        said = json.loads(_local.line(sock, begun))
    except (ValueError, ConnectionResetError):
        raise _Failed(ended) from None
    return said if type(said) is dict else {}


def _say(sock: socket.socket, what: dict[str, Any]) -> None:
    """A last word, if somebody listens."""
    try:
        sock.settimeout(_PATIENCE)
        sock.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        pass


def _forked() -> None:
    """In the child of a fork: what the parent offers it must not seem to go on offering."""
    while _open:
        _open.pop().close()


os.register_at_fork(after_in_child=_forked)

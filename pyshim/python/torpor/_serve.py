"""Requests from other processes: `torpor request PID KEY` asks a process that called `torpor.serve()`.

A thread of the process listens at a socket in the directory of the store, which belongs to the user
alone. A question is one line of JSON, `{"key": ..., "timeout": ...}`; so is the answer,
`{"id": ..., "nbytes": ...}` or `{"error": ...}`. Questions are answered one after the other.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import socket
import struct
import threading
from typing import Any

from ._errors import TorporError
from ._request import request
from ._store import Store

_LONGEST = 64 * 1024
#: Seconds for a client to say what it wants.
_PATIENCE = 10.0
_NAME = "serve-{}"

#: What is served, by the store's directory: the listening socket and the process that opened it.
_served: dict[str, tuple[socket.socket, int]] = {}


def _place(store: Store) -> str:
    return str(store._place())


def _reached(directory: str, name: str, connect: bool, sock: socket.socket) -> None:
    """Binds or connects a socket in a directory, however long its path is: addresses end at 107 bytes."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{fd}/{name}"
        sock.connect(address) if connect else sock.bind(address)
    finally:
        os.close(fd)


def _peer_uid(sock: socket.socket) -> int:
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def _reap(directory: str) -> None:
    """Removes the sockets of processes that are gone."""
    for name in os.listdir(directory):
        match = re.fullmatch("serve-([0-9]+)", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            try:
                os.unlink(os.path.join(directory, name))
            except FileNotFoundError:
                pass


def serve(store: Store | None = None) -> None:
    """Lets other processes of this user ask for captures of the main thread: ``torpor request PID KEY``.

    The snapshots go to ``store`` (default: the default store). Starts one thread, which waits and does
    nothing until it is asked; calling again changes nothing. A forked child is not served unless it calls
    ``serve`` itself.
    """
    if store is None:
        store = Store()
    directory = _place(store)
    if directory in _served:
        return
    _reap(directory)
    name = _NAME.format(os.getpid())
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            os.unlink(os.path.join(directory, name))  # of a process that had this number before
        except FileNotFoundError:
            pass
        _reached(directory, name, False, listener)
        os.chmod(os.path.join(directory, name), 0o600)
        listener.listen(8)
    except BaseException:
        listener.close()
        raise
    _served[directory] = listener, os.getpid()
    threading.Thread(target=_answer_all, args=(listener, store), name="torpor.serve", daemon=True).start()


def _answer_all(listener: socket.socket, store: Store) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # closed
            return
        with client:
            try:
                client.settimeout(_PATIENCE)
                client.sendall(json.dumps(_answer(client, store)).encode() + b"\n")
            except OSError:  # it went away
                pass


def _answer(client: socket.socket, store: Store) -> dict[str, Any]:
    if _peer_uid(client) != os.getuid():
        return {"error": "This process serves its own user only."}
    try:
        question = json.loads(_line(client))
        key, timeout = question["key"], question["timeout"]
        if not (key is None or type(key) is str) or type(timeout) not in (int, float) or not 0 <= timeout <= 86400:
            raise ValueError
    except (ValueError, KeyError, TypeError, OSError):
        return {"error": "The question was not understood."}
    handle = None
    try:
        handle = request(store, key, None, (None, (), None, "main", (), None, None, None))
        snapshot = handle.wait(timeout)
    except Exception as error:
        if handle is not None:
            handle.cancel()
        return {"error": str(error)[: _LONGEST // 8]}
    return {"id": snapshot.id, "nbytes": snapshot.nbytes}


def _line(sock: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        part = sock.recv(4096)
        text += part
        if not part or len(text) > _LONGEST:
            raise ValueError("no line")
    return text


def ask(store: Store, pid: int, key: str | None, timeout: float) -> dict[str, Any]:
    """Asks process pid for a capture; the answer has an `id`. Raises ``TorporError`` with its refusal."""
    directory = _place(store)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            _reached(directory, _NAME.format(pid), True, sock)
        except (FileNotFoundError, ConnectionRefusedError):
            _reap(directory)
            raise TorporError(
                f"Process {pid} does not serve the store {store.name!r}; it has to call torpor.serve() once."
            ) from None
        if _peer_uid(sock) != os.getuid():
            raise TorporError(f"The socket of process {pid} belongs to another user.")
        sock.settimeout(timeout + 2 * _PATIENCE)
        sock.sendall(json.dumps({"key": key, "timeout": timeout}).encode() + b"\n")
        try:
            answer = json.loads(_line(sock))
        except (ValueError, ConnectionError):
            raise TorporError(f"Process {pid} ended before it answered.") from None
    if type(answer) is not dict or "id" not in answer:
        raise TorporError(str(answer.get("error") if type(answer) is dict else answer))
    return answer


def _close(unlink: bool) -> None:
    while _served:
        directory, (listener, pid) = _served.popitem()
        listener.close()
        if unlink and pid == os.getpid():
            try:
                os.unlink(os.path.join(directory, _NAME.format(pid)))
            except FileNotFoundError:
                pass


atexit.register(_close, True)
os.register_at_fork(after_in_child=lambda: _close(False))

"""Requests from other processes: `torpor request PID KEY` asks a process that called `torpor.serve()`.

A thread of the process listens at a socket in the directory of the store, which belongs to the user
alone. A question is one line of JSON, `{"key": ..., "timeout": ...}`; so is the answer,
`{"id": ..., "nbytes": ...}` or `{"error": ...}`. Questions are answered one after the other.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import threading
from typing import Any

from . import _local
from ._errors import TorporError
from ._request import request
from ._store import Store

#: Seconds for a client to say what it wants.
_PATIENCE = 10.0
_NAME = "serve-{}"

#: What is served, by the store's directory: the listening socket and the process that opened it.
_served: dict[str, tuple[socket.socket, int]] = {}


def serve(store: Store | None = None) -> None:
    """Lets other processes of this user ask for captures of the main thread: ``torpor request PID KEY``.

    The snapshots go to ``store`` (default: the default store). Starts one thread, which waits and does
    nothing until it is asked; calling again changes nothing. A forked child is not served unless it calls
    ``serve`` itself.
    """
    if store is None:
        store = Store()
    directory = _local.place(store)
    if directory in _served:
        return
    _local.reap(directory)
    name = _NAME.format(os.getpid())
    listener = _local.listener(directory, name, 8)
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
    if _local.peer(client).uid != os.getuid():
        return {"error": "This process serves its own user only."}
    try:
        question = json.loads(_local.line(client))
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
        return {"error": str(error)[: _local.LONGEST // 8]}
    return {"id": snapshot.id, "nbytes": snapshot.nbytes}


def ask(store: Store, pid: int, key: str | None, timeout: float) -> dict[str, Any]:
    """Asks process pid for a capture; the answer has an `id`. Raises ``TorporError`` with its refusal."""
    directory = _local.place(store)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            _local.connect(directory, _NAME.format(pid), sock)
        except (FileNotFoundError, ConnectionRefusedError):
            _local.reap(directory)
            raise TorporError(
                f"Process {pid} does not serve the store {store.name!r}; it has to call torpor.serve() once."
            ) from None
        if _local.peer(sock).uid != os.getuid():
            raise TorporError(f"The socket of process {pid} belongs to another user.")
        sock.settimeout(timeout + 2 * _PATIENCE)
        sock.sendall(json.dumps({"key": key, "timeout": timeout}).encode() + b"\n")
        try:
            answer = json.loads(_local.line(sock))
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

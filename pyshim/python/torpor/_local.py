"""Conversations between processes of one user: sockets in the directory of a store, which belongs to the user alone.

Their names begin with what is offered and the number of the process that listens, so that those of dead processes are
told and removed. A message is one line of JSON.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import NamedTuple

from . import _native

#: Bytes of a message.
LONGEST = 64 * 1024


class Peer(NamedTuple):
    pid: int
    uid: int


def place(store: _native.Store) -> str:
    return str(store._place())


def connect(directory: str, name: str, sock: socket.socket) -> None:
    _reached(directory, name, True, sock)


def _reached(directory: str, name: str, is_client: bool, sock: socket.socket) -> None:
    """Binds or connects a socket in a directory, however long its path is: addresses end at 107 bytes."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{fd}/{name}"
        sock.connect(address) if is_client else sock.bind(address)
    finally:
        os.close(fd)


def listener(directory: str, name: str, backlog: int) -> socket.socket:
    """A socket that listens under a name, to this user alone."""
    remove(directory, name)  # of a process that had this number before
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _reached(directory, name, False, made)
        os.chmod(os.path.join(directory, name), 0o600)
        made.listen(backlog)
    except BaseException:
        made.close()
        remove(directory, name)
        raise
    return made


def remove(directory: str, name: str) -> None:
    try:
        os.unlink(os.path.join(directory, name))
    except FileNotFoundError:
        pass


def peer(sock: socket.socket) -> Peer:
    """The process at the other end: of a listening socket, the one that began to listen."""
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid, uid)


def reap(directory: str) -> None:
    """Removes the sockets of processes that are gone."""
    for name in os.listdir(directory):
        match = re.fullmatch("(?:serve|give)-([0-9]+)(?:-[0-9]+)?", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            remove(directory, name)


def line(sock: socket.socket, begun: bytes = b"") -> bytes:
    """One message, or the rest of one; `ValueError` if the other end is closed before it is whole."""
    text = begun
    while not text.endswith(b"\n"):
        part = sock.recv(4096)
        text += part
        if not part or len(text) > LONGEST:
            raise ValueError("no line")
    return text

# Files and streams of the process. A binary file with a path is flushed when it is captured, and opened again where it
# was adopted: with its mode, at its position, never truncated and never created. A text file does not say how it
# treats line ends, so it is refused.

import contextlib
import io
import os
import stat


def _reduce_stream(stream):
    for name in ("stdin", "stdout", "stderr"):
        if stream is getattr(sys, "__" + name + "__"):
            if getattr(sys, name) is not stream:
                raise TypeError(f"sys.{name} is redirected, which stays with its process")
            return standard_stream, (name,)
    if type(stream) is io.TextIOWrapper:
        raise TypeError("it does not say how it treats line ends, so it cannot be opened again as it was")
    return _reduce_file(stream)


def standard_stream(name):
    return getattr(sys, "__" + name + "__")


def _reduce_file(file):
    if file.closed:
        raise TypeError("it is closed")
    if type(file) is not io.FileIO:
        file.flush()
        position = file.tell()
        return open_buffered, (type(file), file.raw), position, None, None, seek_file
    path, mode = file.name, file.mode
    if not isinstance(path, (str, bytes)):
        raise TypeError("it has a descriptor and no path")
    place, found = os.path.abspath(path), os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise TypeError("it is no regular file")
    try:
        same = os.path.samestat(os.stat(place), found)
    except OSError:
        same = False
    if not same:
        raise TypeError("its path does not lead to it any more")
    return open_file, (place, path, mode), file.tell(), None, None, seek_file


def open_file(place, name, mode):
    def opener(path, flags):
        return os.open(path, flags & ~(os.O_TRUNC | os.O_EXCL | os.O_CREAT))

    file = io.FileIO(place, mode, opener=opener)
    file.name = name
    return file


def open_buffered(cls, raw):
    if cls not in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom):
        raise TypeError("no file")
    return cls(raw)


def seek_file(file, position):
    if file.readable() and os.fstat(file.fileno()).st_size < position:
        raise ValueError(f"{file.name} is shorter than it was when it was captured")
    file.seek(position)


def _reduce_redirection(redirection):
    if redirection._old_targets:
        raise TypeError(f"sys.{redirection._stream} is redirected, which stays with its process")
    return type(redirection), (redirection._new_target,)


REDUCERS.update(dict.fromkeys((io.TextIOWrapper, io.FileIO), _reduce_stream))
REDUCERS.update(dict.fromkeys((io.BufferedReader, io.BufferedWriter, io.BufferedRandom), _reduce_file))
REDUCERS.update(dict.fromkeys((contextlib.redirect_stdout, contextlib.redirect_stderr), _reduce_redirection))

# Files and streams of the process. A file with a path is flushed when it is captured, and opened again where it
# was adopted: with its mode, at its position, never truncated and never created.
#
# A text file does not say how it treats line ends, nor where it is while it is iterated. Both are read in its struct
# (Modules/_io/textio.c), of which every object is one that the garbage collector shows; text_files_are_known()
# compares a few files with what they must hold.

import codecs
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
    return _reduce_text(stream) if type(stream) is io.TextIOWrapper else _reduce_file(stream)


def standard_stream(name):
    return getattr(sys, "__" + name + "__")


def _reduce_closed(file):
    """Closed, it can say no more than its name and mode."""
    raw = file if type(file) is io.FileIO else getattr(getattr(file, "buffer", file), "raw", None)
    if type(raw) is not io.FileIO:
        raise TypeError("it is closed")
    text = (file.encoding, file.errors) if type(file) is io.TextIOWrapper else ()
    return make_closed_file, (type(file), raw.name, raw.mode, text)


def make_closed_file(cls, name, mode, text):
    raw = io.FileIO(os.devnull, mode, opener=lambda path, flags: os.open(path, os.O_RDWR))
    raw.name = name
    file = raw
    if cls is io.TextIOWrapper:
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if mode == "rb" else io.BufferedWriter
        file = io.TextIOWrapper(kind(raw), *text)
    elif cls is not io.FileIO:
        file = open_buffered(cls, raw)
    file.close()
    return file


def _reduce_file(file):
    if file.closed:
        return _reduce_closed(file)
    if type(file) is not io.FileIO:
        file.flush()
        position = file.tell()
        return open_buffered, (type(file), file.raw), position, None, None, seek_file
    path, mode = file.name, file.mode
    if not isinstance(path, (str, bytes)):
        raise TypeError("it has a descriptor and no path")
    place, found = os.path.abspath(path), os.fstat(file.fileno())
    is_null = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev
    if not stat.S_ISREG(found.st_mode) and not is_null:
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


# Words of a text file: encoder, decoder, line end, flags (a byte each), decoded text, characters of it that were read, what is
# to be written.
_ENCODER, _DECODER, _LINE_END, _FLAGS, _DECODED, _READ, _UNWRITTEN = 4, 5, 6, 9, 13, 14, 15
_UNIVERSAL, _TRANSLATES, _TELLS = 2, 3, 7
_known_text_files = []
# Whether a text file had something to write: what it wrote to may have been met before, and is to be written again.
FLUSHED = set()  # by the thread that captures


def take_flushed():
    here = _thread.get_ident()
    there = here in FLUSHED
    FLUSHED.discard(here)
    return there


def _text_part(file, word):
    """The object that a word of a text file holds, if it holds one."""
    address = iterator_word(file, word)
    return next((part for part in gc.get_referents(file) if id(part) == address), None)


def _text_flag(file, flag):
    return iterator_word(file, _FLAGS) >> 8 * flag & 0xFF == 1


def _line_end(file):
    """What was given as newline=."""
    if _text_flag(file, _UNIVERSAL):
        return None if _text_flag(file, _TRANSLATES) else ""
    return _text_part(file, _LINE_END)


def text_files_are_known():
    """Whether this interpreter lays them out as is said above."""
    if not _known_text_files:
        fits = 16 + 8 * (_READ + 1) <= io.TextIOWrapper.__basicsize__
        for newline in (None, "", "\n", "\r", "\r\n") if fits else ():
            file = io.TextIOWrapper(io.BytesIO(b"ab\r\nc\nd\re"), "utf-8", newline=newline)
            fits = fits and _line_end(file) == newline and _text_flag(file, _TELLS)
            fits = fits and iterator_word(file, _UNWRITTEN) == 0
            line = next(file)
            fits = fits and not _text_flag(file, _TELLS) and iterator_word(file, _READ) == len(line)
            rest = (_text_part(file, _DECODED) or "")[len(line) :]
            fits = fits and getattr(_text_part(file, _DECODER), "getstate", bool)() == (b"", 0) and file.read() == rest
        file = io.TextIOWrapper(io.BytesIO(), "utf-8")
        file.write("a")
        fits = fits and hasattr(_text_part(file, _ENCODER), "encode")
        _known_text_files.append(fits and iterator_word(file, _UNWRITTEN) != 0)
    return _known_text_files[0]


def _reduce_text(file):
    if file.closed:
        return _reduce_closed(file)
    if not text_files_are_known():
        raise TypeError("it does not say how it treats line ends, so it cannot be opened again as it was")
    newlines = file.newlines
    # One that is being iterated would forget, by being flushed, that it cannot tell where it is.
    if iterator_word(file, _UNWRITTEN):
        FLUSHED.add(_thread.get_ident())
    if _text_flag(file, _TELLS) or iterator_word(file, _UNWRITTEN):
        file.flush()
    if not file.seekable():
        cookie = _decoder_of_all(file)
    else:
        try:
            cookie = _cookie(file)
        except TypeError:
            if not _text_flag(file, _TELLS):
                raise
            cookie = file.tell()  # this may change its newlines
    encoder = _text_part(file, _ENCODER)
    state = cookie, newlines, dict(file.__dict__), encoder and encoder.getstate()
    return open_text, (file.buffer, *_options_of_text(file)), state, None, None, seek_text


def _options_of_text(file):
    return file.encoding, file.errors, _line_end(file), file.line_buffering, file.write_through


def _decoder_of_all(file):
    """The state of the decoder of a file that cannot go back, in a list: if it has nothing that was read ahead."""
    decoder = _text_part(file, _DECODER)
    state = decoder and decoder.getstate()
    if decoder and (state[0] or iterator_word(file, _READ) < len(_text_part(file, _DECODED) or "")):
        raise TypeError("it has read more than it has given, and what it reads from cannot go back (seekable() is false)")
    return [state]


def _cookie(file):
    """As tell(), but without changing anything, also while it is iterated: where reading gives what was decoded and
    not read yet."""
    pending = (_text_part(file, _DECODED) or "")[iterator_word(file, _READ) :]
    decoder, end = _text_part(file, _DECODER), file.buffer.tell()
    if decoder is None:
        return end
    state = decoder.getstate()
    least = len(_encoded(file, pending)) + len(state[0])
    # Each line end may have been two characters.
    most = least + (pending.count("\n") if _text_flag(file, _TRANSLATES) else 0) + (state[1] & 1)
    universal = _text_flag(file, _UNIVERSAL)
    for size in (least, most, *range(least + 1, most)):
        start = end - size
        if start < 0:
            continue
        again = codecs.getincrementaldecoder(file.encoding)(file.errors)
        if universal:
            again = io.IncrementalNewlineDecoder(again, _text_flag(file, _TRANSLATES))
        # What a decoder knows at the start of a file, it knows nowhere else.
        flags = again.getstate()[1] if start == 0 else state[1] & ~1 if universal else state[1]
        again.setstate((b"", flags))
        try:
            same = again.decode(_bytes_of(file, start, end)) == pending and again.getstate() == state
        except UnicodeError:
            continue
        if same:
            return start | flags << 64 if start else 0
    raise TypeError("it is being iterated, and where in the file that is cannot be told exactly; readline() can be told")


def _encoded(file, text):
    encoder = codecs.getincrementalencoder(file.encoding)(file.errors)
    encoder.setstate(0)  # no byte order mark
    return encoder.encode(text)


def _bytes_of(file, start, end):
    if type(file.buffer) is io.BytesIO:
        return file.buffer.getvalue()[start:end]
    return os.pread(file.fileno(), end - start, start)


def open_text(buffer, encoding, errors, newline, line_buffering, write_through):
    return io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering, write_through)


def seek_text(file, state):
    cookie, newlines, attributes, encoded = state
    known = text_files_are_known()
    decoder = _text_part(file, _DECODER) if known else None
    if type(cookie) is list:
        if decoder is not None:
            decoder.setstate(cookie[0])
    else:
        try:
            file.seek(cookie)
        except io.UnsupportedOperation:
            if file.readable():
                raise
            # It can tell where it is and not go there. At the beginning it asks whether that is the first text.
            file.__init__(file.buffer, *_options_of_text(file))
    if known and encoded is not None:
        _text_part(file, _ENCODER).setstate(encoded)
    file.__dict__.update(attributes)
    if decoder is not None and newlines:
        place = decoder.getstate()
        for newline in (newlines,) if type(newlines) is str else newlines:
            decoder.decode(_encoded(file, newline + "."))  # it has seen that one
        decoder.setstate(place)


def _reduce_redirection(redirection):
    if redirection._old_targets:
        raise TypeError(f"sys.{redirection._stream} is redirected, which stays with its process")
    return type(redirection), (redirection._new_target,)


REDUCERS.update(dict.fromkeys((io.TextIOWrapper, io.FileIO), _reduce_stream))
REDUCERS.update(dict.fromkeys((io.BufferedReader, io.BufferedWriter, io.BufferedRandom), _reduce_file))
REDUCERS.update(dict.fromkeys((contextlib.redirect_stdout, contextlib.redirect_stderr), _reduce_redirection))

"""Text files over what the program gives them: objects that cannot go back, and encodings with a state."""

import io
from xml.sax.saxutils import XMLGenerator


class Sink:
    """Takes bytes and does no more."""

    def __init__(self):
        self.got = []

    def write(self, data):
        self.got.append(bytes(data))
        return len(data)


class Source(io.RawIOBase):
    """Gives one piece after the other, as a connection does."""

    def __init__(self, *pieces):
        self.pieces = iter(pieces)

    def readable(self):
        return True

    def readinto(self, place):
        piece = next(self.pieces, b"")
        place[: len(piece)] = piece
        return len(piece)


def written_to(out, encoding):
    xml = XMLGenerator(out, encoding=encoding)
    xml.startDocument()
    xml.startElement("a", {"b": "ä"})
    pause()
    xml.characters("é")
    xml.endElement("a")
    return out.getvalue() if isinstance(out, io.BytesIO) else out.got


@program
def xml_in_memory():
    return written_to(io.BytesIO(), "utf-8")


@program
def xml_in_memory_in_two_bytes():
    return written_to(io.BytesIO(), "utf-16")


@program
def xml_to_a_sink():
    return written_to(Sink(), "utf-8")


@program
def xml_to_a_sink_in_two_bytes():
    return written_to(Sink(), "utf-16")


@program
def xml_to_a_sink_with_a_mark():
    return written_to(Sink(), "utf-8-sig")


@program
def mark_not_written_yet():
    sink = Sink()
    xml = XMLGenerator(sink, encoding="utf-8-sig")
    pause()
    xml.startElement("a", {})
    return sink.got


@program
def encoder_in_a_state():
    out = io.BytesIO()
    file = io.TextIOWrapper(out, "iso2022_jp")
    file.write("aあ")
    file.flush()
    pause()
    file.write("いb")
    file.flush()
    return out.getvalue()


@program
def lines_of_a_connection():
    file = io.TextIOWrapper(Source(b"one\n", b"two\r\n", b"three\n", b"four"))
    first = file.readline(), file.readline(), file.newlines
    pause()
    return first, file.newlines, file.readlines(), file.newlines


@program
def connection_not_read_yet():
    file = io.TextIOWrapper(Source(b"\xef\xbb\xbfone\n", b"two"), "utf-8-sig")
    pause()
    return file.read()


@program
def connection_between_two_orders():
    file = io.TextIOWrapper(Source(b"\xfe\xff\0a\0\n", b"\0b\0\n"), "utf-16")
    first = file.readline()
    pause()
    return first, file.readline()


@program(refused="has read more than it has given")
def connection_read_ahead():
    file = io.TextIOWrapper(Source(b"one\ntwo\n", b"three\n"))
    first = file.readline()
    pause()
    return first, file.readlines()


@program(refused="has read more than it has given")
def half_a_character():
    file = io.TextIOWrapper(Source(b"one\n\xc3", b"\xa4\n"))
    first = file.readline()
    pause()
    return first, file.readlines()

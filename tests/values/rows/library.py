"""The library's corners: codecs, profilers, pools' iterators, clients without a connection, files that are gone through."""

import argparse
import asyncio
import codecs
import collections
import concurrent.futures
import contextlib
import csv
import ctypes
import decimal
import dis
import email.policy
import enum
import fileinput
import functools
import gc
import glob
import gzip
import http.cookiejar
import importlib.metadata
import importlib.resources
import io
import itertools
import logging
import logging.config
import operator
import os
import pathlib
import pkgutil
import select
import signal
import smtplib
import symtable
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import typing
import unicodedata
import unittest.mock
import urllib.request
import urllib.response
import xml.dom.minidom
import xml.sax.handler
import xmlrpc.client


def some_file(text="one\ntwo\nthree\n"):
    path = pathlib.Path(tempfile.mkdtemp()) / "file.txt"
    path.write_text(text)
    return path


@extra("incremental codecs in the middle of a character")
def _():
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    wide = codecs.getincrementaldecoder("utf-16")()
    encoder = codecs.getincrementalencoder("utf-16")()
    first = decoder.decode(b"a\xc3"), wide.decode(b"\xff\xfea"), encoder.encode("a")
    chinese = codecs.getincrementaldecoder("gb18030")("replace")
    japanese = codecs.getincrementalencoder("iso2022_jp")()
    half = chinese.decode(b"a\xb1"), japanese.encode("ア")
    pause()
    assert half == ("a", b"\x1b$B%\"") and chinese.errors == "replace"
    assert chinese.decode(b"\xb1") == "北" and japanese.encode("イ", True) == b"%$\x1b(B"
    assert decoder.decode(b"\xa9b") == "éb" and wide.decode(b"\0b\0") == "ab" and encoder.encode("b") == "b".encode("utf-16")[2:]
    assert first[0] == "a"


@extra("stream writer of a multibyte codec")
def _():
    held = codecs.getwriter("gb18030")(io.BytesIO())
    pause()
    held.write("北")
    assert held.stream.getvalue() == "北".encode("gb18030")


@extra("codecs of Python: stream readers, idna, charmaps")
def _():
    reader = codecs.getreader("utf-8")(io.BytesIO("é\nb\n".encode()))
    info, handler = codecs.lookup("latin-1"), codecs.lookup_error("strict")
    table = str.maketrans("ab", "cd", "x")
    first = reader.readline()
    pause()
    assert reader.readline() == "b\n" and first == "é\n" and info.encode("é")[0] == b"\xe9" and "axb".translate(table) == "cd"
    assert handler is codecs.strict_errors


@extra("pools' iterators: executor.map and as_completed")
def _():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        mapped = pool.map(abs, [-1, -2, -3])
        futures = [pool.submit(abs, n) for n in (-4, -5)]
        concurrent.futures.wait(futures)
        done = concurrent.futures.as_completed(futures)
        first = next(mapped), next(done).result()
    del pool
    pause()
    assert list(mapped) == [2, 3] and first[0] == 1 and {first[1], next(done).result()} == {4, 5}


@extra("files: chunks by iter(), fileinput, csv over a file")
def _():
    path = some_file("a,b\nc,d\ne,f\n")
    with path.open("rb") as raw, path.open(newline="") as text, fileinput.input([str(path)]) as many:
        chunks = iter(functools.partial(raw.read, 4), b"")
        rows = csv.reader(text)
        first = next(chunks), next(rows), next(many)
        pause()
        assert list(chunks) == [b"c,d\n", b"e,f\n"] and list(rows) == [["c", "d"], ["e", "f"]]
        assert next(many) == "c,d\n" and many.filelineno() == 2 and first == (b"a,b\n", ["a", "b"], "a,b\n")


@extra("gzip file in the middle")
def _():
    path = some_file()
    with gzip.open(path, "wb") as made:
        made.write(b"abcdef")
    held = gzip.open(path)
    assert held.read(2) == b"ab"
    pause()
    assert held.read() == b"cdef"


@extra("globs and directories that are gone through")
def _():
    place = some_file().parent
    names = glob.iglob(str(place / "*"))
    inside = place.iterdir()
    pause()
    assert list(names) == [str(place / "file.txt")] and list(inside) == [place / "file.txt"]


@extra("temporary file without a name")
def _():
    held = tempfile.TemporaryFile()
    held.write(b"x")
    pause()
    held.seek(0)
    assert held.read() == b"x"


@extra("clients without a connection")
def _():
    mail, proxy = smtplib.SMTP(), xmlrpc.client.ServerProxy("http://host:1/x")
    answer = urllib.response.addinfourl(io.BytesIO(b"abc"), {}, "http://x", 200)
    answer.read(1)
    policy = email.policy.SMTP.clone(max_line_length=50)
    pause()
    assert answer.read() == b"bc" and answer.status == 200 and policy.max_line_length == 50 and mail.sock is None and "host:1/x" in repr(proxy)


@extra("newline decoder")
def _():
    held = io.IncrementalNewlineDecoder(None, True)
    held.decode("x\r")
    pause()
    assert held.decode("\ny") == "\ny"


@extra("profiler")
def _():
    import cProfile

    held = cProfile.Profile()
    held.enable()
    sum(range(3))
    held.disable()
    pause()
    held.create_stats()
    assert held.stats


@extra("tracer, and statistics of a profiler")
def _():
    import cProfile
    import pstats
    import trace

    tracer, profile = trace.Trace(count=1, trace=0), cProfile.Profile()
    profile.runcall(len, "ab")
    held = pstats.Stats(profile, stream=io.StringIO())
    pause()
    assert tracer.runfunc(len, "ab") == 2 and held.total_calls >= 1


@extra("poll object")
def _():
    poll = select.poll()
    pause()
    assert poll.poll(0) == []


@extra("symbol tables and bytecode")
def _():
    table, code = symtable.symtable("def f(x): return x", "t", "exec"), dis.Bytecode(pause)
    pause()
    assert table.get_name() == "top" and code.info()


@extra("ctypes: buffers, callbacks, references")
def _():
    buffer = ctypes.create_string_buffer(b"abc", 8)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    union = type("U", (ctypes.Union,), {"_fields_": [("a", ctypes.c_int), ("b", ctypes.c_char * 4)]})(5)
    pause()
    assert buffer.value == b"abc" and len(buffer) == 8 and kind(lambda n: n + 1)(2) == 3 and union.b[:1] == b"\x05"


@extra("ctypes: a callback")
def _():
    held = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
    pause()
    assert held(2) == 3


@extra("regular expressions that are parsed and not compiled yet")
def _():
    import re._compiler
    import re._parser

    parsed, kind = re._parser.parse("a|b(?:c[^d-f])*"), re._constants.BRANCH
    pause()
    assert parsed[0][0] is kind is re._constants.BRANCH and re._compiler.compile(parsed).fullmatch("bcxcy")


class Node(ctypes.Structure):
    pass


Node._fields_ = [("value", ctypes.c_int), ("next", ctypes.POINTER(Node)), ("text", ctypes.c_char_p)]


@extra("ctypes: what was set of a library's functions")
def _():
    library = ctypes.CDLL("libm.so.6", use_errno=True)
    library.sqrt.argtypes, library.sqrt.restype = [ctypes.c_double], ctypes.c_double
    library.sqrt.errcheck = lambda result, function, arguments: (result, function.__name__)
    cosine = library["cos"]
    cosine.restype, cosine.argtypes = ctypes.c_double, (ctypes.c_double,)
    root = library.sqrt
    pause()
    assert root is library.sqrt and root(4.0) == (2.0, "sqrt") and cosine(0.0) == 1.0
    assert library._FuncPtr._flags_ & ctypes._FUNCFLAG_USE_ERRNO


@extra("ctypes: pointers to nothing, and to what travels")
def _():
    nothing = ctypes.c_void_p(), ctypes.c_char_p(), ctypes.POINTER(Node)(), ctypes.py_object
    text, numbers = ctypes.c_char_p(b"abc"), (ctypes.c_int * 3)(1, 2, 3)
    first, node, nodes = ctypes.pointer(numbers), Node(7, None, None), (Node * 2)()
    pause()
    first.contents[1] = 9
    nodes[1].next = ctypes.pointer(node)
    assert list(numbers) == [1, 9, 3] and nodes[1].next.contents.value == 7 and not node.next and node.text is None
    assert [held.value for held in nothing[:2]] == [None, None] and not nothing[2] and text.value == b"abc"
    assert type(nothing[2]) is ctypes.POINTER(Node) and nothing[3] is ctypes.py_object


@extra("ctypes: pointers into the process's memory")
def _():
    numbers = (ctypes.c_int * 3)(1, 2, 3)
    cast, node = ctypes.cast(numbers, ctypes.POINTER(ctypes.c_int)), Node(1, None, b"text")
    pause()
    assert cast[1] == 2 and node.text == b"text"


@extra("distributions, resources, finders")
def _():
    packages = importlib.metadata.distribution("pip")
    files = importlib.resources.files("json")
    modules = pkgutil.iter_modules(["/nowhere"])
    pause()
    assert packages.metadata["Name"] == "pip" and (files / "decoder.py").is_file() and list(modules) == []


@extra("streams and transports of asyncio that are not connected")
def _():
    async def main():
        reader = asyncio.StreamReader()
        reader.feed_data(b"one\ntwo")
        first = await reader.readline()
        pause()
        reader.feed_data(b"\n")
        reader.feed_eof()
        return first, await reader.readline(), reader.at_eof()

    assert asyncio.run(main()) == (b"one\n", b"two\n", True)


@extra("asyncio: timeouts, barriers, to_thread that is done, contexts")
def _():
    async def main():
        barrier, queue = asyncio.Barrier(2), asyncio.PriorityQueue()
        queue.put_nowait((2, "b"))
        queue.put_nowait((1, "a"))
        done = await asyncio.to_thread(abs, -3)
        waiting = asyncio.create_task(barrier.wait())
        condition = asyncio.Condition()
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(30), condition:
                pause()
                await barrier.wait()
                raise LookupError
        except LookupError:
            return done, await queue.get(), await waiting in (0, 1), condition.locked()

    assert asyncio.run(main()) == (3, (1, "a"), True, False)


@extra("logging that was configured by a dict")
def _():
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "formatters": {"f": {"format": "%(name)s %(message)s"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f", "stream": stream}},
            "loggers": {"values.more": {"handlers": ["h"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("values.more")
    logger.info("one")
    pause()
    assert logger is logging.getLogger("values.more") and stream.getvalue().startswith("values.more one\n")


@extra("type aliases, generics of today, unpacked and self types")
def _():
    Ts = typing.TypeVarTuple("Ts")
    alias, plain = tuple[int, typing.Unpack[Ts]], types.GenericAlias(list, (int,))
    names = {}
    if sys.version_info >= (3, 12):
        exec("type Tree[T] = list[T] | T\ndef f[T: int](x: T) -> T: return x\nclass C[T]: item: T", names)
    pause()
    assert alias.__args__[1] == typing.Unpack[Ts] and plain == list[int]
    if names:
        assert names["Tree"].__value__.__args__[1] is names["Tree"].__type_params__[0] and names["f"].__type_params__[0].__bound__ is int
        assert names["C"][int].__args__ == (int,) and names["f"](3) == 3


if sys.version_info >= (3, 12):

    @extra("type alias that contains itself")
    def _():
        names = {}
        exec("type Tree[T] = list[Tree[T]] | T", names)
        held = names["Tree"]
        pause()
        assert held.__value__.__args__[1] is held.__type_params__[0]


@extra("memory views of every kind of exporter")
def _():
    import array

    base = bytearray(b"abcdefgh")
    cast = memoryview(base).cast("H")
    grid = memoryview(base).cast("B", (2, 4))
    step = memoryview(base)[::2]
    numbers = memoryview(array.array("i", [1, 2, 3]))
    pause()
    base[0] = 120
    assert grid[0, 0] == 120 and step[0] == 120 and cast[0] & 255 == 120 and numbers.tolist() == [1, 2, 3] and numbers.format == "i"


@extra("mocks with specs, sentinels and ANY")
def _():
    class Real:
        def go(self, a): ...

    spec, mark = unittest.mock.create_autospec(Real, instance=True), unittest.mock.sentinel.mark
    spec.go.return_value = mark
    opened = unittest.mock.mock_open(read_data="x")
    pause()
    assert spec.go(1) is mark is unittest.mock.sentinel.mark and spec.go.call_args == unittest.mock.call(unittest.mock.ANY)
    assert opened().read() == "x" and isinstance(spec, Real)


@extra("unicode databases, signal sets, times, users")
def _():
    import pwd
    import resource

    held = unicodedata.ucd_3_2_0, pwd.getpwuid(os.getuid()), resource.getrusage(resource.RUSAGE_SELF), time.gmtime(0)
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    pause()
    assert held[0].name("a") and held[1].pw_uid == os.getuid() and held[2].ru_utime >= 0 and held[3].tm_year == 1970
    assert isinstance(signals, set)


@extra("wrappers: partialmethod, dynamic attributes, coroutine decorators")
def _():
    class Thing:
        def set(self, value):
            self.value = value
            return self

        on = functools.partialmethod(set, True)

        @types.DynamicClassAttribute
        def name(self):
            return "n"

    @types.coroutine
    def waits():
        got = yield 1
        return got

    class Kind(enum.Enum):
        A = 1

        @enum.property
        def twice(self):
            return self.value * 2

        @enum.nonmember
        class Inner:
            pass

    thing, coroutine = Thing(), waits()
    coroutine.send(None)
    pause()
    assert thing.on().value is True and thing.name == "n" and Kind.A.twice == 2 and Kind.Inner.__name__ == "Inner"
    try:
        coroutine.send(5)
    except StopIteration as stop:
        assert stop.value == 5


@extra("tracemalloc, gc and weak callbacks")
def _():
    tracemalloc.start()
    held = tracemalloc.take_snapshot()
    tracemalloc.stop()
    statistics = held.statistics("filename")
    pause()
    assert held.statistics("filename") == statistics and gc.isenabled()


@extra("iterators of itertools over each other and decimals")
def _():
    count = itertools.count(decimal.Decimal("0.5"), decimal.Decimal("0.25"))
    both = itertools.chain.from_iterable(zip(count, itertools.cycle("ab")))
    one, two = itertools.tee(both)
    next(one), next(one), next(two)
    grouped = itertools.groupby([1, 1, 2, 3], lambda n: n % 2)
    key, part = next(grouped)
    next(part)
    pause()
    assert next(one) == decimal.Decimal("0.75") and next(two) == "a" and next(one) == "b" and list(part) == [1] and next(grouped)[0] == 0
    assert operator.length_hint(itertools.repeat(1, 3)) == 3


@extra("context managers of files and locks in a stack that is passed on")
def _():
    path, lock = some_file(), threading.Lock()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("a+"))
        stack.enter_context(lock)
        keep = stack.pop_all()
    pause()
    assert lock.locked() and not file.closed
    keep.pop_all().close()
    assert not lock.locked() and file.closed


@extra("random numbers with a method of the program's own")
def _():
    import random

    held = random.Random(3)
    held.random = [0.25, 0.5].pop
    pause()
    assert held.uniform(0, 2) == 1.0 and held.getrandbits(8) == random.Random(3).getrandbits(8) and held.random() == 0.25


@extra("an argument parser before it is asked")
def _():
    parser = argparse.ArgumentParser(prog="p")
    parser.add_argument("--n", type=int, default=argparse.SUPPRESS)
    parser.add_subparsers(dest="command").add_parser("run").add_argument("files", nargs="*")
    pause()
    assert vars(parser.parse_args(["run", "a", "b"])) == {"command": "run", "files": ["a", "b"]}
    assert vars(parser.parse_args(["--n", "4", "run"])) == {"n": 4, "command": "run", "files": []}


class Asking(http.cookiejar.DefaultCookiePolicy):
    def domain_return_ok(self, domain, request):
        self.wait()
        return super().domain_return_ok(domain, request)


@extra("a cookie jar while it is asked")
def _():
    jar = http.cookiejar.CookieJar(Asking())
    jar._policy.wait = lambda: pause()
    rest = {"rest": {}, "rfc2109": False}
    given = dict(version=0, name="a", value="b", port=None, port_specified=False, domain="example.org", domain_specified=True)
    given.update(domain_initial_dot=False, path="/", path_specified=True, secure=False, expires=None, discard=True)
    jar.set_cookie(http.cookiejar.Cookie(comment=None, comment_url=None, **given, **rest))
    request = urllib.request.Request("http://example.org/")
    jar.add_cookie_header(request)
    assert request.get_header("Cookie") == "a=b" and not repr(jar._cookies_lock).startswith("<locked")


@extra("a package whose modules were imported")
def _():
    parts = xml
    pause()
    assert parts.dom.minidom.parseString("<a/>").documentElement.tagName == "a" and xml.sax.handler.ContentHandler

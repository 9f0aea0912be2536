"""What programs of every day hold in the middle of their work: parsers, clients, pools, formats, handlers, builders."""

import abc
import argparse
import ast
import asyncio
import base64
import bisect
import calendar
import cmd
import code
import collections
import configparser
import contextlib
import copy
import dataclasses
import datetime
import decimal
import difflib
import dis
import email.message
import email.parser
import enum
import fnmatch
import fractions
import functools
import gettext
import graphlib
import gzip
import heapq
import html.parser
import http.client
import http.cookies
import http.cookiejar
import inspect
import io
import ipaddress
import json

import logging
import logging.handlers
import mimetypes
import numbers
import operator
import optparse
import os
import pathlib
import pickle
import platform
import pprint
import queue
import random
import re
import sched
import secrets
import selectors
import shelve
import shlex
import signal
import sqlite3
import statistics
import string
import struct
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
import timeit
import tokenize
import traceback
import types
import typing
import unittest
import unittest.mock
import urllib.parse
import urllib.request
import urllib.robotparser
import uuid
import warnings
import weakref
import xml.dom.minidom
import xml.etree.ElementTree
import xml.sax
import zipfile


@extra("argparse parser with subcommands and groups")
def _():
    parser = argparse.ArgumentParser("tool", description="d")
    parser.add_argument("--level", type=int, default=3, choices=range(5))
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-a", action="store_true")
    group.add_argument("-b", action="store_const", const=[1], dest="a")
    sub = parser.add_subparsers(dest="what").add_parser("run")
    sub.add_argument("names", nargs="*", type=str.upper)
    sub.set_defaults(go=lambda o: len(o.names))
    known = parser.parse_args(["--level", "2", "run", "x"])
    pause()
    got = parser.parse_args(["-b", "run", "x", "y"])
    assert (got.level, got.a, got.names, got.go(got)) == (3, [1], ["X", "Y"], 2)
    assert known.level == 2 and known.go(known) == 1 and "usage: tool" in parser.format_help()


@extra("optparse, cmd and code consoles")
def _():
    parser = optparse.OptionParser()
    parser.add_option("-n", type="int", dest="n", default=1)

    class Shell(cmd.Cmd):
        def do_add(self, line):
            self.total = getattr(self, "total", 0) + int(line)

    shell = Shell(stdin=io.StringIO(), stdout=io.StringIO())
    console = code.InteractiveInterpreter({"x": 4})
    shell.onecmd("add 2")
    pause()
    shell.onecmd("add 3")
    console.runsource("x = x + 1")
    assert shell.total == 5 and console.locals["x"] == 5 and parser.parse_args(["-n", "7"])[0].n == 7


@extra("logging: handlers, filters, formatters, adapters")
def _():
    stream = io.StringIO()
    logger = logging.Logger("own", logging.DEBUG)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("{levelname}:{message}", style="{"))
    handler.addFilter(lambda record: record.levelno > logging.DEBUG)
    memory = logging.handlers.MemoryHandler(10, target=handler)
    logger.addHandler(memory)
    adapter = logging.LoggerAdapter(logger, {"user": "me"})
    adapter.info("one")
    pause()
    adapter.debug("no")
    adapter.warning("two %s", 2)
    memory.flush()
    assert stream.getvalue() == "INFO:one\nWARNING:two 2\n"


@extra("logging: queues and files")
def _():
    path = pathlib.Path(tempfile.mkdtemp()) / "log"
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=100, backupCount=1)
    logger = logging.Logger("files")
    logger.addHandler(handler)
    records = queue.Queue()
    other = logging.Logger("queued")
    other.addHandler(logging.handlers.QueueHandler(records))
    logger.error("before")
    other.error("one")
    pause()
    logger.error("after")
    other.error("two")
    # The original, and after it whatever was resumed, add to the same file.
    assert path.read_text().replace("after\n", "") == "before\n" and path.read_text().endswith("after\n")
    assert [records.get().getMessage() for _ in range(2)] == ["one", "two"]


@extra("configparser")
def _():
    held = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
    held.read_string("[a]\nx = 1\ny = ${x}2\n[b]\nz = ${a:y}\n")
    section = held["b"]
    pause()
    assert section["z"] == "12" and section.parser is held and held.getint("a", "x") == 1
    held["b"]["w"] = "3"
    assert section.getint("w") == 3


@extra("re: compiled, scanner, sub callbacks")
def _():
    pattern = re.compile(r"(?P<w>\w+)-(\d+)", re.I)
    scanner = re.Scanner([(r"\d+", lambda s, t: int(t)), (r"\s+", None)])
    matches = list(pattern.finditer("a-1 b-2"))
    rest = pattern.finditer("c-3 d-4")
    next(rest)
    pause()
    assert scanner.scan("1 22")[0] == [1, 22] and [m["w"] for m in matches] == ["a", "b"]
    assert next(rest).groups() == ("d", "4") and matches[0].re is pattern
    assert pattern.sub(lambda m: m[2] + m["w"], "x-9") == "9x"


@extra("decimal and fractions in the middle of a context")
def _():
    with decimal.localcontext() as context:
        context.prec = 5
        context.traps[decimal.Inexact] = False
        held = decimal.Decimal(1) / 7
        third = fractions.Fraction(1, 3)
        pause()
        assert held == decimal.Decimal("0.14286") and decimal.getcontext() is context and context.flags[decimal.Inexact]
        assert decimal.Decimal(2) / 7 == decimal.Decimal("0.28571") and third + 1 == fractions.Fraction(4, 3)


@extra("functools: reduce, total_ordering, singledispatchmethod, partial chains")
def _():
    @functools.total_ordering
    class Version:
        def __init__(self, *parts):
            self.parts = parts

        def __eq__(self, other):
            return self.parts == other.parts

        def __lt__(self, other):
            return self.parts < other.parts

        @functools.singledispatchmethod
        def add(self, what):
            raise TypeError

        @add.register
        def _(self, what: int):
            return self.parts + (what,)

        @functools.cached_property
        def text(self):
            return ".".join(map(str, self.parts))

    one, two = Version(1, 2), Version(1, 10)
    chain = functools.partial(functools.partial(operator.add, 1), 2)
    one.text
    pause()
    assert one < two and two >= one and sorted([two, one])[0] is one and one.add(3) == (1, 2, 3)
    assert one.__dict__["text"] == "1.2" and two.text == "1.10" and chain() == 3


@extra("dataclasses with fields, slots, order, inheritance")
def _():
    @dataclasses.dataclass(order=True)
    class Base:
        n: int
        tags: list = dataclasses.field(default_factory=list, compare=False)

    @dataclasses.dataclass(order=True, kw_only=True)
    class Child(Base):
        extra: typing.ClassVar[int] = 5
        init: dataclasses.InitVar[int] = 0
        hidden: str = dataclasses.field(default="h", repr=False)

        def __post_init__(self, init):
            self.n += init

    Made = dataclasses.make_dataclass("Made", [("a", int, 3)], frozen=True)
    held, made, fields = Child(1, init=4), Made(), dataclasses.fields(Child)
    held.tags.append(held)
    pause()
    assert held.n == 5 and held.tags[0] is held and [f.name for f in fields] == ["n", "tags", "hidden"]
    assert dataclasses.fields(Child)[0] is fields[0] and dataclasses.replace(made, a=4) == Made(4)
    assert fields[1].default is dataclasses.MISSING and repr(Child(2)) == repr(Child(2, init=0)) and Child(3) > Child(2)


@extra("enum: auto, flags, functional, with methods and mixed types")
def _():
    class Colour(enum.Enum):
        RED = enum.auto()
        GREEN = enum.auto()
        CRIMSON = 1

        @classmethod
        def _missing_(cls, value):
            return cls.GREEN

        @property
        def low(self):
            return self.name.lower()

    Perm = enum.Flag("Perm", "R W X")
    Sizes = enum.Enum("Sizes", {"S": (1, 2), "M": [3]}, type=None)

    class Planet(tuple, enum.Enum):
        EARTH = (1, 2)

    held, both, planet, members = Colour.CRIMSON, Perm.R | Perm.X, Planet.EARTH, Colour.__members__
    table = {Colour.RED: 1, Perm.R: 2}
    pause()
    assert held is Colour.RED and Colour(9) is Colour.GREEN and held.low == "red" and list(members) == ["RED", "GREEN", "CRIMSON"]
    assert both & Perm.X and Perm.W not in both and table[Colour(1)] == 1 and planet[1] == 2 and Sizes.M.value == [3]
    assert Perm(5) is both and members["CRIMSON"] is held


@extra("typing: generics, NamedTuple, TypedDict, Annotated, ParamSpec, overloads")
def _():
    T, P = typing.TypeVar("T", bound=int), typing.ParamSpec("P")

    class Box(typing.Generic[T]):
        item: T

    class Point(typing.NamedTuple):
        x: int
        y: int = 2

    class Movie(typing.TypedDict, total=False):
        name: str

    Kind = typing.NewType("Kind", int)
    alias = typing.Callable[P, typing.Optional[Box[T]]]
    noted = typing.Annotated[int, "note", [1]]
    union, literal = int | Box[int] | None, typing.Literal["a", 1]
    pause()
    assert alias.__parameters__ == (P, T) and noted.__metadata__ == ("note", [1]) and Point(1)._asdict() == {"x": 1, "y": 2}
    assert typing.get_type_hints(Movie) == {"name": str} and Kind(3) == 3 and Kind.__supertype__ is int
    assert Box[int] in union.__args__ and typing.get_args(literal) == ("a", 1) and typing.get_origin(Box[int]) is Box


@extra("contextlib: nested managers, suppress, closing")
def _():
    log = []

    @contextlib.contextmanager
    def step(name):
        log.append(name)
        try:
            yield name
        except KeyError:
            log.append("caught " + name)
        finally:
            log.append("-" + name)

    with contextlib.ExitStack() as stack:
        stack.enter_context(step("a"))
        stack.callback(log.append, "called")
        stack.push(lambda *details: log.append(details[0]))
        with step("b"), contextlib.suppress(ValueError), contextlib.closing(io.BytesIO()) as buffer:
            pause()
            raise ValueError
        raise KeyError
    assert log == ["a", "b", "-b", KeyError, "called", "caught a", "-a"] and buffer.closed


@extra("contextlib.redirect_stdout (entered)")
def _():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        pause()
        print("x")
    assert out.getvalue() == "x\n"


@extra("contextlib: null, decorators and reentrant ones")
def _():
    @contextlib.contextmanager
    def doubled(n=2):
        yield n

    @doubled()
    def decorated(x):
        return x + 1

    null = contextlib.nullcontext([1])

    class Own(contextlib.ContextDecorator):
        entered = 0

        def __enter__(self):
            type(self).entered += 1
            return self

        def __exit__(self, *details):
            return True

    own = Own()
    with null as inner, own:
        pause()
        raise LookupError
    assert decorated(1) == 2 and inner == [1] and Own.entered == 1 and own(lambda: 3)() == 3 and Own.entered == 2


@extra("sqlite3 rows, factories and blobs")
def _():
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.execute("create table t (a, b)")
    db.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
    db.commit()
    rows = db.execute("select * from t order by a").fetchall()
    first = rows[0]
    pause()
    assert first["b"] == "x" and tuple(rows[1]) == (2, "y") and first.keys() == ["a", "b"] and rows[0] is first
    assert db.execute("select count(*) n from t").fetchone()["n"] == 2


@extra("http: requests, responses, cookies, messages")
def _():
    request = urllib.request.Request("http://host/a?b=1", data=b"x", headers={"User-agent": "me"}, method="PUT")
    jar = http.cookiejar.CookieJar()
    cookie = http.cookies.SimpleCookie("a=b; Path=/")
    handlers = urllib.request.HTTPCookieProcessor(jar), urllib.request.ProxyHandler({}), urllib.request.HTTPHandler()
    opener = urllib.request.OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler)
    connection = http.client.HTTPConnection("host", 81, timeout=3)
    connection.putrequest("GET", "/")
    # Of 3.15's results without this, a copy cannot be copied: their own __getstate__ raises.
    parts = urllib.parse.urlsplit("https://u:p@h:1/p?q#f", **({"missing_as_none": True} if sys.version_info >= (3, 15) else {}))
    pause()
    assert request.get_method() == "PUT" and request.get_header("User-agent") == "me" and request.host == "host"
    assert cookie["a"].value == "b" and connection.host == "host" and connection.timeout == 3 and len(jar) == 0
    connection.putheader("A", "b")
    assert connection._buffer[-1] == b"A: b" and parts.hostname == "h" and parts._replace(path="/x").geturl().endswith("/x?q#f")
    assert handlers[0].cookiejar is jar and handlers[0] in opener.handlers and handlers[0].parent is opener


@extra("http.client response that is read")
def _():
    class Fake:
        def makefile(self, mode):
            return io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nA: b\r\n\r\nabcdef")

    held = http.client.HTTPResponse(Fake())
    held.begin()
    assert held.read(2) == b"ab"
    pause()
    assert held.read() == b"cdef" and held.getheader("a") == "b" and held.status == 200 and held.isclosed()


@extra("email messages and parsers that are fed")
def _():
    message = email.message.EmailMessage()
    message["To"], message["Subject"] = "Me <me@x.org>", "Hé"
    message.set_content("text\n")
    message.add_attachment(b"data", maintype="a", subtype="b", filename="f")
    parser = email.parser.FeedParser()
    parser.feed("Subject: one\n\nfirst ")
    pause()
    parser.feed("second")
    got = parser.close()
    assert got["subject"] == "one" and got.get_payload() == "first second" and message["to"].addresses[0].username == "me"
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "a/b"] and b"=?utf-8?" in bytes(message)


@extra("xml: trees, parsers that are fed, dom, sax handlers")
def _():
    tree = xml.etree.ElementTree.fromstring("<a x='1'><b>t</b>tail<c/></a>")
    node = tree.find("b")
    parent = {child: above for above in tree.iter() for child in above}
    dom = xml.dom.minidom.parseString("<r><i n='1'/>x</r>")
    item = dom.getElementsByTagName("i")[0]
    pause()
    assert tree[0] is node and parent[node] is tree and node.tail == "tail" and tree.findtext("b") == "t"
    assert item.parentNode is dom.documentElement and item.getAttribute("n") == "1" and item.nextSibling.data == "x"


@extra("xml iterators over a tree")
def _():
    walk = xml.etree.ElementTree.fromstring("<a><b/><c/></a>").iter()
    next(walk)
    pause()
    assert [e.tag for e in walk] == ["b", "c"]


@extra("html parser that is fed")
def _():
    class Links(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, dict(attrs)))

    held = Links()
    held.feed("<a href='x'>t<b cl")
    pause()
    held.feed("ass=y>")
    held.close()
    assert held.found == [("a", {"href": "x"}), ("b", {"class": "y"})]


@extra("json encoders, decoders and their iterators")
def _():
    class Encoder(json.JSONEncoder):
        def default(self, o):
            return sorted(o) if isinstance(o, set) else super().default(o)

    encoder, decoder = Encoder(indent=1), json.JSONDecoder(object_hook=lambda d: types.SimpleNamespace(**d))
    parts = json.JSONEncoder(indent=2).iterencode([1, {"a": [2]}])
    begun = next(parts)
    pause()
    assert json.loads(begun + "".join(parts)) == [1, {"a": [2]}] and json.loads(encoder.encode({"s": {2, 1}})) == {"s": [1, 2]}
    assert decoder.decode('{"a": {"b": 1}}').a.b == 1


@extra("csv, gzip, zipfile and tarfile in memory")
def _():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.writestr("a.txt", "one\ntwo\n")
    held = zipfile.ZipFile(data)
    info = held.getinfo("a.txt")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("b")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    packed.seek(0)
    tar = tarfile.open(fileobj=packed)
    members = tar.getmembers()
    pause()
    assert held.read("a.txt") == b"one\ntwo\n" and held.getinfo("a.txt") is info
    assert tar.extractfile(members[0]).read() == b"abc" and members[0].name == "b"


@extra("collections: ChainMap, UserDict, Counter arithmetic, OrderedDict moves, deque rotation")
def _():
    base, top = {"a": 1}, {}
    chain = collections.ChainMap(top, base)

    class Lower(collections.UserDict):
        def __setitem__(self, key, value):
            super().__setitem__(key.lower(), value)

    lower = Lower(A=1)
    count = collections.Counter("abca")
    order = collections.OrderedDict.fromkeys("abc")
    ring = collections.deque(range(4), maxlen=4)
    words = collections.UserList([1]), collections.UserString("x")
    pause()
    base["b"] = 2
    lower["B"] = 2
    order.move_to_end("a")
    ring.rotate(1)
    ring.append(9)
    assert chain["b"] == 2 and chain.maps[0] is top and set(lower) == {"a", "b"} and (count - collections.Counter("aa"))["a"] == 0
    assert list(order) == ["b", "c", "a"] and list(ring) == [0, 1, 2, 9] and words[0] + [2] == [1, 2] and words[1].upper() == "X"


@extra("heaps, bisect keys, graphs, schedulers")
def _():
    heap = [(3, "c"), (1, "a")]
    heapq.heapify(heap)
    merged = heapq.merge([1, 4], [2, 3], key=lambda n: n)
    next(merged)
    sorter = graphlib.TopologicalSorter({"d": {"b"}, "b": {"a"}, "c": {"a"}})
    sorter.prepare()
    ready = sorter.get_ready()
    clock = [0]
    timeline = sched.scheduler(lambda: clock[0], lambda n: clock.__setitem__(0, clock[0] + n))
    events = []
    entry = timeline.enter(2, 1, events.append, ("late",))
    timeline.enter(1, 1, events.append, ("soon",))
    pause()
    sorter.done(*ready)
    assert heapq.heappop(heap) == (1, "a") and list(merged) == [2, 3, 4] and set(sorter.get_ready()) == {"b", "c"}
    timeline.cancel(entry)
    timeline.run()
    assert events == ["soon"] and timeline.empty()


@extra("dates, zones, calendars, ip networks")
def _():
    zone = datetime.timezone(datetime.timedelta(hours=2), "X")

    class Own(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=1)

        def dst(self, when):
            return None

    held = datetime.datetime(2020, 1, 2, 3, tzinfo=zone, fold=1)
    other = datetime.datetime(2020, 1, 2, 3, tzinfo=Own())
    days = calendar.Calendar(6).itermonthdates(2020, 2)
    next(days)
    hosts = ipaddress.ip_network("10.0.0.0/29").hosts()
    next(hosts)
    pause()
    assert held.tzinfo is zone and held.fold == 1 and held.utcoffset() == datetime.timedelta(hours=2) and other > held
    assert next(days) == datetime.date(2020, 1, 27) and str(next(hosts)) == "10.0.0.2"


@extra("warnings: filters (entered)")
def _():
    before = warnings.filters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pause()
        held = sum(range(4))
    assert held == 6 and warnings.filters == before or sys.flags.context_aware_warnings


@extra("warnings that are errors (entered)")
def _():
    with warnings.catch_warnings(action="error"):
        pause()
        try:
            warnings.warn("one")
            raised = None
        except UserWarning as warning:
            raised = str(warning)
    assert raised == "one"


@extra("warnings: manager that is not entered, or left")
def _():
    held, left = warnings.catch_warnings(record=True), warnings.catch_warnings(record=True)
    with left as old:
        warnings.simplefilter("always")
        warnings.warn("one")
    pause()
    with held as caught:
        warnings.simplefilter("always")
        warnings.warn("two")
    assert [str(w.message) for w in old + caught] == ["one", "two"]


@extra("warnings: catching, filters and a recorded list")
def _():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("one", UserWarning)
        pause()
        warnings.warn("two", DeprecationWarning)
        assert [str(w.message) for w in caught] == ["one", "two"]


@extra("unittest and mock objects")
def _():
    class Case(unittest.TestCase):
        def test_one(self):
            self.assertEqual(1, 1)

        def test_two(self):
            self.fail("no")

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    result = unittest.TestResult()
    mock = unittest.mock.MagicMock(return_value=3)
    mock.inner.side_effect = [1, 2]
    mock(1, a=2)
    mock.inner()
    pause()
    suite.run(result)
    assert result.testsRun == 2 and len(result.failures) == 1 and mock.call_args == unittest.mock.call(1, a=2)
    assert mock() == 3 and mock.inner() == 2 and mock.inner.call_count == 2 and isinstance(mock.other, unittest.mock.MagicMock)


@extra("mock.patch that is entered")
def _():
    target = types.SimpleNamespace(value=1)
    with unittest.mock.patch.object(target, "value", 2) as new, unittest.mock.patch.dict({"a": 1}, b=2):
        pause()
        assert target.value == new == 2
    assert target.value == 1


@extra("string templates, text wrappers, formatters, lexers")
def _():
    class Own(string.Template):
        delimiter = "%"

    held = Own("%a ${b}")
    wrapper = textwrap.TextWrapper(width=10, initial_indent="* ")
    lexer = shlex.shlex("a 'b c' d", posix=True)
    lexer.whitespace_split = True
    first = lexer.get_token()
    printer = pprint.PrettyPrinter(width=20)
    pause()
    assert held.substitute(a=1) == "1 ${b}" and wrapper.wrap("x" * 4 + " " + "y" * 6) == ["* xxxx", "yyyyyy"]
    assert [first, *lexer] == ["a", "b c", "d"] and printer.pformat([1]) == "[1]"


@extra("difflib, statistics, random sources")
def _():
    matcher = difflib.SequenceMatcher(None, "abcd", "bcde")
    differ = difflib.unified_diff(["a\n"], ["b\n"])
    next(differ)
    dist = statistics.NormalDist(1, 2)
    source, system = random.Random(5), random.SystemRandom()
    source.gauss(0, 1)
    twin = random.Random()
    twin.setstate(source.getstate())
    pause()
    assert matcher.ratio() == 0.75 and next(differ).startswith("+++") and dist.mean == 1 and 0 <= system.random() < 1
    assert source.gauss(0, 1) == twin.gauss(0, 1) and source.random() == twin.random()


@extra("ast trees, code analysis, signatures")
def _():
    def function(a: int, /, b=2, *args, c, **kw) -> str:
        return "x"

    class Visit(ast.NodeTransformer):
        def visit_Constant(self, node):
            return ast.copy_location(ast.Constant(node.value + 1), node)

    tree, visitor = ast.parse("x = 1"), Visit()
    signature = inspect.signature(function)
    bound = signature.bind(1, c=3)
    first = next(dis.get_instructions(function))
    pause()
    names = {}
    exec(compile(ast.fix_missing_locations(visitor.visit(tree)), "t", "exec"), names)
    assert names["x"] == 2 and str(signature) == "(a: int, /, b=2, *args, c, **kw) -> str" and bound.arguments == {"a": 1, "c": 3}
    assert first.offset == 0 and signature.parameters["b"].default == 2


@extra("code objects that are gone through")
def _():
    lines = pause.__code__.co_lines()
    positions = pause.__code__.co_positions()
    next(lines), next(positions)
    pause()
    assert next(lines) and next(positions)


@extra("weak containers in a cache with finalizers")
def _():
    class Node:
        def __init__(self, name):
            self.name = name

    cache, kept = weakref.WeakValueDictionary(), [Node("a"), Node("b")]
    children = weakref.WeakKeyDictionary()
    for node in kept:
        cache[node.name] = node
        children[node] = [node.name]
    log = []
    finalizer = weakref.finalize(kept[1], log.append, "gone")
    method = weakref.WeakMethod(kept[0].__init__)
    pause()
    assert cache["a"] is kept[0] and children[kept[1]] == ["b"] and len(cache) == 2 and method().__self__ is kept[0]
    del node
    kept.pop()
    assert "b" not in cache and log == ["gone"] and len(children) == 1 and not finalizer.alive


@extra("asyncio primitives outside of a loop")
def _():
    held = asyncio.Queue(3), asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2), asyncio.Condition()
    held[0].put_nowait([1])
    held[2].set()
    runner = asyncio.Runner()

    async def use():
        one = await held[0].get()
        async with held[1], held[3], held[4]:
            await held[2].wait()
            return one, held[3].locked()

    pause()
    assert runner.run(use()) == ([1], False)
    runner.close()


@extra("signals, uuid, secrets, platform and environment")
def _():
    held = signal.SIGTERM, signal.Handlers.SIG_DFL, uuid.uuid5(uuid.NAMESPACE_DNS, "x"), uuid.SafeUUID.unknown
    old = signal.getsignal(signal.SIGINT)
    environment, copied = os.environ, dict(os.environ)
    uname, version, flags = platform.uname(), sys.version_info, sys.flags
    usage, terminal, stat = time.get_clock_info("monotonic"), os.terminal_size((80, 24)), os.stat("/")
    pause()
    assert held[0] is signal.SIGTERM and held[1] is signal.SIG_DFL and held[2].version == 5 and old is signal.default_int_handler
    assert environment is os.environ and copied["TMPDIR"] and uname.system == "Linux" and version.major == 3 and flags.optimize == 0
    assert usage.monotonic and terminal.columns == 80 and stat.st_ino == os.stat("/").st_ino


@extra("pickle: picklers that are under way")
def _():
    class Own(pickle.Pickler):
        def persistent_id(self, obj):
            return "it" if obj is marker else None

    class Reads(pickle.Unpickler):
        def persistent_load(self, pid):
            return [pid]

    marker, buffer = object(), io.BytesIO()
    pickler = Own(buffer, 5)
    pickler.dump([marker, 1])
    pause()
    pickler.dump([marker])
    buffer.seek(0)
    reader = Reads(buffer)
    assert reader.load() == [["it"], 1] and reader.load() == [["it"]]


@extra("pickle: unpicklers and their files")
def _():
    data = io.BytesIO(pickle.dumps(1) + pickle.dumps(2))
    reader = pickle.Unpickler(data)
    assert reader.load() == 1
    pause()
    assert reader.load() == 2


@extra("numbers, abstract classes and registered ones")
def _():
    class Whole(numbers.Integral):
        def __init__(self, n):
            self.n = n

        __abs__ = __add__ = __and__ = __ceil__ = __eq__ = __floor__ = __floordiv__ = __invert__ = __le__ = __lshift__ = None
        __lt__ = __mod__ = __mul__ = __neg__ = __or__ = __pos__ = __pow__ = __radd__ = __rand__ = __rfloordiv__ = None
        __rlshift__ = __rmod__ = __rmul__ = __ror__ = __round__ = __rpow__ = __rrshift__ = __rshift__ = __rtruediv__ = None
        __rxor__ = __truediv__ = __trunc__ = __xor__ = None

        def __int__(self):
            return self.n

    class Shape(abc.ABC):
        @property
        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        area = 4

    Shape.register(complex)
    held, square = Whole(3), Square()
    pause()
    assert isinstance(held, numbers.Number) and int(held) == 3 and isinstance(1j, Shape) and square.area == 4
    try:
        Shape()
    except TypeError:
        return
    raise AssertionError


@extra("descriptors, metaclasses, init_subclass, class getitem")
def _():
    class Field:
        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, obj, cls):
            return self if obj is None else obj.__dict__.get(self.name, 0)

        def __set__(self, obj, value):
            obj.__dict__[self.name] = value * 2

    class Meta(type):
        def __call__(cls, *args, **options):
            made = super().__call__(*args, **options)
            cls.made.append(made)
            return made

        def __len__(cls):
            return len(cls.made)

    class Model(metaclass=Meta):
        made, kinds, x = [], {}, Field()

        def __init_subclass__(cls, tag, **options):
            super().__init_subclass__(**options)
            Model.kinds[tag] = cls

        def __class_getitem__(cls, item):
            return cls.kinds[item]

    class User(Model, tag="u"):
        pass

    held = User()
    held.x = 4
    pause()
    assert held.x == 8 and Model["u"] is User and len(Model) == 1 and Model.made[0] is held and Model.x.name == "x"
    assert User().x == 0 and len(User) == 2


@extra("traceback objects: TracebackException, StackSummary, FrameSummary")
def _():
    try:
        try:
            {}["k"]
        except KeyError as error:
            raise ValueError("v") from error
    except ValueError as error:
        held = traceback.TracebackException.from_exception(error, capture_locals=False)
    stack = traceback.StackSummary.from_list([("f", 1, "name", "line")])
    pause()
    text = "".join(held.format())
    assert "KeyError: 'k'" in text and "direct cause" in text and stack[0].line == "line" and held.stack[0].name == "_"


@extra("inspect.stack and frames that are walked")
def _():
    def walk():
        frame = sys._getframe()
        infos = inspect.getouterframes(frame.f_back)[:1]
        pause()
        assert infos[0].frame is sys._getframe(1) and infos[0].function == "_" == frame.f_back.f_code.co_name
        return frame

    assert walk().f_code is walk.__code__


@extra("threading: timers, barriers, thread names, pools of work")
def _():
    timer = threading.Timer(9, print)
    barrier = threading.Barrier(2, action=lambda: None, timeout=3)
    results = []

    class Worker(threading.Thread):
        def __init__(self, jobs):
            super().__init__(name="own", daemon=True)
            self.jobs = jobs

        def run(self):
            while (job := self.jobs.get()) is not None:
                results.append(job * 2)

    jobs = queue.SimpleQueue()
    worker = Worker(jobs)
    pause()
    worker.start()
    for job in (1, 2, None):
        jobs.put(job)
    worker.join()
    assert results == [2, 4] and worker.name == "own" and not timer.is_alive() and barrier.parties == 2 and timer.interval == 9


@extra("files: spooled, text with newline modes, wrapped bytes, gzip")
def _():
    spooled = tempfile.SpooledTemporaryFile(max_size=100, mode="w+")
    spooled.write("abc")
    text = io.TextIOWrapper(io.BytesIO(b"one\r\ntwo\r\n"), encoding="utf-8", newline="")
    first = text.readline()
    lines = io.StringIO("a\nb\nc\n")
    next(lines)
    path = pathlib.Path(tempfile.mkdtemp()) / "f.txt"
    path.write_text("x\ny\n")
    with path.open() as file, path.open("a") as more:
        file.readline()
        more.write("z\n")
        pause()
        more.flush()
        assert file.read() == "y\nz\n"
    spooled.seek(0)
    assert spooled.read() == "abc" and first == "one\r\n" and text.readline() == "two\r\n" and list(lines) == ["b\n", "c\n"]


@extra("copy, reprlib, property chains and operator objects")
def _():
    class Chain:
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return self

        def __call__(self, *args):
            return args

    held, getter = Chain(), operator.attrgetter("a.b", "c")
    caller, item = operator.methodcaller("upper"), operator.itemgetter(1, slice(2))
    pause()
    assert held.a.b.c is held and getter(held) == (held, held) and caller("x") == "X" and item("abc") == ("b", "ab")
    assert copy.deepcopy([held])[0] is not held and held(1) == (1,)


@extra("timeit, fnmatch, mimetypes, gettext, base64 tables, robots")
def _():
    timer = timeit.Timer("x + 1", "x = 1")
    types_, robots, translations = mimetypes.MimeTypes(), urllib.robotparser.RobotFileParser(), gettext.NullTranslations()
    robots.parse(["User-agent: *", "Disallow: /x"])
    pause()
    assert timer.timeit(1) >= 0 and types_.guess_type("a.png")[0] == "image/png" and not robots.can_fetch("a", "/x")
    assert translations.gettext("a") == "a"


@extra("shelve and dbm")
def _():
    held = shelve.Shelf({})
    held["a"] = [1]
    pause()
    held["b"] = 2
    assert held["a"] == [1] and set(held) == {"a", "b"}


@extra("struct, ctypes structures, memory and arrays of records")
def _():
    import array
    import ctypes

    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]

    held, many = Point(1, 2.5), (Point * 2)(Point(3, 4))
    record = struct.Struct("<ih")
    numbers_ = array.array("d", [1, 2])
    view = memoryview(numbers_)[1:]
    pause()
    view[0] = 7
    assert held.y == 2.5 and many[0].x == 3 and record.unpack(record.pack(1, 2)) == (1, 2) and numbers_[1] == 7


@extra("asyncio: a program with clients, groups and timeouts")
def _():
    log = []

    async def worker(name, jobs):
        while (job := await jobs.get()) is not None:
            log.append((name, job))
            jobs.task_done()
            await asyncio.sleep(0)
        return name

    async def main():
        jobs = asyncio.Queue()
        async with asyncio.TaskGroup() as group, asyncio.timeout(60) as limit:
            tasks = [group.create_task(worker(name, jobs), name=name) for name in "ab"]
            for job in range(4):
                jobs.put_nowait(job)
            await asyncio.sleep(0)
            pause()
            await jobs.join()
            for _ in tasks:
                jobs.put_nowait(None)
        shielded = await asyncio.shield(asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))
        return [task.result() for task in tasks], limit.expired(), shielded

    assert asyncio.run(main()) == (["a", "b"], False, [1, 2]) and sorted(job for _, job in log) == [0, 1, 2, 3]


@extra("numpy in programs: einsum paths, polynomials, records, ufunc methods")
def _():
    import numpy as np

    table = np.rec.array([(1, "x"), (2, "y")], dtype=[("n", "i4"), ("s", "U1")])
    poly, grid = np.polynomial.Polynomial([1, 2]), np.mgrid[0:2, 0:3]
    add, where = np.add.reduce, np.where
    info, index, chunks = np.finfo(float), np.s_[1:, ::2], np.array_split(np.arange(5), 2)
    iterator = np.nditer
    rng = np.random.default_rng(3)
    first = rng.random()
    lazily = (x for x in np.arange(4.0))
    next(lazily)
    pause()
    assert table.n.sum() == 3 and table[1].s == "y" and poly(2) == 5 and grid.shape == (2, 2, 3) and add([1, 2]) == 3
    assert where is np.where and info.eps == np.finfo(float).eps and np.arange(6).reshape(2, 3)[index].shape == (1, 2)
    assert [list(c) for c in chunks] == [[0, 1, 2], [3, 4]] and next(lazily) == 1.0 and rng.random() != first


@extra("decorated classes, cached properties and slots with weak references")
def _():
    registry = {}

    def register(cls):
        registry[cls.__name__] = cls
        return cls

    @register
    @dataclasses.dataclass(slots=True, weakref_slot=True, frozen=True)
    class Job:
        name: str
        after: tuple = ()

        def __hash__(self):
            return hash(self.name)

    jobs = {Job("a"): 1}
    job = Job("b", tuple(jobs))
    ref = weakref.ref(job)
    pause()
    assert ref() is job and registry["Job"] is Job is type(job) and jobs[job.after[0]] == 1 and dataclasses.replace(job).name == "b"


@extra("state machines of generators with send, throw and return values")
def _():
    def average():
        total = count = 0
        while True:
            try:
                value = yield total / count if count else None
            except ArithmeticError as error:
                return error, total
            total, count = total + value, count + 1

    def outer(results):
        while True:
            results.append((yield from average()))

    results, machine = [], None
    machine = outer(results)
    next(machine)
    machine.send(4)
    pause()
    assert machine.send(6) == 5.0
    machine.throw(ArithmeticError("x"))
    assert results[0][1] == 10 and str(results[0][0]) == "x"


@extra("closures that share cells, nonlocal counters, late binding")
def _():
    def counter():
        n = 0

        def up():
            nonlocal n
            n += 1
            return n

        def get():
            return n

        def later():
            return missing

        if n:
            missing = 1
        return up, get, later

    up, get, later = counter()
    up()
    lambdas = [lambda: i for i in range(3)]
    pause()
    assert up() == get() == 2 and [f() for f in lambdas] == [2, 2, 2] and up.__closure__[0] is get.__closure__[0]
    try:
        later()
    except NameError:
        return
    raise AssertionError


@extra("subprocesses, environments and commands that are prepared")
def _():
    import subprocess

    done = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True)
    prepared = functools.partial(subprocess.run, [sys.executable, "-c", "print(2)"], capture_output=True, text=True)
    failed = subprocess.CalledProcessError(3, ["x"], "out", "err")
    pause()
    assert done.stdout == "1\n" and done.returncode == 0 and prepared().stdout == "2\n" and failed.stderr == "err" and failed.returncode == 3


@extra("temporary directories, globs and walks that are lists")
def _():
    with tempfile.TemporaryDirectory() as place:
        for name in ("a.txt", "b.txt", "c"):
            pathlib.Path(place, name).touch()
        found = sorted(pathlib.Path(place).glob("*.txt"))
        walked = list(os.walk(place))
        held = [p.name for p in found]
    pause()
    assert held == ["a.txt", "b.txt"] and walked[0][0] == place and found[0].suffix == ".txt" and not found[0].exists()


@extra("exceptions: groups that are handled, notes, tracebacks with causes in a list")
def _():
    caught = []
    try:
        raise ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [KeyError("k")])])
    except* ValueError as group:
        group.add_note("noted")
        caught.append(group)
        pause()
        assert caught[0] is group and group.__notes__ == ["noted"]
    except* KeyError as group:
        caught.append(group)
    assert [type(g.exceptions[0]) for g in caught] == [ValueError, ExceptionGroup]


@extra("multiprocessing.dummy pool that is closed")
def _():
    from multiprocessing import dummy
    from multiprocessing.pool import ThreadPool

    pool = dummy.Pool(1)
    assert pool.map(abs, [-1]) == [1]
    pool.close()
    pool.join()
    pause()
    assert isinstance(pool, ThreadPool)

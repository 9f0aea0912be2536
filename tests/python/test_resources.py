"""Promise: what belongs to a process is made anew where it is adopted, as it was, or refused with what to do."""

import ast
import textwrap

import pytest
import torpor
from processes import run

#: What a function has when it is captured (C stands for that), and what it returns after that, in every process alike.
KINDS = {
    "socket": """
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(2.5)
        C
        got = s.family, s.type, s.gettimeout(), s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) != 0
        delays = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        s.bind(("127.0.0.1", 0))
        s.close()
        return repr(got[:2]), got[2:], delays
    """,
    "closed socket": """
        import socket
        s = socket.socket(socket.AF_UNIX)
        s.close()
        C
        return s.fileno(), s._closed
    """,
    "queues": """
        import queue
        q, l, p = queue.Queue(5), queue.LifoQueue(), queue.PriorityQueue()
        for one in (q, l, p):
            for i in (2, 1, 3):
                one.put(i)
        q.get(); q.task_done()
        C
        q.put(4)
        return [[one.get() for _ in range(3)] for one in (q, l, p)], q.unfinished_tasks, q.maxsize
    """,
    "simple queue": """
        import queue
        q = queue.SimpleQueue()
        shared = ["shared"]
        q.put(shared); q.put(2)
        C
        q.put(3)
        return q.get() is shared, q.get(), q.get_nowait(), q.empty()
    """,
    "locks": """
        import threading
        lock, rlock, event = threading.Lock(), threading.RLock(), threading.Event()
        semaphore, bounded = threading.Semaphore(3), threading.BoundedSemaphore(2)
        condition, barrier = threading.Condition(), threading.Barrier(2)
        lock.acquire(); rlock.acquire(); rlock.acquire(); semaphore.acquire(); bounded.acquire(); event.set()
        with condition:
            C
            condition.notify_all()
            held = condition._is_owned()
        bounded.release()
        try:
            bounded.release()
        except ValueError:
            full = True
        rlock.release(); rlock.release()
        return lock.locked(), event.is_set(), held, semaphore._value, full, barrier.parties, rlock._is_owned()
    """,
    "waits on a condition": """
        import threading
        condition, event, ready = threading.Condition(), threading.Event(), []
        C
        def notify():
            with condition:
                ready.append(1)
                condition.notify()
            event.set()
        thread = threading.Thread(target=notify)
        with condition:
            thread.start()
            condition.wait_for(lambda: ready)
        thread.join()
        return ready, event.wait(9)
    """,
    "finished thread": """
        import threading
        seen = []
        thread = threading.Thread(target=seen.append, args=(1,), name="worker", daemon=True)
        thread.start()
        thread.join()
        C
        thread.join()
        try:
            thread.start()
        except RuntimeError as error:
            return thread.is_alive(), thread.name, thread.daemon, seen, str(error), thread.ident is not None
    """,
    "unstarted thread": """
        import threading
        seen = []
        class Worker(threading.Thread):
            def run(self):
                seen.append(self.name)
        one, two = threading.Thread(target=seen.append, args=(1,)), Worker(name="two")
        C
        for thread in (one, two):
            thread.start()
            thread.join()
        return seen, one.is_alive()
    """,
    "thread-local": """
        import threading
        local = threading.local()
        local.x = [1]
        C
        other = []
        thread = threading.Thread(target=lambda: other.append(hasattr(local, "x")))
        thread.start()
        thread.join()
        return local.x, other
    """,
    "futures": """
        from concurrent.futures import Future
        done, failed, pending, called = Future(), Future(), Future(), []
        done.set_result([1])
        failed.set_exception(KeyError("k"))
        pending.add_done_callback(lambda f: called.append(f.result()))
        C
        pending.set_result(3)
        return done.result(), repr(failed.exception()), called
    """,
    "pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2, thread_name_prefix="pool", initializer=len, initargs=((),))
        first = list(pool.map(abs, (-1, -2, -3)))
        C
        again = list(pool.map(abs, (-4, -5)))
        pool.shutdown()
        return first, again, pool._max_workers, pool._thread_name_prefix
    """,
    "pool that has just answered": """
        import time
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        future = pool.submit(int, "7")
        future.add_done_callback(lambda future: time.sleep(0.2))  # meanwhile the thread is not idle
        number = future.result()
        C
        pool.shutdown()
        return number, future.result()
    """,
    "shut down pool": """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            got = pool.submit(abs, -1).result()
        C
        try:
            pool.submit(abs, 1)
        except RuntimeError as error:
            return got, str(error)
    """,
    "logging": """
        import io, logging
        stream = io.StringIO()
        logger, handler = logging.getLogger("torpor.test"), logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(levelname)s:%(message)s"))
        record = logging.LogRecord("n", 20, "p", 1, "m %d", (1,), None)
        C
        handler.emit(record)
        handler.handle(logging.LogRecord("n", 30, "p", 1, "w", (), None))
        return stream.getvalue(), logger is logging.getLogger("torpor.test"), handler.lock is not None
    """,
    "file handler": """
        import logging, os, tempfile
        path = os.path.join(os.environ["TORPOR_DIR"], "log")
        handler = logging.FileHandler(path, mode="w" if not os.path.exists(path) else "a")
        handler.emit(logging.LogRecord("n", 20, "p", 1, "before", (), None))
        C
        handler.emit(logging.LogRecord("n", 20, "p", 1, "after", (), None))
        handler.close()
        return open(path).read().split()[:2]
    """,
    "database in memory": """
        import sqlite3
        db = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_COLNAMES, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("create table t(a, b)")
        db.executemany("insert into t values(?, ?)", [(1, "x"), (2, None)])
        C
        db.execute("insert into t values(3, 'y')")
        rows = [tuple(row) for row in db.execute("select * from t order by a")]
        at = db.execute('select "2020-01-01" as "d [date]"').fetchone()
        return rows, db.isolation_level, at.keys(), db.in_transaction
    """,
    "database in a file": """
        import os, sqlite3
        path = os.path.join(os.environ["TORPOR_DIR"], "data?base#1")
        db = sqlite3.connect(path)
        db.execute("create table if not exists t(a)")
        db.execute("delete from t")
        db.execute("insert into t values(1)")
        db.commit()
        C
        got = db.execute("select a from t").fetchall()
        db.execute("insert into t values(2)")
        db.rollback()
        db.close()
        return got, os.path.basename(path)
    """,
    "anonymous mapping": """
        import mmap
        m = mmap.mmap(-1, 4096)
        m.write(b"hello")
        C
        m.write(b"!")
        return m[:6], len(m), m.tell()
    """,
    "mapped file": """
        import mmap, os
        path = os.path.join(os.environ["TORPOR_DIR"], "mapped")
        with open(path, "wb") as file:
            file.write(bytes(range(256)) * 64)
        with open(path, "r+b") as file:
            shared = mmap.mmap(file.fileno(), 0)
            part = mmap.mmap(file.fileno(), 100, access=mmap.ACCESS_READ, offset=mmap.ALLOCATIONGRANULARITY)
            private = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        private[:2] = b"PP"
        shared.seek(3)
        C
        got = shared.read(2), part[:3], len(part), private[:3]
        private[2:3] = b"P"
        shared[200:203] = b"abc"
        try:
            part[0] = 1
        except TypeError:
            kept = True
        return got, kept, open(path, "rb").read()[200:203], shared[:3]
    """,
    "temporary file": """
        import os, tempfile
        file = tempfile.NamedTemporaryFile("w+", delete=False)
        file.write("one two")
        file.seek(4)
        C
        got = file.read(), os.path.exists(file.name)
        file.close()
        return got, file.closed
    """,
    "temporary directory": """
        import os, tempfile
        directory = tempfile.TemporaryDirectory(dir=os.environ["TORPOR_DIR"])
        open(os.path.join(directory.name, "x"), "w").close()
        C
        got = os.listdir(directory.name)
        if KEEPS:
            directory._finalizer.detach()
        else:
            directory.cleanup()
        return got, os.path.exists(directory.name) is KEEPS
    """,
    "closed files": """
        import os
        path = os.path.join(os.environ["TORPOR_DIR"], "closed")
        text, binary = open(path, "w", encoding="latin-1"), open(path, "rb")
        text.close(); binary.close()
        C
        try:
            text.write("x")
        except ValueError as error:
            return text.closed, binary.closed, os.path.basename(text.name), text.encoding, str(error)
    """,
    "finished process": """
        import subprocess, sys
        p = subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE)
        out = p.communicate()[0]
        C
        return p.returncode, out, p.poll(), p.stdout.closed
    """,
    "selector": """
        import selectors, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        selector, closed = selectors.DefaultSelector(), selectors.SelectSelector()
        closed.close()
        selector.register(s, selectors.EVENT_WRITE, ["data"])
        C
        ((key, events),) = selector.select(5)
        return key.fileobj is s, key.data, events, selector.get_map()[s].data is key.data, closed.get_map()
    """,
    "zipfile": """
        import io, zipfile
        data = io.BytesIO()
        z = zipfile.ZipFile(data, "w")
        z.writestr("a", "first")
        C
        z.writestr("b", "second")
        z.close()
        with zipfile.ZipFile(data) as again:
            return again.namelist(), again.read("a"), again.testzip()
    """,
    "ctypes": """
        import ctypes
        class Point(ctypes.Structure):
            _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]
        number, array, point = ctypes.c_int(7), (ctypes.c_short * 3)(1, 2, 3), Point(1, 2.5)
        nested, library = (Point * 2)(Point(3, 4.5)), ctypes.CDLL("libc.so.6")
        C
        array[1] = 9
        return (number.value, list(array), len(array), type(array) is ctypes.c_short * 3, point.x, point.y, nested[0].y,
                type(nested[0]) is Point, ctypes.sizeof(Point), library.abs(-5))
    """,
    "capsule": """
        import datetime, _datetime
        capsule = _datetime.datetime_CAPI
        C
        return capsule is _datetime.datetime_CAPI
    """,
    "shared memory": """
        from multiprocessing import resource_tracker, shared_memory
        m = shared_memory.SharedMemory(create=True, size=64)
        m.buf[:3] = b"abc"
        C
        got = bytes(m.buf[:3]), m.size >= 64
        m.close()
        if KEEPS:
            resource_tracker.unregister(m._name, "shared_memory")  # so that it is not removed with this process
        else:
            m.unlink()
        return got
    """,
    "random": """
        import random
        r = random.Random(5)
        r.random(); r.gauss(0, 1)
        state = r.getstate()
        C
        return r.getstate() == state, r.randrange(1000), r.gauss(0, 1)
    """,
    "weak containers": """
        import weakref
        class X: pass
        held, by_value, by_key, weak = [X(), X()], weakref.WeakValueDictionary(), weakref.WeakKeyDictionary(), weakref.WeakSet()
        for i, x in enumerate(held):
            by_value[i] = x; by_key[x] = i; weak.add(x)
        by_value["gone"] = X()
        C
        sizes = len(by_value), len(by_key), len(weak), by_value[1] is held[1]
        held.pop()
        del x
        return sizes, len(by_value), len(by_key), len(weak)
    """,
}

SCRIPT = """
import sys, torpor
KEEPS = True
def captured(key):
    return torpor.run(globals()[key], key)
"""

#: What stands in the way, and what the refusal says of it.
REFUSED = {
    "connected socket": ("import socket; a, b = socket.socketpair()\nAFTER = lambda: (a.close(), b.close())", "it is connected; close it, or pass externals="),
    "listening socket": ("import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\nAFTER = s.close", "it listens"),
    "bound socket": ("import socket; s = socket.socket(); s.bind(('127.0.0.1', 0))\nAFTER = s.close", "is bound to"),
    "running thread": (
        "import threading; e = threading.Event(); t = threading.Thread(target=e.wait, daemon=True); t.start()\nAFTER = lambda: (e.set(), t.join())",
        "it is a running thread",
    ),
    "running future": (
        "from concurrent.futures import Future; f = Future(); f.set_running_or_notify_cancel()", "its call runs in another thread",
    ),
    "busy pool": (
        "import threading; from concurrent.futures import ThreadPoolExecutor as P; e = threading.Event(); p = P(1); p.submit(e.wait)\n"
        "AFTER = lambda: (e.set(), p.shutdown())", "wait for their futures first",
    ),
    "processes": ("from concurrent.futures import ProcessPoolExecutor as P; p = P(1)", "its processes stay with their parent"),
    "transaction": (
        "import sqlite3; d = sqlite3.connect(':memory:'); d.execute('create table t(a)'); d.execute('insert into t values(1)')\nAFTER = d.close",
        "commit or roll back first",
    ),
    "function": (
        "import sqlite3; d = sqlite3.connect(':memory:'); d.create_function('mine', 1, abs)\nAFTER = d.close", "functions of the program (mine)",
    ),
    "cursor": ("import sqlite3; o = sqlite3.connect(':memory:'); d = o.execute('select 1')\nAFTER = o.close", "fetch them first"),
    "running process": (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "AFTER = p.communicate", "wait for it first",
    ),
    "descriptor": ("import os, selectors; s = selectors.DefaultSelector(); r, w = os.pipe(); s.register(r, 1)\nAFTER = lambda: (s.close(), os.close(r), os.close(w))", "it watches descriptor"),
    "epoll": ("import select; e = select.epoll()", "use a class of selectors"),
    "hash": ("import hashlib; h = hashlib.sha256(b'x')", "keep the data, and hash them again after the resume"),
    "blake2": ("import hashlib; h = hashlib.blake2b(b'x')", "keep the data, and hash them again after the resume"),
    "compressor": ("import zlib; c = zlib.compressobj()", "flush it before the capture"),
    "bz2": ("import bz2; c = bz2.BZ2Compressor()", "flush it before the capture"),
    "lzma": ("import lzma; c = lzma.LZMACompressor()", "flush it before the capture"),
    "ssl": ("import ssl; c = ssl.create_default_context()", "make it again, or pass externals="),
    "pointer": ("import ctypes; p = ctypes.cast((ctypes.c_int * 2)(), ctypes.c_void_p)", "points to memory"),
}  # fmt: skip


def name_of(kind):
    return kind.replace(" ", "_").replace("-", "_")


def source():
    parts = [SCRIPT]
    for kind, body in KINDS.items():
        body = textwrap.dedent(body).strip().replace("\nC\n", "\nKEEPS = torpor.capture(key=key) is not None\n")
        body = body.replace("\n    C\n", "\n    KEEPS = torpor.capture(key=key) is not None\n")
        assert "KEEPS =" in body
        parts.append(f"def {name_of(kind)}(key):\n" + textwrap.indent(body, "    "))
    parts.append("""
for key in sys.argv[1:]:
    try:
        got = captured(key)
    except BaseException as error:
        got = f"{type(error).__name__}: {error}"
    print(repr((key, got)), flush=True)
""")
    return "\n".join(parts)


RESUME = """
import sys, torpor
for key in sys.argv[1:]:
    try:
        got = torpor.adopt(key).resume()
    except BaseException as error:
        got = f"{type(error).__name__}: {error}"
    print(repr((key, got)), flush=True)
"""


def printed(text):
    return dict(ast.literal_eval(line) for line in text.splitlines() if line.startswith("("))


def test_what_is_made_anew(stores):
    keys = [name_of(kind) for kind in KINDS]
    captured = printed(run(source(), *keys))
    adopted = printed(run(RESUME, *keys))
    assert list(captured) == list(adopted) == keys
    for key in keys:
        assert "Error" not in str(captured[key])[:40] or type(captured[key]) is not str, (key, captured[key])
        assert adopted[key] == captured[key], key


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(store, kind):
    setup, text = REFUSED[kind]
    space = {"store": store}
    exec(f"def job():\n{textwrap.indent(setup, '    ')}\n    try:\n        store.capture(key='k', keep_dead=True)\n    finally:\n"
         f"        {'AFTER()' if 'AFTER' in setup else 'pass'}\n", space)  # fmt: skip
    with pytest.raises(torpor.UncapturableValue) as info:
        torpor.run(space["job"])
    assert text in str(info.value)
    assert "frames[0].locals[" in str(info.value)
    assert len(store) == 0


def test_externals_take_the_place_of_a_socket(store):
    import socket

    one, other = socket.socketpair()
    with one, other:

        def job(sock):
            store.capture(key="k", externals={"sock": sock})
            return sock.fileno()

        assert torpor.run(job, one) == one.fileno()
        assert store.adopt("k", externals={"sock": other}).resume() == other.fileno()

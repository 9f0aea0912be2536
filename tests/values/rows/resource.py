"""What belongs to the process: files, sockets, locks, threads, connections."""

import asyncio
import concurrent.futures
import ctypes
import io
import logging
import mmap
import multiprocessing.shared_memory
import pathlib
import queue
import selectors
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import zipfile


def path_of(contents=""):
    """A new file with these contents."""
    descriptor, path = tempfile.mkstemp()
    os.close(descriptor)
    pathlib.Path(path).write_text(contents)
    return path


@row("open text file r (position kept)")
def _():
    path = path_of("één\ntwo\nthree\n")
    held = open(path, encoding="utf-8")
    held.readline()
    pause()
    assert held.readline() == "two\n" and held.name == path and held.mode == "r" and held.encoding == "utf-8"
    assert held.read() == "three\n" and not held.closed
    held.close()


@row("open binary file rb")
def _():
    held, raw = open(path_of("abcdef"), "rb"), open(path_of("xyz"), "rb", buffering=0)
    held.read(2), raw.read(1)
    pause()
    assert held.tell() == 2 and held.read() == b"cdef" and raw.read() == b"yz" and type(raw) is io.FileIO
    held.seek(0)
    assert held.read(1) == b"a"


@row("open file w")
def _():
    path = path_of("longer than before")
    held = open(path, "w")
    held.write("first")
    pause()
    held.write(" second")
    held.close()
    assert pathlib.Path(path).read_text() == "first second"


@row("sys.stdout")
def _():
    held = sys.stdout
    pause()
    assert held is sys.stdout and held.write("") == 0


@row("sys.__stderr__")
def _():
    held = sys.__stderr__
    pause()
    assert held is sys.__stderr__


@row("io.StringIO (position)")
def _():
    held = io.StringIO("abc\ndef", newline="\n")
    held.read(2)
    held.note = "n"
    pause()
    assert held.read() == "c\ndef" and held.getvalue() == "abc\ndef" and held.note == "n" and held.write("g") == 1


@row("io.BytesIO")
def _():
    held = io.BytesIO(b"abc")
    held.seek(1)
    pause()
    assert held.read() == b"bc" and held.getvalue() == b"abc" and held.write(b"d") == 1 and held.getbuffer()[3] == ord("d")


@row("NamedTemporaryFile")
def _():
    held = tempfile.NamedTemporaryFile("w+")
    held.write("text")
    held.seek(1)
    pause()
    assert held.read() == "ext" and os.path.exists(held.name)
    held.close()


@row("socket (unconnected)")
def _():
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.settimeout(2.5)
    pause()
    assert held.family == socket.AF_INET and held.type == socket.SOCK_DGRAM and held.gettimeout() == 2.5
    assert held.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) and held.fileno() >= 0
    held.close()


@row("socketpair")
def _():
    one, two = socket.socketpair()
    one.send(b"before")
    pause()
    assert two.recv(20) == b"before" and two.send(b"x") == 1 and one.recv(1) == b"x"


@row("threading.Lock")
def _():
    held = threading.Lock()
    pause()
    assert not held.locked() and held.acquire(False) and not held.acquire(False)


@row("threading.Lock (held)")
def _():
    held = threading.Lock()
    held.acquire()
    pause()
    assert held.locked() and not held.acquire(False)
    held.release()
    assert not held.locked()


@row("threading.RLock")
def _():
    held = threading.RLock()
    pause()
    with held, held:
        assert held._is_owned()
    assert not held._is_owned()


@row("threading.RLock (held)")
def _():
    held = threading.RLock()
    held.acquire(), held.acquire()
    pause()
    assert held._is_owned() and held.acquire(False)
    for _ in range(3):
        held.release()
    assert not held._is_owned()


@row("threading.Condition")
def _():
    held, shared = threading.Condition(), threading.Lock()
    two = threading.Condition(shared)
    pause()
    with held:
        held.notify_all()
        assert not held.wait(0)
    with two:
        assert shared.locked()


@row("threading.Event (set)")
def _():
    held, unset = threading.Event(), threading.Event()
    held.set()
    pause()
    assert held.is_set() and held.wait(0) and not unset.wait(0)
    held.clear()
    assert not held.is_set()


@row("threading.Semaphore")
def _():
    held, bounded = threading.Semaphore(2), threading.BoundedSemaphore(1)
    held.acquire()
    pause()
    assert held.acquire(False) and not held.acquire(False)
    try:
        bounded.release()
    except ValueError:
        pass
    else:
        raise AssertionError("it has no bound")


@row("threading.local")
def _():
    held, seen = threading.local(), []
    held.x = [1]
    pause()
    assert held.x == [1]
    thread = threading.Thread(target=lambda: seen.append(hasattr(held, "x")))
    thread.start(), thread.join()
    assert seen == [False]


class OfThread(threading.local):
    made = 0

    def __init__(self, first, *, named=None):
        self.first, self.named, self.more = first, named, []


@extra("a class below threading.local")
def _():
    shared, seen = ["shared"], []
    held, plain = OfThread(shared, named=3), OfThread([1])
    held.more.append("here")
    pause()
    assert (held.first, held.named, held.more) == (["shared"], 3, ["here"]) and held.first is shared
    thread = threading.Thread(target=lambda: seen.extend((held.first, held.named, held.more, plain.named)))
    thread.start(), thread.join()
    assert seen == [["shared"], 3, [], None] and seen[0] is shared and held.more == ["here"] and plain.first == [1]


@row("threading.Thread (finished)")
def _():
    out = []
    held, unstarted = threading.Thread(target=out.append, args=(1,), name="worker"), threading.Thread(target=out.append, args=(2,))
    held.start(), held.join()
    pause()
    assert not held.is_alive() and held.name == "worker" and out == [1] and held.ident is not None
    held.join()
    unstarted.start(), unstarted.join()
    assert out == [1, 2]


@row("queue.Queue")
def _():
    held, first = queue.Queue(2), queue.PriorityQueue()
    held.put("a"), first.put(3), first.put(1)
    pause()
    assert held.get() == "a" and held.maxsize == 2 and held.unfinished_tasks == 1 and first.get() == 1 and held.empty()
    held.task_done(), held.join()


@row("queue.SimpleQueue")
def _():
    held = queue.SimpleQueue()
    held.put("a"), held.put("b")
    pause()
    assert held.qsize() == 2 and held.get() == "a" and held.get(False) == "b" and held.empty()


@row("concurrent Future")
def _():
    held, done, seen = concurrent.futures.Future(), concurrent.futures.Future(), []
    held.add_done_callback(seen.append)
    done.set_exception(KeyError(1))
    pause()
    assert not held.done() and type(done.exception()) is KeyError
    held.set_result(5)
    assert held.result() == 5 and seen == [held]


@row("ThreadPoolExecutor")
def _():
    held = concurrent.futures.ThreadPoolExecutor(3, "prefix")
    pause()
    assert held.submit(pow, 2, 3).result() == 8 and held._max_workers == 3
    held.shutdown()


@row("subprocess.Popen (finished)")
def _():
    held = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    held.wait()
    pause()
    assert held.returncode == 3 and held.poll() == 3 and held.wait() == 3 and held.args[1] == "-c"


@row("logging.Logger")
def _():
    held = logging.getLogger("a.b")
    pause()
    assert held is logging.getLogger("a.b") and held.parent is logging.getLogger() and held.level == logging.NOTSET


@row("logging.StreamHandler")
def _():
    out = io.StringIO()
    held = logging.StreamHandler(out)
    held.setFormatter(logging.Formatter("<%(message)s>"))
    held.setLevel(logging.WARNING)
    pause()
    held.handle(logging.makeLogRecord({"msg": "hi", "levelno": 40}))
    assert out.getvalue() == "<hi>\n" and held.level == logging.WARNING


@row("logging.LogRecord")
def _():
    held = logging.LogRecord("n", logging.INFO, "path", 3, "%s!", ("hi",), None)
    pause()
    assert held.getMessage() == "hi!" and held.lineno == 3 and held.levelname == "INFO"


@row("sqlite3 connection")
def _():
    held, memory = sqlite3.connect(path_of()), sqlite3.connect(":memory:")
    for one in (held, memory):
        one.execute("create table t (x)")
        one.execute("insert into t values (5)")
        one.commit()
    pause()
    assert held.execute("select x from t").fetchall() == [(5,)] == memory.execute("select x from t").fetchall()


@row("mmap")
def _():
    path = path_of("abcdef")
    with open(path, "r+b") as file:
        held = mmap.mmap(file.fileno(), 0)
    private = mmap.mmap(-1, 4096)
    private[:3] = b"xyz"
    held.seek(2)
    pause()
    assert held.read(2) == b"cd" and private[:4] == b"xyz\0" and len(private) == 4096
    held[0:1] = b"X"
    held.flush()
    assert pathlib.Path(path).read_text() == "Xbcdef"


@row("selectors/epoll")
def _():
    held = selectors.DefaultSelector()
    pause()
    one, two = socket.socketpair()
    held.register(one, selectors.EVENT_READ, "data")
    two.send(b"x")
    assert [key.data for key, _ in held.select(1)] == ["data"]
    held.close()


@row("ssl.SSLContext")
def _():
    held = ssl.create_default_context()
    held.minimum_version = ssl.TLSVersion.TLSv1_3
    pause()
    assert held.minimum_version == ssl.TLSVersion.TLSv1_3 and held.check_hostname and held.verify_mode == ssl.CERT_REQUIRED


@row("zipfile.ZipFile (closed mem)")
def _():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as held:
        held.writestr("a", "text")
    pause()
    assert held.fp is None and held.namelist() == ["a"] and zipfile.ZipFile(data).read("a") == b"text"


@row("ctypes.c_int")
def _():
    held, double = ctypes.c_int(5), ctypes.c_double(1.5)
    pause()
    held.value += 1
    assert held.value == 6 and double.value == 1.5 and type(held) is ctypes.c_int


@row("ctypes.CDLL")
def _():
    held = ctypes.CDLL(None)
    function = held.abs
    pause()
    assert held.abs(-3) == 3 and function(-4) == 4 and type(held) is ctypes.CDLL


@row("ctypes array")
def _():
    held = (ctypes.c_int * 3)(1, 2, 3)
    pause()
    held[1] = 7
    assert list(held) == [1, 7, 3] and type(held) is ctypes.c_int * 3


@row("ctypes pointer")
def _():
    number = ctypes.c_int(5)
    held = ctypes.pointer(number)
    pause()
    held.contents.value = 6
    assert number.value == 6


@row("PyCapsule")
def _():
    import datetime

    held = datetime.datetime_CAPI
    pause()
    assert held is datetime.datetime_CAPI or type(held).__name__ == "PyCapsule"


@row("multiprocessing.shared_memory")
def _():
    held = multiprocessing.shared_memory.SharedMemory(create=True, size=64)
    held.buf[:3] = b"abc"
    try:
        pause()
        assert bytes(held.buf[:3]) == b"abc" and held.size >= 64
    finally:
        held.close()


@row("asyncio event loop")
def _():
    held, seen = asyncio.new_event_loop(), []
    held.call_soon(seen.append, 1)
    held.call_later(0.01, seen.append, 2)
    pause()
    held.run_until_complete(asyncio.sleep(0.05))
    assert seen == [1, 2]
    held.close()


@extra("multiprocessing locks of who has no children")
def _():
    context = multiprocessing.get_context()
    lock, again, many, few = context.Lock(), context.RLock(), context.Semaphore(3), context.BoundedSemaphore(2)
    lock.acquire()
    again.acquire()
    again.acquire()
    many.acquire()
    few.acquire()
    pause()
    assert not lock.acquire(False) and again.acquire(False) and [many.acquire(False) for _ in range(3)] == [True, True, False]
    lock.release()
    few.release()
    assert lock.acquire(False)
    try:
        few.release()
        raise AssertionError("released too often")
    except ValueError:
        pass
    for _ in range(3):
        again.release()


@extra("null device")
def _():
    with open(os.devnull, "w") as text, open(os.devnull, "rb") as data:
        text.write("gone")
        pause()
        assert text.write("x") == 1 and data.read() == b"" and text.name == os.devnull

"""Values that belong to the process: locks, files, sockets, threads. Each goes on as it was, or is refused."""

import contextlib
import io
import logging
import os
import queue
import socket
import sys
import tempfile
import threading


def value(name, make, see, refused=None):
    """As in values_data."""

    def holding():
        held = make()
        twice = [held, {"again": held}]
        pause()
        return see(held), twice[0] is held, twice[1]["again"] is held

    holding.__name__ = holding.__qualname__ = name
    program(holding, refused=refused) if refused else program(holding)


value("lock", threading.Lock, lambda l: (l.locked(), l.acquire(), l.locked(), l.acquire(False)))
value("r_lock", threading.RLock, lambda l: (l.acquire(), l.acquire(), l.release()))
value("condition", threading.Condition, lambda c: (c.acquire(), c.notify_all(), c.release()))
value("event", threading.Event, lambda e: (e.is_set(), e.set(), e.wait(0)))
value("semaphore", lambda: threading.Semaphore(2), lambda s: [s.acquire(False) for _ in range(3)])
value("bounded_semaphore", lambda: threading.BoundedSemaphore(1), lambda s: [s.acquire(False) for _ in range(2)])
value("barrier", lambda: threading.Barrier(1), lambda b: (b.wait(), b.parties))
value("local", threading.local, lambda l: setattr(l, "x", 1) or l.x, refused="_local")
value("queue", lambda: queue.Queue(3), lambda q: (q.put(1), q.get(), q.maxsize))
value("priority_queue", queue.PriorityQueue, lambda q: (q.put(2), q.put(1), q.get()))
value("simple_queue", queue.SimpleQueue, lambda q: q.put(1), refused="SimpleQueue")
value("finished_thread", lambda: finished(), lambda t: t.is_alive(), refused="thread")
value("current_thread", threading.current_thread, lambda t: t.name, refused="running thread")
value("timer", lambda: threading.Timer(1, print), lambda t: t.daemon, refused="unstarted thread")
value("logger", lambda: logging.getLogger("a.b"), lambda l: (l.name, l is logging.getLogger("a.b")))
value("null_handler", logging.NullHandler, lambda h: (h.level, h.acquire(), h.release()))
value("log_record", lambda: logging.makeLogRecord({"msg": "m %s", "args": (1,)}), lambda r: r.getMessage())
value("connected_socket", lambda: socket.socketpair()[0], lambda s: s.family, refused="socket")
value("standard_output", lambda: sys.stdout, lambda f: f is sys.stdout)
value("standard_error", lambda: sys.__stderr__, lambda f: f is sys.__stderr__)
value("string_io", lambda: advanced(io.StringIO("one\ntwo\n")), lambda f: (f.tell(), f.readline()))
value("bytes_io", lambda: advanced(io.BytesIO(b"one\ntwo\n")), lambda f: (f.tell(), f.readline(), f.getvalue()))


def finished():
    thread = threading.Thread(target=len, args=((),))
    thread.start()
    thread.join()
    return thread


def advanced(file):
    file.readline()
    return file


@program
def lock_that_is_held():
    lock, recursive = threading.Lock(), threading.RLock()
    with lock, recursive, recursive:
        pause()
        inside = lock.locked(), lock.acquire(False), recursive._is_owned()
    return inside, lock.locked(), recursive._is_owned(), recursive.acquire(False)


@program
def condition_that_is_held():
    condition = threading.Condition()
    items = []
    with condition:
        pause()
        items.append(1)
        condition.notify()
    return items, condition.acquire(False)


@program
def queue_with_items():
    jobs = queue.Queue()
    for i in range(3):
        jobs.put([i])
    first = jobs.get()
    pause()
    jobs.task_done()
    return first, jobs.get(), jobs.qsize(), jobs.unfinished_tasks


@program
def event_that_is_set():
    event = threading.Event()
    event.set()
    pause()
    return event.wait(0), event.clear(), event.is_set()


def named(contents):
    with tempfile.NamedTemporaryFile("wb", suffix=".txt", delete=False) as made:
        made.write(contents)
    return made.name


@program
def binary_file_that_is_read():
    file = open(named(b"one\ntwo\nthree\n"), "rb")
    first = file.readline()
    pause()
    return first, file.readline(), file.tell(), file.mode, file.raw.tell() >= 8, file.read(), file.close()


@program
def binary_file_that_is_written():
    path = named(b"")
    with open(path, "wb") as file:
        alias = [file, file.raw]
        file.write(b"before ")
        pause()
        file.write(b"after")
        same = alias[0] is file, alias[1] is file.raw, file.mode
    with open(path, "rb") as written:
        return written.read(), same, file.closed


@program
def binary_file_that_is_appended_to_and_updated():
    path = named(b"0123456789")
    with open(path, "ab") as end, open(path, "r+b", buffering=0) as raw:
        end.write(b"a")
        raw.seek(2)
        raw.write(b"X")
        pause()
        raw.write(b"Y")
        places = end.tell(), raw.tell(), raw.readable(), end.readable(), end.mode
    with open(path, "rb") as written:
        return written.read(), places


@program(refused="its path does not lead to it")
def file_that_was_removed():
    path = named(b"abc")
    with open(path, "rb") as file:
        os.unlink(path)
        pause()
        return file.read()


@program(refused="line ends")
def text_file():
    with open(named(b"one\r\ntwo"), newline="") as file:
        file.readline()
        pause()
        return file.readline()


@program(refused="is redirected")
def redirected_output():
    into = io.StringIO()
    with contextlib.redirect_stdout(into):
        pause()
        print("text")
    return into.getvalue()

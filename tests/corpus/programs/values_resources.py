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
value("local", threading.local, lambda l: setattr(l, "x", 1) or l.x)
value("queue", lambda: queue.Queue(3), lambda q: (q.put(1), q.get(), q.maxsize))
value("priority_queue", queue.PriorityQueue, lambda q: (q.put(2), q.put(1), q.get()))
value("simple_queue", queue.SimpleQueue, lambda q: (q.put(1), q.get(), q.empty()))
value("finished_thread", lambda: finished(), lambda t: (t.is_alive(), t.join()))
value("current_thread", threading.current_thread, lambda t: t.name, refused="running thread")
value("timer", lambda: threading.Timer(1, print), lambda t: (t.daemon, t.interval, t.is_alive()))
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
def local_with_values():
    local = threading.local()
    local.items = [local]
    local.n = 1
    pause()
    seen = []
    other = threading.Thread(target=lambda: seen.append(hasattr(local, "n")))
    other.start()
    other.join()
    return local.items[0] is local, local.n, seen, sorted(vars(local))


@program(refused="being started")
def thread_that_is_being_started():
    seen = []

    class Watched(threading.Thread):
        @property
        def _bootstrap(self):
            pause()
            return super()._bootstrap

    thread = Watched(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    return seen


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


@program
def text_file():
    with open(named(b"one\r\ntwo"), newline="") as file:
        file.readline()
        pause()
        return file.readline(), file.newlines, file.encoding, file.errors, file.mode, file.line_buffering


def text(contents, **options):
    return open(named(contents), **{"encoding": "utf-8", **options})


@program
def text_file_that_is_read():
    with text("zwölf\n→ dreizehn\r\nvierzehn\n".encode()) as file:
        out = [file.read(3)]
        pause()
        seen = file.newlines
        return out, file.readline(), file.tell(), file.read(), seen


@program
def text_file_that_is_iterated():
    out = []
    with text("".join(f"{'ä' * i} line {i}\n" for i in range(2000)).encode()) as file:
        for line in file:
            out.append(len(line))
            pause(when=len(out) == 700)
    return len(out), sum(out), out[699:702], file.closed


@program
def text_file_that_is_iterated_with_two_line_ends():
    out = []
    with text(b"".join(b"%d\r\n%d\n" % (i, i) for i in range(900))) as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 1201)
        return len(out), out[1199:1203], file.newlines


@program
def text_file_that_is_iterated_and_kept_line_ends():
    out = []
    with text(b"a\r\nb\nc\rd" * 1000, newline="") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 2500)
        return len(out), out[2498:2504], file.newlines


@program
def text_file_that_is_iterated_to_its_end():
    out = []
    with text(b"one\ntwo") as file:
        for line in file:
            out.append(line)
            pause(when=line == "two")
        return out, file.tell(), next(file, "no more")


@program
def text_file_with_a_byte_order_mark():
    out = []
    with text("eins\nzwei\ndrei\n".encode("utf-16"), encoding="utf-16") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 2)
    return out


@program
def text_file_with_a_signature():
    out = []
    with text("eins\nzwei\ndrei\n".encode("utf-8-sig"), encoding="utf-8-sig") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 1)
    return out


@program
def text_file_in_another_encoding():
    out = []
    with text("日本\n語\n日本語\n".encode("iso2022_jp"), encoding="iso2022_jp") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 2)
    return out


@program
def text_file_with_escaped_bytes():
    out = []
    with text(b"\xff one\n\xfe two\n\xfd three\n", errors="surrogateescape") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 1)
    return [ascii(line) for line in out]


@program
def text_file_that_is_written():
    path = named(b"")
    with open(path, "w", encoding="utf-8", newline="\r\n") as file:
        alias = [file, file.buffer]
        print("zwölf", file=file)
        pause()
        print("dreizehn", file=file)
        same = alias[0] is file, alias[1] is file.buffer, file.mode, file.tell()
    with open(path, "rb") as written:
        return written.read(), same, file.closed


@program
def text_file_that_is_appended_to():
    path = named(b"before\n")
    with open(path, "a", encoding="utf-16-le", errors="replace", buffering=1) as file:
        file.write("one\n")
        pause()
        file.write("two\n")
        same = file.mode, file.errors, file.encoding, file.line_buffering
    with open(path, "rb") as written:  # the original and who resumes append to the same file
        return written.read().startswith(b"before\n" + "one\ntwo\n".encode("utf-16-le")), same


@program
def text_file_that_is_updated():
    path = named(b"0123456789")
    with open(path, "r+", encoding="ascii") as file:
        file.read(3)
        file.seek(3)
        file.write("X")
        pause()
        file.write("Y")
        file.seek(0)
        return file.read()


@program
def text_file_with_a_mark_to_be_written():
    path = named(b"")
    with open(path, "w", encoding="utf-16") as file:
        pause()
        file.write("a")
        file.flush()
        file.write("b")
    with open(path, "rb") as written:
        return written.read() == "ab".encode("utf-16")


@program
def text_over_bytes():
    file = io.TextIOWrapper(io.BytesIO(b"one\ntwo\nthree\n"), "latin-1", line_buffering=True)
    out = [next(file)]
    pause()
    return out + list(file), file.line_buffering, file.buffer.getvalue()


@program(refused="cannot be told exactly")
def text_file_of_which_bytes_were_lost():
    out = []
    with text(b"\xff\xff\xff\xff one\n\xfe\xfe\xfe\xfe two\n\xfd\xfd\xfd\xfd three\n", errors="ignore") as file:
        for line in file:
            out.append(line)
            pause(when=len(out) == 1)
    return out


@program(refused="cannot be told exactly")
def text_file_that_changed_behind_its_reader():
    out, path = [], named(b"one\ntwo\nthree\n")
    with open(path) as file:
        for line in file:
            out.append(line)
            with open(path, "r+b") as other:
                other.write(b"ONE\nTWO")
            pause(when=len(out) == 1)
    return out


@program(refused="is redirected")
def redirected_output():
    into = io.StringIO()
    with contextlib.redirect_stdout(into):
        pause()
        print("text")
    return into.getvalue()


@program
def text_that_a_stream_in_memory_has_not_got_yet():
    stream = io.BytesIO()
    file = io.TextIOWrapper(stream, "utf-8", newline="\n")
    file.write("one")
    pause()
    file.write(" two")
    file.detach()
    return stream.getvalue()


@program(refused="the lock logging._lock is held", until=(3, 13))
def logger_that_is_being_made():
    class Mine(logging.Logger):
        def __init__(self, name):
            super().__init__(name)
            pause()

    manager = logging.Logger.manager
    manager.loggerDict.pop("a.made", None)
    manager.loggerClass = Mine
    try:
        made = logging.getLogger("a.made")
    finally:
        manager.loggerClass = None
    return made is logging.getLogger("a.made"), made.manager is manager, manager is logging.Logger.manager

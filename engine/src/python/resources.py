# What belongs to a process: sockets, threads and their pools, connections to databases, mappings, temporary directories.
# Each is made anew if it is known to be as it was, or refused with what to do. The table is in VALUES.md.

import re


def _only_here(what):
    """Refuses what cannot be looked at while other threads use it."""
    if len(sys._current_frames()) > 1:
        raise TypeError(f"{what} while other threads run, which may use it")


# --- sockets ---------------------------------------------------------------------------------------

# Options that a program sets, where the system has them: (level, option, value).
_SOCKET_OPTIONS = [
    ("SOL_SOCKET", "SO_REUSEADDR"), ("SOL_SOCKET", "SO_REUSEPORT"), ("SOL_SOCKET", "SO_KEEPALIVE"), ("SOL_SOCKET", "SO_BROADCAST"),
    ("SOL_SOCKET", "SO_OOBINLINE"), ("SOL_SOCKET", "SO_PRIORITY"), ("IPPROTO_TCP", "TCP_NODELAY"), ("IPPROTO_TCP", "TCP_KEEPIDLE"),
    ("IPPROTO_TCP", "TCP_KEEPINTVL"), ("IPPROTO_TCP", "TCP_KEEPCNT"), ("IPPROTO_IPV6", "IPV6_V6ONLY"),
]  # fmt: skip


def _reduce_socket(sock):
    """One that is connected to nothing and waits for nobody."""
    cls = type(sock)
    if sock.fileno() < 0:
        return make_socket, (cls, sock.family, sock.type, sock.proto, None, (), [])
    hint = "; close it, or pass externals=…: torpor.hand_over gives it to the adopter, else it stays behind"
    try:
        sock.getpeername()
    except OSError:
        pass
    else:
        raise TypeError(f"it is connected{hint}")
    if _socket_option(sock, "SOL_SOCKET", "SO_ACCEPTCONN"):
        raise TypeError(f"it listens{hint}")
    address = sock.getsockname()
    if address[1] if type(address) is tuple and len(address) > 1 else address:
        raise TypeError(f"it is bound to {address!r}{hint}")
    options = [(level, name, value) for level, name in _SOCKET_OPTIONS if (value := _socket_option(sock, level, name))]
    attributes, _ = _parts(_state(sock, cls, False))
    return make_socket, (cls, sock.family, sock.type, sock.proto, sock.gettimeout(), options, [sock.get_inheritable()]), attributes or None


def _socket_option(sock, level, name):
    module = sys.modules["socket"]
    try:
        return sock.getsockopt(getattr(module, level), getattr(module, name))
    except (AttributeError, OSError):
        return 0


def make_socket(cls, family, kind, proto, timeout, options, inheritable):
    """inheritable: empty for a closed one."""
    import socket

    if not _derives(socket.socket, cls):
        raise TypeError("no socket")
    made = cls.__new__(cls)
    socket.socket.__init__(made, family, kind, proto)
    if not inheritable:
        made.close()
        return made
    for level, name, value in options:
        made.setsockopt(getattr(socket, level), getattr(socket, name), value)
    made.settimeout(timeout)
    made.set_inheritable(inheritable[0])
    return made


# --- queues, threads and pools ---------------------------------------------------------------------


def _reduce_simple_queue(queue):
    """Its items, which are taken out and put back: no other thread runs meanwhile."""
    items, interval = [], sys.getswitchinterval()
    if not queue.empty():
        sys.setswitchinterval(1000)
        try:
            while not queue.empty():
                items.append(queue.get_nowait())
            for item in items:
                queue.put(item)
        finally:
            sys.setswitchinterval(interval)
    return make_simple_queue, (), items, None, None, fill_simple_queue


def make_simple_queue():
    import _queue

    return _queue.SimpleQueue()


def fill_simple_queue(queue, items):
    for item in items:
        queue.put(item)


_OWN_OF_THREAD = ("_handle", "_os_thread_handle", "_tstate_lock", "_is_stopped", "_started", "_stderr", "_invoke_excepthook")


def reduce_thread(thread):
    """One that has ended, or has not begun."""
    if thread.is_alive():
        raise TypeError(f"it is a running thread ({thread.name}), which stays in its process")
    if any(starting is thread for starting in list(threading._limbo)):  # only the interpreter knows how far it is
        raise TypeError(f"it is a thread that is being started ({thread.name}); capture before, or when it runs")
    attributes = {name: value for name, value in thread.__dict__.items() if name not in _OWN_OF_THREAD}
    return make_thread, (type(thread),), (thread._started.is_set(), attributes), None, None, fill_thread


def make_thread(cls):
    if not _derives(threading.Thread, cls):
        raise TypeError("no thread")
    made = object.__new__(cls)
    threading.Thread.__init__(made, name="adopted", daemon=False)
    return made


def fill_thread(thread, state):
    ended, attributes = state
    for name in ("_target", "_args", "_kwargs") if ended else ():
        thread.__dict__.pop(name, None)
    thread.__dict__.update(attributes)
    if not ended:
        return
    thread._started.set()
    for name in ("_handle", "_os_thread_handle"):
        if name in thread.__dict__:
            handle = _thread._make_thread_handle(thread._ident or 0)  # as that of a thread that a fork left behind
            handle._set_done()
            thread.__dict__[name] = handle
    if "_is_stopped" in thread.__dict__:
        thread._is_stopped = True
    threading._dangling.discard(thread)


def _reduce_pool(pool):
    """A ThreadPoolExecutor that has nothing to do: its threads are started anew when they are needed."""
    import time

    until, seen = time.monotonic() + 5, 0  # a busy machine may leave a thread without a processor for a second
    # Seen twice: in between, a thread that has just taken a call out of the queue begins with it.
    while seen < 2:
        seen = seen + 1 if _has_ended(pool) else 0
        if time.monotonic() > until:
            raise TypeError("it has calls that run or wait to be run; wait for their futures first")
        time.sleep(0.001)
    own = ("_work_queue", "_idle_semaphore", "_threads", "_shutdown_lock")
    return make_pool, (type(pool),), {k: v for k, v in pool.__dict__.items() if k not in own}, None, None, fill_pool


def _has_ended(pool):
    """Whether every call of the pool has ended, and its threads wait for others. False is for a moment only: a future
    has its result a little before the thread that made it is idle again."""
    import concurrent.futures.thread as library

    if pool._work_queue.qsize() > pool._shutdown:
        raise TypeError("it has calls that wait to be run; wait for their futures first")
    run, worker = library._WorkItem.run.__code__, library._worker.__code__
    frames, waiting = sys._current_frames(), True
    for innermost in [frames.get(thread.ident) for thread in pool._threads if thread.is_alive()]:
        waiting = waiting and innermost is not None and innermost.f_code is worker and "work_item" not in innermost.f_locals
        frame = innermost
        while frame is not None and frame.f_code is not run:
            frame = frame.f_back
        item = frame.f_locals.get("self") if frame is not None else None  # None: its future has an exception
        if item is not None and not item.future.done():
            raise TypeError("it has calls that run; wait for their futures first")
    return waiting and not pool._shutdown_lock.locked()


def make_pool(cls):
    import concurrent.futures

    if not _derives(concurrent.futures.ThreadPoolExecutor, cls):
        raise TypeError("no pool of threads")
    return object.__new__(cls)


def fill_pool(pool, attributes):
    pool._work_queue, pool._idle_semaphore = make_simple_queue(), threading.Semaphore(0)
    pool._threads, pool._shutdown_lock = set(), threading.Lock()
    pool.__dict__.update(attributes)


def _reduce_concurrent(future):
    if future._state == "RUNNING":
        raise TypeError("its call runs in another thread; wait for it first")
    return object.__reduce_ex__(future, 5)


def _refuse_processes(pool):
    raise TypeError("its processes stay with their parent; make it again, or pass externals=…")


def _reduce_popen(process):
    if process.returncode is None:
        raise TypeError(f"its process {process.pid} may be running, and stays with its parent; wait for it first, or pass externals=…")
    return object.__reduce_ex__(process, 5)


# --- databases -------------------------------------------------------------------------------------


def _reduce_connection(connection):
    """A connection of sqlite3: the file by its path, or what is in memory by its bytes."""
    sqlite = sys.modules["sqlite3"]
    try:
        if connection.in_transaction:
            raise TypeError("it is in the middle of a transaction; commit or roll back first")
        databases = [row[1:] for row in _rows(connection, "PRAGMA database_list")]
    except sqlite.ProgrammingError as error:
        raise TypeError(str(error)) from None
    if [name for name, _ in databases if name != "temp"] != ["main"] or any(
        _rows(connection, "SELECT 1 FROM sqlite_temp_master")
    ):
        raise TypeError("it has attached databases or temporary tables; detach and drop them first")
    fresh = sqlite.connect(":memory:")
    try:
        for what, query in (
            ("functions", "SELECT name, narg FROM pragma_function_list WHERE NOT builtin"),
            ("collations", "SELECT name FROM pragma_collation_list"),
        ):
            own = {row[0] for row in set(_rows(connection, query)) - set(_rows(fresh, query))}
            if own:
                raise TypeError(f"it has {what} of the program ({', '.join(sorted(own))}); pass externals=…")
    finally:
        fresh.close()
    path = dict(databases)["main"]
    if not os.path.isabs(path):
        path = ""  # in memory: one that was made of bytes has a name there
    if path and not os.path.samefile(path, path):
        raise TypeError("its path does not lead to it any more")
    attributes = {name: getattr(connection, name) for name in ("row_factory", "text_factory", "isolation_level")}
    if hasattr(connection, "autocommit"):
        attributes["autocommit"] = connection.autocommit
    options = path, _detected_types(connection), None if path else connection.serialize()
    return make_connection, (type(connection), *options), (attributes, connection.total_changes), None, None, fill_connection


def _rows(connection, query):
    cursor = sys.modules["sqlite3"].Cursor(connection)
    cursor.row_factory = None
    try:
        return [tuple(v.decode() if type(v) is bytes else v for v in row) for row in cursor.execute(query)]
    finally:
        cursor.close()


def _detected_types(connection):
    """What was given as detect_types=, which shows in what a query gives."""
    sqlite = sys.modules["sqlite3"]
    own, met = sqlite.converters.get("TEXT"), []
    sqlite.converters["TEXT"] = met.append
    cursor = sqlite.Cursor(connection)
    try:
        cursor.execute("SELECT type FROM sqlite_master UNION ALL SELECT 'x'").fetchone()
        names = cursor.execute('SELECT 1 AS "x [y]"').description[0][0] == "x"
    finally:
        cursor.close()
        sqlite.converters.pop("TEXT")
        if own is not None:
            sqlite.converters["TEXT"] = own
    return (sqlite.PARSE_DECLTYPES if met else 0) | (sqlite.PARSE_COLNAMES if names else 0)


def make_connection(cls, path, detect_types, contents):
    import sqlite3

    if not _derives(sqlite3.Connection, cls):
        raise TypeError("no connection")
    if path:
        place = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=rw"
    else:
        place = ":memory:"
    connection = cls.__new__(cls)
    sqlite3.Connection.__init__(connection, place, detect_types=detect_types, check_same_thread=False, uri=bool(path))
    if contents:
        connection.deserialize(contents)
    return connection


def fill_connection(connection, state):
    for name, value in state[0].items():
        setattr(connection, name, value)


# --- mappings --------------------------------------------------------------------------------------


def _reduce_mmap(mapping):
    """Of a file by its path; anonymous memory, and pages of a private mapping, by their bytes."""
    try:
        length, position = len(mapping), mapping.tell()
    except ValueError as error:
        raise TypeError(str(error)) from None
    if not length:
        raise TypeError("it is empty")
    with memoryview(mapping) as view:
        address, readonly = buffer_address(view), view.readonly
    start, protection, offset, path = _mapped_at(address)
    shared = protection[3] == "s"
    if not path or path.startswith("/dev/zero"):
        return make_mmap, (type(mapping), "", length, 0, "anonymous", mapping[:], position)
    if path.endswith(" (deleted)") or not os.path.exists(path):
        raise TypeError("the file that it maps is gone")
    access = "private" if not shared and not readonly else "read" if readonly else "write"
    contents = mapping[:] if access == "private" else b""
    return make_mmap, (type(mapping), path, length, offset + address - start, access, contents, position)


def _mapped_at(address):
    with open("/proc/self/maps") as maps:
        for line in maps:
            place, protection, offset, _, _, *path = line.rstrip("\n").split(maxsplit=5)
            start, end = (int(number, 16) for number in place.split("-"))
            if start <= address < end:
                return start, protection, int(offset, 16), path[0] if path else ""
    raise TypeError("where its memory is mapped is not known")


def make_mmap(cls, path, length, offset, access, contents, position):
    import mmap

    if not _derives(mmap.mmap, cls):
        raise TypeError("no mapping")
    if access == "anonymous":
        mapping = mmap.mmap.__new__(cls, -1, length)
        mapping[:] = contents
    else:
        how = {"read": mmap.ACCESS_READ, "write": mmap.ACCESS_WRITE, "private": mmap.ACCESS_COPY}[access]
        with open(path, "r+b" if access == "write" else "rb") as file:
            mapping = mmap.mmap.__new__(cls, file.fileno(), length, access=how, offset=offset)
        if access == "private":
            mapping[:] = contents
    mapping.seek(position)
    return mapping


# --- temporary directories, capsules ---------------------------------------------------------------


def _reduce_temporary_directory(directory):
    attributes = {name: value for name, value in directory.__dict__.items() if name != "_finalizer"}
    return make_temporary_directory, (type(directory), directory._finalizer.alive), attributes, None, None, fill_temporary_directory


def make_temporary_directory(cls, alive):
    """alive: it is to be removed with the object."""
    import tempfile

    if not _derives(tempfile.TemporaryDirectory, cls):
        raise TypeError("no temporary directory")
    made = object.__new__(cls)
    made._finalizer = alive
    return made


def fill_temporary_directory(directory, attributes):
    directory.__dict__.update(attributes)
    alive = directory._finalizer
    if alive and not os.path.isdir(directory.name):
        raise ValueError(f"the temporary directory {directory.name!r} was removed by the process that was captured")
    options = {"ignore_errors": directory._ignore_cleanup_errors}
    if "_delete" in attributes:
        options["delete"] = directory._delete
    message = f"Implicitly cleaning up {directory!r}"
    directory._finalizer = weakref.finalize(directory, directory._cleanup, directory.name, warn_message=message, **options)
    if not alive:
        directory._finalizer.detach()


_CAPSULE = re.compile(r'<capsule object "([\w.]+)" at ')


def reduce_capsule(capsule):
    """By the name under which a module has it; None for any other."""
    named = _CAPSULE.match(repr(capsule))
    module, _, name = named[1].rpartition(".") if named else ("", "", "")
    if module and getattr(sys.modules.get(module), name, None) is capsule:
        return getattr, (sys.modules[module], name)
    raise TypeError("a pointer of C code stays with its process; pass externals=…")


# --- what cannot be read ---------------------------------------------------------------------------

_UNREADABLE = "what it was fed cannot be read from it: keep the data, or finish it and keep the digest"
_UNFINISHED = "how far it is cannot be read from it: finish or flush it first"
_SECRET = "keys and sessions stay with their process: make it again, or pass externals=…"
_SAY_NOTHING = {
    **dict.fromkeys(("_md5", "_sha1", "_sha2", "_sha256", "_sha512", "_sha3", "_hmac"), _UNREADABLE),
    **dict.fromkeys(("zlib", "_zstd", "compression.zstd"), _UNFINISHED),
    **dict.fromkeys(("_ssl", "ssl"), _SECRET),
    "select": "what it watches cannot be read from it: use a class of selectors, or pass externals=…",
    "sqlite3": "it is in the middle of its rows: fetch them first",
}


def refuse_of_library(cls):
    """Raises with what to do about an object that says nothing."""
    text = _SAY_NOTHING.get(_named_module(cls))
    if text is None and _name_of(cls) in ("Compress", "Decompress"):
        text = _UNFINISHED
    if text is not None:
        raise TypeError(text)


def _kinds_of(module, *names_and_reducers):
    return lambda: {cls: reducer for name, reducer in names_and_reducers if (cls := getattr(sys.modules[module], name, None))}


_LATE_KINDS.update(
    {
        ("socket", "socketpair"): _kinds_of("socket", ("socket", _reduce_socket)),
        ("_queue", "SimpleQueue"): _kinds_of("_queue", ("SimpleQueue", _reduce_simple_queue)),
        ("concurrent.futures.thread", "ThreadPoolExecutor"): _kinds_of("concurrent.futures.thread", ("ThreadPoolExecutor", _reduce_pool)),
        ("concurrent.futures._base", "Executor"): _kinds_of("concurrent.futures._base", ("Future", _reduce_concurrent)),
        ("concurrent.futures.process", "ProcessPoolExecutor"): _kinds_of(
            "concurrent.futures.process", ("ProcessPoolExecutor", _refuse_processes)
        ),
        ("subprocess", "Popen"): _kinds_of("subprocess", ("Popen", _reduce_popen)),
        ("sqlite3", "connect"): _kinds_of("sqlite3", ("Connection", _reduce_connection)),
        ("mmap", "mmap"): _kinds_of("mmap", ("mmap", _reduce_mmap)),
        ("tempfile", "TemporaryDirectory"): _kinds_of("tempfile", ("TemporaryDirectory", _reduce_temporary_directory)),
        ("logging", "LoggerAdapter"): _kinds_of(
            "logging", ("Logger", _reduce_logger), ("Manager", _reduce_logging_manager)
        ),
        ("re", "Scanner"): _kinds_of("re", ("Scanner", _reduce_token_scanner)),
        ("sqlite3.dbapi2", "Row"): _kinds_of("sqlite3.dbapi2", ("Row", _reduce_row)),
        ("json.scanner", "c_make_scanner"): _kinds_of("json.scanner", ("c_make_scanner", _reduce_json_scanner)),
    }
)

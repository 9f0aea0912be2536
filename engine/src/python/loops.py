# Event loops of asyncio: as values, and as what a stack runs in.
#
# A loop that travels has its tasks, callbacks and timers; its selector, and the pair of sockets by which other threads
# wake it, are new. Its clock goes on from where it stood: what was to happen in a second happens a second after
# the loop looks at it first. Connections, servers, signal handlers and descriptors that it watches are refused.

_asleep = weakref.WeakKeyDictionary()  # rebuilt loops that have no descriptors yet
_new_loops = {}  # by the thread that adopts them
_loop_maps = weakref.WeakKeyDictionary()  # what a rebuilt selector watches, whatever becomes of its dict meanwhile


def _reduce_loop(loop):
    attributes = dict(loop.__dict__)
    for name in ("_ssock", "_csock", "_internal_fds", "_thread_id", "_transports"):
        attributes.pop(name, None)
    if not hasattr(loop, "_signal_handlers"):
        raise TypeError("it is being made; capture when its constructor has returned")
    if loop._signal_handlers:
        raise TypeError("it handles signals; remove them with remove_signal_handler() and add them again after the capture")
    open_ones = [t for t in list(loop._transports.values()) if not t.is_closing()]
    if open_ones:
        names = ", ".join(sorted({type(t).__name__ for t in open_ones}))
        raise TypeError(f"it has open transports ({names}): connections, servers and pipes stay with their process; close them")
    clock = attributes.pop("time", None)
    now = loop.time() if clock is not None or type(loop).time is sys.modules["asyncio.base_events"].BaseEventLoop.time else None
    return make_loop, (type(loop),), (attributes, now), None, None, fill_loop


def make_loop(cls):
    import asyncio

    if not _derives(asyncio.selector_events.BaseSelectorEventLoop, cls):
        raise TypeError("no event loop that waits with a selector")
    loop = object.__new__(cls)
    loop._closed = True  # so that dropping it warns of nothing
    return loop


def fill_loop(loop, state):
    attributes, now = state
    loop.__dict__.update(attributes)
    loop._thread_id, loop._internal_fds, loop._ssock, loop._csock = None, 0, None, None
    loop._transports = weakref.WeakValueDictionary()
    if now is not None:
        loop.time = loop_clock(now)
    if not loop._closed:
        # One that a stack runs is opened when that is resumed: until then, dropping it is nothing to warn of.
        loop._closed, _asleep[loop] = True, True
        _new_loops.setdefault(_thread.get_ident(), []).append(weakref.ref(loop))
        loops_are_asleep()


def wake_loop(loop):
    if _asleep.pop(loop, False):
        loop._closed = False
        loop._make_self_pipe()


def wake_loops(running):
    """A stack was adopted: the loops that it holds are opened, but the one that it runs."""
    for reference in reversed(_new_loops.pop(_thread.get_ident(), [])):
        loop = reference()
        if loop is not None and loop is not running:
            wake_loop(loop)


def _wakes_loop(key):
    """Whether it is a loop's own socket that a selector watches."""
    reader = key.data[0] if type(key.data) is tuple and len(key.data) == 2 else None
    callback = getattr(reader, "_callback", None)
    own = getattr(sys.modules.get("asyncio.selector_events"), "BaseSelectorEventLoop", None)
    return type(callback) is types.MethodType and own is not None and callback.__func__ is own._read_from_self


def _reduce_selector(selector):
    cls, attributes = type(selector), dict(selector.__dict__)
    keys, mapping = attributes.pop("_fd_to_key"), attributes.pop("_map")
    for name in ("_selector", "_readers", "_writers"):
        attributes.pop(name, None)
    watched = []
    for key in list(keys.values()):
        if _wakes_loop(key):
            continue
        if type(key.fileobj) is int:
            raise TypeError(f"it watches descriptor {key.fd}, which stays with its process: unregister it (remove_reader(), remove_writer())")
        watched.append((key.fileobj, key.events, key.data))
    return make_selector, (cls,), (attributes, keys, mapping is None, watched), None, None, fill_selector


def make_selector(cls):
    import selectors

    if not _derives(selectors.BaseSelector, cls):
        raise TypeError("no selector")
    return cls()


def fill_selector(selector, state):
    attributes, keys, closed, watched = state
    selector.__dict__.update(attributes)
    if closed:
        selector.close()
        keys.clear()
        selector._fd_to_key = keys
        return
    known = dict(selector._fd_to_key)  # a loop may have registered its own socket already
    keys.clear()
    keys.update(known)
    selector._fd_to_key = keys
    for fileobj, events, data in watched:
        selector.register(fileobj, events, data)
    _loop_maps[selector] = dict(keys)


def make_generator_hooks(*hooks):
    return type(sys.get_asyncgen_hooks())(hooks)


REDUCERS[type(sys.get_asyncgen_hooks())] = lambda hooks: (make_generator_hooks, tuple(hooks))


# --- the loop that a stack runs in -----------------------------------------------------------------


def finish_asyncio(loop, task, state):
    """Below a stack that contains the frames which run an event loop."""
    return hole()


def loop_space():
    """The namespace of the function that runs a loop."""
    return vars(sys.modules["asyncio.base_events"])


def runs_loop(function):
    """Whether a function of that namespace runs a loop: its frame holds the one that the stack runs in. By name: the code of
    a stack that was captured under another micro version is not this process's own."""
    return function.__code__.co_qualname == "BaseEventLoop.run_forever"


def loop_state(loop):
    """What a stack brings that runs this loop: it, the current task, what of the thread it has taken."""
    if _derives(sys.modules["asyncio.selector_events"].BaseSelectorEventLoop, type(loop)):
        REDUCERS.setdefault(type(loop), _reduce_loop)  # a class of the program's
    running = sys.modules["_asyncio"]._get_running_loop() is loop
    task = sys.modules["asyncio.tasks"].current_task(loop) if running else None
    hooks = sys.get_asyncgen_hooks().firstiter == loop._asyncgen_firstiter_hook
    return loop, task, (loop._thread_id is not None, running, hooks, sys.get_coroutine_origin_tracking_depth())


def _policys_loop():
    return getattr(getattr(sys.modules["asyncio.events"], "_event_loop_policy", None), "_local", None)


def enter_loop(loop, task, state):
    """A stack goes on that runs this loop. Returns what leave_loop() needs to give the thread back what it had."""
    thread, running, hooks, depth = state
    module, local = sys.modules["_asyncio"], _policys_loop()
    own = _set_aside(None), sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth(), local, dict(vars(local or Nowhere()))
    wake_loop(loop)
    keys = _loop_maps.pop(loop._selector, None) if loop._selector is not None else None
    if keys is not None:
        known = {fd: key for fd, key in loop._selector._fd_to_key.items() if _wakes_loop(key) and key.fileobj == loop._ssock.fileno()}
        loop._selector._fd_to_key.clear()
        loop._selector._fd_to_key.update(keys | known)
    loop._thread_id = _thread.get_ident() if thread else None
    if hooks:
        sys.set_asyncgen_hooks(firstiter=loop._asyncgen_firstiter_hook, finalizer=loop._asyncgen_finalizer_hook)
    sys.set_coroutine_origin_tracking_depth(depth)
    for one in _unarmed.pop(loop, ()):
        if not one.done():
            one._log_destroy_pending = True
    if running:
        module._set_running_loop(loop)
        if task is not None:
            module._enter_task(loop, task)
    return own


def leave_loop(own):
    (loop, task), hooks, depth, local, names = own
    sys.set_asyncgen_hooks(*hooks)
    sys.set_coroutine_origin_tracking_depth(depth)
    if local is not None:
        vars(local).clear()
        vars(local).update(names)
    _set_aside(None)
    _put_back(loop, task)


# --- kinds of modules that not every program imports -----------------------------------------------


def _kinds_of_asyncio():
    loop = sys.modules["asyncio"].SelectorEventLoop
    return {loop: _reduce_loop}


def _kinds_of_selectors():
    module = sys.modules["selectors"]
    names = ("EpollSelector", "PollSelector", "SelectSelector", "DevpollSelector")
    return {getattr(module, name): _reduce_selector for name in names if hasattr(module, name)}


# By the module, and what it has once it is complete.
_LATE_KINDS = {("asyncio", "SelectorEventLoop"): _kinds_of_asyncio, ("selectors", "DefaultSelector"): _kinds_of_selectors}


def learn_late_kinds():
    """Modules were imported: the kinds of those that have reducers here. Returns whether asyncio is one of them."""
    for (module, name), kinds in list(_LATE_KINDS.items()):
        if hasattr(sys.modules.get(module), name):
            _LATE_KINDS.pop((module, name), None)
            for cls, reducer in kinds().items():
                REDUCERS.setdefault(cls, reducer)
    return asyncio_is_there()

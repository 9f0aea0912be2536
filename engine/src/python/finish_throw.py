# Finishers of throw() and close() of generators that delegate: see throw.rs. `outer` is such a generator, which C code
# left suspended; what it delegates to runs.


def _lost(error, handled):
    """The error, which gets what a generator handles as its context. On 3.11 it keeps of its traceback only what a handler
    has seen."""
    if sys.version_info < (3, 12) and handled is not None:
        seen, last = error.__traceback__, None
        while seen is not None:
            code = seen.tb_frame.f_code
            if last is None and seen.tb_frame.f_globals is not globals() and _is_caught_at(code, seen.tb_lasti):
                last = seen
            seen = seen.tb_next
        error.__traceback__ = last
    return error


def _is_caught_at(code, offset):
    return any(h.start <= offset < h.end for h in dis._parse_exception_table(code))


def finish_thrown(outer, way):
    """Of outer.throw(): what it delegates to was thrown into. way: the generator itself, or a step of an async one."""
    try:
        return hole()
    except BaseException as raised:
        error = raised
    if isinstance(error, StopIteration):
        if let_go(outer, True):
            return way.send(error.value)
    else:
        let_go(outer, False)
    return way.throw(_lost(error, handled_by(outer)))


def finish_defaulted(default):
    """Of the throw() of what anext() gives with a default."""
    try:
        return hole()
    except StopAsyncIteration:
        pass
    raise StopIteration(default)


def finish_closed(outer):
    """Of outer.close(): what it delegates to was closed."""
    try:
        hole()
    except BaseException as raised:
        error = raised
    else:
        error = None
    let_go(outer, False)
    if error is None:
        return outer.close()
    try:
        outer.throw(_lost(error, handled_by(outer)))
    except (GeneratorExit, StopIteration) as end:
        return end.value if sys.version_info >= (3, 13) and isinstance(end, StopIteration) else None
    raise RuntimeError(f"{name_in_c(type(outer))} ignored GeneratorExit")


def finish_exit(outer, thrown):
    """Of outer.throw(thrown), a GeneratorExit: what it delegates to was closed."""
    try:
        hole()
    except BaseException as raised:
        error = raised
    else:
        error = thrown
    let_go(outer, False)
    return outer.throw(_lost(error, handled_by(outer)))


def finish_handled(source, outer, handled):
    """Of a throw() that outer passes on: it handles an exception, which what it delegates to does not see."""
    try:
        for item in source:
            handles(outer, handled)
            await_step(False)
            return item
        for value in source:
            break
    except BaseException as raised:
        error = raised
    else:
        error = None
    handles(outer, handled)
    if error is not None:
        raise _lost(error, handled)  # in its context
    await_step(True)
    return value


def finish_handling(outer, handled):
    """As finish_handled, where outer delegates to no generator."""
    try:
        item = hole()
    except StopIteration as stop:
        ended, error, item = True, None, stop.value
    except BaseException as raised:
        error = raised
    else:
        ended, error = False, None
    handles(outer, handled)
    if error is not None:
        raise _lost(error, handled)
    await_step(ended)
    return item


# While one of these waits, its generator says that it runs, and does not.
PASSING = (finish_thrown, finish_closed, finish_exit)

# Finishers of throw() and close() of generators that delegate: see throw.rs. `outer` is such a generator, which C code
# left suspended; what it delegates to runs.


def finish_thrown(outer):
    """Of outer.throw(): what it delegates to was thrown into."""
    try:
        return hole()
    except BaseException as raised:
        error = raised
    if isinstance(error, StopIteration):
        if let_go(outer, True):
            return outer.send(error.value)
    else:
        let_go(outer, False)
    return outer.throw(error)


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
        outer.throw(error)
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
    return outer.throw(error)


# While one of these waits, its generator says that it runs, and does not.
PASSING = (finish_thrown, finish_closed, finish_exit)

# Lazy imports (3.15): C code imports the module when a name is loaded, or when resolve() is called.


def _load_lazy(call):
    space = next((space for space in call.spaces if type(space) is not dict or call.argval in space), None)
    if type(space) is not dict:
        return None
    finishers = _resolves(call, dict.__getitem__(space, call.argval), call.argval, space)
    if finishers is None or _begins_a_block(call.code, call.unit):
        return None
    if call.op == "LOAD_NAME" or not call.arg & 1:
        return "lazy import", "after", [], finishers()
    # Two results, of which one is NULL: the instruction is done once more, if there is something to give to it. If not, a
    # function that calls its first argument is the other one.
    if call.stack and call.stack[-1] is not EMPTY:
        return "lazy import", "again", [], finishers((call.stack[-1],))
    return "lazy import", "after", [operator.call], finishers()


def _begins_a_block(code, unit):
    """Whether what an inner frame raises would be looked for in other handlers than what the instruction itself does: the
    interpreter looks one code unit before it."""
    covers = lambda offset: [h.target for h in dis._parse_exception_table(code) if h.start <= offset < h.end]
    return covers(2 * unit) != covers(2 * unit - 2)


def _resolves(call, lazy, name=None, space=None):
    """What makes the finishers, if the inner frame imports what a lazy import stands for."""
    root = parts = lazy_parts(lazy) if type(lazy) is _LAZY else None
    while root is not None and type(root[0]) is _LAZY:
        root = lazy_parts(root[0])
    if root is None or parts is None or root[0].get("__import__") is not _c_import:
        return None
    _, imported, _, _ = root
    if call.calls(_IMPORTLIB._find_and_load):
        proved = type(call.given(0)) is str and call.given(0) == imported
    else:
        proved = call.calls(_IMPORTLIB._handle_fromlist) and call.given(0) is sys.modules.get(imported)
    if not proved:
        return None
    return lambda given=(): [(finish_lazy, (lazy, name, space, given), None)]


def _resolve_called(call, function, args):
    """resolve() of a lazy import, as a method or by its class."""
    if _LAZY is None or args is None:
        return None
    if type(function) is types.BuiltinMethodType and type(function.__self__) is _LAZY:
        function, args = _LAZY.__dict__.get(function.__name__), [function.__self__, *args]
    finishers = _resolves(call, args[0]) if function is _resolve and len(args) == 1 else None
    return finishers and ("lazy import", "after", [], finishers())

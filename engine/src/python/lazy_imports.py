# Lazy imports (3.15) as values, and the C code that resolves one when its name is loaded.
#
# What an object of the type holds, the garbage collector says: the builtins that it imports by, or the lazy import that it
# is taken from; the name; the names of `from`; the code that declared it, at an instruction that is a word of its own.

_LAZY = getattr(types, "LazyImportType", None)
_resolve = None if _LAZY is None else _LAZY.__dict__["resolve"]


def check_lazy_imports():
    """Finds the word that says where a lazy import was declared; none travels where it is not found."""
    if _LAZY is None:
        return
    made = make_lazy_import("torpor", ("a",), ("declared.py", "declared", 37), vars(builtins))
    child = make_lazy_attribute(made, "b", ("declared.py", "declared", 41))
    size = _LAZY.__basicsize__ // 8
    for place in range(2, size):
        for lazy, line in ((made, 37), (child, 41)):
            parts = _lazy_parts(lazy, place)
            if parts is None or parts[-1] != ("declared.py", "declared", line):
                break
        else:
            _lazy_place.append(place)
            REDUCERS[_LAZY] = _reduce_lazy
            return


_lazy_place = []


def _lazy_parts(lazy, place):
    """(builtins, name, names of `from` or None, where), or (lazy import, name, where); None for anything else."""
    origin, name, *names, code = gc.get_referents(lazy)
    if type(code) is not types.CodeType or type(name) is not str or len(names) > 1:
        return None
    unit = iterator_word(lazy, place) & 0xFFFFFFFF
    line = next((line for start, end, line in code.co_lines() if start <= 2 * unit < end), None)
    where = code.co_filename, code.co_name, line
    if type(origin) is _LAZY:
        return (origin, name, where) if not names else None
    if type(origin) is not dict or names and type(names[0]) is not tuple:
        return None
    return origin, name, names[0] if names else None, where


def lazy_parts(lazy):
    return _lazy_parts(lazy, _lazy_place[0]) if _lazy_place else None


def _reduce_lazy(lazy):
    parts = lazy_parts(lazy)
    if parts is None:
        raise TypeError("what it imports cannot be read")
    if type(parts[0]) is _LAZY:
        return make_lazy_attribute, parts
    if parts[0].get("__import__") is not _c_import:
        raise TypeError("it imports by an __import__ of its own")
    return make_lazy_import, parts[1:]


def _declared(text, where, space):
    """What the statement assigns to `made`, as if it stood there."""
    filename, function, line = where
    code = compile("\n" * ((line or 1) - 1) + text, filename, "exec")
    exec(code.replace(co_name=function, co_qualname=function), space)
    return dict.__getitem__(space, "made")


def make_lazy_import(name, names, where, by=None):
    by = vars(builtins) if by is None else by
    given = {"__name__": "", "__builtins__": by}
    space = {"make": builtins.__lazy_import__, "name": name, "names": names, "given": given, "__builtins__": by}
    return _declared("made = make(name, given, None, names, 0)", where, space)


def make_lazy_attribute(lazy, name, where):
    space = {"__builtins__": {"__lazy_import__": lambda *_: lazy}}
    return _declared(f"lazy from _ import {name} as made", where, space)


def _failing(lazy, importing):
    """The same lazy import, by another __import__."""
    origin, *rest = lazy_parts(lazy)
    if type(origin) is _LAZY:
        return make_lazy_attribute(_failing(origin, importing), *rest)
    return make_lazy_import(*rest, {**vars(builtins), "__import__": importing})


def _explain(lazy, error):
    """Let the C code say of an exception where the lazy import was declared."""
    def importing(*_):
        raise error

    trace = error.__traceback__
    try:
        _resolve(_failing(lazy, importing))
    except BaseException:
        error.__traceback__ = trace


def finish_lazy(lazy, name, space, given):
    """Of a name that was loaded, and whose lazy import was resolved. space: what has it under the name, or None. given:
    what the instruction, which is done once more, is given instead of the result."""
    try:
        hole()
    except BaseException as error:
        _without_importlib(error)
        _explain(lazy, error)
        raise
    value = _resolve(lazy)  # by the C code that was left: the module is imported by now
    if space is not None:
        found = dict.get(space, name)
        # A package's namespace got the module of that name while it was imported.
        child = sys.modules.get(f"{dict.get(space, '__name__')}.{name}")
        if found is lazy or found is not None and found is child:
            space[name] = value
    return given[0] if given else value

# Containers that know objects by their id(): an id is another number in the adopter. Where functions of the standard
# library that keep such a container run in what is captured, it travels with the objects themselves, and so do the ids
# that frames hold beside it; both are made anew when it is rebuilt. Likewise the number of an event loop's own socket.

import _thread


THIS_THREAD = object()


class IdOf:
    """Stands for the number id(obj) in a slot of a frame."""

    __slots__ = ("obj",)

    def __init__(self, obj):
        self.obj = obj


class OwnSocketOf(IdOf):
    """Stands for the number of the socket by which other threads wake a loop."""

    __slots__ = ()


def own_socket_of(loop):
    wake_loop(loop)
    return loop._ssock.fileno()


class RunningKey(IdOf):
    """Stands for the pair (id(obj), this thread) of `reprlib.recursive_repr`."""

    __slots__ = ()


def running_key(obj):
    return id(obj), _thread.get_ident()


def reduce_id(obj):
    """A number that is the id of an object, or that of this thread."""
    return (_thread.get_ident, ()) if obj is THIS_THREAD else (id, (obj,))


REDUCERS[IdOf] = lambda stand_in: reduce_id(stand_in.obj)
REDUCERS[OwnSocketOf] = lambda stand_in: (own_socket_of, (stand_in.obj,))
REDUCERS[RunningKey] = lambda stand_in: (running_key, (stand_in.obj,))


def fill_keyed(table, state):
    """state: keys and values; which keys are objects whose id is the key."""
    for key, value, by_id in zip(*state):
        table[id(key) if by_id else key] = value


def fill_running(running, objects):
    running.update([running_key(obj) for obj in objects])


# --- which code keeps such containers ------------------------------------------------------------------

_COPYING = {"deepcopy", "_reconstruct", "_keep_alive", *(f"_deepcopy_{kind}" for kind in ("list", "tuple", "dict", "frozendict", "method"))}
_WATCHING = {"register", "unregister", "modify", "_fileobj_lookup", "_fileobj_to_fd"}
_WATCHING_LOOP = {"_add_reader", "_remove_reader", "_add_writer", "_remove_writer", "_ensure_fd_no_transport"}
_KEEPERS = (
    ("/selectors.py", lambda name: name in _WATCHING),
    ("/asyncio/selector_events.py", lambda name: name in _WATCHING_LOOP),
    ("/copy.py", lambda name: name in _COPYING),
    ("/pickle.py", lambda name: name == "persistent_id" or name.startswith(("save", "_batch_", "memoize", "dump"))),
    ("/json/encoder.py", lambda name: name.startswith("_iterencode")),
    ("/reprlib.py", lambda name: name == "wrapper"),
    ("/dataclasses.py", lambda name: name == "wrapper"),
)


def keyed_by_id(code):
    """What keeps the ids in frames of this code: a part of its file's name; None for almost all code."""
    for file, is_keeper in _KEEPERS:
        if code.co_filename.endswith(file) and is_keeper(code.co_name):
            return file
    return None


# --- what is done with them ----------------------------------------------------------------------------

_WIDEST = 1 << 18  # objects that are looked through for an original
_PASSED_OVER = (type, types.FunctionType, types.ModuleType, types.CodeType, types.BuiltinFunctionType, types.FrameType)


class _NotKnown(Exception):
    pass


def _contents(value):
    if type(value) is types.CellType:
        try:
            return value.cell_contents
        except ValueError:
            return EMPTY
    return value


def _locals_by_name(code, values):
    names = (*code.co_varnames, *(n for n in code.co_cellvars if n not in code.co_varnames), *code.co_freevars)
    return dict(zip(names, map(_contents, values)))


def _free_variable(function, name):
    return dict(zip(function.__code__.co_freevars, map(_contents, function.__closure__ or ()))).get(name)


def _reached(roots, wanted):
    """Of the ids that are wanted, those of objects that the roots lead to."""
    found, seen, layer = {}, set(), list(roots)
    while layer and len(seen) < _WIDEST and len(found) < len(wanted):
        following = []
        for obj in layer:
            if id(obj) in wanted:
                found[id(obj)] = obj
            if id(obj) not in seen and not isinstance(obj, _PASSED_OVER):
                seen.add(id(obj))
                following.append(obj)
        layer = gc.get_referents(*following)
    return found, len(seen) < _WIDEST


def _tables(kind, local):
    """The container that a frame keeps ids in, or None."""
    if kind == "/copy.py":
        table = local.get("memo")
    elif kind == "/pickle.py":
        table = getattr(local.get("self"), "__dict__", {}).get("memo")
    elif kind == "/json/encoder.py":
        table = local.get("markers")
        inner = local.get("_iterencode")
        if table is None and type(inner) is types.FunctionType:  # what begins: it calls one that has it
            table = _free_variable(inner, "markers")
    else:
        return local.get("repr_running")  # what watches sockets has none
    if table in (None, EMPTY):
        return None
    if type(table) is not dict:
        raise _NotKnown(f"it keeps copies in an object of the class {type(table).__name__}, by their ids; pass it a plain dict")
    return table


def _originals(table, known):
    """The objects whose ids are keys of a table."""
    for key, value in list(table.items()):
        if key == id(table) and type(value) is list:
            known.update((id(obj), obj) for obj in value)
        known[id(value)] = value
        if type(value) is tuple and len(value) == 2:  # of a pickler: (number, object)
            known[id(value[1])] = value[1]
    known[id(table)] = table
    wanted = {key for key in table if type(key) is int and key not in known}
    if wanted:
        found, _ = _reached(list(known.values()), wanted)
        known.update(found)
        if len(found) < len(wanted):
            raise _NotKnown(
                "its memo has ids of objects that nothing in the captured stack leads to; put the object itself "
                "among the memo's values, or capture before or after the copy"
            )


def _rekeyed(table, known):
    keys = list(table)
    by_id = [type(key) is int for key in keys]
    return dict, (), ([known[key] if is_id else key for key, is_id in zip(keys, by_id)], [table[key] for key in keys], by_id), None, None, fill_keyed


def keyed_in(frames):
    """frames: of each its code, whether its function is found by name, its locals and its evaluation stack.

    What stands in the way, as (number of the frame, text); or the containers, each with how it is taken apart, and
    (number of the frame, slot, what stands in for the id there).
    """
    known, kept, tables, running = {}, [], {}, {}
    for number, (code, by_name, values, stack) in enumerate(frames):
        kind, local = keyed_by_id(code), _locals_by_name(code, values)
        known.update((id(value), value) for value in (*local.values(), *map(_contents, stack)))
        kept.append((kind, local))
        try:
            table = None if kind is None else _tables(kind, local)
            if type(table) is set:
                if not by_name:
                    running[id(table)] = table
                elif local["self"] is not EMPTY and not _never_reaches_itself(local["self"]):
                    raise _NotKnown("it knows an object that leads to itself by its id, in a set of a class that the adopter has of its own; capture outside of its repr()")
            elif type(table) is dict:
                tables[id(table)] = table
        except _NotKnown as what:
            return number, str(what)
    known.pop(id(EMPTY), None)
    for table in tables.values():
        try:
            _originals(table, known)
        except _NotKnown as what:
            return next(n for n, (kind, local) in enumerate(kept) if kind), str(what)
    parts = [(table, _rekeyed(table, known)) for table in tables.values()]
    for table in running.values():
        mine = [key[0] for key in table if key[1] == _thread.get_ident()]
        parts.append((table, (set, (), [known[key] for key in mine if key in known], None, None, fill_running)))
    slots, loops = [], _loops_among(known.values(), [kind for kind, _ in kept])
    ids = {key for table in tables.values() for key in table if type(key) is int}
    for number, (kind, local) in enumerate(kept):
        if kind is None and not any(id(value) in tables for value in local.values()):
            continue
        own = {id(value) for value in local.values()}
        values = frames[number][2]
        for slot, value in enumerate(values):
            if type(value) is int and value in loops:
                slots.append((number, slot, OwnSocketOf(loops[value])))
            elif type(value) is int and (value in ids or value in own) and value in known:
                slots.append((number, slot, IdOf(known[value])))
            elif id(local.get("repr_running")) in running and value is local.get("key") and value is not EMPTY:
                slots.append((number, slot, RunningKey(local["self"])))
    return parts, slots


def _loops_among(values, kinds):
    """The event loops among what frames hold, by the numbers of their own sockets, if one of them watches sockets."""
    if not any(kind in ("/selectors.py", "/asyncio/selector_events.py") for kind in kinds):
        return {}
    events = sys.modules.get("asyncio.selector_events")
    loops = [v for v in values if events is not None and _is(v, events.BaseSelectorEventLoop)]
    return {loop._ssock.fileno(): loop for loop in loops if getattr(loop, "_ssock", None) is not None}


def _never_reaches_itself(obj):
    found, all_seen = _reached(gc.get_referents(obj), {id(obj)})
    return all_seen and not found

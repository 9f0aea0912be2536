# How classes are made: type.__call__, type.__new__ and what they ask of a metaclass, of attributes and bases.
#
# Each of these says what finishes the call if it runs the inner frame itself: (kind, finishers), or None.

_CREATES = "class creation"
_type_call = type.__dict__["__call__"]
_type_new = type.__dict__["__new__"]
_type_init = type.__dict__["__init__"]
_enum_new = enum.EnumType.__dict__["__new__"]


def _winner(meta, bases):
    """The most derived metaclass; None where they conflict or bases are not known to be classes."""
    if any(not _is(base, type) for base in bases):
        return None
    try:
        return _most_derived(meta, bases)
    except TypeError:
        return None


def _class_called(call, cls, args, kwargs):
    """cls(*args, **kwargs)"""
    if call.special(cls, "__call__"):
        return "metaclass", []
    if _lookup(type(cls), "__call__") is not _type_call:
        return None
    return _type_called(call, cls, args, kwargs)


def _type_called(call, cls, args, kwargs):
    """type.__call__(cls, *args, **kwargs). args: None or with EMPTY among them where they are not known."""
    obj = call.given(0)
    if obj is not EMPTY and _derives(cls, type(obj)) and call.special(obj, "__init__"):
        return "init", [(finish_init, (obj,), None)]
    known = args is not None and not any(a is EMPTY for a in args)
    new = _lookup(cls, "__new__")
    if call.calls(new):
        if not known and args is not None and new is _enum_new and _lookup(cls, "__init__") is _type_init:
            # It has lost the namespace of the body, and makes an instance of cls. type.__init__ only counts arguments.
            args, known = [None if a is EMPTY else a for a in args], True
        return ("new", [(finish_new, (cls, tuple(args), kwargs), None)]) if known else None
    if new is not _type_new or args is None or cls is type and len(args) == 1:
        return None
    made = _type_made(call, cls, args, kwargs)
    if made is None:
        return None
    finishers, owner = made
    if owner is None or _lookup(type(owner), "__init__") is not _type_init:
        if not known:
            return None
        finishers = [*finishers, (finish_new, (cls, tuple(args), kwargs), None)]
    return _CREATES, finishers


def _type_made(call, meta, args, kwargs):
    """type.__new__(meta, *args, **kwargs): (finishers, the class if it exists already)."""
    if len(args) != 3 or type(args[1]) is not tuple or call.generator is not None:
        return None
    bases = args[1]
    meta, asked = _winner(meta, bases), meta
    if meta is None:
        return None
    new = _lookup(meta, "__new__")
    if meta is not asked and new is not _type_new:
        return ([], None) if call.calls(new) else None
    owner = call.given(0)
    if _is_made(owner, meta, bases):
        for base in _mro_of(owner)[1:]:
            found = _dict_of(base).get("__init_subclass__", EMPTY)
            if found is not EMPTY:
                if type(found) is classmethod and call.calls(found):
                    return [(finish_dummy, (owner,), None)], owner
                break
    value, owner, key = call.given(0), call.given(1), call.given(2)
    if (
        not any(part is EMPTY for part in (value, owner, key))
        and _is_made(owner, meta, bases)
        and _lookup(type(value), "__set_name__") is call.function
    ):
        rest = _names_left(owner, value, key)
        if rest is not None:
            return [(finish_names, (owner, value, key, rest, kwargs), None)], owner
    return None


def _is_made(owner, meta, bases):
    """Whether owner can be the class that type.__new__ makes of these."""
    if owner is EMPTY or type(owner) is not meta or _mro_of(owner) is None:
        return False
    own = type.__dict__["__bases__"].__get__(owner)
    return len(own) == len(bases or (object,)) and all(a is b for a, b in zip(own, bases or (object,)))


_FROZEN = gc.get_freeze_count()  # what is frozen later is not found


def _names_left(owner, value, key):
    """The attributes that are still to be told their names: type.__new__ walks over a copy of the class's dict, which
    nobody else knows. A dict that has what the copy must have is it, or has the same to say; None if some differ."""
    if not gc.is_tracked(value) or gc.get_freeze_count() != _FROZEN:
        return None
    own = {id(d) for d in gc.get_referents(owner) if type(d) is dict}
    found = None
    for candidate in gc.get_referrers(value):
        if type(candidate) is not dict or id(candidate) in own or candidate is sys.modules:
            continue
        items = list(candidate.items())
        place = next((n for n, (k, v) in enumerate(items) if k is key and v is value), None)
        if place is None or not any(type(k) is str and k == "__doc__" for k, _ in items):
            continue
        rest = [(k, v) for k, v in items[place + 1:] if _lookup(type(v), "__set_name__") is not None]
        if found is not None and (
            len(rest) != len(found) or any(a is not c or b is not d for (a, b), (c, d) in zip(rest, found))
        ):
            return None
        found = rest
    return None if found is None else tuple(found)


def _class_cell(call, body, namespace, owner):
    """The cell of __class__ that the body of a class returned: () if it has none, None if it is not known."""
    if type(body) is not types.FunctionType:
        return None
    if "__class__" not in body.__code__.co_cellvars:
        return ()
    if namespace is not EMPTY and _is(namespace, dict):
        cell = dict.get(namespace, "__classcell__")
        if type(cell) is types.CellType:
            return (cell,)
    if owner is not None:
        for found in list(_dict_of(owner).values()):
            found = _function(found.fget if type(found) is property else found)
            if type(found) is types.FunctionType and "__class__" in found.__code__.co_freevars:
                return (found.__closure__[found.__code__.co_freevars.index("__class__")],)
    return None


def _class_statement(call, args, kwargs):
    """__build_class__: the inner frame is asked for bases or the namespace, is the body, or makes the class."""
    if len(args) < 2 or call.generator is not None:
        return None
    body, name, *bases = args
    bases = tuple(bases)
    if body is call.function:
        return _class_body(call, args, kwargs)
    resolved = bases
    given = call.given(0)
    for n, base in enumerate(bases):
        if _is(base, type):
            continue
        if base is given and call.special(base, "__mro_entries__"):
            rest = bases[n + 1:]
            return _CREATES, "after", [], [(finish_bases, (body, name, bases, resolved[:n], rest, kwargs), None)]
        if type(base).__module__ not in ("typing", "types"):
            resolved = None  # known only from whoever is given them
            break
    kwargs = dict(kwargs)
    meta = kwargs.pop("metaclass", None)
    if resolved is not None and any(not _is(base, type) for base in resolved):
        resolved = types.resolve_bases(bases)
    if resolved is None:
        resolved = next((b for n in (1, 2) if type(b := call.given(n)) is tuple), None)
        if resolved is None:
            return None
    if meta is None:
        meta = type(resolved[0]) if resolved else type
    is_class = _is(meta, type)
    if is_class:
        meta = _winner(meta, resolved)
        if meta is None:
            return None
    if call.calls(_lookup(meta if is_class else type(meta), "__prepare__")):
        return _CREATES, "after", [], [(finish_prepare, (body, name, bases, resolved, meta, kwargs), None)]
    owner, namespace = None, EMPTY
    makes = _lookup(meta, "__new__") if is_class else None
    if call.calls(meta) or call.calls(_lookup(type(meta), "__call__")) or call.calls(makes):
        shift = 0 if call.calls(meta) else 1
        namespace = call.given(2 + shift)
    elif is_class and call.calls(_lookup(meta, "__init__")):
        owner, namespace = call.given(0), call.given(3)
    if call.calls(meta):
        finishers = []
    elif is_class:
        made = _class_called(call, meta, (name, resolved, namespace), kwargs)
        if made is None:
            return None
        finishers = made[1]
        if finishers and finishers[0][0] in (finish_dummy, finish_names):
            owner = finishers[0][1][0]
    elif call.special(meta, "__call__"):
        finishers = []
    else:
        return None
    cell = _class_cell(call, body, namespace, owner if owner is not EMPTY and _is(owner, type) else None)
    if cell is None:
        if makes is not _type_new or owner is None:
            return None
        cell = ()  # type.__new__ has just set it to this class
    if cell:
        finishers = [*finishers, (finish_created, (name, cell), None)]
    return _CREATES, "after", [], finishers

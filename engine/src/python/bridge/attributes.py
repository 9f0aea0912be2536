# Attributes: read, stored, deleted.

_PARTS_OF_PROPERTY = {part: (_dict_of(property)[part].__get__, slot) for part, slot in (
    ("fget", "__get__"), ("fset", "__set__"), ("fdel", "__delete__"),
)}  # fmt: skip


def _accessor(found, part):
    """The function with which a property (or an object of a class below, unless that does it otherwise) is read, set or
    deleted; None if it is none."""
    get, slot = _PARTS_OF_PROPERTY[part]
    cls = type(found)
    if cls is not property and (not _is(found, property) or _lookup(cls, slot) is not _dict_of(property)[slot]):
        return None
    return get(found)


def _attribute(call, obj, name):
    """(kind, finishers) of reading obj.name; None if it does not call the inner function."""
    cls = type(obj)
    if _is(obj, types.ModuleType) and cls is types.ModuleType:
        lazy = _resolves(call, vars(obj).get(name), name, vars(obj))
        if lazy is not None:
            return "lazy import", lazy()
        return ("module", []) if call.calls(vars(obj).get("__getattr__")) else None
    if cls is super:
        return _read_of_super(call, obj, name)
    fallback = _lookup(cls, "__getattr__")
    if name == "__annotations__" and fallback is None and call.calls(_annotates(obj)):
        return "annotations", [(finish_annotations, (obj,), None)]
    found = _lookup(cls, name)
    if call.special(obj, "__getattribute__"):
        return "getattribute", [(finish_attribute, (fallback, obj, name, ()), None)]
    if call.calls(_accessor(found, "fget")):
        return "property", [(finish_attribute, (fallback, obj, name, ()), None)]
    if call.calls(fallback):
        return "getattr", []
    inner = _lookup_in(_mro_of(obj), name) if _is(obj, type) else EMPTY
    if inner is not EMPTY and call.calls(_lookup(type(inner), "__get__")):
        return "descriptor", [(finish_attribute, (fallback, obj, name, ()), None)]
    if found is not None and call.calls(_lookup(type(found), "__get__")):
        return "descriptor", [(finish_attribute, (fallback, obj, name, ()), None)]
    return None


def _annotates(obj):
    """The function that computes the annotations of a function or class (3.14), if none of the program's own is asked."""
    if type(obj) is types.FunctionType and "__annotate__" in _dict_of(types.FunctionType):
        return _dict_of(types.FunctionType)["__annotate__"].__get__(obj)
    if _is(obj, type) and _lookup(type(obj), "__annotations__") is _dict_of(type).get("__annotations__"):
        return _dict_of(obj).get("__annotate_func__")
    return None


def _load_attribute(call):
    name = call.argval if isinstance(call.argval, str) else call.code.co_names[call.arg >> 1]
    found = _attribute(call, call.stack[-1], name)
    if found is None:
        return None
    kind, finishers = found
    if call.op == "LOAD_METHOD" or sys.version_info >= (3, 12) and call.arg & 1:
        # Two results: the instruction is executed again, on a namespace that has the value.
        return kind, "again", [], finishers + [(finish_method, (name,), None)]
    return kind, "after", [], finishers


def _stores(call, obj, name, deletes):
    """The kind of setting or deleting an attribute that calls the inner function; None if it does not."""
    if call.special(obj, "__delattr__" if deletes else "__setattr__"):
        return "setattr"
    found = _lookup(type(obj), name)
    if call.calls(_accessor(found, "fdel" if deletes else "fset")):
        return "set property"
    if found is not None and call.special(found, "__delete__" if deletes else "__set__"):
        return "set descriptor"
    return None


def _store(call):
    *_, value, owner = [EMPTY, *call.stack]
    found = _stores(call, owner, call.argval, call.op == "DELETE_ATTR")
    if found is None:
        return None
    if call.op == "DELETE_ATTR":
        return found, "again", [], [(finish_dummy, (types.SimpleNamespace(**{call.argval: None}),), None)]
    return found, "again", [None], [(finish_dummy, (types.SimpleNamespace(),), None)]

# Special methods of the interpreter's own classes that a program calls by their names, as `super().__setattr__(name, value)`
# does; and what `super()` finds.

_EXPLICIT_TEXTS = (object.__dict__["__str__"], object.__dict__["__format__"])
_READ_BY_NAME = (object.__dict__["__getattribute__"], type.__dict__["__getattribute__"])
_SET_BY_NAME = (object.__dict__["__setattr__"], type.__dict__["__setattr__"])
_DELETED_BY_NAME = (object.__dict__["__delattr__"], type.__dict__["__delattr__"])
_ACCESSORS = {property.__dict__[name]: part for name, part in (("__get__", "fget"), ("__set__", "fset"), ("__delete__", "fdel"))}
_OF_SUPER = tuple(super.__dict__[name].__get__ for name in ("__thisclass__", "__self__"))


def _unbound(function, args):
    """What a bound method of C code is made of: the definition in its class, and the arguments with the object."""
    if type(function) is types.MethodWrapperType:
        return _dict_of(function.__objclass__).get(function.__name__), [function.__self__, *args]
    if type(function) is types.BuiltinMethodType and not _is(function.__self__, types.ModuleType):
        own = next(base for base in _mro_of(type(function.__self__)) if not _flags_of(base) & _HEAP_TYPE)
        return _lookup(own, function.__name__), [function.__self__, *args]
    return function, args


def _explicit(call, function, args):
    """A special method of the interpreter's own that called one of the program's, or a property."""
    function, args = _unbound(function, args)
    if kind_of(function) not in _METHODS or not args:
        return None
    obj, *rest = args
    if function in _READ_BY_NAME and len(rest) == 1 and type(rest[0]) is str:
        return ("explicit read", "after", [], []) if _reads(call, obj, rest[0]) else None
    if function in _SET_BY_NAME and len(rest) == 2 and type(rest[0]) is str:
        return ("explicit set", "after", [], [(finish_none, (), None)]) if _sets(call, obj, rest[0], False) else None
    if function in _DELETED_BY_NAME and len(rest) == 1 and type(rest[0]) is str:
        return ("explicit set", "after", [], [(finish_none, (), None)]) if _sets(call, obj, rest[0], True) else None
    part = _ACCESSORS.get(function)
    if part is not None and _is(obj, property) and call.calls(_PARTS_OF_PROPERTY[part][0](obj)):
        return ("explicit read", "after", [], []) if part == "fget" else ("explicit set", "after", [], [(finish_none, (), None)])
    if function is _EXPLICIT_TEXTS[0] and not rest:
        return ("explicit text", "after", [], []) if call.special(obj, "__repr__") else None
    if function is _EXPLICIT_TEXTS[1] and len(rest) == 1 and type(rest[0]) is str and not rest[0]:
        found = _text_of(call, obj, [(finish_format, ("",), None)])
        return found and ("explicit text", *found[1:])
    if function is object.__dict__["__ne__"] and len(rest) == 1:
        return ("explicit comparison", "after", [], [(finish_unequal, (), None)]) if call.special(obj, "__eq__") else None
    if function is object.__dict__["__reduce_ex__"] and len(rest) == 1 and type(rest[0]) is int and rest[0] >= 2:
        return ("reduced", "after", [], [(finish_reduced, (type(obj),), None)]) if _is_asked_for_state(call, obj) else None
    if function is dict.__dict__["__getitem__"] and len(rest) == 1:
        return ("explicit missing", "after", [], []) if call.special(obj, "__missing__") else None
    return None


def _is_asked_for_state(call, obj):
    """Whether object.__reduce_ex__ called obj's __getstate__, and nothing of the program's before it or after."""
    cls = type(obj)
    plain = _lookup(cls, "__reduce__") is object.__dict__["__reduce__"] and not _is(obj, list) and not _is(obj, dict)
    asked = any(_lookup(cls, name) is not None for name in ("__getnewargs_ex__", "__getnewargs__", "__getattr__"))
    own = _lookup(cls, "__getattribute__") is object.__dict__["__getattribute__"]
    return plain and own and not asked and call.special(obj, "__getstate__")


def _reads(call, obj, name):
    """Whether obj.name, looked up as the interpreter's own classes do, calls the inner function."""
    found = _lookup(type(obj), name)
    if call.calls(_accessor(found, "fget")) or found is not None and call.calls(_lookup(type(found), "__get__")):
        return True
    inner = _lookup_in(_mro_of(obj), name) if _is(obj, type) else EMPTY
    return inner is not EMPTY and call.calls(_lookup(type(inner), "__get__"))


def _sets(call, obj, name, deletes):
    """Likewise, of setting or deleting it."""
    found = _lookup(type(obj), name)
    if call.calls(_accessor(found, "fdel" if deletes else "fset")):
        return True
    return found is not None and call.special(found, "__delete__" if deletes else "__set__")


def _lookup_in(classes, name):
    return next((_dict_of(base)[name] for base in classes if name in _dict_of(base)), EMPTY)


def _of_super(call, cls, obj, name):
    """Whether super(cls, obj).name calls the inner function."""
    kind = next((k for k in (obj, type(obj)) if _is(k, type) and any(base is cls for base in _mro_of(k))), None)
    if kind is None or name == "__class__":
        return False  # it stands for an object of another class
    above = itertools.dropwhile(lambda base: base is not cls, _mro_of(kind))
    next(above)
    found = _lookup_in(above, name)
    if call.calls(_accessor(found, "fget")):
        return kind is not obj
    return found is not EMPTY and call.calls(_lookup(type(found), "__get__"))


def _read_of_super(call, of, name):
    """The attribute of an object that `super()` has made."""
    cls, obj = (part(of) for part in _OF_SUPER)
    return ("super attribute", []) if cls is not None and obj is not None and _of_super(call, cls, obj, name) else None


def _load_super(call):
    """super().name in one instruction."""
    name, (function, cls, obj) = call.code.co_names[call.arg >> 2], call.stack[-3:]
    if function is EMPTY and call.kinds is None:
        found = _gets_of_base(call, name)  # from 3.14 on they are gone when super() has given its object
    else:
        found = function is super and _is(cls, type) and _of_super(call, cls, obj, name)
    if not found or not call.arg & 1:
        return ("super attribute", "after", [], []) if found else None
    # Two results: the instruction is executed again, and asks something else than super() for an object that has the value.
    made = types.SimpleNamespace()
    asked = [operator.getitem, [made]] if call.arg & 2 else [[made].pop, None]
    return "super attribute", "again", asked, [(finish_super_method, (made, name), None)]


def _gets_of_base(call, name):
    """Whether the inner frame, by what it was given, gets an attribute of that name for the first argument of a method."""
    first, second, third = (call.given(n) for n in range(3))
    for kind in (type(first), type(second), third):
        for base in _mro_of(kind) if _is(kind, type) else ():
            found = _dict_of(base).get(name, EMPTY)
            if kind is type(first) and call.calls(_accessor(found, "fget")):
                return True
            if found is not EMPTY and found is first and call.calls(_lookup(type(found), "__get__")):
                return True
    return False

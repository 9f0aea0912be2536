# What `type` itself has of a class, and classes told apart by identity. A metaclass of the program may answer for its classes
# otherwise, say that they are equal, have no hash for them, or not be whole yet: none of its code runs here.

_mro_of = type.__dict__["__mro__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_bases_of = type.__dict__["__bases__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
_name_of = type.__dict__["__name__"].__get__
_qualname_of = type.__dict__["__qualname__"].__get__
_module_of_class = type.__dict__["__module__"].__get__
_basicsize_of = type.__dict__["__basicsize__"].__get__
_itemsize_of = type.__dict__["__itemsize__"].__get__
_dictoffset_of = type.__dict__["__dictoffset__"].__get__
_weakrefoffset_of = type.__dict__["__weakrefoffset__"].__get__
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_derives = type.__dict__["__subclasscheck__"]  # _derives(base, cls)


def _named_module(cls):
    """The module of a class, or "" if that is no text."""
    found = _dict_of(cls).get("__module__", "") if _flags_of(cls) & _HEAP_TYPE else _module_of_class(cls)
    return found if type(found) is str else ""


def _is(obj, cls):
    """Whether obj's type is cls or derived from it. (isinstance asks obj for its __class__, which may run code.)"""
    return _derives(cls, type(obj))


def _lookup(cls, name):
    """What `cls` or a base has under `name`, as the interpreter looks for special methods; None if there is nothing."""
    for base in _mro_of(cls):
        names = _dict_of(base)
        if name in names:
            return names[name]
    return None


# Classes of ours are looked for in tuples, sets and dicts as kind_of(obj) in ..., which asks no metaclass of the program.


def as_kind(cls):
    """The class, or None if its metaclass compares or hashes it: it is none of ours then."""
    meta = type(cls)
    if meta is type:
        return cls
    own = _lookup(meta, "__eq__"), _lookup(meta, "__hash__")
    return cls if own[0] is _EQUAL and own[1] is _HASH else None


_EQUAL, _HASH = object.__dict__["__eq__"], object.__dict__["__hash__"]


def kind_of(obj):
    cls = type(obj)
    return cls if type(cls) is type else as_kind(cls)

# Finishers of calls that make classes: see finish.py.

import builtins

_build_class = builtins.__build_class__


def _checked_cell(cls, name, cell):
    """What a class statement demands of the cell of __class__: () if its body has none."""
    if cell and isinstance(cls, type):
        try:
            made = cell[0].cell_contents
        except ValueError:
            raise RuntimeError(
                f"__class__ not set defining {name!r} as {cls!r}. Was __classcell__ propagated to type.__new__?"
            ) from None
        if made is not cls:
            raise TypeError(f"__class__ set to {made!r} defining {name!r} as {cls!r}")
    return cls


def finish_class(meta, name, bases, namespace, kwargs):
    """The body of a class is over."""
    cell = hole()
    resolved = types.resolve_bases(bases)
    if resolved is not bases:
        namespace["__orig_bases__"] = bases
    cls = meta(name, resolved, namespace, **kwargs)
    return _checked_cell(cls, name, (cell,) if type(cell) is types.CellType else ())


def finish_created(name, cell):
    """The metaclass of a class statement has returned."""
    cls = hole()
    return _checked_cell(cls, name, cell)


class _Statement:
    """Stands for the metaclass where a class statement goes on behind its __prepare__."""

    __slots__ = ("meta", "namespace", "original")

    def __init__(self, meta, namespace, original):
        self.meta, self.namespace, self.original = meta, namespace, original

    def __prepare__(self, name, bases, **kwargs):
        return self.namespace

    def __call__(self, name, bases, namespace, **kwargs):
        if self.original is not None:
            namespace["__orig_bases__"] = self.original
        return self.meta(name, bases, namespace, **kwargs)


def _as_namespace(meta, namespace):
    """The interpreter's own check of what __prepare__ returned, in its words."""
    if type(namespace) is dict:
        return
    if not isinstance(meta, type):
        stand_in = _Statement(lambda *_, **__: None, namespace, None)
    else:
        own = {"__prepare__": classmethod(lambda *_, **__: namespace), "__new__": lambda *_, **__: None}
        stand_in = type(_name_of(meta), (type,), own)
    _build_class(lambda: None, "checked", metaclass=stand_in)


def finish_prepare(body, name, bases, resolved, meta, kwargs):
    namespace = hole()
    _as_namespace(meta, namespace)
    stand_in = _Statement(meta, namespace, None if resolved is bases else bases)
    return _build_class(body, name, *resolved, metaclass=stand_in, **kwargs)


def finish_bases(body, name, bases, resolved, rest, kwargs):
    """What a base has put in its place is known: rest are the bases behind it."""
    entries = hole()
    resolved = list(resolved)
    for base in (EMPTY, *rest):
        if base is not EMPTY:
            ask = None if isinstance(base, type) else getattr(base, "__mro_entries__", None)
            if ask is None:
                resolved.append(base)
                continue
            entries = ask(bases)
        if not isinstance(entries, tuple):
            raise TypeError("__mro_entries__ must return a tuple")
        resolved.extend(entries)
    kwargs = dict(kwargs)
    meta = kwargs.pop("metaclass", None)
    if meta is None:
        meta = type(resolved[0]) if resolved else type
    if isinstance(meta, type):
        meta = _most_derived(meta, resolved)
    prepare = getattr(meta, "__prepare__", None)
    namespace = {} if prepare is None else prepare(name, tuple(resolved), **kwargs)
    _as_namespace(meta, namespace)
    return _build_class(body, name, *resolved, metaclass=_Statement(meta, namespace, bases), **kwargs)


def _most_derived(meta, bases):
    """The metaclass of a class with these bases."""
    for base in bases:
        if _derives(meta, type(base)):
            meta = type(base)
        elif not _derives(type(base), meta):
            raise TypeError("metaclass conflict: the metaclass of a derived class must be a (non-strict) subclass of the "
                            "metaclasses of all its bases")  # fmt: skip
    return meta


def finish_names(cls, value, key, rest, kwargs):
    """type.__new__ tells attributes their names, then the class that it is derived from."""
    try:
        hole()
        for key, value in rest:
            _lookup(type(value), "__set_name__").__get__(value, type(value))(cls, key)
    except BaseException as error:
        text = f"Error calling __set_name__ on '{name_in_c(type(value))}' instance {key!r} in '{_name_of(cls)}'"
        if sys.version_info >= (3, 12):
            error.add_note(text)
            raise
        raise RuntimeError(text) from error
    super(cls, cls).__init_subclass__(**kwargs)
    return cls


def finish_annotations(obj):
    """A function or a class keeps the annotations that were computed."""
    result = hole()
    if not isinstance(result, dict):
        return _annotated_wrongly(obj, result)
    if isinstance(obj, type):
        type.__setattr__(obj, "__annotations_cache__", result)
    else:
        keep_annotations(obj, result)
    return result


def _annotated_wrongly(obj, result):
    """What the interpreter says of annotations that are no dict."""
    other = type(obj.__name__, (), {}) if isinstance(obj, type) else types.FunctionType(obj.__code__, {}, obj.__name__, None, obj.__closure__)
    other.__annotate__ = lambda _: result
    return other.__annotations__


CREATING = [_Statement.__init__, _Statement.__prepare__, _Statement.__call__, _as_namespace, _checked_cell]

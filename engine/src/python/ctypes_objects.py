# Classes and objects of ctypes: libraries and their functions, callbacks, memory without pointers, and pointers to what travels.

def make_array_class(element, length):
    return element * length


def is_function_class(cls):
    """Whether it is what `ctypes.CFUNCTYPE` gives."""
    module = sys.modules.get("ctypes")
    known = getattr(module, "_c_functype_cache", {})
    names = _dict_of(cls)
    return "_flags_" in names and known.get((names.get("_restype_"), names.get("_argtypes_"), names["_flags_"])) is cls


def make_function_class(result, arguments, flags):
    import ctypes

    options = {"use_errno": bool(flags & ctypes._FUNCFLAG_USE_ERRNO), "use_last_error": bool(flags & ctypes._FUNCFLAG_USE_LASTERROR)}
    return ctypes.CFUNCTYPE(result, *arguments, **options)


def is_array_class(cls):
    """Whether it is what `element * length` gives."""
    module = sys.modules.get("_ctypes")
    return module is not None and type(cls) is type(module.Array) and _bases_of(cls) == (module.Array,) and "_length_" in _dict_of(cls)


def is_pointer_class(cls):
    """Whether it is what `ctypes.POINTER` gives."""
    module = sys.modules.get("ctypes")
    return module is not None and issubclass(cls, module._Pointer) and "_type_" in _dict_of(cls) and module.POINTER(cls._type_) is cls


def make_pointer_class(pointed):
    import ctypes

    return ctypes.POINTER(pointed)


_OF_PROCESS = frozenset(("_name", "_handle", "_FuncPtr"))


def _reduce_library(library):
    """By its name; that of the process itself is None. What the program has set of its functions comes along."""
    cls = type(library)
    module = sys.modules["ctypes"]
    if vars(module).get(_name_of(cls)) is not cls:
        raise TypeError("which library it is cannot be told by its name; pass externals=…")
    flags = library._FuncPtr._flags_
    options = bool(flags & module._FUNCFLAG_USE_ERRNO), bool(flags & module._FUNCFLAG_USE_LASTERROR)
    attributes = {name: value for name, value in vars(library).items() if name not in _OF_PROCESS}
    return make_library, (cls, library._name, *options), attributes or None, None, None, fill_unfinished


def make_library(cls, name, use_errno, use_last_error):
    import ctypes

    if not issubclass(cls, ctypes.CDLL):
        raise TypeError("no library")
    return cls(name, use_errno=use_errno, use_last_error=use_last_error)


def reduce_pointer(obj):
    """What leads to the memory of a process: a function of a library, nothing, an object that travels. None for another object."""
    module = sys.modules.get("ctypes")
    if module is None or not _derives(module.c_int.__mro__[-2], type(obj)):
        return None
    cls, held = type(obj), obj._objects
    if isinstance(obj, module._CFuncPtr):
        thunk = held.get("0") if type(held) is dict else None
        if type(thunk).__name__ == "CThunkObject":
            *_, arguments, function, result = gc.get_referents(thunk)
            if (arguments, result) == (cls._argtypes_, cls._restype_):
                return cls, (function,)
        library, name = held.get("0") if type(held) is dict else None, getattr(obj, "__name__", None)
        if isinstance(library, module.CDLL) and cls is library._FuncPtr and type(name) is str:
            return library_function, (library, name), (obj.restype, obj.argtypes, obj.errcheck), None, None, fill_library_function
    size, contents = module.sizeof(module.c_void_p), bytes(memoryview(obj).cast("B"))
    if not any(any(contents[at : at + size]) for at in _places_of_pointers(cls)):
        return make_of_bytes, (cls, contents), dict(vars(obj)) or None, None, None, fill_unfinished
    if isinstance(obj, module.c_char_p) and type(held) is bytes and obj.value == held:
        return cls, (held,)
    if isinstance(obj, module._Pointer) and type(held) is dict and "1" in held:
        pointed = held["1"]
        if isinstance(pointed, cls._type_) and module.addressof(pointed) == module.addressof(obj.contents):
            return cls, (pointed,)
    raise TypeError("it points to memory of its process: keep what it points to, and make it anew after the resume; or pass externals=…")


def _places_of_pointers(cls):
    """Offsets in bytes of the pointers in objects of a class of ctypes."""
    module = sys.modules["ctypes"]
    if issubclass(cls, module.Array):
        inner, size = list(_places_of_pointers(cls._type_)), module.sizeof(cls._type_)
        yield from (i * size + at for i in range(cls._length_ if inner else 0) for at in inner)
    elif issubclass(cls, (module.Structure, module.Union)):
        for base in _mro_of(cls):
            for name, kind, *bits in _dict_of(base).get("_fields_", ()):
                yield from (getattr(cls, name).offset + at for at in (() if bits else _places_of_pointers(kind)))
    elif issubclass(cls, (module._Pointer, module._CFuncPtr)) or cls._type_ in "PzZO":
        yield 0


def make_of_bytes(cls, contents):
    import ctypes

    if not _derives(ctypes.c_int.__mro__[-2], cls):
        raise TypeError("no class of ctypes")
    return cls.from_buffer_copy(contents)


def library_function(library, name):
    return library[name]


def fill_library_function(function, settings):
    function.restype, argtypes, errcheck = settings
    if argtypes is not None:
        function.argtypes = argtypes
    if errcheck is not None:
        function.errcheck = errcheck


def _kinds_of_ctypes():
    module, classes = sys.modules["ctypes"], sys.modules["_ctypes"]
    # Metaclasses without a name, by a class of theirs.
    for cls in (classes.Structure, classes.Union, classes.Array, classes._SimpleCData, classes._Pointer, classes.CFuncPtr):
        _SAMPLES[type(cls)] = cls
    return {module.CDLL: _reduce_library, module.PyDLL: _reduce_library}


_LATE_KINDS[("ctypes", "CDLL")] = _kinds_of_ctypes

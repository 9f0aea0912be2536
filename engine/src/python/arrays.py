# numpy's arrays that are not written as such (of objects, of classes below ndarray, over files), its iterators and
# functions, and buffers as pickle hands them out. numpy is imported by whoever has an array.

import os

# What exports memory, and is rebuilt with memory of its own that can be looked at again.
_EXPORTERS = (("builtins", "bytes"), ("builtins", "bytearray"), ("array", "array"), ("mmap", "mmap"))


def is_exporter(obj):
    return (_named_module(type(obj)), _name_of(type(obj))) in _EXPORTERS


def array_behind(base):
    """The array that numpy's own stand-in for one keeps, as its tricks with strides leave it."""
    cls = type(base)
    return base.__dict__.get("base") if _name_of(cls) == "DummyArray" and _named_module(cls).startswith("numpy.") else None


def _numpy():
    return sys.modules.get("numpy") or importlib.import_module("numpy")


def _of_array(a, name):
    """An attribute of ndarray, whatever a class below has under that name."""
    return _numpy().ndarray.__dict__[name].__get__(a)


def _look(a):
    return _of_array(a, "__array_interface__")["data"], *(_of_array(a, name) for name in ("shape", "strides", "dtype"))


# --- arrays ----------------------------------------------------------------------------------------


def reduce_array(a):
    """An array of objects, or of a class below ndarray; None if its class says itself how it is rebuilt."""
    numpy, cls = _numpy(), type(a)
    if cls is numpy.ndarray:
        return _reduce_object_array(a)
    plain = [numpy.ndarray]
    if "numpy.ma" in sys.modules:
        plain.append(sys.modules["numpy.ma"].MaskedArray)
    for name in ("__reduce_ex__", "__reduce__", "__setstate__"):
        found = _lookup(cls, name)
        if found is not _lookup(object, name) and not any(found is vars(known).get(name) for known in plain):
            return None
    if issubclass(cls, numpy.memmap) and type(_of_array(a, "base")).__name__ == "mmap":
        return _reduce_memmap(a)
    return _reduce_subarray(a)


class _Kept:
    """Keeps alive the array whose memory a stand-in shows."""

    def __init__(self, a):
        self.a = a


def _reduce_subarray(a):
    numpy, base = _numpy(), _of_array(a, "base")
    if type(base) is numpy.ndarray and _look(a) == _look(base):
        plain = base
    else:
        plain = plain_array(a, _Kept(a) if base is None else base)
    state = _state(a, type(a), False)
    if isinstance(a, numpy.memmap):
        state = {name: value for name, value in state.items() if name != "_mmap"}
    return make_subarray, (type(a), plain), state, None, None, fill_subarray


def make_subarray(cls, plain):
    ndarray = _numpy().ndarray
    if not issubclass(cls, ndarray) or type(plain) is not ndarray:
        raise TypeError("this is no class of arrays")
    return ndarray.view(plain, cls)


def fill_subarray(a, state):
    """Give it the attributes that it had, and none of those that its class gave it now."""
    attributes, slots = _parts(state)
    own = getattr(a, "__dict__", None)
    if own is not None:
        kept = {"_mmap": own["_mmap"]} if "_mmap" in own and isinstance(a, _numpy().memmap) else {}
        own.clear()
        own.update(attributes, **kept)
    for name, value in slots.items():
        object.__setattr__(a, name, value)


def _order_of(a):
    return "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"


def _reduce_object_array(a):
    base = a.base
    if isinstance(base, _numpy().ndarray):  # it is no view that lies on the elements
        for name in base.dtype.names or ():
            if _look(base[name]) == _look(a):
                return operator.getitem, (base, name)
        raise TypeError("it shows a part of each element of an array of objects; hold the whole array")
    items = a.ravel(_order_of(a)).tolist()
    return make_object_array, (a.shape, a.dtype, _order_of(a)), (items, a.flags.writeable), None, None, fill_object_array


def make_object_array(shape, dtype, order):
    return _numpy().empty(shape, dtype, order)


def fill_object_array(a, state):
    """In place: there may be views already."""
    items, writeable = state
    flat = a.reshape(-1, order=_order_of(a))
    if len(items) != len(flat) or not _numpy().may_share_memory(flat, a) and items:
        raise TypeError("the items of an array of objects do not fit it")
    for i, item in enumerate(items):
        flat[i] = item
    a.flags.writeable = writeable


def _reduce_memmap(a):
    """By its file, which must still be there; of pages that are the process's own, the contents too."""
    numpy, mode, path = _numpy(), a.mode, a.filename
    if type(a) is not numpy.memmap:
        raise TypeError("it is of a class below numpy.memmap")
    if path is None or not os.path.exists(path) or os.path.getsize(path) < a.offset + a.nbytes:
        raise TypeError("the file that it maps has no name, or is not there any more")
    if mode in ("r+", "w+"):
        a.flush()
    contents = numpy.array(a, subok=False) if mode == "c" else None
    state = contents, mode, a.flags.writeable
    made = os.fspath(path), a.dtype, "r+" if mode == "w+" else mode, a.offset, a.shape, _order_of(a)
    return make_memmap, made, state, None, None, fill_memmap


def make_memmap(path, dtype, mode, offset, shape, order):
    return _numpy().memmap(path, dtype, mode, offset, shape, order)


def fill_memmap(a, state):
    contents, mode, writeable = state
    if contents is not None:
        a[...] = contents
    a.mode = mode
    a.flags.writeable = writeable


# --- iterators and functions -----------------------------------------------------------------------


def _reduce_flat(it):
    return make_flat, (it.base, it.index)


def make_flat(a, index):
    it = a.flat
    collections.deque(itertools.islice(it, index), 0)
    return it


def _reduce_broadcast(it):
    return make_broadcast, (tuple(one.base for one in it.iters), it.index)


def make_broadcast(arrays, index):
    it = _numpy().broadcast(*arrays)
    collections.deque(itertools.islice(it, index), 0)
    return it


def reduce_ufunc(ufunc):
    """One that numpy.frompyfunc made; None for any other. Most go by their names."""
    name = ufunc.__name__
    if not name.endswith(" (vectorized)"):
        return None
    held = gc.get_referents(ufunc)
    functions = [part for part in held if callable(part) and getattr(part, "__name__", "?") + " (vectorized)" == name]
    if len(functions) != 1:
        raise TypeError("the function that it calls cannot be found")
    identity = () if ufunc.identity is None and not _reduces_empty(ufunc) else (ufunc.identity,)
    return make_ufunc, (functions[0], ufunc.nin, ufunc.nout, *identity)


def _reduces_empty(ufunc):
    """Whether None is its identity, and not that it has none. Its function is not called for nothing."""
    try:
        return (ufunc.nin, ufunc.nout) == (2, 1) and ufunc.reduce(_numpy().empty(0, object)) is None
    except ValueError:
        return False


def make_ufunc(function, nin, nout, *identity):
    return _numpy().frompyfunc(function, nin, nout, **({"identity": identity[0]} if identity else {}))


def _refuse_nditer(it):
    raise TypeError("how it goes through its arrays is known to numpy alone; go through them with ndarray.flat or by index")


BY_NAME.update({
    ("numpy", "flatiter"): _reduce_flat, ("numpy", "broadcast"): _reduce_broadcast, ("numpy", "nditer"): _refuse_nditer
})  # fmt: skip


# --- buffers of pickle -----------------------------------------------------------------------------


def _reduce_pickle_buffer(buffer):
    """By what exports it, if that is rebuilt as an exporter itself; else by its bytes, which are not copied where
    numpy can hold them."""
    exporter, numpy = memoryview(buffer).obj, sys.modules.get("numpy")
    looks_on = kind_of(exporter) in (memoryview, type(buffer))
    if looks_on or is_exporter(exporter) or numpy is not None and isinstance(exporter, numpy.ndarray):
        return make_pickle_buffer, (exporter,)
    raw = buffer.raw()
    if numpy is not None:
        return make_pickle_buffer, (numpy.frombuffer(raw, "u1"),)
    return make_pickle_buffer, (bytes(raw) if raw.readonly else bytearray(raw),)


def make_pickle_buffer(exporter):
    return importlib.import_module("pickle").PickleBuffer(exporter)


BY_NAME["pickle", "PickleBuffer"] = _reduce_pickle_buffer

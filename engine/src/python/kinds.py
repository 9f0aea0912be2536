# Kinds of values of the interpreter and its library that say nothing useful themselves. A kind is here only if what it
# does next is known from what it shows; the others are refused.

import _struct
import builtins
import functools
import itertools
import re
import typing

# --- views and buffers -----------------------------------------------------------------------------


def _dict_behind(view):
    (mapping,) = gc.get_referents(view.mapping)
    return mapping


def _view_by(view, name):
    """A view of a dict, or (from 3.15 on) of a frozendict."""
    mapping = _dict_behind(view)
    return getattr(dict if issubclass(type(mapping), dict) else type(mapping), name), (mapping,)


def _reduce_memoryview(view):
    """By what exports it; how it looks at that is told by where its first byte lies."""
    whole = memoryview(view.obj)
    if view.ndim != 1 and not view.c_contiguous or not whole.c_contiguous or not view.format:
        raise TypeError("it is a view of several dimensions with gaps")
    offset = buffer_address(view) - buffer_address(whole)
    return make_memoryview, (view.obj, view.format, view.shape, view.strides, offset, view.readonly)


def make_memoryview(exporter, format, shape, strides, offset, readonly):
    whole = memoryview(exporter)
    if whole.ndim == 1 and (whole.format, whole.shape, whole.strides, 0) == (format, shape, strides, offset):
        view = whole
    else:
        view = _part_of(whole.cast("B"), format, shape, strides, offset)
    return view.toreadonly() if readonly and not view.readonly else view


def _part_of(whole, format, shape, strides, offset):
    size = _struct.calcsize(format)
    if len(shape) != 1 or not shape[0] or strides[0] == size:
        count = functools.reduce(lambda a, b: a * b, shape, 1)
        part = whole[offset : offset + count * size]
        return part.cast(format) if len(shape) == 1 else part.cast(format, shape)
    step, last = strides[0] // size, offset + strides[0] * (shape[0] - 1)
    low, high = min(offset, last), max(offset, last) + size
    part = whole[low:high].cast(format)
    return part[::step]


# --- matches ---------------------------------------------------------------------------------------


def _reduce_match(match):
    """By the search that found it: the first, or one of those that come after it."""
    if not isinstance(match.string, (str, bytes)):
        raise TypeError(f"what was searched is a {type(match.string).__name__}, which may have changed since")
    for how in ("search", "match", "fullmatch"):
        number = _find_match(match, how)
        if number is not None:
            return make_match, (match.re, match.string, match.pos, match.endpos, how, number)
    raise TypeError("it is not known how it was found")


def _matches(pattern, string, pos, endpos, how):
    if how == "fullmatch":
        return iter((pattern.fullmatch(string, pos, endpos),))
    return iter(getattr(pattern.scanner(string, pos, endpos), how), None)


def _find_match(match, how):
    for number, found in enumerate(_matches(match.re, match.string, match.pos, match.endpos, how)):
        if found is not None and found.regs == match.regs and found.lastindex == match.lastindex:
            return number
    return None


def make_match(pattern, string, pos, endpos, how, number):
    return next(itertools.islice(_matches(pattern, string, pos, endpos, how), number, None))


# --- weak references -------------------------------------------------------------------------------


class _Gone:
    def __call__(self):
        """A proxy of what can be called is of another class."""

    def method(self):
        pass


class _Uncallable:
    pass


def weak_referent(reference):
    return referent_of(reference)


def reduce_weakref(reference, referent):
    """referent: None for one that nothing else of what travels holds."""
    cls = type(reference)
    if cls in (weakref.ProxyType, weakref.CallableProxyType):
        callback = None if referent is None else weak_callback(reference)
        return make_weak_proxy, (referent, callback, cls is weakref.CallableProxyType)
    if cls is weakref.WeakMethod:
        method = None if referent is None else reference()
        callback = None if method is None else reference._func_ref.__callback__
        if callback is not None and _user_callback(reference) is not None:
            raise TypeError("it has a callback")
        return make_weak_method, (method,)
    callback = None if referent is None else weakref.ref.__callback__.__get__(reference)
    if cls is weakref.ref:
        return make_weakref, (referent, callback)
    if cls is weakref.KeyedRef:
        return make_weakref, (referent, callback, reference.key)
    return make_weak_subclass, (cls, referent, callback), _state(reference, cls, False), None, None, fill_attributes


def make_weak_subclass(cls, referent, callback):
    return weakref.ref.__new__(cls, _Gone() if referent is None else referent, callback)


def fill_attributes(obj, state):
    """Give it the attributes that it had, without asking its class."""
    attributes, slots = _parts(state)
    for name, value in (*attributes.items(), *slots.items()):
        object.__setattr__(obj, name, value)


def make_weakref(referent, callback, *key):
    referent = _Gone() if referent is None else referent
    return weakref.KeyedRef(referent, callback, *key) if key else weakref.ref(referent, callback)


def _user_callback(method):
    """What is called when the object of a WeakMethod is gone."""
    called = weak_callback(method)
    names = called.__code__.co_freevars
    return called.__closure__[names.index("callback")].cell_contents if "callback" in names else called


def make_weak_proxy(referent, callback, callable):
    if referent is None:
        referent = _Gone() if callable else _Uncallable()
    return weakref.proxy(referent, callback)


def make_weak_method(method):
    return weakref.WeakMethod(_Gone().method if method is None else method)


def _reduce_comparison_key(key):
    parts = gc.get_referents(key)
    inner = hasattr(key, "obj")
    compare = [part for part in parts if not (inner and part is key.obj) and part is not type(key)]
    if len(compare) != 1:
        raise TypeError("its function cannot be found")
    return make_comparison_key, (compare[0], [key.obj] if inner else [])


def make_comparison_key(compare, given):
    key = functools.cmp_to_key(compare)
    return key(given[0]) if given else key


def _holders_of_inner(weak):
    return sys.getrefcount(weak.data)


_ALONE = {cls: _holders_of_inner(cls()) for cls in (weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)}


def _refuse_iterated(weak):
    """What iterates over it, or changes it, holds on to the very sets and dicts inside of it."""
    if getattr(weak, "_iterating", None):
        raise TypeError("it is being iterated over")
    if _holders_of_inner(weak) > _ALONE[type(weak)]:
        raise TypeError("one of its methods, which changes it, has yet to end")


def _reduce_weak_set(weak):
    _refuse_iterated(weak)
    return weakref.WeakSet, (), [weakref.ref(one) for one in list(weak)], None, None, fill_weak_set


def fill_weak_set(weak, references):
    for reference in references:
        one = reference()
        if one is not None:
            weak.add(one)


def _reduce_weak_keys(weak):
    _refuse_iterated(weak)
    return weakref.WeakKeyDictionary, (), [(weakref.ref(k), v) for k, v in list(weak.items())], None, None, fill_weak_keys


def fill_weak_keys(weak, pairs):
    for reference, value in pairs:
        key = reference()
        if key is not None:
            weak[key] = value


def _reduce_weak_values(weak):
    _refuse_iterated(weak)
    pairs = [(k, weakref.ref(v)) for k, v in list(weak.items())]
    return weakref.WeakValueDictionary, (), pairs, None, None, fill_weak_values


def fill_weak_values(weak, pairs):
    for key, reference in pairs:
        value = reference()
        if value is not None:
            weak[key] = value


# --- type parameters -------------------------------------------------------------------------------


def reduce_nameless(obj, stays):
    """What goes by its name in a module, and has none that an adopter finds. stays: what an imported module has is the
    adopter's."""
    cls = type(obj)
    if cls is typing.NewType:
        return make_in_module, (cls, obj.__module__, (obj.__name__, obj.__supertype__), {}), {"__qualname__": obj.__qualname__}
    if cls is getattr(typing, "TypeAliasType", None):
        return make_in_module, (cls, obj.__module__, (obj.__name__, obj.__value__), {"type_params": obj.__type_params__})
    if cls in REDUCERS and REDUCERS[cls] is _reduce_cache:
        return reduce_cache_contents(obj)
    if cls.__name__ == "ufunc" and cls.__module__ == "numpy":
        return reduce_ufunc(obj)
    if cls not in (typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple):
        return None
    place = _place_of_parameter(obj) if stays else None
    if place is not None:
        return type_parameter_of, place
    options = {}
    if cls is not typing.TypeVarTuple:
        options["bound"] = obj.__bound__
        for name in ("covariant", "contravariant", "infer_variance"):
            if getattr(obj, f"__{name}__", False):
                options[name] = True
    if getattr(obj, "has_default", bool)():
        options["default"] = obj.__default__
    return make_in_module, (cls, obj.__module__, (obj.__name__, *getattr(obj, "__constraints__", ())), options, origin_here(obj))


_owners = (None, {})  # how many modules there were; what has a type parameter, by the address of that


def _place_of_parameter(parameter):
    """The function, class or alias of an imported module that has a type parameter, and the index there; None if none has."""
    global _owners
    if _owners[0] != len(sys.modules):
        _owners = len(sys.modules), _owners_of_parameters()
    place = _owners[1].get(id(parameter))
    if place is None or type_parameter_of(*place) is not parameter:
        return None
    return place


def _owners_of_parameters():
    found, seen, classes = {}, set(), type.__dict__["__dict__"].__get__
    todo = [(name, vars(module).values()) for name, module in list(sys.modules.items()) if type(module) is types.ModuleType]
    for module, values in todo:
        for value in list(values) if module != "__main__" else ():
            value = value.__func__ if kind_of(value) in (staticmethod, classmethod) else value
            is_class = isinstance(value, type)
            if not is_class and kind_of(value) not in (types.FunctionType, getattr(typing, "TypeAliasType", types.FunctionType)) or id(value) in seen:
                continue
            seen.add(id(value))
            given = classes(value).get("__type_params__", ()) if is_class else getattr(value, "__type_params__", ())
            found.update({id(own): (value, index) for index, own in enumerate(given)} if type(given) is tuple else ())
            if is_class and classes(value).get("__module__") == module:
                todo.append((module, classes(value).values()))
    return found


def type_parameter_of(owner, index):
    """The one that the adopter's own has."""
    given = getattr(owner, "__type_params__", ())
    if index >= len(given):
        raise AttributeError(f"{owner.__qualname__} has {len(given)} type parameters here; adopt with the same version of its module")
    return given[index]


def _make_there(cls, args, options):
    return cls(*args, **options)


def make_in_module(cls, module, args, options, origin=None):
    """As if code of that module had made it: it has the module's name."""
    if cls not in (typing.NewType, typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple, getattr(typing, "TypeAliasType", cls)):
        raise TypeError("no type parameter")
    made = types.FunctionType(_make_there.__code__, {"__name__": module, "__builtins__": builtins})(cls, args, options)
    if getattr(made, "__module__", None) != module:
        made.__module__ = module
    if origin is not None:
        enter_origin(made, origin)
    return made


# --- locks -----------------------------------------------------------------------------------------


def _reduce_lock(lock):
    """Free, or held by what travels: a lock does not know who holds it, so there must be one thread only."""
    if lock.locked() and not is_only_thread():
        raise TypeError("it is held, perhaps by another thread")
    return make_lock, (lock.locked(),)


def is_only_thread():
    return len(sys._current_frames()) == 1


def make_lock(held):
    lock = _thread.allocate_lock()
    if held:
        lock.acquire()
    return lock


def _reduce_rlock(lock):
    if lock._is_owned():
        count = lock._recursion_count() if hasattr(lock, "_recursion_count") else int(repr(lock).split("count=")[1].split()[0])
        return make_rlock, (count,)
    if not repr(lock).startswith("<unlocked"):
        raise TypeError("another thread holds it")
    return make_rlock, (0,)


def make_rlock(count):
    lock = _thread.RLock()
    for _ in range(count):
        lock.acquire()
    return lock


def _reduce_nan(number):
    """One that something compares by identity."""
    name = name_of_nan(number)
    if name:
        return constant_of, name
    return make_nan, (_struct.pack("<d", number),)


def make_nan(data):
    return _struct.unpack("<d", data)[0]


REDUCERS.update(
    {
        type({}.keys()): lambda view: _view_by(view, "keys"),
        type({}.values()): lambda view: _view_by(view, "values"),
        type({}.items()): lambda view: _view_by(view, "items"),
        memoryview: _reduce_memoryview,
        re.Match: _reduce_match,
        _struct.Struct: lambda s: (_struct.Struct, (s.format,)),
        weakref.WeakSet: _reduce_weak_set,
        weakref.WeakKeyDictionary: _reduce_weak_keys,
        weakref.WeakValueDictionary: _reduce_weak_values,
        _thread.LockType: _reduce_lock,
        _thread.RLock: _reduce_rlock,
        float: _reduce_nan,
        type(functools.cmp_to_key(max)): _reduce_comparison_key,
    }
)


def _reduce_frozendict(held):
    """By pairs (3.15): a dict among its arguments would get keys that a cycle leads through when it is made already."""
    return type(held), (tuple(held.items()),)


if hasattr(sys.modules["builtins"], "frozendict"):
    REDUCERS[frozendict] = _reduce_frozendict

# Policy for objects that say nothing useful themselves: how they are taken apart and put together.
# A reducer returns what __reduce_ex__ may return; see values/object.rs.

import collections
import importlib
import threading

# --- names -----------------------------------------------------------------------------------------

# Builtin classes that are not found under their own name.
NAMELESS = {
    value: "types:" + name
    for name, value in vars(types).items()
    if isinstance(value, type) and value.__module__ == "builtins" and not hasattr(sys.modules["builtins"], value.__name__)
}
NAMELESS[threading.Lock if isinstance(threading.Lock, type) else type(threading.Lock())] = "_thread:LockType"


def module_of(obj, name):
    """'module:name' of an object that reduces to a name, or None: as pickle.whichmodule finds it."""
    for module_name, module in list(sys.modules.items()):
        if module_name in ("__main__", "__mp_main__") or module is None:
            continue
        found = module
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except Exception:
            continue
        if found is obj:
            return module_name + ":" + name
    return None


# --- instances -------------------------------------------------------------------------------------


class Hooks:
    """Its slots are those of classes that have these methods in Python."""

    def __new__(cls):
        return object.__new__(cls)

    def __setitem__(self, key, value):
        raise KeyError(key)


def reduce_hooked(obj):
    """What object.__reduce_ex__ gives for an object whose class may run code when its attributes are looked at."""
    cls = type(obj)
    method = lambda found: type(found).__get__(found, obj, cls)
    make, args = copyreg.__newobj__, (cls,)
    listed, mapped = issubclass(cls, list), issubclass(cls, dict)  # of an instance, __class__ would be asked
    required = not (listed or mapped)
    for name in ("__getnewargs_ex__", "__getnewargs__"):
        found = _lookup(cls, name)
        if found is not None:
            required = False
            given = method(found)()
            if type(given) is not tuple or name == "__getnewargs_ex__" and len(given) != 2:
                raise TypeError(f"{name} should return a tuple, not {type(given).__name__!r}")
            make, args = copyreg.__newobj__ if name == "__getnewargs__" else copyreg.__newobj_ex__, (cls, *given)
            break
    getstate = _lookup(cls, "__getstate__")
    state = method(getstate)() if getstate is not object.__getstate__ else _state(obj, cls, required)
    items = list.__iter__(obj) if listed else None
    pairs = iter(dict.items(obj)) if mapped else None
    return make, args, state, items, pairs


def slot_names(cls):
    """The slots of instances, as copyreg._slotnames finds them: that would leave what it found in the class. One that
    something else hides is told by the class that has it, "number in the mro.name"."""
    names = []
    if _lookup(cls, "__slots__") is None:
        return names
    for number, base in enumerate(_mro_of(cls)):
        own = _dict_of(base)
        slots = own.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            owner = _name_of(base).lstrip("_")
            private = name.startswith("__") and not name.endswith("__") and owner
            if name not in ("__dict__", "__weakref__"):
                name = f"_{owner}{name}" if private else name
                member = own.get(name)
                hidden = kind_of(member) is types.MemberDescriptorType and _lookup(cls, name) is not member
                names.append(f"{number}.{name}" if hidden else name)
    return names


def hidden_slot(cls, place):
    """The descriptor of a slot that something else hides."""
    number, _, name = place.partition(".")
    member = next((_dict_of(base).get(name) for at, base in enumerate(_mro_of(cls)) if str(at) == number), None)
    if kind_of(member) is not types.MemberDescriptorType:
        raise TypeError(f"the class {_name_of(cls)!r} has no slot {name!r} where the captured one had it")
    return member


def _state(obj, cls, required):
    """As object.__getstate__."""
    slots = slot_names(cls)
    size = object.__basicsize__ + 8 * (len(slots) + (_dictoffset_of(cls) > 0) + (_weakrefoffset_of(cls) > 0))
    if required and (_itemsize_of(cls) or _basicsize_of(cls) > size):
        raise TypeError(f"cannot pickle {_name_of(cls)!r} object")
    state = object.__getattribute__(obj, "__dict__") or None if _dictoffset_of(cls) else None
    values = {}
    for name in slots:
        try:
            values[name] = hidden_slot(cls, name).__get__(obj) if "." in name else object.__getattribute__(obj, name)
        except AttributeError:
            pass
    return (state, values) if values else state


def reduce_by_parts(obj):
    """With all that it has, whatever its class says that its state is."""
    return copyreg.__newobj__, (type(obj),), _state(obj, type(obj), True), None, None, fill_unfinished


def reduce_unfinished(obj):
    """By its parts, an object whose own methods ask for an attribute that it does not have: `__new__` or `__init__`, in
    which the program stands, have yet to set it. None if it has parts that Python does not show."""
    try:
        return make_unfinished, (type(obj),), _state(obj, type(obj), True), None, None, fill_unfinished
    except TypeError:
        return None


def make_unfinished(cls):
    return object.__new__(cls)


def set_state(obj, state):
    """As pickle does it."""
    own = getattr(obj, "__setstate__", None)
    if own is not None:
        return own(state)
    attributes, slots = _parts(state)
    obj.__dict__.update(attributes)
    for name, value in slots.items():
        setattr(obj, name, value)


def fill_unfinished(obj, state):
    attributes, slots = _parts(state)
    if attributes:
        object.__getattribute__(obj, "__dict__").update(attributes)
    for key, value in slots.items():
        if "." in key:
            hidden_slot(type(obj), key).__set__(obj, value)
        else:
            object.__setattr__(obj, key, value)


def sentinel(module, name, cls, state):
    """The one that this process has, if it is like the one that was captured; else one like that. Snapshots of
    earlier versions have it."""
    try:
        found = getattr(sys.modules.get(module) or importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if type(found) is cls:
        own = _state(found, cls, True)
        if _parts(own) == _parts(state):
            return found
    made = make_unfinished(cls)
    fill_unfinished(made, state)
    return made


def _parts(state):
    attributes, slots = state if type(state) is tuple else (state, None)
    return attributes or {}, slots or {}


# Modules whose `__reduce__` in Python says what an object's value is, not where its process has it.
_OF_VALUES = frozenset(("_weakrefset", "datetime", "decimal", "fractions", "ipaddress", "random", "zoneinfo"))


def is_of_base(cls, reduce):
    """Whether a class has the `__reduce__` that the library wrote for one of its bases: that calls the class with what its
    own constructor takes, and knows of no attributes."""
    if type(reduce) is not types.MethodDescriptorType and getattr(reduce, "__module__", None) not in _OF_VALUES:
        return False
    names = type.__dict__["__dict__"].__get__(cls)
    return all(names.get(name) is not reduce for name in ("__reduce_ex__", "__reduce__"))


def reduce_below(obj, parts):
    """What the library says of an object of a class below one of its own, without running the constructors of that, and
    with the attributes that it has."""
    cls = type(obj)
    if type(parts) is not tuple:
        return parts
    if parts[0] is not cls:
        numpy = sys.modules.get("numpy")
        if numpy is not None and _is(obj, numpy.number):  # that makes a number of the base
            base = next(base for base in _mro_of(cls) if not _flags_of(base) & _STATEMENT)
            return copyreg.__newobj__, (cls, base(obj)), _state(obj, cls, False), None, None, fill_unfinished
        make, args, state, items, pairs, setter = (*parts, None, None, None, None)[:6]
        if state is not None or setter is not None or getattr(make, "__self__", None) is not cls:
            return parts
        return make, args, _state(obj, cls, False), items, pairs, fill_unfinished
    try:
        whole = _state(obj, cls, True)
    except TypeError:
        pass
    else:
        return copyreg.__newobj__, (cls,), whole, None, None, fill_unfinished
    _, args, state, items, pairs, setter = (*parts, None, None, None, None)[:6]
    items = None if items is None else list(items)
    late = _first_builtin(cls, "__new__") in _NEW_WITHOUT_ARGUMENTS
    return copyreg.__newobj__, (cls, *(() if late else args)), (args, state, setter, items, _state(obj, cls, False)), None, pairs, fill_below


_NEW_WITHOUT_ARGUMENTS = {
    base.__new__
    for base in (object, dict, bytearray, collections.OrderedDict, collections.defaultdict, collections.deque, types.SimpleNamespace)
}


def fill_below(obj, given):
    args, state, setter, items, attributes = given
    cls = type(obj)
    init = _first_builtin(cls, "__init__")
    if init is not object.__init__:
        init(obj, *args)
    if items:
        _first_builtin(cls, "extend")(obj, items)
    if setter is not None:
        setter(obj, state)
    elif state is not None:
        set_state = _lookup(cls, "__setstate__")
        fill_unfinished(obj, state) if set_state is None else set_state(obj, state)
    fill_unfinished(obj, attributes)


def _first_builtin(cls, name):
    """The method of that name of the nearest base that no class statement made."""
    for base in _mro_of(cls):
        found = _dict_of(base).get(name)
        if found is not None and kind_of(found) not in _FUNCTIONS and not _is(found, staticmethod):
            return found


# --- exceptions and tracebacks ---------------------------------------------------------------------


def reduce_exception(exc, is_being_made):
    """An exception with its cause, context, notes and traceback, which pickle drops. One that its own methods are still
    making is taken with all that it has."""
    cls = type(exc)
    own = _lookup(cls, "__reduce__") is BaseException.__dict__["__reduce__"]
    if is_being_made or own and _lookup(cls, "__reduce_ex__") is object.__dict__["__reduce_ex__"]:
        late = _is_simple_exception(cls)  # its arguments may lead back to it
        made, args, state = make_exception, (cls, () if late else exc.args), exc.__dict__ or None
        if _is(exc, BaseExceptionGroup) and _makes_itself(cls):  # it may take more arguments than a group
            args = cls, (BaseExceptionGroup.message.__get__(exc), _members_given(exc))
            extra = exc.__cause__, exc.__context__, exc.__suppress_context__, exc.__traceback__, {}, exc.args
            return made, args, (state, *extra), None, None, fill_exception
        if late:
            extra = exc.__cause__, exc.__context__, exc.__suppress_context__, exc.__traceback__, {}, exc.args
            return made, args, (state, *extra), None, None, fill_exception
    else:
        parts = exc.__reduce_ex__(5)
        if isinstance(parts, str) or len(parts) > 3:
            return parts
        made, args, state = parts[0], parts[1], parts[2] if len(parts) > 2 else None
        if made is cls and _makes_itself(cls):
            extra = exc.__cause__, exc.__context__, exc.__suppress_context__, exc.__traceback__, exception_members(exc), exc.args
            return make_exception, (cls, args), (state, *extra), None, None, fill_exception
    extra = (state, exc.__cause__, exc.__context__, exc.__suppress_context__, exc.__traceback__, exception_members(exc))
    return made, args, extra, None, None, fill_exception


def _members_given(group):
    """The exceptions of a group, in the list in which they were given if that has them still."""
    members = BaseExceptionGroup.exceptions.__get__(group)
    given = group.args[1] if len(group.args) > 1 else None
    same = kind_of(given) in (list, tuple) and len(given) == len(members) and all(map(operator.is_, given, members))
    return given if same else members


_FUNCTIONS = (types.FunctionType, staticmethod)


def _makes_itself(cls):
    """Whether methods of the program make an exception of this class, and the interpreter's own take it apart."""
    if type(_lookup(cls, "__reduce__")) is not types.MethodDescriptorType:
        return False
    if _lookup(cls, "__reduce_ex__") is not object.__dict__["__reduce_ex__"]:
        return False
    return any(kind_of(_lookup(cls, name)) in _FUNCTIONS for name in ("__new__", "__init__"))


def _is_simple_exception(cls):
    """Whether nothing but its `args` is made of its arguments."""
    for base in _mro_of(cls):
        if base is BaseException:
            return True
        if not _flags_of(base) & _STATEMENT:
            if base not in _has_members:
                _has_members[base] = any(kind_of(v) in _DESCRIPTORS[:2] for v in base.__dict__.values())
            if _has_members[base]:
                return False


_has_members = {}  # of the interpreter's own exceptions, which live for ever


def make_exception(cls, args):
    """The exception without running __new__ and __init__ of the program, whose arguments may be others."""
    exc = _first_builtin(cls, "__new__")(cls, *args)
    try:
        _first_builtin(cls, "__init__")(exc, *args)
    except TypeError:
        pass
    exc.args = args
    return exc


def fill_exception(exc, extra):
    state, cause, context, suppress, traceback, *members = extra
    for name, value in members[0].items() if members else ():
        try:
            if name != "characters_written":
                setattr(exc, name, value)
            elif value is None:
                OSError.characters_written.__delete__(exc)
            else:
                OSError.characters_written.__set__(exc, value)
        except (AttributeError, TypeError):  # made by the arguments, and not to be changed
            pass
    if state is not None:
        exc.__setstate__(state)
    if len(members) > 1:
        exc.args = members[1]
    exc.__cause__ = cause
    exc.__context__ = context
    exc.__suppress_context__ = suppress
    exc.__traceback__ = traceback


# --- the rest --------------------------------------------------------------------------------------


def make_method(function, instance):
    if callable(function):
        return types.MethodType(function, instance)
    return classmethod(function).__get__(None, instance)  # of a class that is not whole yet, or no function at all


def getattr_static(cls, name):
    return _dict_of(cls)[name]


def bind_static(descriptor, instance):
    if instance is None:  # to a descriptor that means no object
        return object.__getattribute__(None, descriptor.__name__)
    return descriptor.__get__(instance)


def make_mappingproxy(mapping):
    return types.MappingProxyType(mapping)


def _reduce_descriptor(d):
    if shared_descriptor(d.__name__) is d:
        return shared_descriptor, (d.__name__,)
    if _dict_of(d.__objclass__).get(d.__name__) is not d:
        if collections.UserDict.__dict__.get(d.__name__) is d:  # from 3.15 on all classes share it
            return getattr_static, (collections.UserDict, d.__name__)
        raise TypeError(f"the descriptor '{d.__name__}' is not in its class")
    return getattr_static, (d.__objclass__, d.__name__)


class _Plain:
    pass


def shared_descriptor(name):
    """The one that all classes have for their instances' __dict__ or __weakref__ from 3.15 on; None before that."""
    found = vars(_Plain).get(name) if name in ("__dict__", "__weakref__") else None
    return found if found is vars(Hooks).get(name) else None


def _reduce_slot_method(m):
    """A slot's method that is bound: its class's, which a subclass may have overridden."""
    return bind_static, (_dict_of(m.__objclass__)[m.__name__], m.__self__)


def _reduce_builtin_method(m):
    """A C method that is bound, likewise; a function of a module by its name."""
    instance = m.__self__
    if m is _c_import:
        return own_import, ()  # wherever it is found: the program may have put its own in its place
    if instance is None or issubclass(type(instance), (type, types.ModuleType)):
        return m.__reduce__()
    if asyncio_is_there() and task_of_step(m) is not None:
        return make_wakeup, (instance,)
    for base in _mro_of(type(instance)):
        found = _dict_of(base).get(m.__name__)
        if type(found) is types.MethodDescriptorType and found.__get__(instance) == m:
            return bind_static, (found, instance)
    return m.__reduce__()


def _reduce_super(s):
    cls, instance = (super.__dict__[name].__get__(s) for name in ("__thisclass__", "__self__"))
    return super, (cls,) if instance is None else (cls, instance)


def _reduce_wrapper(w):
    state = {k: v for k, v in w.__dict__.items() if k not in _WRAPPED} or None
    return type(w), (w.__func__,), state


_WRAPPED = frozenset(
    ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__annotate__", "__wrapped__", "__type_params__")
)


def _reduce_property(p):
    return type(p), (p.fget, p.fset, p.fdel, p.__doc__)


_WRAPPERS = {staticmethod: ("__func__",), classmethod: ("__func__",), property: ("fget", "fset", "fdel")}


def reduce_wrapper_below(obj):
    """An object of a class below those of properties and wrapped methods, without its class's own methods; None if it is none."""
    base = next((base for base in _WRAPPERS if issubclass(type(obj), base)), None)
    if base is None:
        return None
    parts = [vars(base)[name].__get__(obj) for name in _WRAPPERS[base]]
    return make_wrapper_below, (type(obj), base, *parts), _state(obj, type(obj), False), None, None, fill_unfinished


def make_wrapper_below(cls, base, *parts):
    made = base.__new__(cls, *parts)
    base.__init__(made, *parts)
    return made


# Asked by exact type, before copyreg and __reduce_ex__. torpor.register adds to it.
REDUCERS = {
    types.MethodType: lambda m: (make_method, (m.__func__, m.__self__)),
    types.BuiltinMethodType: _reduce_builtin_method,
    types.MethodWrapperType: _reduce_slot_method,
    types.WrapperDescriptorType: _reduce_descriptor,
    super: _reduce_super,
    types.MemberDescriptorType: _reduce_descriptor,
    types.GetSetDescriptorType: _reduce_descriptor,
    types.ClassMethodDescriptorType: _reduce_descriptor,
    staticmethod: _reduce_wrapper,
    classmethod: _reduce_wrapper,
    property: _reduce_property,
}

# Policy for objects that say nothing useful themselves: how they are taken apart and put together.
# A reducer returns what __reduce_ex__ may return; see values/object.rs.

import abc
import collections
import enum
import gc
import importlib
import io
import threading
import uuid

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


# --- classes ---------------------------------------------------------------------------------------

# A class that travelled keeps an origin id: adopted twice, or coming home, it is one object.
# They are told apart by identity: a metaclass may say that its classes are equal, or cannot be hashed.
_classes = weakref.WeakValueDictionary()
_class_origins = {}  # by the address of the class: (a weak reference that tidies up, its origin id)
_filled = set()  # origin ids


def _class_id(cls):
    known = _class_origins.get(id(cls))
    if known is None:
        known = _enter_class(cls, uuid.uuid4().hex)
        _filled.add(known[1])
    return known[1]


def _enter_class(cls, class_id):
    def forget(_, address=id(cls), origins=_class_origins, filled=_filled):  # also when the interpreter ends
        filled.discard(origins.pop(address)[1])

    _classes[class_id] = cls
    known = _class_origins[id(cls)] = weakref.ref(cls, forget), class_id
    return known


_namespaces = weakref.WeakValueDictionary()  # classes by the identity of their namespace


def class_namespace(cls):
    """The dict that is a class's namespace itself."""
    (namespace,) = gc.get_referents(cls.__dict__)
    return namespace


def class_scope(function):
    """What a scope in a class body (annotations, type parameters) looks names up in: (namespace, its class).

    None if no class has that namespace (yet).
    """
    try:
        namespace = function.__closure__[function.__code__.co_freevars.index("__classdict__")].cell_contents
    except ValueError:  # an empty cell
        return None
    known = _namespaces.get(id(namespace))
    for cls in (known,) if known is not None else gc.get_referrers(namespace):
        if isinstance(cls, type) and class_namespace(cls) is namespace:
            return namespace, cls
    return None


_SKIP = frozenset(("__dict__", "__weakref__", "_abc_impl", "__abstractmethods__"))


def reduce_class(cls):
    """Take a class apart that the adopter cannot import."""
    if is_array_class(cls):
        return make_array_class, (cls._type_, cls._length_)
    if is_function_class(cls):
        return make_function_class, (cls._restype_, cls._argtypes_, cls._flags_)
    known = reduce_builtin_class(cls)
    if known is not None:
        return known
    _namespaces[id(class_namespace(cls))] = cls
    made = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    state = {}
    if "__orig_bases__" in cls.__dict__:  # Generic asks for them as soon as there is a class
        made["__orig_bases__"] = cls.__dict__["__orig_bases__"]
    slots = cls.__dict__.get("__slots__")
    if slots is not None:
        made["__slots__"] = slots
    names = (slots,) if isinstance(slots, str) else tuple(slots or ())
    for name, value in cls.__dict__.items():
        if name in _SKIP or name in made or name in names and isinstance(value, types.MemberDescriptorType):
            continue
        if isinstance(value, types.MemberDescriptorType) and slots is not None:
            continue  # a private slot, by its mangled name
        if type(value).__name__ == "CField" and "_fields_" in cls.__dict__:
            continue  # of ctypes, made of the fields
        state[name] = value
    registry = ()
    if isinstance(cls, abc.ABCMeta):
        registry = tuple(r for r in (ref() for ref in abc._get_dump(cls)[0]) if r is not None)
    args = (type(cls), cls.__name__, cls.__bases__, made, _class_id(cls))
    return make_class, args, (state, registry, _registered_with(cls)), None, None, fill_class


_abcs = (None, {})


def _registered_with(cls):
    """The abstract classes of importable modules that know a class because it was registered with them."""
    if not any(getattr(ref.__callback__, "__name__", "") == "_destroy" for ref in weakref.getweakrefs(cls)):
        return ()  # they would hold a weak reference of that kind
    global _abcs
    token = abc.get_cache_token()  # another one after every registration
    if _abcs[0] != token:
        _abcs = token, _abcs_by_registered()
    found = []
    for one in _abcs[1].get(id(cls), ()):
        module = sys.modules.get(one.__module__)
        stays = one.__module__ != "__main__" and getattr(module, one.__qualname__, None) is one
        if stays and any(ref() is cls for ref in abc._get_dump(one)[0]):
            found.append(one)
    return tuple(found)


def _abcs_by_registered():
    found, classes, seen = {}, [object], set()
    while classes:
        for cls in type.__subclasses__(classes.pop()):
            if id(cls) in seen:
                continue
            seen.add(id(cls))
            classes.append(cls)
            if issubclass(type(cls), abc.ABCMeta):
                for ref in abc._get_dump(cls)[0]:
                    found.setdefault(id(ref()), []).append(cls)
    return found


_HOOKS = (classmethod, types.ClassMethodDescriptorType)
_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
UNASKED = staticmethod(lambda _: NotImplemented)
QUIET = classmethod(lambda *_, **__: None)


def make_class(meta, name, bases, made, class_id):
    """The class without its contents, or the one that this process has of that origin."""
    found = _classes.get(class_id)
    if found is not None:
        return found
    # What its bases do with a new class was done where it was made.
    hooks = {
        id(base): (base, vars(base)["__init_subclass__"])
        for each in bases
        for base in type.__dict__["__mro__"].__get__(each)
        if type(vars(base).get("__init_subclass__")) in _HOOKS
        and base is not object
        and not base.__flags__ & _IMMUTABLE
    }
    new, init = _first_builtin(meta, "__new__"), _first_builtin(meta, "__init__")
    if new is type.__new__ and init is type.__init__:
        cls = make_quietly(list(hooks.values()), meta, name, bases, dict(made))
    elif hooks:
        raise TypeError(f"a base of {name} has an __init_subclass__, and its metaclass is made in C: it would run again")
    else:  # a metaclass made in C has to know the class: those of ctypes
        cls = new(meta, name, bases, dict(made))
        init(cls, name, bases, dict(made))
    if issubclass(meta, abc.ABCMeta):
        abc._abc_init(cls)
    _enter_class(cls, class_id)
    return cls


_OF_TYPE = frozenset(("__base__", "__bases__", "__mro__", "__name__", "__flags__", "__dictoffset__", "__basicsize__",
                      "__itemsize__", "__weakrefoffset__", "__class__"))  # fmt: skip


def fill_class(cls, state):
    """Give the class what it contains."""
    class_id = _class_id(cls)
    if class_id in _filled:
        return
    _filled.add(class_id)
    contents, registry, *others = state
    for one in others[0] if others else ():
        abc._abc_register(one, cls)
    if isinstance(cls, abc.ABCMeta):
        # Registering asks hooks: what they had to say, they said where the class was made.
        type.__setattr__(cls, "__subclasshook__", UNASKED)
        for registered in registry:
            abc._abc_register(cls, registered)
        type.__delattr__(cls, "__subclasshook__")
    set_attribute = _first_builtin(type(cls), "__setattr__")  # below the metaclasses of the program
    for name, value in contents.items():
        if name == "__doc__" and value is None:
            continue
        if name in _OF_TYPE:  # set on the class, it would be taken for what type has under that name
            class_namespace(cls)[name] = value
            continue
        set_attribute(cls, name, value)
    if isinstance(cls, abc.ABCMeta):
        abc.update_abstractmethods(cls)


def make_enum(meta, name, qualname, module, bases, members, class_id):
    """An enumeration with its members. Enumerations are written as other classes are; this keeps its number."""
    found = _classes.get(class_id)
    if found is not None:
        return found
    namespace = meta.__prepare__(name, bases)
    namespace["__module__"] = module
    namespace["__qualname__"] = qualname
    for member, value in members.items():
        namespace[member] = value
    cls = meta.__new__(meta, name, bases, namespace)
    _enter_class(cls, class_id)
    return cls


# --- instances -------------------------------------------------------------------------------------


class Hooks:
    """Its slots are those of classes that have these methods in Python."""

    def __new__(cls):
        return object.__new__(cls)

    def __setitem__(self, key, value):
        raise KeyError(key)


def _on_type(cls, name):
    for base in type.__dict__["__mro__"].__get__(cls):
        names = type.__dict__["__dict__"].__get__(base)
        if name in names:
            return names[name]
    return None


def reduce_hooked(obj):
    """What object.__reduce_ex__ gives for an object whose class may run code when its attributes are looked at."""
    cls = type(obj)
    method = lambda found: type(found).__get__(found, obj, cls)
    make, args = copyreg.__newobj__, (cls,)
    listed, mapped = issubclass(cls, list), issubclass(cls, dict)  # of an instance, __class__ would be asked
    required = not (listed or mapped)
    for name in ("__getnewargs_ex__", "__getnewargs__"):
        found = _on_type(cls, name)
        if found is not None:
            required = False
            if name == "__getnewargs__":
                args = (cls, *method(found)())
            else:
                make, args = copyreg.__newobj_ex__, (cls, *method(found)())
            break
    getstate = _on_type(cls, "__getstate__")
    state = method(getstate)() if getstate is not object.__getstate__ else _state(obj, cls, required)
    items = list.__iter__(obj) if listed else None
    pairs = iter(dict.items(obj)) if mapped else None
    return make, args, state, items, pairs


def _state(obj, cls, required):
    """As object.__getstate__."""
    slots = copyreg._slotnames(cls)
    size = object.__basicsize__ + 8 * (len(slots) + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0))
    if required and (cls.__itemsize__ or cls.__basicsize__ > size):
        raise TypeError(f"cannot pickle {cls.__name__!r} object")
    state = object.__getattribute__(obj, "__dict__") or None if cls.__dictoffset__ else None
    values = {}
    for name in slots:
        try:
            values[name] = object.__getattribute__(obj, name)
        except AttributeError:
            pass
    return (state, values) if values else state


def reduce_unfinished(obj):
    """By its parts, an object whose own methods ask for an attribute that it does not have: `__new__` or `__init__`, in
    which the program stands, have yet to set it. None if it has parts that Python does not show."""
    try:
        return make_unfinished, (type(obj),), _state(obj, type(obj), True), None, None, fill_unfinished
    except TypeError:
        return None


def make_unfinished(cls):
    return object.__new__(cls)


def fill_unfinished(obj, state):
    attributes, slots = _parts(state)
    for key, value in (*attributes.items(), *slots.items()):
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


def _first_builtin(cls, name):
    """The method of that name of the nearest base that no class statement made."""
    for base in cls.__mro__:
        found = base.__dict__.get(name)
        if found is not None and not isinstance(found, (types.FunctionType, staticmethod)):
            return found


# --- exceptions and tracebacks ---------------------------------------------------------------------


def reduce_exception(exc):
    """An exception with its cause, context, notes and traceback, which pickle drops."""
    cls = type(exc)
    if cls.__reduce__ is BaseException.__reduce__ and cls.__reduce_ex__ is object.__reduce_ex__:
        late = _is_simple_exception(cls)  # its arguments may lead back to it
        made, args, state = make_exception, (cls, () if late else exc.args), exc.__dict__ or None
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


def _makes_itself(cls):
    """Whether methods of the program make an exception of this class, and the interpreter's own take it apart."""
    if type(cls.__reduce__) is not types.MethodDescriptorType or cls.__reduce_ex__ is not object.__reduce_ex__:
        return False
    return any(type(_on_type(cls, name)) in (types.FunctionType, staticmethod) for name in ("__new__", "__init__"))


def _is_simple_exception(cls):
    """Whether nothing but its `args` is made of its arguments."""
    for base in cls.__mro__:
        if base is BaseException:
            return True
        if not base.__flags__ & _STATEMENT and any(type(v) in _DESCRIPTORS[:2] for v in base.__dict__.values()):
            return False


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
            setattr(exc, name, value)
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
    return types.MethodType(function, instance)


def getattr_static(cls, name):
    return cls.__dict__[name]


def bind_static(descriptor, instance):
    return descriptor.__get__(instance)


def make_mappingproxy(mapping):
    return types.MappingProxyType(mapping)


def _reduce_descriptor(d):
    if shared_descriptor(d.__name__) is d:
        return shared_descriptor, (d.__name__,)
    if d.__objclass__.__dict__.get(d.__name__) is not d:
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
    return bind_static, (m.__objclass__.__dict__[m.__name__], m.__self__)


def _reduce_builtin_method(m):
    """A C method that is bound, likewise; a function of a module by its name."""
    instance = m.__self__
    if m is _c_import:
        return own_import, ()  # wherever it is found: the program may have put its own in its place
    if instance is None or issubclass(type(instance), (type, types.ModuleType)):
        return m.__reduce__()
    if asyncio_is_there() and task_of_step(m) is not None:
        return make_wakeup, (instance,)
    for base in type(instance).__mro__:
        found = base.__dict__.get(m.__name__)
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

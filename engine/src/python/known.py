# Objects that are found again, not rebuilt: what an imported module holds.

import _thread
import enum
import functools
import importlib.machinery
import random
import threading

_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE

# Classes of the interpreter's own without a name, by an instance that is rebuilt as one of the same class.
_SAMPLES = {
    type(sample): sample
    for sample in (iter([]), iter(()), iter(range(0)), reversed([]), iter(""), iter("\x80"), iter(b""), iter(bytearray()))
}
_C_METHODS = (types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType)


def reduce_builtin_class(cls):
    """A class that no class statement made, and that is not found by its name; None for any other."""
    names, flags = _dict_of(cls), _flags_of(cls)
    if flags & _STATEMENT and not flags & _IMMUTABLE:
        for value in names.values():
            if kind_of(value) in _C_METHODS and value.__objclass__ is cls:
                break
        else:
            return None
    if as_kind(cls) in _SAMPLES:
        return type, (_SAMPLES[cls],)
    sample = sample_of_library(cls)
    if sample is not None:
        return type, (sample,)
    raise TypeError(f"the class {_name_of(cls)} is made in C and has no name in a module")


_names_of_modules = {}  # names that the code of modules uses, by the module's name; None if it does more than assign


def is_made_later(module, qualname):
    """Whether to import a module does not make what it has under a name: somebody has put it there."""
    if module not in _names_of_modules:
        _names_of_modules[module] = _names_at_import(sys.modules.get(module))
    names = _names_of_modules[module]
    return names is not None and qualname.partition(".")[0] not in names


_late_names = {}  # by module: (how many names it had, those that somebody has put there)


def late_names(namespace):
    """The names under which somebody has put something into a module after it was imported."""
    module = namespace.get("__name__")
    if getattr(sys.modules.get(module), "__dict__", None) is not namespace:
        return ()
    known = _late_names.get(module)
    if known is None or known[0] != len(namespace):
        own = [name for name in namespace if type(name) is str and not name.startswith("__")]
        late = tuple(name for name in own if is_made_later(module, name) and type(namespace[name]) is not types.ModuleType)
        known = _late_names[module] = len(namespace), late
    return known[1]


def code_of_module(module):
    """What importing a module runs, if it is a plain file: loaders of the program are not asked."""
    spec = getattr(module, "__spec__", None)
    loader = getattr(spec, "loader", None)
    if kind_of(loader) not in (importlib.machinery.SourceFileLoader, importlib.machinery.SourcelessFileLoader):
        return None
    try:
        return loader.get_code(spec.name)
    except Exception:
        return None


def _names_at_import(module):
    code = code_of_module(module)
    if code is None or not _ASSIGNING.isdisjoint(code.co_names) or any(map(_is_star, code.co_code[::2], code.co_code[1::2])):
        return None
    assigning = {c.co_name for c in code.co_consts if type(c) is types.CodeType and not _ASSIGNING.isdisjoint(c.co_names)}
    if assigning and any(i.argval in assigning and i.opname == "LOAD_NAME" for i in dis.get_instructions(code)):
        return None  # one of its own functions does, and it calls that
    return frozenset(code.co_names)


def _is_star(opcode, argument):
    """Whether an instruction is that of `from module import *`."""
    name = dis.opname[opcode]
    return name == "IMPORT_STAR" or name == "CALL_INTRINSIC_1" and argument == 2


_ASSIGNING = frozenset(("globals", "vars", "locals", "exec", "setattr", "modules", "__dict__", "__getattr__"))


def alias_in_module(obj, module):
    """The name under which the module that an object says it is of has it, if that is not the object's own: a lambda, or
    what was renamed."""
    found = sys.modules.get(module)
    names = types.ModuleType.__dict__["__dict__"].__get__(found) if isinstance(found, types.ModuleType) else {}
    return next((name for name, value in list(names.items()) if value is obj and type(name) is str), None)


def reduce_wrapped(function, found, module, qualname):
    """The function behind what has its name: a decorated one, as `functools.wraps` leaves it, or an object that holds it
    or a decorated one. None if it is not there."""
    if isinstance(found, type):
        return None
    path, last = _wrapping(function, found), None
    if path is not None:
        for _ in path:
            found, last = _own_attribute(found, "__wrapped__"), found
        return getattr, (last, "__wrapped__")
    if type(found) is types.FunctionType or is_made_later(module, qualname):
        return None
    for name, held in _attributes_of(found):
        path = () if held is function else _wrapping(function, held) if type(held) is types.FunctionType else None
        if path is not None:
            return attribute_at, (module, *qualname.split("."), name, *path)
    return None


def attribute_at(module, *path):
    """What an importable module has at the end of a path."""
    found = importlib.import_module(module)
    for name in path:
        found = getattr(found, name)
    return found


def _own_attribute(found, name):
    return object.__getattribute__(found, "__dict__")[name]


def _wrapping(function, found):
    """How often it has to be unwrapped, as a path; None if the function is not below it."""
    path = ()
    try:
        while len(path) < 8:
            path += ("__wrapped__",)
            found = _own_attribute(found, "__wrapped__")
            if found is function:
                return path
    except Exception:
        pass
    return None


def _attributes_of(obj):
    """Those of an object that its class leaves to object, without asking it."""
    try:
        yield from list(object.__getattribute__(obj, "__dict__").items())
    except Exception:
        pass
    for name in slot_names(type(obj)):
        member = _lookup(type(obj), name)
        try:
            yield name, types.MemberDescriptorType.__get__(member, obj)
        except (AttributeError, TypeError):
            pass


# --- objects that a module has under a name ----------------------------------------------------------

LOCK, RLOCK, CONDITION = _thread.LockType, _thread.RLock, threading.Condition
_LOCKS = (LOCK, RLOCK)
# Of the classes with a reducer of the engine's own, those whose objects are told apart by identity.
STATEFUL = frozenset(
    (weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, collections.Counter, *_LOCKS)
    + (staticmethod, classmethod, property, random.Random)
)


def _is_held(lock):
    return lock.locked() if type(lock) is _thread.LockType else not repr(lock).startswith("<unlocked")


def is_private(obj):
    """Whether an object of a module holds what is captured: a lock that the frames have taken is held in the adopter
    by a copy of its own."""
    if kind_of(obj) in _LOCKS:
        return _is_held(obj)
    try:
        values = object.__getattribute__(obj, "__dict__").values()
    except AttributeError:
        return False
    return any(kind_of(value) in _LOCKS and _is_held(value) for value in list(values))


_REBOUND = {}
_STORES_GLOBAL = {dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]}


def is_rebound(module, name):
    """Whether functions of a module assign one of its global names: what is under it then is what the process made of
    it so far, and another process may have something else there, or nothing yet."""
    namespace = sys.modules[module].__dict__
    known = _REBOUND.get(module)
    if known is None or known[0] is not namespace:
        known = _REBOUND[module] = namespace, _rebound_names(namespace)
    return name in known[1]


def rebound_of(module, code):
    """The names of a module that code mentions and functions of the module assign; of code that may use all, none."""
    return tuple(name for name in global_names(code) if name != "*" and is_rebound(module, name))


def made_when_used(module, code):
    """The names of a module that code mentions and that importing the module leaves for later: those that are None and that
    functions of the module assign, or that it does not have at all; those of empty dicts."""
    nothing, empty = _left_for_later(module)
    names = [name for name in global_names(code) if not name.startswith("__") and name != "*"]
    is_own = _is_own(module)
    unmade = [name for name in names if not is_own and is_made_later(module, name)]
    none = [name for name in rebound_of(module, code) if name in nothing] if nothing else []
    return (*none, *unmade), tuple(name for name in names if name in empty) if empty else ()


_LEFT_FOR_LATER = {}
_NO_MODULES = ({"__main__", "__mp_main__", "threading"}, {"asyncio", "torpor"})  # their state is the engine's; and packages
_STORES_NAME = ("STORE_NAME", "STORE_GLOBAL")
_POLICY_OF_LOOPS = "asyncio.events"  # that is made when it is first asked for


def _is_own(module):
    return module in _NO_MODULES[0] or module.partition(".")[0] in _NO_MODULES[1] and module != _POLICY_OF_LOOPS


def _left_for_later(module):
    """The names to which the body of a module assigns None and nothing else, or an empty dict."""
    if module not in _LEFT_FOR_LATER:
        names = {None: set(), "dict": set(), "more": set()}
        code = None if _is_own(module) else code_of_module(sys.modules.get(module))
        stack = []  # what is assigned, as far as it is known
        for instruction in dis.get_instructions(code) if code is not None else ():
            opname, arg = instruction.opname, instruction.arg
            if opname in _STORES_NAME:
                names[stack.pop() if stack else "more"].add(instruction.argval)
            elif opname in ("LOAD_CONST", "LOAD_COMMON_CONSTANT"):
                stack.append(None if instruction.argval is None else "more")
            elif opname == "BUILD_MAP" and not arg:
                stack.append("dict")
            elif opname == "COPY" and arg <= len(stack):
                stack.append(stack[-arg])
            elif opname == "SWAP" and arg <= len(stack):
                stack[-arg], stack[-1] = stack[-1], stack[-arg]
            elif opname not in ("EXTENDED_ARG", "NOP"):
                stack.clear()
        _LEFT_FOR_LATER[module] = names[None] - names["dict"] - names["more"], names["dict"] - names[None] - names["more"]
    return _LEFT_FOR_LATER[module]


def _rebound_names(namespace):
    found = list(namespace.values())
    for cls in [v for v in found if issubclass(type(v), type)]:
        if _dict_of(cls).get("__module__") == namespace.get("__name__"):
            found.extend(_dict_of(cls).values())
    codes = []
    for value in found:
        function = value.fget if type(value) is property else value.__func__ if kind_of(value) in (staticmethod, classmethod) else value
        if type(function) is types.FunctionType and function.__globals__ is namespace:
            codes.append(function.__code__)
    names = set()
    while codes:
        code = codes.pop()
        codes.extend(c for c in code.co_consts if type(c) is types.CodeType)
        if not _STORES_GLOBAL.isdisjoint(code.co_code[::2]):
            names.update(i.argval for i in dis.get_instructions(code) if i.opcode in _STORES_GLOBAL)
    return names


def content_of(obj):
    """What an object that is no container contains, as containers: by its class's own word, or its attributes and items."""
    cls = type(obj)
    try:
        if _lookup(cls, "__reduce_ex__") is not object.__reduce_ex__ or _lookup(cls, "__reduce__") is not object.__reduce__:
            parts = obj.__reduce_ex__(4)
            return parts if type(parts) is str else [part if i < 3 or part is None else list(part) for i, part in enumerate(parts[:5])]
        items = next(([*plain.__iter__(obj)] for plain in (list, tuple) if issubclass(cls, plain)), None)
        if issubclass(cls, dict):
            items = [*dict.items(obj)]
        elif issubclass(cls, (set, frozenset)):
            items = {*(set if issubclass(cls, set) else frozenset).__iter__(obj)}
        return [_state(obj, cls, False), items]
    except Exception:
        return None  # it does not say


# --- what classes have among their names -------------------------------------------------------------

CLASS_MEMBERS = {
    property: "fget", types.DynamicClassAttribute: "fget", enum.property: "fget", functools.cached_property: "func",
    staticmethod: "__func__", classmethod: "__func__",
}  # fmt: skip


def place_in_class(obj):
    """The class of a module, and the name under which it has a property or wrapped method: (module, class, name), or None."""
    function = getattr(obj, CLASS_MEMBERS[type(obj)], None)
    if type(function) is not types.FunctionType:
        return None
    module, (*path, name) = function.__module__, function.__qualname__.split(".")
    found = sys.modules.get(module) if type(module) is str and path else None
    for part in path:
        if not isinstance(found, (type, types.ModuleType)):
            return None
        found = (_own_names(found) if isinstance(found, type) else types.ModuleType.__dict__["__dict__"].__get__(found)).get(part)
    return (module, found, name) if isinstance(found, type) and _own_names(found).get(name) is obj else None


def mark_of_class(obj, classes, module):
    """How an object without contents is found that a class of a module has: (class_member, (class, name)), or None."""
    try:
        is_mark = not _state(obj, type(obj), True)
    except TypeError:
        is_mark = False
    for cls in classes if is_mark else ():
        if _is(cls, type) and _named_module(cls) == module:
            for name, value in list(_own_names(cls).items()):
                if value is obj:
                    return class_member, (cls, name)
    return None


def _own_names(cls):
    return type.__dict__["__dict__"].__get__(cls)


def class_member(cls, name):
    """What a class that the adopter has imported has under a name."""
    try:
        return _own_names(cls)[name]
    except KeyError:
        raise AttributeError(f"the class {_qualname_of(cls)} has no {name!r} here; adopt with the same version of its module") from None


_MOST_BELOW = 64  # classes that are looked at


def classes_below(cls):
    """Classes that are derived from cls, each with the place of cls in its order."""
    found, todo = [], [cls]
    while todo and len(found) < _MOST_BELOW:
        for below in type.__subclasses__(todo.pop()):
            order = _mro_of(below)
            found += [(below, i) for i, base in enumerate(order) if base is cls]
            todo.append(below)
    return found


def class_base(cls, index, qualname):
    """What a class of the adopter's is derived from."""
    order = _mro_of(cls)
    if index >= len(order) or _qualname_of(order[index]) != qualname:
        raise AttributeError(f"the class {_qualname_of(cls)} has no base {qualname!r} here; adopt with the same version of its module")
    return order[index]


# --- named tuples ----------------------------------------------------------------------------------

_NAMED = next(
    constant
    for constant in collections.namedtuple.__code__.co_consts
    if type(constant) is types.CodeType and constant.co_name == "__getnewargs__"
)


def is_named_tuple(found):
    """Whether a `__getnewargs__` is the one that collections.namedtuple gives its classes: of an adopted class, a copy."""
    if type(found) is not types.FunctionType:
        return False
    code = found.__code__
    return code is _NAMED or (code.co_qualname, code.co_code) == (_NAMED.co_qualname, _NAMED.co_code)


def reduce_named_tuple(obj):
    """What object.__reduce_ex__ gives, but for tuple's own `__new__`: the class's may not be complete yet."""
    return copyreg.__newobj__, (type(obj), tuple.__getitem__(obj, slice(None))), _state(obj, type(obj), False)


# --- enumerations ----------------------------------------------------------------------------------


def is_enumerations_own(found):
    """Whether a `__reduce_ex__` is the one of the module enum: by value or name, which need the class complete."""
    return type(found) is types.FunctionType and found.__globals__ is enum.__dict__


def reduce_imported_member(obj):
    """By its value, as the class has it; by its name, if the value of another process may be no equal of this one."""
    name = object.__getattribute__(obj, "_name_")
    if _is_plain_value(object.__getattribute__(obj, "_value_")) or type(obj)._member_map_.get(name) is not obj:
        return obj.__reduce_ex__(5)
    return enum_member, (type(obj), name)


def _is_plain_value(value):
    if kind_of(value) in (tuple, frozenset):
        return all(map(_is_plain_value, value))
    return value is None or kind_of(value) in (int, str, float, bool, bytes, complex)


def enum_member(cls, name):
    found = cls._member_map_.get(name)
    if found is None:
        raise AttributeError(f"the enumeration {cls.__qualname__} has no {name!r} here; adopt with the same version of its module")
    return found


def reduce_member(obj):
    """A member of an enumeration that travels: the object below the class, which has it among its contents."""
    cls = type(obj)
    own = _lookup(cls, "__reduce__") is not object.__reduce__
    make, args = (object.__reduce_ex__(obj, 2) if own else reduce_hooked(obj))[:2]
    if make is not copyreg.__newobj__:
        if make is not cls:
            raise TypeError(f"how a member of {cls.__name__} is rebuilt is not known")
        args = (cls, *args)
    return copyreg.__newobj__, args, object.__getattribute__(obj, "__dict__")


def is_counters_own(found):
    """Whether a `__reduce__` is that of collections.Counter, which drops the attributes of classes below it."""
    return found is collections.Counter.__reduce__


# --- paths -----------------------------------------------------------------------------------------


def is_paths_own(found):
    """Whether a `__reduce__` is pathlib's. It drops what a path has found out about itself, which the methods that do so
    rely on while they run."""
    paths = getattr(sys.modules.get("pathlib"), "PurePath", None)
    return isinstance(paths, type) and found is not None and found is vars(paths).get("__reduce__")


def reduce_path(path, slots):
    """slots: what those have that no property hides."""
    cls = type(path)
    attributes = object.__getattribute__(path, "__dict__") if _dictoffset_of(cls) else None
    hashed = slots.pop("_hash", None) is not None  # another number in another process
    if type(getattr(slots.get("_info"), "_entry", None)).__name__ == "DirEntry":
        del slots["_info"]  # it is asked for anew
    return copyreg.__newobj__, (cls,), (attributes, slots, hashed), None, None, fill_path


def fill_path(path, state):
    attributes, slots, hashed = state
    for name, value in slots.items():
        object.__setattr__(path, name, value)
    if attributes:
        object.__getattribute__(path, "__dict__").update(attributes)
    if hashed:
        importlib.import_module("pathlib").PurePath.__hash__(path)


# --- exceptions ------------------------------------------------------------------------------------


_members = {}  # of the interpreter's own exceptions, which live for ever


def exception_members(exc):
    """What an exception holds beside its arguments and its `__dict__`: a NameError's name, an AttributeError's object."""
    found = {}
    for base in _mro_of(type(exc)):
        if base is BaseException:
            break
        if not _flags_of(base) & _STATEMENT:
            members = _members.get(base)
            if members is None:
                members = [(n, m) for n, m in base.__dict__.items() if type(m) is types.MemberDescriptorType]
                _members[base] = members
            for name, member in members:
                value = member.__get__(exc)
                if value is not None:
                    found[name] = value
    if _is(exc, OSError):
        try:
            found["characters_written"] = OSError.characters_written.__get__(exc)
        except AttributeError:
            if _derives(BlockingIOError, type(exc)):
                found["characters_written"] = None  # its arguments may say something else
    return found

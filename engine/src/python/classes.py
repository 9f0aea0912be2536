# Classes that travel by value: taken apart at the capture, made anew without the hooks of the program.

import abc
import gc
import uuid

# A class or type parameter that travelled keeps an origin: adopted twice, or coming home, it is one object, as long as it
# is as it was captured (`same.rs`). They are told apart by identity: a metaclass may say that its classes are equal, or
# cannot be hashed.
LIVING = weakref.WeakValueDictionary()  # by origin, the first that this process has of it
_origins_here = {}  # by the address of a class or type parameter: (a weak reference that tidies up, its origin, another one)


def origin_here(obj):
    known = _origins_here.get(id(obj))
    return known[1] if known is not None else enter_origin(obj, uuid.uuid4().hex)


def enter_origin(obj, origin):
    # In C, for what a signal handler raises in a callback nobody hears of; it pops one thing, or gets the reference.
    forget = functools.partial(_origins_here.pop, id(obj))
    LIVING.setdefault(origin, obj)
    # The second reference is the one that all get who ask for one without a callback (`settled.rs`).
    _origins_here[id(obj)] = weakref.ref(obj, forget), origin, weakref.ref(obj)
    if _is(obj, type):
        _namespaces[id(class_namespace(obj))] = obj
    return origin


_namespaces = weakref.WeakValueDictionary()  # classes that have an origin, by the identity of their namespace


def class_namespace(cls):
    """The dict that is a class's namespace itself."""
    (namespace,) = gc.get_referents(_dict_of(cls))
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
        if _is(cls, type) and class_namespace(cls) is namespace:
            return namespace, cls
    return None


_SKIP = frozenset(("_abc_impl", "__abstractmethods__"))
_MADE_WITH_CLASSES = frozenset(("__dict__", "__weakref__"))


def reduce_class(cls):
    """Take a class apart that the adopter cannot import."""
    meta = type(cls)
    if meta is not type:
        if is_array_class(cls):
            return make_array_class, (cls._type_, cls._length_)
        if is_pointer_class(cls):
            return make_pointer_class, (cls._type_,)
        if is_function_class(cls):
            return make_function_class, (cls._restype_, cls._argtypes_, cls._flags_)
    known = reduce_builtin_class(cls)
    if known is not None:
        return known
    made, names = {"__module__": _module_of_class(cls), "__qualname__": _qualname_of(cls)}, _dict_of(cls)
    for name in ("__orig_bases__", "__slots__"):  # Generic asks for its bases as soon as there is a class
        if names.get(name) is not None:
            made[name] = names[name]
    order = () if meta is type else _own_mro(cls)
    args = (meta, _name_of(cls), _bases_of(cls), made, origin_here(cls), *order)
    contents = _class_contents(cls)
    contents, moved = _with_methods_first(contents)
    state = contents, _class_registry(cls), _registered_with(cls), _places_of_others(contents, moved, cls)
    return make_class, args, state, None, None, fill_class


_MADE_BEFORE = frozenset(("__module__", "__qualname__", "__orig_bases__", "__slots__"))


def _class_contents(cls):
    """What is set in a class when it is there."""
    state = dict(_dict_of(cls))  # of a class that threads have in common
    has_slots, has_fields = state.get("__slots__") is not None, "_fields_" in state
    made = [
        name
        for name, value in state.items()
        if name in _SKIP
        or name in _MADE_BEFORE and value is not None
        or name in _MADE_WITH_CLASSES and type(value) is types.GetSetDescriptorType
        or has_slots and type(value) is types.MemberDescriptorType  # a private slot has a mangled name
        or has_fields and type(value).__name__ == "CField"  # of ctypes, made of the fields
    ]
    for name in made:
        del state[name]
    return state


def _with_methods_first(contents):
    """The contents of a class, and the names of those that are behind what may be needed to make them: the methods, and
    the classes in it (`class.rs` has it for most)."""
    moved = [name for name, value in contents.items() if kind_of(value) not in _NEEDED]
    moved.sort(key=lambda name: kind_of(contents[name]) is not type)
    behind = frozenset(moved)
    order = [name for name in contents if name not in behind] + moved
    if order == list(contents):
        return contents, ()
    return {name: contents[name] for name in order}, behind


# The kinds of what a class has that nothing has to be called for, and that its other contents may need.
_NEEDED = frozenset(
    (types.FunctionType, staticmethod, classmethod, property, str, int, float, bool, bytes, types.NoneType,
     types.MemberDescriptorType, types.GetSetDescriptorType)
)  # fmt: skip


def _places_of_others(contents, moved, cls):
    """Where the names are in a class that are not among its contents, or were moved: (place, name, place, name…)."""
    others = ((at, name) for at, name in enumerate(_dict_of(cls)) if name not in contents or name in moved)
    return tuple(part for pair in others for part in pair)


def _put_in_order(namespace, names, others):
    """Gives the names in the namespace of a class the order that they had."""
    placed = frozenset(others[1::2])
    order = [name for name in names if name not in placed]
    for at, name in zip(others[::2], others[1::2], strict=True):
        order.insert(at, name)
    items = {name: namespace[name] for name in order if name in namespace}
    items.update(namespace)
    dict.clear(namespace)  # all values are held: what caches know of them stays true
    dict.update(namespace, items)


def _class_registry(cls):
    """The classes that are registered with it; None if it is an abstract class whose metaclass has not got so far."""
    if type(cls) is type or not _is(cls, abc.ABCMeta):
        return ()
    if "_abc_impl" not in _dict_of(cls):
        return None
    return tuple(r for r in (ref() for ref in abc._get_dump(cls)[0]) if r is not None)


def _own_mro(cls):
    """The bases in the order that an `mro()` of the metaclass's own gave, and the place of the class among them."""
    if _lookup(type(cls), "mro") is type.mro:
        return ()
    order = _mro_of(cls)
    place = next((i for i, base in enumerate(order) if base is cls), -1)
    return tuple(base for base in order if base is not cls), place


def parts_of_class(cls):
    """What a class that travelled is compared with: (its contents, bases, what is registered with it)."""
    return _class_contents(cls), _bases_of(cls), _class_registry(cls) or ()


_GETTER = type(collections.namedtuple("_", "field").field)


def belongs_to_class(cls, name, value):
    """Whether a class has something under a name that is made with it and does not change: an enumeration its members, a
    named tuple its fields."""
    if _is(cls, enum.EnumMeta):
        return type(value) is enum.property or _dict_of(cls).get("_member_map_", {}).get(name) is value
    return type(value) is _GETTER or name == "_field_defaults" and issubclass(cls, tuple)


registrations = abc.get_cache_token  # another one after every registration
_abcs = (None, {})


def _registered_with(cls):
    """The abstract classes of importable modules that know a class because it was registered with them."""
    for ref in weakref.getweakrefs(cls):
        if getattr(ref.__callback__, "__name__", "") == "_destroy":
            break
    else:
        return ()  # they would hold a weak reference of that kind
    global _abcs
    token = registrations()
    if _abcs[0] != token:
        _abcs = token, _abcs_by_registered()
    found = []
    for one in _abcs[1].get(id(cls), ()):
        module = _module_of_class(one)
        stays = module != "__main__" and getattr(sys.modules.get(module), _qualname_of(one), None) is one
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


def _quieted(bases):
    """The hooks of bases that are not to run: what they do with a new class was done where it was made."""
    hooks = {
        id(base): (base, "__init_subclass__", _dict_of(base)["__init_subclass__"], QUIET)
        for each in bases
        for base in _mro_of(each)
        if kind_of(_dict_of(base).get("__init_subclass__")) in _HOOKS
        and base is not object
        and not _flags_of(base) & _IMMUTABLE
    }
    return list(hooks.values())


def _ordered(meta, order, place):
    """Of a metaclass, an `mro()` that is not to run again, or is not there yet: it gives the order that it gave then."""
    return meta, "mro", _dict_of(meta).get("mro"), order_as_it_was(order, place)


def make_class(meta, name, bases, made, origin, order=None, place=0):
    """The class without its contents."""
    hooks = _quieted(bases)
    new, init = _first_builtin(meta, "__new__"), _first_builtin(meta, "__init__")
    if new is type.__new__ and init is type.__init__:
        if order is not None:
            hooks.append(_ordered(meta, order, place))
        cls = make_quietly(hooks, meta, name, bases, dict(made))
    elif hooks:
        raise TypeError(f"a base of {name} has an __init_subclass__, and its metaclass is made in C: it would run again")
    else:  # a metaclass made in C has to know the class: those of ctypes
        cls = new(meta, name, bases, dict(made))
        init(cls, name, bases, dict(made))
    if issubclass(meta, abc.ABCMeta):
        abc._abc_init(cls)
    enter_origin(cls, origin)
    return cls


_OF_TYPE = frozenset(("__base__", "__bases__", "__mro__", "__name__", "__flags__", "__dictoffset__", "__basicsize__",
                      "__itemsize__", "__weakrefoffset__", "__class__", "__dict__", "__weakref__"))  # fmt: skip


def fill_class(cls, state):
    """Give the class what it contains."""
    contents, registry, *more = state
    registered_with, others = (*more, (), ())[:2]  # what older snapshots have
    if contents.get("__module__") == "__main__":
        let_main_answer()
    for one in registered_with:
        abc.ABCMeta.register(one, cls)  # by Python's own: a protocol lets that ask it, and nobody else
    if registry is None:
        type.__delattr__(cls, "_abc_impl")
    elif _is(cls, abc.ABCMeta):
        # Registering asks hooks: what they had to say, they said where the class was made.
        type.__setattr__(cls, "__subclasshook__", UNASKED)
        for registered in registry:
            abc.ABCMeta.register(cls, registered)
        type.__delattr__(cls, "__subclasshook__")
    set_attribute = _first_builtin(type(cls), "__setattr__")  # below the metaclasses of the program
    for name, value in contents.items():
        if name == "__doc__" and value is None:
            continue
        if name in _OF_TYPE:  # set on the class, it would be taken for what type has under that name
            class_namespace(cls)[name] = value
            continue
        set_attribute(cls, name, value)
    if registry is not None and _is(cls, abc.ABCMeta):
        abc.update_abstractmethods(cls)
    _put_in_order(class_namespace(cls), contents, others)


def fill_class_early(cls, contents):
    """Give the class what of its contents is there already: something else that it contains is made by its methods."""
    set_attribute = _first_builtin(type(cls), "__setattr__")
    if set_attribute is not type.__setattr__:  # of a metaclass made in C, which may take a name once
        return
    namespace = class_namespace(cls)
    for name, value in contents.items():
        if name not in _OF_TYPE and namespace.get(name) is not value and not (name == "__doc__" and value is None):
            set_attribute(cls, name, value)


def make_enum(meta, name, qualname, module, bases, members, origin):
    """An enumeration with its members. Enumerations are written as other classes are; this keeps its number."""
    namespace = meta.__prepare__(name, bases)
    namespace["__module__"] = module
    namespace["__qualname__"] = qualname
    for member, value in members.items():
        namespace[member] = value
    cls = meta.__new__(meta, name, bases, namespace)
    enter_origin(cls, origin)
    return cls

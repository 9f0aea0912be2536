# What importable modules and classes have gained while they ran, and what travels relies on: where a frame, or a generator, of
# their package travels, what their thread-locals hold for the captured thread (click's contexts), and what their weak
# containers have for an object that travels (anyio's tasks); what they have made in place of None when it was first used
# (mimetypes' database), or filled an empty dict with, for an adopter that has not yet; of a class of an object that travels,
# attributes that its own methods, or those of its metaclass, have set (the lock of tqdm, the tables of pygments). Part of what a
# stack brings: see process_state.py.

THREAD_LOCAL = _thread._local
WEAK_CONTAINERS = (weakref.WeakKeyDictionary, weakref.WeakSet, weakref.WeakValueDictionary)


class Gained:
    """One of these while it is written: where it is, and what it is. What cannot travel is left out."""

    __slots__ = ("left_out", "parts", "place")

    def __init__(self, place, *parts):
        self.place, self.parts, self.left_out = place, parts, False


REDUCERS[Gained] = lambda gained: (tuple, ((gained.place, *(() if gained.left_out else gained.parts)),))


def gained_by_module(module, name, value):
    return Gained((module, name, "later"), value)


def made_by_module(module, name, value):
    return Gained((module, name, "made"), value)


def filled_when_used(module, name, found):
    return Gained((module, name, "filled"), list(found.items()))


def gained_by_thread(found, module, name):
    return [Gained((module, name), attribute, value) for attribute, value in found.__dict__.items()]


def entries_of_weak(found, module, name):
    """What a weak container of a module has: [(the object by which it has it, the entry)]."""
    place = module, name
    if type(found) is weakref.WeakSet:
        return [(item, Gained(place, item)) for item in list(found)]
    anchor = 0 if type(found) is weakref.WeakKeyDictionary else 1
    return [(item[anchor], Gained(place, *item)) for item in list(found.items())]


_STORE_ATTR = dis.opmap["STORE_ATTR"]


def gained_by_class(cls):
    """What methods of a class, its bases and its metaclass have set in the class, and its statement has not."""
    names, stored = _own_names(cls), set()
    data = [name for name, value in list(names.items()) if not name.startswith("__") and not hasattr(type(value), "__get__")]
    for base in (*type.__dict__["__mro__"].__get__(cls), *type.__dict__["__mro__"].__get__(type(cls))) if data else ():
        for value in list(_own_names(base).values()):
            function = value.__func__ if kind_of(value) in (staticmethod, classmethod) else value
            if type(function) is not types.FunctionType or function.__globals__ is enum.__dict__:
                continue  # what enumerations keep in their classes is made with them
            if _STORE_ATTR in function.__code__.co_code[::2]:
                stored.update(function.__code__.co_names)
    late = [name for name in data if name in stored]
    stated = late and _names_of_statement(cls)
    return [Gained((cls, name), names[name]) for name in late if stated is not None and name not in stated]


_statements = {}  # the names that the class statements of modules use, by the class's name; by the module's name


def _names_of_statement(cls):
    """None if it is not known."""
    module = _named_module(cls)
    if module not in _statements:
        _statements[module] = found = {}
        codes = [code_of_module(sys.modules.get(module))]
        while codes:
            code = codes.pop()
            if code is not None:
                found[code.co_qualname] = frozenset(code.co_names)
                codes += [constant for constant in code.co_consts if type(constant) is types.CodeType]
    return _statements[module].get(_qualname_of(cls))


def enter_gained(state, own):
    """Put in place what a stack brings; own is to have what the thread had."""
    before, made, filled = own["thread-locals"], own["made"], own["filled"] = {}, [], []
    for place, *parts in state.get("gained", ()):
        owner, name, *later = place
        if isinstance(owner, type):
            if parts and name not in _own_names(owner):
                type.__setattr__(owner, name, *parts)
            continue
        try:
            module = importlib.import_module(owner)
        except ImportError:
            continue
        found = getattr(module, name, None)
        if later == ["made"]:
            if parts and vars(module).get(name) is None:
                made.append((module, name, *parts, name in vars(module)))
                setattr(module, name, *parts)
        elif later == ["filled"]:
            for key, value in parts[0] if parts and type(found) is dict else ():
                if key not in found:
                    found[key] = value
                    filled.append((found, key, value))
        elif later:
            if parts and not hasattr(module, name):
                setattr(module, name, *parts)
        elif type(found) is THREAD_LOCAL:
            before.setdefault(place, (found, dict(found.__dict__)))
            found.__dict__.update([parts] if len(parts) == 2 else ())
        elif type(found) is weakref.WeakSet and len(parts) == 1:
            found.add(*parts)
        elif kind_of(found) in WEAK_CONTAINERS and len(parts) == 2:
            found.setdefault(*parts)


def leave_gained(own):
    for found, values in own.get("thread-locals", {}).values():
        found.__dict__.clear()
        found.__dict__.update(values)
    for module, name, made, was_none in own.get("made", ()):
        if vars(module).get(name) is made:
            setattr(module, name, None) if was_none else delattr(module, name)
    for found, key, value in own.get("filled", ()):
        if found.get(key) is value:
            del found[key]

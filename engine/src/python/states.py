# Modules that travel with their state (state=): which they are, and how the adopter's import system gets them.

import sysconfig

_STDLIB_PATHS = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = {"site-packages", "dist-packages"}


def _is_of(which, name, module):
    spec = _namespace_of(module).get("__spec__")
    if spec is None or name.partition(".")[0] in sys.stdlib_module_names or name.partition(".")[0] == "torpor":
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    if not places or type(places[0]) is not str or spec.origin and not spec.origin.endswith((".py", ".pyc")):
        return False  # made in C, or not from a file
    installed = not _INSTALLED.isdisjoint(places[0].split(os.sep))
    if not installed and places[0].startswith(_STDLIB_PATHS):
        return False
    return which == "all" or not installed


def is_library(name):
    """Whether a module is imported, and of the standard library or an installed distribution."""
    module = sys.modules.get(name)
    return isinstance(module, types.ModuleType) and _namespace_of(module).get("__spec__") is not None and not _is_of("program", name, module)


_namespace_of = types.ModuleType.__dict__["__dict__"].__get__  # whatever the class of a module says


def state_modules(which):
    """The imported modules of the program ("program"), or all that are neither C's nor the standard library's ("all")."""
    modules = [
        (name, module)
        for name, module in list(sys.modules.items())
        # What a LazyLoader has not loaded yet is loaded by the adopter.
        if _derives(types.ModuleType, type(module)) and _named_module(type(module)) != "importlib.util"
    ]
    return [name for name, module in modules if type(name) is str and _is_of(which, name, module)]


# What the import system got of snapshots.
_added_modules = weakref.WeakValueDictionary()  # by address: their classes may say how they compare


def add_module(name, module):
    """Give the import system a module that travelled, and that it does not have."""
    sys.modules[name] = module
    _added_modules[id(module)] = module
    parent, _, child = name.rpartition(".")
    if parent in sys.modules and child not in vars(sys.modules[parent]):
        setattr(sys.modules[parent], child, module)


def take_module(name, module):
    """The module did not get what it contains."""
    if sys.modules.get(name) is module:
        del sys.modules[name]
    parent, _, child = name.rpartition(".")
    if parent in sys.modules and vars(sys.modules[parent]).get(child) is module:
        delattr(sys.modules[parent], child)


# --- modules of a class of their own -----------------------------------------------------------------


def class_of_module(module):
    """The class of a module that is made as a plain one."""
    cls = type(module)
    try:
        object.__setattr__(types.ModuleType("probe"), "__class__", cls)
    except TypeError:
        raise TypeError(
            f"a module of the class {cls.__qualname__} cannot be captured by value: a class with slots, or made in C, cannot be "
            "given to a module that is there; let the adopter import it"
        ) from None
    return cls


def make_classed_module(module):
    return module


def fill_classed_module(module, cls):
    """Give the module its class, unless it is one that the adopter has imported."""
    if sys.modules.get(types.ModuleType.__getattribute__(module, "__name__")) is not module or _added_modules.get(id(module)) is module:
        object.__setattr__(module, "__class__", cls)

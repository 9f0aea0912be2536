# Modules that travel with their state (state=): which they are, and how the adopter's import system gets them.

import sysconfig

_STDLIB_PATHS = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = {"site-packages", "dist-packages"}


def _is_of(which, name, module):
    spec = vars(module).get("__spec__")
    if spec is None or name.partition(".")[0] in sys.stdlib_module_names or name.partition(".")[0] == "torpor":
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    if not places or type(places[0]) is not str or spec.origin and not spec.origin.endswith((".py", ".pyc")):
        return False  # made in C, or not from a file
    installed = not _INSTALLED.isdisjoint(places[0].split(os.sep))
    if not installed and places[0].startswith(_STDLIB_PATHS):
        return False
    return which == "all" or not installed


def state_modules(which):
    """The imported modules of the program ("program"), or all that are neither C's nor the standard library's ("all")."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if type(module) is types.ModuleType]
    return [name for name, module in modules if type(name) is str and _is_of(which, name, module)]


def add_module(name, module):
    """Give the import system a module that travelled, and that it does not have."""
    sys.modules[name] = module
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

# Imports that are under way in a captured stack: what importlib's frames hold of the process, and how the adopter
# gets it back when the stack is resumed. The frames themselves are ordinary ones.

import _imp
import _thread
import builtins

_IMPORTLIB = sys.modules["_frozen_importlib"]
_IMPORTLIB_EXTERNAL = sys.modules["_frozen_importlib_external"]
IMPORT_SPACES = (vars(_IMPORTLIB), vars(_IMPORTLIB_EXTERNAL))
ModuleLock = _IMPORTLIB._ModuleLock
ImportLockContext = _IMPORTLIB._ImportLockContext
ModuleSpec = _IMPORTLIB.ModuleSpec


def _name_of_code(code):
    """What is known of code: that of a stack which was captured under another micro version is not this process's own."""
    return code.co_filename, code.co_qualname


def _codes_of_imports(*names, of=vars(_IMPORTLIB)):
    return {_name_of_code(of[name].__code__): name for name in names if type(of.get(name)) is types.FunctionType}


def _methods_of(cls):
    return {_name_of_code(f.__code__): f"{cls.__name__}.{f.__name__}" for f in vars(cls).values() if type(f) is types.FunctionType}


# Their own steps are not told apart: a stack that was stopped in one of them is refused.
_STEPS_OF_IMPORT = _codes_of_imports("_find_and_load", "_find_and_load_unlocked", "_load_unlocked", "_load", "_exec")
# What changes locks, and the protocol of loaders that is gone in 3.15.
_LOCKING = {
    **_methods_of(ModuleLock), **_methods_of(_IMPORTLIB._ModuleLockManager), **_methods_of(_IMPORTLIB._ImportLockContext),
    **_codes_of_imports("_get_module_lock", "_lock_unlock_module", "_load_backward_compatible"),
}  # fmt: skip
_LOCK_HOLDERS = {
    next(iter(_codes_of_imports(holder))): None if called is None else next(iter(_codes_of_imports(called)))
    for holder, called in (("_find_and_load", "_find_and_load_unlocked"), ("_load", "_load_unlocked"), ("_exec", None))
}
_MAKES_MODULES = _codes_of_imports("_load_unlocked", "_exec")
_LOADING_PART = next(iter(_codes_of_imports("_find_and_load_unlocked")))
_LOADS = next(iter(_codes_of_imports("_load_unlocked")))


def _all_locked(stack):
    """The contexts of the lock of all imports that a frame is in the middle of: it asks a finder for a module."""
    values = [value.__self__ if type(value) is types.MethodType else value for value in stack]
    return [value for value in values if type(value) is ImportLockContext]


def _steps(frames):
    """Of the frames of a stack, (code, values of its locals, evaluation stack), innermost first: outermost first, (what it
    is, the name of a module, the locals), with one of "lock", "all locked", "module", "part" as what it is."""
    found, inner = [], None
    for code, values, stack in frames:
        local = dict(zip(code.co_varnames, values))
        this = _name_of_code(code)
        found.extend(("all locked", context, local) for context in _all_locked(stack))
        if this in _MAKES_MODULES and type(local.get("module")) is types.ModuleType and local["spec"] is not EMPTY:
            found.append(("module", local["spec"].name, local))
        elif this in _MAKES_MODULES and local.get("module", EMPTY) is not EMPTY:
            found.append(("strange", local["spec"].name, local))
        if this in _LOCK_HOLDERS and _LOCK_HOLDERS[this] in (None, inner):
            found.append(("lock", local["name"] if "name" in local else local["spec"].name, local))
        if this == _LOADING_PART and inner == _LOADS and local["parent_spec"] not in (None, EMPTY):
            found.append(("part", local["child"], local))
        inner = this
    found.reverse()
    return found


def imports_in(frames):
    """(names of modules that are half made, locks that are held) of a stack that is to be captured; or a text that
    says why it cannot be."""
    if _name_of_code(frames[0][0]) in _STEPS_OF_IMPORT:
        return f"it was stopped in the import system itself ({frames[0][0].co_name})"
    for code, _, _ in frames:
        if _name_of_code(code) in _LOCKING:
            return f"it is in the part of the import system that takes and gives back locks ({_LOCKING[_name_of_code(code)]})"
    modules, locks = [], []
    for what, name, local in _steps(frames):
        if what == "lock":
            reference = _IMPORTLIB._module_locks.get(name)
            lock = None if reference is None else reference()
            if type(lock) is not ModuleLock or lock.owner != _thread.get_ident():
                return f"the lock of the import of '{name}' is not this thread's"
            locks.append(lock)
        elif what == "all locked":
            locks.append(name)
        elif what in ("module", "strange"):
            if what == "strange" or sys.modules.get(name) is not local["module"]:
                return f"the module '{name}', whose import is under way, has another object than a module under its name"
            modules.append(name)
    return modules, locks


def loaded_parts(names):
    """Why a stack cannot be captured in which modules of these names are half made: what one of them has loaded as machine
    code was told by the modules around it who they are, and would be loaded anew. None if there is no such part."""
    for name in names:
        for part, module in list(sys.modules.items()):
            if type(part) is str and (part == name or part.startswith(f"{name}.")) and kind_of(module) is types.ModuleType:
                spec = vars(module).get("__spec__")
                if type(spec) is ModuleSpec and kind_of(spec.loader) is _IMPORTLIB_EXTERNAL.ExtensionFileLoader:
                    return (
                        f"the import of '{name}' is under way, and the extension module '{part}' is loaded already: what that keeps "
                        "cannot be captured; capture before that import or after it"
                    )
    return None


def module_lock(name):
    """The lock for imports of a module in this process. Nobody holds it for a stack before that is resumed."""
    if type(name) is not str:
        raise TypeError("the name of a module is no text")
    return _IMPORTLIB._get_module_lock(name)


def _refuse_import_lock(manager):
    raise TypeError("it is in the middle of taking a lock of the import system")


# Of the stack that is captured only.
REDUCERS[ModuleLock] = lambda lock: (module_lock, (lock.name,))
REDUCERS[ImportLockContext] = lambda context: (ImportLockContext, ())
if hasattr(_IMPORTLIB, "_BlockingOnManager"):
    REDUCERS[_IMPORTLIB._BlockingOnManager] = _refuse_import_lock


def begin_imports(frames):
    """Give the import system what it has while the stack runs: locks, modules that are half made. Returns what undoes
    it, or a text that says why that is impossible."""
    undo = []
    try:
        for what, name, local in _steps(frames):
            if what == "lock":
                lock = module_lock(name)
                lock.acquire()
                undo.append((lock.release, ()))
            elif what == "all locked":
                _imp.acquire_lock()
                undo.append((_imp.release_lock, ()))
            elif what == "part":
                parts = local["parent_spec"]._uninitialized_submodules
                if not parts or parts[-1] != name:
                    parts.append(name)
                    undo.append((parts.remove, (name,)))
            elif sys.modules.get(name) is not local["module"]:
                if name in sys.modules:
                    abandon_imports(undo)
                    return (
                        f"the stack was captured while it imported module '{name}', which is imported here already; "
                        f"resume it in a process that has not imported '{name}', or take it out of sys.modules before"
                    )
                sys.modules[name] = local["module"]
                undo.append((unregister_module, (name, local["module"])))
    except BaseException:
        abandon_imports(undo)
        raise
    return undo


def stand_in(name, module, known):
    """Let the import system have a half-made module as long as modules are imported that it has imported: they would
    import it anew. Returns what takes it out; None if this process has imported the module, or cannot find it.

    known: what the module contains that is found by name, (module, path), and plain values, (value,).
    """
    import importlib.util

    if name in sys.modules:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        return None
    if spec is None or name in sys.modules:
        return None

    def __getattr__(attribute):
        if attribute not in known:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r} yet")
        source, *path = known[attribute]
        if not path:
            return source
        found = importlib.import_module(source)
        for part in filter(None, path[0].split(".")):
            found = getattr(found, part)
        return found

    def take_out():
        unregister_module(name, module)
        if vars(module).get("__getattr__") is __getattr__:
            del module.__getattr__

    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, spec.parent
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    if spec.has_location:
        module.__file__ = spec.origin
    module.__getattr__ = __getattr__
    sys.modules[name] = module
    return take_out


def wait_for_import_of(module):
    """Wait until another thread has imported a module that it is about to import; not if this thread imports it."""
    spec = getattr(module, "__spec__", None)
    if getattr(spec, "_initializing", False) and type(spec.name) is str:
        _IMPORTLIB._lock_unlock_module(spec.name)


def unregister_module(name, module):
    if sys.modules.get(name) is module:
        del sys.modules[name]


def abandon_imports(undo):
    """Take back what begin_imports did: the stack did not run."""
    while undo:
        function, args = undo.pop()
        function(*args)


# --- what the C code of an import has still to do ----------------------------------------------------

_c_import = builtins.__import__ if type(builtins.__import__) is types.BuiltinFunctionType else _IMPORTLIB.__import__


def own_import():
    """The interpreter's own __import__."""
    return _c_import


_IMPORT_FILES = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def _without_importlib(error):
    """Take the frames of the import system out of a traceback, as the interpreter does."""
    if sys.flags.verbose:
        return
    always = _derives(ImportError, type(error))
    kept, start, inside = [], 0, False
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        before, inside = inside, code.co_filename in _IMPORT_FILES
        if inside and not before:
            start = len(kept)
        if inside and (always or code.co_name == "_call_with_frames_removed"):
            del kept[start:]
        else:
            kept.append(entry)
        entry = entry.tb_next
    for entry, following in zip(kept, [*kept[1:], None]):
        if entry.tb_next is not following:
            entry.tb_next = following
    error.__traceback__ = kept[0] if kept else None


def finish_import(name, fromlist, level, found):
    """Of an import statement or __import__; found is the whole name of the module that is being loaded."""
    try:
        module = hole()
        if not fromlist:
            front, dot, rest = name.partition(".")
            if not dot:
                return module
            if level == 0:
                return _c_import(front)
            top = found[: len(found) - len(rest) - 1]
            if top not in sys.modules:
                raise KeyError(f"{top!r} not in sys.modules as expected")
            return sys.modules[top]
        if hasattr(module, "__path__"):
            return _IMPORTLIB._handle_fromlist(module, fromlist, _c_import)
        return module
    except BaseException as error:
        _without_importlib(error)
        raise


def finish_listed():
    """Of `from package import names`, where the names are looked for."""
    try:
        return hole()
    except BaseException as error:
        _without_importlib(error)
        raise


def finish_import_from(module, name):
    """Of one name that is taken from a module."""
    try:
        return hole()
    except AttributeError:
        pass
    return _import_from(module, name)


def _import_from(module, name):
    """What the interpreter does about a name that a module does not have: its module in sys.modules, or an ImportError."""

    class Lacking(types.ModuleType):
        def __getattribute__(self, asked):
            if asked == name:
                raise AttributeError(name)
            return getattr(module, asked)

    lacking = Lacking("")
    vars(lacking).update({k: v for k, v in vars(module).items() if k != name})
    space = {"__builtins__": {"__import__": lambda *_: lacking}}
    exec(compile(f"from _ import {name} as found", "<import>", "exec"), space)
    return space["found"]

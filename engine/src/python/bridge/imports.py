# Imports: C code looks the module up and hands what is not there to importlib, whose frames lie in between.


def _import(call):
    arg = call.arg >> 2 if sys.version_info >= (3, 15) else call.arg
    level, fromlist = call.stack[-2:]
    if call.calls(vars(builtins).get("__import__")):
        return "import function", "after", [], []
    return _imported(call, call.code.co_names[arg], fromlist, level)


def _imported(call, name, fromlist, level):
    if type(name) is not str or type(level) is not int:
        return None
    if call.calls(_IMPORTLIB._find_and_load):
        found = call.given(0)
        if type(found) is not str or found != name and (level == 0 or not found.endswith("." + name if name else "")):
            return None
        return "import", "after", [], [(finish_import, (name, fromlist, level, found), None)]
    if call.calls(_IMPORTLIB._handle_fromlist) and call.given(1) is fromlist:
        return "from list", "after", [], [(finish_listed, (), None)]
    return None


def _import_called(call, args, kwargs):
    """__import__(name, globals, locals, fromlist, level)"""
    given = dict(zip(("name", "globals", "locals", "fromlist", "level"), args)) | kwargs
    return _imported(call, given.get("name"), given.get("fromlist", ()), given.get("level", 0))


def _import_name_from(call):
    module, name = call.stack[-1], call.argval
    found = _attribute(call, module, name)
    if found is None or type(module) is not types.ModuleType:
        return None
    return "import from", "after", [], [(finish_import_from, (module, name), None)]

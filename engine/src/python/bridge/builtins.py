# Builtin functions and methods that call a special method of their argument.

_GENERATORS = (types.GeneratorType, types.CoroutineType)
_SENDS = {cls.__dict__[name] for cls in _GENERATORS for name in ("send", "throw")} | {
    types.GeneratorType.__dict__["__next__"]
}
_THROWS = {cls.__dict__["throw"] for cls in _GENERATORS}
_STEPPED = _GENERATORS + AWAITABLES
_STEPS = {cls.__dict__[name] for cls in AWAITABLES for name in ("send", "__next__", "throw")}
_CLOSES = {cls.__dict__["close"]: cls.__name__ for cls in _GENERATORS}
_CONVERSIONS = {
    len: ("__len__", finish_len, ()),
    repr: ("__repr__", finish_text, ("__repr__",)),
    hash: ("__hash__", finish_hash, ()),
    iter: ("__iter__", finish_iter, ()),
    abs: ("__abs__", finish_call, ()),
    int: ("__int__", finish_int, ()),
    float: ("__float__", finish_float, ()),
    bytes: ("__bytes__", finish_bytes, ()),
    ascii: ("__repr__", finish_ascii, ()),
    dir: ("__dir__", finish_dir, ()),
    reversed: ("__reversed__", finish_call, ()),
}


def _rounding():
    import math

    return {math.trunc: "__trunc__", math.floor: "__floor__", math.ceil: "__ceil__"}


_ROUNDED = _rounding()

_BUILTINS = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, type)


def _builtin(call, function, args):
    """A builtin function or method that called a special method of its argument."""
    found = _method_looks_up(call, function, args) or _explicit(call, function, args)
    if found is not None:
        return found
    if type(function) is types.BuiltinMethodType and kind_of(function.__self__) in _STEPPED:
        args, function = [function.__self__, *args], _dict_of(type(function.__self__)).get(function.__name__)
    elif type(function) is types.MethodWrapperType and kind_of(function.__self__) in _STEPPED:
        args, function = [function.__self__, *args], _dict_of(type(function.__self__)).get(function.__name__)
    if not args or kind_of(function) not in _BUILTINS:
        return None  # what is none of them may compare and hash as it likes
    obj = args[0]
    if call.iterates(obj):
        if function in _SENDS or function is next and len(args) == 1:
            return "send", "after", [], [(finish_send, (), obj)]
        if function is next:
            return "send", "after", [], [(finish_send_default, (args[1],), obj)]
        if function in _CLOSES:
            return "close", "after", [], [(finish_close, (_CLOSES[function],), obj)]
        if function is any or function is all:
            return "any", "after", [], [(finish_any if function is any else finish_all, (), obj)]
        return None
    if function in _CLOSES:
        found = _closed(call, obj)
        return found and ("close", "after", [], found)
    if function in _THROWS and len(args) == 2:
        found = _passed(call, obj)
        if found is not None:
            return "passed on", "after", [], found
        if _derives(GeneratorExit, args[1] if _is(args[1], type) else type(args[1])):
            found = _closed(call, obj)
            return found and ("exit", "after", [], [*found[:-1], (finish_exit, (obj, args[1]), None)])
        return None
    if function in _STEPS or function is next and len(args) == 1:
        found = _passed_to(call, obj)
        if found:
            return "await call", "after", [], found
    known = _CONVERSIONS.get(function) if kind_of(function) in (types.BuiltinFunctionType, type) else None
    if known is not None and len(args) == 1:
        name, finisher, more = known
        if finisher is not finish_call and finisher is not finish_len and finisher is not finish_dir:
            more = (type(obj), *more)
        return (name, "after", [], [(finisher, more, None)]) if call.special(obj, name) else None
    if function in (exec, eval):
        return _executed(call, function, args)
    if function in (divmod, pow) and len(args) == 2:
        name, text = ("divmod", "divmod()") if function is divmod else ("pow", "** or pow()")
        return _dispatched(call, *args, f"__{name}__", f"__r{name}__", text)
    if function is round and call.special(obj, "__round__"):
        return "round", "after", [], []
    if function in _ROUNDED and call.special(obj, _ROUNDED[function]):
        return "math", "after", [], []
    if function is str and len(args) == 1:
        return _text_of(call, obj, [])
    if function is bool and len(args) == 1:
        return _truth(call, obj, "bool", "after")
    if function is format and len(args) <= 2:
        return ("format", "after", [], [(finish_text, (type(obj), "__format__"), None)]) if call.special(obj, "__format__") else None
    if function is next:
        found = _next_of(call, obj)
        kind = "next" if call.special(obj, "__next__") else "next of iterator"
        return None if found is None else (kind, "after", [], [*found, (finish_next, (tuple(args[1:]),), None)])
    if function in (isinstance, issubclass) and len(args) == 2:
        return _checked(call, function, obj, args[1])
    if function in (_abc._abc_subclasscheck, _abc._abc_instancecheck) and len(args) == 2:
        return _abstract(call, function, args)
    if kind_of(function) in (types.BuiltinFunctionType, type) and function in _CONVERTED:
        return _converted(call, function, args)
    if function is sys.getsizeof:
        return _size(call, args)
    if function is pow and len(args) == 3:
        return _power(call, *args)
    if function is getattr and type(args[1]) is str:
        found = _attribute(call, obj, args[1])
        if found is None:
            return None
        kind, finishers = found
        default = tuple(args[2:])
        if not finishers:
            return "getattr()", "after", [], [(finish_attribute, (None, obj, args[1], default), None)]
        fallback = finishers[0][1][0]
        return "getattr()", "after", [], [(finish_attribute, (fallback, obj, args[1], default), None)]
    if function is vars and len(args) == 1:
        found = _attribute(call, obj, "__dict__")
        return None if found is None else ("getattr()", "after", [], [*found[1], (finish_vars, (), None)])
    if function is hasattr and type(args[1]) is str:
        found = _attribute(call, obj, args[1])
        return None if found is None else ("hasattr()", "after", [], [*found[1], (finish_has, (), None)])
    if function in (setattr, delattr):
        found = _stores(call, obj, args[1], function is delattr)
        return found and (found, "after", [], [(finish_dummy, (None,), None)])
    if function in (any, all):
        found = _next_of(call, obj)
        kind = "any" if call.special(obj, "__next__") else "any of iterator"
        return None if found is None else (kind, "after", [], [*found, (finish_test, (obj, function is any), None)])
    return None

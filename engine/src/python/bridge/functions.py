# Builtin functions that do what an instruction does (those of `operator`), that begin with one conversion (`open`, those of
# `os` with a path), and print.

import posix as _posix


def _signs(prefix, suffix):
    """The functions of `operator` for the binary operators, and their signs."""
    named = ((sign + suffix, prefix + name) for sign, (name, _) in _SYMBOLS.items())
    return {getattr(operator, name, None) or getattr(operator, name + "_"): sign for sign, name in named}


_SIGNS_OF = _signs("", "") | _signs("i", "=")
_COMPARED_BY = {operator.lt: "<", operator.le: "<=", operator.eq: "==", operator.ne: "!=", operator.gt: ">", operator.ge: ">="}
_UNARY_BY = {operator.neg: "__neg__", operator.pos: "__pos__", operator.invert: "__invert__", operator.inv: "__invert__"}
_ITEMS_BY = {operator.setitem: ("__setitem__", "set item"), operator.delitem: ("__delitem__", "del item")}
_EXACT = frozenset((int, str, bytes))


def _of_function(call, function, args, kwargs):
    """A builtin function that called a special method of its arguments, which may be given by keywords."""
    if type(function) is not types.BuiltinFunctionType or not args:
        return None
    if function is print:
        return _prints(call, args, kwargs)
    if function is open or function.__self__ is _posix and function is not os.fspath:
        return _opens(call, function, args, kwargs)
    if kwargs:
        return None
    obj, *rest = args
    if function in _SIGNS_OF and len(args) == 2:
        return _binary(call, *args, _SIGNS_OF[function])
    if function in _COMPARED_BY and len(args) == 2:
        return _compares(call, *args, _COMPARED_BY[function], [])
    if function is operator.getitem and len(args) == 2:
        return _subscript(call, *args)
    if function in _ITEMS_BY:
        name, kind = _ITEMS_BY[function]
        return (kind, "after", [], [(finish_none, (), None)]) if call.special(obj, name) else None
    if function is operator.contains:
        return ("contains", "after", [], [(finish_contains, (False,), None)]) if call.special(obj, "__contains__") else None
    if function in _UNARY_BY:
        return ("unary", "after", [], []) if call.special(obj, _UNARY_BY[function]) else None
    if function is operator.abs:
        return ("__abs__", "after", [], []) if call.special(obj, "__abs__") else None
    if function in (operator.truth, operator.not_):
        found = _truth(call, obj, "bool", "after")
        more = [(finish_not, (), None)] if function is operator.not_ else []
        return found and (*found[:3], [*found[3], *more])
    return None


def _opens(call, function, args, kwargs):
    """A function whose path, behind arguments that need no conversion, is asked for its text."""
    for place, arg in enumerate(args):
        if call.special(arg, "__fspath__") and call.given(0) is arg and _is_once_in(arg, args):
            again = functools.partial(function, **kwargs) if kwargs else function
            finisher = finish_converted, (again, tuple(args), place, "__fspath__", type(arg), (str, bytes)), None
            return "path", "after", [], [finisher]
        if kind_of(arg) not in _EXACT:
            return None
    return None


def _prints(call, args, kwargs):
    """print, with what it has written so far; it is known which of its arguments is asked for its text."""
    asked = call.given(0)
    places = [place for place, arg in enumerate(args) if arg is asked]
    found = _text_of(call, asked, []) if len(places) == 1 else None
    if found is None:
        return None
    rest = finish_printed, (tuple(args[places[0] + 1 :]), kwargs), None
    return "print", "after", [], [*found[3], rest]

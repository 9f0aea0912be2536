# Texts and truth: conversions, formatted strings, tests.


def _text_of(call, obj, more):
    if call.special(obj, "__str__"):
        return "str", "after", [], [(finish_text, (type(obj), "__str__"), None), *more]
    if _lookup(type(obj), "__str__") is object.__dict__["__str__"] and call.special(obj, "__repr__"):
        return "str by repr", "after", [], [(finish_text, (type(obj), "__repr__"), None), *more]
    return None


def _truth(call, obj, kind, form):
    if call.special(obj, "__bool__"):
        return kind, form, [], [(finish_bool, (type(obj),), None)]
    if _lookup(type(obj), "__bool__") is None and call.special(obj, "__len__"):
        return kind + " by len", form, [], [(finish_len_truth, (), None)]
    return None


def _format(call):
    """Replacement fields of f-strings."""
    if call.op == "FORMAT_VALUE":
        with_spec, conversion = call.arg & 4, call.arg & 3
        obj = call.stack[-2] if with_spec else call.stack[-1]
        if conversion:
            more = [(finish_format, (call.stack[-1],), None)] if with_spec else []
            return _convert(call, obj, conversion, more)
    elif call.op == "CONVERT_VALUE":
        return _convert(call, call.stack[-1], call.arg, [])
    else:
        with_spec = call.op == "FORMAT_WITH_SPEC"
        obj = call.stack[-2] if with_spec else call.stack[-1]
    if call.special(obj, "__format__"):
        return "format", "after", [], [(finish_text, (type(obj), "__format__"), None)]
    if not with_spec and _lookup(type(obj), "__format__") is object.__dict__["__format__"]:
        found = _text_of(call, obj, [])
        return found and ("format by " + found[0], *found[1:])
    return None


def _convert(call, obj, conversion, more):
    if conversion == 1:
        return _text_of(call, obj, more)
    if conversion == 3 and call.special(obj, "__repr__"):
        return "__repr__", "after", [], [(finish_ascii, (type(obj),), None), *more]
    if conversion == 2 and call.special(obj, "__repr__"):
        return "__repr__", "after", [], [(finish_text, (type(obj), "__repr__"), None), *more]
    return None


def _test_or_pop(call):
    """`and` and `or` on 3.11: a value for which it jumps is kept."""
    found = _truth(call, call.stack[-1], "truth", "again")
    if found is None:
        return None
    kind, form, replaced, finishers = found
    finisher = finish_kept, (call.stack[-1], "TRUE" in call.op, call.argval // 2), None
    return kind, form, replaced, [*finishers, finisher]


def _test(call):
    return _truth(call, call.stack[-1], "truth", "again")

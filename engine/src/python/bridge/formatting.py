# Texts that are made of others: `%` and str.format. They convert one argument after the other, and what they have made so
# far is hidden: it can be made again where the arguments before the one that is asked are plain.

import _string

_DIRECTIVE = re.compile(r"%(?:\(([^()%]*)\))?([#0\- +]*(?:\*|\d*)(?:\.(?:\*|\d*))?[hlL]?)(.)", re.DOTALL)
_PLAIN = frozenset((str, int, float, complex, bool, bytes, type(None)))
_FORMATS = ("format", "format with spec")
# Which special methods are tried for a number.
_NUMBERS = {"int": ("__int__", "__index__"), "index": ("__index__",), "float": ("__float__", "__index__")}
# What is formatted without a frame of its own, and calls nothing.
_SILENT_TEXTS = _PLAIN | {types.FunctionType, types.BuiltinFunctionType, type}


def _is_plain(obj):
    """Whether its text is the same whenever it is made, and nobody sees that."""
    return kind_of(obj) in _PLAIN


def _has_frame(obj, how):
    """Whether a function of Python that makes its text is called directly, or none is called."""
    cls = type(obj)
    if as_kind(cls) in _SILENT_TEXTS:
        return True
    if how in _NUMBERS:
        return type(_number_method(cls, how)[1]) is types.FunctionType
    method = _lookup(cls, "__format__") if how in _FORMATS else None
    if how == "str" or method is object.__dict__["__format__"]:
        method = _lookup(cls, "__str__")
    if how == "repr" or method is object.__dict__["__str__"]:
        method = _lookup(cls, "__repr__")
    return type(method) is types.FunctionType


def _number_method(cls, how):
    return next(((name, found) for name in _NUMBERS[how] if (found := _lookup(cls, name)) is not None), (None, None))


def _method_asked(call, obj, how):
    """The special method that the inner frame runs to give obj's text or number; None if it does not."""
    if how in _NUMBERS:
        name, found = _number_method(type(obj), how)
        return name if call.calls(found) else None
    if how in _FORMATS:
        if call.special(obj, "__format__"):
            return "__format__"
        own = _lookup(type(obj), "__format__") is not object.__dict__["__format__"]
        how = "str" if how == "format" and not own else None
    if how == "str":
        if call.special(obj, "__str__"):
            return "__str__"
        how = "repr" if _lookup(type(obj), "__str__") is object.__dict__["__str__"] else None
    return "__repr__" if how == "repr" and call.special(obj, "__repr__") else None


def _asked_for_text(call, fields):
    """(place, the object, its special method, whether a text can stand for it) of what the inner frame is asked for; None if
    that is not certain.

    fields: (object, "str", "repr", one of _FORMATS or _NUMBERS, or None for what is not known, place), in their order.
    """
    asked = call.given(0)
    behind = itertools.dropwhile(lambda field: field[1] is not None and _is_plain(field[0]), fields)
    obj, how, place = next(behind, (EMPTY, None, None))
    if how is None or obj is not asked:
        return None
    method = _method_asked(call, obj, how)
    if method is None or not all(way is not None and other is not asked and _has_frame(other, way) for other, way, _ in behind):
        return None
    return place, obj, method, how in ("str", "format")


_CONVERTED_AS = {"s": "str", "r": "repr", "a": "repr"}
_DIRECTED_AS = _CONVERTED_AS | dict.fromkeys("diu", "int") | dict.fromkeys("xXoc", "index") | dict.fromkeys("eEfFgG", "float")


def _directives(text, args):
    """The fields of `text % args`; None if not known."""
    fields, n, at = [], 0, text.find("%")
    while at >= 0:
        found = _DIRECTIVE.match(text, at)
        if found is None:
            return None
        key, options, conversion = found.groups()
        if conversion == "%":
            if options or key is not None:
                return None
        elif key is not None:
            if type(args) is not dict or "*" in options or any(type(k) is not str for k in args) or key not in args:
                return None
            fields.append((args[key], _DIRECTED_AS.get(conversion), key))
        elif type(args) is dict and fields:
            return None
        else:
            for how in (*[None] * options.count("*"), _DIRECTED_AS.get(conversion)):
                if type(args) is not tuple:
                    fields += [(args, how, None)] if n == 0 else []
                elif n < len(args):
                    fields.append((args[n], how, n))
                n += 1
        at = text.find("%", found.end())
    return [(obj, how or "str" if _is_plain(obj) else how, place) for obj, how, place in fields]


def _percent(call, text, args):
    """text % args, of a plain text."""
    if _is(args, tuple) and type(args) is not tuple:
        return None
    fields = _directives(text, args)
    found = fields and _asked_for_text(call, fields)
    if not found:
        return None
    place, obj, method, plainly = found
    return "percent", "after", [], [(finish_percent, (text, args, place, type(obj), method, plainly), None)]


def _replacements(text, args, kwargs):
    """The fields of text.format(*args, **kwargs); None if not known."""
    fields, n = [], 0

    def field(name, how):
        nonlocal n
        if name.isidentifier():
            return kwargs[name], how, name
        if name and (not name.isdecimal() or n):
            return EMPTY, None, None
        place = int(name) if name else n
        n = None if name else n + 1
        return args[place], how, place

    try:
        for _, name, spec, conversion in _string.formatter_parser(text):
            if name is None:
                continue
            own = field(name, _CONVERTED_AS.get(conversion) if conversion else _FORMATS[spec != ""])
            nested = [field(inner, "format") for _, inner, *_ in _string.formatter_parser(spec) if inner is not None] if spec else []
            fields += [own, *nested] if conversion else [*nested, own]
    except (LookupError, TypeError, ValueError):
        pass  # what is before that is formatted
    return fields


def _str_format(call, function, args, kwargs):
    """text.format(…)"""
    function, args = _unbound(function, args)
    if function is not str.__dict__["format"] or not args or type(args[0]) is not str:
        return None
    text, *given = args
    fields = _replacements(text, given, kwargs)
    found = fields and _asked_for_text(call, fields)
    if not found:
        return None
    place, obj, method, plainly = found
    arguments = text, tuple(given), kwargs, place, type(obj), method, plainly
    return "str.format", "after", [], [(finish_str_format, arguments, None)]

# Operators, comparisons, subscripts: which special method runs, and which would be tried after it.

_SYMBOLS = {
    "+": ("add", "+"), "-": ("sub", "-"), "*": ("mul", "*"), "/": ("truediv", "/"), "//": ("floordiv", "//"),
    "%": ("mod", "%"), "@": ("matmul", "@"), "**": ("pow", "** or pow()"), "<<": ("lshift", "<<"),
    ">>": ("rshift", ">>"), "&": ("and", "&"), "|": ("or", "|"), "^": ("xor", "^"),
}  # fmt: skip
_COMPARISONS = {"<": ("__lt__", "__gt__"), "<=": ("__le__", "__ge__"), "==": ("__eq__", "__eq__"),
                "!=": ("__ne__", "__ne__"), ">": ("__gt__", "__lt__"), ">=": ("__ge__", "__le__")}  # fmt: skip


_OF_SEQUENCES = ("__add__", "__mul__", "__iadd__", "__imul__")


def _is_sequence(obj):
    """Whether the C code could try concatenation or repetition next: those of a class that has a length in C, too."""
    in_c = lambda names, name: type(names.get(name)) is types.WrapperDescriptorType
    classes = map(_dict_of, _mro_of(type(obj)))
    return any(in_c(names, "__len__") and any(in_c(names, name) for name in _OF_SEQUENCES) for names in classes)


def _operator(call):
    """A binary or in-place operator: which method runs, and which would be tried after it."""
    a, b = call.stack[-2:]
    return _subscript(call, a, b) if call.argrepr == "[]" else _binary(call, a, b, call.argrepr)


def _binary(call, a, b, symbol):
    in_place = symbol.endswith("=")
    name, text = _SYMBOLS[symbol.removesuffix("=")]
    if in_place:
        text = ("**" if name == "pow" else text) + "="
    sign = symbol.removesuffix("=")
    if sign in "+*" and _is_sequence(a) or sign == "*" and _is_sequence(b):
        return _of_sequence(call, a, b, sign, in_place)
    if sign == "|" and in_place and kind_of(a) in _KEYS_OF and _asked_for_keys(call, b):
        return "keys", "after", [], [(finish_keys, (operator.ior, (a, b), {}, 1), None)]
    if sign == "%" and type(a) is str and not call.calls(_lookup(type(b), "__rmod__")):
        return _percent(call, a, b)
    first = (_lookup(type(a), f"__i{name}__"), a, b) if in_place else (None, a, b)
    return _dispatched(call, a, b, f"__{name}__", f"__r{name}__", text, first)


_BUILTIN_SEQUENCES = (list, tuple, str, bytes, bytearray)


def _of_sequence(call, a, b, sign, in_place):
    """`+` and `*` of a builtin sequence: a method of the other operand is tried first, then that is added or counts."""
    place = int(kind_of(a) in _BUILTIN_SEQUENCES)
    sequence, other = (a, b) if place else (b, a)
    if kind_of(sequence) not in _BUILTIN_SEQUENCES or _is_sequence(other) or in_place and not place:
        return None
    if sign == "+":
        add = operator.iconcat if in_place else operator.concat
        if call.special(b, "__radd__"):
            return "operator", "after", [], [(finish_concatenated, (add, a, b), None)]
        extends = type(a) is list and in_place and call.given(0) is b
        found = _begun(call, add, [a, b], {}, 1) if extends else None
        return found and ("extended", *found[1:])
    repeat = operator.imul if in_place else operator.mul
    if call.special(other, "__rmul__" if place else "__mul__"):
        return "operator", "after", [], [(finish_repeated, (repeat, a, b, place), None)]
    if call.special(other, "__index__") and call.given(0) is other:
        finisher = finish_converted, (repeat, (a, b), place, "__index__", type(other), ()), None
        return "repeated", "after", [], [finisher]
    return None


def _dispatched(call, a, b, forward, reflected, text, before=(None, None, None)):
    order = [before]
    first = _lookup(type(a), forward)
    second = _lookup(type(b), reflected) if type(b) is not type(a) else None
    if (
        second is not None
        and _derives(type(a), type(b))
        and second is not _lookup(type(a), reflected)
    ):
        order += [(second, b, a), (first, a, b)]
    else:
        order += [(first, a, b), (second, b, a)]
    order = [step for step in order if step[0] is not None]
    n = _tried(call, order)
    return None if n is None else ("operator", "after", [], [(finish_operator, (tuple(order[n + 1:]), text, a, b), None)])


def _tried(call, order):
    """Which of (method, object, other) the inner frame runs; None if none, or if that is not certain."""
    found = [n for n, (method, *_) in enumerate(order) if call.calls(method)]
    if len(found) > 1:
        found = [n for n in found if call.given(0) is order[n][1] and call.given(1) is order[n][2]]
    return found[0] if len(found) == 1 else None


def _compared_in(a, b, symbol):
    """What a comparison tries, in its order."""
    forward, reflected = _COMPARISONS[symbol]
    first, second = _lookup(type(a), forward), _lookup(type(b), reflected)
    order = [(first, a, b), (second, b, a)]
    if type(a) is not type(b) and _derives(type(a), type(b)) and second is not None:
        order.reverse()
    return [step for step in order if step[0] is not None]


def _comparison(call):
    a, b = call.stack[-2:]
    symbol = call.argrepr.removeprefix("bool(").removesuffix(")")
    more = [(finish_truth, (), None)] if call.argrepr.startswith("bool(") else []
    return _compares(call, a, b, symbol, more)


def _compares(call, a, b, symbol, more):
    order = _compared_in(a, b, symbol)
    by_eq = [symbol == "!=" and method is object.__dict__["__ne__"] for method, *_ in order]
    n = _tried(call, [(_lookup(type(x), "__eq__") if eq else method, x, y) for eq, (method, x, y) in zip(by_eq, order)])
    if n is None:
        return None
    own = [(finish_unequal, (), None)] if by_eq[n] else []
    rest = finish_comparison, (tuple(order[n + 1:]), symbol, a, b), None
    return "comparison", "after", [], own + [rest] + more


_SEQUENCES = (list, tuple, str, bytes, bytearray, range)


def _subscript(call, obj, key):
    if kind_of(obj) in _SEQUENCES and call.special(key, "__index__"):
        return "index", "after", [], [(finish_index, (obj,), None)]
    if kind_of(obj) in _SEQUENCES and type(key) is slice:
        return _sliced(call, obj, key.start, key.stop, key.step, "index")
    if type(obj) is collections.defaultdict and call.calls(obj.default_factory):
        return "default", "after", [], [(finish_default, (obj, key), None)]
    if call.special(obj, "__getitem__"):
        return "subscript", "after", [], []
    if _is(obj, dict) and call.special(obj, "__missing__"):
        return "missing", "after", [], []
    if _hashes_in(call, obj, key, "__getitem__"):
        return "lookup", "after", [], [_looked_up(key, operator.getitem, obj, key)]
    if _is(obj, type) and call.calls(_lookup(obj, "__class_getitem__")):
        return "class subscript", "after", [], []
    return None


def _unary(name, kind):
    def found(call):
        return (kind, "after", [], []) if call.special(call.stack[-1], name) else None

    return found


def _set_item(call):
    obj = call.stack[-2]
    if call.special(obj, "__setitem__"):
        return "set item", "again", [None, {}], [(finish_dummy, (0,), None)]
    return _set_hashed(call, False)


def _del_item(call):
    obj = call.stack[-2]
    if call.special(obj, "__delitem__"):
        return "del item", "again", [{0: 0}], [(finish_dummy, (0,), None)]
    return _set_hashed(call, True)


def _set_slice(call):
    obj = call.stack[-3]
    return ("set slice", "again", [[], [], 0], [(finish_dummy, (0,), None)]) if call.special(obj, "__setitem__") else None


def _contains(call):
    item, container = call.stack[-2:]
    if call.special(container, "__contains__"):
        return "contains", "after", [], [(finish_contains, (bool(call.arg & 1),), None)]
    if _hashes_in(call, container, item, "__contains__"):
        inverted = [(finish_not, (), None)] if call.arg & 1 else []
        return "lookup", "after", [], [_looked_up(item, operator.contains, container, item), *inverted]
    return _member(call, container, item, bool(call.arg & 1))


def _slice(call):
    container, start, stop = call.stack[-3:]
    if kind_of(container) in _SEQUENCES:
        return _sliced(call, container, start, stop, None, "slice index")
    return ("slice", "after", [], []) if call.special(container, "__getitem__") else None

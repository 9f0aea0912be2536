# What begins with getting an iterator from one of its arguments, and has done nothing else then.

# From which argument on each is given what it iterates over; those in front are kept.
_ITERATED_FROM = {
    function: 0
    for function in (list, tuple, set, frozenset, sorted, min, max, sum, any, all, enumerate, zip, collections.deque,
                     itertools.accumulate, itertools.cycle, itertools.islice, itertools.pairwise, itertools.groupby,
                     itertools.compress, itertools.zip_longest, itertools.tee)
} | {
    function: 1
    for function in (map, filter, itertools.takewhile, itertools.dropwhile, itertools.filterfalse, itertools.starmap,
                     list.extend, list.__iadd__, set.update, set.union, set.intersection, set.difference, frozenset.union,
                     collections.deque.extend, collections.deque.extendleft, bytearray.extend, str.join)
}  # fmt: skip
# Of these the others are numbers, and not iterated over.
_ITERATED_ONCE = frozenset((sum, enumerate, itertools.islice, itertools.accumulate, itertools.groupby, itertools.tee, collections.deque, sorted))
_ONLY_OF_ONE = frozenset((min, max))
_SILENT_SOURCES = frozenset((list, tuple, str, bytes, bytearray, range, dict, set, frozenset))


def _begins(call, function, args, kwargs):
    """A builtin function or class that asked an argument for its iterator."""
    if kind_of(function) is types.BuiltinMethodType or type(function) is types.MethodWrapperType:
        function, args = _unbound(function, args)
    if kind_of(function) not in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, type):
        return None
    first = _ITERATED_FROM.get(function)
    if first is None or function in _ONLY_OF_ONE and len(args) != 1:
        return None
    for place, arg in enumerate(args[first:], first):
        if call.special(arg, "__iter__") and call.given(0) is arg:
            plain = function in _ITERATED_ONCE
            return _begun(call, function, args, kwargs, place) if not plain or all(map(_is_plain, args[place + 1 :])) else None
        if kind_of(arg) not in _SILENT_SOURCES or function in _ITERATED_ONCE:
            return None
    return None


def _begun(call, function, args, kwargs, place):
    if not call.special(args[place], "__iter__") or call.given(0) is not args[place]:
        return None
    return "begun", "after", [], [(finish_begun, (function, tuple(args), kwargs, place), None)]


def _unpacked(call):
    """`a, b = x`: from 3.14 on the instruction has taken x from the stack."""
    obj = call.given(0) if call.stack[-1] is EMPTY else call.stack[-1]
    return ("unpacked", "again", [], [(finish_measured, (obj,), None)]) if call.special(obj, "__iter__") else None


def _spread(call):
    """`[*x]` and `{*x}`"""
    obj = call.stack[-1]
    return ("spread", "again", [], [(finish_measured, (obj,), None)]) if call.special(obj, "__iter__") else None


def _starred(call):
    """f(*x) asks x for its iterator before it has anything else to do. It is executed again, with a list."""
    named = sys.version_info >= (3, 14) or bool(call.arg & 1)
    obj, kwargs = call.stack[-1 - named], call.stack[-1] if named else EMPTY
    if type(obj) is tuple or not call.special(obj, "__iter__") or call.given(0) is not obj:
        return None
    made = []
    if not named:
        return "starred", "again", [], [(finish_starred, (made, obj, made), None)]
    return "starred", "again", [made], [(finish_starred, (made, obj, {} if kwargs is EMPTY else kwargs), None)]

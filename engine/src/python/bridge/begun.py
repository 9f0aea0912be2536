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
# Of these only the first is iterated over; some take numbers behind it, and may have asked for them.
_ITERATED_ONCE = frozenset((sum, itertools.accumulate, itertools.groupby, sorted))
_NUMBERS_BEHIND = frozenset((enumerate, itertools.islice, itertools.tee, collections.deque))
_ONLY_OF_ONE = frozenset((min, max))
# Has done nothing with those in front of one but to get their iterators; others have what they need of them.
_ONE_BY_ONE = frozenset((zip, map, itertools.compress, itertools.zip_longest))
_SILENT_SOURCES = frozenset((list, tuple, str, bytes, range))


def _begins(call, function, args, kwargs):
    """A builtin function or class that asked an argument for its iterator."""
    if kind_of(function) is types.BuiltinMethodType or type(function) is types.MethodWrapperType:
        function, args = _unbound(function, args)
    if kind_of(function) not in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, type):
        return None
    first = _ITERATED_FROM.get(function)
    if first is None or function in _ONLY_OF_ONE and len(args) != 1:
        return None
    asked, once = call.given(0), function in _ITERATED_ONCE or function in _NUMBERS_BEHIND
    for place, arg in enumerate(args[first : first + 1 if once else None], first):
        if arg is asked:
            known = function not in _NUMBERS_BEHIND or all(map(_is_plain, [*args[place + 1 :], *kwargs.values()]))
            return _begun(call, function, args, kwargs, place) if known and _is_once_in(arg, args) else None
        if kind_of(arg) not in _SILENT_SOURCES or function not in _ONE_BY_ONE:
            return None
    return None


def _begun(call, function, args, kwargs, place):
    """Of the argument at that place, which is what the inner frame was given."""
    if not call.special(args[place], "__iter__"):
        return None
    return "begun", "after", [], [(finish_begun, (function, tuple(args), kwargs, place), None)]


def _unpacked(call):
    """`a, b = x`: from 3.14 on the instruction has taken x from the stack."""
    obj = call.given(0) if call.stack[-1] is EMPTY else call.stack[-1]
    return ("unpacked", "again", [], [(finish_measured, (obj,), None)]) if call.special(obj, "__iter__") else None


def _spread(call):
    """`[*x]` and `{*x}`"""
    obj = call.stack[-1]
    known = call.special(obj, "__iter__") and call.given(0) is obj  # and not one within, of which a step asks the same
    return ("spread", "again", [], [(finish_measured, (obj,), None)]) if known else None


def _starred(call):
    """f(*x) asks x for its iterator before it has anything else to do. It is executed again, with a list."""
    named, obj, kwargs = _starred_operands(call)
    if type(obj) is tuple or not call.special(obj, "__iter__") or call.given(0) is not obj:
        return None
    made = []
    if not named:
        return "starred", "again", [], [(finish_starred, (made, obj, made), None)]
    return "starred", "again", [made], [(finish_starred, (made, obj, {} if kwargs is EMPTY else kwargs), None)]

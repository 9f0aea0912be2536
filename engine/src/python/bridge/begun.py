# What begins with getting an iterator from one of its arguments, or its keys, and has done nothing else then.

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
# Which argument of these is asked for its keys, if it has any.
_KEYS_OF = {dict: 0, collections.OrderedDict: 0, collections.defaultdict: 1} | {
    method: 1 for cls in (dict, collections.OrderedDict) for method in (cls.update, cls.__init__, cls.__ior__)
}  # fmt: skip


def _begins(call, function, args, kwargs):
    """A builtin function or class that asked an argument for its iterator or its keys."""
    if kind_of(function) is types.BuiltinMethodType or type(function) is types.MethodWrapperType:
        function, args = _unbound(function, args)
    if kind_of(function) not in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, type):
        return None
    place = _KEYS_OF.get(function)
    if place is not None and place < len(args) and _asked_for_keys(call, args[place]):
        return "keys", "after", [], [(finish_keys, (function, tuple(args), kwargs, place), None)]
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


def _asked_for_keys(call, obj):
    """Whether the inner frame is obj's method `keys`, and no step of what follows it, which may run the same function."""
    if call.given(0) is not obj or not call.calls(_lookup(type(obj), "keys")):
        return False
    return not any(call.special(obj, name) for name in ("__iter__", "__getitem__", "__next__", "__len__", "__length_hint__"))


def _merged(call):
    """`{**x}` and f(**x) ask x for its keys before they have anything else to do."""
    obj, replaced = call.stack[-1], AttributeError if call.op == "DICT_UPDATE" else (AttributeError, KeyError)
    return ("merged", "again", [], [(finish_merged, (obj, replaced), None)]) if _asked_for_keys(call, obj) else None

# Lookups in dicts and sets that hash their key by a method of the program. The key is hashed before anything else: the
# lookup is done once more, and the key is told what its method returned. What compares keys, stands in the middle
# of a search whose place nobody knows: it is refused.

_HASHED = (dict, set, frozenset, collections.OrderedDict)
# Hashed by the interpreter itself.
_PLAIN_KEYS = frozenset((str, int, float, complex, bytes, bool, type(None)))
_LOOKUPS = {
    cls.__dict__[name]
    for cls, names in (
        (dict, ("get", "setdefault", "pop", "__getitem__", "__contains__", "__setitem__", "__delitem__")),
        (set, ("add", "discard", "remove", "__contains__")),
        (frozenset, ("__contains__",)),
    )
    for name in names
}


def _hashes(call, key):
    """Whether the inner frame hashes that key."""
    return call.special(key, "__hash__") and call.given(0) is key and not _is(key, set)


def _hashes_in(call, container, key, method):
    """Whether an operation, whose special method is not the program's, hashes that key first."""
    cls = type(container)
    base = next(base for base in _mro_of(cls) if not _flags_of(base) & _HEAP_TYPE)
    missing = _lookup(cls, "__missing__")
    return (
        as_kind(base) in _HASHED
        and _lookup(cls, method) is _lookup(base, method)
        and (missing is None or type(missing) is types.FunctionType)
        and _hashes(call, key)
    )


def _looked_up(key, operation, *arguments, given=()):
    return finish_lookup, (key, operation, arguments, given), None


def _method_looks_up(call, function, args):
    """A method of dict or set that hashes its argument."""
    if kind_of(function) in (types.BuiltinMethodType, types.MethodWrapperType) and kind_of(function.__self__) in _HASHED:
        args = [function.__self__, *args]
        function = _lookup(type(function.__self__), function.__name__)
    if len(args) < 2 or kind_of(function) not in _METHODS or function not in _LOOKUPS or not _hashes(call, args[1]):
        return None
    return "lookup", "after", [], [_looked_up(args[1], function, *args)]


_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType)


def _set_hashed(call, deletes):
    *_, value, container, key = [EMPTY, *call.stack]
    if not _hashes_in(call, container, key, "__delitem__" if deletes else "__setitem__"):
        return None
    if deletes:
        return "lookup", "again", [{0: 0}], [_looked_up(key, operator.delitem, container, key, given=(0,))]
    return "lookup", "again", [None, {}], [_looked_up(key, operator.setitem, container, key, value, given=(0,))]


def _display(call, pairs):
    """Of {...}: its items are hashed in turn."""
    n = call.arg * (1 + pairs)
    given = call.stack[len(call.stack) - n :] if n else []
    keys = given[:: 1 + pairs]
    for i, key in enumerate(keys):
        if _hashes(call, key) and sum(other is key for other in keys) == 1:
            finisher = (finish_dict_display if pairs else finish_set_display), (key, i, tuple(given)), None
            return "lookup", "after", [], [finisher]
        if kind_of(key) not in _PLAIN_KEYS:
            return None
    return None


def _set_display(call):
    """Of {...}, a set. From 3.14 on its items are gone from the evaluation stack as they come to be hashed: what was hashed
    before is in a set that nobody can see, and known if the bytecode says it."""
    given = call.stack[len(call.stack) - call.arg :] if call.arg else []
    hashed = next((i for i, item in enumerate(given) if item is not EMPTY), len(given))
    if not hashed:
        return _display(call, False)
    key = call.given(0)
    if call.kinds is None or key is EMPTY or not _hashes(call, key) or any(item is key for item in given):
        return None
    place = len(call.stack) - call.arg
    before = [pushed_constant(call.code, call.unit, place + i) for i in range(hashed - 1)]
    if not all(kind_of(item) in _PLAIN_KEYS for item in before):
        return None
    items = (*before, key, *given[hashed:])
    return "lookup", "after", [], [(finish_set_display, (key, hashed - 1, items), None)]


def _adds(call, pairs):
    """Of a comprehension: an item is added to what lies deeper on the evaluation stack."""
    depth = len(call.stack) - 1 - pairs
    key, container = call.stack[depth], call.stack[depth - call.arg]
    if type(container) is not (dict if pairs else set) or not _hashes(call, key):
        return None
    top = call.stack[depth - 1]
    if top is EMPTY:  # it cannot be given back: the instruction is done once more
        return "lookup", "again", [], [(finish_added, (key, call.stack[-1]), None)]
    if pairs:
        return "lookup", "after", [], [_looked_up(key, operator.setitem, container, key, call.stack[-1], given=(top,))]
    return "lookup", "after", [], [_looked_up(key, set.add, container, key, given=(top,))]

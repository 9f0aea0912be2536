# Finishers: frames of torpor's own that do, on resume, what C code had still to do with a result.
#
# A captured frame that called Python code through C (len(x) calls x.__len__) is stored as one that stands
# after its instruction. Between it and the inner frame a finisher is stored, suspended in its call of
# hole() or in its loop over a generator: when the inner frame returns, the finisher goes on, checks and
# converts the result as the C code would, and returns it. They are hidden from tracebacks and f_back.
# values/mod.rs numbers them; bridge/ decides which is needed. The call of hole() has nothing under it on the
# evaluation stack: a finisher's frame holds its locals only.

import operator

hole = None  # never called: finishers begin behind the call


def finish_call():
    return hole()


def finish_init(obj):
    result = hole()
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{name_in_c(type(result))}'")
    return obj


def finish_new(cls, args, kwargs):
    obj = hole()
    if not _derives(cls, type(obj)):
        return obj
    result = _lookup(type(obj), "__init__").__get__(obj, type(obj))(*args, **kwargs)
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{name_in_c(type(result))}'")
    return obj


def finish_truth():
    return True if hole() else False


def finish_not():
    return False if hole() else True


def _in_its_words(cls, method, result, ask):
    """What the interpreter says of a special method of `cls` whose result is of the wrong kind: ask(object) of an
    object that returns it raises, or warns and converts."""
    names = {"__module__": _module_of_class(cls), "__qualname__": _qualname_of(cls)}
    return ask(type(_name_of(cls), (), {method: lambda *_: result, **names})())


def finish_kept(obj, jumps_if, target):
    """Of `and` and `or` where one instruction tests and keeps or drops what it tests."""
    truth = hole()
    if truth is jumps_if:
        jump_below(target)
        return obj
    return truth


def finish_bool(cls):
    result = hole()
    if type(result) is not bool:
        return _in_its_words(cls, "__bool__", result, bool)
    return result


def _length(n):
    n = operator.index(n)
    if n < 0:
        raise ValueError("__len__() should return >= 0")
    if n > sys.maxsize:
        raise OverflowError("cannot fit 'int' into an index-sized integer")
    return n


def finish_len():
    result = hole()
    return _length(result)


def finish_len_truth():
    result = hole()
    return _length(result) != 0


def finish_text(cls, method):
    result = hole()
    if not isinstance(result, str):
        return _in_its_words(cls, method, result, {"__str__": str, "__repr__": repr, "__format__": format}[method])
    return result


def finish_format(spec):
    result = hole()
    return format(result, spec)


def finish_hash(cls):
    result = hole()
    if not isinstance(result, int):
        return _in_its_words(cls, "__hash__", result, hash)
    result = int(result)
    if not -sys.maxsize - 1 <= result <= sys.maxsize:
        result = hash(result)
    return -2 if result == -1 else result


def finish_int(cls):
    result = hole()
    return result if type(result) is int else _in_its_words(cls, "__int__", result, int)


def finish_float(cls):
    result = hole()
    return result if type(result) is float else _in_its_words(cls, "__float__", result, float)


def finish_bytes(cls):
    result = hole()
    return result if isinstance(result, bytes) else _in_its_words(cls, "__bytes__", result, bytes)


def finish_ascii(cls):
    result = hole()
    if not isinstance(result, str):
        return _in_its_words(cls, "__repr__", result, ascii)
    return result.encode("ascii", "backslashreplace").decode("ascii")


def finish_dir():
    result = hole()
    return sorted(result)


def finish_index(container):
    """Of container[x] for a builtin sequence."""
    index = hole()
    if not isinstance(index, int):
        raise TypeError(f"__index__ returned non-int (type {name_in_c(type(index))})")
    return container[index]


def finish_none():
    hole()
    return None


def _what_was_set_stays():
    """Whether a defaultdict keeps what its factory itself has set under the key."""
    mapping = collections.defaultdict(lambda: mapping.update(key=1))
    return mapping["key"] is not None


_WHAT_WAS_SET_STAYS = _what_was_set_stays()


def finish_default(mapping, key):
    """Of a defaultdict's missing key."""
    value = hole()
    if _WHAT_WAS_SET_STAYS:
        return dict.setdefault(mapping, key, value)
    mapping[key] = value
    return value


def _giving(result):
    return lambda *args, **kwargs: result


def finish_cached(wrapper, args, kwargs):
    """Of a function under lru_cache: its result is remembered."""
    result = hole()
    hits, misses, *_ = wrapper.cache_info()
    remember(wrapper, args, kwargs, _giving(result))  # a finisher has no cells
    count_again(wrapper, hits, misses)
    return result


def finish_iter(cls):
    result = hole()
    if _lookup(type(result), "__next__") is None:
        return _in_its_words(cls, "__iter__", result, iter)
    return result


class _Iterable:
    """Something that iterates over what __iter__ returned."""

    __slots__ = ("iterator",)

    def __init__(self, iterator):
        self.iterator = iterator

    def __iter__(self):
        return self.iterator


def finish_iterable():
    result = hole()
    return _Iterable(result)


def finish_contains(invert):
    return (True if hole() else False) is not invert


def finish_operator(rest, symbol, a, b):
    """rest: (function, x, y) that are still to be tried, each bound to x and called with y."""
    result = hole()
    for method, x, y in rest:
        if result is not NotImplemented:
            return result
        result = method.__get__(x, type(x))(y)
    if result is NotImplemented:
        raise TypeError(f"unsupported operand type(s) for {symbol}: '{name_in_c(type(a))}' and '{name_in_c(type(b))}'")
    return result


def finish_comparison(rest, symbol, a, b):
    result = hole()
    for method, x, y in rest:
        if result is not NotImplemented:
            return result
        result = method.__get__(x, type(x))(y)
    if result is not NotImplemented:
        return result
    if symbol == "==":
        return a is b
    if symbol == "!=":
        return a is not b
    raise TypeError(
        f"'{symbol}' not supported between instances of '{name_in_c(type(a))}' and '{name_in_c(type(b))}'"
    )


def finish_unequal():
    """object.__ne__ asked __eq__."""
    result = hole()
    return result if result is NotImplemented else not result


def finish_dummy(dummy):
    hole()
    return dummy


def finish_method(name):
    result = hole()
    return types.SimpleNamespace(**{name: result})


def finish_super_method(made, name):
    """Of super().name(…): made is what `super()` gives when the instruction is executed again, as the first of a list."""
    value = hole()
    setattr(made, name, value)
    return 0


def finish_attribute(fallback, obj, name, default):
    """Of obj.name: fallback is the class's __getattr__ or None, default a tuple of none or one value."""
    try:
        return hole()
    except AttributeError:
        if fallback is None:
            if default:
                return default[0]
            raise
    try:
        return fallback.__get__(obj, type(obj))(name)
    except AttributeError:
        if default:
            return default[0]
        raise


def finish_has():
    try:
        hole()
    except AttributeError:
        return False
    return True


def finish_next(default):
    try:
        return hole()
    except StopIteration:
        if default:
            return default[0]
        raise


def finish_step():
    """A loop's next item; the loop ends where the iterator does."""
    try:
        return hole()
    except StopIteration:
        pass
    return loop_ends()


def finish_filter(source, item):
    """source: the filter object itself, item: what its function was asked about."""
    if hole():
        return item
    for value in source:
        return value
    return loop_ends()


def finish_filter_generator(source, function):
    for item in source:
        if item if function is None or function is bool else function(item):
            return item
    return loop_ends()


def finish_sentinel(iterator, sentinel):
    """A loop over iter(function, sentinel)."""
    try:
        item = hole()
        if not (item is sentinel or item == sentinel):
            return item
    except StopIteration:
        pass
    exhaust(iterator)
    return loop_ends()


def finish_item(iterator, following):
    """A loop that gets items by index: the iterator's next index follows."""
    try:
        item = hole()
    except (IndexError, StopIteration):
        exhaust(iterator)
        return loop_ends()
    iterator.__setstate__(following)
    return item


def finish_enumerated(source, index):
    try:
        item = hole()
    except StopIteration:
        return loop_ends()
    count_on(source)
    return index, item


def finish_zipped(rest):
    try:
        items = [hole()]
        for iterator in rest:
            items.append(next(iterator))
        return tuple(items)
    except StopIteration:
        pass
    return loop_ends()


def finish_any(source):
    for item in source:
        if item:
            return True
    return False


def finish_all(source):
    for item in source:
        if not item:
            return False
    return True


def finish_test(source, wanted):
    """any (wanted: True) or all (False) over an iterator that calls Python code."""
    try:
        item = hole()
    except StopIteration:
        return not wanted
    if (True if item else False) is wanted:
        return wanted
    for item in source:
        if (True if item else False) is wanted:
            return wanted
    return not wanted


# The next four stand in their first loop over a running generator. What the generator yields lands in that
# loop; what it returns, in the second one.


def finish_send(source):
    for item in source:
        return item
    for value in source:
        if value is None:
            raise StopIteration
        raise StopIteration(value)


def finish_send_default(source, default):
    for item in source:
        return item
    return default


def finish_close(source, kind):
    try:
        for item in source:
            raise RuntimeError(f"{kind} ignored GeneratorExit")
        for value in source:
            return value if sys.version_info >= (3, 13) else None
    except (GeneratorExit, StopIteration):
        return None


def finish_step_map(source, function):
    for item in source:
        return function(item)
    return loop_ends()


def finish_step_enumerate(source, enumerated, index):
    for item in source:
        count_on(enumerated)
        return index, item
    return loop_ends()


def finish_step_zip(source, rest):
    for item in source:
        items = [item]
        try:
            for iterator in rest:
                items.append(next(iterator))
            return tuple(items)
        except StopIteration:
            return loop_ends()
    return loop_ends()


#: What raises for finishers.
IN_FINISHERS = [_length, _in_its_words, _alike, _most_derived, _attributes_matched, _annotated_wrongly, _lost, _is_caught_at, _begin, _told, _with_keys]
FINISHERS = [value for name, value in list(globals().items()) if name.startswith("finish_")]
# Their frames are hidden; so are these, which finishers make the interpreter call.
HIDDEN = [*FINISHERS, *CREATING, *IN_FINISHERS, _Iterable.__init__, _Iterable.__iter__, _Begun.__iter__, _Begun.__length_hint__, _Keyed.keys, _Replaced.__missing__, _Stored.__setitem__, end_task_step, Outcome.__next__, Outcome.throw]


def _body_of(function):
    return [i for i in dis.get_instructions(function) if i.opname != "CACHE"]


def place(function, looping):
    """Where a finisher stands: (instruction, next instruction, where it goes on when a generator returns).

    looping: in its first loop, else in its call of hole(). In code units.
    """
    known = _standing.get((function, looping))
    if known is None:
        known = _standing[function, looping] = _stands(function, looping)
    return known


_standing = {}
# There a loop ends by itself when its generator returns: see frame::place_over.
_OWN_LOOPS = sys.version_info < (3, 12)


def _stands(function, looping):
    instructions = _body_of(function)
    if function.__code__.co_cellvars:
        raise SystemError(f"{function.__name__} shares a variable with a closure")
    if any(i.opname.startswith("STORE_FAST") for i in itertools.takewhile(lambda i: i.argval != "hole" and i.opname != "FOR_ITER", instructions)):
        raise SystemError(f"{function.__name__} begins with other variables than its arguments")
    if not looping:
        named = next(n for n, i in enumerate(instructions) if i.opname == "LOAD_GLOBAL" and i.argval == "hole")
        n = next(n for n in range(named, len(instructions)) if instructions[n].opname == "CALL")
        start = instructions[n].offset // 2
        if depth_after(function.__code__, start)[0] != 1:
            raise SystemError(f"{function.__name__} calls hole() in the middle of an expression")
        return start, instructions[n + 1].offset // 2, 0
    loops = [n for n, i in enumerate(instructions) if i.opname == "FOR_ITER"]
    start = instructions[loops[0]]
    returns = 0 if _OWN_LOOPS else start.argval
    if function in (finish_send, finish_close, finish_await, finish_task, finish_handled):
        returns = instructions[loops[1] + 1].offset
    return start.offset // 2, instructions[loops[0] + 1].offset // 2, returns // 2


def loop_over(code, unit):
    """Of the FOR_ITER or SEND at a code unit: (is it SEND, first unit with its EXTENDED_ARG, jump target); or None."""
    for i in dis.get_instructions(code):
        if i.offset == 2 * unit and i.opname in ("FOR_ITER", "SEND"):
            return i.opname == "SEND", places(code, unit)[0], i.argval // 2
    return None


for _finisher in FINISHERS:  # a finisher that cannot be stored is an error of the engine: found at start
    place(_finisher, "hole" not in _finisher.__code__.co_names)

# Loops, awaits and with: what an iterator of the interpreter's own, or a manager, runs.


# 3.15 keeps an index beside what a loop or an await runs over.
_ITERATOR = -2 if sys.version_info >= (3, 15) else -1


_CALLABLE_ITERATOR = type(iter(int, 1))


class _Sequence:
    def __getitem__(self, index):
        raise IndexError


_SEQUENCE_ITERATOR = type(iter(_Sequence()))


def _loop(call):
    it = call.stack[_ITERATOR]
    if call.iterates(it):
        return "generator", "iterate", [], []
    if call.special(it, "__next__"):
        return "step", "step", [], [(finish_step, (), None)]
    if type(it) is map:
        function, *sources = it.__reduce__()[1]
        if call.calls(function) and not any(_may_step(call, s) for s in sources):
            return "map", "step", [], [(finish_step, (), None)]
        if len(sources) == 1 and call.iterates(sources[0]):
            return "map generator", "step", [], [(finish_step_map, (function,), sources[0])]
    if type(it) is filter:
        function, source = it.__reduce__()[1]
        item = _first_of(call, function, source) if call.calls(function) else EMPTY
        if item is not EMPTY:
            return "filter", "step", [], [(finish_filter, (it, item), None)]
        if call.iterates(source):
            return "filter generator", "step", [], [(finish_filter_generator, (function,), source)]
    if type(it) is _CALLABLE_ITERATOR:
        function, sentinel = it.__reduce__()[1] if len(it.__reduce__()[1]) == 2 else (None, None)
        if call.calls(function):
            return "sentinel", "step", [], [(finish_sentinel, (it, sentinel), None)]
    if type(it) is _SEQUENCE_ITERATOR:
        _, (sequence, *_), index = it.__reduce__()
        if call.special(sequence, "__getitem__"):
            return "item", "step", [], [(finish_item, (it, index + 1), None)]
    if type(it) is reversed and len(it.__reduce__()) == 3:
        _, (sequence, *_), index = it.__reduce__()
        if call.special(sequence, "__getitem__"):
            return "reversed item", "step", [], [(finish_item, (it, index - 1), None)]
    if type(it) is enumerate:
        source, index = it.__reduce__()[1]
        if call.iterates(source):
            return "enumerate generator", "step", [], [(finish_step_enumerate, (it, index), source)]
        if call.special(source, "__next__"):
            return "enumerate", "step", [], [(finish_enumerated, (it, index), None)]
    if type(it) is zip:
        sources, *strict = it.__reduce__()[1:2] if len(it.__reduce__()) == 2 else (it.__reduce__()[1], True)
        if sources and not strict and not any(_may_step(call, s) for s in sources[1:]):
            if call.iterates(sources[0]):
                return "zip generator", "step", [], [(finish_step_zip, (tuple(sources[1:]),), sources[0])]
            if call.special(sources[0], "__next__"):
                return "zip", "step", [], [(finish_zipped, (tuple(sources[1:]),), None)]
    found = _next_of(call, it)
    return None if found is None else ("iterated", "step", [], [*found, (finish_step, (), None)])


def _with(call):
    """Entering a `with`: the bound __exit__ lies under the result."""
    manager = call.stack[-1]
    if sys.version_info < (3, 12):
        # It does already: the manager itself is only known through it.
        if type(manager) is types.MethodType and call.special(manager.__self__, "__enter__"):
            return "with", "after", [], []
        return None
    leave = _lookup(type(manager), "__exit__")
    if call.special(manager, "__enter__") and type(leave) is types.FunctionType:
        return "with", "after", [leave.__get__(manager, type(manager))], []
    return None


def _leave(call):
    for place in (-4, -5):
        if len(call.stack) >= -place and call.calls(call.stack[place]):
            return "leave", "after", [], []
    return None


def _get_iter(call):
    obj = call.stack[-1]
    if not call.special(obj, "__iter__"):
        return None
    if sys.version_info >= (3, 15):
        # Two results: it is executed again, on something that has the iterator.
        return "iter", "again", [], [(finish_iterable, (), None)]
    return "iter", "after", [], [(finish_iter, (type(obj),), None)]


def _send(call):
    awaitable = call.stack[_ITERATOR - 1]
    if call.iterates(awaitable):
        return "generator", "send", [], []
    finisher = _awaited(call, awaitable, False)
    if finisher is not None:
        return "await", "send", [], [finisher]
    # What is sent is None, or it would have been a call of the iterator's send().
    found = _next_of(call, awaitable) if call.stack[-1] is None else None
    return None if found is None else ("delegated", "send", [], [*found, (finish_delegated, (), None)])


def _thrown(call, outer, handled):
    awaitable = call.stack[_ITERATOR - 1]
    if call.iterates(awaitable):
        finishers = [] if handled is None else [(finish_handled, (outer, handled), awaitable)]
        return "generator", "send", [], finishers
    last = (finish_delegated, (), None) if handled is None else (finish_handling, (outer, handled), None)
    finisher = _awaited(call, awaitable, handled is not None)
    if finisher is not None:
        return "throw to awaitable", "send", [], [finisher] if handled is None else [finisher, last]
    if call.special(awaitable, "throw"):
        return "throw method", "send", [], [last]
    found = _passed(call, awaitable)
    return found and ("passed on", "send", [], [*found, last])


_DELEGATING_KINDS = (types.GeneratorType, types.CoroutineType)


def _passed(call, outer):
    """The finishers of outer.throw(), if that passes an exception on to no generator; else None."""
    for inner in passes_to(outer) if kind_of(outer) in _DELEGATING_KINDS else ():
        found = _passed_to(call, inner)
        return None if found is None else [*found, (finish_thrown, (outer, outer), None)]
    return None


def _passed_to(call, awaitable):
    """The finishers of awaitable.throw(), which is no generator's; else None."""
    finisher = _awaited(call, awaitable, True)
    if finisher is not None:
        return [finisher]
    if call.special(awaitable, "throw"):
        return []
    kind, default = type(awaitable), ()
    if kind is ANEXT:
        step, *default = gc.get_referents(awaitable)
        kind = type(step)
    else:
        step = awaitable
    if kind is not ASEND and (kind is not ATHROW or default):
        return None
    (generator, *_), *_ = awaitable_parts(step)[1]
    for inner in passes_to(generator):
        found = _passed_to(call, inner)
        if found is not None:
            more = [(finish_defaulted, tuple(default), None)] if default else []
            return [*found, (finish_thrown, (generator, step), None), *more]
    return None


def _closed(call, outer):
    """The finishers of outer.close(), if that closes first what it delegates to; else None."""
    if call.iterates(outer):
        return [(finish_close, (type(outer).__name__,), outer)]
    for inner in passes_to(outer) if kind_of(outer) in _DELEGATING_KINDS else ():
        if call.special(inner, "close"):
            return [(finish_closed, (outer,), None)]
        found = _closed(call, inner)
        return found and [*found, (finish_closed, (outer,), None)]
    return None


def _awaited(call, awaitable, driven):
    """The finisher of an awaitable of the interpreter's own, if that runs the inner frame's generator."""
    default = ()
    kind = type(awaitable)
    if kind is ANEXT:
        awaitable, *default = gc.get_referents(awaitable)
        default, kind = tuple(default), type(awaitable)
    if kind is ASEND or kind is ATHROW and not default:
        (generator, *_), thrown, *_ = awaitable_parts(awaitable)[1]
        if not call.iterates(generator):
            return None
        if kind is ASEND:
            return finish_asend, (awaitable, default, driven), call.generator
        return finish_athrow, (awaitable, thrown == (), driven), call.generator
    if kind is WRAPPER:
        (awaitable,) = gc.get_referents(awaitable)
    if (default or kind is WRAPPER) and call.iterates(awaitable):
        return finish_await, (default, driven), call.generator
    return None

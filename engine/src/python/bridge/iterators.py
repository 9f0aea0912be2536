# Iterators written in C that step other iterators and call functions: which of these runs the inner frame, and
# what they have still to do with what it gives.

_SILENT = tuple(
    type(iter(o)) for o in ((), [], range(1), range(1 << 70), "", "a\u1234", b"", bytearray(), {}, {}.values(), {}.items(), set())
) + tuple(type(reversed(o)) for o in ([], {}, {}.values(), {}.items())) + (
    itertools.repeat, itertools.product, itertools.combinations, itertools.combinations_with_replacement,
    itertools.permutations,
)  # fmt: skip


def _holds(call, it):
    """Whether something of the inner frame is found from an iterator of an unknown kind."""
    seen, found = {id(it)}, [it]
    while found:
        one = found.pop()
        if one is call.function or one is call.generator:
            return True
        if kind_of(one) in (types.ModuleType, type, types.FunctionType) or _is(one, type):
            continue
        if call.generator is None and call.calls(one):
            return True
        for referent in gc.get_referents(one):
            if id(referent) not in seen:
                seen.add(id(referent))
                found.append(referent)
        if len(seen) > 300:
            return True
    return False


def _may_step(call, it):
    """Whether the next item of `it` may come from the inner frame."""
    cls = type(it)
    if as_kind(cls) in _SILENT:
        return False
    if call.iterates(it) or call.special(it, "__next__"):
        return True
    if as_kind(cls) in (types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType):
        return False  # whatever it runs is called by its own frame
    if type(_lookup(cls, "__next__")) is types.FunctionType:
        return False
    parts = _steps_of(it)
    if parts is None:
        return _holds(call, it)
    functions, sources = parts
    return any(call.calls(f) for f in functions) or any(_may_step(call, s) for s in sources)


def _steps_of(it):
    """(functions, iterators) that an iterator may call next; None if that is not known."""
    cls = type(it)
    if cls is map:
        function, *sources = it.__reduce__()[1]
        return (function,), sources
    if cls is filter:
        function, source = it.__reduce__()[1]
        return (function,), (source,)
    if cls is enumerate:
        return (), (it.__reduce__()[1][0],)
    if cls is zip:
        return (), it.__reduce__()[1]
    if as_kind(cls) not in LAYOUTS or cls is itertools.count:
        return None
    part = lambda i: iterator_part(it, i)
    if as_kind(cls) in (itertools.takewhile, itertools.dropwhile, itertools.filterfalse, itertools.starmap):
        return part(0), part(1)
    if cls is itertools.accumulate:
        return part(2), part(1)
    if cls is itertools.groupby:
        return part(1), part(0)
    if cls is GROUPER:
        return _steps_of(part(0)[0])
    if cls is itertools.compress:
        return (), (*part(0), *part(1))
    if cls is itertools.chain:
        return (), part(1) or part(0)
    if cls is itertools._tee:
        return (), iterator_part(part(0)[0], 0)
    if cls is itertools.islice or cls is itertools.pairwise or cls is itertools.cycle:
        return (), part(0)
    return None


def _first_of(call, function, *others):
    """The inner frame's argument as the item that `function`, which it runs, was asked about; EMPTY where that is not
    certain.

    others: what else it could have been called for.
    """
    if any(_may_step(call, it) for it in others):
        return EMPTY
    return call.given(_bound(function))


def _next_of(call, it):
    """The finishers, innermost first, of the next item of `it`, if the inner frame gives it; else None.

    The outermost returns the item or raises StopIteration. Where the inner frame may be run for several of the
    iterator's steps, the answer is None.
    """
    if call.iterates(it):
        return [(finish_send, (), it)]
    if call.special(it, "__next__"):
        return []
    cls = type(it)
    found = _NEXT.get(as_kind(cls))
    if found is None or as_kind(cls) in LAYOUTS and as_kind(cls) not in REDUCERS:
        return None
    return found(call, it)


def _over(call, source, finisher, *arguments):
    """The source gives an item, and the finisher does the rest."""
    found = _next_of(call, source)
    return None if found is None else [*found, (finisher, arguments, None)]


_OVER_SEQUENCES = tuple(type(iter(o)) for o in ([], ()))


def _last_item(it):
    """What an iterator over a list or tuple gave last; EMPTY where that is not certain."""
    if kind_of(it) not in _OVER_SEQUENCES or len(it.__reduce__()) != 3:
        return EMPTY
    _, (sequence,), following = it.__reduce__()
    return sequence[following - 1] if 0 < following <= len(sequence) else EMPTY


def _next_of_map(call, it):
    _, (function, *sources), *strict = it.__reduce__()
    if call.calls(function):
        return None if any(_may_step(call, s) for s in sources) else []
    if any(_may_step(call, s) for s in sources[1:]):
        return None
    if len(sources) == 1 and kind_of(sources[0]) in _SILENT:
        item = _last_item(sources[0])  # of a builtin function that asks it: len, str
        known = item is not EMPTY and item is call.given(0) and kind_of(function) in _BUILTINS
        found = _builtin(call, function, [item]) if known else None
        return found and found[3]
    return _over(call, sources[0], finish_mapped_strict if strict else finish_mapped, function, tuple(sources[1:]))


def _next_of_filter(wanted):
    def of(call, it):
        function, source = it.__reduce__()[1] if type(it) is filter else (iterator_part(it, 0)[0], iterator_part(it, 1)[0])
        if call.calls(function):
            item = _first_of(call, function, source)
            return None if item is EMPTY else [(finish_filtered, (it, item, wanted), None)]
        return None if call.calls(function) else _over(call, source, finish_filtered_item, it, function, wanted)

    return of


def _next_of_while(asked, given):
    def of(call, it):
        (function,), (source,) = iterator_part(it, 0), iterator_part(it, 1)
        if call.calls(function):
            item = _first_of(call, function, source)
            return None if item is EMPTY else [(asked, (it, item), None)]
        return None if call.calls(function) else _over(call, source, given, it, function)

    return of


def _next_of_starmap(call, it):
    (function,), (source,) = iterator_part(it, 0), iterator_part(it, 1)
    if call.calls(function):
        return None if _may_step(call, source) else []
    return _over(call, source, finish_starmap, function)


def _next_of_accumulate(call, it):
    function, (source,) = iterator_part(it, 2), iterator_part(it, 1)
    if function and call.calls(function[0]):
        return None if _may_step(call, source) else [(finish_accumulate, (it,), None)]
    return _over(call, source, finish_accumulate_item, it)


def _next_of_chain(call, it):
    source, active = iterator_part(it, 0), iterator_part(it, 1)
    if active:
        return _over(call, active[0], finish_chain, it)
    return _over(call, source[0], finish_chained, it) if source else None


def _next_of_group(call, it):
    groupby = it if type(it) is itertools.groupby else iterator_part(it, 0)[0]
    (source,), (function,) = iterator_part(groupby, 0), iterator_part(groupby, 1)
    # Keys that are compared may be what runs.
    for key in (*iterator_part(groupby, 2), *iterator_part(groupby, 3)):
        if call.special(key, "__eq__"):
            return None
    if call.calls(function):
        value = _first_of(call, function, source)
        return None if value is EMPTY else [(finish_group_key, (groupby, it, value), None)]
    return None if call.calls(function) else _over(call, source, finish_group_item, groupby, it)


def _next_of_first(finisher):
    """Of what steps the iterator that is its first part."""

    def of(call, it):
        source = iterator_part(it, 0)
        return _over(call, source[0], finisher, it) if source else None

    return of


def _next_of_compress(call, it):
    (data,), (selectors,) = iterator_part(it, 0), iterator_part(it, 1)
    return None if _may_step(call, selectors) else _over(call, data, finish_compress, it, selectors)


def _next_of_tee(call, it):
    (data,) = iterator_part(it, 0)
    if iterator_part(data, 1) & 0xFFFFFFFF != iterator_part(it, 1):
        return None  # it has that value already
    return _over(call, iterator_part(data, 0)[0], finish_tee, it, data)


def _next_of_enumerate(call, it):
    source, index = it.__reduce__()[1]
    return _over(call, source, finish_counted, it, index)


def _next_of_zip(call, it):
    _, sources, *strict = it.__reduce__()
    if not sources or any(_may_step(call, s) for s in sources[1:]):
        return None  # not surely the first of them
    return _over(call, sources[0], finish_zip_strict if strict else finish_zip, sources[1:])


_NEXT = {
    map: _next_of_map,
    filter: _next_of_filter(True),
    enumerate: _next_of_enumerate,
    zip: _next_of_zip,
    itertools.filterfalse: _next_of_filter(False),
    itertools.takewhile: _next_of_while(finish_takewhile, finish_takewhile_item),
    itertools.dropwhile: _next_of_while(finish_dropwhile, finish_dropwhile_item),
    itertools.starmap: _next_of_starmap,
    itertools.accumulate: _next_of_accumulate,
    itertools.chain: _next_of_chain,
    itertools.groupby: _next_of_group,
    GROUPER: _next_of_group,
    itertools.islice: _next_of_first(finish_islice),
    itertools.pairwise: _next_of_first(finish_pairwise),
    itertools.cycle: _next_of_first(finish_cycle),
    itertools.compress: _next_of_compress,
    itertools._tee: _next_of_tee,
}

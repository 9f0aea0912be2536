# Finishers of iterators that step other iterators or call functions: see finish.py, and iterators.py for the parts.

# Each stands below what gives the next item of one of its sources, or the answer of its function, and does with
# it what the iterator would: it returns an item, or raises StopIteration. See finish.py for those below it.


def finish_chain(chain):
    try:
        return hole()
    except StopIteration:
        pass
    set_iterator_part(chain, 1, ())
    return next(chain)


def finish_chained(chain):
    """The next of its iterables came."""
    try:
        iterable = hole()
    except StopIteration:
        active = ()
    except BaseException:
        set_iterator_part(chain, 0, ())
        raise
    else:
        try:
            active = (iter(iterable),)
        except BaseException:
            set_iterator_part(chain, 0, ())
            raise
    set_iterator_part(chain, 1 if active else 0, active)
    return next(chain)


def finish_islice(it):
    try:
        item = hole()
    except BaseException:
        set_iterator_part(it, 0, ())
        raise
    following, stop, step = iterator_part(it, 1), iterator_part(it, 2), iterator_part(it, 3)
    count = iterator_part(it, 4)
    set_iterator_part(it, 4, count + 1)
    if count < following:
        return next(it)  # this one is skipped
    following += step
    if following > sys.maxsize or stop != -1 and following > stop:
        following = stop
    set_iterator_part(it, 1, following)
    return item


def finish_starmap(function):
    arguments = hole()
    return function(*tuple(arguments))


def finish_mapped(function, rest):
    item = hole()
    items = [item]
    for source in rest:
        items.append(next(source))
    return function(*items)


def finish_takewhile(it, item):
    good = hole()
    if good:
        return item
    set_iterator_part(it, 2, 1)
    raise StopIteration


def finish_takewhile_item(it, function):
    item = hole()
    if function(item):
        return item
    set_iterator_part(it, 2, 1)
    raise StopIteration


def finish_dropwhile(it, item):
    dropped = hole()
    if dropped:
        return next(it)
    set_iterator_part(it, 2, 1)
    return item


def finish_dropwhile_item(it, function):
    item = hole()
    if iterator_part(it, 2) == 1:
        return item
    if function(item):
        return next(it)
    set_iterator_part(it, 2, 1)
    return item


def finish_filtered(it, item, wanted):
    """Of filter (wanted: True) and filterfalse (False): their function's answer."""
    answer = hole()
    return item if (True if answer else False) is wanted else next(it)


def finish_filtered_item(it, function, wanted):
    item = hole()
    answer = item if function is None or function is bool else function(item)
    return item if (True if answer else False) is wanted else next(it)


def finish_accumulate(it):
    total = hole()
    set_iterator_part(it, 0, (total,))
    return total


def finish_accumulate_item(it):
    item = hole()
    total, function = iterator_part(it, 0), iterator_part(it, 2)
    if total:
        item = function[0](total[0], item) if function else total[0] + item
    set_iterator_part(it, 0, (item,))
    return item


def finish_group_key(groupby, it, value):
    """it: the groupby itself, or one of its groups."""
    key = hole()
    set_iterator_part(groupby, 4, (value,))
    set_iterator_part(groupby, 3, (key,))
    return next(it)


def finish_group_item(groupby, it):
    try:
        value = hole()
    except StopIteration:
        pass
    else:
        (function,) = iterator_part(groupby, 1)
        key = value if function is None else function(value)
        set_iterator_part(groupby, 4, (value,))
        set_iterator_part(groupby, 3, (key,))
        return next(it)
    raise StopIteration


def finish_pairwise(it):
    try:
        item = hole()
    except BaseException:
        set_iterator_part(it, 0, ())
        set_iterator_part(it, 1, ())
        raise
    old = iterator_part(it, 1)
    set_iterator_part(it, 1, (item,))
    return (old[0], item) if old else next(it)


def finish_compress(it, selectors):
    item = hole()
    return item if next(selectors) else next(it)


def finish_cycle(it):
    try:
        item = hole()
    except StopIteration:
        pass
    else:
        if len(LAYOUTS[itertools.cycle]) < 4 or not iterator_part(it, 3):
            iterator_part(it, 1)[0].append(item)
        return item
    set_iterator_part(it, 0, ())
    if _FIRST_PASS:
        set_iterator_part(it, 2, 0)
    return next(it)


def finish_tee(tee, data):
    try:
        value = hole()
    except StopIteration:
        pass
    except BaseException:
        set_iterator_part(data, 1, iterator_part(data, 1) & 0xFFFFFFFF)
        raise
    else:
        tee_reads(data, value)
        set_iterator_part(tee, 1, iterator_part(tee, 1) + 1)
        return value
    set_iterator_part(data, 1, iterator_part(data, 1) & 0xFFFFFFFF)
    raise StopIteration


def finish_counted(enumerated, index):
    item = hole()
    count_on(enumerated)
    return index, item


def finish_zip(rest):
    item = hole()
    items = [item]
    for source in rest:
        items.append(next(source))
    return tuple(items)


def _strictly(name, items, rest):
    """The other sources give an item each, or end where the first has ended (items: none)."""
    longer = not items
    for i, source in enumerate(rest, 1):
        item = next(source, EMPTY)
        if (item is EMPTY) is not longer:
            others = f" {i}" if i == 1 else f"s 1-{i}"
            raise ValueError(f"{name}() argument {i + 1} is {'longer' if longer else 'shorter'} than argument{others}")
        items.append(item)
    if longer:
        raise StopIteration
    return items


def finish_zip_strict(rest):
    try:
        items = [hole()]
    except StopIteration:
        items = []
    return tuple(_strictly("zip", items, rest))


def finish_mapped_strict(function, rest):
    try:
        items = [hole()]
    except StopIteration:
        items = []
    return function(*_strictly("map", items, rest))


def finish_delegated():
    """Of `yield from` an iterator: what it gave, or that it ended."""
    try:
        item = hole()
    except StopIteration as stop:
        item = stop
    else:
        await_step(False)
        return item
    await_step(True)
    return item.value

# Iterators over containers that can change: they stay attached to their container. What they have still to give is
# found from where they stand, and so is what they have noticed, or will notice, of a change.
#
# Their structs (Objects/dictobject.c, setobject.c, odictobject.c, listobject.c, Modules/_collectionsmodule.c) are read
# and written part by part, as those of iterators.py; a part of kind c is a container, of one of the classes below.
# A container is made anew: positions in it are told by how many of its items lie before.

import operator


def _forwards():
    return [iter(view) for view in ({}.keys(), {}.values(), {}.items())]


def _backwards():
    return [reversed(view) for view in ({}.keys(), {}.values(), {}.items())]


_MAPPINGS = (dict, builtins.frozendict) if hasattr(builtins, "frozendict") else (dict,)
_DICT_ITERATORS = tuple(map(type, _forwards()))
_DICT_BACKWARDS = tuple(map(type, _backwards()))
SET_ITERATOR = type(iter(set()))
_DEQUE_ITERATORS = type(iter(collections.deque())), type(reversed(collections.deque()))
ORDERED_ITERATOR = type(iter(collections.OrderedDict()))
_LIST_BACKWARDS = type(reversed([]))
_BYTES_ITERATOR = type(iter(bytearray()))
_MEMORY_ITERATOR = type(iter(memoryview(b"")))


class _ByIndex:
    def __getitem__(self, index):
        raise IndexError


_ITEM_ITERATOR = type(iter(_ByIndex()))
_BY_POSITION = (_LIST_BACKWARDS, _BYTES_ITERATOR, _MEMORY_ITERATOR, reversed, _ITEM_ITERATOR)

CONTAINERS = {
    **dict.fromkeys(_DICT_ITERATORS + _DICT_BACKWARDS, _MAPPINGS),
    SET_ITERATOR: (set, frozenset),
    **dict.fromkeys(_DEQUE_ITERATORS, (collections.deque,)),
    ORDERED_ITERATOR: (collections.OrderedDict,),
    _LIST_BACKWARDS: (list,),
    _BYTES_ITERATOR: (bytearray,),
    _MEMORY_ITERATOR: (memoryview,),
}
# They go by their number: classes without a name in a module. Never change one, only add.
_ATTACHED = (*_DICT_ITERATORS, *_DICT_BACKWARDS, SET_ITERATOR, *_BY_POSITION)
LAYOUTS.update({
    **dict.fromkeys(_DICT_ITERATORS + _DICT_BACKWARDS, "cnn-n"),
    SET_ITERATOR: "cnnn",
    **dict.fromkeys(_DEQUE_ITERATORS, "--cnn"),
    ORDERED_ITERATOR: "dcnno-",
    _LIST_BACKWARDS: "nc",
    _BYTES_ITERATOR: "nc",
    _MEMORY_ITERATOR: "nc",
    reversed: "no",
    _ITEM_ITERATOR: "no",
})  # fmt: skip


def _ordered_iterators(mapping):
    """By how they are made: from a view's name, and backwards or not."""
    of = collections.OrderedDict
    views = {name: getattr(of, name)(mapping) for name in ("keys", "values", "items")}
    return {(name, back): (reversed if back else iter)(view) for name, view in views.items() for back in (False, True)}


# By the number that tells what an iterator over an OrderedDict gives.
_ORDERED_KINDS = {}


def _attached_samples():
    """As _iterator_samples: (iterator, what its words must be)."""
    mapping, ordered, numbers = {"a": 1, "b": 2, "c": 3}, collections.OrderedDict(a=1, b=2, c=3), {1, 2, 3}
    listed, queue, data = [1, 2, 3], collections.deque((1, 2, 3)), bytearray(b"abc")
    by_index, view = _ByIndex(), memoryview(b"abc")

    def stepped(it):
        next(it)
        return it

    for view_of in (mapping.keys(), mapping.values(), mapping.items()):
        yield stepped(iter(view_of)), (mapping, 3, 1, None, 2)
        yield stepped(reversed(view_of)), (mapping, 3, 1, None, 2)
    yield stepped(iter(numbers)), (numbers, 3, None, 2)
    queue.append(4)
    now = iterator_word(iter(queue), 3) if _DEQUE_ITERATORS[0].__basicsize__ == 56 else -1
    queue.append(5)
    for it in (iter(queue), reversed(queue)):
        yield stepped(it), (None, None, queue, now + 1, 4)
    if ORDERED_ITERATOR.__basicsize__ == 64:
        before = iterator_word(iter(ordered), 3)
        ordered["d"] = 4
        for how, it in _ordered_iterators(ordered).items():
            _ORDERED_KINDS[iterator_half(it, 0)] = how
            now = iterator_word(it, 3)
            yield stepped(it), (None, ordered, 4, now if now != before else -1, "c" if how[1] else "b")
    else:
        yield iter(ordered), (None, -1)
    yield stepped(reversed(listed)), (1, listed)
    yield stepped(iter(data)), (1, data)
    yield stepped(iter(view)), (1, view)
    yield reversed(_Lengthy()), (6, None)
    yield iter(by_index), (0, by_index)


class _Lengthy(_ByIndex):
    def __len__(self):
        return 7


def _exhausted(it):
    for _ in it:
        pass
    return it


_BLANKS.update({
    **{cls: lambda cls=cls: _exhausted(_forwards()[_DICT_ITERATORS.index(cls)]) for cls in _DICT_ITERATORS},
    **{cls: lambda cls=cls: _exhausted(_backwards()[_DICT_BACKWARDS.index(cls)]) for cls in _DICT_BACKWARDS},
    SET_ITERATOR: lambda: _exhausted(iter(set())),
    _LIST_BACKWARDS: lambda: _exhausted(reversed([])),
    _BYTES_ITERATOR: lambda: _exhausted(iter(bytearray())),
    _MEMORY_ITERATOR: lambda: _exhausted(iter(memoryview(b""))),
    reversed: lambda: _exhausted(reversed(())),
    _ITEM_ITERATOR: lambda: _exhausted(iter(_ByIndex())),
})  # fmt: skip


def _blank(cls):
    return make_attached, (_ATTACHED.index(cls),)


def make_attached(number):
    """An exhausted iterator, or one that is attached later."""
    return _BLANKS[_ATTACHED[number]]()


def _excess(seen, now):
    """A number that an iterator has compared with the one that its container has now; None: it has noticed already."""
    return None if seen < 0 else seen - now


def _size_of_mapping(mapping):
    return (dict if issubclass(type(mapping), dict) else builtins.frozendict).__len__(mapping)


def _reduce_dict_iterator(it):
    cls, container = type(it), iterator_part(it, 0)
    if not container:
        return _blank(cls)
    (mapping,), used, position, left = container, *(iterator_part(it, i) for i in (1, 2, 4))
    size, back = _size_of_mapping(mapping), cls in _DICT_BACKWARDS
    before = dict_before(mapping, position + back)
    rest = before if back else size - before
    owner = _owner_of_namespace(mapping)
    if owner is not None:
        return make_namespace_iterator, (owner, _ATTACHED.index(cls), _excess(used, size), _dict_rest(it, mapping))
    return *_blank(cls), (container, rest, _excess(used, size), left - rest), None, None, fill_attached


def _fill_dict_iterator(it, container, rest, used, left):
    (mapping,) = container
    size, back = _size_of_mapping(mapping), kind_of(it) in _DICT_BACKWARDS
    rest = max(0, min(rest, size))
    set_iterator_part(it, 0, container)
    set_iterator_part(it, 1, -1 if used is None else size + used)
    set_iterator_part(it, 2, dict_index(mapping, rest - 1 if back else size - rest))
    set_iterator_part(it, 4, rest + left)


def _dict_rest(it, mapping):
    """What an iterator over a mapping has still to give if it does not change."""
    ahead = _BLANKS[type(it)]()
    size = _size_of_mapping(mapping)
    for i, part in ((0, (mapping,)), (1, size), (2, iterator_part(it, 2)), (4, size + 1)):
        set_iterator_part(ahead, i, part)
    return tuple(ahead)


def _owner_of_namespace(mapping):
    """The class that has it as its namespace, or itself if a module has (an adopted one is in no sys.modules): their
    order is another where they are adopted."""
    if type(mapping) is not dict:
        return None
    if type(mapping.get("__name__")) is str and ("__builtins__" in mapping or (
        isinstance(module := sys.modules.get(mapping["__name__"]), types.ModuleType) and module.__dict__ is mapping
    )):  # fmt: skip
        return mapping
    if "__module__" in mapping:
        for cls in gc.get_referrers(mapping):
            if issubclass(type(cls), type) and class_namespace(cls) is mapping:
                return cls
    return None


def make_namespace_iterator(owner, number, used, rest):
    mapping = owner if type(owner) is dict else class_namespace(owner)
    it, size = make_attached(number), _size_of_mapping(mapping)
    if kind_of(it) not in _DICT_ITERATORS + _DICT_BACKWARDS:
        raise TypeError("it is no iterator over a namespace")
    if size < len(rest):  # it has lost names that say something else here
        return iter(rest)
    _fill_dict_iterator(it, (mapping,), len(rest), used, 0)
    return map(second, it, iter(rest))


def _reduce_ordered_iterator(it):
    container, size, state, current = (iterator_part(it, i) for i in (1, 2, 3, 4))
    how = _ORDERED_KINDS[iterator_half(it, 0)]
    if not container:
        return make_ordered_iterator, how
    (mapping,) = container
    same = state == iterator_part(iter(collections.OrderedDict.keys(mapping)), 3)
    parts = container, _excess(size, dict.__len__(mapping)), same, current
    return make_ordered_iterator, how, parts, None, None, fill_attached


def make_ordered_iterator(name, back):
    """An exhausted one."""
    return _exhausted(_ordered_iterators(collections.OrderedDict())[name, back])


def _fill_ordered_iterator(it, container, size, same, current):
    (mapping,) = container
    state = iterator_part(iter(collections.OrderedDict.keys(mapping)), 3)
    set_iterator_part(it, 1, container)
    set_iterator_part(it, 2, -1 if size is None else dict.__len__(mapping) + size)
    set_iterator_part(it, 3, state if same else state - 1)
    set_iterator_part(it, 4, current)


def _reduce_by_position(it):
    """Of what keeps an index and what it runs over."""
    index, container = iterator_part(it, 0), iterator_part(it, 1)
    if not container:
        return _blank(type(it))
    if type(it) is _MEMORY_ITERATOR:
        return make_memory_iterator, (*container, index)
    return *_blank(type(it)), (index, container), None, None, fill_attached


def make_memory_iterator(view, index):
    it = iter(view)
    set_iterator_part(it, 0, max(0, index))
    return it


def _fill_by_position(it, index, container):
    if not container:
        raise TypeError("an iterator has lost what it runs over")
    set_iterator_part(it, 1, container)
    # Backwards, -1 is behind the last one.
    set_iterator_part(it, 0, max(-1 if kind_of(it) in (_LIST_BACKWARDS, reversed) else 0, index))


def fill_attached(it, parts):
    """Attach it to its container, which is whole."""
    cls = type(it)
    if cls in _DICT_ITERATORS or cls in _DICT_BACKWARDS:
        _fill_dict_iterator(it, *parts)
    elif cls is ORDERED_ITERATOR:
        _fill_ordered_iterator(it, *parts)
    elif cls in _BY_POSITION:
        _fill_by_position(it, *parts)
    else:
        raise TypeError(f"a {cls.__name__} is not attached so")


# The order of a set is that of its table: another process, with other hashes, has another. What was still to come is
# written down. Where that is not what comes last in the set as it is now, the iterator over the set only says that
# it has not changed, and the items come from what was written, one for one. Namespaces likewise.


def _set_rest(it, container):
    ahead = set.__iter__(container) if issubclass(type(container), set) else frozenset.__iter__(container)
    set_iterator_part(ahead, 2, iterator_part(it, 2))
    return tuple(ahead)


def _size_of_set(container):
    return set.__len__(container) if issubclass(type(container), set) else frozenset.__len__(container)


def key_parts(container):
    """All on which the hashes of a set's items depend, as far as the interpreter hashes them itself."""
    found = list(set.__iter__(container) if issubclass(type(container), set) else frozenset.__iter__(container))
    for part in found:
        if type(part) is tuple:
            found += part
    return found + [cls for part in found for cls in _mro_of(type(part))]


def _reduce_set_iterator(it):
    container = iterator_part(it, 0)
    if not container:
        return _blank(SET_ITERATOR)
    size = _size_of_set(*container)
    rest = _set_rest(it, *container)
    return make_set_iterator, (*container, size, _excess(iterator_part(it, 1), size), rest)


def make_set_iterator(container, size, used, rest):
    if _size_of_set(container) != size or not len(rest) <= size:
        raise TypeError("an iterator over a set has lost its place")
    kind = set if issubclass(type(container), set) else frozenset
    it = kind.__iter__(container)
    for _ in range(size - len(rest)):
        next(it)
    in_order = all(map(operator.is_, _set_rest(it, container), rest))
    if not in_order and kind is frozenset:
        return iter(rest)
    set_iterator_part(it, 1, -1 if used is None else size + used)
    return it if in_order else map(second, it, iter(rest))


def _reduce_map(it):
    parts = it.__reduce__()
    if parts[1][0] is not second:
        return parts
    _, ahead, rest = parts[1]
    container = iterator_part(ahead, 0)
    if not container:
        return _blank(type(ahead))
    _, (items,), *index = rest.__reduce__()
    items, used = items[index[0] if index else 0 :], iterator_part(ahead, 1)
    if type(ahead) is not SET_ITERATOR:
        size = _size_of_mapping(*container)
        owner = _owner_of_namespace(*container)
        return make_namespace_iterator, (owner, _ATTACHED.index(type(ahead)), _excess(used, size), items)
    size = _size_of_set(*container)
    return make_set_iterator, (*container, size, _excess(used, size), items)


def _reduce_deque_iterator(it):
    (queue,), state, left = (iterator_part(it, i) for i in (2, 3, 4))
    same = state == iterator_part(collections.deque.__iter__(queue), 3)
    return make_deque_iterator, (queue, _DEQUE_ITERATORS.index(type(it)), collections.deque.__len__(queue), left, same)


def make_deque_iterator(queue, back, size, left, same):
    cls = _DEQUE_ITERATORS[back]
    if collections.deque.__len__(queue) != size:
        raise TypeError("an iterator over a deque has lost its place")
    if same:
        return cls(queue, size - left)
    it = cls(queue, 0)
    set_iterator_part(it, 3, iterator_part(it, 3) - 1)
    set_iterator_part(it, 4, left)
    return it


REDUCERS.update({
    **dict.fromkeys(_DICT_ITERATORS + _DICT_BACKWARDS, _reduce_dict_iterator),
    SET_ITERATOR: _reduce_set_iterator,
    **dict.fromkeys(_DEQUE_ITERATORS, _reduce_deque_iterator),
    ORDERED_ITERATOR: _reduce_ordered_iterator,
    map: _reduce_map,
    **dict.fromkeys(_BY_POSITION, _reduce_by_position),
})  # fmt: skip

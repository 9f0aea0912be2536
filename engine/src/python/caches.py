# Functions under lru_cache as values: with what they remember, in the order in which it was used.
#
# What the wrapper holds, the garbage collector says: key and result of each entry, oldest first, then the dict, the
# function and the mark that stands before keyword arguments in a key. Function and counts are parts of its struct
# (Modules/_functoolsmodule.c), found at start by making one whose counts are known.

import functools


def check_caches():
    """Finds the parts of a wrapper; None of them is touched in an interpreter where they are not found."""
    def f(n):
        return n

    made = functools.lru_cache(f)
    for n in (*range(23), *([1] * 41)):
        made(n)
    cls = type(made)
    size = (cls.__basicsize__ - 16) // 8
    words = [iterator_word(made, i) for i in range(size)]
    if words.count(id(f)) == words.count(41) == words.count(23) == 1:
        kinds = {id(f): "O", 41: "n", 23: "n"}
        LAYOUTS[cls] = "".join(kinds.get(word, "-") for word in words)
        _CACHE_PARTS.extend(words.index(word) for word in kinds)
        found = _cache_contents(made)
        if found is not None and found[1] is f and len(found[0]) == 23:
            REDUCERS[cls] = _reduce_cache


_CACHE_PARTS = []


def _cache_contents(wrapper):
    """([(key, result)], function, mark), or None where the wrapper holds something else."""
    held = gc.get_referents(wrapper)
    at = int(held[0] is type(wrapper))
    links, entries = held[at:], []
    while len(links) > 5 and type(links[2]) is type and links[2].__name__ == "_lru_list_elem":
        entries.append((links[0], links[1]))
        links = links[3:]
    cache, function, mark = links[:3]
    if type(cache) is not dict or id(function) != iterator_word(wrapper, _CACHE_PARTS[0]) or type(mark) is not object:
        return None
    if not entries and wrapper.cache_info().maxsize is None:
        entries = list(cache.items())
    return (entries, function, mark) if len(entries) == len(cache) else None


def _call_of(key, mark, typed):
    """The arguments behind a key."""
    if type(key) is not tuple:
        return (key,), {}
    place = next((i for i, part in enumerate(key) if part is mark), None)
    if place is None:
        return (key[: len(key) // 2] if typed else key), {}
    named = key[place + 1 :]
    if typed:
        named = named[: (len(named) - place) // 3 * 2]
    return key[:place], dict(zip(named[::2], named[1::2]))


def _reduce_cache(wrapper):
    name = wrapper.__reduce__()
    if type(name) is str and module_of(wrapper, name):
        return name
    return reduce_cache_contents(wrapper)


def reduce_cache_contents(wrapper):
    found = _cache_contents(wrapper)
    attributes = dict(wrapper.__dict__)
    parameters = attributes.pop("cache_parameters", None)
    if found is None or type(parameters) is not types.FunctionType or parameters.__module__ != "functools":
        raise TypeError("what it remembers cannot be read")
    entries, function, mark = found
    typed = parameters()["typed"]
    calls = [(*_call_of(key, mark, typed), result) for key, result in entries]
    hits, misses, maxsize, _ = wrapper.cache_info()
    state = function, calls, hits, misses, attributes
    return make_cache, (maxsize, typed), state, None, None, fill_cache


def _uncached(*args, **kwargs):
    raise TypeError("this function is not there yet")


def make_cache(maxsize, typed):
    """One that remembers nothing yet, of a function that is not there yet."""
    return functools.lru_cache(maxsize, typed)(_uncached)


def fill_cache(wrapper, state):
    function, calls, hits, misses, attributes = state
    parameters = wrapper.cache_parameters
    set_iterator_part(wrapper, _CACHE_PARTS[0], (function,))
    wrapper.__dict__.clear()
    wrapper.__dict__.update(attributes, cache_parameters=parameters)
    for args, kwargs, result in calls:
        remember(wrapper, args, kwargs, lambda *args, **kwargs: result)
    count_again(wrapper, hits, misses)


def count_again(wrapper, hits, misses):
    """What was put into the cache was no call of the program."""
    if kind_of(wrapper) in LAYOUTS:
        set_iterator_part(wrapper, _CACHE_PARTS[1], hits)
        set_iterator_part(wrapper, _CACHE_PARTS[2], misses)

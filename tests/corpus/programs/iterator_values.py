"""Builtin iterators as values."""

import itertools


@program
def tee_kept():
    a, b = itertools.tee(iter(range(5)))
    next(a), next(a)
    pause()
    return list(a), list(b)


@program
def count_kept():
    numbers = itertools.count(3, 2)
    next(numbers)
    pause()
    return next(numbers), next(numbers)


@program
def cycle_kept():
    letters = itertools.cycle("abc")
    next(letters), next(letters)
    pause()
    return [next(letters) for _ in range(4)]


@program
def product_kept():
    pairs = itertools.product("ab", range(2))
    next(pairs)
    pause()
    return list(pairs)


@program
def permutations_kept():
    made = itertools.permutations("abc", 2)
    next(made)
    pause()
    return list(made)


@program
def combinations_kept():
    made = itertools.combinations(range(4), 2)
    next(made)
    pause()
    return list(made)


@program
def zip_longest_kept():
    made = itertools.zip_longest("ab", range(3), fillvalue="-")
    next(made)
    pause()
    return list(made)


@program
def map_kept():
    made = map(lambda x: x + 1, [1, 2, 3])
    next(made)
    pause()
    return list(made)


@program
def dict_iterator_kept():
    keys = iter({"a": 1, "b": 2, "c": 3}.items())
    next(keys)
    pause()
    return list(keys)


@program
def set_iterator_kept():
    numbers = iter({1, 2, 3})
    seen = [next(numbers)]
    pause()
    return sorted(seen + list(numbers))


@program
def text_iterator_kept():
    letters = iter("añb")
    next(letters)
    pause()
    return list(letters)


@program
def list_subclass_iterator_kept():
    class Items(list):
        pass

    numbers = iter(Items([1, 2, 3]))
    next(numbers)
    pause()
    return list(numbers)


@program
def re_match_iterator_kept():
    import re

    found = [m.group() for m in re.finditer(r"\d+", "1 22 333")]
    pause()
    return found, re.compile("a+").sub("b", "caat")


@program
def iterator_of_a_named_tuple():
    import collections

    Point = collections.namedtuple("Point", "x y z")
    out = []
    for value in Point(1, 2, 3):
        out.append(pause(value, value == 2))
    return out


@program
def iterator_of_a_list_subclass():
    class Items(list):
        pass

    items, out = Items([1, 2, 3]), []
    for value in items:
        out.append(pause(value, value == 2))
        if len(items) < 4:
            items.append(9)
    return out, type(items).__name__


@program
def iterator_of_a_dict_subclass():
    import collections

    out = []
    for key, value in collections.OrderedDict(a=1, b=2).items():
        out.append((key, pause(value, value == 1)))
    return out, collections.Counter("aab")

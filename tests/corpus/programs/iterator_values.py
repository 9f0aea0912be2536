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


@program
def groupby_kept():
    grouped = itertools.groupby([1, 1, 2, 3, 3], lambda n: n // 2)
    key, group = next(grouped)
    next(group)
    pause()
    return key, list(group), [(key, list(group)) for key, group in grouped], list(group)


@program
def stale_group_kept():
    grouped = itertools.groupby([1, 1, 2])
    _, old = next(grouped)
    next(grouped)
    pause()
    return list(old), list(grouped)


@program
def islice_kept():
    source = iter(range(20))
    made = itertools.islice(source, 2, 15, 3)
    next(made), next(made)
    pause()
    return next(made), next(source), list(made), next(source)


@program
def long_tee_kept():
    a, b, c = itertools.tee(iter(range(200)), 3)
    for _ in range(130):
        next(a)
    for _ in range(57):
        next(b)
    pause()
    return list(a), sum(b), sum(c)


@program
def iterators_that_share():
    source = iter("abcdef")
    chained, sliced = itertools.chain(source, "x"), itertools.islice(source, 3)
    pairs = itertools.pairwise(chained)
    next(pairs), next(sliced)
    pause()
    return next(chained), list(sliced), list(pairs)


@program
def iterator_that_holds_itself():
    items = [1]
    made = itertools.chain(items, [2])
    items.append(made)
    next(made)
    pause()
    return next(made) is made, next(made), list(made)


@program
def accumulate_kept():
    made = itertools.accumulate([1, 2, 3, 4], lambda a, b: a * b, initial=10)
    fresh = itertools.accumulate([1, 2], initial=None)
    next(made), next(made)
    pause()
    return list(made), list(fresh)


@program
def counts_kept():
    counts = [itertools.count(2**63 - 2), itertools.count(0.5, 0.25), itertools.count(5, -1), itertools.count(-(2**70))]
    for one in counts:
        next(one)
    pause()
    return [[next(one) for _ in range(4)] for one in counts]


@program
def exhausted_kept():
    made = [itertools.chain("a"), itertools.islice("ab", 1), itertools.pairwise("ab"), itertools.product("a"),
            itertools.takewhile(bool, [1, 0, 1]), itertools.zip_longest("a", "b"), itertools.permutations("a")]  # fmt: skip
    for one in made:
        list(one)
    pause()
    return [list(one) for one in made]


@program
def predicates_kept():
    made = [itertools.takewhile(lambda n: n < 3, iter(range(9))), itertools.dropwhile(lambda n: n < 3, iter(range(9))),
            itertools.filterfalse(lambda n: n % 2, iter(range(9))), itertools.starmap(pow, [(2, 3), (3, 2)]),
            itertools.compress("abcdef", [1, 0, 1, 0, 1, 1]), itertools.repeat("r", 3)]  # fmt: skip
    for one in made:
        next(one)
    pause()
    return [list(one) for one in made], repr(made[-1])


@program
def longest_in_the_middle():
    made = itertools.zip_longest("a", "bcd", iter("ef"), fillvalue=0)
    next(made), next(made)
    pause()
    return list(made)


@program
def list_that_holds_its_iterator():
    items = [1, 2]
    it = iter(items)
    items.append(it)
    next(it), next(it)
    pause()
    return next(it) is it, list(it)


@program
def iterators_over_objects_whose_class_leads_to_them():
    class Steps:
        first = True

        def __iter__(self):
            return self

        def __next__(self):
            first, self.first = self.first, False
            return next(b) if first else next(rest)

    a, b = itertools.tee(Steps())
    rest, joined = iter("xy"), itertools.chain(Steps(), [1])
    pause()
    try:
        next(a)
    except RuntimeError as e:
        return type(e).__name__, next(rest), next(joined)

# The iterators of itertools: what they hold, how they travel, and what they have still to do with an item.
#
# From 3.14 on they say nothing of how they are rebuilt, and before that not all of it: their structs
# (Modules/itertoolsmodule.c) are read and written part by part. A part is a word behind the head:
#   o an object, i an iterator, t a tuple, l a list (capital: never NULL), z a tuple with items that may be
#   missing, x a pointer to numbers, n a number, d a number of 32 bits, b one of 8, v a value of a tee that is
#   only set as far as they were read, g the address of a grouper, - what is not touched.
# check_iterators() compares them at start; an iterator that is laid out differently is not looked at again.

import itertools

_SINCE = sys.version_info[:2]
# The index of a cycle before its source has ended.
_FIRST_PASS = -1 if _SINCE >= (3, 14) else 0
GROUPER = type(next(itertools.groupby("a"))[1])
LAYOUTS = {
    itertools.accumulate: "oIoO",
    itertools.chain: "ii",
    itertools.combinations: "Txtnd",
    itertools.combinations_with_replacement: "Txtnd",
    itertools.compress: "II",
    itertools.count: "noO",
    itertools.cycle: "iLn" if _SINCE >= (3, 14) else "iLnd",
    itertools.dropwhile: "OIn",
    itertools.filterfalse: "OI",
    itertools.groupby: "IOooog",
    GROUPER: "OO",
    itertools.islice: "innnn",
    itertools.pairwise: "io",
    itertools.permutations: "Txxtnd",
    itertools.product: "Txtd",
    itertools.repeat: "On",
    itertools.starmap: "OI",
    itertools.takewhile: "OIn",
    itertools._tee: "Od",
    itertools._tee_dataobject: "Ino" + "v" * 57,
    itertools.zip_longest: "nnzTO",
}
if _SINCE >= (3, 12):
    LAYOUTS[itertools.batched] = "in" if _SINCE < (3, 13) else "inb"


def _iterator_samples():
    """(iterator, what its words must be): an object by identity, a number as it is, None for any."""
    def f(*_):
        return 1

    def stepped(it):
        next(it)
        return it

    a, x = iter((7, 8, 9)), iter((1, 1, 1))
    word = ("p", "q", "r")
    grouped = itertools.groupby(a, f)
    key, group = next(grouped)
    one, two = itertools.tee(iter((f, word, a, x)))
    next(one), next(one), next(two)
    data = iterator_word(one, 0)
    grown = itertools.accumulate(x, f, initial=word)
    next(grown)
    for it, words in (
        (grown, (word, x, f, None)),
        (itertools.chain.from_iterable(a), (a, 0)),
        (stepped(itertools.combinations(word, 2)), (None, None, None, 2, 0)),
        (stepped(itertools.combinations_with_replacement(word, 2)), (None, None, None, 2, 0)),
        (itertools.compress(a, x), (a, x)),
        (stepped(itertools.count(5)), (6, 0, 1)),
        (stepped(itertools.cycle(x)), (x, None, _FIRST_PASS)),
        (itertools.dropwhile(f, a), (f, a, 0)),
        (itertools.filterfalse(f, a), (f, a)),
        (grouped, (a, f, 1, 1, None, group)),
        (group, (grouped, 1)),
        (stepped(itertools.islice(iter("abcdefgh"), 1, 6, 2)), (None, 3, 6, 2, 2)),
        (stepped(itertools.pairwise((f, word, a))), (None, word)),
        (stepped(itertools.permutations(word, 2)), (None, None, None, None, 2, 0)),
        (stepped(itertools.product(word)), (None, None, None, 0)),
        (stepped(itertools.repeat(word, 9)), (word, 8)),
        (itertools.starmap(f, a), (f, a)),
        (itertools.takewhile(f, a), (f, a, 0)),
        (one, (None, 2)),
        (stepped(itertools.zip_longest(a, iter(word), fillvalue=f)), (2, 2, None, None, f)),
        *([(itertools.batched(a, 6), (a, 6))] if _SINCE >= (3, 12) else ()),
    ):
        yield it, words
    # The data of a tee, without making an object of the word before it is known to be one.
    held = [o for o in gc.get_referents(one) if type(o) is itertools._tee_dataobject]
    fits = len(held) == 1 and id(held[0]) == data and 16 + 8 * 60 == type(held[0]).__basicsize__
    fits = fits and iterator_word(held[0], 1) == 2 and iterator_word(held[0], 2) == 0
    fits = fits and [iterator_word(held[0], i) for i in (3, 4)] == [id(f), id(word)]
    if not fits:
        LAYOUTS.pop(itertools._tee_dataobject, None)


def _fits_layout(it, words):
    layout = LAYOUTS[type(it)]
    fits = 16 + 8 * len(layout) <= type(it).__basicsize__
    for i, wanted in enumerate(words):
        if not fits or wanted is None:
            continue
        seen = iterator_half(it, i) if layout[i] == "d" else iterator_word(it, i)
        if layout[i] == "n" and seen > sys.maxsize:
            seen -= 1 << 64
        fits = seen == (wanted if layout[i] in "ndb" or wanted == 0 else id(wanted))
    return fits


def _refuse_iterator(it):
    raise TypeError("this interpreter lays it out in another way than is known")


def check_iterators():
    """Leaves out what this interpreter lays out differently."""
    for it, words in itertools.chain(_iterator_samples(), _attached_samples()):
        cls = type(it)
        if cls in LAYOUTS and not _fits_layout(it, words):
            LAYOUTS.pop(cls, None)
            REDUCERS.pop(cls, None)
            if cls in CONTAINERS:
                REDUCERS[cls] = _refuse_iterator
    if itertools._tee_dataobject not in LAYOUTS:
        REDUCERS.pop(itertools._tee, None)


# --- as values -------------------------------------------------------------------------------------

# A new one, exhausted or harmless, whose parts are set later: it may hold what leads back to it.
_BLANKS = {
    itertools.accumulate: lambda: itertools.accumulate(()),
    itertools.chain: itertools.chain,
    itertools.combinations: lambda: itertools.combinations((), 0),
    itertools.combinations_with_replacement: lambda: itertools.combinations_with_replacement((), 0),
    itertools.compress: lambda: itertools.compress((), ()),
    itertools.count: itertools.count,
    itertools.cycle: lambda: itertools.cycle(()),
    itertools.dropwhile: lambda: itertools.dropwhile(None, ()),
    itertools.filterfalse: lambda: itertools.filterfalse(None, ()),
    itertools.groupby: lambda: itertools.groupby(()),
    GROUPER: lambda: GROUPER(itertools.groupby(()), None),
    itertools.islice: lambda: itertools.islice((), 0),
    itertools.pairwise: lambda: itertools.pairwise(()),
    itertools.permutations: lambda: itertools.permutations((), 0),
    itertools.product: itertools.product,
    itertools.repeat: lambda: itertools.repeat(None, 0),
    itertools.starmap: lambda: itertools.starmap(None, ()),
    itertools.takewhile: lambda: itertools.takewhile(None, ()),
    itertools._tee: lambda: itertools.tee(())[0],
    itertools._tee_dataobject: lambda: itertools._tee_dataobject(iter(()), [], None),
    itertools.zip_longest: itertools.zip_longest,
}
if _SINCE >= (3, 12):
    _BLANKS[itertools.batched] = lambda: itertools.batched((), 1)
_ARRANGED = (itertools.combinations, itertools.combinations_with_replacement, itertools.permutations)


def _lengths(cls, parts):
    """How many numbers its parts of kind x have."""
    if cls is itertools.product:
        return (len(parts[0][0]),)
    if cls is itertools.permutations:
        return len(parts[0][0]), parts[4]
    return (parts[3],)


def _reduce_iterator(it):
    cls = type(it)
    layout = LAYOUTS[cls]
    if cls is itertools._tee_dataobject:
        counts = iterator_part(it, 1)
        values = tuple(iterator_part(it, 3 + i)[0] for i in range(counts & 0xFFFFFFFF))
        parts = (iterator_part(it, 0), counts, iterator_part(it, 2), values)
    else:
        # A product over something empty leaves a result without items behind.
        ended = cls is itertools.product and iterator_part(it, 3)
        parts = [iterator_part(it, i) if kind not in ("tx-g" if ended else "x-g") else () for i, kind in enumerate(layout)]
        lengths = iter(_lengths(cls, parts) if "x" in layout else ())
        for i, kind in enumerate(layout):
            if kind == "x":
                parts[i] = iterator_numbers(it, i, next(lengths))
        if cls is GROUPER:
            parts.append(iterator_word(parts[0][0], 5) == id(it))
        parts = tuple(parts)
    return make_iterator, (cls,), parts, None, None, fill_iterator


def make_iterator(cls):
    """An iterator of that class whose parts are not set yet."""
    return _BLANKS[cls]()


def _consistent(cls, parts):
    """Whether the parts of an iterator fit each other as far as the interpreter relies on it."""
    if cls is itertools.product:
        pools, indices, result, _ = parts
        return (
            len(pools[0]) == len(indices)
            and all(type(pool) is tuple for pool in pools[0])
            and (not result or len(result[0]) == len(indices))
            and (not result or all(0 <= i < len(pool) for i, pool in zip(indices, pools[0])))
        )
    if cls in _ARRANGED:
        (pool,), indices, *cycles, result, r, _ = parts
        n = len(pool)
        in_pool = all(0 <= i < n for i in indices) or not result
        fits = r >= 0 and in_pool and (not result or len(result[0]) == r)
        if cls is itertools.permutations:
            return fits and len(indices) == n and len(cycles[0]) == r and all(0 < c <= n for c in cycles[0] if result)
        return fits and len(indices) == r
    if cls is itertools.zip_longest:
        return parts[0] == len(parts[2]) == len(parts[3][0])
    if cls is itertools.cycle:
        return (0 if not parts[0] else _FIRST_PASS) <= parts[2] <= max(0, len(parts[1][0]) - 1)
    if cls is itertools.islice:
        return all(n >= -1 for n in parts[1:])
    if cls is GROUPER:
        return type(parts[0][0]) is itertools.groupby
    if cls is itertools._tee:
        return type(parts[0][0]) is itertools._tee_dataobject and 0 <= parts[1] <= 57
    if cls is itertools._tee_dataobject:
        _, counts, following, values = parts
        return (
            len(values) == counts & 0xFFFFFFFF <= 57
            and counts >> 32 in (0, 1)
            and all(type(o) is itertools._tee_dataobject for o in following)
        )
    if _SINCE >= (3, 12) and cls is itertools.batched:
        return parts[1] > 0
    return True


def fill_iterator(it, parts):
    """Give it the parts that _reduce_iterator found."""
    cls = type(it)
    layout = LAYOUTS[cls]
    tee = cls is itertools._tee_dataobject
    if len(parts) != (4 if tee else len(layout) + (cls is GROUPER)) or not _consistent(cls, parts):
        raise TypeError(f"these are not the parts of {cls.__name__}")
    if tee:
        set_iterator_part(it, 0, parts[0])
        for value in parts[3]:
            tee_reads(it, value)
        set_iterator_part(it, 2, parts[2])
        set_iterator_part(it, 1, parts[1])
        return
    for i, kind in enumerate(layout):
        if kind not in "-g":
            set_iterator_part(it, i, parts[i])
    if cls is GROUPER and parts[-1]:
        set_current_grouper(parts[0][0], 5, it)


REDUCERS.update(dict.fromkeys(LAYOUTS, _reduce_iterator))

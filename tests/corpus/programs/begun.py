"""C code that begins with an iterator, or with a number of times, and is stopped while it gets that."""

import collections
import itertools
import operator


class Items:
    def __init__(self, *items, when=True):
        self.items, self.when = items, when

    def __iter__(self):
        return pause(iter(self.items), self.when)


class Counted(Items):
    def __len__(self):
        note("asked for its length")
        return len(self.items)


class Hinted(Items):
    def __length_hint__(self):
        note("asked for a hint")
        return 3


class NoItems:
    def __iter__(self):
        return pause(7)


class Fails:
    def __iter__(self):
        raise TypeError(pause("fails"))


def said(make):
    try:
        return make()
    except (TypeError, ValueError, OverflowError) as error:
        return type(error).__name__, error.args, repr(error.__context__)


@program
def list_of():
    return list(Items(1, 2))


@program
def list_of_what_has_a_length():
    return list(Counted(1, 2))


@program
def tuple_of_what_gives_a_hint():
    return tuple(Hinted(1, 2))


@program
def list_of_none():
    return said(lambda: list(NoItems()))


@program
def list_that_fails():
    return said(lambda: list(Fails()))


@program
def join_of():
    return "-".join(Items("a", "b"))


@program
def join_that_fails():
    return said(lambda: "-".join(Fails()))


@program
def set_of():
    return sorted(set(Items(2, 1)))


@program
def sorted_of():
    return sorted(Items(2, 1, 3), key=lambda n: -n, reverse=True)


@program
def sum_of():
    return sum(Items(1, 2), start=10)


@program
def min_of_none():
    return min(Items(), default="nothing")


@program
def any_of():
    return any(Items(0, 1))


@program
def enumerate_of():
    return [*enumerate(Items("a", "b"), 3)]


@program
def zip_second():
    return [*zip("ab", Items(1, 2))]


@program
def zip_first():
    return [*zip(Items(1, 2), Items(3, 4, when=False))]


@program
def map_of():
    return [*map(str, Items(1, 2))]


@program
def filter_of():
    return [*filter(None, Items(0, 1, 2))]


@program
def islice_of():
    return [*itertools.islice(Items(1, 2, 3), 1, 3)]


@program
def groupby_of():
    return [(key, [*group]) for key, group in itertools.groupby(Items(1, 1, 2))]


@program
def deque_of():
    return collections.deque(Items(1, 2, 3), 2)


@program
def extend():
    items = [0]
    items.extend(Counted(1, 2))
    return items


@program
def extend_in_place():
    items = [0]
    same = items
    items += Counted(1, 2)
    return items, same is items


@program
def star_in_a_list():
    return [0, *Counted(1, 2), 3]


@program
def star_in_a_set():
    return sorted({0, *Items(1, 2)})


@program
def unpacked():
    a, b = Items(1, 2)
    return a, b


@program
def unpacked_with_star():
    a, *b = Items(1, 2, 3)
    return a, b


@program
def unpacked_too_few():
    def unpack():
        a, b = Items(1)

    return said(unpack)


@program
def unpacked_no_items():
    def unpack():
        a, b = NoItems()

    return said(unpack)


@program(refused="sum")
def sum_later():
    """The iterator is in the C code's hands."""

    class Later:
        n = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.n += 1
            if self.n > 3:
                raise StopIteration
            return pause(self.n, self.n == 2)

    return sum(Later())


class Times:
    def __init__(self, n):
        self.n = n

    def __index__(self):
        return pause(self.n)


@program
def repeated_list():
    return [1, 2] * Times(2)


@program
def repeated_from_the_left():
    return Times(2) * "ab"


@program
def repeated_in_place():
    items = [1]
    same = items
    items *= Times(3)
    return items, same is items


@program
def repeated_too_often():
    return said(lambda: [1] * Times(1 << 70))


@program
def repeated_no_number():
    return said(lambda: (1,) * Times("x"))


class Operand:
    def __init__(self, result, index=None):
        self.result = result

    def __radd__(self, other):
        return pause(self.result)

    __rmul__ = __mul__ = __radd__


class Indexed(Operand):
    def __index__(self):
        note("asked for an index")
        return 2


class Iterated(Operand):
    def __iter__(self):
        note("asked for items")
        return iter((1, 2))


@program
def added_to_a_list():
    return [1] + Operand("added")


@program
def added_to_a_list_not():
    return said(lambda: [1] + Operand(NotImplemented))


@program
def added_to_a_text_not():
    return said(lambda: "a" + Operand(NotImplemented))


@program
def added_in_place():
    items = [0]
    items += Iterated(NotImplemented)
    return items


@program
def multiplied():
    return [1] * Operand("product")


@program
def multiplied_not():
    return said(lambda: [1] * Operand(NotImplemented))


@program
def multiplied_by_its_index():
    return [1] * Indexed(NotImplemented)


@program
def multiplied_from_the_left_by_its_index():
    return Indexed(NotImplemented) * (1,)


class Inner:
    @property
    def value(self):
        return pause(self)

    name = "inner"


class Outer:
    def __init__(self):
        self.inner = Inner()

    @property
    def other(self):
        return pause(self.inner)


@program
def attrgetter_of_an_attribute():
    return operator.attrgetter("inner.value.name")(Outer())


@program
def attrgetter_of_the_first():
    return operator.attrgetter("other.name")(Outer())


@program
def attrgetter_that_fails():
    def get():
        try:
            return operator.attrgetter("other.nothing")(Outer())
        except AttributeError as error:
            return error.args, error.name

    return get()


class Long:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return pause(self.n, self.n == 2)

    def __str__(self):
        return pause(f"<{self.n}>", self.n == 2)


@program
def lengths_by_map():
    return [n for n in map(len, [Long(1), Long(2), Long(3)])]


@program
def texts_by_map():
    out = []
    for text in map(str, [Long(1), Long(2), Long(3)]):
        out.append(text)
    return out


@program
def next_of_lengths():
    lengths = map(len, (Long(2), Long(1)))
    return next(lengths), next(lengths), next(lengths, None)


@program
def length_that_is_none():
    def lengths():
        for n in map(len, (Long(1), Long(2), Long(-1))):
            note(n)

    return said(lengths)


@program(refused="the next item")
def shown_inside_by_map():
    """It is asked for its text by the list in which it is."""

    class Shown:
        def __repr__(self):
            return pause("shown")

    return [text for text in map(repr, [[Shown()]])]


@program
def lengths_taken_away():
    """The list is another one by then."""
    items = [Long(1), Long(3)]

    class Emptying:
        def __len__(self):
            items.append(Long(4))
            return pause(5)

    items.append(Emptying())
    return [n for n in map(len, items)]


@program
def lengths_by_map_of_map():
    return [n for n in map(str, map(len, [Long(1), Long(2)]))]


@program
def any_of_truths():
    class Truth:
        def __bool__(self):
            return pause(True)

    return any(map(bool, [Truth(), 0]))


@program
def starred():
    return collected(*Counted(1, 2))


@program
def starred_with_keywords():
    return collected(*Items(1, 2), k=3)


@program
def starred_with_a_mapping():
    given = {"k": 3}
    return collected(*Hinted(1, 2), **given), given


@program
def starred_of_a_builtin_function():
    return max(*Items(1, 5))


@program
def starred_no_items():
    return said(lambda: collected(*NoItems()))


@program
def starred_of_a_method():
    class Has:
        def method(self, *args):
            return args

    return Has().method(*Items(1, 2))


def collected(*args, **kwargs):
    return args, kwargs


@program
def state_for_a_copy():
    import copy

    class Has:
        def __init__(self):
            self.a, self.b = 1, [2]

        def __getstate__(self):
            return pause({"a": self.a, "b": self.b})

    one = Has()
    two = copy.copy(one)
    return two.a, two.b is one.b, type(two) is Has


@program
def state_by_its_name():
    class Has:
        __slots__ = ("a",)

        def __getstate__(self):
            return pause("state")

    return [repr(part) for part in Has().__reduce_ex__(2)[2:]]


@program
def vars_of_a_property():
    class Has:
        @property
        def __dict__(self):
            return pause({"a": 1})

    return vars(Has())


@program
def vars_of_a_property_that_fails():
    class Has:
        @property
        def __dict__(self):
            raise AttributeError(pause("none"))

    return said(lambda: vars(Has()))


class Twice:
    n = 0

    def __index__(self):
        self.n += 1
        return pause(self.n, self.n == 2)

    def __iter__(self):
        self.n += 1
        return pause(iter((self.n, 2)), self.n == 2)

    @property
    def same(self):
        self.n += 1
        return pause(self, self.n == 2)

    def __fspath__(self):
        self.n += 1
        return pause(f"/nowhere/{self.n}", self.n == 2)


@program(refused="range")
def second_number_of_a_range():
    """The first one is in the C code's hands, and the same object."""
    same = Twice()
    return range(same, same), same.n


@program(refused="Twice.__index__")
def second_bound_of_a_slice():
    same = Twice()
    return [5, 6, 7, 8][same:same], same.n


@program(refused="zip")
def second_of_a_zip():
    same = Twice()
    return [*zip(same, same)], same.n


@program(refused="Twice.same")
def second_of_an_attrgetter():
    same = Twice()
    return operator.attrgetter("same.same.n")(same)


@program(refused="rename")
def second_path():
    import os

    same = Twice()
    try:
        os.rename(same, same)
    except OSError as error:
        return error.filename, error.filename2


@program(refused="update")
def update_of_what_changes():
    """What was added first is taken away again."""
    items = {0}

    class Discards:
        def __iter__(self):
            items.discard(5)
            return pause(iter((1,)))

    items.update([5], Discards())
    return sorted(items)


@program
def update_of_one():
    items = {0}
    items.update(Items(1, 2), [3])
    return sorted(items)


@program
def grouped_by_a_function():
    return [(key, [*group]) for key, group in itertools.groupby(Items(1, 1, 2), lambda n: n % 2)]


@program
def accumulated_by_a_function():
    return [*itertools.accumulate(Items(1, 2, 3), max, initial=2)]


class Tree:
    """Its iterator is C code's, and asks those within for theirs."""

    def __init__(self, *within, when=False):
        self.within, self.when = within, when

    def __iter__(self):
        pause(None, self.when)
        return itertools.chain(self.within, itertools.chain.from_iterable(self.within))


LEAF = Tree()
TREE = Tree(Tree(when=True), Tree(LEAF))


@program(refused="Tree.__iter__")
def star_of_a_tree():
    return len([0, *TREE])


@program(refused="Tree.__iter__")
def list_of_a_tree():
    return len(list(TREE))


@program(refused="Tree.__iter__")
def tree_that_is_unpacked():
    a, b, c = TREE
    return a.when, b.when, c is LEAF


@program(refused="Tree.__iter__")
def starred_tree():
    return len(collected(*TREE)[0])


@program(refused="Tree.__iter__")
def member_of_a_tree():
    return LEAF in TREE


@program(refused="Tree.__iter__")
def list_that_a_tree_extends():
    items = []
    items += TREE
    return len(items)

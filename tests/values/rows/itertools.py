"""The iterators of itertools at their position."""

import itertools
import operator


def advanced(iterator, n=1):
    for _ in range(n):
        next(iterator)
    return iterator


def over(make, expected, step=1):
    """A row whose iterator is asked for the rest only."""

    def body():
        held = advanced(make(), step)
        twice = [held]
        pause()
        assert twice[0] is held and list(held) == expected and list(held) == []

    return body


@row("itertools.count")
def _():
    held, fractions, big = advanced(itertools.count(5, 2)), itertools.count(0.5, 0.25), itertools.count(2**80)
    next(big)
    pause()
    assert next(held) == 7 and next(fractions) == 0.5 and next(fractions) == 0.75 and next(big) == 2**80 + 1
    assert repr(held) == "count(9, 2)"


@row("itertools.cycle")
def _():
    held, first = advanced(itertools.cycle("abc"), 4), advanced(itertools.cycle("xy"))
    pause()
    assert [next(held) for _ in range(4)] == ["b", "c", "a", "b"] and [next(first) for _ in range(3)] == ["y", "x", "y"]


@row("itertools.repeat")
def _():
    held, endless, item = advanced(itertools.repeat("x", 3)), itertools.repeat(None), []
    same = itertools.repeat(item)
    pause()
    assert repr(held) == "repeat('x', 2)" and list(held) == ["x", "x"] and next(endless) is None and next(same) is item


row("itertools.chain")(over(lambda: itertools.chain([1, 2], "ab"), ["a", "b"], 2))
row("itertools.chain.from_iterable")(over(lambda: itertools.chain.from_iterable(["ab", "cd"]), ["b", "c", "d"]))


@row("itertools.islice")
def _():
    source = iter(range(20))
    held = advanced(itertools.islice(source, 2, 15, 3))
    pause()
    assert next(source) == 3 and list(held) == [6, 9, 12, 15] and next(source) == 16


row("itertools.product")(over(lambda: itertools.product("ab", [1, 2]), [("a", 2), ("b", 1), ("b", 2)]))
row("itertools.permutations")(over(lambda: itertools.permutations("abc", 2), list(itertools.permutations("abc", 2))[3:], 3))
row("itertools.combinations")(over(lambda: itertools.combinations("abcd", 3), [("a", "b", "d"), ("a", "c", "d"), ("b", "c", "d")]))
row("itertools.combinations_with_replacement")(
    over(lambda: itertools.combinations_with_replacement("abc", 2), [("a", "c"), ("b", "b"), ("b", "c"), ("c", "c")], 2)
)
row("itertools.accumulate")(over(lambda: itertools.accumulate([1, 2, 3], operator.mul, initial=5), [10, 30], 2))
row("itertools.compress")(over(lambda: itertools.compress("abcd", [1, 0, 1, 1]), ["c", "d"]))
row("itertools.dropwhile")(over(lambda: itertools.dropwhile(lambda x: x < 3, [1, 5, 1, 2]), [1, 2]))
row("itertools.takewhile")(over(lambda: itertools.takewhile(lambda x: x < 3, [1, 2, 5, 1]), [2]))
row("itertools.filterfalse")(over(lambda: itertools.filterfalse(None, [0, 1, "", None]), ["", None]))
row("itertools.starmap")(over(lambda: itertools.starmap(pow, [(2, 3), (3, 2), (1, 1)]), [9, 1]))


@row("itertools.tee")
def _():
    source = iter(range(5))
    one, two = itertools.tee(source)
    advanced(one, 3), advanced(two)
    pause()
    assert next(source) == 3 and list(two) == [1, 2, 4] and list(one) == [4]


@row("itertools.zip_longest")
def _():
    fill = object()
    held = advanced(itertools.zip_longest("ab", [1, 2, 3], fillvalue=fill), 2)
    pause()
    assert list(held) == [(fill, 3)]


@row("itertools.groupby")
def _():
    held = itertools.groupby([1, 1, 3, 2, 2], lambda n: n % 2)
    key, group = next(held)
    next(group)
    pause()
    assert list(group) == [1, 3] and [(key, list(group)) for key, group in held] == [(0, [2, 2])]


row("itertools.pairwise")(over(lambda: itertools.pairwise("abcd"), [("b", "c"), ("c", "d")]))

if sys.version_info >= (3, 12):

    @row("itertools.batched")
    def _():
        held = advanced(itertools.batched("abcde", 2))
        pause()
        assert list(held) == [("c", "d"), ("e",)]

else:

    @row("itertools.batched")
    def _():
        """As it is written where it is not there."""

        def batched(source, n):
            source = iter(source)
            while batch := tuple(itertools.islice(source, n)):
                yield batch

        held = advanced(batched("abcde", 2))
        pause()
        assert list(held) == [("c", "d"), ("e",)]

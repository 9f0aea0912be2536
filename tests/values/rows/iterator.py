"""Iterators at their position, attached to what they run over where CPython keeps them so."""

import array
import collections
import csv
import functools
import itertools
import operator
import re
import struct
import tempfile


def advanced(iterator, n=1):
    for _ in range(n):
        next(iterator)
    return iterator


def changed(iterator):
    """Whether it says that its container has changed."""
    try:
        next(iterator)
    except RuntimeError as error:
        return "changed" in str(error) or "mutated" in str(error)
    return False


def over(make, expected, step=1):
    """A row whose iterator is asked for the rest only."""

    def body():
        held = advanced(make(), step)
        twice = [held]
        pause()
        assert twice[0] is held and list(held) == expected and list(held) == []

    return body


@row("list_iterator")
def _():
    items = [1, 2, 3]
    held = advanced(iter(items))
    done = iter([])
    list(done)
    pause()
    items.append(4)
    assert list(held) == [2, 3, 4] and list(done) == []
    items.append(5)
    assert list(held) == []


@row("tuple_iterator")
def _():
    held = advanced(iter(("a", ["b"], "c")))
    pause()
    assert operator.length_hint(held) == 2 and list(held) == [["b"], "c"]


@row("str_iterator")
def _():
    held = advanced(iter("abc"))
    pause()
    assert list(held) == ["b", "c"] and type(held) is type(iter("x"))


@row("str_ascii vs unicode iterator")
def _():
    held = advanced(iter("aéñ\U0001f600z"), 2)
    pause()
    assert list(held) == ["ñ", "\U0001f600", "z"] and type(held) is type(iter("é"))


@row("bytes_iterator")
def _():
    held = advanced(iter(b"abc"))
    pause()
    assert list(held) == [98, 99] and type(held) is type(iter(b""))


@row("bytearray_iterator")
def _():
    data = bytearray(b"abc")
    held = advanced(iter(data))
    pause()
    data += b"d"
    data[1] = 0
    assert list(held) == [0, 99, 100]


@row("range_iterator")
def _():
    held = advanced(iter(range(10, 0, -3)))
    pause()
    assert list(held) == [7, 4, 1] and type(held) is type(iter(range(1)))


@row("longrange_iterator")
def _():
    held = advanced(iter(range(2**70, 2**70 + 3)))
    pause()
    assert list(held) == [2**70 + 1, 2**70 + 2] and type(held) is type(iter(range(2**70)))


@row("list_reverseiterator")
def _():
    items = [1, 2, 3]
    held = advanced(reversed(items))
    pause()
    items[0] = "first"
    assert list(held) == [2, "first"]


class Sequence:
    def __init__(self, *items):
        self.items = list(items)

    def __getitem__(self, index):
        return self.items[index]

    def __len__(self):
        return len(self.items)


@row("reversed (seq protocol)")
def _():
    items = Sequence(1, 2, 3)
    held = advanced(reversed(items))
    pause()
    items.items[0] = "first"
    assert list(held) == [2, "first"] and type(held) is reversed


@row("range reversed")
def _():
    held, big = advanced(reversed(range(0, 10, 3))), advanced(reversed(range(2**70, 2**70 + 3)))
    pause()
    assert list(held) == [6, 3, 0] and list(big) == [2**70 + 1, 2**70]


@row("dict_keyiterator")
def _():
    mapping = {"a": 1, "b": 2, "c": 3}
    held, other = advanced(iter(mapping)), advanced(iter(mapping))
    pause()
    assert list(held) == ["b", "c"]
    mapping["d"] = 4
    assert changed(other) and type(held) is type(iter({}))


@row("dict_valueiterator")
def _():
    mapping = {"a": 1, "b": 2, "c": 3}
    held = advanced(iter(mapping.values()))
    pause()
    mapping["c"] = "new"
    assert list(held) == [2, "new"] and type(held) is type(iter({}.values()))


@row("dict_itemiterator")
def _():
    mapping = {"a": 1, "b": 2, "c": 3}
    held, other = advanced(iter(mapping.items())), advanced(iter(mapping.items()), 2)
    pause()
    assert list(held) == [("b", 2), ("c", 3)]
    del mapping["a"]
    assert changed(other)


@row("dict_reversekeyiterator")
def _():
    mapping = {"a": 1, "b": 2, "c": 3}
    held, other = advanced(reversed(mapping)), advanced(reversed(mapping.values()))
    pause()
    assert list(held) == ["b", "a"]
    del mapping["c"]
    assert changed(other)


@row("dict iter: identity w/ its dict")
def _():
    mapping = {"a": 1, "b": 2}
    held = advanced(iter(mapping.items()))
    pause()
    mapping["b"] = 3
    assert next(held) == ("b", 3)
    mapping["c"] = 4
    assert changed(held)


@row("set_iterator")
def _():
    numbers = {1, "two", (3, 4)}
    held = iter(numbers)
    first, other, small = next(held), advanced(iter(numbers)), {1, 2}
    whole = advanced(iter(small))
    pause()
    assert {first, *held} == numbers and operator.length_hint(whole) == 1
    numbers.add("more")
    assert changed(other)


@row("frozenset iterator")
def _():
    numbers = frozenset("abcd")
    held = iter(numbers)
    seen = [next(held), next(held)]
    pause()
    rest = list(held)
    assert set(rest) | set(seen) == numbers and len(rest) == 2


@row("enumerate")
def _():
    source = iter("abc")
    held = advanced(enumerate(source, 2**62))
    pause()
    assert next(source) == "b" and list(held) == [(2**62 + 1, "c")]


@row("zip")
def _():
    one, two = iter([1, 2, 3]), iter("abc")
    held, strict = advanced(zip(one, two)), zip([1], [1, 2], strict=True)
    pause()
    assert next(held) == (2, "b") and next(one) == 3 and list(held) == [] and next(strict) == (1, 1)
    try:
        next(strict)
    except ValueError:
        pass
    else:
        raise AssertionError("it is not strict")


row("map (builtin fn)")(over(lambda: map(str, [1, 2, 3]), ["2", "3"]))
row("map (lambda)")(over(lambda: map(lambda x, y: x + y, [1, 2], [3, 4]), [6]))
row("filter (None)")(over(lambda: filter(None, [1, 0, 2, None, 3]), [2, 3]))
row("filter (lambda)")(over(lambda: filter(lambda x: x % 2, range(6)), [3, 5]))


@row("callable_iterator (iter(f,sentinel))")
def _():
    numbers = [3, 2, 1, 0]
    held = advanced(iter(numbers.pop, 3))
    pause()
    numbers.append(7)
    assert list(held) == [7, 1, 2] and numbers == [] and list(held) == []


@row("seq iterator (__getitem__)")
def _():
    items = Sequence(1, 2, 3)
    held = advanced(iter(items))
    pause()
    items.items.append(4)
    assert list(held) == [2, 3, 4]


@row("re.finditer (callable_iterator)")
def _():
    held = advanced(re.finditer(r"\d*", "1a22b"), 2)
    pause()
    assert [(m.span(), m.group()) for m in held] == [((2, 4), "22"), ((4, 4), ""), ((5, 5), "")]


@row("deque iterator")
def _():
    items = collections.deque([1, 2, 3])
    held, other = advanced(iter(items)), iter(items)
    pause()
    assert list(held) == [2, 3]
    items.append(4)
    assert changed(other)


@row("deque reverse iterator")
def _():
    items = collections.deque([1, 2, 3])
    held, other = advanced(reversed(items)), advanced(reversed(items))
    pause()
    assert list(held) == [2, 1] and operator.length_hint(other) == 2
    items.popleft()
    assert changed(other)


@row("OrderedDict iterator")
def _():
    mapping = collections.OrderedDict(a=1, b=2, c=3)
    held, other, back = advanced(iter(mapping.items())), iter(mapping), advanced(reversed(mapping))
    pause()
    assert list(held) == [("b", 2), ("c", 3)] and list(back) == ["b", "a"]
    mapping["d"] = 4
    assert changed(other)


@row("array iterator")
def _():
    items = array.array("i", [1, 2, 3])
    held = advanced(iter(items))
    pause()
    items.append(4)
    items[1] = 9
    assert list(held) == [9, 3, 4]


@row("memoryview iterator")
def _():
    data = bytearray(b"abcd")
    held = advanced(iter(memoryview(data)[::2]))
    pause()
    data[2] = 0
    assert list(held) == [0]


@row("csv.reader")
def _():
    source = iter(["a;b\n", '1;"x\n', 'y"\n', "2;z\n"])
    held = csv.reader(source, delimiter=";", quoting=csv.QUOTE_MINIMAL)
    assert next(held) == ["a", "b"]
    pause()
    assert held.line_num == 1 and next(held) == ["1", "x\ny"] and held.line_num == 3 and held.dialect.delimiter == ";"
    assert next(source) == "2;z\n" and list(held) == []


@extra("csv.DictReader, csv.writer and dialects")
def _():
    import io

    out = io.StringIO()
    held, writer = csv.DictReader(["a,b", "1,2", "3,4"]), csv.writer(out, "excel-tab", quoting=csv.QUOTE_ALL)
    next(held), writer.writerow([1])
    dialect = csv.get_dialect("unix")
    pause()
    writer.writerow(["x", 2])
    assert next(held) == {"a": "3", "b": "4"} and held.line_num == 3 and out.getvalue() == '"1"\r\n"x"\t"2"\r\n'
    assert dialect.quoting == csv.QUOTE_ALL and dialect.lineterminator == "\n"


@row("os.scandir iterator")
def _():
    place = tempfile.mkdtemp()
    for name in "abc":
        open(f"{place}/{name}", "w").close()
    held = os.scandir(place)
    first = next(held).name
    pause()
    rest = {entry.name for entry in held}
    assert rest == {"a", "b", "c"} - {first}


@row("struct.iter_unpack")
def _():
    data = bytearray(b"\x01\x00\x02\x00\x03\x00")
    held = advanced(struct.iter_unpack("<h", data))
    pause()
    data[4] = 9
    assert operator.length_hint(held) == 2 and list(held) == [(2,), (9,)]


@row("dict_keys view")
def _():
    mapping = {"a": 1}
    held = mapping.keys()
    pause()
    mapping["b"] = 2
    assert list(held) == ["a", "b"] and type(held) is type({}.keys()) and held & {"b"} == {"b"}


@row("dict_values view")
def _():
    mapping = {"a": 1}
    held = mapping.values()
    pause()
    mapping["a"] = 2
    assert list(held) == [2] and type(held) is type({}.values())


@row("dict_items view")
def _():
    mapping = {"a": 1}
    held, ordered = mapping.items(), collections.OrderedDict(x=1).items()
    pause()
    mapping["b"] = 2
    assert list(held) == [("a", 1), ("b", 2)] and held.mapping == mapping and list(ordered) == [("x", 1)]


@row("iterator sharing: two refs to same list_iterator")
def _():
    held = iter([1, 2, 3, 4])
    pairs = zip(held, held)
    next(pairs)
    pause()
    assert next(held) == 3 and next(held, None) == 4 and list(pairs) == []


@extra("iterators of iterators")
def _():
    source = iter(range(10))
    held = itertools.islice(map(str, filter(lambda n: n % 2, source)), 3)
    next(held)
    pause()
    assert list(held) == ["3", "5"] and next(source) == 6


@extra("exhausted iterators")
def _():
    held = [iter([]), iter(()), iter({}), iter(set()), iter(""), zip(), map(str, []), itertools.chain(), enumerate([])]
    held += [reversed([]), itertools.islice([], 0), itertools.product([]), iter({}.items()), iter(int, 0)]
    for it in held:
        list(it)
    pause()
    assert [list(it) for it in held] == [[]] * len(held)


@extra("iterator over a user's iterator class")
def _():
    class Countdown:
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            return self

        def __next__(self):
            if not self.n:
                raise StopIteration
            self.n -= 1
            return self.n

    source = Countdown(4)
    held = zip(source, itertools.count())
    next(held)
    pause()
    assert list(held) == [(2, 1), (1, 2), (0, 3)] and source.n == 0


@extra("functools.reduce over a shared iterator")
def _():
    held = advanced(iter({"a": 1, "b": 2, "c": 3}.values()))
    pause()
    assert functools.reduce(operator.add, held) == 5


@extra("zipfile, tokenize and json iterators in Python")
def _():
    import io
    import tokenize

    held = tokenize.generate_tokens(io.StringIO("a = 1\nb = 2\n").readline)
    names = [next(held).string for _ in range(3)]
    pause()
    assert names == ["a", "=", "1"] and [t.string for t in held][:4] == ["\n", "b", "=", "2"]


@extra("os.walk and pathlib iterators")
def _():
    import pathlib

    place = tempfile.mkdtemp()
    os.mkdir(f"{place}/below")
    held = os.walk(place)
    next(held)
    listed = pathlib.Path(place).iterdir()
    pause()
    assert [os.path.basename(place) for place, _, _ in held] == ["below"] and [p.name for p in listed] == ["below"]

"""Iterators over containers that can change: they stay attached to their container, at their place in it."""

import array
import collections
import operator
import weakref


def rest_of(it, n=50):
    """What an iterator still gives, and how it ends; asked once more after that."""
    found = []
    for _ in range(n):
        try:
            found.append(next(it))
        except (StopIteration, RuntimeError) as end:
            found.append(repr(end))
            break
    try:
        found.append(("and then", next(it)))
    except (StopIteration, RuntimeError) as end:
        found.append(repr(end))
    return found


def stepped(it, n=1):
    for _ in range(n):
        next(it)
    return it


def holed():
    """A dict with holes between its entries."""
    made = {n: str(n) for n in range(12)}
    for n in (0, 1, 4, 5, 9):
        del made[n]
    return made


@program
def dict_changes_size_in_loop():
    numbers = {"a": 1, "b": 2, "c": 3}
    for key in numbers:
        note(key)
        if pause(key == "b", key == "b") or key == "b":
            numbers["d"] = 4
    return numbers


@program
def dict_items_in_loop():
    seen = []
    for key, value in holed().items():
        seen.append((key, value))
        pause(None, key == 6)
    return seen


@program
def dict_changes_a_value_in_loop():
    numbers = dict.fromkeys("abc", 0)
    for key, value in numbers.items():
        pause(None, key == "a")
        numbers["c"] = 7
        note(key, value)
    return numbers


@program
def dict_changes_keys_in_loop():
    numbers = dict.fromkeys("abc", 0)
    for key in numbers:
        pause(None, key == "c")
        if key == "c":
            del numbers["a"]
            numbers["d"] = 1
    return numbers


@program
def dict_iterators_at_every_place():
    numbers = holed()
    made = [stepped(make(), n) for n in range(8) for make in (
        lambda: iter(numbers), lambda: iter(numbers.values()), lambda: iter(numbers.items()),
        lambda: reversed(numbers), lambda: reversed(numbers.values()), lambda: reversed(numbers.items()),
    )]  # fmt: skip
    hints = [operator.length_hint(it) for it in made]
    pause()
    assert hints == [operator.length_hint(it) for it in made]
    return [(type(it).__name__, rest_of(it)) for it in made]


@program
def dict_iterators_notice_a_change():
    numbers = holed()
    made = [stepped(it) for it in (
        iter(numbers), iter(numbers.values()), iter(numbers.items()), reversed(numbers), reversed(numbers.values()),
        reversed(numbers.items()),
    )]  # fmt: skip
    pause()
    numbers[100] = "x"
    return [rest_of(it) for it in made]


@program
def dict_iterators_that_noticed():
    numbers = holed()
    made = [stepped(iter(numbers), 2), stepped(reversed(numbers), 2)]
    numbers[100] = "x"
    for it in made:
        note(rest_of(it))
    pause()
    del numbers[100]
    return [rest_of(it) for it in made]


@program
def dict_iterators_of_a_changed_dict():
    numbers = holed()
    made = [stepped(iter(numbers.items()), 2), stepped(reversed(numbers), 2)]
    numbers[100] = "x"
    pause()
    return [rest_of(it) for it in made]


@program
def dict_iterators_of_a_dict_that_changes_back():
    numbers = holed()
    made = [stepped(iter(numbers.items()), 2), stepped(iter(numbers), 5)]
    numbers[100] = "x"
    pause()
    del numbers[100]
    return [rest_of(it) for it in made]


@program
def dict_iterator_that_is_exhausted():
    numbers = {"a": 1}
    it, back = iter(numbers.items()), reversed(numbers)
    note(rest_of(it), rest_of(back))
    pause()
    numbers["b"] = 2
    return rest_of(it), rest_of(back), type(it).__name__, type(back).__name__


@program
def dict_iterator_at_its_end():
    numbers = {"a": 1, "b": 2}
    it = stepped(iter(numbers), 2)
    pause()
    numbers["c"] = 3
    return rest_of(it)


@program
def dict_iterator_of_attributes():
    class Point:
        def __init__(self):
            self.x, self.y, self.z = 1, 2, 3

    point = Point()
    it = stepped(iter(vars(point).items()))
    pause()
    note(next(it))
    point.w = 4
    return rest_of(it)


@program
def dict_iterator_of_attributes_that_went():
    class Point:
        def __init__(self):
            self.x, self.y, self.z, self.w = 1, 2, 3, 4

    point = Point()
    del point.y
    it = stepped(iter(vars(point).items()))
    pause()
    return rest_of(it)


@program
def dict_that_holds_its_iterator():
    numbers = {"a": 1, "b": 2, "c": 3}
    numbers["it"] = [stepped(iter(numbers)), stepped(reversed(numbers))]
    numbers["it"] += [stepped(iter(numbers.values()), 2), stepped(reversed(numbers.items()), 2)]
    pause()
    return [rest_of(it) for it in numbers["it"][:2]] + [rest_of(numbers["it"][2])[:1], rest_of(numbers["it"][3])]


@program
def dict_that_holds_a_generator_over_it():
    def keys():
        for key in numbers:
            yield key

    numbers = {"a": 1, "b": 2}
    numbers["keys"] = keys()
    note(next(numbers["keys"]))
    pause()
    return list(numbers["keys"])


@program
def dict_iterator_shared():
    numbers = {"a": 1, "b": 2, "c": 3, "d": 4}
    it = iter(numbers)
    for key in it:
        note(key, pause(next(it), key == "a"))
    return rest_of(it)


@program
def dict_subclass_iterator():
    class Numbers(dict):
        def __iter__(self):
            return reversed(sorted(super().__iter__()))

        def __len__(self):
            return 99

    numbers = Numbers(b=1, a=2, c=3)
    it, keys = stepped(dict.__iter__(numbers)), iter(numbers)
    pause()
    numbers["d"] = 4
    return rest_of(it), rest_of(keys)


@program
def dict_of_a_namespace():
    it = iter(globals().items())
    seen = []
    for name, _ in it:
        seen.append(name)
        if name == "rest_of":
            break
    every = list(globals())
    pause()
    following = [name for name, _ in it]
    return seen + following == every, following[:3]


@program
def dict_of_a_namespace_grows():
    it = stepped(reversed(globals()), 3)
    kept = list(it)[-1]
    it = stepped(iter(globals()), 3)
    pause()
    globals()["a_new_name"] = 1
    found = rest_of(it)
    del globals()["a_new_name"]
    return kept, found


@program
def dict_of_a_class():
    class Point:
        x, y, z = 1, 2, 3

        def go(self):
            return self.x

    seen = []
    for name, value in vars(Point).items():
        seen.append((name, value if isinstance(value, int) else None))
        pause(None, name == "y")
    return seen


@program
def dict_of_a_class_grows():
    class Point:
        x, y, z = 1, 2, 3

    for name in vars(Point):
        pause(None, name == "y")
        if name == "y":
            Point.w = 4


@program
def dict_of_a_class_that_can_be_imported():
    seen = []
    for name in vars(collections.OrderedDict):
        seen.append(name)
        pause(None, len(seen) == 4)
    return seen == list(vars(collections.OrderedDict))


@program
def dict_of_views():
    numbers = {"a": 1, "b": 2}
    keys, items = numbers.keys(), numbers.items()
    it, pairs = stepped(iter(keys)), iter(items)
    pause()
    numbers["c"] = 3
    return list(keys), rest_of(it), rest_of(pairs), keys.mapping == numbers


@program
def default_dict_grows_in_loop():
    numbers = collections.defaultdict(int, a=1, b=2)
    for key in numbers:
        pause(None, key == "a")
        numbers[key * 2]
    return numbers


@program
def counter_loop():
    found = collections.Counter("abracadabra")
    seen = []
    for letter, n in found.items():
        seen.append((letter, n))
        pause(None, letter == "r")
        found[letter] = 0
    return seen, found


@program
def ordered_dict_loop():
    numbers = collections.OrderedDict(a=1, b=2, c=3, d=4)
    seen = []
    for key, value in numbers.items():
        seen.append((key, value))
        pause(None, key == "b")
    return seen


@program
def ordered_dict_changes_in_loop():
    numbers = collections.OrderedDict(a=1, b=2, c=3)
    for key in numbers:
        pause(None, key == "b")
        if key == "b":
            numbers.move_to_end("a")
    return numbers


@program
def ordered_dict_iterators():
    numbers = collections.OrderedDict(a=1, b=2, c=3, d=4)
    del numbers["b"]
    made = [stepped(make(), n) for n in range(4) for make in (
        lambda: iter(numbers), lambda: iter(numbers.values()), lambda: iter(numbers.items()),
        lambda: reversed(numbers), lambda: reversed(numbers.values()), lambda: reversed(numbers.items()),
    )]  # fmt: skip
    pause()
    return [(type(it).__name__, rest_of(it)) for it in made]


@program
def ordered_dict_iterators_notice_a_change():
    numbers = collections.OrderedDict(a=1, b=2, c=3)
    made = [stepped(iter(numbers)), stepped(reversed(numbers.items()))]
    stale = stepped(iter(numbers.values()))
    numbers.move_to_end("a")
    moved = stepped(iter(numbers))
    pause()
    numbers["d"] = 4
    return [rest_of(it) for it in (*made, stale, moved)]


@program
def ordered_dict_that_holds_its_iterator():
    numbers = collections.OrderedDict(a=1, b=2)
    numbers["it"] = stepped(iter(numbers))
    other = collections.OrderedDict(a=1, it=None)
    other["it"] = stepped(iter(other.items()))
    pause()
    return rest_of(numbers["it"]), rest_of(other["it"])[1:]


@program
def set_changes_size_in_loop():
    numbers = {3, 1, 2, 17, 33}
    seen = []
    try:
        for n in numbers:
            seen.append(n)
            if len(seen) == 2:
                pause()
                numbers.add(99)
    except RuntimeError as error:
        return len(seen), repr(error)


@program
def set_loop_goes_on():
    words = {"spam", "eggs", "ham", "bacon", "lobster", "truffle"}
    seen = []
    for word in words:
        seen.append(word)
        pause(None, len(seen) == 3)
    return sorted(seen), len(seen)


@program
def set_of_words_changes_size():
    words = {"spam", "eggs", "ham", "bacon", "lobster", "truffle"}
    it = stepped(iter(words), 2)
    pause()
    first = next(it)
    words.add("thermidor")
    return first in words, rest_of(it)


@program
def set_of_words_goes_on():
    words = {"spam", "eggs", "ham", "bacon", "lobster", "truffle"}
    made = [iter(words) for _ in range(7)]
    seen = [[next(it) for _ in range(n)] for n, it in enumerate(made)]
    pause()
    return [sorted(before + rest_of(it)) for before, it in zip(seen, made)]


@program
def set_iterator_at_its_end():
    words = {"spam", "eggs", "ham"}
    it = stepped(iter(words), 3)
    pause()
    words.discard("spam")
    return rest_of(it)


@program
def set_iterator_that_is_exhausted():
    words = {"spam", "eggs", "ham"}
    it = iter(words)
    note(len(rest_of(it)))
    pause()
    words.discard("spam")
    return rest_of(it)


@program
def set_iterators_that_noticed():
    numbers = {1, 2, 3}
    it, unasked, back = (stepped(iter(numbers)) for _ in range(3))
    numbers.add(4)
    note(rest_of(it))
    pause()
    note(rest_of(unasked))
    numbers.discard(4)
    return rest_of(it), len(rest_of(back)), rest_of(unasked)


@program
def frozen_set_of_words_goes_on():
    words = frozenset(("spam", "eggs", "ham", "bacon"))
    it = iter(words)
    seen = [next(it)]
    pause()
    return sorted(seen + rest_of(it))


@program
def set_subclass_iterator():
    class Words(set):
        def __iter__(self):
            return iter(sorted(super().__iter__()))

        def __len__(self):
            return 99

    words = Words(("spam", "eggs", "ham"))
    it, own = stepped(set.__iter__(words)), iter(words)
    pause()
    words.add("bacon")
    return rest_of(it), rest_of(own)


@program(refused="leads back to it")
def set_that_leads_to_its_iterator():
    class Word:
        pass

    word = Word()
    words = {word}
    word.it = iter(words)
    pause()
    return len(rest_of(word.it))


@program
def deque_changes_in_loop():
    queue = collections.deque((1, 2, 3))
    for n in queue:
        note(n)
        pause(None, n == 2)
        if n == 2:
            queue.append(4)
    return queue


@program
def deque_loop_goes_on():
    queue = collections.deque(range(200), maxlen=150)
    seen = []
    for n in queue:
        seen.append(n)
        pause(None, n == 130)
    return seen


@program
def deque_iterators():
    queue = collections.deque(range(6))
    queue.rotate(2)
    made = [stepped(make(queue), n) for n in range(7) for make in (iter, reversed)]
    hints = [operator.length_hint(it) for it in made]
    pause()
    assert hints == [operator.length_hint(it) for it in made]
    return [(type(it).__name__, rest_of(it)) for it in made]


@program
def deque_iterators_notice_a_change():
    queue = collections.deque("abc")
    made = [stepped(iter(queue)), stepped(reversed(queue)), stepped(iter(queue), 3)]
    pause()
    queue.append("d")
    return [rest_of(it) for it in made]


@program
def deque_iterators_that_noticed():
    queue = collections.deque("abc")
    made = [stepped(iter(queue)), stepped(reversed(queue)), stepped(iter(queue), 3)]
    queue.rotate(1)
    note(rest_of(made[0]))
    hints = [operator.length_hint(it) for it in made]
    pause()
    return hints == [operator.length_hint(it) for it in made], [rest_of(it) for it in made]


@program(refused="leads back to it")
def deque_that_holds_its_iterator():
    queue = collections.deque("abc")
    queue.append(iter(queue))
    pause()
    return len(queue)


@program
def list_iterators_see_what_changes():
    numbers = [1, 2, 3, 4]
    made = [stepped(iter(numbers)), stepped(reversed(numbers)), stepped(iter(numbers), 4)]
    gone = iter(numbers)
    note(rest_of(gone))
    pause()
    numbers[2:] = [7, 8, 9]
    return [rest_of(it) for it in made], rest_of(gone)


@program
def list_that_holds_its_reversed():
    numbers = [1, 2, 3]
    numbers[0] = stepped(reversed(numbers))
    pause()
    return rest_of(numbers[0])[:1]


@program
def list_backwards_at_its_end():
    numbers, empty = [1, 2], []
    it, none = stepped(reversed(numbers), 2), reversed(empty)
    gone = reversed(numbers)
    note(rest_of(gone))
    pause()
    numbers.append(3), empty.append(3)
    return rest_of(it), rest_of(none), rest_of(gone)


@program
def list_that_shrinks_and_grows():
    numbers = list(range(10))
    it = stepped(reversed(numbers), 2)
    del numbers[3:]
    pause()
    numbers.extend("abcdef")
    return rest_of(it)


@program
def bytes_iterators():
    data, fixed = bytearray(b"spam"), b"eggs"
    made = [stepped(iter(data)), stepped(iter(fixed)), stepped(reversed(data)), stepped(reversed(fixed))]
    pause()
    data.extend(b"!")
    return [(type(it).__name__, rest_of(it)) for it in made]


@program
def text_iterators():
    made = [stepped(iter(text), n) for text in ("spam", "sp\u00e4m", "sp\u1234m", "sp\U0001f40dm") for n in range(4)]
    gone = iter("\u1234")
    note(rest_of(gone))
    pause()
    return [rest_of(it) for it in made], rest_of(gone)


@program
def memory_and_array_iterators():
    numbers = array.array("i", range(5))
    made = [stepped(iter(numbers)), stepped(iter(memoryview(b"spam"))), stepped(iter(memoryview(numbers)), 2)]
    gone = iter(memoryview(b"a"))
    note(rest_of(gone))
    pause()
    return [(type(it).__name__, rest_of(it)) for it in made], rest_of(gone)


@program
def range_iterators():
    made = [stepped(iter(r)) for r in (range(5), range(1 << 70, (1 << 70) + 3))] + [stepped(reversed(range(5)))]
    pause()
    return [rest_of(it) for it in made]


@program
def iterators_by_index():
    class Letters:
        def __init__(self):
            self.asked = 0

        def __len__(self):
            self.asked += 1
            return 4

        def __getitem__(self, i):
            return "abcd"[i]

    letters = Letters()
    made = [stepped(iter(letters)), stepped(reversed(letters)), stepped(reversed((1, 2, 3)))]
    asked = letters.asked
    pause()
    return asked, letters.asked, [rest_of(it) for it in made]


@program
def callable_iterators():
    numbers = [3, 2, 1]
    it, gone = iter(numbers.pop, 3), iter(int, 0)
    note(rest_of(gone), next(it))
    pause()
    numbers.append(9)
    return next(it), rest_of(it), rest_of(gone)


@program
def counted_pairs_of_dicts():
    numbers, letters = {"a": 1, "b": 2, "c": 3}, {"x": 7, "y": 8, "z": 9}
    counted, pairs = enumerate(numbers, 10), zip(numbers, letters.values(), strict=True)
    next(counted), next(pairs)
    pause()
    note(next(counted), next(pairs))
    del numbers["a"]
    letters["w"] = 1
    return rest_of(counted), rest_of(pairs)


@program
def strict_pairs():
    made = [zip("abc", data, strict=True) for data in ("ab", "abcd", "abc")]
    for it in made:
        next(it)
    pause()
    found = []
    for it in made:
        try:
            found.append(list(it))
        except ValueError as error:
            found.append(repr(error))
    return found


@program(refused="being iterated over", until=(3, 14))
def weak_keys_in_a_loop():
    class Key:
        pass

    keys = [Key(), Key(), Key()]
    weak = weakref.WeakKeyDictionary(zip(keys, "abc"))
    seen = []
    for value in weak.values():
        seen.append(value)
        pause(None, value == "b")
    return seen, len(weak)


newer("strict_maps", """
def strict_maps():
    made = [map(max, "abc", data, strict=True) for data in ("ab", "abcd", "abc")]
    for it in made:
        next(it)
    pause()
    found = []
    for it in made:
        try:
            found.append(list(it))
        except ValueError as error:
            found.append(repr(error))
    return found
""", since=(3, 14))

newer("frozen_dict_iterators", """
def frozen_dict_iterators():
    numbers = frozendict(a=1, b=2, c=3)
    made = [stepped(iter(numbers)), stepped(iter(numbers.items())), stepped(reversed(numbers)), iter(numbers.values())]
    pause()
    return [(type(it).__name__, rest_of(it)) for it in made]
""", since=(3, 15))

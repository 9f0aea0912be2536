"""__hash__ of the program, run inside of a lookup in a dict or set; and what it leads to after that."""

import collections


class Key:
    """Pauses when it is hashed for the nth time; equal by name."""

    def __init__(self, name, at=0, gives=None):
        self.name, self.at, self.gives, self.asked = name, at, gives, 0

    def __hash__(self):
        self.asked += 1
        pause(None, self.asked == self.at)
        note("hash", self.name, self.asked)
        return hash(self.name) if self.gives is None else self.gives

    def __eq__(self, other):
        note("eq", self.name, str(other))
        return self.name == (other.name if isinstance(other, Key) else other)

    def __repr__(self):
        return f"Key({self.name})"


class Quiet:
    """Hashes by a number, is compared by identity, and pauses when it is hashed for the nth time."""

    def __init__(self, number, at=0):
        self.number, self.at, self.asked = number, at, 0

    def __hash__(self):
        self.asked += 1
        pause(None, self.asked == self.at)
        return self.number

    def __repr__(self):
        return f"Quiet({self.number})"


@program
def get_item():
    key = Key(3, at=1)
    return {1: "a", 3: "b"}[key], key.asked


@program
def get_item_missing():
    key = Key(4, at=1)
    try:
        return {1: "a", 3: "b"}[key]
    except KeyError as error:
        return error.args[0] is key, key.asked


@program
def get_item_of_equal_key():
    found = {Quiet(3): "x", 3.5: "y"}
    key = Key(3, at=1)
    try:
        return found[key]
    except KeyError:
        return key.asked


@program
def get_item_of_itself():
    key = Quiet(7, at=2)
    found = {key: "x"}
    return found[key]


@program
def get_item_in_a_loop():
    found = {n: str(n) for n in range(100)}
    return [found[Key(n, at=n == 97)] for n in range(95, 100)]


@program
def get_item_of_a_subclass():
    class Mapping(dict):
        def __missing__(self, key):
            return "missing", key.asked

    found = Mapping({3: "b"})
    return found[Key(3, at=1)], found[Key(4)]


@program
def get_item_with_missing():
    class Mapping(dict):
        def __missing__(self, key):
            note("missing")
            return key.asked

    return Mapping()[Key(3, at=1)]


@program
def get_item_of_ordered():
    found = collections.OrderedDict({3: "b"})
    return found[Key(3, at=1)]


@program
def set_item():
    found = {3: "b"}
    first, second = Key(3, at=1), Key(4)
    found[first] = "c"
    found[second] = "d"
    return [(type(k).__name__, v) for k, v in found.items()], first.asked


@program
def set_item_new():
    found = {}
    key = Key(5, at=1)
    found[key] = "new"
    return found[5], key.asked


@program
def set_item_of_ordered():
    found = collections.OrderedDict()
    key = Quiet(5, at=1)
    found[key] = "new"
    return list(found.values()), key.asked


@program
def set_item_of_a_counter():
    found = collections.Counter()
    key = Quiet(5, at=1)
    found[key] = 3
    return found.total(), key.asked


@program
def del_item():
    found = {3: "b", 4: "c"}
    del found[Key(3, at=1)]
    return found


@program
def del_item_missing():
    found = {3: "b", 4: "c"}
    try:
        del found[Key(5, at=1)]
    except KeyError as error:
        return repr(error), found


@program
def contains():
    return Key(3, at=1) in {1, 3}, Key(4) in {1, 3}


@program
def contains_not():
    return Key(4) not in {1: 2}, Key(3, at=1) not in {3: 4}


@program
def contains_in_frozen_set():
    return Key("x", at=1) in frozenset(("x", "y"))


@program
def contains_in_condition():
    key = Quiet(2, at=2)
    seen = {key}
    if key in seen:
        return "seen"
    return "not seen"


@program
def get():
    return {3: "b"}.get(Key(3, at=1)), {3: "b"}.get(Key(4), "none")


@program
def get_default():
    return {3: "b"}.get(Key(4, at=1), "none")


@program
def get_bound():
    get = {3: "b"}.get
    return get(Key(3, at=1))


@program
def get_of_the_class():
    return dict.get({3: "b"}, Key(3, at=1))


@program
def set_default():
    found = {3: []}
    found.setdefault(Key(3, at=1), []).append(1)
    return found


@program
def set_default_new():
    found = {3: []}
    found.setdefault(Quiet(4, at=1), []).append(1)
    return list(found.values())


@program
def pop():
    found = {3: "b", 4: "c"}
    return found.pop(Key(3, at=1)), found


@program
def pop_missing():
    found = {3: "b"}
    try:
        found.pop(Key(4, at=1))
    except KeyError as error:
        return repr(error)


@program
def add():
    seen = {1}
    key = Quiet(7, at=1)
    seen.add(key)
    seen.add(key)
    return len(seen), key.asked


@program
def discard():
    seen = {1, 7}
    seen.discard(Key(7, at=1))
    return seen


@program
def remove_missing():
    seen = {1}
    try:
        seen.remove(Key(7, at=1))
    except KeyError as error:
        return repr(error)


@program
def set_subclass():
    class Words(set):
        pass

    words = Words((1,))
    words.add(Quiet(3, at=1))
    return len(words), Key(1) in words


@program
def set_display():
    return len({1, Quiet(2, at=1), 5, Quiet(5)})


@program
def set_display_first():
    return len({"a", Quiet(2, at=1), Quiet(3), Quiet(2)})


@program
def dict_display():
    return list({"a": 1, Quiet(2, at=1): 2, Quiet(3): 3}.values())


@program
def dict_display_that_replaces():
    made = {3: "first", Key(3, at=1): "second"}
    return [(type(k).__name__, v) for k, v in made.items()]


@program
def set_comprehension():
    return len({Quiet(n, at=n == 2) for n in range(4)})


@program
def dict_comprehension():
    return list({Quiet(n, at=n == 2): n for n in range(4)}.values())


@program
def set_comprehension_in_a_while():
    return len({Quiet(n, at=n == 2) for n in iter([3, 2, 1].pop, 3)})


@program
def hash_that_raises():
    class Bad:
        def __hash__(self):
            pause()
            raise ValueError("no")

    try:
        return {}[Bad()]
    except ValueError as error:
        return repr(error), trail(error)[1:], error.__context__


class Bad:
    def __hash__(self):
        pause()
        raise TypeError("no")


@program
def hash_that_raises_a_type_error_in_a_set():
    try:
        return Bad() in {1}
    except TypeError as error:
        return repr(error), repr(error.__cause__), repr(error.__context__), trail(error)


@program
def hash_that_raises_a_type_error_in_a_dict():
    found = {}
    try:
        found[Bad()] = 1
    except TypeError as error:
        return repr(error), repr(error.__cause__), repr(error.__context__), trail(error)


@program
def hash_of_a_wrong_type():
    try:
        return Key(3, at=1, gives="3") in {3: 1}
    except TypeError as error:
        return str(error)


@program
def hash_that_is_large():
    return Key(2**80 + 5, at=1, gives=2**80 + 5) in {2**80 + 5}


@program
def hash_that_is_minus_one():
    return Key(-1, at=1, gives=-1) in {-1}, Key(-2, gives=-1) in {-2}


@program
def hash_of_a_true_number():
    class Flag(int):
        def __hash__(self):
            return pause(True, self.imag == 0 and not STATE["pauses"])

    return {1: "one"}.get(Flag(1)), Flag(1) in {1, 2}


@program
def hash_that_changes_the_dict():
    class Changes:
        def __hash__(self):
            found[8] = "new"
            return pause(8)

        def __eq__(self, other):
            return other == 8

    found = {1: "a"}
    return found[Changes()]


@program
def hash_inherited():
    class Word(str):
        def __hash__(self):
            pause()
            return str.__hash__(self)

    return {"spam": 1}[Word("spam")]


@program
def class_keeps_its_hash():
    found = {3: "b"}
    key, other = Key(3, at=1), Key(3)
    first = found[key]
    return first, found[other], hash(key) == hash(other), key.asked, other.asked


@program(refused="BINARY_OP" if sys.version_info >= (3, 14) else "BINARY_SUBSCR")
def equality_in_the_middle():
    class Same:
        def __hash__(self):
            return 3

        def __eq__(self, other):
            return pause(True)

    return {3: "b"}[Same()]


@program(refused="CONTAINS_OP")
def equality_in_a_set():
    class Same:
        def __hash__(self):
            return 3

        def __eq__(self, other):
            return pause(True)

    return Same() in {3}


@program(refused="BINARY_OP" if sys.version_info >= (3, 14) else "BINARY_SUBSCR")
def hash_inside_of_a_tuple():
    try:
        return {}[Quiet(1), Quiet(2, at=1)]
    except KeyError:
        return "missing"


@program(refused="BINARY_OP" if sys.version_info >= (3, 14) else "BINARY_SUBSCR")
def hash_in_a_default_dict():
    return collections.defaultdict(int)[Quiet(3, at=1)]


@program(refused="set")
def hash_in_a_constructor():
    return len(set([Quiet(1), Quiet(2, at=1)]))


@program(refused="update")
def hash_in_an_update():
    seen = {1}
    seen.update([Quiet(2, at=1)])
    return len(seen)


@program(refused="fromkeys")
def hash_in_fromkeys():
    return len(dict.fromkeys([Quiet(2, at=1)]))


@program(refused="BUILD_SET")
def set_display_after_another():
    return len({Quiet(1), Quiet(2, at=1), 5})


@program(refused="BUILD_SET")
def hash_twice_in_a_display():
    key = Quiet(2, at=2)
    return len({key, key})


@program(refused="BUILD_SET")
def set_display_of_a_tuple():
    return len({"a", (1, Quiet(2, at=1)), 3})


@program
def set_display_of_constants():
    made = {1, None, "a", Quiet(2, at=1), 2.5, "b"}
    return sorted(str(type(item).__name__) for item in made)


@program
def set_display_last():
    return len({"a", b"b", Quiet(2, at=1)})


@program
def set_display_that_is_equal():
    key = Key(3, at=1)
    made = {3, key}
    return made, [type(item).__name__ for item in made], key.asked


@program
def set_comprehension_over_a_list():
    return len({Quiet(n, at=n == 2) for n in [1, 2, 3]})


@program
def set_comprehension_nested():
    return sorted(key.number for key in {Quiet(a * 10 + b, at=a == b == 2) for a in [1, 2] for b in (1, 2)})


@program
def set_comprehension_that_is_equal():
    kept = [Key(3, at=1), Key(4)]
    made = {key for key in [3, *kept]}
    return len(made), kept[0].asked, [any(key is item for item in made) for key in kept]


@program
def dict_comprehension_over_a_list():
    made = {Quiet(n, at=n == 2): [n] for n in [1, 2, 3]}
    return [(key.number, value) for key, value in made.items()]


@program
def dict_comprehension_that_replaces():
    key = Key(3, at=1)
    made = {key if n == 2 else 3: [n] for n in (1, 2)}
    return [(type(item).__name__, value) for item, value in made.items()], key.asked


@program
def comprehension_whose_hash_raises():
    class Bad:
        def __hash__(self):
            pause()
            raise TypeError("no")

    try:
        return {
            Bad()
            for n in [1, 2]
        }
    except TypeError as error:
        return repr(error), repr(error.__cause__), repr(error.__context__), trail(error)


@program
def comprehension_of_a_generator():
    def keys():
        for n in range(3):
            yield Quiet(n, at=n == 1)

    return len({key for key in keys()})

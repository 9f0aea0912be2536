"""C code that has a part of the result in its own variables: refused by its name."""

import functools


class Countdown:
    """An iterator written in Python that pauses at one number."""

    def __init__(self, n, at=None):
        self.n, self.at = n, at

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return pause(self.n, self.n == self.at)


def stepping(n, at):
    """A generator that pauses at one number."""
    for i in range(n):
        yield pause(i, i == at)


@program(refused="FOR_ITER")
def zip_second():
    return [pair for pair in zip("abc", stepping(4, 1))]


@program(refused="sorted")
def sorted_key():
    return sorted([3, 1, 2], key=lambda n: pause(n, n == 1))


@program(refused="sort")
def list_sort_key():
    items = [3, 1, 2]
    items.sort(key=lambda n: pause(n, n == 1))
    return items


@program(refused="sum")
def sum_of_generator():
    return sum(pause(x, x == 2) for x in range(4))


def collected(*args, **kwargs):
    return args, kwargs


class Counting:
    def __init__(self):
        self.n = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.n += 1
        if self.n > 4:
            raise StopIteration
        return pause(self.n, self.n == 2)


@program(refused="collected")
def starred_generator():
    return collected(*(pause(x, x == 2) for x in range(4)))


@program(refused="collected")
def starred_iterator():
    return collected(*Counting())


@program(refused="LIST_EXTEND")
def starred_iterator_behind_others():
    return collected(0, *Counting(), **{"k": 1})


@program(refused="min")
def min_key():
    return min([3, 1, 2], key=lambda n: pause(n, n == 1))


@program(refused="max")
def max_of_generator():
    return max(pause(x, x == 2) for x in range(4))


@program(refused="list", until=(3, 15))
def list_of_generator():
    return list(pause(x, x == 2) for x in range(4))


@program(refused="tuple", until=(3, 14))
def tuple_of_generator():
    return tuple(pause(x, x == 2) for x in range(4))


@program(refused="set", until=(3, 15))
def set_of_generator():
    return sorted(set(pause(x, x == 2) for x in range(4)))


@program(refused="dict")
def dict_of_generator():
    return dict((x, pause(x, x == 2)) for x in range(4))


@program(refused="join")
def join_of_generator():
    return "-".join(pause(x, x == "b") for x in "abc")


@program(refused="reduce")
def reduce_function():
    return functools.reduce(lambda a, b: pause(a, b == 3) + b, [1, 2, 3, 4])


@program(refused="sub")
def re_sub_callback():
    import re

    return re.sub(r"\d", lambda m: pause(m.group(), m.group() == "2") * 2, "a1b2c3")


@program(refused="_iterencode")
def json_default():
    import json

    class Thing:
        pass

    return json.dumps([1, Thing()], default=lambda o: pause("thing"))


@program(refused="LIST_EXTEND")
def star_unpacking_of_generator():
    return [*(pause(x, x == 1) for x in range(3))]


@program(refused="UNPACK_SEQUENCE")
def assignment_unpacking_of_generator():
    a, b, c = (pause(x, x == 1) for x in range(3))
    return a, b, c


@program(refused="heappush")
def heap_comparison():
    import heapq

    class Item:
        def __init__(self, n):
            self.n = n

        def __lt__(self, other):
            return pause(self.n, (self.n, other.n) == (2, 3)) < other.n

    heap = [Item(3)]
    heapq.heappush(heap, Item(2))
    return [i.n for i in heap]


@program(refused="sorted")
def sorted_comparison():
    class Item:
        def __init__(self, n):
            self.n = n

        def __lt__(self, other):
            return pause(self.n, (self.n, other.n) == (1, 2)) < other.n

    return [i.n for i in sorted([Item(2), Item(1)])]


@program(refused="repr")
def repr_inside_a_list():
    class Thing:
        def __repr__(self):
            return pause("<thing>")

    return repr([1, Thing()])


@program(refused="list")
def list_of_iterator():
    return list(Countdown(4, at=2))


@program(refused="extend")
def extend_with_generator():
    items = [0]
    items.extend(pause(x, x == 1) for x in range(3))
    return items

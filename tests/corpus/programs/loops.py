"""Loops: where the iterator stands, what else and break skip, what lies under the iterator."""


class Countdown:
    """An iterator written in Python."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


@program
def for_range():
    out = []
    for i in range(10):
        out.append(pause(i * i, i == 5))
    return out, i


@program
def for_range_step():
    return [pause(i, i == 4) for i in range(10, -10, -3)]


@program
def for_range_big():
    out = []
    for i in range(2**70, 2**70 + 5):
        out.append(pause(i - 2**70, i == 2**70 + 2))
    return out


@program
def for_list_that_grows():
    items, out = [1, 2, 3], []
    for item in items:
        out.append(pause(item, item == 2))
        if len(items) < 6:
            items.append(item * 10)
    return out, items


@program
def for_list_that_shrinks():
    items, out = [1, 2, 3, 4, 5, 6], []
    for item in items:
        out.append(pause(item, item == 3))
        items.pop()
    return out, items


@program
def for_tuple():
    return [pause(x, x == 2) for x in (1, 2, 3)]


@program
def for_text():
    out = []
    for c in "añ€😀z":
        out.append(pause(c, c == "€"))
    return out


@program
def for_bytes():
    out = []
    for b in b"abc":
        out.append(pause(b, b == 98))
    return out


@program
def for_bytearray():
    data, out = bytearray(b"abc"), []
    for b in data:
        out.append(pause(b, len(out) == 1))
        if len(data) < 5:
            data.append(b + 1)
    return out


@program
def for_dict():
    out = []
    for key in {"a": 1, "b": 2, "c": 3}:
        out.append(pause(key, key == "b"))
    return out


@program
def for_dict_items():
    out, d = [], {"a": 1, "b": [2], "c": 3}
    for key, value in d.items():
        out.append((key, pause(value, key == "b")))
        d[key] = 0
    return out, d


@program
def for_dict_values():
    return [pause(v, v == 2) for v in {"a": 1, "b": 2, "c": 3}.values()]


@program
def for_dict_reversed():
    return [pause(k, k == "b") for k in reversed({"a": 1, "b": 2, "c": 3})]


@program
def for_set():
    out = []
    for n in {1, 2, 3}:
        out.append(pause(n, n == 2))
    return sorted(out)


@program
def for_frozenset():
    out = []
    for n in frozenset((1, 2, 3)):
        out.append(pause(n, n == 2))
    return sorted(out)


@program
def for_enumerate():
    out = []
    for i, c in enumerate("abcd", 10):
        out.append((i, pause(c, c == "b")))
    return out


@program
def for_zip():
    return [(a, pause(b, a == 2)) for a, b in zip([1, 2, 3], "abc")]


@program
def for_zip_strict():
    out = []
    try:
        for a, b in zip([1, 2, 3], "ab", strict=True):
            out.append((a, pause(b, a == 2)))
    except ValueError as error:
        out.append(str(error))
    return out


@program
def for_reversed_list():
    return [pause(x, x == 3) for x in reversed([1, 2, 3, 4])]


@program
def for_reversed_range():
    return [pause(x, x == 2) for x in reversed(range(5))]


@program
def for_sorted():
    return [pause(x, x == 2) for x in sorted({3, 1, 2})]


@program
def for_map_builtin():
    return [pause(x, x == "2") for x in map(str, [1, 2, 3])]


@program
def for_filter_none():
    return [pause(x, x == 2) for x in filter(None, [0, 1, 2, 0, 3])]


@program
def for_map_lambda_between_calls():
    return [pause(x, x == 4) for x in map(lambda n: n * 2, [1, 2, 3])]


@program
def for_iter_sentinel():
    items = [3, 2, 1, 0]
    return [pause(x, x == 2) for x in iter(items.pop, 3)]


@program
def for_old_sequence():
    class Old:
        def __getitem__(self, i):
            if i > 4:
                raise IndexError
            return i * 10

    return [pause(x, x == 20) for x in Old()]


@program
def for_own_iterator():
    out = []
    for n in Countdown(6):
        out.append(pause(n, n == 3))
    return out


@program
def for_else():
    out = []
    for i in range(3):
        out.append(pause(i, i == 2))
    else:
        out.append("else")
    return out


@program
def for_else_in_else():
    out = []
    for i in range(2):
        pass
    else:
        out.append(pause("else"))
    return out, i


@program
def for_break_skips_else():
    out = []
    for i in range(5):
        for j in range(5):
            if j == 3:
                break
            pause(None, (i, j) == (2, 1))
        else:
            out.append("never")
        out.append((i, j))
    else:
        out.append("else")
    return out


@program
def for_continue():
    out = []
    for i in range(6):
        if pause(i, i == 3) % 2:
            continue
        out.append(i)
    return out


@program
def for_return_inside():
    for i in range(5):
        for j in "abc":
            if pause((i, j), (i, j) == (1, "b")) == (1, "b"):
                return i, j
    return None


@program
def for_target_attribute_and_subscript():
    class Box:
        pass

    box, items = Box(), [None, None]
    for box.x, items[1] in [(1, 2), (3, 4), (5, 6)]:
        pause(None, box.x == 3)
        note(box.x, items[1])
    return items


@program
def for_starred_target():
    out = []
    for first, *rest in [(1, 2, 3), (4,), (5, 6)]:
        out.append((pause(first, first == 4), rest))
    return out


@program
def for_iterable_expression():
    out = []
    for x in [1, 2] + pause([3]) + [4]:
        out.append(x)
    return out


@program
def for_three_deep():
    out = []
    for a in range(3):
        for b in (a, a + 1):
            for c in {"x": 1, "y": 2}.items():
                out.append((a, b, pause(c, (a, b, c) == (1, 2, ("x", 1)))))
    return out


@program
def for_iterator_shared():
    numbers = iter([1, 2, 3, 4, 5, 6])
    out = []
    for a in numbers:
        out.append((a, next(numbers)))
        pause(None, a == 3)
    return out, list(numbers)


@program
def for_iterator_shared_outside():
    numbers = iter(range(8))
    out = []
    for a in numbers:
        for b in numbers:
            out.append((a, pause(b, b == 3)))
            if b % 3 == 0:
                break
    return out


@program
def for_itertools():
    from itertools import chain, count, cycle, islice, repeat, takewhile

    out = []
    for x in chain([1, 2], (3, 4)):
        out.append(pause(x, x == 2))
    out.extend(islice(count(5, 2), 3))
    out.extend(islice(cycle("ab"), 3))
    out.extend(repeat("r", 2))
    out.extend(takewhile((3).__gt__, [1, 2, 3]))
    return out


@program
def for_deque():
    from collections import deque

    out = []
    for x in deque([1, 2, 3]):
        out.append(pause(x, x == 2))
    return out


@program
def while_condition():
    n = 0
    while pause(n, n == 3) < 6:
        n += 1
    else:
        n += 100
    return n


@program
def while_body():
    n, steps = 27, 0
    while n != 1:
        n = pause(n // 2 if n % 2 == 0 else 3 * n + 1, steps == 50)
        steps += 1
    else:
        steps += 1000
    return steps


@program
def while_true_break():
    out = []
    while True:
        out.append(pause(len(out), len(out) == 3))
        if len(out) == 6:
            break
    else:
        out.append("never")
    return out


@program
def while_in_for():
    out = []
    for i in range(4):
        while i > 0:
            i -= 1
            out.append(pause(i, len(out) == 3))
    return out


@program
def while_walrus():
    items, out = [1, 2, 3, 4], []
    while (item := pause(items.pop(), len(items) == 2)) > 1:
        out.append(item)
    return out, item


@program
def loop_over_pairs_with_try():
    out = []
    for i in range(4):
        try:
            if i == 1:
                continue
            out.append(pause(10 // (2 - i), i == 3))
        except ZeroDivisionError:
            out.append("zero")
    return out


@program
def loop_variable_deleted():
    for i in range(3):
        del i
    pause(None)
    try:
        return i
    except UnboundLocalError:
        return "unbound"


@program
def loop_over_file_like():
    import io

    out = []
    for line in io.StringIO("one\ntwo\nthree\n"):
        out.append(pause(line, line.startswith("two")))
    return out


@program
def loop_range_exhausted_iterator():
    numbers = iter(range(3))
    for _ in numbers:
        pass
    pause(None)
    return list(numbers), next(numbers, "end")


@program
def loop_ten_deep():
    n = 0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                for d in range(2):
                    for e in range(2):
                        for f in range(2):
                            for g in range(2):
                                for h in range(2):
                                    for i in range(2):
                                        for j in range(2):
                                            n += pause(j, (a, b, c, d, e, f, g, h, i, j) == (0, 1) * 5)
    return n, a, j

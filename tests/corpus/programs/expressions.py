"""Partly evaluated expressions: what lies on the evaluation stack while one operand is computed."""


def pair(*args, **kwargs):
    return args, sorted(kwargs.items())


@program
def call_argument():
    return pair(note(1), pause(2), note([3]), key=4)


@program
def call_first_argument():
    return pair(pause(1), note(2))


@program
def call_callee():
    return pause(pair)(1, x=2)


@program
def call_keyword():
    return pair(1, a=pause(2), b=note(3))


@program
def call_star():
    args, kwargs = [1, 2], {"x": 3}
    return pair(*args, pause(4), *args, y=5, **kwargs)


@program
def call_star_itself():
    return pair(0, *pause([1, 2]), 3, *[4], k=5)


@program
def call_double_star_itself():
    return pair(1, a=2, **pause({"b": 3}), **{"c": 4})


@program
def call_star_keyword():
    args, kwargs = [1, 2], {"x": 3}
    return pair(*args, y=pause(5), **kwargs)


@program
def call_of_call_of_call():
    def outer(a):
        return lambda b: lambda c: (a, b, pause(c))

    return outer(1)(2)(3)


@program
def call_chain_of_methods():
    return " a,b ".strip().replace("a", pause("x")).split(",")


@program
def call_method_argument():
    return "-".join(["a", pause("b"), "c"])


@program
def call_builtin_argument():
    return max(1, pause(7), 3), divmod(17, 5)


@program
def call_type_argument():
    return int(pause("11"), 2), list((1, 2)), dict(a=1)


@program
def call_twenty_arguments():
    return pair(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, pause(15), 16, 17, 18, 19, 20)


@program
def call_nested_in_arguments():
    return pair(pair(1, pair(2, pause(3))), pair(4))


@program
def fstring_value():
    return f"{1:>3}|{pause('x')!r:>5}|{2 + 3}|{'tail'}"


@program
def fstring_format_spec():
    return f"{'a'}{3.14159:{pause(8)}.{2}f}{'b'}"


@program
def fstring_nested():
    return f"<{f'[{pause(1)}]'}{2}>"


@program
def fstring_debug():
    value = 5
    return f"{value=} {pause(6)=}"


@program
def percent_format():
    return "%s-%s-%d" % (1, pause("two"), 3)


@program
def subscript_index():
    table = {"k": [1, 2, 3]}
    return table["k"][pause(1)]


@program
def subscript_container():
    return pause([1, 2, 3])[1] + 10


@program
def subscript_tuple():
    return {(1, 2): "found"}[1, pause(2)]


@program
def slice_parts():
    return list(range(10))[1 : pause(8) : 2]


@program
def slice_store():
    items = list(range(6))
    items[1 : pause(3)] = ["a", "b", "c"]
    return items


@program
def slice_delete():
    items = list(range(6))
    del items[pause(1) : 3]
    return items


@program
def store_subscript_value():
    items = [0, 0, 0]
    items[1] = pause("set")
    return items


@program
def store_subscript_index():
    items = [0, 0, 0]
    items[pause(1)] = note("value first")
    return items


@program
def store_attribute():
    class Thing:
        pass

    thing = Thing()
    thing.x = thing.y = pause([1])
    return thing.x, thing.x is thing.y


@program
def delete_subscript():
    d = {"a": 1, "b": 2}
    del d[pause("a")], d["b"]
    return d


@program
def assignment_to_many():
    items = [0, 0]
    a = items[0] = b = pause([5])
    return a is b, items


@program
def assignment_order():
    items = {}
    items[note("first")], items[pause("second")] = note("value"), 2
    return items


@program
def unpack():
    a, (b, *c), d = pause((1, (2, 3, 4), 5))
    return a, b, c, d


@program
def unpack_wrong_length():
    a, b = pause((1, 2, 3))


@program
def swap():
    a, b, c = 1, 2, 3
    a, b, c = pause(c), a, b
    return a, b, c


@program
def augmented_name():
    total = 10
    total += pause(5)
    total **= 2
    return total


@program
def augmented_subscript():
    items = {"a": [1]}
    same = items["a"]
    items["a"] += pause([2, 3])
    return items, same is items["a"]


@program
def augmented_subscript_index():
    items = [1, 2, 3]
    items[pause(1)] *= 10
    return items


@program
def augmented_attribute():
    class Thing:
        n = 1

    thing = Thing()
    thing.n -= pause(5)
    return thing.n, Thing.n


@program
def augmented_slice():
    items = [1, 2, 3]
    items[1:] += pause([4])
    return items


@program
def arithmetic():
    a = 3
    return a * 2 + -pause(4) ** 2 // 3 - a


@program
def arithmetic_deep():
    return 1 + (2 + (3 + (4 + (5 + (6 + (7 + pause(8)))))))


@program
def bitwise():
    return ~pause(5) & 0xFF | 1 << 10 ^ 3 >> 1


@program
def compare():
    return 1 < pause(5), 2 in [1, 2], 3 is not None


@program
def compare_chain_first():
    return 1 < pause(5) < 10


@program
def compare_chain_short():
    return 9 < pause(5) < note(10)


@program
def compare_chain_long():
    return 1 < 2 <= 2 < pause(3) != 4 in [note(4)]


@program
def compare_in_container():
    return pause(2) in (1, 2), 3 not in {3: 1}


@program
def boolean_or():
    return 0 or pause("") or note("last")


@program
def boolean_and():
    return 1 and pause(2) and note(3)


@program
def boolean_not():
    return not pause(0), not note(1)


@program
def boolean_mixed():
    return (0 or (1 and pause([]))) or (note(2) and not 3)


@program
def conditional_test():
    return note("yes") if pause(True) else note("no")


@program
def conditional_branch():
    return 1 + (2 if 0 else pause(3)) + 4


@program
def conditional_nested():
    return "a" if 0 else "b" if pause(0) else "c"


@program
def walrus():
    return [y := pause(5), y**2], y


@program
def walrus_in_condition():
    if (n := pause(7)) > 5 and (m := n * 2):
        return n, m


@program
def walrus_in_comprehension():
    return [last := pause(x, x == 1) for x in range(3)], last


@program
def display_list():
    return [note(1), pause(2), note(3)]


@program
def display_tuple():
    return 1, (2, pause(3), [4]), 5


@program
def display_set():
    return sorted({1, pause(2), 3})


@program
def display_dict_key():
    return {"a": 1, pause("b"): note(2), "c": 3}


@program
def display_dict_value():
    return {"a": 1, "b": pause(2), **{"c": 3}}


@program
def display_dict_unpack():
    return {"a": 1, **pause({"b": 2}), "c": 3}


@program
def display_star():
    return [*"ab", *pause([1, 2]), *(3, 4)], (*[5], 6)


@program
def display_nested():
    return {"a": [1, {2, 3}, (4, {"b": [pause(5)]})]}


@program
def return_expression():
    return pause(1)


@program
def expression_statement():
    pause(1)


@program
def lambda_body():
    return (lambda a, b=2, *c, d: (a, b, c, pause(d)))(1, d=4)


@program
def lambda_default():
    made = lambda a=pause(5), *, b=6: (a, b)
    return made(), made(1, b=2)


@program
def function_default():
    def made(a, b=pause([1]), *, c=note(3)):
        return a, b, c

    return made(0), made.__defaults__, made.__kwdefaults__


@program
def function_annotation():
    def made(a: note("x"), b: pause(int) = 1) -> note("r"):
        return a, b

    return made(1), sorted(made.__annotations__)


@program
def decorator_expression():
    def deco(tag):
        def decorate(function):
            note("applied", tag)
            return lambda *a: (tag, function(*a))

        return decorate

    @deco(note("outer"))
    @deco(pause("inner"))
    def made(x):
        return x

    return made(1)


@program
def assert_test():
    assert pause(True), note("message")
    return "fine"


@program
def delete_names():
    a = b = pause([1])
    del a
    return b


@program
def import_in_function():
    import math

    pause()
    from os import path as place

    return math.floor(2.5), place.basename("a/b")


@program
def star_call_of_generator_result():
    return pair(*[pause(x, x == 1) for x in range(3)], **{k: k for k in "ab"})


@program
def match_subject():
    match pause({"k": [1, 2, 3]}):
        case {"k": [first, *rest], **more}:
            return first, rest, more


@program
def match_guard():
    out = []
    for value in ({"k": [1, 2]}, [3, 4], 5, "six", None):
        match value:
            case {"k": [first, *rest]} if pause(first, True) == 1:
                out.append(("mapping", first, rest))
            case [int(x), y] if x < y:
                out.append(("pair", x, y))
            case int(n) | str(n):
                out.append(("either", n))
            case _:
                out.append("other")
    return out


@program
def match_guard_false():
    match [1, 2, [3]]:
        case [a, b, [c]] if pause(0):
            return "never", a
        case [a, *others] if others:
            return a, others, b, c


@program
def match_class_pattern():
    class Point:
        __match_args__ = ("x", "y")

        def __init__(self, x, y):
            self.x, self.y = x, y

    match Point(1, Point(2, 3)):
        case Point(x, Point(y=inner)) if pause(True):
            return x, inner


@program
def match_body():
    match (1, "b", [2]):
        case (a, str() as s, [*items]):
            pause()
            return a, s, items


@program
def print_to_log():
    import io

    out = io.StringIO()
    print("a", pause("b"), "c", sep="-", file=out)
    return out.getvalue()


@program
def big_numbers():
    return 2**200 + pause(3**100) - (10**50), 1.5 + 2j


@program
def global_assigned():
    global CORPUS_GLOBAL
    CORPUS_GLOBAL = [1]
    pause()
    CORPUS_GLOBAL.append(2)
    kept = CORPUS_GLOBAL
    del CORPUS_GLOBAL
    return kept, "CORPUS_GLOBAL" in globals()

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
    return 1 < pause(5), 2 in [1, 2], note is not None


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
def star_call_of_generator_result():
    return pair(*[pause(x, x == 1) for x in range(3)], **{k: k for k in "ab"})


@program
def print_to_log():
    import io

    out = io.StringIO()
    print("a", pause("b"), "c", sep="-", file=out)
    return out.getvalue()


@program
def big_numbers():
    return 2**200 + pause(3**100) - (10**50), 1.5 + 2j

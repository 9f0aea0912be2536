"""Comprehensions of every kind, inlined and not."""


@program
def comprehension_list():
    return [(x, y) for x in range(4) for y in range(x) if pause(x + y, (x, y) == (3, 1)) % 2]


@program
def comprehension_set():
    return sorted({pause(x, x == 4) % 3 for x in range(9)})


@program
def comprehension_dict():
    return {pause(k, k == "b"): v for k, v in zip("abc", range(3))}


@program
def comprehension_dict_value():
    return {k: pause(v, k == "b") for k, v in zip("abc", range(3))}


@program
def comprehension_first_iterable():
    return [x for x in pause([1, 2, 3])]


@program
def comprehension_inner_iterable():
    return [y for x in range(3) for y in pause([x], x == 1) * 2]


@program
def comprehension_nested():
    n = 3
    return [[pause(i * j + n, (i, j) == (1, 2)) for j in range(n)] for i in range(n)]


@program
def comprehension_keeps_outer_name():
    x = "outer"
    inner = [pause(x, x == 1) for x in range(3)]
    return x, inner


@program
def comprehension_with_closure():
    return [f() for f in [lambda i=i: pause(i, i == 1) for i in range(3)]]


@program
def comprehension_cell():
    made = [lambda: i for i in range(3)]
    pause()
    return [f() for f in made]


@program
def comprehension_cell_inside():
    return [(lambda: pause(i, i == 1) + i)() for i in range(3)]


@program
def comprehension_exception():
    x = "outer"
    try:
        [1 // pause(0, True) for x in range(3)]
    except ZeroDivisionError:
        return x


@program
def comprehension_in_class_body_after():
    pause()

    class Made:
        n = 3
        items = [i for i in range(n)]

    return Made.items


newer("inlined_comprehension_names", '''
def inlined_comprehension_names():
    x, y = "x", "y"
    out = [(x, [(y, pause(z, (x, y, z) == (1, 0, 1))) for y in range(2) for z in range(2)]) for x in range(2)]
    return x, y, out
''', since=(3, 12))


newer("inlined_comprehension_unbound", '''
def inlined_comprehension_unbound():
    out = [pause(x, x == 1) for x in range(3)]
    try:
        return x
    except NameError:
        return out
''', since=(3, 12))


newer("inlined_comprehension_locals", '''
def inlined_comprehension_locals():
    a = 1
    return [(pause(b), sorted(locals())) for b in range(1)], a
''', since=(3, 12))


@program
def comprehension_over_a_cell():
    c = "outer"

    def inner():
        return c

    out = [pause(c, c == 1) for c in range(3)]
    return inner(), out, c


@program
def comprehension_over_a_cell_of_its_own():
    c = "outer"

    def inner():
        return c

    out = [(lambda: c)() + pause(c, c == 1) for c in range(3)]
    return inner(), out


@program
def comprehension_over_an_unbound_cell():
    def inner():
        return c

    out = {pause(c, c == 1): None for c in range(3)}
    c = "late"
    return inner(), sorted(out)


@program
def comprehension_over_an_argument_cell():
    def outer(c):
        def inner():
            nonlocal c
            c += 1
            return c

        return [[c, pause(c, c == 1)] for c in range(3)], inner(), c

    return outer(10)

"""Functions that capture themselves in the middle of one construct each.

This is the source of scripts that run as `__main__` (see test_resume.py), never an imported module. Every
job calls `here(value)` once with a true `when`: it captures under the key of the job and gives the value
back, in the original and in every resumed stack. So a resumed job has to return what the original does.
"""

import torpor

KEY = None
LOG = []


def here(value, when=True):
    """Captures when it is time; gives the value back in any case."""
    if when and KEY is not None:
        torpor.capture(key=KEY)
    return value


def pair(*args, **kwargs):
    return args, sorted(kwargs.items())


class Guard:
    """A context manager that notes what happens to it."""

    def __init__(self, log, name, swallow=()):
        self.log, self.name, self.swallow = log, name, swallow

    def __enter__(self):
        self.log.append(f"enter {self.name}")
        return self

    def __exit__(self, kind, value, traceback):
        self.log.append(f"exit {self.name} {kind and kind.__name__}")
        return kind is not None and issubclass(kind, self.swallow)


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


# Loops


def job_for_range():
    out = []
    for i in range(10):
        out.append(here(i * i, i == 5))
    return out


def job_for_list_that_grows():
    items, out = [1, 2, 3], []
    for item in items:
        out.append(here(item, item == 2))
        if len(items) < 6:
            items.append(item * 10)
    return out, items


def job_for_tuple_and_text():
    out = []
    for a in (1, 2, 3):
        for c in "xyz":
            out.append(f"{a}{here(c, a == 2 and c == 'y')}")
    return out


def job_for_dict_items():
    out, d = [], {"a": 1, "b": [2], "c": 3}
    for key, value in d.items():
        out.append((key, here(value, key == "b")))
    return out


def job_for_enumerate_zip():
    out = []
    for i, (a, b) in enumerate(zip([1, 2, 3, 4], "abcd")):
        out.append((i, a, here(b, i == 2)))
    return out


def job_for_reversed_and_sorted():
    return [here(x, x == 3) for x in reversed([1, 2, 3, 4])], [here(x, False) for x in sorted({3, 1, 2})]


def job_for_own_iterator():
    out = []
    for n in Countdown(6):
        out.append(here(n, n == 3))
    return out


def job_for_else_and_break():
    out = []
    for i in range(5):
        for j in range(5):
            if j == 3:
                break
            here(None, (i, j) == (2, 1))
        else:
            out.append("never")
        out.append((i, j))
    else:
        out.append("else")
    return out


def job_while():
    n, steps = 27, 0
    while n != 1:
        n = here(n // 2 if n % 2 == 0 else 3 * n + 1, steps == 50)
        steps += 1
    else:
        steps += 1000
    return steps


# with, try


def job_with():
    log = []
    with Guard(log, "a") as a, Guard(log, "b"):
        log.append(here("inside"))
        log.append(a.name)
    return log


def job_with_exception_after():
    log = []
    with Guard(log, "outer", swallow=ValueError):
        with Guard(log, "inner"):
            here(None)
            raise ValueError("later")
    return log


def job_with_in_loop_return():
    log = []

    def inner():
        for i in range(3):
            with Guard(log, i):
                if here(i, i == 1) == 2:
                    return i

    return inner(), log


def job_try_else_finally():
    log = []
    for i in range(3):
        try:
            log.append(here(i, i == 1))
            if i == 2:
                raise KeyError(i)
        except KeyError as error:
            log.append(error.args)
        else:
            log.append("else")
        finally:
            log.append("finally")
    return log


def job_except_then_bare_raise():
    log = []
    try:
        try:
            raise ValueError("first")
        except ValueError as error:
            log.append(here(str(error)))
            raise
    except ValueError as error:
        log.append(("again", error.args, error.__context__))
    return log


def job_except_context_chain():
    try:
        try:
            raise ValueError("first")
        except ValueError:
            here(None)
            raise KeyError("second")
    except KeyError as error:
        return type(error.__context__).__name__, error.__context__.args


def job_except_nested():
    import sys

    log = []
    try:
        raise ValueError(1)
    except ValueError:
        try:
            raise TypeError(2)
        except TypeError:
            here(None)
            log.append(repr(sys.exc_info()[1]))
        log.append(repr(sys.exc_info()[1]))
    log.append(repr(sys.exc_info()[1]))
    return log


def job_finally_pending_return():
    log = []

    def inner():
        for i in range(3):
            try:
                return f"value {i}"
            finally:
                log.append(here("finally"))
        return "not reached"

    return inner(), log


def job_finally_pending_exception():
    log = []
    try:
        try:
            raise ValueError("pending")
        finally:
            log.append(here("finally"))
    except ValueError as error:
        log.append(error.args)
    return log


def job_finally_break():
    out = []
    for i in range(4):
        try:
            continue
        finally:
            out.append(here(i, i == 2))
            if i == 3:
                break
    return out


def job_except_group():
    log = []
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as group:
        log.append([here(e.args[0]) for e in group.exceptions][0])
    except* (TypeError, KeyError) as group:
        log.append([e.args[0] for e in group.exceptions])
    return log


# Closures


def job_nonlocal():
    count = 0

    def step(by):
        nonlocal count
        count += here(by, count == 3)
        return count

    return [step(1) for _ in range(6)], count


def job_shared_cells():
    box = 1

    def add():
        nonlocal box
        box += 10

    def get():
        return box

    add()
    here(None)
    add()
    box += 100
    return get(), box


def job_recursive_closure():
    def fact(n):
        return here(1) if n == 0 else n * fact(n - 1)

    return fact(12)


def job_loop_closures():
    made = []
    for i in range(4):
        made.append(lambda x, i=i: x * i + here(0, i == 2 and x == 5))
    return [f(5) for f in made]


def job_super_and_class_cell():
    class Base:
        def go(self, x):
            return ["base", here(x)]

    class Derived(Base):
        def go(self, x):
            return [__class__.__name__, *super().go(x + 1)]

    return Derived().go(1)


def job_decorated():
    def twice(function):
        def wrapper(*args):
            return function(*args) + function(*args)

        return wrapper

    calls = []

    @twice
    def noted(x):
        calls.append(x)
        return here(x, len(calls) == 1)

    return noted(4), calls


# In the middle of expressions


def job_call_argument():
    return pair(1, here(2), [3], key=4)


def job_call_keyword_argument():
    return pair(1, a=here(2), b=3)


def job_call_star():
    args, kwargs = [1, 2], {"x": 3}
    return pair(*args, here(4), *args, y=5, **kwargs)


def job_call_star_keyword():
    args, kwargs = [1, 2], {"x": 3}
    return pair(*args, y=here(5), **kwargs)


def job_method_argument():
    return "-".join(["a", here("b")]).replace(here("a", False), "z"), [1, 2].index(here(2, False))


def job_builtin_argument():
    return max(1, here(7), 3), divmod(17, here(5, False))


def job_fstring():
    return f"{1:>3}|{here('x')!r:>5}|{2 + 3}|{'tail'}"


def job_subscript():
    table = {"k": [1, 2, 3]}
    return table["k"][here(1)], [1, 2, 3, 4][here(1, False) : 3]


def job_slice():
    return list(range(10))[1 : here(8) : 2]


def job_store_subscript():
    items = [0, 0, 0]
    items[here(1)] = "set"
    return items


def job_store_attribute():
    class Thing:
        pass

    thing = Thing()
    thing.x = thing.y = here([1])
    return thing.x, thing.x is thing.y


def job_comparison_chain():
    return 1 < here(5) < 10, 1 < here(5, False) < 3, 2 in [1, here(2, False)]


def job_augmented():
    total, items = 10, [1, 2]
    total += here(5)
    items[1] *= here(7, False)
    return total, items


def job_augmented_subscript():
    items = {"a": [1]}
    items["a"] += here([2, 3])
    return items


def job_arithmetic():
    a = 3
    return a * 2 + -here(4) ** 2 // 3 - a


def job_displays():
    return [1, here(2), 3], (4, 5), {6, 7}, {"a": 8, **{"b": 9}}


def job_tuple_display():
    return 1, (2, here(3), [4]), 5


def job_dict_display():
    return {"a": 1, here("b"): 2, "c": here(3, False)}


def job_set_display():
    return sorted({1, here(2), 3})


def job_star_display():
    return [*"ab", *here([1, 2]), *(3, 4)]


def job_boolean():
    return (0 or here("") or "last", here(1, False) and 2, not here(0, False))


def job_conditional():
    return "yes" if here(True) else "no"


def job_walrus():
    return [y := here(5), y**2], y


def job_unpack():
    a, (b, *c), d = here((1, (2, 3, 4), 5))
    return a, b, c, d


def job_list_comprehension():
    return [(x, y) for x in range(4) for y in range(x) if here(x + y, (x, y) == (3, 1)) % 2]


def job_dict_and_set_comprehension():
    return {k: here(v, k == "b") for k, v in zip("abc", range(3))}, sorted({x % 3 for x in range(9)})


def job_nested_comprehension():
    n = 3
    return [[here(i * j + n, (i, j) == (1, 2)) for j in range(n)] for i in range(n)]


def job_lambda():
    return (lambda a, b=2, *c, d: (a, b, c, here(d)))(1, d=4)


def job_assert():
    assert here(True), "message"
    return "fine"


def job_del():
    a = b = here([1])
    del a
    return b


def job_import_inside():
    import math

    here(None)
    from os import path

    return math.floor(2.5), path.basename("a/b")


def job_match():
    def kind(value):
        match value:
            case {"k": [first, *rest]} if here(True):
                return "mapping", first, rest
            case [int(x), y]:
                return "pair", x, y
            case _:
                return "other"

    return kind({"k": [1, 2, 3]}), kind([1, 2]), kind(None)


def job_return_tuple_swap():
    a, b = 1, 2
    a, b = here(b), a
    return a, b


# Calls


def job_positional_only():
    def f(a, b, /, c, *, d=4):
        return a, b, here(c), d

    return f(1, 2, c=3)


def job_varargs_frame():
    def f(*args, **kwargs):
        extra = here("extra")
        return args, kwargs, extra

    return f(*[1, 2], **{"x": 3})


def job_defaults():
    def f(a, b=[], *, c=()):
        b.append(here(a))
        return b, c

    return f(1), f(2)


def job_methods():
    class Thing:
        scale = 2

        def __init__(self):
            self.n = 1

        def go(self, x):
            self.n += here(x)
            return self.n * self.scale

        @classmethod
        def make(cls):
            return cls().go(5)

        @staticmethod
        def static(x):
            return x + here(1, False)

    return Thing.make(), Thing.static(1)


def job_deep():
    def level(n):
        mine = [n]
        if n == 0:
            return here(mine)
        inner = level(n - 1)
        return mine + inner

    return level(15)


def job_recursion_500():
    def level(n):
        return here(0) if n == 0 else 1 + level(n - 1)

    return level(500)


def job_many_locals():
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 = range(10)
    b0, b1, b2, b3, b4, b5, b6, b7, b8, b9 = "abcdefghij"
    here(None)
    return a0 + a9, b0 + b9, a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8, b1 + b2 + b3 + b4 + b5 + b6 + b7 + b8


def job_unbound_local():
    if KEY == "never":
        ghost = 1
    here(None)
    try:
        return ghost
    except UnboundLocalError:
        return "unbound"


def job_globals():
    global LOG
    LOG.append(1)
    here(None)
    LOG.append(2)
    LOG = LOG + [3]
    return LOG


def job_new_function_after():
    here(None)

    def made(x):
        return x + 1

    class Made:
        y = made(1)

    return made(1), Made.y, [made(i) for i in range(3)], sum(range(4))


def job_comprehension_whose_variable_is_a_cell_outside():
    c = "outer"

    def inner():
        return c

    try:
        made = [[here(c, c == 1), inner] for c in range(3)]
        ended = {c: (lambda: c)() for c in range(2) for _ in [1 // (1 - c)]}
    except ZeroDivisionError:
        ended = None
    return [(n, f()) for n, f in made], ended, inner(), c


class Raw(list):
    """A list whose own iterator runs in frames, whatever its __iter__ does."""

    asked = 0

    def __iter__(self):
        self.asked += 1
        return super().__iter__()


def job_iteration_over_a_subclass():
    raw, out = Raw([1, 2, 3]), []
    for n in raw:
        out.append(here(n, n == 2))
    return out, raw.asked, super(Raw, raw).__len__()

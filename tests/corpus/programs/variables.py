"""Variables: unbound, deleted, aliased, many; recursion; what locals() says."""

import re


@program
def function_attributes():
    def counted():
        counted.calls += 1
        return counted.calls

    counted.calls = 0
    counted()
    pause()
    return counted(), vars(counted)


@program
def mutable_default():
    def f(a, b=[], *, c=()):
        b.append(pause(a, a == 1))
        return list(b), c

    return f(1), f(2)


@program
def positional_and_keyword_only():
    def f(a, b, /, c, *, d=4):
        return a, b, pause(c), d

    return f(1, 2, c=3)


@program
def varargs():
    def f(*args, **kwargs):
        extra = pause("extra")
        args += (3,)
        kwargs["y"] = extra
        return args, kwargs

    return f(*[1, 2], **{"x": 3})


@program
def argument_rebound():
    def f(a, b):
        a, b = [b], a
        pause()
        return a, b

    return f(1, 2)


@program
def unbound_local():
    if LOG == "never":
        ghost = 1
    pause()
    try:
        return ghost
    except UnboundLocalError:
        return "unbound"


@program
def unbound_then_bound():
    pause()
    late = 3
    return late


@program
def deleted_local():
    gone = [1]
    del gone
    pause()
    try:
        gone
    except UnboundLocalError:
        gone = 2
    return gone


@program
def locals_call():
    a, b = 1, [2]
    pause()
    c = 3
    return sorted(locals().items())


@program
def locals_call_before():
    a = 1
    seen = locals()
    pause()
    return sorted(seen)


@program
def dead_local_after():
    gone = iter(range(1000))
    next(gone)
    pause()
    gone = None
    return gone


@program
def aliases():
    a = [1]
    b, c = a, {"a": a}
    pause()
    a.append(2)
    return a is b, c["a"] is a, b, c


@program
def aliases_across_frames():
    shared = []

    def inner(mine):
        pause()
        mine.append(1)
        return mine

    got = inner(shared)
    return got is shared, shared


@program
def cycle_in_locals():
    a = []
    b = {"a": a}
    a.append(b)
    pause()
    return a[0]["a"] is a


@program
def recursion_500():
    def level(n):
        return pause(0) if n == 0 else 1 + level(n - 1)

    return level(500)


@program
def recursion_3000():
    def level(n, items):
        if n == 0:
            return pause(items[:3])
        items.append(n)
        try:
            return level(n - 1, items)
        finally:
            items.pop()

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10000)
    try:
        items = []
        return level(3000, items), items
    finally:
        sys.setrecursionlimit(limit)


@program
def recursion_error_after():
    def for_ever(n):
        return for_ever(n + 1)

    pause()
    try:
        for_ever(0)
    except RecursionError as error:
        return type(error).__name__


@program
def frames_with_locals_of_their_own():
    def level(n):
        mine = [n]
        if n == 0:
            return pause(mine)
        inner = level(n - 1)
        return mine + inner

    return level(15)


@program
def new_function_after():
    pause()

    def made(x):
        return x + 1

    class Made:
        y = made(1)

    return made(1), Made.y, [made(i) for i in range(3)], sum(range(4))


@program
def globals_changed():
    global CORPUS_COUNT
    CORPUS_COUNT = 1
    pause()
    CORPUS_COUNT += 1
    return CORPUS_COUNT


@program
def many_values():
    data = {
        "int": [0, -1, 2**70], "float": [0.5, float("inf")], "complex": 1j, "bytes": b"x", "none": None,
        "set": frozenset((1, 2)), "range": range(3), "slice": slice(1, None), "type": int, "function": len,
        "ellipsis": ..., "bytearray": bytearray(b"y"),
    }
    pause()
    return sorted((k, repr(v)) for k, v in data.items())


class Money:
    """Rebuilt by its constructor, which uses globals that were made after it."""

    def __new__(cls, text):
        self = object.__new__(cls)
        amount, unit = money_in(text).groups()
        self.amount, self.unit = int(amount), OTHER_NAMES.get(unit, unit)
        return self

    def __reduce__(self):
        return Money, (f"{self.amount} {self.unit}",)

    def added(self, other):
        return Money(f"{self.amount + other.amount} {self.unit}")


money_in = re.compile(r"(\d+) (\w+)").match
OTHER_NAMES = {"EURO": "EUR"}
NOTHING = Money("0 EURO")
AT_LEAST = [NOTHING, NOTHING.added(Money("5 EURO"))]


@program
def globals_made_by_code_that_needs_globals():
    pause()
    total = AT_LEAST[1].added(Money("1 EURO"))
    return total.amount, total.unit, AT_LEAST[0] is NOTHING

"""Captures from C in every position of an expression. Prints what each resumed stack must return."""

import functools
import signal
import sys
import weakref

import host
from host import checkpoint

VALUE = 40


class Block:
    def __init__(self):
        self.seen = []

    def __enter__(self):
        self.seen.append("in")
        return self

    def __exit__(self, kind, value, traceback):
        self.seen.append(kind.__name__ if kind else "out")
        return kind is KeyError


def in_list():
    x = [1, host.checkpoint(), 2]
    return x


def imported():
    return [1, checkpoint(), 2]


def a_local():
    c, before = host.checkpoint, "before"
    return before, c(), c is host.checkpoint


def statement():
    host.checkpoint()
    return "done"


def one_argument():
    return host.one("x") + 1


def three_arguments():
    return "a", host.fast(1, [2], "three"), "b"


def keyword():
    return {"a": keyed_calls(), "b": 2}


def keyed_calls():
    return [0, host.keyed(key="a"), host.keyed.__name__]


def keyword_varied():
    return 1, host.varied("p", key="a"), 3


def star():
    args = ("a", 2)
    return 1, host.varied(*args), 3


def star_keywords():
    args, kwargs = ("a", 2), {"k": 1}
    return 1, host.varied(*args, **kwargs), 3


def star_fast():
    args = [5]
    return -host.fast(*args), args


def method():
    thing = host.Thing()
    return 1, thing.checkpoint(), 3


def method_one():
    thing = host.Thing()
    return 1, thing.one("x") * 2, 3


def bound_method():
    c = host.Thing().checkpoint
    return 1, c(), 3


def in_loop():
    total = []
    for i in range(4):
        total.append(host.checkpoint() if i == 2 else i)
    return total


def nested_loops():
    seen = []
    for a in (1, 2):
        for b in [10, 20]:
            seen.append(a * b + (host.checkpoint() if (a, b) == (2, 10) else 0))
    return seen


def in_while():
    n = 0
    while n < 5:
        n += 1
        if n == 3:
            n += host.one(n)
    return n


def in_with():
    with Block() as block:
        y = ("x", host.checkpoint(), len("abc"))
    return y, block.seen


def with_raises():
    with Block() as block:
        raise KeyError(host.checkpoint())
    return block.seen


def in_try():
    seen = []
    try:
        try:
            seen.append(host.checkpoint())
            raise ValueError("after")
        except ValueError as e:
            seen.append(str(e))
        finally:
            seen.append("finally")
    finally:
        seen.append("outer")
    return seen


def in_except():
    try:
        return 1 // 0
    except ZeroDivisionError as e:
        value = host.checkpoint()
        return value, type(e).__name__, sys.exc_info()[1] is e


def in_finally():
    seen = []
    try:
        seen.append(1)
    finally:
        seen.append(host.checkpoint())
    return seen


def a_closure():
    count = 1

    def inner(n):
        nonlocal count
        count += n * host.checkpoint()
        return count

    return inner(2) + 1, count


def deep(n=20):
    return n + (deep(n - 1) if n else host.checkpoint())


def with_defaults(a, /, b=2, *args, c=3, **kwargs):
    return a, b, args, c, kwargs, host.checkpoint()


def arguments():
    return with_defaults(1, 5, 6, 7, c=8, d=9)


def comprehension():
    return [host.checkpoint() if i == 1 else i for i in range(3)]


def formatted():
    return f"{1}:{host.checkpoint():>5}:{3}"


def unpacked():
    a, *b = 1, host.checkpoint(), 3
    return b, a


def chained():
    return 0 < host.checkpoint() < 100


def boolean():
    return host.checkpoint() and "yes"


def argument_of_builtin():
    return max(1, host.checkpoint(), -50, key=abs)


def index():
    return list(range(100))[host.checkpoint()]


def attribute():
    return host.checkpoint().bit_length()


def star_in_call():
    return max(*[1, 2], host.checkpoint(), *(3, 4))


def conditional():
    return "big" if host.checkpoint() > 30 else "small"


def recursion_through_method():
    class Node:
        def visit(self, n):
            return host.checkpoint() if n == 0 else self.visit(n - 1) + 1

    return Node().visit(3)


class Operator:
    def __add__(self, other):
        return host.checkpoint()

    @property
    def value(self):
        return host.checkpoint()


def through_operator():
    return Operator() + 1


def through_property():
    return [Operator().value]


SCENES = [
    in_list, imported, a_local, statement, one_argument, three_arguments, keyword, keyword_varied, star,
    star_keywords, star_fast, method, method_one, bound_method, in_loop, nested_loops, in_while, in_with,
    with_raises, in_try, in_except, in_finally, a_closure, deep, arguments, comprehension, formatted, unpacked,
    chained, boolean, argument_of_builtin, index, attribute, star_in_call, conditional,
    recursion_through_method, through_operator, through_property,
]  # fmt: skip


def through_sorted():
    return sorted([1], key=host.one)


def through_map():
    return list(map(lambda _: host.checkpoint(), [1]))


def through_partial():
    return functools.partial(host.checkpoint)()


def through_c():
    return host.call(host.checkpoint)


def through_c_and_python():
    def inner():
        return host.checkpoint()

    return host.call(inner)


def through_generator():
    return sum(host.checkpoint() for _ in range(2))


def through_profiler():
    sys.setprofile(host.fast)
    try:
        return [len("abc")]
    finally:
        sys.setprofile(None)


def through_signal():
    old = signal.signal(signal.SIGUSR1, host.fast)
    try:
        signal.raise_signal(signal.SIGUSR1)
        return [len("abc")]
    finally:
        signal.signal(signal.SIGUSR1, old)


def through_finalizer():
    told = []
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_value)
    kept = []
    try:
        id(watched(kept))
    finally:
        sys.unraisablehook = sys.__unraisablehook__
    raise told[0]


def watched(kept):
    block = Block()
    kept.append(weakref.ref(block, host.one))
    return block


REFUSED = [
    through_sorted, through_map, through_partial, through_c, through_c_and_python, through_generator,
    through_profiler, through_signal, through_finalizer,
]  # fmt: skip


def refused(scene):
    try:
        host.run(scene)
    except RuntimeError as e:
        if str(e).startswith("TORPOR_E_UNSUPPORTED_FRAME: cannot capture "):
            return True
        print(f"{scene.__name__}: {e}", file=sys.stderr)
    return False


def main():
    wrong = 0
    for scene in SCENES:
        for how in (sys.settrace, sys.setprofile):
            if not captured_traced(scene, how):
                print(f"{scene.__name__} was refused under sys.{how.__name__}", file=sys.stderr)
                wrong += 1
    for warm in (False, True):
        for scene in SCENES:
            name = f"{'warm' if warm else 'cold'} {scene.__name__}"
            host.mode(False, VALUE, name)
            for _ in range(300 if warm else 1):
                expected = scene()
            host.mode(True, VALUE, name)
            try:
                host.run(scene)
            except RuntimeError as e:
                print(f"{name}: {e}", file=sys.stderr)
                wrong += 1
                continue
            print(f"{name}\t{expected!r}")
            host.mode(False, VALUE, name)
            again = host.resume(name, VALUE)
            if again != expected:
                print(f"{name}: resumed at home, it returned {again}", file=sys.stderr)
                wrong += 1
        for scene in REFUSED:
            host.mode(True, VALUE, "refused")
            if not refused(scene):
                print(f"{scene.__name__} was not refused as it must be", file=sys.stderr)
                wrong += 1
    return wrong


def captured_traced(scene, how):
    """A debugger or profiler does not stand in the way."""
    host.mode(False, VALUE, "traced")
    expected = scene()
    host.mode(True, VALUE, "traced")
    how(lambda frame, event, arg: None)
    try:
        host.run(scene)
    except RuntimeError as e:
        assert str(e).startswith("TORPOR_E_UNSUPPORTED_FRAME: "), e
        return False
    finally:
        how(None)
    host.mode(False, VALUE, "traced")
    again = host.resume("traced", VALUE)
    assert again == expected, (scene, again, expected)
    return True


if __name__ == "__main__":
    sys.exit(main())

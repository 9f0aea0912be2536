"""Operators that run special methods: binary, reflected, in place, unary, comparisons. One program for each."""

BINARY = {
    "add": "+", "sub": "-", "mul": "*", "matmul": "@", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and": "&", "xor": "^", "or": "|",
}

COMPARE = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "gt": ">", "ge": ">="}

OPERATOR = """
def binary_{name}():
    class Number:
        def __{name}__(self, other):
            note("{name}", other)
            return ["result", pause(other)]

    return [note("first"), Number() {sign} 5, note("last")]


def reflected_{name}():
    class Number:
        def __r{name}__(self, other):
            note("r{name}", other)
            return ["result", pause(other)]

    return [note("first"), 5 {sign} Number(), note("last")]


def in_place_{name}():
    class Number:
        def __i{name}__(self, other):
            self.seen = pause(other)
            return self

    number = same = Number()
    number {sign}= 5
    return number is same, number.seen


def in_place_falls_back_{name}():
    class Number:
        def __{name}__(self, other):
            return "{name}", pause(other)

    items = [Number()]
    items[0] {sign}= 5
    return items


def not_implemented_{name}():
    class Number:
        def __{name}__(self, other):
            note("{name}")
            pause()
            return NotImplemented

        def __r{name}__(self, other):
            return "r{name}", type(other).__name__

    class Other(Number):
        __{name}__ = None

        def __r{name}__(self, other):
            return NotImplemented

    class Third:
        def __r{name}__(self, other):
            return "third"

    return Number() {sign} Third()
"""

for name, sign in BINARY.items():
    exec(OPERATOR.format(name=name, sign=sign))
    for kind in ("binary", "reflected", "in_place", "in_place_falls_back", "not_implemented"):
        program(globals().pop(f"{kind}_{name}"))

COMPARISON = """
def compare_{name}():
    class Number:
        def __{name}__(self, other):
            note("{name}", other)
            return ["result", pause(other)]

    return [note("first"), Number() {sign} 5, note("last")]


def compare_in_condition_{name}():
    class Number:
        def __{name}__(self, other):
            return pause([])

    if Number() {sign} 5:
        return "true"
    return "false"


def compare_not_implemented_{name}():
    class Number:
        def __{name}__(self, other):
            note("{name}")
            pause()
            return NotImplemented

    a, b = Number(), 5
    try:
        return a {sign} b
    except TypeError as error:
        return type(error).__name__
"""

for name, sign in COMPARE.items():
    exec(COMPARISON.format(name=name, sign=sign))
    for kind in ("compare", "compare_in_condition", "compare_not_implemented"):
        program(globals().pop(f"{kind}_{name}"))


@program
def compare_chain():
    class Number:
        def __init__(self, n):
            self.n = n

        def __lt__(self, other):
            return pause(self.n, self.n == 2) < other.n

    return Number(1) < Number(2) < Number(3), Number(4) < Number(3) < Number(9)


@program
def compare_reflected():
    class Number:
        def __gt__(self, other):
            return "gt", pause(other)

    return 3 < Number()


@program
def compare_subclass_first():
    class Base:
        def __eq__(self, other):
            return "base"

    class Derived(Base):
        def __eq__(self, other):
            return "derived", pause(1)

    return Base() == Derived()


@program
def binary_subclass_first():
    class Base:
        def __add__(self, other):
            return "base"

    class Derived(Base):
        def __radd__(self, other):
            return "derived", pause(1)

    return Base() + Derived()


@program
def binary_second_after_not_implemented():
    class Left:
        def __sub__(self, other):
            return NotImplemented

    class Right:
        def __rsub__(self, other):
            return type(other).__name__, pause(1)

    return Left() - Right()


@program
def binary_type_error():
    class Left:
        def __add__(self, other):
            pause()
            return NotImplemented

    try:
        Left() + []
    except TypeError as error:
        return str(error)


@program
def binary_raises():
    class Left:
        def __add__(self, other):
            pause()
            raise LookupError("in add")

    try:
        return Left() + 1
    except LookupError as error:
        return error.args, repr(error.__context__)


@program
def power_of_three():
    class Number:
        def __pow__(self, other, modulo=None):
            return pause(other), modulo

    return pow(Number(), 2, 5)


@program
def power_of_three_not_implemented():
    class Number:
        def __pow__(self, other, modulo=None):
            pause()
            return NotImplemented

    try:
        pow(Number(), 2, 5)
    except TypeError as error:
        return str(error)


@program
def divmod_called():
    class Number:
        def __divmod__(self, other):
            return pause(other), 1

    return divmod(Number(), 7)


@program
def negative():
    class Number:
        def __neg__(self):
            return "neg", pause(1)

    return [0, -Number()]


@program
def positive():
    class Number:
        def __pos__(self):
            return "pos", pause(1)

    return [0, +Number()]


@program
def inverted():
    class Number:
        def __invert__(self):
            return "invert", pause(1)

    return [0, ~Number()]


@program
def absolute():
    class Number:
        def __abs__(self):
            return "abs", pause(1)

    return abs(Number())


@program
def rounded():
    class Number:
        def __round__(self, digits=None):
            return pause(digits)

    return round(Number(), 2)


@program
def nested_operators():
    class Number:
        def __init__(self, n):
            self.n = n

        def __add__(self, other):
            return Number(pause(self.n, self.n == 3) + other.n)

        def __mul__(self, other):
            return Number(self.n * other.n)

    return (Number(1) + Number(9) + Number(4) * (Number(3) + Number(5)) + Number(6)).n


@program
def operator_calls_operator():
    class Inner:
        def __mul__(self, other):
            return pause(other) * 2

    class Outer:
        def __add__(self, other):
            return Inner() * other + 1

    return Outer() + 5


class Reflected:
    """Answers to what stands on its left, or leaves it to that."""

    def __init__(self, answer):
        self.answer = answer

    def __radd__(self, other):
        return pause((self.answer, other) if self.answer else NotImplemented)

    __rmul__ = __radd__


@program
def reflected_of_numbers_in_c():
    """Numbers of C types have no items that could be concatenated."""
    import datetime

    day = datetime.timedelta(1)
    try:
        return day + Reflected(None)
    except TypeError as error:
        return str(error)


@program
def reflected_of_decimals():
    import decimal

    return decimal.Decimal(2) * Reflected("answer")


@program(refused="BINARY_OP")
def reflected_of_a_deque():
    """A sequence of C code would try to be repeated or concatenated next, and say something else."""
    import collections

    try:
        return collections.deque((1, 2)) + Reflected(None)
    except TypeError as error:
        return str(error)


class Undecided:
    """Answers only from the second time on that it is asked."""

    asked = 0

    def __eq__(self, other):
        Undecided.asked += 1
        note("asked", Undecided.asked, type(self).__name__)
        pause(None, Undecided.asked == 2)
        return NotImplemented

    __lt__ = __gt__ = __add__ = __radd__ = __eq__
    __hash__ = None


class Below(Undecided):
    pass


def undecided(make):
    Undecided.asked = 0
    try:
        return make(), Undecided.asked
    except TypeError as error:
        return error.args, Undecided.asked


@program
def equal_asks_the_other_the_same():
    return undecided(lambda: Undecided() == Undecided())


@program
def unequal_asks_the_other_the_same():
    return undecided(lambda: Undecided() != Undecided())


@program
def less_asks_the_other_the_same():
    return undecided(lambda: Undecided() < Undecided())


@program
def equal_asks_one_below_first():
    return undecided(lambda: Undecided() == Below())


@program
def added_by_the_other_the_same():
    return undecided(lambda: Undecided() + Below())


@program(refused="a comparison")
def equal_to_itself_asks_twice():
    """Which of two calls of the same function with the same object it is cannot be told."""
    same = Undecided()
    return undecided(lambda: same == same)

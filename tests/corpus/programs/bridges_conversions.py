"""Truth, text and numbers that run special methods."""


class Truth:
    def __init__(self, value, at=True):
        self.value, self.at = value, at

    def __bool__(self):
        return pause(self.value, self.at)


class Sized:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return pause(self.n)


@program
def bool_in_if():
    if Truth(True):
        return "true"
    return "false"


@program
def bool_in_if_false():
    if Truth(False):
        return "true"
    return "false"


@program
def bool_in_while():
    n = 0
    while Truth(n < 3, n == 1):
        n += 1
    return n


@program
def bool_in_not():
    return [not Truth(True), 1]


@program
def bool_in_and():
    return [type(Truth(False) and note("never")).__name__, 1]


@program
def bool_in_or():
    return [Truth(False) or note("last"), 1]


@program
def bool_in_or_kept():
    return type(Truth(True) or note("never")).__name__


@program
def bool_in_conditional():
    return "yes" if Truth(False) else "no"


@program
def bool_in_assert():
    assert Truth(False), "message"


@program
def bool_in_comprehension():
    return [x for x in range(4) if Truth(x % 2 == 1, x == 2)]


@program
def bool_called():
    return bool(Truth(True))


@program
def bool_wrong_type():
    class Wrong:
        def __bool__(self):
            return pause("yes")

    try:
        return not Wrong()
    except TypeError as error:
        return type(error).__name__


@program
def bool_raises():
    class Raising:
        def __bool__(self):
            pause()
            raise LookupError("no truth")

    try:
        return "yes" if Raising() else "no"
    except LookupError as error:
        return error.args


@program
def bool_of_filter_guard():
    match 3:
        case n if Truth(False):
            return "never"
        case n:
            return n


@program
def len_in_if():
    if Sized(0):
        return "full"
    return "empty"


@program
def len_in_not():
    return not Sized(2)


@program
def len_called():
    return len(Sized(4)) + 1


@program
def len_called_wrong():
    try:
        return len(Sized(-1))
    except ValueError as error:
        return str(error)


@program
def str_called():
    class Thing:
        def __str__(self):
            return pause("text")

    return str(Thing()) + "!"


@program
def str_by_repr():
    class Thing:
        def __repr__(self):
            return pause("<repr>")

    return str(Thing())


@program
def str_wrong_type():
    class Thing:
        def __str__(self):
            return pause(5)

    try:
        return str(Thing())
    except TypeError as error:
        return str(error)


@program
def repr_called():
    class Thing:
        def __repr__(self):
            return pause("<repr>")

    return repr(Thing())


@program
def ascii_called():
    class Thing:
        def __repr__(self):
            return pause("é")

    return ascii(Thing())


@program
def fstring_format():
    class Thing:
        def __format__(self, spec):
            return f"[{spec}]" + pause("formatted")

    return f"a{Thing():>5}b"


@program
def fstring_plain():
    class Thing:
        def __str__(self):
            return pause("text")

    return f"a{Thing()}b{1}"


@program
def fstring_conversion():
    class Thing:
        def __repr__(self):
            return pause("<repr>")

    return f"a{Thing()!r:>10}b"


@program
def format_called():
    class Thing:
        def __format__(self, spec):
            return pause(spec) + "!"

    return format(Thing(), "spec")


@program
def str_format_method():
    class Thing:
        def __format__(self, spec):
            return pause(spec) + "!"

    return "{:x} {}".format(Thing(), 1)


@program
def percent_of_object():
    class Thing:
        def __str__(self):
            return pause("text")

    return "%s-%d" % (Thing(), 1)


@program
def bytes_called():
    class Thing:
        def __bytes__(self):
            return pause(b"bytes")

    return bytes(Thing())


@program
def hash_called():
    class Thing:
        def __hash__(self):
            return pause(2**70)

    return hash(Thing())


@program
def int_called():
    class Thing:
        def __int__(self):
            return pause(5)

    return int(Thing()) + 1


@program
def float_called():
    class Thing:
        def __float__(self):
            return pause(1.5)

    return float(Thing()) + 1


@program
def complex_called():
    class Thing:
        def __complex__(self):
            return pause(1j)

    return complex(Thing()) + 1


@program
def index_in_subscript():
    class Thing:
        def __index__(self):
            return pause(1)

    return [10, 20, 30][Thing()]


@program
def index_in_slice():
    class Thing:
        def __index__(self):
            return pause(1)

    return [10, 20, 30][Thing():]


@program
def index_in_range():
    class Thing:
        def __index__(self):
            return pause(3)

    return list(range(Thing()))


@program
def index_in_slice_end():
    class Thing:
        def __index__(self):
            return pause(2**70)

    return [10, 20, 30][1:Thing()], "abc"[0:3:2]


@program
def index_in_slice_step():
    class Thing:
        def __index__(self):
            return pause(2)

    return (10, 20, 30)[::Thing()]


@program
def index_in_slice_wrong_type():
    class Thing:
        def __index__(self):
            return pause("1")

    try:
        return [10, 20, 30][Thing():]
    except TypeError as error:
        return str(error)


@program
def index_in_range_of_three():
    class Thing:
        def __index__(self):
            return pause(3)

    return list(range(1, 10, Thing()))


@program(refused="range")
def index_in_range_after_another():
    class Thing:
        def __init__(self, at):
            self.at = at

        def __index__(self):
            return pause(3, self.at)

    return list(range(Thing(False), 10, Thing(True)))


@program
def complex_called_wrong_type():
    class Thing:
        def __complex__(self):
            return pause("1j")

    try:
        return complex(Thing())
    except TypeError as error:
        return type(error).__name__


@program
def float_in_square_root():
    import math

    class Thing:
        def __float__(self):
            return pause(-4.0)

    try:
        math.sqrt(Thing())
    except ValueError as error:
        return type(error).__name__


@program
def trunc_and_floor():
    import math

    class Thing:
        def __trunc__(self):
            return 3

        def __floor__(self):
            return pause(2)

    return math.floor(Thing()), math.trunc(Thing())


@program
def buffer_free_code():
    view = bytes(pause(b"abc"))
    return view[1:], memoryview(view)[0]

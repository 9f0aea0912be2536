"""Truth, text, numbers, membership and calls that run special methods."""


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
def trunc_and_floor():
    import math

    class Thing:
        def __trunc__(self):
            return 3

        def __floor__(self):
            return pause(2)

    return math.floor(Thing()), math.trunc(Thing())


@program
def contains():
    class Box:
        def __contains__(self, item):
            return pause(item) == 3

    return 3 in Box()


@program
def contains_not():
    class Box:
        def __contains__(self, item):
            return pause("truthy")

    return [3 not in Box(), 1]


@program
def contains_in_condition():
    class Box:
        def __contains__(self, item):
            return pause([])

    if 3 in Box():
        return "in"
    return "out"


@program
def contains_by_iteration():
    class Box:
        def __iter__(self):
            return iter(pause([1, 2, 3]))

    return 3 in Box()


@program
def contains_by_equality():
    class Item:
        def __eq__(self, other):
            return pause(other) == 2

    return Item() in [2]


@program
def contains_by_generator():
    return 2 in (pause(x, x == 1) for x in range(4))


@program
def isinstance_hook():
    class Meta(type):
        def __instancecheck__(cls, instance):
            return pause("truthy")

    class Thing(metaclass=Meta):
        pass

    return isinstance(3, Thing)


@program
def isinstance_of_tuple():
    class Meta(type):
        def __instancecheck__(cls, instance):
            return pause(False)

    class Thing(metaclass=Meta):
        pass

    return isinstance(3, (Thing, int))


@program
def issubclass_hook():
    class Meta(type):
        def __subclasscheck__(cls, other):
            return pause(True)

    class Thing(metaclass=Meta):
        pass

    return issubclass(int, Thing)


@program
def except_subclass_check_is_not_asked():
    class Meta(type):
        def __subclasscheck__(cls, other):
            note("asked")
            return True

    class Own(Exception, metaclass=Meta):
        pass

    try:
        pause()
        raise Own(1)
    except Own as error:
        return error.args


@program
def subclass_hook():
    import abc

    class Shape(abc.ABC):
        @classmethod
        def __subclasshook__(cls, other):
            return pause(True)

    return issubclass(int, Shape)


@program
def call():
    class Adder:
        def __call__(self, x, *, y=1):
            return pause(x) + y

    return [Adder()(3, y=4), 0]


@program
def call_star():
    class Adder:
        def __call__(self, *args, **kwargs):
            return args, pause(kwargs)

    return Adder()(*[1, 2], **{"k": 3})


@program
def call_as_decorator():
    class Counted:
        def __init__(self, function):
            self.function, self.calls = function, 0

        def __call__(self, *args):
            self.calls += 1
            return self.function(*args), self.calls

    @Counted
    def made(x):
        return pause(x, x == 2)

    return made(1), made(2), made(3)


@program
def call_of_bound_special():
    class Thing:
        def __len__(self):
            return pause(3)

    return Thing().__len__()


@program
def call_through_type():
    class Thing:
        def go(self, x):
            return pause(x)

    return type(Thing()).go(Thing(), 3)


@program
def call_through_method_object():
    import types

    def go(self, x):
        return self, pause(x)

    return types.MethodType(go, 1)(2)


@program
def call_through_staticmethod_object():
    made = staticmethod(lambda x: pause(x))
    return made(3)


@program
def call_of_class_held_by_instance():
    class Thing:
        kind = dict

        def make(self):
            return self.kind(a=pause(1))

    return Thing().make()


@program
def copy_hook():
    import copy

    class Thing:
        def __copy__(self):
            return pause("copied")

    return copy.copy(Thing())


@program
def reduce_hook():
    import copy

    class Thing:
        def __reduce_ex__(self, protocol):
            return str, (pause("made"),)

    return copy.copy(Thing())


@program
def fspath_hook():
    import os

    class Thing:
        def __fspath__(self):
            return pause("/a/b")

    return os.fspath(Thing())


@program
def sizeof_hook():
    class Thing:
        def __sizeof__(self):
            return pause(1000)

    return sys.getsizeof(Thing()) >= 1000


@program
def buffer_free_code():
    view = bytes(pause(b"abc"))
    return view[1:], memoryview(view)[0]


@program
def enter_and_exit_called():
    class Thing:
        def __enter__(self):
            return pause("entered")

        def __exit__(self, *info):
            return True

    with Thing() as got:
        raise KeyError(got)
    return "after"

"""Builtin functions that do what an instruction does, that begin with a conversion, and print."""

import io
import operator
import os


class Number:
    """Answers every operator by pausing."""

    def __init__(self, value):
        self.value = value


for _name in ("add", "sub", "matmul", "pow", "or", "radd", "iadd", "ior"):
    setattr(Number, f"__{_name}__", lambda self, other, name=_name: (name, pause(self.value), other))
for _name in ("neg", "pos", "invert", "abs"):
    setattr(Number, f"__{_name}__", lambda self, name=_name: (name, pause(self.value)))


@program
def operator_add():
    return operator.add(Number(1), 2)


@program
def operator_add_reflected():
    return [operator.add(1, Number(2))]


@program
def operator_or():
    return operator.or_(Number(1), 2), operator.or_(1, 2)


@program
def operator_pow_and_matmul():
    return operator.matmul(Number(1), 2)


@program
def operator_in_place():
    return operator.iadd(Number(1), 2), operator.iadd([1], [2])


@program
def operator_in_place_or():
    return operator.ior(Number(1), 2)


@program
def operator_add_not_implemented():
    class Thing:
        def __add__(self, other):
            pause()
            return NotImplemented

    try:
        return operator.add(Thing(), 1)
    except TypeError as e:
        return str(e)


@program
def operator_of_subclass_first():
    class Below(Number):
        def __radd__(self, other):
            return "below", pause(other.value)

    return operator.add(Number(1), Below(2))


@program
def operator_neg():
    return operator.neg(Number(1)), operator.neg(3)


@program
def operator_invert():
    return operator.inv(Number(1))


@program
def operator_abs():
    return operator.abs(Number(1))


@program
def operator_eq():
    class Thing:
        def __eq__(self, other):
            return [pause(other)]

    return operator.eq(Thing(), 1)


@program
def operator_ne_by_eq():
    class Thing:
        def __eq__(self, other):
            return [pause(other)]

    return operator.ne(Thing(), 1)


@program
def operator_lt_reflected():
    class Thing:
        def __gt__(self, other):
            return pause(other), "greater"

    return operator.lt(1, Thing())


@program
def operator_getitem():
    class Thing:
        def __getitem__(self, key):
            return pause(key)

    return operator.getitem(Thing(), slice(1, 2))


@program
def operator_getitem_of_a_list():
    class Thing:
        def __index__(self):
            return pause(1)

    return operator.getitem([10, 20], Thing())


@program
def operator_getitem_missing():
    class Thing(dict):
        def __missing__(self, key):
            return pause(key)

    return operator.getitem(Thing(), "k")


@program
def operator_setitem():
    class Thing:
        def __setitem__(self, key, value):
            self.kept = key, pause(value)
            return "ignored"

    thing = Thing()
    return operator.setitem(thing, 1, 2), thing.kept


@program
def operator_delitem():
    class Thing:
        def __delitem__(self, key):
            self.kept = pause(key)

    thing = Thing()
    return operator.delitem(thing, 1), thing.kept


@program
def operator_contains():
    class Thing:
        def __contains__(self, item):
            return pause([item])

    return operator.contains(Thing(), 1)


@program
def operator_truth():
    class Thing:
        def __bool__(self):
            return pause(False)

    return operator.truth(Thing())


@program
def operator_not():
    class Thing:
        def __len__(self):
            return pause(0)

    return operator.not_(Thing())


class Path:
    def __init__(self, text):
        self.text = text

    def __fspath__(self):
        return pause(self.text)


@program
def open_of_a_path():
    with open(Path(os.devnull), "rb", buffering=0) as file:
        return file.read(), file.name


@program
def stat_of_a_path():
    return os.stat(Path("/"), follow_symlinks=False).st_mode == os.stat("/").st_mode


@program
def listdir_of_a_path_that_is_not_there():
    try:
        return os.listdir(Path("/nowhere/at/all"))
    except FileNotFoundError as e:
        return e.filename, e.errno


@program
def rename_to_a_path():
    try:
        return os.rename("/nowhere/at/all", Path("/nowhere/else"))
    except FileNotFoundError as e:
        return e.filename, e.filename2


@program
def path_of_another_kind():
    class Thing:
        def __fspath__(self):
            return pause(3)

    try:
        return os.stat(Thing())
    except TypeError as e:
        return str(e)


class Said:
    def __str__(self):
        return pause("said")


@program
def print_to_a_file():
    file = io.StringIO()
    return print(1, Said(), [2], file=file), file.getvalue()


@program
def print_with_everything():
    class Quiet:
        def __repr__(self):
            return pause("quiet")

    file = io.StringIO()
    print(*"ab", Quiet(), "c", sep="-", end="!\n", file=file, flush=True)
    return file.getvalue()


@program
def print_to_a_file_of_the_programs_own():
    class File:
        def __init__(self):
            self.written = []

        def write(self, text):
            self.written.append(text)

        def flush(self):
            self.written.append(None)

    file = File()
    print(Said(), 2, file=file, flush=True)
    return file.written


@program
def print_of_what_is_no_text():
    class Thing:
        def __str__(self):
            return pause(3)

    file = io.StringIO()
    try:
        return print(0, Thing(), file=file)
    except TypeError as e:
        return str(e), file.getvalue()

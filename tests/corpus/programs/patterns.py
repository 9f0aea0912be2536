"""Patterns of `match` whose subject is asked by the program's own methods."""

import collections.abc


def first_at(subject, place):
    """Whether it is the place where the subject is to pause, asked for the first time."""
    if subject.at != place:
        return False
    subject.at = None
    return True


class Point:
    __match_args__ = ("x", "y", "z")

    def __init__(self, x, y, z=0, at=None):
        self.parts, self.at = (x, y, z), at

    @property
    def x(self):
        return pause(self.parts[0], first_at(self, "x"))

    @property
    def y(self):
        return pause(self.parts[1], first_at(self, "y"))

    @property
    def z(self):
        return pause(self.parts[2], first_at(self, "z"))


def which(subject):
    match subject:
        case Point(0, y=8):
            return "never"
        case Point(1, 2, z=z) if z > 2:
            return "positions", z
        case Point(z=z, x=x):
            return "keywords", x, z
    return "none"


@program
def class_pattern_first_position():
    return which(Point(1, 2, 3, at="x")), which(Point(1, 2, 2))


@program
def class_pattern_single_keyword():
    match Point(1, 2, 3, at="z"):
        case Point(z=2):
            return "two"
        case Point(z=3 | 4 as found):
            return found
    return None


@program(refused="MATCH_CLASS")
def class_pattern_second_position():
    return which(Point(1, 2, 3, at="y"))


@program
def class_pattern_attribute_is_missing():
    class Absent:
        @property
        def part(self):
            pause()
            raise AttributeError("part")

    match Absent():
        case Absent(part=_):
            return "matched"
        case Absent():
            return "no part"


@program
def class_pattern_attribute_raises():
    class Broken:
        @property
        def part(self):
            pause()
            raise LookupError("part")

    try:
        match Broken():
            case Broken(part=_):
                return "matched"
    except LookupError as error:
        return error.args


@program
def class_pattern_getattr():
    class Made:
        __match_args__ = ("first", "second")

        def __getattr__(self, name):
            if name == "second":
                raise AttributeError(name)
            return pause(name.upper(), not LOG) and note(name.upper())

    match Made():
        case Made(first, second):
            return first, second
        case Made(first):
            return first


@program
def class_pattern_getattribute():
    class Made:
        def __getattribute__(self, name):
            return pause(name.upper(), name == "first" and not LOG) and note(name.upper())

    match Made():
        case Made(first="FIRST", second=second):
            return second


@program
def class_pattern_descriptor():
    class Field:
        def __get__(self, obj, cls=None):
            return pause(3)

    class Made:
        field = Field()

    match Made():
        case Made(field=3):
            return "three"


@program
def class_pattern_of_the_subject_itself():
    class Number(int):
        @property
        def half(self):
            return pause(self / 2)

    match Number(8):
        case int(8 as whole, half=half):
            return whole, half


@program
def class_pattern_instance_check():
    class Even(type):
        def __instancecheck__(cls, obj):
            note(obj)
            return pause(obj, obj == 2) % 2 == 0

    class Two(metaclass=Even):
        pass

    def of(number):
        match number:
            case Two(real=2, imag=part):
                return "two", part
            case Two():
                return "even"
        return "odd"

    return of(1), of(2), of(4)


@program
def class_pattern_instance_check_then_positions():
    class Any(type):
        def __instancecheck__(cls, obj):
            return pause("yes", obj == 2)

    class Numbers(metaclass=Any):
        __match_args__ = ("real", "imag")

    class Others(metaclass=Any):
        pass

    out = []
    for number in (1, 2):
        match number:
            case Numbers(real, imag):
                out.append((real, imag))
    try:
        match 3:
            case Others(_):
                pass
    except TypeError as error:
        out.append(str(error))
    return out


@program
def class_pattern_abstract_class():
    class Sized(collections.abc.Sized):
        @classmethod
        def __subclasshook__(cls, other):
            return pause(hasattr(other, "__len__"))

    match [1]:
        case Sized():
            return "sized"


class Table(collections.abc.Mapping):
    def __init__(self, at, **items):
        self.at, self.items_ = at, items

    def __getitem__(self, key):
        return pause(self.items_[key], first_at(self, key))

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


def shape(table):
    match table:
        case {"radius": r}:
            return "circle", r
        case {"width": w, "height": h, **rest}:
            return "box", w, h, sorted(rest)
    return "unknown"


@program
def mapping_pattern_first_key():
    return shape(Table("radius", radius=3)), shape(Table(None, width=1, height=2))


@program
def mapping_pattern_first_of_two_keys():
    return shape(Table("width", width=1, height=2, colour=3))


@program(refused="MATCH_KEYS")
def mapping_pattern_second_key():
    return shape(Table("height", width=1, height=2))


@program
def mapping_pattern_missing_key():
    class Absent(dict):
        def get(self, key, default=None):
            return pause(default, key == "width")

    return shape(Absent(one=1, two=2))


@program
def mapping_pattern_get_raises():
    class Broken(dict):
        def get(self, key, default=None):
            raise LookupError(pause(key, key == "radius"))

    try:
        return shape(Broken(one=1))
    except LookupError as error:
        return error.args


class Items(collections.abc.Sequence):
    def __init__(self, *items, at=None):
        self.items, self.at = items, at

    def __len__(self):
        return pause(len(self.items), first_at(self, "len"))

    def __getitem__(self, place):
        return pause(self.items[place], first_at(self, place))


def ends(items):
    match items:
        case []:
            return "none"
        case [first, *_, last]:
            return first, last
        case [only]:
            return only


@program
def sequence_pattern_length():
    return ends(Items(1, 2, 3, at="len"))


@program
def sequence_pattern_item():
    return ends(Items(1, 2, 3, at=2))


@program
def sequence_pattern_length_is_none():
    class Broken(list):
        def __len__(self):
            return pause(-1)

    try:
        return ends(Broken([1]))
    except ValueError as error:
        return str(error)

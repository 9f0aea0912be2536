"""Class bodies whose names are in a mapping of the program's."""

import enum


class Space(dict):
    def __init__(self, when):
        self.when = when

    def __setitem__(self, name, value):
        note(name)
        dict.__setitem__(self, name, pause(value, name == self.when))


class Meta(type):
    def __prepare__(name, bases, when=None, space=Space):
        return space(when)

    def __new__(meta, name, bases, space, **given):
        return type.__new__(meta, name, bases, dict(space))

    def __init__(cls, *given, **more):
        pass


@program
def first_name():
    class Made(metaclass=Meta, when="a"):
        a = 1
        b = a + 1

    return Made.a, Made.b


@program
def name_of_the_module():
    class Made(metaclass=Meta, when="__module__"):
        a = 1

    return Made.a, Made.__module__ == __name__


@program
def in_a_loop():
    class Made(metaclass=Meta, when="c"):
        for n in range(3):
            b = n
        c = [n, b]
        d = c + [1]

    return Made.c, Made.d


@program
def of_a_function():
    class Made(metaclass=Meta, when="method"):
        a = 1

        def method(self):
            return self.a, __class__.__name__

    return Made().method()


@program
def raises():
    class Refusing(Space):
        def __setitem__(self, name, value):
            if name == "b":
                raise KeyError(pause(name))
            dict.__setitem__(self, name, value)

    try:

        class Made(metaclass=Meta, space=Refusing):
            a = 1
            b = 2
    except KeyError as error:
        return error.args


@program
def set_in_an_expression():
    class Made(metaclass=Meta, when="b"):
        a = [1, (b := 2), 3]

    return Made.a, Made.b


class Reading(dict):
    def __init__(self, when):
        self.when = when

    def __getitem__(self, name):
        return pause(dict.__getitem__(self, name), name == self.when)


class Missing(Reading):
    __getitem__ = dict.__getitem__

    def __missing__(self, name):
        if name.startswith("auto"):
            return pause(name)
        raise KeyError(pause(name, name == self.when))


@program
def name_that_is_read():
    class Made(metaclass=Meta, when="a", space=Reading):
        a = 1
        b = a + 1

    return Made.b


@program
def name_that_is_made():
    class Made(metaclass=Meta, space=Missing):
        b = [automatic]

    return Made.b


@program
def name_that_is_global():
    class Made(metaclass=Meta, when="enum", space=Missing):
        b = enum

    return Made.b is enum


@program
def name_that_is_builtin():
    class Made(metaclass=Meta, when="len", space=Missing):
        b = len("abc")

    return Made.b


@program
def name_that_is_nowhere():
    try:

        class Made(metaclass=Meta, when="nowhere", space=Missing):
            b = nowhere
    except NameError as error:
        return error.args, error.name, repr(error.__context__)


@program
def values_of_an_enum():
    class Color(enum.Enum):
        def _generate_next_value_(name, start, count, last_values):
            return pause(name.lower(), count == 1)

        RED = enum.auto()
        GREEN = enum.auto()
        BLUE = enum.auto()

    return [(color.name, color.value) for color in Color]

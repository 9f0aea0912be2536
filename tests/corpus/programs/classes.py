"""Classes: bodies, metaclasses, and the hooks that run Python code while a class is made."""


@program
def class_body():
    class Made:
        a = note(1)
        b = pause(a + 1)

        def go(self):
            return self.a, self.b

    return Made().go(), Made.__qualname__


@program
def class_body_loop():
    class Made:
        items = []
        for i in range(4):
            items.append(pause(i, i == 2))
        del i

    return Made.items, hasattr(Made, "i")


@program
def class_body_with_try():
    class Made:
        try:
            raise KeyError("k")
        except KeyError as error:
            seen = pause(error.args)
        finally:
            done = True

    return Made.seen, Made.done


@program
def class_body_nested():
    class Outer:
        x = 1

        class Inner:
            y = pause(2)

        z = Inner.y + x

    return Outer.z, Outer.Inner.__qualname__


@program
def class_body_closure():
    outer = [1]

    class Made:
        mine = outer
        outer.append(pause(2))

        def get(self):
            return outer

    return Made().get() is Made.mine, outer


@program
def class_body_class_cell():
    class Made:
        def who(self):
            return __class__.__name__

        n = pause(1)

    return Made().who()


@program
def class_body_annotations():
    class Made:
        a: int = pause(1)
        b: str = "b"

    return Made.a, sorted(Made.__annotations__)


@program
def class_bases_expression():
    class Base:
        def hi(self):
            return "hi"

    class Made(pause(Base)):
        pass

    return Made().hi(), [c.__name__ for c in Made.__mro__]


@program
def class_keyword_expression():
    class Base:
        def __init_subclass__(cls, tag=None):
            cls.tag = tag

    class Made(Base, tag=pause("tag")):
        pass

    return Made.tag


@program
def class_decorator_expression():
    def mark(tag):
        return lambda cls: (tag, cls.__name__)

    @mark(pause("m"))
    class Made:
        pass

    return Made


@program
def class_body_decorated_function():
    def twice(f):
        pause()
        return lambda self: f(self) * 2

    class Made:
        @twice
        def go(self):
            return 4

    return Made().go()


@program
def metaclass_new():
    class Meta(type):
        def __new__(mcls, name, bases, namespace, **kw):
            namespace["added"] = pause(sorted(kw))
            return super().__new__(mcls, name, bases, namespace)

        def __init__(cls, name, bases, namespace, **kw):
            super().__init__(name, bases, namespace)

    class Thing(metaclass=Meta, flag=1):
        pass

    return Thing.added


@program
def metaclass_init():
    class Meta(type):
        def __init__(cls, name, bases, namespace):
            super().__init__(name, bases, namespace)
            cls.added = pause(name)

    class Thing(metaclass=Meta):
        x = 1

    return Thing.added, Thing.x


@program
def metaclass_prepare():
    class Meta(type):
        @classmethod
        def __prepare__(mcls, name, bases):
            return {"prepared": pause(name)}

    class Thing(metaclass=Meta):
        seen = prepared

    return Thing.seen


@program
def metaclass_body():
    class Meta(type):
        def __new__(mcls, name, bases, namespace):
            return super().__new__(mcls, name, bases, {**namespace, "meta": True})

    class Thing(metaclass=Meta):
        a = pause(1)

    return Thing.a, Thing.meta


@program
def init_subclass():
    class Base:
        def __init_subclass__(cls, **kw):
            super().__init_subclass__(**kw)
            cls.seen = pause(cls.__name__)

    class Derived(Base):
        x = 1

    return Derived.seen, Derived.x


@program
def set_name():
    class Field:
        def __set_name__(self, owner, name):
            self.name = pause(name)

    class Thing:
        x = Field()

    return Thing.__dict__["x"].name


@program
def mro_entries():
    class Fake:
        def __mro_entries__(self, bases):
            return (pause(dict),)

    class Thing(Fake()):
        pass

    return Thing.__mro__[1].__name__


@program
def class_getitem():
    class Thing:
        def __class_getitem__(cls, item):
            return cls.__name__, pause(item)

    return Thing[int, 2]


@program
def type_call():
    def method(self):
        return pause(self.x)

    return type("Made", (), {"x": 3, "go": method})().go()


@program
def types_new_class():
    import types

    return types.new_class("Made", (), {}, lambda ns: ns.update(a=pause(1))).a


@program
def abstract_class():
    import abc

    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self): ...

        def twice(self):
            return 2 * self.area()

    class Square(Shape):
        def area(self):
            return pause(9)

    shape = Square().twice()
    try:
        Shape()
    except TypeError as error:
        return shape, type(error).__name__


@program
def enum_members():
    import enum

    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

        def shout(self):
            return pause(self.name) + "!"

    return Colour.RED.shout(), Colour(2) is Colour.BLUE, list(Colour)[1].name


@program
def named_tuple():
    import collections

    Point = collections.namedtuple("Point", "x y")
    point = Point(1, pause(2))
    return point._replace(x=3), Point.__name__


@program
def typing_named_tuple():
    import typing

    class Point(typing.NamedTuple):
        x: int
        y: int = 2

        def total(self):
            return self.x + pause(self.y)

    return Point(1).total()


@program
def instance_dict_order():
    class Thing:
        pass

    thing = Thing()
    thing.b, thing.a = 1, 2
    pause()
    thing.c = 3
    return list(vars(thing))


@program
def weak_reference_kept():
    import weakref

    class Thing:
        pass

    thing = Thing()
    ref = weakref.ref(thing)
    pause()
    return ref() is thing


@program
def destructor_after():
    class Thing:
        def __del__(self):
            note("gone")

    thing = Thing()
    try:
        pause()
    except ValueError as error:
        note(error.args)
    del thing
    return list(LOG)


@program(refused="__del__")
def destructor_suspended():
    class Thing:
        def __del__(self):
            pause()

    thing = Thing()
    del thing
    return "after"


@program
def class_attribute_changed():
    class Thing:
        shared = []

    Thing.shared.append(1)
    pause()
    Thing.shared.append(2)
    Thing.late = lambda self: "late"
    return Thing.shared, Thing().late()

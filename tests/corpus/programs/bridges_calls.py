"""Membership, instance checks and calls that run special methods."""


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
def contains_in_a_tuple_by_equality():
    class Item:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            note(self.n, other.n)
            return NotImplemented if pause(self.n, (self.n, other.n) == (2, 3)) == 2 else self.n == other.n

    elements = (Item(1), Item(2), Item(3))
    return Item(3) in elements, Item(4) not in elements


@program
def contains_by_iteration_not():
    class Box:
        def __iter__(self):
            note("iter")
            return iter(pause([1, 2, 3], len(LOG) == 1))

    return 4 not in Box(), 1 not in Box()


@program(refused="CONTAINS_OP")
def contains_by_iteration_of_a_hidden_generator():
    class Box:
        def __iter__(self):
            yield pause(1)

    return 3 in Box()


@program
def contains_by_iteration_of_no_iterator():
    class Box:
        def __iter__(self):
            return pause(3)

    try:
        return 3 in Box()
    except TypeError as error:
        return str(error)


@program
def contains_by_iteration_raises():
    class Box:
        def __iter__(self):
            pause()
            raise TypeError("inside")

    try:
        return 3 in Box()
    except TypeError as error:
        return str(error)


@program
def contains_by_generator_to_the_end():
    return 7 not in (pause(x, x == 3) for x in range(4))


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
def isinstance_of_nested_tuple():
    class Meta(type):
        def __instancecheck__(cls, instance):
            note(cls.__name__)
            return pause([], cls.__name__ == "B" and instance == 3)

    class A(metaclass=Meta): pass
    class B(metaclass=Meta): pass
    class C(metaclass=Meta): pass

    return isinstance(3, (A, (str, B), C)), isinstance(4, (A, (B, int)))


@program(refused="isinstance")
def isinstance_of_the_same_twice():
    class Meta(type):
        def __instancecheck__(cls, instance):
            note(len(LOG))
            return pause(False, len(LOG) == 2)

    class A(metaclass=Meta): pass

    return isinstance(3, (A, str, A))


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
def subclass_hook_not_implemented():
    import abc

    class Shape(abc.ABC):
        @classmethod
        def __subclasshook__(cls, other):
            note(other.__name__)
            pause(when=other is bool)
            return NotImplemented

    class Round(Shape):
        pass

    Shape.register(int)
    return issubclass(bool, Shape), issubclass(Round, Shape), "__subclasshook__" in vars(Shape)


@program
def subclass_hook_inherited():
    import abc

    class Shape(abc.ABC):
        @classmethod
        def __subclasshook__(cls, other):
            note(other.__name__)
            return pause("area" in vars(other), cls is not Shape)

    class Round(Shape):
        pass

    class Disc:
        area = 1

    return isinstance(Disc(), Round), "__subclasshook__" in vars(Round), issubclass(Disc, Round)


@program
def subclass_hook_of_the_wrong_type():
    import abc

    class Shape(abc.ABC):
        @classmethod
        def __subclasshook__(cls, other):
            return pause("yes")

    try:
        issubclass(int, Shape)
    except AssertionError as error:
        return str(error)


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
def fspath_hook_of_the_wrong_type():
    import os

    class Thing:
        def __fspath__(self):
            return pause(3)

    try:
        os.fspath(Thing())
    except TypeError as error:
        return str(error)


@program
def sizeof_hook_exactly():
    class Thing:
        __slots__ = ("a",)

        def __sizeof__(self):
            return pause(1000)

    return sys.getsizeof(Thing())


@program
def sizeof_hook_negative():
    class Thing:
        def __sizeof__(self):
            return pause(-1)

    try:
        sys.getsizeof(Thing())
    except ValueError as error:
        return str(error)


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

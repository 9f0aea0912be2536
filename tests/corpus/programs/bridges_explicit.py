"""Special methods of the interpreter's own classes that are called by name, and what `super()` finds."""


class Base:
    @property
    def value(self):
        return pause([1])

    @value.setter
    def value(self, new):
        self.kept = pause(new) + 1

    @value.deleter
    def value(self):
        note("deleted", pause())


class Described:
    def __get__(self, obj, cls=None):
        return pause((obj is None, cls.__name__))

    def __set__(self, obj, new):
        obj.kept = pause(new) + 1

    def __delete__(self, obj):
        note("deleted", pause())


@program
def property_of_super():
    class Thing(Base):
        @property
        def value(self):
            return [0, super().value, 2]

    return Thing().value


@program
def property_of_super_in_an_expression():
    class Thing(Base):
        def double(self, *more):
            return (1, super().value * 2, *more)

    return Thing().double(3)


@program
def property_of_super_of_a_base():
    class Middle(Base):
        value = None

    class Thing(Middle):
        value = None

        def get(self):
            return super(Middle, self).value

    return Thing().get()


@program
def property_of_super_called():
    class Caller:
        @property
        def call(self):
            pause()
            return lambda x: x + 1

    class Thing(Caller):
        def get(self):
            return super().call(4)

    return Thing().get()


@program
def property_of_super_of_a_base_called():
    class Caller:
        @property
        def call(self):
            pause()
            return lambda *xs: sum(xs)

    class Thing(Caller):
        def get(self):
            return super(Thing, self).call(4, 5)

    return Thing().get()


@program
def property_of_super_after_many_calls():
    class Counts:
        count = 0

        @property
        def value(self):
            self.count += 1
            return pause(self.count) if self.count == 70 else self.count

    class Thing(Counts):
        def get(self):
            return super().value

        def call(self):
            return super().value.bit_length()

    thing = Thing()
    return [thing.get() + thing.call() for _ in range(40)][-1]


@program
def property_of_a_super_that_was_made():
    class Thing(Base):
        def get(self):
            above = super()
            return above.value, type(above).__name__

    return Thing().get()


@program
def property_of_super_by_getattr():
    class Thing(Base):
        def get(self):
            return getattr(super(), "value", "default")

    return Thing().get()


@program
def property_of_super_by_hasattr():
    class Thing(Base):
        def get(self):
            return hasattr(super(), "value")

    return Thing().get()


@program
def property_of_super_without_the_fallback():
    class Raises:
        @property
        def value(self):
            pause()
            raise AttributeError("its own")

        def __getattr__(self, name):
            return "fallback"

    class Thing(Raises):
        def get(self):
            try:
                return super().value
            except AttributeError as e:
                return str(e)

    return Thing().get()


@program
def descriptor_of_super():
    class Has(Base):
        thing = Described()

    class Thing(Has):
        def get(self):
            return super().thing

    return Thing().get()


@program
def descriptor_of_super_of_a_class():
    class Has(Base):
        thing = Described()

    class Thing(Has):
        @classmethod
        def get(cls):
            return super().thing

    return Thing.get()


@program
def property_set_of_super():
    class Thing(Base):
        @property
        def value(self):
            return self.kept

        @value.setter
        def value(self, new):
            super(Thing, type(self)).value.__set__(self, new + 1)

    thing = Thing()
    thing.value = 4
    return thing.value


@program
def property_got_by_its_own_method():
    return Base.value.__get__(Base()), Base.value.__get__(None) is Base.value


@program
def property_deleted_by_its_own_method():
    return Base.value.__delete__(Base())


class Marked(property):
    """A property of a class below."""


class HasMarked:
    @Marked
    def value(self):
        return pause(1)

    @value.setter
    def value(self, new):
        self.kept = pause(new)


@program
def property_of_a_class_below():
    return HasMarked().value + 1


@program
def property_of_a_class_below_set():
    thing = HasMarked()
    thing.value = 5
    return vars(thing)


@program
def property_of_a_class_below_of_super():
    class Thing(HasMarked):
        value = None

        def get(self):
            return super().value

    return Thing().get()


@program
def getattribute_of_object():
    class Thing(Base):
        def __getattribute__(self, name):
            return object.__getattribute__(self, name)

    return Thing().value


@program
def getattribute_of_super():
    class Thing(Base):
        def __getattribute__(self, name):
            note(name)
            return super().__getattribute__(name)

    return Thing().value


@program
def getattribute_of_super_and_the_fallback():
    class Thing:
        @property
        def value(self):
            pause()
            raise AttributeError

        def __getattribute__(self, name):
            return super().__getattribute__(name)

        def __getattr__(self, name):
            return "fallback", name

    return Thing().value


@program
def getattribute_of_type():
    class Meta(type):
        @property
        def value(cls):
            return pause(cls.__name__)

        def __getattribute__(cls, name):
            return super().__getattribute__(name)

    class Thing(metaclass=Meta):
        thing = Described()

    return Thing.value


@program
def getattribute_of_type_and_a_descriptor():
    class Meta(type):
        def __getattribute__(cls, name):
            return type.__getattribute__(cls, name)

    class Thing(metaclass=Meta):
        thing = Described()

    return Thing.thing


@program
def setattr_of_super():
    class Thing(Base):
        def __setattr__(self, name, new):
            note(name, super().__setattr__(name, new))

    thing = Thing()
    thing.value = 4
    return vars(thing)


@program
def setattr_of_object_and_a_descriptor():
    class Thing:
        thing = Described()

    return object.__setattr__(Thing(), "thing", 3)


@program
def setattr_of_type():
    class Meta(type):
        @property
        def value(cls):
            return cls.kept

        @value.setter
        def value(cls, new):
            type.__setattr__(cls, "kept", pause(new))

        def __setattr__(cls, name, new):
            super().__setattr__(name, new)

    class Thing(metaclass=Meta):
        pass

    Thing.value = 7
    return Thing.value


@program
def delattr_of_super():
    class Thing(Base):
        def __delattr__(self, name):
            super().__delattr__(name)

    thing = Thing()
    del thing.value
    return "after"


@program
def str_of_super():
    class Thing:
        def __repr__(self):
            return pause("r")

        def __str__(self):
            return "s" + super().__str__()

    return str(Thing())


@program
def format_of_super():
    class Thing:
        def __str__(self):
            return pause("s")

        def __format__(self, spec):
            return spec + super().__format__("")

    return f"{Thing():>9}"


@program
def format_of_super_by_repr():
    class Thing:
        def __repr__(self):
            return pause("r")

        def __format__(self, spec):
            return spec + super().__format__("")

    return f"{Thing():>9}"


@program
def ne_of_super():
    class Thing:
        def __eq__(self, other):
            return pause([other])

        def __ne__(self, other):
            return [super().__ne__(other)]

    return Thing() != 3


@program
def ne_of_super_that_does_not_know():
    class Thing:
        def __eq__(self, other):
            pause()
            return NotImplemented

        def __ne__(self, other):
            return super().__ne__(other) is NotImplemented

    return Thing() != 3


@program
def missing_by_getitem_of_super():
    class Thing(dict):
        def __getitem__(self, key):
            return "got", super().__getitem__(key)

        def __missing__(self, key):
            return pause(key) * 2

    return Thing(a=1)["b"], Thing(a=1)["a"]

"""Classes that are being made, harder: what is left to do after the pause, errors, results of the wrong type."""


class Field:
    """Knows its name; pauses at the one that it is told."""

    def __init__(self, at=None):
        self.at = at

    def __set_name__(self, owner, name):
        note("named", owner.__name__, name)
        self.name = pause(name, name == self.at)


@program
def set_name_first_of_many():
    class Thing:
        a = Field(at="a")
        b = Field()
        c = Field()

    return [vars(Thing)[n].name for n in "abc"]


@program
def set_name_in_the_middle():
    class Base:
        def __init_subclass__(cls, tag, **more):
            note("derived", cls.__name__, tag, more)

    class Thing(Base, tag=1, more=2):
        a = Field(at="b")
        b = Field(at="b")
        c = Field()

    return [vars(Thing)[n].name for n in "abc"]


@program
def set_name_that_adds_to_the_class():
    class Adding:
        def __set_name__(self, owner, name):
            note(name)
            setattr(owner, name + "_too", Field())
            pause(when=name == "b")

    class Thing:
        a = Adding()
        b = Adding()
        c = Adding()

    return sorted(n for n in vars(Thing) if n[0] in "abc")


@program
def set_name_raises():
    class Failing:
        def __set_name__(self, owner, name):
            pause()
            raise LookupError("no name")

    try:
        class Thing:
            a = Failing()
            b = Field()
    except Exception as error:
        cause = error.__cause__
        return type(error).__name__, error.args, getattr(error, "__notes__", None), type(cause).__name__


@program
def set_name_with_methods_that_use_super():
    class Base:
        def go(self):
            return ["base"]

    class Thing(Base):
        a = Field(at="a")

        def go(self):
            return super().go() + ["thing", self.a.name]

    return Thing().go()


@program
def set_name_in_a_registry():
    class Registered(Field):
        def __set_name__(self, owner, name):
            if "known" not in vars(owner):
                owner.known = {}
            owner.known[name] = self
            super().__set_name__(owner, name)

    class Thing:
        a = Registered()
        b = Registered(at="b")
        c = Registered()

    return list(Thing.known), [f.name for f in Thing.known.values()]


@program
def set_name_by_type_call():
    return vars(type("Made", (), {"a": Field(), "b": Field(at="b"), "c": Field()}))["c"].name


class Inert(type):
    """A metaclass that leaves the making of its classes to type."""

    def __str__(cls):
        return "a class"


class Told:
    def __set_name__(self, owner, name):
        self.name = pause(name, name == "second"), str(owner)


@program
def set_name_under_an_inert_metaclass():
    class Thing(metaclass=Inert):
        first, second, third = Told(), Told(), Told()

    return Thing.first.name, Thing.second.name, Thing.third.name


@program
def set_name_under_an_inert_metaclass_that_is_called():
    Thing = Inert("Thing", (object,), {"first": Told(), "second": Told(), "third": Told()})
    return Thing.first.name, Thing.second.name, Thing.third.name


@program
def set_name_in_an_abstract_class():
    import abc

    class Thing(abc.ABC):
        first, second = Told(), Told()

        @abc.abstractmethod
        def method(self):
            pass

    class Made(Thing):
        def method(self):
            return 3

    Thing.register(int)
    return Thing.second.name[0], Made().method(), isinstance(4, Thing), sorted(Thing.__abstractmethods__)


@program
def items_of_an_abstract_class():
    import abc

    class Thing(abc.ABC):
        first, last = 1, 2

    names = []
    for name, value in vars(Thing).items():
        if name in ("first", "last"):
            names.append(pause(name, name == "last"))
        elif name == "_abc_impl":
            names.append(value is Thing._abc_impl)
    return names


@program
def init_subclass_under_an_inert_metaclass():
    class Base(metaclass=Inert):
        def __init_subclass__(cls, **options):
            cls.options = pause(options)

    class Thing(Base, size=3):
        pass

    return Thing.options, str(Thing)


@program
def init_subclass_under_an_inert_metaclass_that_is_called():
    class Base(metaclass=Inert):
        def __init_subclass__(cls, **options):
            cls.options = pause(options, options["size"] == 4)

    return Inert("Thing", (Base,), {}, size=3).options, Inert(*("Other", (Base,), {}), **{"size": 4}).options


@program
def init_subclass_under_a_metaclass_with_a_namespace():
    class Prepared(type):
        @classmethod
        def __prepare__(cls, name, bases, **options):
            return {"made": name}

    class Base(metaclass=Prepared):
        def __init_subclass__(cls, **options):
            cls.options = pause(options)

    class Thing(Base, size=3):
        first = Told()

    return Thing.options, Thing.made, Thing.first.name


@program
def set_name_with_a_metaclass_that_inits():
    class Meta(type):
        def __init__(cls, name, bases, namespace, **kw):
            note("init", name, [k for k in namespace if k[0] != "_"], kw)
            super().__init__(name, bases, namespace)

        def __new__(mcls, name, bases, namespace, **kw):
            return super().__new__(mcls, name, bases, dict(namespace))

    class Thing(metaclass=Meta, k=1):
        a = Field(at="a")
        b = Field()

    return type(Thing).__name__, Thing.b.name


@program(refused="__build_class__")
def set_name_before_an_init_that_gets_the_hidden_namespace():
    class Meta(type):
        def __init__(cls, name, bases, namespace):
            cls.order = [k for k in namespace if k[0] != "_"]

    class Thing(metaclass=Meta):
        a = Field(at="a")

    return Thing.order


@program
def init_subclass_keywords():
    class Base:
        def __init_subclass__(cls, /, first, *, second=2, **kw):
            super().__init_subclass__(**kw)
            cls.given = pause(first), second

    class Derived(Base, first=1):
        def who(self):
            return __class__.__name__

    return Derived.given, Derived().who()


@program
def init_subclass_raises():
    class Base:
        def __init_subclass__(cls, **kw):
            pause()
            raise LookupError("not derived")

    try:
        class Derived(Base):
            pass
    except LookupError as error:
        return error.args


@program
def init_subclass_rebinds_cls():
    class Base:
        def __init_subclass__(cls, **kw):
            made, cls = cls, None
            made.seen = pause(made.__name__)

    class Derived(Base):
        pass

    return Derived.seen, Derived.__name__


@program
def init_subclass_of_two():
    class First:
        def __init_subclass__(cls, **kw):
            note("first")
            super().__init_subclass__(**kw)
            note("first again")

    class Second:
        def __init_subclass__(cls, **kw):
            note("second", pause(sorted(kw)))

    class Derived(First, Second, k=1):
        pass

    return Derived.__bases__[1].__name__


@program
def init_subclass_under_abc():
    import abc

    class Base(abc.ABC):
        def __init_subclass__(cls, **kw):
            super().__init_subclass__(**kw)
            cls.seen = pause(cls.__name__)

        @abc.abstractmethod
        def go(self): ...

    class Derived(Base):
        def go(self):
            return super().go()

    return Derived.seen, sorted(Derived.__abstractmethods__), Derived().go()


@program
def init_subclass_by_type_call():
    class Base:
        def __init_subclass__(cls, tag=None):
            cls.tag = pause(tag, tag == "t")

    return type("Made", (Base,), {"x": 1}, tag="t").tag, type("Other", (Base,), {}).tag


@program
def init_subclass_in_a_class_body():
    class Base:
        def __init_subclass__(cls):
            cls.seen = pause(cls.__qualname__)

    class Outer:
        x = 1

        class Inner(Base):
            y = x if "x" in dir() else 2

        z = Inner.seen

    return Outer.z, Outer.Inner.y


@program
def metaclass_new_and_init_after():
    class Meta(type):
        def __new__(mcls, name, bases, namespace, **kw):
            namespace["made"] = pause("made")
            return super().__new__(mcls, name, bases, namespace)

        def __init__(cls, name, bases, namespace, **kw):
            note("init", name, bases, sorted(k for k in namespace if k[0] != "_"), kw)

    class Thing(metaclass=Meta, k=1):
        def who(self):
            return __class__.made

    return Thing().who()


@program
def metaclass_new_returns_something_else():
    class Meta(type):
        def __new__(mcls, name, bases, namespace):
            return pause([name])

        def __init__(cls, *args):
            note("never")

    class Thing(metaclass=Meta):
        def who(self):
            return __class__

    return Thing


@program(refused="__build_class__")
def metaclass_new_forgets_the_cell():
    class Meta(type):
        def __new__(mcls, name, bases, namespace):
            namespace = {k: v for k, v in namespace.items() if k != "__classcell__"}
            pause()
            return super().__new__(mcls, name, bases, namespace)

    try:
        class Thing(metaclass=Meta):
            def who(self):
                return __class__
    except RuntimeError as error:
        return str(error)[:30]


@program
def metaclass_init_returns_a_value():
    class Meta(type):
        def __init__(cls, name, bases, namespace):
            return pause(3)

    try:
        class Thing(metaclass=Meta):
            pass
    except TypeError as error:
        return str(error)


@program
def metaclass_called_with_star_arguments():
    class Meta(type):
        def __new__(mcls, *args, **kw):
            cls = super().__new__(mcls, *args)
            cls.kw = pause(kw, "k" in kw)
            return cls

        def __init__(cls, *args, **kw):
            super().__init__(*args)

    return Meta(*("Made", (), {"x": 1}), **{"k": 2}).kw, Meta("Other", (dict,), {}, j=1).kw


@program
def metaclass_of_the_base_wins():
    class Meta(type):
        def __new__(mcls, name, bases, namespace, **kw):
            namespace = {**namespace, "seen": pause(name, name == "Derived")}
            return super().__new__(mcls, name, bases, namespace)

    class Base(metaclass=Meta):
        pass

    class Derived(Base):
        pass

    return Derived.seen, type("Made", (Base,), {}).seen


@program
def metaclass_winner_by_type_call():
    class Meta(type):
        def __new__(mcls, name, bases, namespace):
            pause(when=name == "Made")
            return super().__new__(mcls, name, bases, namespace)

        def __init__(cls, name, bases, namespace):
            note("init", name)

    Base = Meta("Base", (), {})
    return type(type("Made", (Base,), {})).__name__


@program
def metaclass_of_a_metaclass():
    class MetaMeta(type):
        def __call__(mcls, name, bases, namespace, **kw):
            made = super().__call__(name, bases, {**namespace, "kw": pause(kw)})
            note(type(made).__name__)
            return made

    class Meta(type, metaclass=MetaMeta):
        pass

    class Thing(metaclass=Meta, k=1):
        def who(self):
            return __class__.__name__

    return Thing.kw, Thing().who()


@program
def metaclass_is_a_function():
    def make(name, bases, namespace, **kw):
        pause()
        return name, bases, sorted(k for k in namespace if k[0] != "_"), kw

    class Thing(dict, metaclass=make, k=1):
        x = 1

    return Thing


@program
def metaclass_is_an_object():
    class Maker:
        def __prepare__(self, name, bases, **kw):
            note("prepare", kw)
            return {"prepared": 1}

        def __call__(self, name, bases, namespace, **kw):
            return pause(name), namespace["prepared"], kw

    class Thing(metaclass=Maker(), k=1):
        pass

    return Thing


@program
def prepare_returns_no_mapping():
    class Meta(type):
        @classmethod
        def __prepare__(mcls, name, bases):
            return pause(3)

    try:
        class Thing(metaclass=Meta):
            pass
    except TypeError as error:
        return str(error)


@program
def prepare_returns_its_own_mapping():
    class Space(dict):
        def __setitem__(self, key, value):
            note(key)
            super().__setitem__(key, value)

    class Meta(type):
        @classmethod
        def __prepare__(mcls, name, bases, **kw):
            return Space(prepared=pause(kw))

        def __new__(mcls, name, bases, namespace, **kw):
            note(type(namespace).__name__)
            return super().__new__(mcls, name, bases, dict(namespace))

        def __init__(cls, name, bases, namespace, **kw):
            note(kw)

    class Thing(metaclass=Meta, k=1):
        def who(self):
            return __class__.prepared

    return Thing().who(), Thing.__qualname__


@program
def prepare_then_the_body_raises():
    class Meta(type):
        @classmethod
        def __prepare__(mcls, name, bases):
            return pause({})

    try:
        class Thing(metaclass=Meta):
            raise LookupError("in body")
    except LookupError as error:
        return error.args


@program
def bases_replaced_among_others():
    class Fake:
        def __init__(self, *classes, at=False):
            self.classes, self.at = classes, at

        def __mro_entries__(self, bases):
            note(len(bases))
            return pause(self.classes, self.at)

    class A: pass
    class B: pass
    class C: pass

    class Thing(A, Fake(B, at=True), Fake(), Fake(C)):
        def who(self):
            return __class__.__name__

    return [c.__name__ for c in Thing.__mro__], len(Thing.__orig_bases__), Thing().who()


@program
def bases_replaced_by_one_of_another_metaclass():
    class Fake:
        def __mro_entries__(self, bases):
            return (pause(Other),)

    class Other(metaclass=Inert):
        pass

    class Mine(metaclass=type("Another", (type,), {})):
        pass

    class Thing(Mine, Fake()):
        pass


@program
def bases_replaced_by_no_tuple():
    class Fake:
        def __mro_entries__(self, bases):
            return pause([dict])

    try:
        class Thing(Fake()):
            pass
    except TypeError as error:
        return str(error)


@program
def bases_replaced_with_a_metaclass():
    class Meta(type):
        @classmethod
        def __prepare__(mcls, name, bases, **kw):
            note("prepare", name, [b.__name__ for b in bases], kw)
            return {}

        def __new__(mcls, name, bases, namespace, **kw):
            note("new", sorted(k for k in namespace if "orig" in k))
            return super().__new__(mcls, name, bases, namespace)

        def __init__(cls, name, bases, namespace, **kw):
            note("init", kw)

    class Base(metaclass=Meta):
        pass

    class Fake:
        def __mro_entries__(self, bases):
            return (pause(Base),)

    class Thing(Fake(), k=1):
        x = 1

    return type(Thing).__name__, Thing.x


@program(refused="__build_class__")
def metaclass_mro():
    class Meta(type):
        def mro(cls):
            return pause(super().mro(), cls.__name__ == "Thing")

    class Thing(metaclass=Meta):
        pass

    return len(Thing.__mro__)


@program
def instance_made_by_type_call():
    class Meta(type):
        def __call__(cls, *args, **kwargs):
            made = super().__call__(*args, **kwargs)
            note("made", made.x)
            return made

    class Thing(metaclass=Meta):
        def __init__(self, x, *, y=2):
            self.x = pause(x, x == 1) + y

    return Thing(1).x, Thing(2, y=3).x


@program
def instance_new_by_type_call():
    class Meta(type):
        def __call__(cls, *args, **kwargs):
            return type.__call__(cls, *args, **kwargs)

    class Thing(metaclass=Meta):
        def __new__(cls, x, y=2):
            note("new")
            made = object.__new__(cls)
            made.kept = pause(x, x == 1)
            return made

        def __init__(self, x, y=2):
            self.x = x + y + self.kept

    return Thing(1).x, Thing(2, y=3).x


@program
def singleton_metaclass():
    class Single(type):
        known = {}

        def __call__(cls, *args):
            if cls not in cls.known:
                cls.known[cls] = super().__call__(*args)
            return cls.known[cls]

    class Thing(metaclass=Single):
        def __init__(self, x):
            self.x = pause(x)

    return Thing(1) is Thing(2), Thing(3).x


@program
def init_self_rebound_by_a_loop():
    class Thing:
        def __init__(self, items):
            self.items, kept = items, self
            for self in items:
                pause(when=self == 2)
            kept.last = self

    thing = Thing([1, 2, 3])
    return thing.items, thing.last


@program
def init_self_in_a_cell():
    class Thing:
        def __init__(self):
            self.get = lambda: self
            self.x = pause(1)

    thing = Thing()
    return thing.get() is thing, thing.x


@program
def init_returns_a_value_after_rebinding():
    class Thing:
        def __init__(self):
            kept = self
            self = pause(3)
            kept.n = self
            return self

    try:
        Thing()
    except TypeError as error:
        return str(error)


@program
def filter_by_a_bound_method():
    class Wanted:
        def has(self, item):
            return pause(item, item == 2) % 2 == 0

    return [x for x in filter(Wanted().has, [1, 2, 3, 4])]


@program
def filter_that_rebinds_its_item():
    def wanted(item):
        kept, item = item, 0
        return pause(kept, kept == 2) % 2 == 0

    return [x for x in filter(wanted, [1, 2, 3, 4])]


@program
def subclass_of_a_typing_generic():
    import typing

    class Base(typing.Generic[typing.AnyStr]):
        def __init_subclass__(cls, **kw):
            super().__init_subclass__(**kw)
            cls.seen = pause(cls.__name__)

    class Derived(Base[str]):
        pass

    return Derived.seen, Derived.__orig_bases__[0].__args__

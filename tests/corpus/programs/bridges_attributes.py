"""Attributes, descriptors and subscripts that run Python code."""


@program
def property_get():
    class Thing:
        @property
        def value(self):
            return pause([1])

    return [0, Thing().value, 2]


@program
def property_get_method_called():
    class Thing:
        @property
        def items(self):
            return pause([1, 2])

    return Thing().items.index(2)


@program
def property_get_called():
    class Thing:
        @property
        def call(self):
            pause()
            return lambda x: x + 1

    return Thing().call(4)


@program
def property_set():
    class Thing:
        @property
        def value(self):
            return self.kept

        @value.setter
        def value(self, new):
            self.kept = pause(new) + 1
            return "ignored"

    thing = Thing()
    thing.value = 5
    return thing.value


@program
def property_delete():
    class Thing:
        @property
        def value(self):
            return 1

        @value.deleter
        def value(self):
            note(pause("deleted"))

    thing = Thing()
    del thing.value
    return thing.value


@program
def property_augmented():
    class Thing:
        n = 1

        @property
        def value(self):
            return pause(self.n)

        @value.setter
        def value(self, new):
            self.n = new

    thing = Thing()
    thing.value += 5
    return thing.n


@program
def property_raises_attribute_error():
    class Thing:
        @property
        def value(self):
            pause()
            raise AttributeError("inside")

        def __getattr__(self, name):
            return "fallback", name

    return Thing().value


@program
def property_raises():
    class Thing:
        @property
        def value(self):
            pause()
            raise LookupError("inside")

    try:
        return Thing().value
    except LookupError as error:
        return error.args


@program
def getattr_hook():
    class Thing:
        def __getattr__(self, name):
            return name, pause(1)

    return Thing().missing


@program
def getattr_hook_method():
    class Thing:
        def __getattr__(self, name):
            pause()
            return lambda *a: (name, a)

    return Thing().missing(1, 2)


@program
def getattribute_hook():
    class Thing:
        x = 1

        def __getattribute__(self, name):
            return pause(object.__getattribute__(self, name)) + 1

    return Thing().x


@program
def getattribute_then_getattr():
    class Thing:
        def __getattribute__(self, name):
            pause()
            raise AttributeError(name)

        def __getattr__(self, name):
            return "getattr", name

    return Thing().y


@program
def setattr_hook():
    class Thing:
        def __setattr__(self, name, value):
            object.__setattr__(self, name, pause(value) + 1)

    thing = Thing()
    thing.x = 4
    return thing.x


@program
def delattr_hook():
    class Thing:
        def __delattr__(self, name):
            note("deleted", pause(name))

    thing = Thing()
    del thing.x
    return "after"


@program
def getattr_called():
    class Thing:
        @property
        def value(self):
            return pause(3)

    return getattr(Thing(), "value") + 1


@program
def getattr_called_default():
    class Thing:
        @property
        def value(self):
            pause()
            raise AttributeError

    return getattr(Thing(), "value", "default")


@program
def hasattr_called():
    class Thing:
        @property
        def value(self):
            pause()
            raise AttributeError

    return hasattr(Thing(), "value"), hasattr(Thing(), "__doc__")


@program
def setattr_called():
    class Thing:
        def __setattr__(self, name, value):
            vars(self)[name] = pause(value)

    thing = Thing()
    setattr(thing, "x", 4)
    return thing.x


@program
def dir_called():
    class Thing:
        def __dir__(self):
            return pause(["b", "a"])

    return dir(Thing())


@program
def descriptor_get():
    class Field:
        def __get__(self, instance, owner):
            return instance is None, owner.__name__, pause(1)

    class Thing:
        x = Field()

    return Thing().x


@program
def descriptor_get_on_class():
    class Field:
        def __get__(self, instance, owner):
            return instance is None, pause(1)

    class Thing:
        x = Field()

    return Thing.x


@program
def descriptor_set():
    class Field:
        def __set__(self, instance, value):
            vars(instance)["x"] = pause(value) * 2

        def __get__(self, instance, owner):
            return vars(instance)["x"]

    class Thing:
        x = Field()

    thing = Thing()
    thing.x = 4
    return thing.x


@program
def descriptor_delete():
    class Field:
        def __delete__(self, instance):
            note(pause("delete"))

    class Thing:
        x = Field()

    del Thing().x
    return "after"


@program(refused="BINARY_OP")
def descriptor_as_special_method():
    class Adder:
        def __get__(self, instance, owner):
            return lambda other: (pause(other), "added")

    class Thing:
        __add__ = Adder()

    return Thing() + 3


@program
def module_getattr():
    import types

    module = types.ModuleType("corpus_module")
    module.__getattr__ = lambda name: (name, pause(1))
    return module.missing


@program
def class_attribute_through_metaclass():
    class Meta(type):
        def __getattr__(cls, name):
            return cls.__name__, name, pause(1)

    class Thing(metaclass=Meta):
        pass

    return Thing.missing


@program
def getitem():
    class Box:
        def __getitem__(self, key):
            return key, pause(1)

    return [0, Box()["k"], 2]


@program
def getitem_slice():
    class Box:
        def __getitem__(self, key):
            return key.start, pause(key.stop), key.step

    return Box()[1:2], "after"


@program
def getitem_tuple_key():
    class Box:
        def __getitem__(self, key):
            return pause(key)

    return Box()[1, ..., 2:3:4][1] is ...


@program
def setitem():
    class Box(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, pause(value) + 1)

    box = Box()
    box["a"] = 1
    return box


@program
def setitem_slice():
    class Box:
        def __setitem__(self, key, value):
            self.seen = key.start, key.stop, pause(value)

    box = Box()
    box[1:2] = 3
    return box.seen


@program
def delitem():
    class Box:
        def __delitem__(self, key):
            note("del", pause(key))

    box = Box()
    del box["a"]
    return "after"


@program
def delitem_slice():
    class Box:
        def __delitem__(self, key):
            note("del", key.start, pause(key.stop))

    box = Box()
    del box[1:2]
    return "after"


@program
def augmented_item():
    class Box:
        def __init__(self):
            self.kept = {"a": 1}

        def __getitem__(self, key):
            return pause(self.kept[key])

        def __setitem__(self, key, value):
            self.kept[key] = value

    box = Box()
    box["a"] += 5
    return box.kept


@program
def augmented_item_storing():
    class Box:
        def __getitem__(self, key):
            return 1

        def __setitem__(self, key, value):
            self.seen = key, pause(value)

    box = Box()
    box["a"] += 5
    return box.seen


@program
def missing_key():
    class Box(dict):
        def __missing__(self, key):
            return key, pause(1)

    return Box()["absent"]


@program
def defaultdict_factory_that_sets_the_key_itself():
    import collections

    box = collections.defaultdict(lambda: box.update(key=1) or pause(2))
    return box["key"], box["key"]


@program
def defaultdict_factory():
    import collections

    box = collections.defaultdict(lambda: pause([1]))
    box["a"].append(2)
    return dict(box)


@program
def key_hash_in_lookup():
    class Key:
        def __hash__(self):
            return pause(7)

        def __eq__(self, other):
            return True

    return {7: "found"}.get(Key())


@program(refused="BINARY_OP" if sys.version_info >= (3, 14) else "BINARY_SUBSCR")
def key_equality_in_lookup():
    class Key:
        def __init__(self, at):
            self.at = at

        def __hash__(self):
            return 7

        def __eq__(self, other):
            return pause(True, self.at)

    return {Key(True): "found"}[Key(False)]


@program
def length_hint():
    class Box:
        def __len__(self):
            return pause(3)

        def __getitem__(self, i):
            return i

    return Box()[-1], len(Box())

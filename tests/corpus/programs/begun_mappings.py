"""Mappings that are asked for their keys by C code: `{**x}`, f(**x), dict(x), update and |=."""

import collections


class Keyed:
    def __init__(self, **items):
        self.items = items
        self.asked = []

    def keys(self):
        self.asked.append("keys")
        return pause(list(self.items))

    def __getitem__(self, key):
        self.asked.append(key)
        return self.items[key]


def called(*args, **kwargs):
    return args, kwargs


def of_keys(make, **class_items):
    """A mapping with two items whose method `keys` goes on with what make() returns."""

    def keys(self):
        self.asked.append("keys")
        return make(pause(list(self.items)))

    return type("Made", (Keyed,), {"keys": keys, **class_items})(a=1, b=2)


def told(f, *args):
    try:
        return f(*args)
    except Exception as error:
        return type(error).__name__, str(error), error.__context__, error.__cause__


@program
def display():
    x = Keyed(a=1, b=2)
    made = {"z": 0, "a": 0, **x, "b": 3}
    return list(made.items()), x.asked


@program
def display_of_two():
    x, y = Keyed(a=1), {"a": 2, "c": 3}
    return list({**x, **y}.items()), list({**y, **{"d": 1}}.items()), x.asked


@program
def display_of_later():
    first, x = {"a": 2}, Keyed(a=1)
    return [*range(2), {**first, **x}, 7]


@program
def keyword_arguments():
    x = Keyed(a=1, b=2)
    return called(**x), x.asked


@program
def keyword_arguments_behind_others():
    x = Keyed(a=1, b=2)
    return called(0, *(1, 2), c=3, **x), x.asked


@program
def keyword_arguments_twice():
    x = Keyed(a=1, b=2)
    return told(lambda: called(a=3, **x)), x.asked


@program
def keyword_arguments_that_are_no_texts():
    x = of_keys(lambda names: [1, 2])
    x.items = {1: 2, 2: 3}
    return told(lambda: called(**x)), x.asked


@program
def of_a_builtin():
    x = Keyed(key=len, reverse=True)
    return sorted(["a", "bbb", "cc"], **x)


@program
def of_a_class():
    class Made:
        def __init__(self, **given):
            self.given = given

    return Made(**Keyed(a=1)).given


@program
def keys_that_can_be_asked_once():
    x = of_keys(iter)
    return {**x}, x.asked


@program
def keys_that_a_generator_gives():
    x = of_keys(lambda names: (name for name in names))
    return called(**x), x.asked


@program
def keys_that_are_none():
    x = of_keys(lambda names: 5)
    return told(lambda: {**x}), x.asked


@program
def keys_that_are_none_for_a_call():
    x = of_keys(lambda names: None)
    return told(lambda: called(**x)), x.asked


@program
def not_subscriptable():
    class Half:
        def keys(self):
            return pause(["a"])

    return told(lambda: {**Half()})


@program
def not_subscriptable_for_a_call():
    class Half:
        def keys(self):
            return pause(["a"])

    return told(lambda: called(**Half()))


def refusing(error):
    class Refusing:
        def keys(self):
            raise error(pause("a"))

    return Refusing()


@program
def without_the_attribute():
    x = refusing(AttributeError)
    return told(lambda: {**x})


@program
def without_the_attribute_for_a_call():
    x = refusing(AttributeError)
    return told(lambda: called(**x))


@program
def without_the_key():
    x = refusing(KeyError)
    return told(lambda: {**x})


@program
def without_the_key_for_a_call():
    x = refusing(KeyError)
    return told(lambda: called(**x))


@program
def other_errors():
    x = refusing(ValueError)
    return told(lambda: called(**x))


@program
def while_another_is_handled():
    x = refusing(AttributeError)
    try:
        raise OSError("first")
    except OSError as first:
        kind, text, context, cause = told(lambda: {**x})
        return kind, text, context is first, cause


@program
def item_that_refuses():
    class Refusing(Keyed):
        def __getitem__(self, key):
            raise KeyError(key)

    return told(lambda: {**Refusing(a=1)})


@program
def item_that_refuses_a_dict():
    class Refusing(Keyed):
        def __getitem__(self, key):
            raise KeyError(key)

    return told(dict, Refusing(a=1))


@program
def of_a_class_below_dict():
    class Own(dict):
        def __iter__(self):
            return iter(["no"])

        def keys(self):
            return pause(["b"])

    return {**Own(a=1, b=2)}


@program
def of_an_abstract_mapping():
    class Own(collections.abc.Mapping):
        def __init__(self):
            self.of = {"a": 1, "b": 2}

        def keys(self):
            pause()
            return super().keys()

        def __getitem__(self, key):
            return self.of[key]

        def __iter__(self):
            return iter(self.of)

        def __len__(self):
            return len(self.of)

    return {**Own()}


@program
def dict_of():
    x = Keyed(a=1, b=2)
    return dict(x, c=3), x.asked


@program
def dict_of_what_refuses():
    return told(dict, refusing(AttributeError))


@program
def ordered_of():
    x = Keyed(a=1, b=2)
    return collections.OrderedDict(x), x.asked


@program
def default_of():
    x = Keyed(a=1)
    made = collections.defaultdict(list, x)
    made["b"].append(1)
    return made, x.asked


@program
def update_of():
    d, x = {"a": 0, "z": 1}, Keyed(a=1, b=2)
    d.update(x, c=3)
    return list(d.items()), x.asked


@program
def update_of_an_ordered():
    d, x = collections.OrderedDict(z=1), Keyed(a=1, b=2)
    d.update(x)
    return d, x.asked


@program
def in_place():
    d, x = {"z": 1}, Keyed(a=1, b=2)
    same = d
    d |= x
    return d, d is same, x.asked


@program
def in_place_of_an_ordered():
    d, x = collections.OrderedDict(z=1), Keyed(a=1)
    d |= x
    return d, x.asked


@program
def update_by_its_class():
    class Own(dict):
        def update(self, *given):
            dict.update(self, *given)

    d = Own()
    d.update(Keyed(a=1))
    return d


@program(refused="DICT_UPDATE")
def value_of_a_key():
    class Asking(Keyed):
        def keys(self):
            return list(self.items)

        def __getitem__(self, key):
            return pause(self.items[key], key == "b")

    return {**Asking(a=1, b=2)}


@program(refused="DICT_UPDATE")
def keys_by_the_function_that_iterates():
    class Both:
        def __init__(self):
            self.asked = 0

        def keys(self):
            self.asked += 1
            return self if self.asked == 1 else iter(pause([]))

        __iter__ = keys

        def __getitem__(self, key):
            return key

    return {**Both()}

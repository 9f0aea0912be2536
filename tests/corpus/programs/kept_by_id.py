"""Containers of the standard library that know objects by their ids: an id is another number in the adopter."""

import copy
import dataclasses
import io
import json
import pickle
import reprlib


class Part:
    """A node of a graph; its copies pause at one name."""

    def __init__(self, name, **links):
        self.name = name
        self.__dict__.update(links)

    def __setstate__(self, state):
        self.__dict__.update(state)
        pause(None, self.name == "stop")


@program
def deep_copy_of_what_is_shared():
    shared = [1, 2]
    whole = [shared, Part("stop", own=shared), shared, {"again": shared}]
    made = copy.deepcopy(whole)
    return [made[0] is other for other in (shared, made[1].own, made[2], made[3]["again"])]


@program
def deep_copy_of_a_cycle():
    first = Part("first")
    first.next = Part("stop", back=first)
    first.last = first.next
    made = copy.deepcopy({"first": first, "list": [first, first.next]})
    one = made["first"]
    return one.next.back is one, one.last is one.next, [a is b for a, b in zip(made["list"], (one, one.next))], one is first


@program
def deep_copy_with_a_method_and_a_memo():
    class Owner:
        def __init__(self, name):
            self.name, self.parts = name, []

        def __deepcopy__(self, memo):
            key = id(self)
            if key in memo:
                return memo[key]
            made = Owner(self.name + "'")
            memo[key] = made
            pause(None, self.name == "stop")
            made.parts = [copy.deepcopy(part, memo) for part in self.parts]
            note(memo[key] is made)
            return made

    owner, stop = Owner("owner"), Owner("stop")
    owner.parts = [stop, [owner, stop]]
    stop.parts = [owner, stop]
    left = Owner("left out")
    made = copy.deepcopy([owner, stop, left, owner], {id(left): "nothing", "flag": 1})
    one, two = made[:2]
    return one.parts[0] is two, one.parts[1][0] is one, two.parts[0] is one, two.parts[1] is two, made[2], made[3] is one


@program
def deep_copy_through_reduce():
    class Pair:
        def __init__(self, a, b=None):
            self.a, self.b, self.same = a, b, {}

        def __reduce__(self):
            return Pair, (self.a,), {"b": self.b}, iter([self.a]), iter([("k", self.a)])

        def append(self, value):
            self.same["append"] = pause(value) is self.a

        def __setitem__(self, key, value):
            self.same[key] = value is self.a

    shared = ["shared"]
    pair = Pair(shared)
    pair.b = [pair, (shared, pair)]
    made, again = copy.deepcopy((pair, pair))
    return made is again, made.b[0] is made, made.b[1][0] is made.a, made.b[1][1] is made, made.a is shared, made.same


@program
def deep_copy_of_keys_and_tuples():
    class Key:
        def __init__(self, name):
            self.name = name

        def __deepcopy__(self, memo):
            return Key(pause(self.name, self.name == "b"))

    a, b, c = Key("a"), Key("b"), Key("c")
    table = {}
    table.update({a: (a, b), b: [a, b, c], c: table})
    made = copy.deepcopy(table)
    keys = list(made)
    values = list(made.values())
    return [k.name for k in keys], [x is y for x, y in zip((*values[0], *values[1]), (*keys[:2], *keys))], values[2] is made


@program
def pickled_in_python():
    class Shared:
        def __getstate__(self):
            return pause({"n": 1})

        def __reduce_ex__(self, protocol):
            return dict, (), None, None, iter(self.__getstate__().items())

    shared = [1]
    whole = [shared, "text", Shared(), shared, "text", [shared]]
    whole.append(whole)
    out = io.BytesIO()
    pickle._Pickler(out, 4).dump(whole)
    made = pickle.loads(out.getvalue())
    return [made[0] is other for other in (made[3], made[5][0])], made[6] is made, made[2], out.getvalue()


@program
def json_in_python():
    class Thing:
        pass

    ring = {"name": "ring"}
    inner = [1, [2, Thing()], ring]
    ring["back"] = inner
    encoder = json.JSONEncoder(indent=1, default=lambda thing: pause(["thing"]))
    parts = []
    try:
        for part in encoder.iterencode(inner):
            parts.append(part)
    except ValueError as error:
        return "".join(parts), str(error)


@program
def json_by_parts():
    whole = {"a": [1, [2, 3]], "b": {"c": []}}
    parts = []
    for number, part in enumerate(json.JSONEncoder(indent=1).iterencode(whole)):
        parts.append(part)
        if number == 5:
            pause()
            made = [[n] for n in range(100)]  # likely to be where something else was before
    return "".join(parts), len(made)


@program
def recursive_repr_under_way():
    class Node:
        def __init__(self, name, *links):
            self.name, self.links = name, list(links)

        @reprlib.recursive_repr("<again>")
        def __repr__(self):
            return f"{pause(self.name, self.name == 'b')}({', '.join([link.__repr__() for link in self.links])})"

    b = Node("b")
    a = Node("a", b)
    b.links += [a, b]
    return a.__repr__()


@program
def repr_of_a_dataclass_under_way():
    class Stop:
        def __repr__(self):
            return pause("stop")

    @dataclasses.dataclass
    class Data:
        stop: object
        other: object = None

    data = Data("outer")
    data.other = Data(Stop(), data)
    return data.__repr__()


class Default:
    """What a field of a dataclass shows, by a class that stays behind."""

    def __repr__(self):
        return pause("default")


@program
def repr_of_an_imported_class_under_way():
    field = dataclasses.field(default=Default())
    return "default=default," in field.__repr__()


@program(refused="leads to itself")
def repr_of_an_imported_class_that_leads_to_itself():
    field = dataclasses.field(default=Default())
    field.default.field = field
    return field.__repr__()


ELSEWHERE = [Part("elsewhere")]


@program(refused="ids of objects that nothing")
def deep_copy_with_the_id_of_something_elsewhere():
    return copy.deepcopy([Part("stop")], {id(ELSEWHERE[0]): None}) is None

"""Containers of the standard library that know objects by their ids: an id is another number in the adopter."""

import collections
import copy
import dataclasses
import functools
import io
import json
import pickle
import re
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


class Waits:
    def __deepcopy__(self, memo):
        return pause(self)


@program
def deep_copy_of_a_cycle_in_its_middle():
    """A local is the dict of attributes that an object's `__setstate__` is given."""
    first = Part("first")
    first.next = Part("second", back=first, wait=Waits())
    made = copy.deepcopy(first)
    return made.name, made.next.name, made.next.back is made, first.next.back is first, made.next.wait is first.next.wait


@program
def state_that_is_kept_elsewhere():
    """It leads to the object that gets it, and to one that hashes it by it."""

    class Named:
        def __init__(self, name):
            self.state = {"name": name}

        def __getstate__(self):
            return self.state

        def __setstate__(self, state):
            assert "name" in state
            self.state = state

        def __hash__(self):
            return hash(self.state["name"])

    class Plain:
        def __getstate__(self):
            return states[0]

    one, two = Named("one"), Plain()
    two.number, states = 7, [{"number": 7}]
    one.state["members"] = {one}
    states[0]["self"] = two
    states.append(one.state)
    pause()
    return one.state is states[1], sorted(one.state), one in one.state["members"], two.number


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


@program
def deep_copy_in_a_suspended_greenlet():
    import greenlet

    class Stop:
        def __init__(self, links):
            self.links = links

        def __deepcopy__(self, memo):
            greenlet.getcurrent().parent.switch("copying")
            return Stop(copy.deepcopy(self.links, memo))

    shared = [1]
    whole = [shared, None, shared]
    whole[1] = Stop([shared, whole])
    copying = greenlet.greenlet(copy.deepcopy)
    note(copying.switch(whole))
    pause()
    made = copying.switch()
    return made[0] is made[2], made[1].links[0] is made[0], made[1].links[1] is made, made[0] is shared, copying.dead


@program
def pickling_in_a_suspended_generator():
    class Slow:
        def __init__(self, value):
            self.value = value

    def steps(whole):
        out = io.BytesIO()
        pickler = pickle._Pickler(out)
        for part in whole:
            pickler.dump(part)
            yield len(pickler.memo)
        pickler.clear_memo()
        yield out.getvalue()

    shared = [1, 2]
    going = steps([[shared, shared], shared, (shared, "x")])
    first = next(going)
    pause()
    return first, list(going)


class Node:
    def __init__(self, name):
        self.name, self.links = name, []


def ring(*names):
    nodes = [Node(name) for name in names]
    for node, other in zip(nodes, nodes[1:] + nodes[:1]):
        node.links = [other, node, nodes[0]]
    return nodes


@program
def visited_set_of_ids():
    def walk(node, seen, order):
        if id(node) in seen:
            return order
        seen.add(id(node))
        order.append(node.name)
        pause(None, node.name == "c")
        for other in node.links:
            walk(other, seen, order)
        return order

    nodes = ring(*"abcde")
    seen = set()
    return walk(nodes[0], seen, []), seen == set(map(id, nodes))


@program
def memo_dict_of_ids():
    nodes, memo = ring(*"abc"), {}
    for node in nodes:
        memo[id(node)] = node.name
    pause()
    return [memo.get(id(node)) for node in nodes], [id(node) for node in nodes] == list(memo), len(memo)


@program
def ids_in_locals_and_attributes():
    class Owner:
        def __init__(self):
            self.me, self.pair = id(self), (id(self), id(type(self)))

    owner, owners = Owner(), []
    number, same, lists = id(owner), id(owners), [id(owners), 1, id(len)]
    owners.append(number)
    pause()
    return (number == id(owner), owner.me == number, owner.pair == (id(owner), id(Owner)), same == id(owners), lists[0] == same,
            owners[0] is number, id(number) == id(owners[0]))


@program
def ids_of_everything():
    def function(): pass

    async def coroutine(): pass

    things = [function, [], {}, set(), (1, []), frozenset((2, 3)), object(), Node, Node("x"), Node("y").__init__, bytearray(b"x"),
              (n for n in "ab"), iter([1, 2]), slice(1, 2), range(10**6), functools.partial(len), len, str.join, property(), sys,
              Exception("e"), memoryview(b"ab"), collections.deque(), collections.OrderedDict(), re.compile("a"), type]
    ids = [id(thing) for thing in things]
    table = {number: thing for number, thing in zip(ids, things)}
    frozen = frozenset(ids)
    pause()
    wrong = [type(thing).__name__ for number, thing in zip(ids, things) if number != id(thing)]
    return wrong, [type(v).__name__ for k, v in table.items() if k != id(v)], frozen == set(map(id, things))


@program
def id_of_what_is_gone():
    gone = id(Node("gone"))
    number = 0x7F0000000010
    pause()
    return type(gone), number == 0x7F0000000010


@program
def id_in_a_suspended_generator():
    def unique(items):
        seen = set()
        for item in items:
            if id(item) not in seen:
                seen.add(id(item))
                yield item.name

    nodes = ring(*"abc")
    names = unique(nodes + nodes)
    first = next(names)
    pause()
    return first, list(names)


@program
def id_of_the_running_generator():
    def steps():
        me = own
        mine = id(me)
        yield pause()
        yield mine == id(me)

    own = steps()
    return [value for value in own]


@program
def id_in_globals_of_a_program():
    space = {"note": note, "pause": pause}
    exec("things = [[1], [2]]\nids = {id(t): i for i, t in enumerate(things)}\ndef job():\n    pause()\n"
         "    return [ids.get(id(t)) for t in things]\n", space)
    return space["job"]()


@program
def id_as_a_default_and_in_a_cell():
    thing = [1]
    number = id(thing)

    def check(given=number, kept={number: "x"}):
        pause()
        return given == id(thing), number == given, kept[id(thing)]

    return check()


@program
def ids_in_enums_dataclasses_and_named_tuples():
    Pair = collections.namedtuple("Pair", "number thing")

    @dataclasses.dataclass(frozen=True)
    class Entry:
        number: int
        thing: object

    things = [[], {}]
    pairs, entries = [Pair(id(t), t) for t in things], {Entry(id(t), None): t for t in things}
    pause()
    return [p.number == id(p.thing) for p in pairs], [e.number == id(t) for e, t in entries.items()], Entry(id(things[1]), None) in entries


@program(refused="id() of the object whose constructor takes it")
def own_id_as_an_argument():
    class Token:
        def __init__(self, number=None):
            self.number = number or id(self)

        def __reduce__(self):
            return Token, (self.number,)

    token = Token()
    pause()
    return token.number == id(token)


@program
def ids_of_what_has_one_holder():
    word, text, steps, data, words = "interned", "".join(["not ", "interned"]), iter(range(3)), bytearray(b"x"), ["".join(["a ", c]) for c in "abc"]
    numbers = [id(text), id(steps), id(data), id(word), *map(id, words)]
    pause()
    return numbers == [id(text), id(steps), id(data), id(word), *map(id, words)]

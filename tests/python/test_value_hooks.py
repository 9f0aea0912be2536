"""Objects that run code while they are captured cannot spoil the capture, nor what they belong to.

Each script runs in a process of its own in the development mode, whose allocator sees what is used after it is gone.
"""

from processes import literal, run

BEGIN = """
import gc, sys, threading, torpor

class Hooked:
    def __init__(self, work):
        self.work, self.calls = work, 0
    def __getstate__(self):
        self.calls += 1
        if self.calls == 1:
            self.work(self)
        return {"state": "kept"}
    def __setstate__(self, state):
        self.__dict__.update(state, calls=1, work=None)

store = torpor.Store("test")
"""


def outcome(script):
    return literal(run(BEGIN + script, flags=["-X", "dev"]))


def test_a_hook_that_captures_again(stores):
    found = outcome("""
def inner(number):
    note = ["inner", number]
    got = store.capture(key="inner")
    return got if isinstance(got, str) else note

def outer():
    before = [1, 2, 3]
    held = [before, Hooked(lambda one: torpor.run(inner, 7)), before]
    got = store.capture(key="outer")
    return (got, held[0] is held[2], held[1].state, before) if isinstance(got, str) else "original"

print(repr((torpor.run(outer), store.adopt("outer").resume("outer"), store.adopt("inner").resume("inner"),
            store.adopt("inner").frames[0].locals["note"])))
""")
    assert found == ("original", ("outer", True, "kept", [1, 2, 3]), "inner", ["inner", 7])


def test_a_hook_that_captures_the_same_frame(stores):
    """It waits in C code between the two, which is refused; the outer capture is not."""
    found = outcome("""
def again(one):
    try:
        store.capture(key="again")
    except torpor.CaptureError as error:
        one.refused = type(error).__name__

def outer():
    held = Hooked(again)
    got = store.capture(key="outer")
    return held.state if got == "resumed" else held.refused

print(repr((torpor.run(outer), store.adopt("outer").resume("resumed"), "again" in store)))
""")
    assert found == ("UnsupportedFrame", "kept", False)


def test_a_hook_that_raises_is_refused_and_nothing_is_left(stores):
    found = outcome("""
def refuse(one):
    raise LookupError("not now")

def outer():
    first, second, plain = [Hooked(refuse)], {"k": Hooked(refuse)}, [1]
    try:
        store.capture(key="outer")
    except torpor.UncapturableValue as error:
        return error.refusals, len(store.snapshots()), plain
    return first, second

print(repr(torpor.run(outer)))
""")
    reason = "a Hooked cannot be captured: not now"
    assert found == ([("frames[0].locals['first'][0]", reason), ("frames[0].locals['second']['k']", reason)], 0, [1])


def test_a_hook_that_changes_the_containers_that_are_walked(stores):
    """What it does before its own object is written may travel or not: the graph is whole, and the original has it."""
    found = outcome("""
def spoil(one):
    items.clear(); items.extend("new")
    mapping.clear(); mapping.update({i: [i] for i in range(2000)})
    numbers.clear(); numbers.update(range(500))
    node.__dict__.clear(); node.__dict__["x"] = "new"
    data.extend(b"z" * 100_000)
    gc.collect()

class Node:
    pass

items, mapping, numbers, node, data = [], {}, set(), Node(), bytearray(b"abc")
after = []

def outer():
    here, there = items, mapping
    here += [[1], Hooked(spoil), [2], [3]]
    there.update(a=[1], b=here[1], c=[2])
    numbers.update({1, 2, 3})
    node.x, node.hooked, node.y = [1], here[1], [2]
    got = store.capture(key="outer")
    if got == "resumed":
        parts = [*here, *there.values(), *numbers, *vars(node).values(), bytes(data)]
        return all(type(part) in (list, str, int, bytes, Hooked) for part in parts)
    return here, len(there), len(numbers), vars(node), len(data)

print(repr((torpor.run(outer), store.adopt("outer").resume("resumed"))))
""")
    assert found == ((["n", "e", "w"], 2000, 500, {"x": "new"}, 100_003), True)


def test_a_hook_that_changes_the_frame(stores):
    """Its locals, while they are captured: each comes back as it was before or after, and the original goes on."""
    found = outcome("""
import ctypes

def spoil(one):
    frame = sys._getframe()
    while frame.f_code.co_name != "outer":
        frame = frame.f_back
    names = frame.f_locals  # asked for again, it would be brought up to date before 3.13
    names["before"] = names["later"] = "changed"
    if sys.version_info < (3, 13):
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
    del frame
    gc.collect()

def outer():
    before = ["before"]
    held = Hooked(spoil)
    later = ["later"]
    got = store.capture(key="outer")
    return before, later, held.state if got == "resumed" else "original"

original, resumed = torpor.run(outer), store.adopt("outer").resume("resumed")
print(repr((original, resumed[2], resumed[0] in (["before"], "changed"), resumed[1] in (["later"], "changed"))))
""")
    assert found == (("changed", "changed", "original"), "kept", True, True)


def test_hooks_that_adopt_resume_and_start_threads(stores):
    found = outcome("""
def small(value):
    got = store.capture(key=f"small {value}")
    return got if isinstance(got, str) else value

def busy(one):
    torpor.run(small, 1)
    one.got = store.adopt("small 1").resume("resumed")
    thread = threading.Thread(target=torpor.run, args=(small, 2))
    thread.start()
    thread.join()

def outer():
    held = Hooked(busy)
    got = store.capture(key="outer")
    return held.state if got == "resumed" else held.got

print(repr((torpor.run(outer), store.adopt("outer").resume("resumed"), store.adopt("small 2").resume("two"))))
""")
    assert found == ("resumed", "kept", "two")


def test_reducers_that_are_wrong_are_refused(stores):
    found = outcome("""
class Wrong:
    def __init__(self, answer):
        self.answer = answer
    def __reduce_ex__(self, protocol):
        return self.answer

def outer():
    wrong = [Wrong(answer) for answer in (5, (), (1,), (int, [1]), (int, (1,), None, 5), "no such name", (int,) * 9)]
    try:
        store.capture()
    except torpor.UncapturableValue as error:
        return [path for path, _ in error.refusals], len(store.snapshots())
    return wrong

print(repr(torpor.run(outer)))
""")
    assert found == ([f"frames[0].locals['wrong'][{i}]" for i in range(7)], 0)


def test_keys_are_not_asked_for_their_hash(stores):
    """A capture reads dicts where they lie, also those below dict and those that keep an order of their own."""
    found = outcome("""
import collections

class Key:
    def __init__(self, name):
        self.name = name
    def __hash__(self):
        asked.append(self.name)
        return hash(self.name)
    def __eq__(self, other):
        asked.append(self.name)
        return self.name == other.name

class Own(dict): pass
class Ordered(collections.OrderedDict): pass
class Default(collections.defaultdict): pass
class Attributes(collections.OrderedDict):
    def __init__(self):
        self.more = [1]

asked = []
kinds = [dict, Own, collections.OrderedDict, Ordered, Attributes, lambda: collections.defaultdict(list), lambda: Default(int), collections.Counter]

def job():
    made = []
    for kind in kinds:
        one = kind()
        for name in "abc":
            one[Key(name)] = len(made)
        if isinstance(one, collections.OrderedDict):
            one.move_to_end(next(iter(one)))
        made.append(one)
    del asked[:]
    got = store.capture(key="k")
    said = list(asked)
    return said, [(type(one).__name__, [key.name for key in one], list(one.values()), one[Key("b")]) for one in made], made[4].more

here = torpor.run(job)
print(repr((here, here[1:] == store.adopt("k").resume()[1:])))
""")
    (asked, made, more), same = found
    assert asked == [] and same
    assert [keys for _, keys, _, _ in made] == [list(order) for order in ("abc", "abc", "bca", "bca", "bca", "abc", "abc", "abc")]
    assert [value for *_, value in made] == list(range(8)) and more == [1]


def test_iterators_that_are_not_those_of_the_object_are_asked(stores):
    """What a class gives as its items counts, not what lies in its dict."""
    found = outcome("""
import collections

class Half(dict):
    def __reduce__(self):
        items = iter(dict.items(self))
        next(items)
        return Half, (), None, None, items

class Other(collections.OrderedDict):
    def items(self):
        return {"other": 1}.items()

class Reversed(collections.OrderedDict):
    def __reduce__(self):
        return Reversed, (), None, None, reversed(self.items())

def job():
    made = Half(a=1, b=2), Other(a=1), Reversed(a=1, b=2)
    store.capture(key="k")
    return [list(dict.items(one)) for one in made], list(made[2])

torpor.run(job)
print(repr(store.adopt("k").resume()))
""")
    assert found == ([[("b", 2)], [("other", 1)], [("b", 2), ("a", 1)]], ["b", "a"])


def test_a_refusal_names_the_key_in_what_is_below_dict(stores):
    found = outcome("""
import collections, socket

class Own(dict): pass

def job():
    jobs, own = collections.defaultdict(list, one=[], two=[socket.socketpair()]), Own(s=socket.socketpair())
    order = collections.OrderedDict({1: socket.socketpair()})
    try:
        store.capture(key="k")
    except torpor.UncapturableValue as error:
        return str(error).splitlines()
    return jobs, own, order  # they are needed

print(repr([line.partition(": ")[0] for line in torpor.run(job)]))
""")
    wanted = ("jobs']['two'][0]", "own']['s']", "order'][1]")
    assert {f"frames[0].locals['{place}[{end}]" for place in wanted for end in (0, 1)} <= set(found)

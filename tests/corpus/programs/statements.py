"""Statements in the middle of which an expression is suspended: assignments, deletions, match, definitions."""


def pair(*args, **kwargs):
    return args, sorted(kwargs.items())


@program
def slice_store():
    items = list(range(6))
    items[1 : pause(3)] = ["a", "b", "c"]
    return items


@program
def slice_delete():
    items = list(range(6))
    del items[pause(1) : 3]
    return items


@program
def store_subscript_value():
    items = [0, 0, 0]
    items[1] = pause("set")
    return items


@program
def store_subscript_index():
    items = [0, 0, 0]
    items[pause(1)] = note("value first")
    return items


@program
def store_attribute():
    class Thing:
        pass

    thing = Thing()
    thing.x = thing.y = pause([1])
    return thing.x, thing.x is thing.y


@program
def delete_subscript():
    d = {"a": 1, "b": 2}
    del d[pause("a")], d["b"]
    return d


@program
def assignment_to_many():
    items = [0, 0]
    a = items[0] = b = pause([5])
    return a is b, items


@program
def assignment_order():
    items = {}
    items[note("first")], items[pause("second")] = note("value"), 2
    return items


@program
def unpack():
    a, (b, *c), d = pause((1, (2, 3, 4), 5))
    return a, b, c, d


@program
def unpack_wrong_length():
    a, b = pause((1, 2, 3))


@program
def swap():
    a, b, c = 1, 2, 3
    a, b, c = pause(c), a, b
    return a, b, c


@program
def augmented_name():
    total = 10
    total += pause(5)
    total **= 2
    return total


@program
def augmented_subscript():
    items = {"a": [1]}
    same = items["a"]
    items["a"] += pause([2, 3])
    return items, same is items["a"]


@program
def augmented_subscript_index():
    items = [1, 2, 3]
    items[pause(1)] *= 10
    return items


@program
def augmented_attribute():
    class Thing:
        n = 1

    thing = Thing()
    thing.n -= pause(5)
    return thing.n, Thing.n


@program
def augmented_slice():
    items = [1, 2, 3]
    items[1:] += pause([4])
    return items


@program
def return_expression():
    return pause(1)


@program
def expression_statement():
    pause(1)


@program
def lambda_body():
    return (lambda a, b=2, *c, d: (a, b, c, pause(d)))(1, d=4)


@program
def lambda_default():
    made = lambda a=pause(5), *, b=6: (a, b)
    return made(), made(1, b=2)


@program
def function_default():
    def made(a, b=pause([1]), *, c=note(3)):
        return a, b, c

    return made(0), made.__defaults__, made.__kwdefaults__


@program
def function_annotation():
    def made(a: note("x"), b: pause(int) = 1) -> note("r"):
        return a, b

    return made(1), sorted(made.__annotations__)


@program
def decorator_expression():
    def deco(tag):
        def decorate(function):
            note("applied", tag)
            return lambda *a: (tag, function(*a))

        return decorate

    @deco(note("outer"))
    @deco(pause("inner"))
    def made(x):
        return x

    return made(1)


@program
def assert_test():
    assert pause(True), note("message")
    return "fine"


@program
def delete_names():
    a = b = pause([1])
    del a
    return b


@program
def import_in_function():
    import math

    pause()
    from os import path as place

    return math.floor(2.5), place.basename("a/b")


@program
def match_subject():
    match pause({"k": [1, 2, 3]}):
        case {"k": [first, *rest], **more}:
            return first, rest, more


@program
def match_guard():
    out = []
    for value in ({"k": [1, 2]}, [3, 4], 5, "six", None):
        match value:
            case {"k": [first, *rest]} if pause(first, True) == 1:
                out.append(("mapping", first, rest))
            case [int(x), y] if x < y:
                out.append(("pair", x, y))
            case int(n) | str(n):
                out.append(("either", n))
            case _:
                out.append("other")
    return out


@program
def match_guard_false():
    match [1, 2, [3]]:
        case [a, b, [c]] if pause(0):
            return "never", a
        case [a, *others] if others:
            return a, others, b, c


@program
def match_class_pattern():
    class Point:
        __match_args__ = ("x", "y")

        def __init__(self, x, y):
            self.x, self.y = x, y

    match Point(1, Point(2, 3)):
        case Point(x, Point(y=inner)) if pause(True):
            return x, inner


@program
def match_body():
    match (1, "b", [2]):
        case (a, str() as s, [*items]):
            pause()
            return a, s, items


@program
def global_assigned():
    global CORPUS_GLOBAL
    CORPUS_GLOBAL = [1]
    pause()
    CORPUS_GLOBAL.append(2)
    kept = CORPUS_GLOBAL
    del CORPUS_GLOBAL
    return kept, "CORPUS_GLOBAL" in globals()

# Builtin functions that check, or convert an argument by a special method and then go on with it.

import _abc
import math
import os


def _flattened(classes):
    """The classes of isinstance's second argument, in the order in which they are asked; None if not known."""
    found = []
    for one in classes:
        if type(one) is tuple:
            more = _flattened(one)
            if more is None:
                return None
            found += more
        elif type(one) is types.UnionType or type(one).__module__ == "typing":
            return None
        else:
            found.append(one)
    return found


def _checked(call, check, obj, classes):
    """isinstance or issubclass"""
    hook = "__instancecheck__" if check is isinstance else "__subclasscheck__"
    if type(classes) is not tuple:
        return ("isinstance", "after", [], [(finish_truth, (), None)]) if call.special(classes, hook) else None
    asked, flat = call.given(0), _flattened(classes)
    if flat is None or asked is EMPTY or not call.special(asked, hook):
        return None
    places = [n for n, one in enumerate(flat) if one is asked]
    if len(places) != 1:
        return None  # which of them was asked is not known
    rest = tuple(flat[places[0] + 1:])
    return "isinstance", "after", [], [(finish_check_of_rest, (check, obj, rest), None)]


# What each does first, and what it then takes as it is.
_CONVERTED = {
    function: ("__index__", (int,)) for function in (range, chr, bin, oct, hex, operator.index)
} | {
    function: ("__float__", (float,))
    for function in (math.sqrt, math.sin, math.cos, math.tan, math.exp, math.log2, math.log10, math.isnan, math.isinf,
                     math.isfinite, math.fabs, math.atan, math.degrees, math.radians)
} | {
    os.fspath: ("__fspath__", (str, bytes)), complex: ("__complex__", (complex,)),
}  # fmt: skip


def _is_once_in(obj, args):
    """Whether only one argument is that object: of others it is not known which is asked."""
    return sum(arg is obj for arg in args) == 1


def _converted(call, function, args):
    if function is complex and len(args) != 1 or function is not range and len(args) != 1:
        return None
    name, plain = _CONVERTED[function]
    for place, arg in enumerate(args):
        if call.special(arg, name) and call.given(0) is arg and _is_once_in(arg, args):
            return "conversion", "after", [], [(finish_converted, (function, tuple(args), place, name, type(arg), plain), None)]
        if type(arg) is not int:
            return None  # what it was converted to is not known
    return None


def _in_front():
    """What lies in front of an object, by the flags of its type that decide it."""

    class Both:
        pass

    class Neither:
        __slots__ = ()

    class Weak:
        __slots__ = ("__weakref__",)

    class Tuple(tuple):
        __slots__ = ()

    class Dict:
        __slots__ = ("__dict__",)

    made = Both(), Neither(), Weak(), Tuple(), Dict()
    return {type(o).__flags__ & _FRONT: sys.getsizeof(o) - type(o).__sizeof__(o) for o in made}


_FRONT = 1 << 3 | 1 << 4 | 1 << 14  # managed weak references, managed dict, collected
_BEFORE = _in_front()


def _size(call, args):
    obj = args[0]
    before = _BEFORE.get(_flags_of(type(obj)) & _FRONT)
    if len(args) != 1 or before is None or not call.special(obj, "__sizeof__"):
        return None
    return "conversion", "after", [], [(finish_size, (before,), None)]


def _abstract(call, function, args):
    """What collections.abc and the like ask in C."""
    cls, obj = args
    if not _is(cls, type):
        return None
    if function is _abc._abc_subclasscheck:
        if call.calls(_lookup(cls, "__subclasshook__")):
            return "abstract class", "after", [], [(finish_hook, (cls, obj), None)]
        return None
    if _lookup(type(obj), "__class__") is object.__dict__["__class__"] and call.special(cls, "__subclasscheck__"):
        return "abstract class", "after", [], []
    return None


def gives_index(obj, function):
    """Whether a function that runs with obj gives its index, and does nothing else for the interpreter."""
    found = (_function(_lookup(type(obj), name)) for name in ("__index__", "__del__"))
    return [one is function for one in found] == [True, False]


def _sliced(call, container, start, stop, step, kind):
    """A builtin sequence is sliced: of its bounds step comes first, then start, then stop."""
    parts = start, stop, step
    for place in (2, 0, 1):
        if call.special(parts[place], "__index__") and call.given(0) is parts[place] and _is_once_in(parts[place], parts):
            return kind, "after", [], [(finish_slice, (container, *parts, place, type(parts[place])), None)]
        if parts[place] is not None and type(parts[place]) is not int:
            return None
    return None


def _power(call, a, b, c):
    if type(b) is int and type(c) is int and call.special(a, "__pow__"):
        return "operator", "after", [], [(finish_power, (a, b, c), None)]
    return None


def _member(call, container, item, invert):
    """`in` for what has no __contains__ in Python."""
    if call.iterates(container):
        return "contains generator", "after", [], [(finish_contains_generator, (item, invert), container)]
    if _lookup(type(container), "__contains__") is None and call.special(container, "__iter__") and call.given(0) is container:
        finisher = finish_contains_iterable, (type(container), item, invert), None
        return "contains by iteration", "after", [], [finisher]
    if type(container) is tuple:
        compared = _member_of(call, container, item)
        if compared is not None:
            finishers, rest = compared
            return "contains by equality", "after", [], [*finishers, (finish_contains_tuple, (rest, item, invert), None)]
    return None


def _member_of(call, elements, item):
    """Which element of a tuple is compared with item: (finishers, those behind it)."""
    found = None
    for n, element in enumerate(elements):
        if element is item:
            break  # never compared
        order = _compared_in(element, item, "==")
        for m, (method, x, y) in enumerate(order):
            if call.calls(method) and call.given(0) is x and call.given(1) is y:
                if found is not None:
                    return None
                rest = finish_comparison, (tuple(order[m + 1:]), "==", element, item), None
                found = [rest, (finish_truth, (), None)], elements[n + 1:]
    return found

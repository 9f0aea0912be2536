# Finishers of membership, instance checks, and of builtin functions that convert an argument: see finish.py.

from _abc import _abc_subclasscheck


def finish_check_of_rest(check, obj, rest):
    """isinstance or issubclass of several classes: rest are those behind the one that was asked."""
    if hole():
        return True
    return check(obj, rest)


class _Hook:
    """Stands for a __subclasshook__ that has answered; the class has its own again once it is called."""

    __slots__ = ("cls", "result", "own", "told")

    def __init__(self, cls, result):
        self.cls, self.result, self.told = cls, result, False
        self.own = _dict_of(cls).get("__subclasshook__", EMPTY)

    def restore(self):
        if not self.told:
            self.told = True
            if self.own is EMPTY:
                type.__delattr__(self.cls, "__subclasshook__")
            else:
                type.__setattr__(self.cls, "__subclasshook__", self.own)

    def __call__(self, subclass):
        self.restore()
        return self.result


def finish_hook(cls, subclass):
    """An abstract class has asked its __subclasshook__. It asks again and is told the answer at once: it keeps what
    it learns in sets of its own."""
    result = hole()
    hook = _Hook(cls, result)
    type.__setattr__(cls, "__subclasshook__", hook)
    try:
        return _abc_subclasscheck(cls, subclass)
    finally:
        hook.restore()


def finish_contains_generator(source, item, invert):
    for other in source:
        if other is item or other == item:
            return not invert
    return invert


def finish_contains_iterable(cls, item, invert):
    """`in` has got an iterator."""
    try:
        iterator = hole()
    except TypeError as error:
        return item in _alike(cls, "__iter__", None, error)
    if _lookup(type(iterator), "__next__") is None:
        return item in _alike(cls, "__iter__", iterator)
    for other in _Iterable(iterator):
        if other is item or other == item:
            return not invert
    return invert


def _alike(cls, name, result, error=None):
    """An object of a class that is called as cls is, whose special method `name` gives a result or raises."""

    def answer(*_):
        if error is not None:
            raise error
        return result

    return type(_name_of(cls), (), {name: answer, "__module__": _module_of_class(cls), "__qualname__": _qualname_of(cls)})()


def finish_contains_tuple(rest, item, invert):
    """A tuple's element was compared: rest are those behind it."""
    if hole():
        return not invert
    return (item in rest) is not invert


def finish_converted(function, args, place, name, cls, plain):
    """A builtin function goes on with what an argument's special method gave."""
    result = hole()
    if kind_of(result) not in plain:
        result = _alike(cls, name, result)
    return function(*args[:place], result, *args[place + 1:])


def finish_slice(container, start, stop, step, place, cls):
    """container[start:stop:step] of a builtin sequence; place is the part whose __index__ has answered."""
    result = hole()
    if type(result) is not int:
        result = _alike(cls, "__index__", result)
    parts = [start, stop, step]
    parts[place] = result
    return container[slice(*parts)]


def finish_concatenated(add, a, b):
    """Of a sequence and something else that was asked for its __radd__."""
    result = hole()
    return add(a, b) if result is NotImplemented else result


def finish_repeated(repeat, a, b, place):
    """Of a sequence and something else, at that place, that was asked for its product."""
    result = hole()
    if result is not NotImplemented:
        return result
    factors = [a, b]
    cls = type(factors[place])
    index = _lookup(cls, "__index__")
    counted = None if index is None else index.__get__(factors[place], cls)()
    factors[place] = _alike(cls, "_" if index is None else "__index__", counted)
    return repeat(*factors)


def finish_size(before):
    """sys.getsizeof adds what lies in front of the object."""
    size = hole()
    size = operator.index(size)
    if size < 0:
        raise ValueError("__sizeof__() should return >= 0")
    if size > sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return size + before


def finish_power(a, b, c):
    result = hole()
    if result is NotImplemented:
        names = ", ".join(f"'{name_in_c(type(x))}'" for x in (a, b, c))
        raise TypeError(f"unsupported operand type(s) for ** or pow(): {names}")
    return result


def _hash_of(result):
    """As the interpreter takes what a __hash__ returned: (hash, None), or (0, the exception)."""
    try:
        return hash(type("", (), {"__hash__": lambda _: result})()), None
    except TypeError as error:
        return 0, error.with_traceback(None)


def finish_lookup(key, operation, arguments, given):
    """Of a dict or set: its key was hashed. given: what the instruction is given instead of the result."""
    try:
        result = hole()
        failed = None
    except BaseException as error:
        result, failed = 0, error
    if failed is None:
        result, failed = _hash_of(result)
    try:
        result = hash_told(key, result, failed, operation, arguments)
    finally:
        failed = None
    return given[0] if given else result


def finish_added(key, operand):
    """Of an item that an instruction adds to what lies below on the evaluation stack: it does so once more."""
    try:
        result = hole()
        failed = None
    except BaseException as error:
        result, failed = 0, error
    if failed is None:
        result, failed = _hash_of(result)
    try:
        tell_hash(key, result, failed)
    finally:
        failed = None
    return operand


def finish_set_display(key, i, items):
    try:
        result = hole()
        failed = None
    except BaseException as error:
        result, failed = 0, error
    if failed is None:
        result, failed = _hash_of(result)
    made = set(items[:i])
    try:
        hash_told(key, result, failed, set.add, (made, key))
    finally:
        failed = None
    for item in items[i + 1 :]:
        made.add(item)
    return made


def finish_dict_display(key, i, pairs):
    try:
        result = hole()
        failed = None
    except BaseException as error:
        result, failed = 0, error
    if failed is None:
        result, failed = _hash_of(result)
    made = dict(zip(pairs[: 2 * i : 2], pairs[1 : 2 * i : 2]))
    try:
        hash_told(key, result, failed, operator.setitem, (made, key, pairs[2 * i + 1]))
    finally:
        failed = None
    for n in range(2 * i + 2, len(pairs), 2):
        made[pairs[n]] = pairs[n + 1]
    return made


def finish_printed(rest, given):
    """print has the text of an argument: rest are those behind it, given its keyword arguments."""
    text = hole()
    file = given.get("file")
    out = sys.stdout if file is None else file
    out.write(text)
    for arg in rest:
        out.write(" " if given.get("sep") is None else given["sep"])
        write = out.write
        write(str(arg))
    print(end=given.get("end"), file=file, flush=given.get("flush", False))

# Finishers of what has got an iterator and goes on with it, and of names in a class body: see finish.py.

import functools
import operator


class _Begun:
    """What `of` is to C code that has got its iterator."""

    __slots__ = ("iterator", "of", "error")

    def __iter__(self):
        if self.error is not None:
            raise self.error
        return self.iterator

    def __length_hint__(self):
        n = operator.length_hint(self.of, -1)
        return NotImplemented if n < 0 else n


def _begin(iterator, of, error):
    cls = type(of)  # which the interpreter names where the iterator is none
    begun = type(_name_of(cls), (_Begun,), {"__module__": _module_of_class(cls), "__qualname__": _qualname_of(cls)})()
    begun.iterator, begun.of, begun.error = iterator, of, error
    return begun


def finish_measured(of):
    """Of what takes all items, and asks first how many there are."""
    iterator = hole()
    return _begin(iterator, of, None)


def finish_begun(function, args, kwargs, place):
    """A builtin function or class goes on with an iterator, or with the TypeError instead of one."""
    try:
        iterator = hole()
    except TypeError as raised:
        error, iterator = raised, None
    else:
        error = None
    return function(*args[:place], _begin(iterator, args[place], error), *args[place + 1 :], **kwargs)


def finish_starred(made, of, result):
    """Of f(*of): made are the arguments; the result is the instruction's last operand."""
    iterator = hole()
    made.extend(tuple(_begin(iterator, of, None)))
    return result


class _Keyed:
    """What `of` is to C code that has got its keys."""

    __slots__ = ("got", "item", "error")

    def keys(self):
        if self.error is not None:
            raise self.error
        return self.got

    __getitem__ = property(operator.attrgetter("item"))


def _with_keys(got, of, error):
    cls = type(of)  # which the interpreter names where what it got cannot be iterated over
    keyed = type(_name_of(cls), (_Keyed,), {"__module__": _module_of_class(cls), "__qualname__": _qualname_of(cls)})()
    keyed.got, keyed.item, keyed.error = got, functools.partial(operator.getitem, of), error
    return keyed


def finish_keys(function, args, kwargs, place):
    """A dict is made or updated from something that has keys."""
    got = hole()
    return function(*args[:place], _with_keys(got, args[place], None), *args[place + 1 :], **kwargs)


def finish_merged(of, replaced):
    """Of `{**of}` and f(**of): the instruction raises others in the place of those in `replaced`."""
    try:
        got, error = hole(), None
    except replaced as raised:
        got, error = None, raised
    return _with_keys(got, of, error)


def finish_reduced(cls):
    """object.__reduce_ex__ has asked for the state."""
    state = hole()
    return copyreg.__newobj__, (cls,), state, None, None


def finish_vars():
    try:
        return hole()
    except AttributeError:
        pass
    raise TypeError("vars() argument must have __dict__ attribute")


def finish_attributes(names):
    """Of an attribute of an attribute: names are those behind the one that was got."""
    value = hole()
    for name in names:
        value = getattr(value, name)
    return value


def finish_name(name, globals):
    """Of a name that a class body reads."""
    try:
        return hole()
    except KeyError:
        pass
    space = globals.get("__builtins__", builtins)
    for names in (globals, space if type(space) is dict else vars(space)):
        if name in names:
            return names[name]
    raise NameError(f"name '{name}' is not defined", name=name)


class _Stored:
    """Takes one value in the place of a class body's mapping, which is in its place again then."""

    __slots__ = ("mapping",)

    def __setitem__(self, name, value):
        stored_once()


def finish_stored_name():
    hole()
    return store_once(_Stored())

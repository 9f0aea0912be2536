# Finishers of `%` and str.format, which go on with the text that an argument gave: see finish.py.


class _Replaced(dict):
    """A mapping as it is, but for one key."""

    __slots__ = ("mapping",)

    def __missing__(self, key):
        return self.mapping[key]


def _told(cls, method, result, plainly):
    """What gives this text when it is asked for it. A text itself, if nothing is asked of that but to be copied."""
    return result if plainly and type(result) is str else _alike(cls, method, result)


def finish_percent(text, args, place, cls, method, plainly):
    try:
        result = hole()
    except TypeError as raised:
        if method in ("__str__", "__repr__"):
            raise
        given = _alike(cls, method, None, raised)  # of a number the interpreter says more
    else:
        given = _told(cls, method, result, plainly)
    if type(args) is dict and place is not None:
        mapping = _Replaced({place: given})
        mapping.mapping = args
        return text % mapping
    return text % (given if place is None else (*args[:place], given, *args[place + 1 :]))


def finish_str_format(text, args, kwargs, place, cls, method, plainly):
    result = hole()
    given = _told(cls, method, result, plainly)
    if type(place) is str:
        kwargs = {**kwargs, place: given}
    else:
        args = (*args[:place], given, *args[place + 1 :])
    return text.format(*args, **kwargs)

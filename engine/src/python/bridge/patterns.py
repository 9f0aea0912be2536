# Patterns of `match`: what the interpreter asks of a subject in C. Of several attributes or keys that it reads, those
# before the one that is asked for are in a list of its own: only the first can be finished.

_MATCHES_ITSELF = 1 << 22  # Py_TPFLAGS_MATCH_SELF


def _class_pattern(call):
    subject, cls, keywords = call.stack[-3:]
    if not _is(cls, type):
        return None
    if call.special(cls, "__instancecheck__"):
        return "class pattern", "after", [], [(finish_class_checked, (subject, cls, call.arg, keywords), None)]
    known = _read_by_pattern(subject, cls, call.arg, keywords)
    if known is None:
        return None
    values, names = known
    found = {name: _attribute(call, subject, name) for name in names}
    asked = [name for name in names if found[name] is not None]
    if len(asked) > 1 and type(call.given(1)) is str:  # a method for all attributes is told which
        asked = [name for name in asked if name == call.given(1)]
    if asked != list(names[:1]):
        return None
    rest = finish_class_matched, (subject, cls, values, names[0], names[1:]), None
    return "class pattern", "after", [], [*found[names[0]][1], rest]


def _read_by_pattern(subject, cls, count, keywords):
    """What a class pattern reads: (the values that it has at once, names); None if that is not certain."""
    if not count:
        return (), keywords
    if _lookup(type(cls), "__getattribute__") is not _dict_of(type)["__getattribute__"]:
        return None
    if _lookup(type(cls), "__match_args__") is not None:
        return None
    names = _lookup(cls, "__match_args__")
    if names is None:
        return ((subject,), keywords) if count == 1 and _flags_of(cls) & _MATCHES_ITSELF else None
    if type(names) is not tuple or len(names) < count or any(type(name) is not str for name in names):
        return None
    return (), names[:count] + keywords


def _mapping_pattern(call):
    subject, keys = call.stack[-2:]
    if not call.calls(_lookup(type(subject), "get")) or call.given(1) is not keys[0] or call.given(2) is EMPTY:
        return None
    return "mapping pattern", "after", [], [(finish_keys_matched, (subject, keys, call.given(2)), None)]


def _length_pattern(call):
    return ("length pattern", "after", [], [(finish_len, (), None)]) if call.special(call.stack[-1], "__len__") else None

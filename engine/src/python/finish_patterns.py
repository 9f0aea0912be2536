# Finishers of the patterns of `match`: see finish.py.


def finish_class_checked(subject, cls, count, keywords):
    """A class pattern has asked whether the subject is an instance: its attributes are still to be read."""
    if not hole():
        return None
    names, values = (), []
    if count:
        try:
            names = cls.__match_args__
        except AttributeError:
            itself = bool(_flags_of(cls) & _MATCHES_ITSELF)
        else:
            itself = False
            if type(names) is not tuple:
                raise TypeError(f"{_name_of(cls)}.__match_args__ must be a tuple (got {name_in_c(type(names))})")
        allowed = 1 if itself else len(names)
        if allowed < count:
            plural = "" if allowed == 1 else "s"
            raise TypeError(f"{_name_of(cls)}() accepts {allowed} positional sub-pattern{plural} ({count} given)")
        values = [subject] if itself else []
        names = names[:count]
    return _attributes_matched(subject, cls, values, set(), names + keywords)


def finish_class_matched(subject, cls, values, name, names):
    """A class pattern has read an attribute; values: what it had before, names: what it reads next. None: no match."""
    try:
        value = hole()
    except AttributeError:
        return None
    return _attributes_matched(subject, cls, [*values, value], {name}, names)


def _attributes_matched(subject, cls, values, seen, names):
    for name in names:
        if type(name) is not str:
            raise TypeError(f"__match_args__ elements must be strings (got {name_in_c(type(name))})")
        if name in seen:
            raise TypeError(f"{_name_of(cls)}() got multiple sub-patterns for attribute {name!r}")
        seen.add(name)
        try:
            values.append(getattr(subject, name))
        except AttributeError:
            return None
    return tuple(values)


def finish_keys_matched(subject, keys, default):
    """A mapping pattern has looked up its first key; default: what says that there is none."""
    value = hole()
    if value is default:
        return None
    values, seen = [value], {keys[0]}
    for key in keys[1:]:
        if key in seen:
            raise ValueError(f"mapping pattern checks duplicate key ({key!r})")
        seen.add(key)
        value = subject.get(key, default)
        if value is default:
            return None
        values.append(value)
    return tuple(values)

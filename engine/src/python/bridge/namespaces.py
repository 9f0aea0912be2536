# Names of a class body, in a mapping that a metaclass prepared.


def _load_name(call):
    space = call.spaces[0]
    if len(call.spaces) > 1 and type(call.spaces[1]) is dict:
        if call.special(space, "__getitem__") or _is(space, dict) and call.special(space, "__missing__"):
            return "name", "after", [], [(finish_name, (call.argval, call.spaces[1]), None)]
    return _load_lazy(call)


def _store_name(call):
    """The instruction is executed again, on a mapping that takes the value and is not seen again."""
    known = len(call.spaces) > 1 and call.special(call.spaces[0], "__setitem__")
    return ("set name", "again", [], [(finish_stored_name, (), None)]) if known else None

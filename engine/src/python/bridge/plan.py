# What an instruction was doing when the inner frame was entered: the table, and the way in.

_PLANS = {
    "CALL": _call, "CALL_KW": _call, "CALL_FUNCTION_EX": _call,
    "FOR_ITER": _loop, "SEND": _send, "GET_ITER": _get_iter,
    "BINARY_OP": _operator, "BINARY_SUBSCR": lambda call: _subscript(call, *call.stack[-2:]),
    "BINARY_SLICE": _slice, "COMPARE_OP": _comparison, "CONTAINS_OP": _contains,
    "UNARY_NEGATIVE": _unary("__neg__", "unary"), "UNARY_INVERT": _unary("__invert__", "unary"),
    "UNARY_POSITIVE": _unary("__pos__", "unary"),
    "CALL_INTRINSIC_1": lambda call: _unary("__pos__", "unary")(call) if call.arg == 5 else None,
    "LOAD_ATTR": _load_attribute, "LOAD_METHOD": _load_attribute, "LOAD_SUPER_ATTR": _load_super, "STORE_ATTR": _store, "DELETE_ATTR": _store,
    "BUILD_MAP": lambda call: _display(call, True), "BUILD_SET": _set_display,
    "MAP_ADD": lambda call: _adds(call, True), "SET_ADD": lambda call: _adds(call, False),
    "STORE_SUBSCR": _set_item, "DELETE_SUBSCR": _del_item, "STORE_SLICE": _set_slice,
    "FORMAT_VALUE": _format, "FORMAT_SIMPLE": _format, "FORMAT_WITH_SPEC": _format, "CONVERT_VALUE": _format,
    "LOAD_GLOBAL": _load_lazy, "LOAD_NAME": _load_name, "STORE_NAME": _store_name,
    "LIST_EXTEND": _spread, "SET_UPDATE": _spread, "UNPACK_SEQUENCE": _unpacked, "UNPACK_EX": _unpacked,
    "DICT_UPDATE": _merged, "DICT_MERGE": _merged, "IMPORT_NAME": _import, "IMPORT_FROM": _import_name_from,
    "MATCH_CLASS": _class_pattern, "MATCH_KEYS": _mapping_pattern, "GET_LEN": _length_pattern,
    "BEFORE_WITH": _with, "WITH_EXCEPT_START": _leave,
    "TO_BOOL": _test, "UNARY_NOT": _test, "POP_JUMP_IF_TRUE": _test, "POP_JUMP_IF_FALSE": _test,
    "JUMP_IF_TRUE_OR_POP": _test_or_pop, "JUMP_IF_FALSE_OR_POP": _test_or_pop,
    "POP_JUMP_FORWARD_IF_TRUE": _test, "POP_JUMP_FORWARD_IF_FALSE": _test,
    "POP_JUMP_BACKWARD_IF_TRUE": _test, "POP_JUMP_BACKWARD_IF_FALSE": _test,
}  # fmt: skip


def plan(*facts):
    """How a frame is stored that reached another one through C. facts: as of _Call.

    Returns (kind, form, operands that replace the topmost ones, finishers), or None where it is not proved
    that the instruction called the inner frame, or what follows cannot be rebuilt. form: "after" the
    instruction, "again" at it with the result on top, "iterate" and "send" over the generator, "step" a
    loop. A finisher is (function, arguments, generator that it loops over or None), innermost first.
    """
    call = _Call(*facts)
    found = _PLANS.get(call.op)
    if found is None:
        return None
    found = found(call)
    return found if found and (call.kinds is None or found[0] in call.kinds) else None


def plan_thrown(outer, handled, facts):
    """As plan(), of a generator that passes an exception on to what it delegates to, and handles another one or None."""
    call = _Call(*facts)
    found = _thrown(call, outer, handled)
    return found if found and (call.kinds is None or found[0] in call.kinds) else None


def places(code, unit):
    """Of the instruction at a code unit: (first unit, its EXTENDED_ARG included; next unit; jump target or 0)."""
    first = None
    instructions = iter(dis.get_instructions(code))
    for i in instructions:
        if i.opname == "CACHE":
            continue
        if i.offset == 2 * unit:
            break
        first = (i.offset if first is None else first) if i.opname == "EXTENDED_ARG" else None
    if i.opname == "PRECALL":
        i = next(j for j in instructions if j.opname == "CALL")
    following = next((j.offset for j in instructions if j.opname != "CACHE"), len(code.co_code))
    target = i.argval if i.opcode in _JUMPS else 0
    return (i.offset if first is None else first) // 2, following // 2, target // 2


# What instructions do that are no calls.
_DOING = {
    "FOR_ITER": "the next item", "SEND": "the next item", "LIST_EXTEND": "extending a list", "SET_UPDATE": "updating a set",
    "DICT_UPDATE": "updating a dict", "DICT_MERGE": "collecting keyword arguments", "UNPACK_SEQUENCE": "unpacking",
    "UNPACK_EX": "unpacking", "BINARY_OP": "an operator", "COMPARE_OP": "a comparison", "CONTAINS_OP": "a search",
    "BINARY_SUBSCR": "a lookup", "BINARY_SLICE": "a slice", "STORE_SUBSCR": "an assignment", "DELETE_SUBSCR": "a deletion",
    "BUILD_SET": "making a set", "BUILD_MAP": "making a dict", "SET_ADD": "adding to a set", "MAP_ADD": "adding to a dict",
    "LOAD_ATTR": "an attribute", "LOAD_METHOD": "an attribute", "LOAD_SUPER_ATTR": "an attribute",
    "STORE_ATTR": "an attribute", "GET_ITER": "making an iterator", "MATCH_CLASS": "a class pattern",
    "MATCH_KEYS": "a mapping pattern", "GET_LEN": "a sequence pattern",
}  # fmt: skip


def _doing(op, operands):
    """operands: the types of the last two, as far as they are known for certain."""
    doing = _DOING.get(op)
    if doing is None:
        return f"by {op}"
    known = [cls.__name__ for cls in operands[-1:] if op == "FOR_ITER"] or [
        cls.__name__ for cls in operands if as_kind(cls) in _CONTAINER_TYPES and op in _OF_CONTAINERS
    ]
    return f"by {doing} of a {known[-1]} ({op})" if known else f"by {doing} ({op})"


_CONTAINER_TYPES = frozenset((dict, set, frozenset, collections.defaultdict, collections.OrderedDict))
_OF_CONTAINERS = frozenset(("BINARY_OP", "CONTAINS_OP", "STORE_SUBSCR", "DELETE_SUBSCR"))


def describe(code, unit, operands):
    """What the instruction at a code unit calls or does, as far as it is known: for refusals."""
    walked = _walked(code)
    n = _number(walked.instructions, unit)
    i = walked.instructions[n]
    while i.opname in ("EXTENDED_ARG", "PRECALL", "KW_NAMES") and n + 1 < len(walked.instructions):
        n += 1
        i = walked.instructions[n]
    while n > 0 and walked.instructions[n - 1].opname in ("PRECALL", "KW_NAMES"):
        n -= 1  # the effects that 3.11 tells of a call are those of both instructions together
    known = walked.before.get(walked.instructions[n].offset // 2)
    if not i.opname.startswith("CALL") or known is None:
        return _doing(i.opname, operands)
    if i.opname == "CALL_FUNCTION_EX":
        given = 2 + (sys.version_info >= (3, 14) or i.arg & 1) + (sys.version_info >= (3, 13))
    else:
        given = i.arg + 2 + (i.opname == "CALL_KW")
    place = known[0] - given
    name = None
    for j in walked.instructions[:n]:
        after = walked.after.get(j.offset // 2)
        # What leaves its result where the callable, or the NULL or object beside it, will be.
        if after is not None and after[0] - 1 in (place, place + 1):
            if j.opname == "LOAD_BUILD_CLASS":
                name = "__build_class__"
            elif j.opname.startswith("LOAD_") and isinstance(j.argval, str):
                name = j.argval
    return f"by calling {name} ({i.opname})" if name else f"by {i.opname}"

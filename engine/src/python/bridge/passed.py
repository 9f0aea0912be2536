# Where what a frame was called with still is: in which locals, and in which operands.

_PUSHES = frozenset(("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_GLOBAL", "LOAD_COMMON_CONSTANT", "PUSH_NULL"))
_POPS = frozenset(("STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "STORE_NAME", "DELETE_ATTR", "DELETE_SUBSCR"))
_NO_EFFECT = frozenset(("NOP", "RESUME", "EXTENDED_ARG", "COPY_FREE_VARS", "MAKE_CELL", "CACHE", "NOT_TAKEN"))
_NO_NEXT = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
                   "JUMP_BACKWARD_NO_INTERRUPT", "INTERPRETER_EXIT"))  # fmt: skip


def _rebound_inside(code):
    """Names that code among the constants of `code` stores to or deletes."""
    names = set()
    for inner in code.co_consts:
        if type(inner) is types.CodeType:
            names.update(_rebound_inside(inner))
            names.update(
                i.argval for i in dis.get_instructions(inner) if i.opname in ("STORE_DEREF", "DELETE_DEREF")
                and i.argval in inner.co_freevars
            )  # fmt: skip
    return names


def _locals_of(code):
    """The names of a frame's variables, the frees aside, in the order of its slots."""
    return code.co_varnames + tuple(name for name in code.co_cellvars if name not in code.co_varnames)


def _stepped_over(i, held, stack, shared):
    """Who holds the argument after instruction i: `held` names of locals, `stack` says it of each operand."""
    name, op = i.argval, i.opname.replace("_BORROW", "").replace("_CHECK", "")
    held, stack = set(held), list(stack)

    def store(name):
        if stack.pop() and name not in shared:
            held.add(name)
        else:
            held.discard(name)

    if op in ("LOAD_FAST", "LOAD_DEREF"):
        stack.append(name in held)
    elif op == "LOAD_FAST_AND_CLEAR":
        stack.append(name in held)
        held.discard(name)
    elif op == "LOAD_FAST_LOAD_FAST":
        stack += [n in held for n in name]
    elif op in ("STORE_FAST", "STORE_DEREF"):
        store(name)
    elif op == "STORE_FAST_STORE_FAST":
        store(name[0])
        store(name[1])
    elif op == "STORE_FAST_LOAD_FAST":
        store(name[0])
        stack.append(name[1] in held)
    elif op in ("DELETE_FAST", "DELETE_DEREF"):
        held.discard(name)
    elif op == "COPY":
        stack.append(stack[-i.arg])
    elif op == "SWAP":
        stack[-1], stack[-i.arg] = stack[-i.arg], stack[-1]
    elif op == "POP_TOP":
        stack.pop()
    elif op in _NO_EFFECT:
        pass
    else:
        if "STORE" in op and "FAST" in op or "DELETE" in op and "FAST" in op:
            held.clear()  # not among those that are known
        depth = len(stack) + dis.stack_effect(i.opcode, i.arg if i.opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        # No other instruction replaces more than one operand by more than two.
        untouched = depth if op in _POPS else len(stack) if op in _PUSHES else min(len(stack) - 1, depth - 2)
        stack = stack[: max(untouched, 0)]
        stack += [False] * (depth - len(stack))
    return frozenset(held), tuple(stack)


def still_held(code, argument, unit):
    """The locals that hold, at a code unit and whatever way led there, what the frame had as `argument` at first."""
    key = id(code), argument
    known = _known_holders.get(key)
    if known is None or known[0] is not code:
        if len(_known_holders) >= 256:
            _known_holders.clear()
        known = _known_holders[key] = code, _holders(code, argument)
    return known[1].get(2 * unit, ())


_known_holders = {}


def _holders(code, argument):
    instructions = [i for i in dis.get_instructions(code, show_caches=False)]
    following = {i.offset: j.offset for i, j in zip(instructions, instructions[1:])}
    by_offset = {i.offset: i for i in instructions}
    handlers = list(dis._parse_exception_table(code))
    shared = _rebound_inside(code)
    states, work = {}, []

    def reach(offset, held, stack):
        known = states.get(offset)
        if known is not None:
            held &= known[0]
            stack = tuple(a and b for a, b in zip(stack, known[1]))
        if known != (held, stack):
            states[offset] = held, stack
            work.append(offset)

    reach(0, frozenset((argument,)) - shared, ())
    while work:
        offset = work.pop()
        i = by_offset[offset]
        held, stack = states[offset]
        if i.opname == "RETURN_GENERATOR" and dis.stack_effect(i.opcode, None) == 0:
            stack += (False,)
        after = _stepped_over(i, held, stack, shared)
        for h in handlers:
            if h.start <= offset < h.end:
                reach(h.target, held & after[0], (False,) * (h.depth + bool(h.lasti) + 1))
        if i.opcode in _JUMPS:
            effect = dis.stack_effect(i.opcode, i.arg if i.opcode >= dis.HAVE_ARGUMENT else None, jump=True)
            reach(i.argval, after[0], (False,) * (len(stack) + effect))
        if i.opname not in _NO_NEXT and offset in following:
            reach(following[offset], *after)
    return {offset: held for offset, (held, _) in states.items()}


_MAKE_TUPLES = frozenset(("BUILD_TUPLE", "LIST_TO_TUPLE"))


def _pushed_by(code, unit, place):
    """The instruction that put what is at `place` on the evaluation stack when the one at a code unit begins; None if that
    is not certain."""
    walked = _walked(code)
    n = _number(walked.instructions, unit)
    last = walked.instructions[n].offset
    for m in range(n - 1, -1, -1):
        i = walked.instructions[m]
        after = walked.after.get(i.offset // 2)
        if after is None or i.opname == "EXTENDED_ARG":
            continue
        if after[0] == place + 1:
            break  # what follows lies above
        if after[0] <= place:
            return None
    else:
        return None
    for j in walked.instructions:
        inside = i.offset <= j.offset < last
        if j.opcode in _JUMPS and i.offset < j.argval <= last and not inside:
            return None  # it may come from another place
    return i


def made_arguments(code, unit, place):
    """Of the arguments of the CALL_FUNCTION_EX at a code unit, at `place` on the evaluation stack: (they are a tuple
    that was made for the call, the local or cell that has them); None if neither is said by the bytecode."""
    i = _pushed_by(code, unit, place)
    if i is None:
        return None
    if i.opname in _MAKE_TUPLES or i.opname == "CALL_INTRINSIC_1" and i.arg == 6:
        return True, 0
    if i.opname == "LOAD_CONST" and type(i.argval) is tuple:
        return True, 0
    if i.opname in ("LOAD_FAST", "LOAD_FAST_CHECK"):
        return False, code.co_varnames.index(i.argval)
    if i.opname == "LOAD_DEREF" and i.argval in code.co_cellvars and i.argval not in _rebound_inside(code):
        return False, _locals_of(code).index(i.argval)
    return None


def pushed_constant(code, unit, place):
    """The constant that is at `place` on the evaluation stack when the instruction at a code unit begins, or EMPTY."""
    i = _pushed_by(code, unit, place)
    return i.argval if i is not None and i.opname in _CONSTANTS else EMPTY


_CONSTANTS = frozenset(("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"))

# Where cells lie in frames whose comprehensions are inlined (3.12 and later): one that has a variable of the
# name of a cell keeps that cell on the evaluation stack, and has its own variable in the cell's slot.

_CLEAR = dis.opmap.get("LOAD_FAST_AND_CLEAR")
# Instructions that do not raise: no handler is reached from among them.
_QUIET = frozenset(("LOAD_FAST_AND_CLEAR", "LOAD_FAST", "STORE_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST",
                    "SWAP", "COPY", "POP_TOP", "MAKE_CELL", "COPY_FREE_VARS", "NOP"))
_known_cells = {}  # by identity: the code is kept with what was found


def clears_cells(code):
    """Whether a slot of the code that holds a cell holds something else in a part of it."""
    if _CLEAR is None or _CLEAR not in code.co_code[::2]:
        return False
    shared = {*code.co_cellvars, *code.co_freevars}
    return any(i.opcode == _CLEAR and i.argval in shared for i in dis.get_instructions(code))


def cells_at(code, unit, n):
    """Which of its n slots, and which places of its evaluation stack, hold cells at the instruction at a unit."""
    known = _known_cells.get(id(code))
    if known is None:
        if len(_known_cells) >= 256:
            _known_cells.clear()
        known = _known_cells[id(code)] = code, _cells(code, n)
    at = [offset for offset in known[1] if offset <= 2 * unit]
    slots, places = known[1][max(at)]
    return sorted(slots), sorted(places)


def _cells(code, n):
    """The same by the offset of each instruction that can be reached: what may hold a cell has to."""
    walked = _walked(code)
    instructions = walked.instructions
    handlers = list(dis._parse_exception_table(code))
    index = {i.offset: k for k, i in enumerate(instructions)}
    found = {0: (frozenset(), frozenset())}
    work = [0]

    def reach(offset, slots, places):
        if offset not in index:
            return
        old = found.get(offset)
        new = (slots, places) if old is None else (old[0] | slots, old[1] | places)
        if new != old:
            found[offset] = new
            work.append(offset)

    while work:
        offset = work.pop()
        slots, places = found[offset]
        i = instructions[index[offset]]
        if i.opname not in _QUIET:
            for h in handlers:
                if h.start <= offset < h.end:
                    reach(h.target, slots, frozenset(p for p in places if p < h.depth))
        depth = walked.before[offset // 2][0]
        slots, places = _moved(code, n, i, depth, slots, places)
        if i.opcode in _JUMPS:
            effect = dis.stack_effect(i.opcode, i.arg if i.opcode >= dis.HAVE_ARGUMENT else None, jump=True)
            reach(i.argval, slots, frozenset(p for p in places if p < depth + effect))
        after = walked.after.get(offset // 2)
        if after is not None:
            reach(2 * after[1], slots, frozenset(p for p in places if p < after[0]))
    return found


def _moved(code, n, i, depth, slots, places):
    """What an instruction does to slots and places that hold cells."""
    name, arg = i.opname, i.arg
    slots, places = set(slots), set(places)

    def store(slot, place):
        (slots.add if place in places else slots.discard)(slot)
        places.discard(place)

    if name == "MAKE_CELL":
        slots.add(arg)
    elif name == "COPY_FREE_VARS":
        slots.update(range(n - arg, n))
    elif name == "LOAD_FAST_AND_CLEAR":
        if arg in slots:
            places.add(depth)
            slots.discard(arg)
    elif name == "STORE_FAST":
        store(arg, depth - 1)
    elif name == "STORE_FAST_LOAD_FAST":
        store(arg >> 4, depth - 1)
    elif name == "STORE_FAST_STORE_FAST":
        store(arg >> 4, depth - 1)
        store(arg & 15, depth - 2)
    elif name == "SWAP":
        pair = {depth - 1, depth - arg}
        if len(pair & places) == 1:
            places ^= pair
    elif name == "COPY" and depth - arg in places:
        places.add(depth)
    return frozenset(slots), frozenset(places)

# Which locals the code can still read: a backward analysis over the bytecode, exception edges included.

_ENDS = frozenset(
    dis.opmap[name]
    for name in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
                 "JUMP_BACKWARD_NO_INTERRUPT", "INTERPRETER_EXIT")
    if name in dis.opmap
)


def _effects(instruction):
    """What an instruction does to locals, in order: ('r' | 'w' | 'd', name)."""
    name, value = instruction.opname, instruction.argval
    if name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"):
        return (("r", value),)
    if name == "STORE_FAST":
        return (("w", value),)
    if name == "DELETE_FAST":
        return (("r", value), ("d", value))
    if name == "LOAD_FAST_AND_CLEAR":
        return (("r", value), ("d", value))
    if name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
        return (("r", value[0]), ("r", value[1]))
    if name == "STORE_FAST_LOAD_FAST":
        return (("w", value[0]), ("r", value[1]))
    if name == "STORE_FAST_STORE_FAST":
        return (("w", value[0]), ("w", value[1]))
    if name == "STORE_FAST_MAYBE_NULL":
        return (("w", value),)
    return ()


class _Flow:
    """Instructions of a code object with what follows each, and the locals live before each."""

    def __init__(self, code):
        self.instructions = list(dis.get_instructions(code))
        self.index = {i.offset: n for n, i in enumerate(self.instructions)}
        self.effects = [_effects(i) for i in self.instructions]
        self.handlers = list(dis._parse_exception_table(code))
        self.after = [self._after(n) for n in range(len(self.instructions))]
        self.caught = [self._caught(i.offset) for i in self.instructions]
        self._cells = frozenset(code.co_cellvars) | frozenset(code.co_freevars)
        self.live = self._solve()

    def _after(self, n):
        i = self.instructions[n]
        following = []
        if i.opcode in _JUMPS and i.argval in self.index:
            following.append(self.index[i.argval])
        if i.opcode not in _ENDS and n + 1 < len(self.instructions):
            following.append(n + 1)
        return following

    def _caught(self, offset):
        return [self.index[h.target] for h in self.handlers if h.start <= offset < h.end and h.target in self.index]

    def _before(self, n, live):
        """Locals live before instruction n, if `live` are after it."""
        for kind, name in reversed(self.effects[n]):
            if kind == "r":
                live.add(name)
            else:
                live.discard(name)
        for handler in self.caught[n]:  # it may raise before it stores
            live |= self.live[handler]
        return live

    def _solve(self):
        self.live = [set() for _ in self.instructions]
        changed = True
        while changed:
            changed = False
            for n in range(len(self.instructions) - 1, -1, -1):
                live = set()
                for following in self.after[n]:
                    live |= self.live[following]
                live = self._before(n, live)
                if live != self.live[n]:
                    self.live[n] = live
                    changed = True
        return self.live

    def number(self, offset):
        """The instruction to which a byte offset belongs (its inline caches too)."""
        found = 0
        for n, i in enumerate(self.instructions):
            if i.offset > offset:
                break
            found = n
        return found


_flows = {}


def _flow(code):
    found = _flows.get(id(code))
    if found is None or found[0] is not code:
        if len(_flows) > 256:
            _flows.clear()
        found = _flows[id(code)] = (code, _Flow(code))
    return found[1]


# Functions that read locals by other ways than the bytecode shows.
_READS_ALL = frozenset(("locals", "vars", "eval", "exec", "dir"))


def live_locals(code, offset):
    """Names of the locals that may be read at or after the instruction at a byte offset.

    Variables shared with closures count as live: others may read them.
    """
    flow = _flow(code)
    return _with_hidden(code, flow, flow.live[flow.number(offset)])


def live_after_call(code, unit):
    """Names of the locals that may be read once the call at a code unit returns or raises."""
    flow = _flow(code)
    n = flow.number(2 * unit)
    live = set()
    for following in flow.after[n]:
        live |= flow.live[following]
    for handler in flow.caught[n]:
        live |= flow.live[handler]
    return _with_hidden(code, flow, live)


def _with_hidden(code, flow, live):
    if _READS_ALL.intersection(code.co_names):
        return frozenset(code.co_varnames) | flow._cells
    return frozenset(live) | flow._cells


def checked_code(code, unit, names, at_instruction=False):
    """A code object that does the same but raises UnboundLocalError where it reads one of `names` unbound.

    The compiler leaves the check out where a variable is always bound, and reading it unbound would
    crash. Returns code itself if nothing can be read, a name if its reads cannot be checked.
    """
    live = live_locals(code, 2 * unit) if at_instruction else live_after_call(code, unit)
    names = live & frozenset(names) - _flow(code)._cells
    if not names or "LOAD_FAST_CHECK" not in dis.opmap:
        return code
    check = dis.opmap["LOAD_FAST_CHECK"]
    raw = bytearray(code.co_code)
    for i in _flow(code).instructions:
        for kind, name in _effects(i):
            if kind != "r" or name not in names or i.opname in ("LOAD_FAST_CHECK", "DELETE_FAST", "LOAD_FAST_AND_CLEAR"):
                continue
            if i.opname not in ("LOAD_FAST", "LOAD_FAST_BORROW"):
                return name
            raw[i.offset] = check  # behind its EXTENDED_ARG prefixes, which stay
    return code.replace(co_code=bytes(raw))

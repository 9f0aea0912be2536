"""The engine's own Python code: two hidden functions, and policy that is asked rarely.

It is compiled into the library, so that a host that embeds Python needs no installed package.
Nothing here is called on the path of an ordinary capture or adopt once its answer is cached.
"""
import copyreg
import dis
import hashlib
import sys
import types
import weakref


def run(fn, /, *args, **kwargs):
    """Call fn(*args, **kwargs): the boundary for captures below it.

    A capture inside of fn takes the stack up to fn itself. Returns what fn returns.
    """
    return fn(*args, **kwargs)


# Between these two the saved frames are spliced: base calls prepare, which builds them above base,
# then hold, whose splice makes the innermost saved frame hold's caller. Both are hidden from
# tracebacks, f_back and tracing.
def base(pending, prepare, hold, splice, undo):
    try:
        prepare(pending)
        return hold(pending, splice)
    except:
        undo(pending)  # if the saved frames never ran: a signal handler raised in between
        raise


def hold(pending, splice):
    return splice(pending)


def quiet(function):
    """Takes the instruction out of a function by which tools are told of its begin, and which would wait for ever for the
    instrumentation that the code of hidden functions never gets."""
    code = function.__code__
    units = list(code.co_code)
    at = 2 * units[::2].index(dis.opmap["RESUME"])
    while True:
        units[at : at + 2] = dis.opmap["NOP"], 0
        at += 2
        if units[at] != dis.opmap["CACHE"]:
            break
    function.__code__ = code.replace(co_code=bytes(units))


def bottom(base, *arguments):
    """Calls base below which no frame is to be seen, where the interpreter wants one for a trace function."""
    return base(*arguments)


def probe(check, marker):
    """Called once at start: the engine compares what it sees of this frame with what it must see."""
    seen = marker
    return check(marker)


def fingerprint(code):
    """16 bytes that two code objects share if and only if they do the same.

    Covers the bytecode as compiled, the exception table, the stack size, the names, the kinds of
    locals and the constants; not file names and line numbers.
    """
    h = hashlib.blake2b(digest_size=16)

    def feed(kind, data=b""):
        h.update(kind + len(data).to_bytes(8, "little"))
        h.update(data)

    def constant(c):
        t = type(c)
        if t is types.CodeType:
            feed(b"c", fingerprint(c))
        elif t is tuple:
            feed(b"(" + len(c).to_bytes(4, "little"))
            for item in c:
                constant(item)
        elif t is frozenset:
            feed(b"{" + len(c).to_bytes(4, "little"))
            for item in sorted(c, key=lambda x: (type(x).__name__, repr(x))):
                constant(item)
        elif t is slice:
            feed(b"/")
            for item in (c.start, c.stop, c.step):
                constant(item)
        else:  # int, float, complex, str, bytes, bool, None, Ellipsis: repr tells them apart exactly
            feed(t.__name__.encode(), repr(c).encode("utf-8", "surrogatepass"))

    def text(s):
        feed(b"t", s.encode("utf-8", "surrogatepass"))

    feed(b"b", code.co_code)
    feed(b"x", code.co_exceptiontable)
    for n in (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_stacksize, code.co_flags):
        feed(b"n", n.to_bytes(8, "little"))
    text(code.co_name)
    text(code.co_qualname)
    for names in (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
        feed(b"s" + len(names).to_bytes(4, "little"))
        for name in names:
            text(name)
    feed(b"k" + len(code.co_consts).to_bytes(4, "little"))
    for c in code.co_consts:
        constant(c)
    return h.digest()


_NAME_OPS = frozenset(
    dis.opmap[name]
    for name in ("LOAD_NAME", "STORE_NAME", "DELETE_NAME", "LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL",
                 "LOAD_FROM_DICT_OR_GLOBALS")
    if name in dis.opmap
)
# Functions that reach globals by a name that the bytecode does not show.
_DYNAMIC = frozenset(("eval", "exec", "globals", "vars", "locals", "dir", "__import__"))


def global_names(code):
    """Names of globals that code, and code among its constants, reads or writes.

    ('*',) stands for all of them: the code uses eval, globals() or the like.
    """
    names = set()
    stack = [code]
    while stack:
        c = stack.pop()
        for instruction in dis.get_instructions(c):
            if instruction.opcode in _NAME_OPS:
                names.add(instruction.argval)
        stack.extend(k for k in c.co_consts if type(k) is types.CodeType)
    if names & _DYNAMIC or "*" in names:
        return ("*",)
    return tuple(sorted(names))


def assigned_names(code):
    """Names that code assigns or deletes, and code among its constants: (by `global`, in closures, where its own locals are a
    mapping, of attributes that may be a class's)."""
    found, own, attributes, stack = {"GLOBAL": set(), "DEREF": set()}, set(), set(), [code]
    while stack:
        c = stack.pop()
        instructions = list(dis.get_instructions(c))
        attributes |= _assigned_of_classes(instructions)
        for instruction in instructions:
            does, _, where = instruction.opname.partition("_")
            if does in ("STORE", "DELETE") and where in found:
                found[where].add(instruction.argval)
            elif does in ("STORE", "DELETE") and where == "NAME" and c is code:
                own.add(instruction.argval)
        stack.extend(k for k in c.co_consts if type(k) is types.CodeType)
    return tuple(found["GLOBAL"]), tuple(found["DEREF"]), tuple(own), tuple(attributes)


_BY_NAME = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "CALL"))
_CLASSES_ARE_CALLED = frozenset(("cls", "klass", "class_", "mcs"))


def _assigned_of_classes(instructions):
    """The names of attributes that are assigned of what may be a class: of a global, of `cls`, of `type(...)`, of `__class__`."""
    names, augmented, owner = set(), {}, None
    instructions = [i for i in instructions if i.opname != "EXTENDED_ARG"]
    for before, i in zip(instructions, instructions[1:]):
        if i.opname in ("COPY", "DUP_TOP"):
            owner = before  # of an attribute that is read next, and assigned later
        elif i.opname == "LOAD_ATTR" and before.opname in ("COPY", "DUP_TOP"):
            augmented[i.argval] = owner
        elif i.opname in ("STORE_ATTR", "DELETE_ATTR"):
            of = before.opname in ("SWAP", "ROT_TWO") and augmented.get(i.argval) or before
            last = of.argval[-1] if type(of.argval) is tuple else of.argval
            is_class = last in _CLASSES_ARE_CALLED if "LOAD_FAST" in of.opname else last == "__class__"
            if is_class or of.opname in _BY_NAME:
                names.add(i.argval)
    return names


def names_in(code):
    """Names that code, or code among its constants, mentions: of globals and attributes."""
    names, stack = set(), [code]
    while stack:
        c = stack.pop()
        names.update(c.co_names)
        stack.extend(k for k in c.co_consts if type(k) is types.CodeType)
    return tuple(names)


def imports_main(code):
    """Whether code, or code among its constants, imports __main__."""
    return "__main__" in code.co_names or any(imports_main(k) for k in code.co_consts if type(k) is types.CodeType)


def builtins_with_main(main):
    """Builtins for code that travelled with `main`: its `import __main__` gives that module."""
    builtins = sys.modules["builtins"]

    def import_(name, globals=None, locals=None, fromlist=(), level=0):
        if name == "__main__" and level == 0:
            return main
        return builtins.__import__(name, globals, locals, fromlist, level)

    return {**vars(builtins), "__import__": import_}


def with_code(function, code):
    """A function like `function` that runs `code`."""
    made = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    made.__module__ = function.__module__
    made.__qualname__ = function.__qualname__
    return made


# Instructions that jump. The argument of 3.14's END_ASYNC_FOR is for tracing only.
_JUMPS = (frozenset(dis.hasjrel) | frozenset(dis.hasjabs)) - {dis.opmap["END_ASYNC_FOR"]}


# Stack depths, for frames that stand in a call that went through C.
def depth_after(code, unit):
    """Depth of the evaluation stack after the instruction at code unit `unit`, and the next unit.

    A walk over the bytecode with the exception table, as the compiler made it. None if the
    instruction cannot be reached or ends the block.
    """
    return _walked(code).after.get(unit)


def depths_before(code):
    """Depth of the evaluation stack before each code unit of code; -1 where no instruction can be reached."""
    before = _walked(code).before
    return [before[unit][0] if unit in before else -1 for unit in range(len(code.co_code) // 2)]


_known_depths = {}  # by identity: the code is kept with its depths


def _walked(code):
    known = _known_depths.get(id(code))
    if known is None:
        if len(_known_depths) >= 256:
            _known_depths.clear()
        known = _known_depths[id(code)] = code, _Depths(*_depths(code))
    return known[1]


class _Depths:
    """What the walk found, by code unit: see _depths."""

    __slots__ = ("after", "before", "instructions")

    def __init__(self, after, before, instructions):
        self.after, self.before, self.instructions = after, before, instructions


def _depths(code):
    """Depth after each instruction, with the next unit; depth before each, with where in the stack the
    exceptions lie that were handled when a handler began; and all instructions in their order."""
    instructions = [i for i in dis.get_instructions(code, show_caches=False)]
    index = {i.offset: n for n, i in enumerate(instructions)}
    ends = {}
    for n, i in enumerate(instructions):
        ends[i.offset] = instructions[n + 1].offset if n + 1 < len(instructions) else len(code.co_code)
    handlers = list(dis._parse_exception_table(code))
    depth = {0: 0}
    handling = {0: ()}
    work = [0]
    stop = {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
            "JUMP_BACKWARD_NO_INTERRUPT", "INTERPRETER_EXIT"}
    after = {}

    def reach(offset, d, handled):
        if offset not in depth and offset in index:
            depth[offset] = d
            handling[offset] = handled
            work.append(offset)

    while work:
        offset = work.pop()
        i = instructions[index[offset]]
        d = depth[offset]
        handled = handling[offset]
        for h in handlers:
            if h.start <= offset < h.end:
                still = tuple(place for place in handled if place < h.depth)
                reach(h.target, h.depth + (1 if h.lasti else 0) + 1, still)
        if i.opname == "PUSH_EXC_INFO":
            handled += (d - 1,)
        elif i.opname == "POP_EXCEPT":
            handled = handled[:-1]
        arg = i.arg if i.opcode >= dis.HAVE_ARGUMENT else None
        if i.opcode in _JUMPS:
            reach(i.argval, d + dis.stack_effect(i.opcode, arg, jump=True), handled)
        effect = dis.stack_effect(i.opcode, arg, jump=False)
        if i.opname == "RETURN_GENERATOR" and effect == 0:
            effect = 1  # dis says 0 before 3.13: the generator is pushed
        if i.opname not in stop:
            after[offset // 2] = (d + effect, ends[offset] // 2)
            reach(ends[offset], d + effect, handled)
    before = {offset // 2: (depth[offset], handling[offset]) for offset in depth}
    return after, before, instructions


# Ways of the interpreter from a call instruction to a C function; see c_stack.rs.
_CALLS = {
    "nothing": ("()", "(*a)"),
    "one": ("(1)", "(*a)"),
    "tuple": ("()", "(1)", "(1, 2)", "(*a)"),
    "tuple_keywords": ("()", "(1)", "(1, k=2)", "(k=1)", "(*a)", "(*a, **k)"),
    "fast": ("()", "(1)", "(1, 2)", "(*a)"),
    "fast_keywords": ("()", "(1)", "(1, k=2)", "(k=1)", "(*a)", "(*a, **k)"),
}


def _tracing():
    state = (sys.gettrace() is None, sys.getprofile() is None)
    if hasattr(sys, "monitoring"):
        state += tuple(map(sys.monitoring.get_events, range(6)))
    return state


def lesson_due(lessons):
    """Whether nothing was learnt yet in the state of tracing and profiling that this thread is in.

    lessons: the set of states in which the calling copy of the engine has learnt.
    """
    return _tracing() not in lessons and len(lessons) < 16


def learn_ways(lessons, functions, thing):
    """Call each C function as a function, a method and a bound method, until it is specialised."""
    for name, forms in _CALLS.items():
        arguments = (1,) if name == "one" else ()
        for form in forms:
            for expression, subject in (("f", functions[name]), ("f", getattr(thing, name)), (f"f.{name}", thing)):
                scope = {}
                exec(f"def way(f, a, k):\n for _ in range(24):\n  {expression}{form}\n", scope)
                scope["way"](subject, arguments, {"k": 1})
    lessons.add(_tracing())

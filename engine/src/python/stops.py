# Frames that stand at an instruction: stopped by a trace, monitoring or signal callback before it ran.

import _signal
import _thread
import time
from functools import partial

# Instructions that only prepare the one after them, whose start they are. KW_NAMES leaves its names in
# a variable of the evaluation loop; 3.11's PRECALL does nothing the second time.
_PREFIXES = frozenset(("EXTENDED_ARG", "KW_NAMES", "PRECALL"))
# Instructions before which nothing was done yet whenever the interpreter handles what is pending in them.
_RESTARTABLE = frozenset(("RESUME", "JUMP_BACKWARD"))


def _number(instructions, unit):
    """Where in the list the instruction is to which a code unit belongs (its inline caches too)."""
    low, high = 0, len(instructions)
    while high - low > 1:
        middle = (low + high) // 2
        if instructions[middle].offset <= 2 * unit:
            low = middle
        else:
            high = middle
    return low


_IS_DEBUG_BUILD = hasattr(sys, "gettotalrefcount")


def stop_at(code, unit):
    """How a frame stands that is stopped before the instruction at a code unit has run.

    (first unit, its prefixes included; depth of the evaluation stack there; whether it may be begun
    again whenever the interpreter checked for signals in it), or None where there is no instruction,
    its depth is not known, or what lies on the stack is not whole.
    """
    walked = _walked(code)
    n = _number(walked.instructions, unit)
    if walked.instructions[n].offset != 2 * unit:
        return None
    if walked.instructions[n].opname == "SET_FUNCTION_ATTRIBUTE":
        return None  # a function that is half made lies on the stack
    if walked.instructions[n].opname == "CLEANUP_THROW" and _IS_DEBUG_BUILD:
        return None  # asserts that its evaluation loop was entered by a throw, and ends the process
    restartable = walked.instructions[n].opname in _RESTARTABLE
    while n > 0 and walked.instructions[n - 1].opname in _PREFIXES:
        n -= 1
    start = walked.instructions[n].offset // 2
    known = walked.before.get(start)
    return known and (start, known[0], restartable)


def handled_before(code, unit):
    """Where on the evaluation stack the exception lies that was handled before the handler began in
    which the instruction at a code unit stands: of the outermost handler. None outside of handlers."""
    walked = _walked(code)
    known = walked.before.get(walked.instructions[_number(walked.instructions, unit)].offset // 2)
    return known[1][0] if known and known[1] else None


def delegates_at(code, unit):
    """The SEND of the `yield from` or `await` in which a generator is suspended that stands at a code unit; None if it is
    suspended in a `yield`, or not at all."""
    instructions = _walked(code).instructions
    n = _number(instructions, unit)
    for i in instructions[n : n + 3] if instructions[n].offset == 2 * unit else ():
        if i.opname == "JUMP_BACKWARD_NO_INTERRUPT":
            target = instructions[_number(instructions, i.argval // 2)]
            return target.offset // 2 if target.opname == "SEND" else None
        if i.opname not in ("YIELD_VALUE", "RESUME"):
            return None
    return None


def throw_unit(code, unit):
    """Where an instruction pointer has to be for an exception at the instruction at `unit`, in versions
    that look up its handler one unit before: handler and, if there is a choice, line are right."""
    lines = {}
    for start, end, line in code.co_lines():
        for u in range(start // 2, end // 2):
            lines[u] = line
    if lines.get(unit + 1) == lines.get(unit):
        return unit + 1
    edges = {edge for h in dis._parse_exception_table(code) for edge in (h.start, h.end)}
    return unit + 1 if unit == 0 or 2 * unit in edges else unit


# --- lessons: the places of the evaluation loop from which such callbacks are called; see stop.rs ------

_ANY, _RESTART, _OTHER = 0, 1, 2


def _lesson():
    n = 0
    while n < 3:
        n += 1
    try:
        raise KeyError
    except KeyError:
        pass
    return n


def learn_events(note):
    """Be stopped by every kind of event."""
    _learn_apart(lambda: hasattr(sys, "monitoring") and _learn_monitoring(note) or _learn_tracing(note))


def learn_traces(note):
    """Be stopped by a trace function, which changes what the interpreter looks at in all threads."""
    if hasattr(sys, "monitoring"):
        _learn_apart(lambda: _learn_tracing(note))


def _learn_apart(learn):
    """In a thread of its own: this one may be in a callback already."""
    ended = []

    def work():
        try:
            learn()
        finally:
            ended.append(True)

    _thread.start_new_thread(work, ())
    for _ in range(4000):
        if ended:
            return
        time.sleep(0.0005)


class _Callable:
    """A callback that is called by its class's __call__."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


def _sorts_of(function):
    """The sorts of callbacks: compilers give the calls that are usual, of functions in Python, places of their own."""
    return function, partial(function), _Callable(function)


def _learn_tracing(note):
    kinds = {"line": _ANY, "opcode": _ANY, "call": _RESTART}
    opcodes, sort = False, None

    def tracer(frame, event, arg):
        if frame.f_code is not _lesson.__code__:
            return None
        frame.f_trace_opcodes = opcodes
        note(frame, kinds.get(event, _OTHER))
        return sort

    try:
        for sort in _sorts_of(tracer):
            instrument_all(sys.settrace, sort)
            for opcodes in (False, True):
                for _ in range(4):
                    _lesson()
    finally:
        instrument_all(sys.settrace, None)
    # And a C function, of a debugger or a coverage tool, or for requests.
    thread = _thread.get_ident()
    watch_thread(thread, lambda frame: frame.f_code is _lesson.__code__ and note(frame, _ANY))
    try:
        for _ in range(4):
            _lesson()
    finally:
        unwatch_thread(thread)


def _free_tool():
    """A monitoring tool that nobody uses, taken; None if there is none."""
    for tool in (4, 3, 5, 1, 2, 0):
        if sys.monitoring.get_tool(tool) is None:
            try:
                sys.monitoring.use_tool_id(tool, "torpor")
                return tool
            except ValueError:  # somebody was faster
                pass
    return None


def _learn_monitoring(note):
    monitoring, events = sys.monitoring, sys.monitoring.events
    tool = _free_tool()
    if tool is None:
        return False
    kinds = {events.LINE: _ANY, events.INSTRUCTION: _ANY, events.PY_START: _RESTART, events.JUMP: _RESTART,
             events.PY_RETURN: _OTHER}
    thread = _thread.get_ident()

    def callback(kind):
        def called(*about):
            if _thread.get_ident() == thread:
                frame = sys._getframe(1)
                # 3.12 has jumped already when it says so: the instruction that is jumped to has not begun.
                jumped = len(about) == 3 and frame.f_lasti == about[2]
                note(frame, _ANY if jumped else kind)

        return called

    try:
        for event, kind in kinds.items():
            for called in _sorts_of(callback(kind)):
                monitoring.register_callback(tool, event, called)
                monitoring.set_local_events(tool, _lesson.__code__, event)
                for _ in range(4):
                    _lesson()
    finally:
        monitoring.set_local_events(tool, _lesson.__code__, 0)
        for event in kinds:
            monitoring.register_callback(tool, event, None)
        instrument_all(monitoring.free_tool_id, tool)
    return True


def _nothing():
    pass


def _jumps(source):
    for _ in source:
        pass


def _calling(source):
    for _ in source:
        _nothing()


def learn_breaks(note):
    """Be stopped where the evaluation loop looks for signals, which it does in the main thread only.

    The signal is one that the program leaves alone, and is not sent: it only seems to have come.
    Returns whether it could be learnt.
    """
    if _thread.get_ident() != threading.main_thread().ident:
        return False
    free = [n for n in range(_signal.SIGRTMAX - 1, _signal.SIGRTMIN, -1) if _signal.getsignal(n) == _signal.SIG_DFL]
    if not free:
        return False
    codes = (_jumps.__code__, _calling.__code__, _nothing.__code__)

    def handler(_, frame):
        if frame is not None and frame.f_code in codes:
            note(frame, _RESTART)

    def lesson():
        for function in (_jumps, _calling):
            function(zip(range(24), iter(partial(_thread.interrupt_main, free[0]), 1)))

    tool = _free_tool() if hasattr(sys, "monitoring") else None
    _signal.signal(free[0], handler)
    try:
        lesson()
        if tool is not None:
            events = sys.monitoring.events
            for code in codes:
                sys.monitoring.set_local_events(tool, code, events.PY_START | events.JUMP)
            lesson()
    finally:
        _signal.signal(free[0], _signal.SIG_DFL)
        if tool is not None:
            for code in codes:
                sys.monitoring.set_local_events(tool, code, 0)
            instrument_all(sys.monitoring.free_tool_id, tool)
    return True

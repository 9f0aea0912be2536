# Greenlets as values: what is not in their frames, and how they run again.
#
# A suspended one is rebuilt as a greenlet that has not started and holds its frames as lists; so dropping it runs
# nothing of the program, and the garbage collector sees what it holds. As soon as a stack is resumed that came with
# it, it is started and waits, like the one that was captured. The lists are made by values/greenlet.rs, and read by
# values/greenlet_stack.rs.

_FINISHED, _UNSTARTED, _SUSPENDED, _CAPTURED = 0, 1, 2, 3


def _greenlets():
    return sys.modules["greenlet"]


def _of_greenlet(g, name):
    """An attribute as greenlets have it, whatever a subclass made of it."""
    return getattr(_greenlets().greenlet, name).__get__(g)


def greenlet_facts(g):
    """(state, what it will run, context): the state is None for one that runs or belongs to another thread."""
    if _of_greenlet(g, "dead"):
        return _FINISHED, [], None
    frame = _of_greenlet(g, "gr_frame")
    if frame is not None:
        return _SUSPENDED, waiting_stack(frame), _of_greenlet(g, "gr_context")
    if _greenlets().greenlet.__bool__(g):
        return None, None, None
    try:
        return _UNSTARTED, [_of_greenlet(g, "run")], _of_greenlet(g, "gr_context")
    except AttributeError:
        return _UNSTARTED, [], _of_greenlet(g, "gr_context")


def waiting_stack(frame):
    """The frames of a greenlet that was rebuilt and was not switched to since; None for any other."""
    return frame.f_locals["stack"] if frame.f_code is wait_in_greenlet.__code__ else None


def is_prepared(g, run):
    """Whether a greenlet that would run this was rebuilt as a suspended one, with a stack that was not resumed yet."""
    for one in (*run, object.__getattribute__(g, "__dict__").get("run")):
        if type(one) is types.MethodType and one.__func__ is run_greenlet:
            return True
    return False


def reduce_greenlet(g, state, body, context):
    cls = type(g)
    if _lookup(cls, "__getattribute__") is not object.__getattribute__ or hasattr(_lookup(cls, "run"), "__set__") and (
        _lookup(cls, "run") is not _greenlets().greenlet.run
    ):
        raise TypeError("its class decides itself what it runs")
    parent = _of_greenlet(g, "parent")
    return make_greenlet, (type(g),), (state, body, parent, context, _state(g, type(g), False)), None, None, fill_greenlet


def reduce_home(g):
    """The greenlet that runs the captured stack: the one that will run it."""
    if type(g) is not _greenlets().greenlet or _state(g, type(g), False) is not None:
        raise TypeError("it runs what is captured, and has a class or attributes of its own, which stay here")
    return home_greenlet, ()


def reduce_target(g):
    """The greenlet that is captured itself: the one that continuation.greenlet() gives."""
    _, attributes, *rest = reduce_greenlet(g, _CAPTURED, [], _of_greenlet(g, "gr_context"))
    return target_greenlet, attributes, *rest


def target_greenlet(cls):
    return make_greenlet(cls)


def home_greenlet():
    import greenlet

    return greenlet.getcurrent()


def make_greenlet(cls):
    import greenlet

    return greenlet.greenlet.__new__(cls)


def finished_greenlet():
    """A finished one without anything else."""
    import greenlet

    made = greenlet.greenlet(len)
    made.throw()  # one that was not started ends at once
    return made


def fill_greenlet(g, contents):
    """All but the frames of a suspended one, which come when everything is there."""
    cls = _greenlets().greenlet
    state, body, parent, context, attributes = contents
    values, slots = _parts(attributes)
    if values:
        object.__getattribute__(g, "__dict__").update(values)
    for name, value in slots.items():
        object.__setattr__(g, name, value)
    if state == _FINISHED:
        cls.__init__(g, len)
        cls.throw(g)  # one that was not started ends at once
    if parent is not None:
        cls.parent.__set__(g, parent)
    if context is not None:
        cls.gr_context.__set__(g, context)
    if state == _UNSTARTED and body:
        cls.run.__set__(g, body[0])


def arm_greenlets(suspended):
    """Give suspended greenlets their frames; returns the list of those that are still to be started."""
    group = [g for g, _ in suspended]
    for g, stack in suspended:
        let_run(g, types.MethodType(run_greenlet, [stack, group]))
    return group


def let_run(g, run):
    """A run method of a class goes before what greenlets have, and its instance's attributes before that."""
    if _lookup(type(g), "run") is _greenlets().greenlet.run:
        _greenlets().greenlet.run.__set__(g, run)
    else:
        object.__getattribute__(g, "__dict__")["run"] = run


def runs():
    """The current greenlet has begun to run what it was to run."""
    object.__getattribute__(_greenlets().getcurrent(), "__dict__").pop("run", None)


class _Start(list):
    """What starts a greenlet and lets it wait: holds the switch back."""


def start_greenlets(group):
    """Start greenlets that came with a stack: each waits then where the one that was captured waited."""
    while group:
        g = group.pop()
        # One that somebody took from the continuation may run already.
        if not _of_greenlet(g, "dead") and not _greenlets().greenlet.__bool__(g):
            _greenlets().greenlet.switch(g, _Start([_greenlets().getcurrent().switch]))


def wait_in_greenlet(stack, start):
    """Until somebody switches to it: (what is switched or thrown, whether it is thrown).

    Not hidden: greenlet takes one without a frame for one that runs.
    """
    try:
        return start.pop()(), False
    except BaseException as thrown:
        thrown.__traceback__ = thrown.__traceback__.tb_next  # without this function
        return thrown, True


def begin_greenlet(prepared, *args, **kwargs):
    """What run_greenlet does first, and then resumes with: the stack, a list of what its innermost call returns or raises,
    whether it raises that."""
    runs()
    stack, group = prepared
    prepared.clear()
    if args and type(args[0]) is _Start:
        value, raises = wait_in_greenlet(stack, args[0])
        return stack, [value], raises
    start_greenlets(group)
    # As switch() gives what is switched.
    given = args[0] if len(args) == 1 else args
    if kwargs:
        given = (given, kwargs) if args else kwargs
    return stack, [given], False


def slot_name(code, slot):
    """How a refusal names a slot of a greenlet's frame."""
    names = (*code.co_varnames, *(n for n in code.co_cellvars if n not in code.co_varnames), *code.co_freevars)
    return f".locals[{names[slot]!r}]" if slot < len(names) else f".stack[{slot - len(names)}]"


HIDDEN.append(begin_greenlet)

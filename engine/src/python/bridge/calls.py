# Calls: of functions, through partial and lru_cache, of bound methods that end a `with`.


def _starred_operands(call):
    """Of f(*args, **kwargs): (whether there is a place for the second, what is in both; EMPTY where there is none)."""
    named = sys.version_info >= (3, 14) or bool(call.arg & 1)
    return named, call.stack[-1 - named], call.stack[-1] if named else EMPTY


def _arguments(call):
    """(callable, positional arguments, keyword arguments) of a call; arguments None if they may be stale."""
    stack = call.stack
    if call.op == "CALL_FUNCTION_EX":
        given, args, kwargs = _starred_operands(call)
        function = stack[-2 - given - (sys.version_info >= (3, 13))]
        if type(args) is not tuple:
            return function, None, None
        return function, list(args), dict(kwargs) if type(kwargs) is dict else {}
    names = ()
    if call.op == "CALL_KW":
        names, stack = stack[-1], stack[:-1]
    elif call.op == "CALL" and call.keywords is not None:
        names = call.keywords
    args = stack[len(stack) - call.arg:] if call.arg else []
    function, own = stack[: len(stack) - call.arg][-2:]
    if function is EMPTY:
        function, own = own, EMPTY
    if own is not EMPTY:
        args = [own, *args]
    n = len(args) - len(names)
    return function, args[:n], dict(zip(names, args[n:]))


def _has_arguments(call):
    """Whether f(*args) has what it calls with. Of anything else than a tuple it is still making one: to look into that
    would run it, and take items from it."""
    _, args, _ = _starred_operands(call)
    return args is EMPTY or type(args) is tuple


def _call(call):
    if call.op == "CALL_FUNCTION_EX":
        found = _starred(call)
        if found or not _has_arguments(call):
            return found
    function, args, kwargs = _arguments(call)
    if _leaves_with(call, function, args):
        return "call", "after", [], []
    return _run_by_partial(call, function, args, kwargs) or _called(call, function, args, kwargs)


def _called(call, function, args, kwargs):
    by_partial = type(function) is functools.partial
    while type(function) is functools.partial:
        if args is not None:
            args, kwargs = [*function.args, *args], {**function.keywords, **kwargs}
        function = function.func
        if call.calls(function):
            return "partial", "after", [], []
    if call.is_only("partial") and call.op == "CALL" and _takes_its_place(call, function):
        return "partial", "after", [], []
    if type(function) is staticmethod and call.calls(function):
        return "static method", "after", [], []
    if call.calls(function):
        return "call", "after", [], []
    context, given = _run_in(function, args)
    if context is not None:
        found = _called(call, given[0], given[1:], kwargs)
        if found is None or found[1] != "after" or found[2]:
            return None
        kind = found[0] if found[0] in _STEPS_OF_TASKS else _RUN_BY_PARTIAL if by_partial else "Context.run"
        return kind, "after", [], [*found[3], (finish_context, (context,), None)]
    if call.generator is not None:
        task = task_of_step(function)
        if task is not None:
            runs = known_tasks().task.get_coro(task) is call.generator
            return ("task", "after", [], [(finish_task, (task,), call.generator)]) if runs else None
    elif (task := task_of_step(function)) is not None:
        return _task_goes_on(call, function, task)
    if kind_of(function) in _CALLS_ON and args is not None and len(args) == 1 and not kwargs:
        return _called_on(call, function, args[0])
    if type(function) is functools._lru_cache_wrapper:
        if args is None or not call.calls(function.__wrapped__):
            return None
        return "lru_cache", "after", [], [(finish_cached, (function, tuple(args), kwargs), None)]
    if function is builtins.__build_class__:
        return None if args is None else _class_statement(call, args, kwargs)
    if _is(function, type):
        task = _task_made(call, function, args, kwargs)
        if task is not None:
            return task
        made = _class_called(call, function, args, kwargs)
        if made is not None:
            return made[0], "after", [], made[1]
    elif type(function) is types.MethodWrapperType and _is(function.__self__, type):
        if function.__name__ == "__call__" and function.__objclass__ is type:
            made = _type_called(call, function.__self__, args, kwargs)
            return made and (made[0], "after", [], made[1])
    elif function is _type_call and args and _is(args[0], type):
        made = _type_called(call, args[0], args[1:], kwargs)
        return made and (made[0], "after", [], made[1])
    elif function is _type_new and args and _is(args[0], type):
        made = _type_made(call, args[0], args[1:], kwargs)
        return made and (_CREATES, "after", [], made[0])
    elif function is operator.call and args:
        return _called(call, args[0], args[1:], kwargs)
    elif _resolve_called(call, function, args):
        return _resolve_called(call, function, args)
    elif function is _c_import:
        return None if args is None else _import_called(call, args, kwargs)
    elif call.special(function, "__call__"):
        return "__call__", "after", [], []
    ways = () if args is None else (_of_function, _str_format, _begins)
    found = next(filter(None, (way(call, function, args, kwargs) for way in ways)), None)
    if found:
        return found
    if args is None or kwargs or not args and kind_of(function) not in (types.BuiltinMethodType, types.MethodWrapperType):
        return None
    return _builtin(call, function, args)


_RUN_BY_PARTIAL = "Context.run by partial"
_STEPS_OF_TASKS = ("task", "task goes on")


def _run_by_partial(call, slot, args, kwargs):
    """A partial of Context.run with one argument of its own, before 3.13: what it runs lies in its place on the stack, see
    below. None stands for the context, which the thread knows (context.rs)."""
    if not call.is_only(_RUN_BY_PARTIAL) or call.op != "CALL" or slot is EMPTY:
        return None
    found = _called(call, slot, args, kwargs)
    if found is None or found[1] != "after" or found[2] or found[0] == _RUN_BY_PARTIAL:
        return found
    return _RUN_BY_PARTIAL, "after", [], [*found[3], (finish_context, (None,), None)]


def _takes_its_place(call, slot):
    """A partial with one argument of its own, before 3.13: while it calls its function, that argument lies in its place
    on the stack. What the C stack admits is the call of a partial's function, whose result it only returns."""
    return slot is not EMPTY and any(call.given(n) is slot for n in (0, 1))


def _run_in(function, args):
    """Of Context.run(): the context, and what is called in it with its positional arguments."""
    if not args:
        return None, ()
    if type(function) is types.BuiltinMethodType and type(function.__self__) is contextvars.Context:
        return (function.__self__, args) if function.__name__ == "run" else (None, ())
    if function is _dict_of(contextvars.Context)["run"] and type(args[0]) is contextvars.Context and len(args) > 1:
        return args[0], args[1:]
    return None, ()


_CALLS_ON = (operator.attrgetter, operator.itemgetter, operator.methodcaller)


def _called_on(call, function, obj):
    """What operator makes of names and keys: of one object it gets an attribute or an item, or calls a method."""
    made, given = function.__reduce__()
    if type(function) is operator.methodcaller:
        name = made.args[0] if type(made) is functools.partial else given[0]
        # An attribute of the instance would be called in its place: then another function runs.
        return ("methodcaller", "after", [], []) if call.calls(_lookup(type(obj), name)) else None
    if len(given) != 1:
        return None
    if type(function) is operator.itemgetter:
        return ("itemgetter", "after", [], []) if call.special(obj, "__getitem__") else None
    name, *names = given[0].split(".")
    while names and call.given(0) is not obj:
        obj = _kept_attribute(obj, name)
        name, *names = names
    found = None if obj is EMPTY else _attribute(call, obj, name)
    if any(_attribute(call, obj, later) is not None for later in names):
        return None  # which of them was got is not known
    rest = [(finish_attributes, (tuple(names),), None)] if names else []
    return found and ("attrgetter", "after", [], [*found[1], *rest])


def _kept_attribute(obj, name):
    """An attribute of an object that is got without a call; or EMPTY."""
    cls = type(obj)
    if obj is EMPTY or _lookup(cls, "__getattribute__") is not object.__dict__["__getattribute__"]:
        return EMPTY
    has_dict = _dictoffset_of(cls) and type(_lookup(cls, "__dict__")) is types.GetSetDescriptorType
    found, kept = _lookup(cls, name), object.__getattribute__(obj, "__dict__") if has_dict else {}
    if found is not None and any(_lookup(type(found), slot) is not None for slot in ("__get__", "__set__", "__delete__")):
        return EMPTY
    return kept.get(name, EMPTY if found is None else found)


def _leaves_with(call, slot, args):
    """The end of a `with`: its bound __exit__ is called with three Nones, and while it runs its place on the
    stack holds the manager itself."""
    return (
        call.kinds is not None
        and call.op == "CALL"
        and call.arg == 2
        and slot is call.first
        and args is not None
        and len(args) == 3
        and all(a is None for a in args)
        and call.special(slot, "__exit__")
    )

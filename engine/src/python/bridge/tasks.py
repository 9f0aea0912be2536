# Tasks of asyncio: what C code does of them, and the loop that it asks to call a step.


def _step_asked_for(call, task_class, loop):
    """The task that the inner frame is to have stepped: it is the loop's call_soon, given a step that C made just now. None
    if it is another frame."""
    kinds, step = known_tasks(), call.given(1)
    if kinds is None or step is EMPTY or type(step) is not kinds.step or not call.calls(_lookup(type(loop), "call_soon")):
        return None
    task = step.__self__
    known = call.given(0) is loop and type(task) is task_class and _has_part(task, kinds, "loop", loop)
    return task if known else None


def _has_part(task, kinds, name, part):
    return [id(held) for held in iterator_part(task, kinds.parts[name])] == [id(part)]


def _task_made(call, cls, args, kwargs):
    """Task(coroutine): all of it is made when its first step is asked for, unless it is stepped at once (eager_start)."""
    of_c = getattr(sys.modules.get("_asyncio"), "Task", None)
    if of_c is None or not _derives(of_c, cls) or args is None or len(args) > 1:
        return None
    kinds, eager = known_tasks(), kwargs.get("eager_start")
    if kinds is None or not (eager is None or eager is False):
        return None
    if any(_lookup(cls, name) is not _lookup(kinds.task, name) for name in ("__new__", "__init__")):
        return None
    loop = call.given(0)
    task = _step_asked_for(call, cls, loop)
    coroutine = args[0] if args else kwargs.get("coro")
    if task is None or not _has_part(task, kinds, "coro", coroutine):
        return None
    return "task made", "after", [], [(finish_task_made, (task,), None)]


def _task_goes_on(call, step, task):
    """A step that has come to a `yield` of None, or of what is no future, asks for the next one and is over."""
    asked = _step_asked_for(call, type(task), known_tasks().future.get_loop(task))
    if asked is not task or call.given(1) is step:
        return None
    return "task goes on", "after", [], [(finish_task_step, (task,), None)]

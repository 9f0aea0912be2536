# Futures and tasks of asyncio as C has them, and what a task has still to do with what its coroutine came to.
#
# Most of their state is what they show, and is set by their own methods. What these do not set is a word of their
# structs (Modules/_asynciomodule.c): which, is learnt from samples whose parts are known; parts are read and written
# as those of iterators are (iterators.py). The samples run on a loop of their own, which calls nothing.


class Nowhere:
    """A loop that keeps what it is to call: of samples, and of futures that have not got their own yet."""

    def __init__(self, debug=False):
        self.debug, self.calls = debug, []

    def get_debug(self):
        return self.debug

    def call_soon(self, callback, *args, context=None):
        self.calls.append(callback)

    def call_exception_handler(self, context):
        pass


class _Waited:
    """What a task waits for, as it sees a future that is not C's."""

    def __init__(self, loop):
        self._loop, self._asyncio_future_blocking, self.callbacks = loop, True, []

    def get_loop(self):
        return self._loop

    def add_done_callback(self, callback, *, context=None):
        self.callbacks.append(callback)

    def cancel(self, msg=None):
        return True


class _Awaited:
    def __init__(self, item, error=None):
        self.item, self.error = item, error

    def __await__(self):
        if self.error is not None:
            raise self.error
        yield self.item


async def _awaiting(item, error=None):
    await _Awaited(item, error)


_TASK_PARTS = ("loop", "exception", "exception_tb", "source_tb", "cancelled_exc")
_OWN_TASK_PARTS = ("coro", "context", "waiter")
_known_tasks = []


class _TaskKinds:
    """What was learnt: the C classes, the words of their parts, and how a waiting task is woken."""

    def __init__(self, module):
        self.future, self.task = module.Future, module.Task
        self.parts, self.step, self.iterator, self.wakeup = {}, None, type(iter(module.Future(loop=Nowhere()))), None


def asyncio_is_there():
    """Whether the program has imported all of asyncio."""
    return hasattr(sys.modules.get("asyncio"), "SelectorEventLoop") and "_asyncio" in sys.modules


def known_tasks():
    """What is known of C's futures and tasks; None if they are laid out in a way that is not, or not there."""
    if not _known_tasks:
        if not asyncio_is_there():
            return None
        kinds = _TaskKinds(sys.modules["_asyncio"])
        _known_tasks.append(kinds if _learn_tasks(kinds, True) and _learn_tasks(kinds, False) else None)
    return _known_tasks[0]


def _set_aside(loop):
    """The running loop and task of this thread give way to a loop; returns them."""
    module = sys.modules["_asyncio"]
    own = module._get_running_loop()
    task = None if own is None else sys.modules["asyncio.tasks"].current_task(own)
    if task is not None:
        module._leave_task(own, task)
    module._set_running_loop(loop)
    return own, task


def _put_back(own, task):
    module = sys.modules["_asyncio"]
    module._set_running_loop(own)
    if task is not None:
        module._enter_task(own, task)


def _learn_tasks(kinds, first):
    """Learns the words of the parts, or compares them with those of other samples."""
    loop = Nowhere()
    own = _set_aside(loop)
    try:
        return _compare_tasks(kinds, loop, first)
    finally:
        _put_back(*own)


def _compare_tasks(kinds, loop, first):
    cancelled = sys.modules["asyncio.exceptions"].CancelledError()
    waited, error, context = _Waited(loop), ValueError(), contextvars.Context()
    coroutine, failing, bad = _awaiting(waited), _awaiting(None, cancelled), _awaiting(5)
    tasks = [kinds.task(c, loop=loop, context=context) for c in (coroutine, failing, bad)]
    steps = loop.calls[:]
    fits = [iterator_word(step, 0) for step in steps] == [id(task) for task in tasks]
    fits = fits and type(steps[0]).__basicsize__ == 32 and iterator_word(steps[0], 1) == 0
    kinds.step = type(steps[0])
    for step in steps:
        step()
    raising = loop.calls[-1]
    fits = fits and len(loop.calls) == 4 and iterator_word(raising, 0) == id(tasks[2])
    thrown = [o for o in gc.get_referents(raising) if type(o) is RuntimeError]
    fits = fits and [iterator_word(raising, 1)] == [id(o) for o in thrown]
    kinds.wakeup = waited.callbacks[0]
    try:
        raise error
    except ValueError:
        failed, debugged = kinds.future(loop=loop), kinds.future(loop=Nowhere(True))
        failed.set_exception(error)
    for task in (tasks[0], tasks[2]):
        task._log_destroy_pending = False
    failed._log_traceback = False
    samples = {
        "loop": (failed, loop), "exception": (failed, error), "exception_tb": (failed, error.__traceback__),
        "source_tb": (debugged, debugged._source_traceback), "cancelled_exc": (tasks[1], cancelled),
        "coro": (tasks[0], coroutine), "context": (tasks[0], context), "waiter": (tasks[0], waited),
    }  # fmt: skip
    for name, (sample, part) in samples.items():
        words = range(type(sample).__basicsize__ // 8 - 2)
        found = [i for i in words if iterator_word(sample, i) == id(part)]
        fits = fits and len(found) == 1 and kinds.parts.setdefault(name, found[0]) == found[0]
    for task in tasks:
        # 3.14 links all tasks, and its list breaks if one is dropped by another process than the one that made it.
        sys.modules["_asyncio"]._unregister_task(task)
    for c in (coroutine, bad):
        c.close()
    error.__traceback__ = cancelled.__traceback__ = None
    if fits and first:
        LAYOUTS[kinds.step] = "Oo"
        for cls, names in ((kinds.future, _TASK_PARTS), (kinds.task, _TASK_PARTS + _OWN_TASK_PARTS)):
            words = {kinds.parts[name] for name in names}
            LAYOUTS[cls] = "".join("o" if i in words else "-" for i in range(max(words) + 1))
    return fits and kinds.wakeup.__self__ is tasks[0]


def _kinds_of_tasks():
    kinds = known_tasks()
    if kinds is None:
        raise TypeError("this interpreter lays it out in a way that is not known")
    return kinds


# --- as values -------------------------------------------------------------------------------------


def task_of_step(function):
    """The task that a callback of an event loop goes on with: C's, of which one is made for each step or wait."""
    cls = type(function)
    if cls is types.BuiltinMethodType:
        task = function.__self__
        if not _derives(getattr(sys.modules.get("_asyncio"), "Task", _Waited), type(task)):
            return None
        kinds = known_tasks()
        if kinds and _derives(kinds.task, type(task)) and function.__name__ == kinds.wakeup.__name__ and (
            function == bind_again(kinds.wakeup, task)
        ):
            return task
    elif _name_of(cls) == "TaskStepMethWrapper":
        kinds = known_tasks()
        if kinds and cls is kinds.step:
            return function.__self__
    return None


def reduce_of_asyncio(obj):
    """A future, a task, an iterator over one, a step of one; None for anything else."""
    kinds, cls = known_tasks(), type(obj)
    module = sys.modules.get("_asyncio")
    if module is None or not (_derives(module.Future, cls) or getattr(cls, "__module__", "") == "_asyncio" or kinds and cls is kinds.step):
        return None
    if _derives(module.Future, cls):
        return _reduce_future(obj, _kinds_of_tasks())
    if kinds and cls is kinds.iterator:
        return make_future_iterator, tuple(o for o in gc.get_referents(obj) if o is not cls)
    if kinds and cls is kinds.step:
        return make_task_step, (obj.__self__, iterator_part(obj, 1))
    return None


def _reduce_future(future, kinds):
    cls = type(future)
    shown = lambda name: getattr(kinds.future, name).__get__(future)
    part = lambda name: iterator_part(future, kinds.parts[name])
    if not part("loop"):
        raise TypeError("it is not initialized")
    state = {
        "parts": {name: part(name) for name in _TASK_PARTS if name != "exception"},
        "state": shown("_state"), "result": shown("_result"), "exception": shown("_exception"),
        "callbacks": shown("_callbacks") or [], "blocking": shown("_asyncio_future_blocking"),
        "message": shown("_cancel_message"), "logs": shown("_log_traceback"),
        "awaited_by": list(getattr(future, "_asyncio_awaited_by", None) or ()), "attributes": _attributes(future, cls),
    }  # fmt: skip
    if _derives(kinds.task, cls):
        shown = lambda name: getattr(kinds.task, name).__get__(future)
        state["task"] = {
            "coro": part("coro"), "context": part("context"), "waiter": part("waiter"), "name": shown("get_name")(),
            "must_cancel": shown("_must_cancel"), "cancelling": shown("cancelling")(), "logs": shown("_log_destroy_pending"),
        }  # fmt: skip
    return make_future, (cls,), state, None, None, fill_future


def _attributes(future, cls):
    slots = {name: object.__getattribute__(future, name) for name in slot_names(cls) if hasattr(future, name)}
    return dict_of(future) or None, slots or None


NOWHERE = Nowhere()


def make_future(cls):
    """A future or task that nothing is known of yet."""
    import _asyncio, asyncio

    base = _asyncio.Task if _derives(_asyncio.Task, cls) else _asyncio.Future
    made = base.__new__(cls)
    _asyncio.Future.__init__(made, loop=NOWHERE)
    return made


_unarmed = weakref.WeakKeyDictionary()  # tasks that complain that they were pending once their loop runs


def fill_future(future, given):
    """Its state. No callback is called and nothing is scheduled: its loop comes last."""
    kinds = _kinds_of_tasks()
    set_part = lambda name, part: set_iterator_part(future, kinds.parts[name], part)
    own, cls = given.get("task"), kinds.future
    if own is not None:
        _begin_task(future, kinds, own)
    if given["state"] == "CANCELLED":
        cls.cancel(future)
    elif given["state"] == "FINISHED" and given["exception"] is not None:
        cls.set_exception(future, given["exception"])
    elif given["state"] == "FINISHED":
        cls.set_result(future, given["result"])
    for callback, context in given["callbacks"]:
        cls.add_done_callback(future, callback, context=context)
    cls._cancel_message.__set__(future, given["message"])
    cls._asyncio_future_blocking.__set__(future, given["blocking"])
    if not given["logs"]:
        cls._log_traceback.__set__(future, False)
    for waiter in given["awaited_by"]:
        sys.modules["_asyncio"].future_add_to_awaited_by(future, waiter)
    for name in _TASK_PARTS:
        if name != "exception":
            set_part(name, given["parts"][name])
    attributes, slots = _parts(given["attributes"])
    if attributes:
        dict_of(future).update(attributes)
    for name, value in slots.items():
        object.__setattr__(future, name, value)
    if own is None:
        return
    set_part("coro", own["coro"])
    if given["state"] != "PENDING":
        sys.modules["_asyncio"]._unregister_task(future)
        return
    set_part("waiter", own["waiter"])
    if own["logs"]:
        _unarmed.setdefault(given["parts"]["loop"][0], weakref.WeakSet()).add(future)


def _begin_task(task, kinds, own):
    coro = own["coro"][0] if own["coro"] else None
    if coro is None:
        coro = _awaiting(None)
        coro.close()
    (context,) = own["context"]
    set_iterator_part(task, kinds.parts["loop"], ())  # 3.15 tells by its loop whether a task was initialized before
    kinds.task.__init__(task, coro, loop=NOWHERE, name=own["name"], context=context)
    NOWHERE.calls.clear()
    kinds.task._log_destroy_pending.__set__(task, False)
    # How often it was asked to end: while it waits, what it waits for is told; else it is told itself.
    times, must = own["cancelling"], own["must_cancel"]
    set_iterator_part(task, kinds.parts["waiter"], (_Waited(NOWHERE),))
    for _ in range(times - must):
        kinds.task.cancel(task)
    set_iterator_part(task, kinds.parts["waiter"], ())
    if must:
        kinds.task.cancel(task)
        if not times:
            kinds.task.uncancel(task)


def make_future_iterator(*future):
    """What awaiting a future iterates over."""
    import _asyncio, asyncio

    if future:
        return _asyncio.Future.__iter__(*future)
    ended = make_future(_asyncio.Future)
    ended.set_result(None)
    iterator = iter(ended)
    for _ in iterator:
        pass
    return iterator


def make_wakeup(task):
    """What a future calls that a task waits for."""
    import asyncio

    kinds = known_tasks()
    if kinds is None or not _derives(kinds.task, type(task)):
        raise TypeError("this interpreter has no such tasks")
    return bind_again(kinds.wakeup, task)


def make_task_step(task, raised):
    """What an event loop calls for a task to go on; raised: a tuple of none or one exception that it gets."""
    import asyncio

    kinds = known_tasks()
    if kinds is None or not _derives(kinds.task, type(task)):
        raise TypeError("this interpreter has no such tasks")
    loop, coroutine = Nowhere(), _awaiting(None)
    coroutine.close()
    kinds.task(coroutine, loop=loop)._log_destroy_pending = False
    (step,) = loop.calls
    set_iterator_part(step, 0, (task,))
    set_iterator_part(step, 1, raised)
    return step


# --- in the stack ----------------------------------------------------------------------------------


class Outcome:
    """Takes the place of a task's coroutine, for C's code to meet what that came to."""

    __slots__ = ("coroutine", "how", "task", "what")

    def __init__(self, task, how, what):
        self.task, self.how, self.what = task, how, what
        self.coroutine = iterator_part(task, known_tasks().parts["coro"])

    def __iter__(self):
        return self

    def __next__(self):
        self.give_way()
        if self.how == "yields":
            return self.what
        if self.how == "raises":
            raise self.what
        raise StopIteration(self.what)

    def throw(self, error):
        """The task was told to end while its coroutine ran, and C's code finds that too early: it is told again."""
        of_task = known_tasks().task
        of_task.cancel(self.task, self.task._cancel_message)
        of_task.uncancel(self.task)
        return self.__next__()

    def give_way(self):
        coroutine, self.coroutine = self.coroutine, None
        if coroutine is not None:
            set_iterator_part(self.task, known_tasks().parts["coro"], coroutine)


def finish_task(source, task):
    """A step of a task: what its coroutine yields, returns or raises goes to C's code."""
    try:
        for item in source:
            how = "yields"
            break
        else:
            for item in source:
                break
            how = "returns"
    except BaseException as error:
        how, item = "raises", error
    end_task_step(task, how, item)


def end_task_step(task, how, item):
    """As C's code does where a coroutine has come to that: by letting it make the step once more."""
    sys.modules["_asyncio"]._leave_task(known_tasks().future.get_loop(task), task)
    context = item.__context__ if how == "raises" else None
    step, outcome = make_task_step(task, ()), Outcome(task, how, item)
    set_iterator_part(task, known_tasks().parts["coro"], (outcome,))
    try:
        step()
    finally:
        outcome.give_way()
        if how == "raises":
            item.__context__ = context


def finish_task_made(task):
    """Its loop has been asked to step it. One that is rebuilt is among all tasks already."""
    try:
        hole()
    except BaseException:
        sys.modules["_asyncio"]._unregister_task(task)
        raise
    return task


def finish_task_step(task):
    """Likewise, by a step, which is over."""
    try:
        hole()
    finally:
        sys.modules["_asyncio"]._leave_task(known_tasks().future.get_loop(task), task)

# Lessons about the steps of asyncio's tasks: see lessons.py.

_TASKS_STEPPED = _AWAITING + """
import asyncio, contextvars
from _asyncio import Future, Task
class L:
    def __init__(self):
        self.calls, self.context = [], contextvars.Context()
    def get_debug(self):
        return False
    def call_soon(self, f, *a, context=None):
        self.calls.append((f, a))
    def call_exception_handler(self, context):
        pass
class F(asyncio.futures._PyFuture): pass
async def top(awaited):
    note(kind)
    try:
        await awaited
        note(kind)
    except (KeyError, asyncio.CancelledError):
        note(kind)
        await tick()
        note(kind)
async def leaf(awaited):
    try:
        await awaited
    except (KeyError, asyncio.CancelledError):
        note(kind)
        await tick()
@types.coroutine
def plain(awaited):
    try:
        yield
    except (KeyError, asyncio.CancelledError):
        note(kind)
        yield
class I:
    def __init__(self, awaited):
        self.awaited = awaited
    def __await__(self):
        return leaf(self.awaited).__await__()
async def agen(awaited):
    await leaf(awaited)
    yield 1
async def c(n, awaited, of):
    await (c(n - 1, awaited, of) if n else of(awaited))
class H:
    def __init__(self, loop, f, a):
        self.context, self.f, self.a = loop.context, f, a
def through(h):
    h.context.run(h.f, *h.a)
def plainly(h):
    if h.a:
        h.context.run(h.f, h.a[0])
    else:
        h.context.run(h.f)
def alone(h):
    h.f(*h.a)
def directly(h):
    if h.a:
        h.f(h.a[0])
    else:
        h.f()
def job(n, of, future, end, step):
    loop = L()
    awaited = tick() if future is None else future(loop=loop)
    task = Task(of(awaited) if n < 0 else c(n, awaited, of), loop=loop)
    ended = False
    while loop.calls:
        f, a = loop.calls.pop(0)
        step(H(loop, f, a))
        if not ended and (future is None or not loop.calls):
            ended = True
            if end == "cancel":
                task.cancel()
            elif future is not None:
                if end == "raise":
                    awaited.set_exception(KeyError())
                else:
                    awaited.set_result(1)
    if task.done() and not task.cancelled():
        task.exception()
    task._log_destroy_pending = False
"""
_TASKS = {
    "task": (
        _TASKS_STEPPED,
        [f"job({n}, {of}, {future}, '{end}', {step})" for n, of in (
            *((n, of) for n in range(3) for of in ("leaf", "I", "lambda a: agen(a).asend(None)", "lambda a: anext(agen(a), 0)")),
            *((n, of) for n in range(8) for of in ("leaf", "plain")))
         for future in ("None", "Future", "F") for end in ("result", "raise", "cancel") for step in ("through",)]
        + [f"job(-1, top, {future}, '{end}', {step})" for future in ("None", "Future") for end in ("result", "raise", "cancel")
           for step in ("through", "plainly", "alone", "directly")],
    ),
    "task made": (
        _TASKS_STEPPED + """
class M(L):
    def call_soon(self, f, *a, context=None):
        note(kind)
class T(Task): pass
x = contextvars.Context()
""",
        [f"m, k = M(), leaf(None)\n  t = {made}\n  t._log_destroy_pending = False\n  k.close()" for made in (
            "Task(k, loop=m)", "Task(k, loop=m, name='n')", "Task(k, loop=m, name=None, context=x)", "Task(*(k,), loop=m)",
            "Task(k, **{'loop': m})", "Task(k, loop=m, **{})", "Task(coro=k, loop=m)", "T(k, loop=m)", "T(k, **{'loop': m})")],
    ),
    "task goes on": (
        _TASKS_STEPPED + """
class N(L):
    asked = False
    def call_soon(self, f, *a, context=None):
        if self.asked:
            note(kind)
        self.calls.append((f, a))
async def ticks(future):
    if future is not None:
        await future
    await tick()
@types.coroutine
def other():
    yield 5
async def wrong(future):
    await other()
def go_on(of, waits, step):
    loop = N()
    future = Future(loop=loop) if waits else None
    task = Task(of(future), loop=loop)
    if waits:
        step(H(loop, *loop.calls.pop()))
        future.set_result(1)
    loop.asked = True
    step(H(loop, *loop.calls.pop()))
    loop.asked = False
    while loop.calls:
        step(H(loop, *loop.calls.pop()))
    task.exception()
""",
        [f"go_on({of}, {waits}, {step})" for of, waits in (("ticks", False), ("ticks", True), ("wrong", False))
         for step in ("through", "plainly", "alone", "directly")],
    ),
}  # fmt: skip


def learn_tasks(note):
    learn_kinds(note, _TASKS)

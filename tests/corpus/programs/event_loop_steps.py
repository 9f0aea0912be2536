"""A loop of the program's own that is stopped while asyncio's C code asks it to call a step of a task."""

import asyncio
import contextvars

NAME = contextvars.ContextVar("NAME", default="none")


class Loop(asyncio.SelectorEventLoop):
    """Stops where it is asked for a step, once it is armed."""

    armed = False
    fails = False

    def call_soon(self, callback, *args, context=None):
        if self.armed and type(callback).__name__ == "TaskStepMethWrapper":
            self.armed = False
            pause()
            if self.fails:
                raise OSError("no more steps")
        return super().call_soon(callback, *args, context=context)


def arm():
    asyncio.get_running_loop().armed = True


def run(main, armed=False):
    """A task whose step is lost waits for ever, so nothing waits for it."""
    loop = Loop()
    loop.armed = armed
    loop.set_exception_handler(lost)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def lost(loop, context):
    if "exception" in context:
        note(repr(context["exception"]))
        loop.stop()


async def ticks(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n, NAME.get(), asyncio.current_task().get_name()


@program
def made_by_create_task():
    async def main():
        arm()
        task = asyncio.create_task(ticks(2), name="made")
        known = task in asyncio.all_tasks()
        return known, await task

    return run(main())


@program
def made_without_a_name():
    async def main():
        arm()
        task = asyncio.create_task(ticks(2))
        other = asyncio.create_task(ticks(1))
        return [(await t)[:2] for t in (task, other)], task.get_name() != other.get_name()

    return run(main())


@program
def made_by_the_class():
    async def main():
        context = contextvars.copy_context()
        context.run(NAME.set, "set")
        arm()
        return await asyncio.Task(ticks(1), name="t", context=context)

    return run(main())


@program
def made_by_a_class_below():
    class Own(asyncio.Task):
        def told(self):
            return self.get_name(), self.done()

    async def main():
        arm()
        task = Own(ticks(1), name="own")
        return task.told(), await task, task.told()

    return run(main())


@program
def made_by_gather():
    async def main():
        arm()
        return [n for n, *_ in await asyncio.gather(ticks(2), ticks(1), ticks(3))]

    return run(main())


@program
def made_by_a_group():
    async def main():
        async with asyncio.TaskGroup() as group:
            first = group.create_task(ticks(1), name="a")
            arm()
            second = group.create_task(ticks(2), name="b")
        return first.result(), second.result()

    return run(main())


@program(refused="socket")
def first_of_all():
    return run(ticks(1), True)[:2]


@program
def loop_that_refuses_the_first_step():
    async def main():
        arm()
        asyncio.get_running_loop().fails = True
        coroutine = ticks(1)
        try:
            asyncio.create_task(coroutine)
        except OSError as error:
            coroutine.close()
            return error.args, repr(error.__context__), len(asyncio.all_tasks())

    return run(main())


@program
def next_step():
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        arm()
        await asyncio.sleep(0)
        seen.append(asyncio.current_task() in asyncio.all_tasks())
        return await ticks(2)

    return run(main())[:2], seen


@program
def next_step_of_another():
    async def main():
        task = asyncio.create_task(ticks(3), name="other")
        arm()
        done = await task
        return done, asyncio.current_task() is task

    return run(main())


@program
def next_step_after_waiting():
    async def waits(future):
        got = await future
        arm()
        await asyncio.sleep(0)
        return got

    async def main():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(waits(future))
        await asyncio.sleep(0)
        future.set_result(7)
        return await task

    return run(main())


@program
def next_step_in_its_context():
    async def main():
        NAME.set("of main")
        arm()
        await asyncio.sleep(0)
        return NAME.get()

    return run(main()), NAME.get()


@program
def step_that_yields_what_is_no_future():
    class Wrong:
        def __await__(self):
            arm()
            yield 5

    async def main():
        try:
            await Wrong()
        except RuntimeError as error:
            return "bad yield: 5" in str(error)

    return run(main())


@program
def loop_that_refuses_the_next_step():
    told = []

    async def ends():
        arm()
        asyncio.get_running_loop().fails = True
        await asyncio.sleep(0)

    def handler(loop, context):
        if "exception" in context:
            told.append((repr(context["exception"]), asyncio.current_task(loop)))

    async def main():
        asyncio.get_running_loop().set_exception_handler(handler)
        task = asyncio.create_task(ends())
        await asyncio.sleep(0.01)
        return task.done()

    return run(main()), told


@program
def cancelled_before_its_first_step():
    async def main():
        arm()
        task = asyncio.create_task(ticks(1))
        task.cancel("no")
        try:
            await task
        except asyncio.CancelledError as error:
            return error.args, task.cancelled()

    return run(main())

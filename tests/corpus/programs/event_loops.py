"""Programs of asyncio that stop in the middle of their loop: everything that waits, waits on in another process."""

import asyncio
import contextvars

NAME = contextvars.ContextVar("NAME", default=None)


async def ticks(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def stop(value=None, when=True):
    """pause() below a coroutine that awaits."""
    return pause(value, when)


@program
def return_value():
    async def main():
        return pause(1), await stop(2, False)

    return asyncio.run(main())


@program
def raises():
    async def main():
        try:
            raise KeyError("first")
        except KeyError:
            pause()
            raise ValueError("second")

    try:
        asyncio.run(main())
    except ValueError as error:
        return error.args, repr(error.__context__), error.__traceback__.tb_next is not None


@program
def deep_await():
    async def down(n):
        if n:
            return n, await down(n - 1)
        await asyncio.sleep(0)
        return await stop("bottom")

    return asyncio.run(down(6))


@program
def gather_others():
    async def worker(i):
        await ticks(i)
        note(i)
        return pause(i, i == 2)

    async def main():
        return await asyncio.gather(*(worker(i) for i in range(5)))

    return asyncio.run(main())


@program
def gather_exceptions():
    async def worker(i):
        await ticks(i)
        if i == 1:
            raise KeyError(i)
        return pause(i, i == 2)

    async def main():
        return await asyncio.gather(*(worker(i) for i in range(4)), return_exceptions=True)

    return repr(asyncio.run(main()))


@program
def in_a_gathered_failure():
    async def fails():
        await ticks(2)
        pause()
        raise LookupError("gone")

    async def waits():
        try:
            await asyncio.sleep(3600)
        finally:
            note("cancelled")

    async def main():
        try:
            await asyncio.gather(fails(), waits())
        except LookupError as error:
            return error.args

    return asyncio.run(main())


@program
def sleeping_in_order():
    async def main():
        seen = []

        async def sleeper(delay):
            await asyncio.sleep(delay / 100)
            seen.append(delay)

        tasks = [asyncio.create_task(sleeper(d), name=f"sleeper {d}") for d in (3, 1, 2)]
        await asyncio.sleep(0)
        pause()
        await asyncio.wait(tasks)
        return seen, sorted(t.get_name() for t in tasks)

    return asyncio.run(main())


@program
def timeouts():
    async def main():
        try:
            async with asyncio.timeout(0.02):
                pause()
                await asyncio.sleep(3600)
        except TimeoutError:
            note("late")
        try:
            await asyncio.wait_for(asyncio.sleep(3600), 0.01)
        except TimeoutError:
            return "both"

    return asyncio.run(main())


@program
def wait_for_waits():
    async def inner():
        await asyncio.sleep(0)
        return pause("in time")

    async def main():
        return await asyncio.wait_for(inner(), 3600)

    return asyncio.run(main())


@program
def task_group():
    async def worker(i, seen):
        await ticks(i)
        seen.append(pause(i, i == 1))

    async def main():
        seen = []
        async with asyncio.TaskGroup() as group:
            for i in range(4):
                group.create_task(worker(i, seen))
        return seen

    return asyncio.run(main())


@program
def task_group_fails():
    async def worker(i):
        await ticks(i)
        pause(None, i == 1)
        if i == 1:
            raise ValueError(i)
        await asyncio.sleep(3600)

    async def main():
        async with asyncio.TaskGroup() as group:
            for i in range(3):
                group.create_task(worker(i))

    try:
        asyncio.run(main())
    except BaseExceptionGroup as group:
        return [repr(e) for e in group.exceptions]


@program
def queue():
    async def producer(queue):
        for i in range(6):
            await queue.put(pause(i, i == 3))
        await queue.put(None)

    async def consumer(queue, seen):
        while (item := await queue.get()) is not None:
            seen.append(item)
            queue.task_done()

    async def main():
        seen, items = [], asyncio.Queue(2)
        await asyncio.gather(producer(items), consumer(items, seen))
        return seen, items.qsize()

    return asyncio.run(main())


@program
def locks():
    async def worker(i, lock, semaphore, event, condition, seen):
        async with semaphore:
            async with lock:
                seen.append(("lock", pause(i, i == 1)))
        await event.wait()
        async with condition:
            await condition.wait()
            seen.append(("woken", i))

    async def main():
        seen = []
        lock, semaphore, event, condition = asyncio.Lock(), asyncio.Semaphore(2), asyncio.Event(), asyncio.Condition()
        tasks = [asyncio.create_task(worker(i, lock, semaphore, event, condition, seen)) for i in range(3)]
        await ticks(9)
        event.set()
        await ticks(3)
        async with condition:
            condition.notify_all()
        await asyncio.gather(*tasks)
        return seen

    return asyncio.run(main())


@program
def cancelled_handler():
    async def worker():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            note(error.args)
            pause()
            await asyncio.sleep(0)
            raise

    async def main():
        task = asyncio.create_task(worker())
        await asyncio.sleep(0)
        task.cancel("enough")
        try:
            await task
        except asyncio.CancelledError as error:
            return error.args, task.cancelled(), task.cancelling()

    return asyncio.run(main())


@program
def cancelled_below():
    async def leaf():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return pause("caught")

    async def middle():
        return await leaf()

    async def main():
        task = asyncio.create_task(middle())
        await asyncio.sleep(0)
        task.cancel()
        return await task, task.cancelling(), task.uncancel()

    return asyncio.run(main())


@program
def cancels_itself():
    async def main():
        asyncio.current_task().cancel("myself")
        pause()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            return error.args

    return asyncio.run(main())


@program
def cancels_itself_and_returns():
    async def worker():
        asyncio.current_task().cancel("last")
        return pause("result")

    async def main():
        task = asyncio.create_task(worker())
        try:
            return await task
        except asyncio.CancelledError as error:
            return error.args, task.cancelled()

    return asyncio.run(main())


@program
def cancels_itself_and_waits():
    async def worker(future):
        asyncio.current_task().cancel("waiting")
        pause()
        await future

    async def main():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(worker(future))
        try:
            await task
        except asyncio.CancelledError as error:
            return error.args, future.cancelled(), task.cancelled()

    return asyncio.run(main())


@program
def bad_yield():
    class Bad:
        def __await__(self):
            yield pause(5)

    async def main():
        try:
            await Bad()
        except RuntimeError as error:
            return str(error).split(":")[0]

    return asyncio.run(main())


@program
def awaits_itself():
    async def main():
        pause()
        try:
            await asyncio.current_task()
        except RuntimeError as error:
            return str(error)[:27]

    return asyncio.run(main())


@program
def futures():
    async def main():
        loop = asyncio.get_running_loop()
        pending, done, failed, cancelled = (loop.create_future() for _ in range(4))
        done.set_result([1])
        failed.set_exception(KeyError("k"))
        cancelled.cancel("message")
        seen = []
        pending.add_done_callback(lambda f: seen.append(("first", f.result())))
        pending.add_done_callback(lambda f: seen.append(("second", f.result())))
        pause()
        pending.set_result(7)
        await asyncio.sleep(0)
        try:
            await cancelled
        except asyncio.CancelledError as error:
            message = error.args
        return seen, await done, repr(failed.exception()), message, [f.done() for f in (pending, done, failed, cancelled)]

    return asyncio.run(main())


@program
def future_shared():
    async def waiter(future):
        return await future

    async def main():
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(waiter(future)) for _ in range(3)]
        await asyncio.sleep(0)
        pause()
        result = object()
        future.set_result(result)
        return [r is result for r in await asyncio.gather(*tasks)]

    return asyncio.run(main())


@program
def done_tasks():
    async def worker(i):
        if i == 1:
            raise ValueError(i)
        if i == 2:
            await asyncio.sleep(3600)
        return [i]

    async def main():
        tasks = [asyncio.create_task(worker(i)) for i in range(3)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        pause()
        return tasks[0].result(), repr(tasks[1].exception()), tasks[2].cancelled(), [t.get_coro().cr_frame is None for t in tasks]

    return asyncio.run(main())


@program
def identity():
    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        pause()
        handle = loop.call_soon(note, "called")
        await asyncio.sleep(0)
        return (
            asyncio.get_running_loop() is loop is asyncio.get_event_loop(), asyncio.current_task() is task, handle._loop is loop,
            asyncio.all_tasks() == {task}, task.get_loop() is loop, loop.is_running(),
        )

    return asyncio.run(main())


@program
def all_tasks():
    async def worker():
        await asyncio.sleep(3600)

    async def main():
        tasks = {asyncio.create_task(worker(), name=str(i)) for i in range(3)}
        await asyncio.sleep(0)
        pause()
        found = asyncio.all_tasks() - {asyncio.current_task()}
        return found == tasks, sorted(t.get_name() for t in found)

    return asyncio.run(main())


@program
def contexts_of_tasks():
    async def worker(i):
        NAME.set(i)
        await ticks(i)
        pause(None, i == 1)
        await asyncio.sleep(0)
        return NAME.get()

    async def main():
        NAME.set("main")
        got = await asyncio.gather(*(worker(i) for i in range(3)))
        return got, NAME.get()

    return asyncio.run(main()), NAME.get()


@program
def timer_handles():
    async def main():
        loop = asyncio.get_running_loop()
        start, seen = loop.time(), []
        loop.call_later(0.02, seen.append, "later")
        loop.call_at(start + 0.01, seen.append, "sooner")
        dropped = loop.call_later(0.01, seen.append, "never")
        dropped.cancel()
        loop.call_soon(seen.append, "soon")
        pause()
        await asyncio.sleep(0.04)
        return seen, dropped.cancelled(), 0.03 < loop.time() - start < 600

    return asyncio.run(main())


@program
def in_a_callback():
    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def callback(x):
            done.set()
            note(pause(x), asyncio.get_running_loop() is loop, asyncio.current_task())

        loop.call_soon(callback, 1)
        await done.wait()
        return "over"

    return asyncio.run(main())


@program
def in_a_done_callback():
    async def main():
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda f: note(pause(f.result())))
        future.set_result(3)
        await asyncio.sleep(0)
        return "over"

    return asyncio.run(main())


@program
def async_generators():
    async def numbers(n):
        try:
            for i in range(n):
                await asyncio.sleep(0)
                yield pause(i, i == 1)
        finally:
            note("closed")

    async def main():
        seen = [i async for i in numbers(3)]
        left = numbers(3)
        seen.append(await anext(left))
        return seen

    return asyncio.run(main())


@program
def async_generator_left():
    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            note("closed")

    async def main():
        left = numbers()
        await anext(left)
        pause()
        return await anext(left)

    return asyncio.run(main())


@program
def as_completed():
    async def worker(i):
        await ticks(3 - i)
        return pause(i, i == 1)

    async def main():
        return [await one for one in asyncio.as_completed([worker(i) for i in range(3)])]

    return asyncio.run(main())


@program
def shielded():
    async def inner():
        await ticks(3)
        return pause("shielded")

    async def main():
        task = asyncio.create_task(inner())
        try:
            await asyncio.wait_for(asyncio.shield(task), 0)
        except TimeoutError:
            pass
        return await task

    return asyncio.run(main())


@program
def runner_twice():
    async def job(i):
        await asyncio.sleep(0)
        return pause(i, i == 0)

    with asyncio.Runner() as runner:
        return runner.run(job(0)), runner.run(job(1))


@program
def own_loop():
    async def job():
        await asyncio.sleep(0)
        return pause(1)

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(job())
    finally:
        loop.close()


@program
def loop_between_runs():
    async def job(i):
        await asyncio.sleep(0)
        return i

    loop = asyncio.new_event_loop()
    try:
        first = loop.run_until_complete(job(1))
        pause()
        return first, loop.run_until_complete(job(2)), loop.is_closed()
    finally:
        loop.close()


@program
def closed_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    pause()
    return loop.is_closed(), repr(loop)[:30].split()[0]


@program
def debug_mode():
    async def main():
        task = asyncio.create_task(ticks(3))
        await asyncio.sleep(0)
        pause()
        await task
        return asyncio.get_running_loop().get_debug(), task._source_traceback is not None

    return asyncio.run(main(), debug=True)


@program
def python_tasks():
    async def worker(i):
        await ticks(i)
        return pause(i, i == 1)

    async def main():
        asyncio.get_running_loop().set_task_factory(lambda loop, coro, **kw: asyncio.tasks._PyTask(coro, loop=loop, **kw))
        tasks = [asyncio.create_task(worker(i)) for i in range(3)]
        return await asyncio.gather(*tasks)

    return asyncio.run(main())


@program
def own_task_class():
    class Counted(asyncio.Task):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.counted = 5

    async def worker(i):
        await ticks(i)
        return pause(i, i == 1), asyncio.current_task().counted

    async def main():
        asyncio.get_running_loop().set_task_factory(lambda loop, coro, **kw: Counted(coro, loop=loop, **kw))
        return await asyncio.gather(*(worker(i) for i in range(3)))

    return asyncio.run(main())


@program
def keyboard_interrupt():
    async def main():
        pause()
        raise KeyboardInterrupt

    try:
        asyncio.run(main())
    except KeyboardInterrupt as error:
        return type(error).__name__


@program
def while_an_exception_is_handled():
    async def main():
        pause()
        raise ValueError("inner")

    try:
        raise KeyError("outer")
    except KeyError:
        try:
            asyncio.run(main())
        except ValueError as error:
            return repr(error.__context__)

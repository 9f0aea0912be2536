"""Exceptions thrown into generators that delegate while they handle another one, which what they delegate to does not see.

The exception that comes out gets what the generator handles as its context.
"""

import asyncio
import types


@types.coroutine
def tick(value=None):
    return (yield value)


def steps(generator):
    """What is left of a generator, with what it returns."""
    out = []
    try:
        while True:
            out.append(next(generator))
    except StopIteration as stop:
        return out, stop.value


def complete(coroutine, *thrown):
    """Drives a coroutine; after its first step each of the exceptions is thrown into it, then None is sent."""
    seen, thrown = [], list(thrown)
    try:
        seen.append(coroutine.send(None))
        while True:
            seen.append(coroutine.throw(thrown.pop(0)) if thrown else coroutine.send(None))
    except StopIteration as stop:
        return seen, stop.value


def handling():
    return repr(sys.exc_info()[1])


def contexts(error):
    out = []
    while error is not None:
        out.append(repr(error))
        error = error.__context__
    return out


def caught(how):
    """Is thrown into, and ends as `how` says."""
    try:
        yield 1
    except KeyError as error:
        note("inner", pause(error.args), handling())
        if how == "again":
            raise
        if how == "another":
            raise ValueError("another")
        if how == "yields handling":
            yield handling()
            note("inner goes on", handling())
    if how == "after":
        raise IndexError(handling())
    if how == "yields":
        note("inner yields", handling())
        yield handling()
        note("inner goes on", handling())
    return how


def handles(inner, name="own"):
    try:
        raise OSError(name)
    except OSError as own:
        try:
            result = yield from inner
        except Exception as error:
            note(name, contexts(error), error.__context__ is own, handling())
            yield "caught"
            raise
        note(name, result, handling(), sys.exc_info()[1] is own)
        yield "handled", handling()
    yield "after", handling()
    return name


def passes(inner):
    return (yield from inner)


def thrown(generator, outside=None):
    """What a throw into it gives, and what is left of it; thrown while another exception is handled, if one is given."""
    out = [next(generator)]
    try:
        if outside is None:
            out.append(generator.throw(KeyError(1)))
        else:
            try:
                raise outside
            except LookupError:
                out += generator.throw(KeyError(1)), handling()
        out.append(steps(generator))
    except Exception as error:
        out.append(contexts(error))
    return out, handling()


@program
def returns():
    return thrown(handles(caught("returns")))


@program
def yields():
    return thrown(handles(caught("yields")))


@program
def yields_while_it_handles():
    return thrown(handles(caught("yields handling")))


@program
def raises_it_again():
    return thrown(handles(caught("again")))


@program
def raises_another():
    return thrown(handles(caught("another")))


@program
def raises_later():
    return thrown(handles(caught("after")))


@program
def the_caller_handles_too():
    return thrown(handles(caught("yields")), LookupError("outside"))


@program
def the_caller_handles_and_it_raises():
    return thrown(handles(caught("another")), LookupError("outside"))


@program
def two_that_handle():
    return thrown(handles(handles(caught("yields"), "first"), "second"))


@program
def two_that_handle_and_it_raises():
    return thrown(handles(handles(caught("another"), "first"), "second"))


@program
def one_that_only_passes_below():
    return thrown(handles(passes(caught("after"))))


@program
def one_that_only_passes_above():
    return thrown(passes(handles(passes(caught("returns")))))


@program
def six_of_either_kind():
    generator = caught("another")
    for n in range(3):
        generator = handles(passes(generator), n)
    return thrown(generator)


@program
def raises_what_it_handles():
    """The context of an exception is not itself."""

    def inner(error):
        try:
            yield 1
        except KeyError:
            pause()
        raise error

    def outer():
        try:
            raise OSError("own")
        except OSError as own:
            try:
                yield from inner(own)
            except OSError as error:
                yield error is own, contexts(error)

    return thrown(outer())


def inner_that_raises_again():
    try:
        yield 1
    except KeyError:
        pause()
        raise


def between(inner):
    try:
        yield from inner
    finally:
        note("between")


def trail_through(generator):
    next(generator)
    try:
        generator.throw(KeyError(1))
    except KeyError as error:
        return trail(error), chain(error)


def handles_and_passes(inner):
    try:
        raise OSError("own")
    except OSError:
        yield from inner


@program
def traceback_of_what_is_raised_again():
    return trail_through(handles_and_passes(between(inner_that_raises_again())))


@program
def traceback_through_what_only_passes():
    return trail_through(handles_and_passes(passes(inner_that_raises_again())))


@program
def traceback_through_both():
    return trail_through(handles_and_passes(passes(between(inner_that_raises_again()))))


@program
def traceback_of_what_is_new():
    def inner():
        try:
            yield 1
        except KeyError:
            raise pause(ValueError("another"))

    def outer():
        try:
            raise OSError("own")
        except OSError:
            yield from inner()

    generator = outer()
    next(generator)
    try:
        generator.throw(KeyError(1))
    except ValueError as error:
        return trail(error), chain(error)


@program
def in_finally():
    def outer():
        try:
            raise OSError("own")
        finally:
            got = yield from caught("yields")
            note(got, handling())

    return thrown(outer())


@program
def in_the_exit_of_a_manager():
    import contextlib

    @contextlib.contextmanager
    def manager():
        try:
            yield
        except OSError as error:
            note("manager", handling())
            raise LookupError("from the manager") from error

    def outer():
        with manager():
            try:
                raise OSError("own")
            except OSError:
                yield from caught("returns")
                raise

    return thrown(outer())


@program
def bare_raise_after_it():
    def outer():
        try:
            raise OSError("own")
        except OSError:
            yield (yield from caught("returns"))
            raise

    return thrown(outer())


class Inner:
    """No generator: `answer` is what its throw() does."""

    def __init__(self, answer):
        self.answer = answer

    def __iter__(self):
        return self

    def __next__(self):
        return 1

    def throw(self, *error):
        return self.answer()


@program
def of_an_object_with_throw():
    generator = handles(Inner(lambda: (pause("thrown"), handling())))
    try:
        return next(generator), generator.throw(KeyError(1)), next(generator), generator.close()
    except ValueError as error:
        return contexts(error)


@program
def of_an_object_whose_throw_ends_it():
    def answer():
        raise StopIteration(pause("ended"))

    return thrown(handles(Inner(answer)))


@program
def of_an_object_whose_throw_raises():
    def answer():
        raise RuntimeError(pause("raised"))

    return thrown(handles(Inner(answer)))


async def waits(how):
    try:
        await tick("a")
    except KeyError as error:
        note(pause(error.args), handling())
        if how == "another":
            raise ValueError("another")
        await tick("b")
    if how == "after":
        raise IndexError(handling())
    return how


async def handles_and_awaits(awaitable):
    try:
        raise OSError("own")
    except OSError:
        try:
            note("got", await awaitable, handling())
        except Exception as error:
            note(contexts(error), handling())
            await tick("caught")
        await tick(handling())
    return handling()


@program
def coroutine_that_handles():
    return complete(handles_and_awaits(waits("returns")), KeyError(1))


@program
def coroutine_that_handles_and_it_raises():
    return complete(handles_and_awaits(waits("another")), KeyError(1))


@program
def coroutine_thrown_into_twice():
    async def twice():
        try:
            await tick("a")
        except KeyError:
            try:
                await tick("b")
            except IndexError as error:
                note(pause(contexts(error)), handling())
                raise

    return complete(handles_and_awaits(twice()), KeyError(1), IndexError(2))


@program
def coroutine_of_an_awaitable():
    class Awaitable:
        def __await__(self):
            return waits("after").__await__()

    return complete(handles_and_awaits(Awaitable()), KeyError(1))


async def numbers(how):
    try:
        await tick("a")
    except KeyError as error:
        note("numbers", pause(error.args), handling())
        if how == "another":
            raise ValueError("another")
    yield 1


@program
def step_of_an_async_generator():
    return complete(handles_and_awaits(numbers("yields").asend(None)), KeyError(1))


@program
def step_of_an_async_generator_that_raises():
    return complete(handles_and_awaits(numbers("another").__anext__()), KeyError(1))


@program
def next_of_an_async_generator_with_default():
    return complete(handles_and_awaits(anext(numbers("yields"), "default")), KeyError(1))


@program
def loop_over_an_async_generator():
    async def main():
        try:
            raise OSError("own")
        except OSError:
            async for n in numbers("yields"):
                note(n, handling())
            await tick(handling())

    return complete(main(), KeyError(1))


@program
def async_generator_that_handles():
    async def outer():
        try:
            raise OSError("own")
        except OSError:
            note(await waits("after"))
            yield handling()

    async def main():
        steps = outer()
        try:
            note(await anext(steps))
        except Exception as error:
            return contexts(error)

    return complete(main(), KeyError(1))


@program
def task_that_is_cancelled_while_it_cleans_up():
    async def cleanup():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            note(pause("cancelled"), handling(), contexts(error))
            raise

    async def work():
        try:
            raise OSError("broken")
        except OSError as own:
            try:
                await cleanup()
            except asyncio.CancelledError as error:
                note(error.__context__ is own, handling())
                raise

    async def main():
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            note(task.cancelled(), [repr(type(e)) for e in (error, error.__context__)])
        return handling()

    return asyncio.run(main())


@program
def timeout_while_it_cleans_up():
    async def cleanup():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note(pause("cancelled"), handling())
            return "gave up"

    async def main():
        try:
            raise OSError("broken")
        except OSError:
            task = asyncio.ensure_future(cleanup())
            await asyncio.sleep(0)
            task.cancel()
            return await task, handling()

    return asyncio.run(main())


@program
def exception_group_is_handled():
    def outer():
        try:
            raise ExceptionGroup("several", [OSError("a"), ValueError("b")])
        except* OSError as group:
            # No `yield from` can leave an except*, but what runs in it can delegate.
            note(list(map(repr, group.exceptions)))
            note(thrown(handles(caught("yields"))))

    outer()
    return handling()


@program
def thrown_into_again_where_it_goes_on():
    """The resumed generator is thrown into once more."""

    def inner():
        try:
            yield 1
        except KeyError:
            yield pause("first")
        except IndexError:
            note("never")

    def outer():
        try:
            raise OSError("own")
        except OSError:
            try:
                yield from inner()
            except IndexError as error:
                yield contexts(error)

    generator = outer()
    return next(generator), generator.throw(KeyError(1)), generator.throw(IndexError(2)), steps(generator)


@program
def closed_where_it_goes_on():
    generator = handles(caught("yields handling"))
    out = next(generator), generator.throw(KeyError(1))
    generator.close()
    return out, handling()


@program
def async_generator_that_awaits():
    async def outer():
        note(await waits("returns"))
        yield handling()

    async def main():
        steps = outer()
        return await anext(steps)

    return complete(main(), KeyError(1))


@program
def async_generator_over_another():
    async def outer(inner):
        async for n in inner:
            yield n + 1

    async def main():
        out = []
        async for n in outer(outer(numbers("yields"))):
            out.append(n)
        return out

    return complete(main(), KeyError(1))


@program
def async_generator_over_another_that_handles():
    async def outer(inner):
        try:
            raise OSError("own")
        except OSError:
            async for n in inner:
                note(n, handling())
                yield n + 1

    async def main():
        out = []
        try:
            async for n in outer(outer(numbers("another"))):
                out.append(n)
        except ValueError as error:
            out += contexts(error)
        return out

    return complete(main(), KeyError(1))


@program
def async_generator_with_a_default_over_another():
    async def inner():
        try:
            await tick("a")
        except KeyError as error:
            note(pause(error.args))
        if False:
            yield

    async def outer():
        note(await anext(inner(), "inner default"))
        if False:
            yield

    async def main():
        return await anext(outer(), "default")

    return complete(main(), KeyError(1))


@program
def step_of_an_async_generator_over_another():
    async def outer():
        async for n in numbers("yields"):
            yield n + 1

    step = outer().asend(None)
    out = [step.send(None)]
    try:
        out.append(step.throw(KeyError(1)))
    except StopIteration as stop:
        out.append(stop.value)
    return out

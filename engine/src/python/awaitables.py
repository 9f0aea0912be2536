# Awaitables of the interpreter's own: what asend(), athrow(), aclose() and __anext__() of an async generator
# give, what anext() gives with a default, and what a coroutine's __await__() gives.
#
# As values they are taken apart here. The finishers (see finish.py) stand in their first loop over the
# generator that one of them runs, and do what it has to do with what that yields or returns. The frame
# below awaits; or, where `driven`, it called a method of the awaitable, which raises what it returns.


async def _async_generator():
    yield


async def _coroutine():
    pass


def new_awaitables():
    """One of each kind, not begun: of asend(), athrow(), anext() with a default, a coroutine's __await__()."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)  # an event loop need not know
    try:
        return (
            _async_generator().asend(5),
            _async_generator().athrow(GeneratorExit),
            anext(_async_generator(), 5),
            _coroutine().__await__(),
        )
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _types_of_awaitables():
    made = new_awaitables()
    for awaitable in made:
        awaitable.close()  # so that none complains that it was never awaited
    return tuple(map(type, made))


ASEND, ATHROW, ANEXT, WRAPPER = AWAITABLES = _types_of_awaitables()


def _reduce_step(awaitable):
    state, parts = awaitable_parts(awaitable)
    return make_step, (type(awaitable) is ATHROW, state, parts)


def make_step(throws, state, parts):
    """What asend() or, if it throws, athrow() and aclose() give; parts: each a tuple of one object or none."""
    return new_awaitable(ATHROW if throws else ASEND, state, parts)


class _Given:
    def __init__(self, awaitable):
        self.awaitable = awaitable

    def __aiter__(self):
        return self

    def __anext__(self):
        return self.awaitable


def make_anext(awaitable, default):
    return anext(_Given(awaitable), default)


def make_await(coroutine):
    return types.CoroutineType.__await__(coroutine)


REDUCERS[ASEND] = REDUCERS[ATHROW] = _reduce_step
REDUCERS[ANEXT] = lambda a: (make_anext, tuple(gc.get_referents(a)))
REDUCERS[WRAPPER] = lambda a: (make_await, tuple(gc.get_referents(a)))


def yielded(item):
    """Of what an async generator gave to its caller: (whether it yielded that, the value); else it awaits."""
    cls = type(item)
    if _flags_of(cls) & 1 << 9 or _name_of(cls) != "async_generator_wrapped_value":
        return False, item
    return True, gc.get_referents(item)[0]


def finish_asend(source, awaitable, default, driven):
    """default: what anext() was given, a tuple of none or one value."""
    try:
        for item in source:
            done, value = yielded(item)
            if not done:
                if not driven:
                    await_step(False)
                return value
            end_step(awaitable, False)
            break
        else:
            raise StopAsyncIteration
    except (StopAsyncIteration, GeneratorExit) as error:
        end_step(awaitable, True)
        if not default or isinstance(error, GeneratorExit):
            raise
        (value,) = default
    except BaseException:
        end_step(awaitable, False)
        raise
    if driven:
        raise StopIteration if value is None else StopIteration(value)
    await_step(True)
    return value


def finish_athrow(source, awaitable, closes, driven):
    """closes: it is of aclose()."""
    try:
        for item in source:
            done, value = yielded(item)
            if not done:
                if not driven:
                    await_step(False)
                return value
            if closes:
                raise RuntimeError("async generator ignored GeneratorExit")
            end_step(awaitable, False)
            break
        else:
            raise StopAsyncIteration
    except (StopAsyncIteration, GeneratorExit):
        end_step(awaitable, True)
        if not closes:
            raise
        value = None
    except BaseException:
        end_step(awaitable, False)
        raise
    if driven:
        raise StopIteration if value is None else StopIteration(value)
    await_step(True)
    return value


def finish_await(source, default, driven):
    """What a coroutine returns goes to its second loop."""
    try:
        for item in source:
            if not driven:
                await_step(False)
            return item
        for value in source:
            break
    except StopAsyncIteration:
        if not default:
            raise
        (value,) = default
    if driven:
        raise StopIteration if value is None else StopIteration(value)
    await_step(True)
    return value

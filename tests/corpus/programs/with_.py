"""with: entering, inside, leaving; several managers; contextlib."""

import contextlib


class Guard:
    """A context manager that notes what happens to it."""

    def __init__(self, name, swallow=(), at=None):
        self.name, self.swallow, self.at = name, swallow, at

    def __enter__(self):
        note(f"enter {self.name}")
        pause(None, self.at == "enter")
        return self

    def __exit__(self, kind, value, traceback):
        note(f"exit {self.name} {kind and kind.__name__}")
        pause(None, self.at == "exit")
        note(f"left {self.name}")
        return kind is not None and issubclass(kind, self.swallow)


@program
def inside():
    with Guard("a") as a:
        note(pause("inside"))
        note(a.name)


@program
def inside_two():
    with Guard("a") as a, Guard("b"):
        note(pause("inside"))
    return a.name


@program
def inside_parenthesised():
    with (
        Guard("a"),
        Guard("b") as b,
        Guard("c"),
    ):
        return pause(b.name)


@program
def between_two():
    with Guard("a"), Guard(pause("b")) as b:
        note(b.name)


@program
def manager_expression():
    with pause(Guard("a")) as a:
        return a.name


@program
def exception_after():
    with Guard("outer", swallow=ValueError):
        with Guard("inner"):
            pause()
            raise ValueError("later")
    return "swallowed"


@program
def exception_not_swallowed():
    with Guard("a"):
        pause()
        raise LookupError("out")


@program
def return_inside():
    def inner():
        for i in range(3):
            with Guard(i):
                if pause(i, i == 1) == 1:
                    return i

    return inner()


@program
def break_and_continue_inside():
    for i in range(5):
        with Guard(i):
            if pause(i, i == 1) == 1:
                continue
            if i == 3:
                break
    return i


@program
def enter_suspended():
    with Guard("a", at="enter") as a:
        note(a.name)


@program
def enter_suspended_second_of_three():
    with Guard("a"), Guard("b", at="enter") as b, Guard("c"):
        note(b.name)


@program
def exit_suspended():
    with Guard("a", at="exit"):
        note("inside")
    return "after"


@program
def exit_suspended_inner_of_two():
    with Guard("a"), Guard("b", at="exit"):
        note("inside")
    return "after"


@program
def exit_suspended_on_return():
    def inner():
        with Guard("a", at="exit"):
            return note("value")

    return inner()


@program
def exit_suspended_on_break():
    for i in range(4):
        with Guard(i, at="exit" if i == 1 else None):
            if i == 1:
                break
    return i


@program
def exit_suspended_with_exception_swallowed():
    with Guard("a", swallow=KeyError, at="exit"):
        raise KeyError("in")
    return "after"


@program
def exit_suspended_with_exception_passing():
    try:
        with Guard("a", at="exit"):
            raise KeyError("in")
    except KeyError as error:
        return error.args, error.__context__


@program
def exit_suspended_sees_exc_info():
    class Seeing(Guard):
        def __exit__(self, kind, value, traceback):
            pause()
            note(repr(sys.exc_info()[1]), repr(value))
            return True

    with Seeing("s"):
        raise KeyError("in")
    return sys.exc_info()


@program
def exit_raises_another():
    class Raising(Guard):
        def __exit__(self, *info):
            pause()
            raise OSError("from exit")

    with Raising("r"):
        raise KeyError("in")


@program
def inside_try_inside_with():
    with Guard("a"):
        try:
            with Guard("b"):
                raise ValueError("v")
        except ValueError as error:
            note(pause(error.args))
        finally:
            note("finally")


@program
def contextlib_suppress():
    with contextlib.suppress(KeyError):
        note(pause("in"))
        {}["missing"]
    return "after"


@program
def contextlib_closing():
    class Thing:
        def close(self):
            note("closed")

    with contextlib.closing(Thing()) as thing:
        note(pause(type(thing).__name__))


@program
def contextlib_null():
    with contextlib.nullcontext([1]) as value:
        value.append(pause(2))
    return value


@program
def contextlib_contextmanager():
    @contextlib.contextmanager
    def managed(name):
        note("enter", name)
        try:
            yield name.upper()
        finally:
            note("exit", name)

    with managed("m") as got:
        note(pause(got))
    return "after"


@program
def contextlib_contextmanager_entering():
    @contextlib.contextmanager
    def managed():
        note(pause("entering"))
        yield 1
        note("left")

    with managed() as got:
        note(got)


@program
def contextlib_contextmanager_leaving():
    @contextlib.contextmanager
    def managed():
        try:
            yield 1
        except KeyError as error:
            note(pause(error.args))

    with managed():
        raise KeyError("k")
    return "after"


@program
def contextlib_exit_stack():
    with contextlib.ExitStack() as stack:
        for name in "ab":
            stack.enter_context(Guard(name))
        stack.callback(note, "callback")
        note(pause("in"))
    return "after"


@program
def contextlib_exit_stack_leaving():
    with contextlib.ExitStack() as stack:
        stack.callback(note, "last")
        stack.enter_context(Guard("a", at="exit"))
        stack.callback(note, "first")
    return "after"


@program(refused="is redirected")
def contextlib_redirect():
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        print(pause("text"), end="")
        sys.stdout.write("")
    return type(out).__name__


@program
def contextlib_decorator():
    class Noted(contextlib.ContextDecorator):
        def __enter__(self):
            return note("enter")

        def __exit__(self, *info):
            note("exit")

    @Noted()
    def decorated(x):
        return pause(x) + 1

    return decorated(1)


@program
def with_target_attribute():
    class Box:
        pass

    box = Box()
    with Guard("a") as box.guard:
        pause()
        note(box.guard.name)


@program
def with_target_unpacked():
    with contextlib.nullcontext((1, [2, 3])) as (a, (b, c)):
        return pause(a), b, c


@program
def with_in_loop_with_else():
    for i in range(3):
        with Guard(i, swallow=ValueError):
            if pause(i, i == 1) == 1:
                raise ValueError
    else:
        note("else")


@program
def lock_as_manager():
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 5
        pause()
        return str(Decimal(1) / Decimal(7))

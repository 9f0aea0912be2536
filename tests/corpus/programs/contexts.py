"""Promise: context variables, the decimal context and what Context.run entered are as they were, and stay to those
that they belong to."""

import contextvars
import decimal
import functools

NAME = contextvars.ContextVar("NAME", default="default")
OTHER = contextvars.ContextVar("OTHER")


def seen(variable):
    try:
        return variable.get()
    except LookupError:
        return "nothing"


@program
def ambient():
    NAME.set("set")
    local = contextvars.ContextVar("local")
    local.set([1, 2])
    pause()
    local.get().append(3)
    return NAME.get(), seen(OTHER), local.get(), contextvars.copy_context()[NAME]


@program
def ambient_shared():
    value = {"a": 1}
    NAME.set(value)
    pause()
    value["b"] = 2
    return NAME.get() is value, NAME.get()


@program
def ambient_through_its_own_value():
    class Holder:
        pass

    holder = Holder()
    holder.variable = contextvars.ContextVar("inside")
    holder.variable.set(holder)
    pause()
    return holder.variable.get() is holder


@program
def ambient_only_listed():
    def hidden():
        contextvars.ContextVar("hidden").set("found")

    hidden()
    pause()
    return {(v.name, x) for v, x in contextvars.copy_context().items() if v.name == "hidden"}


@program
def token_unused():
    token = NAME.set("inner")
    again = NAME.set("innermost")
    pause()
    out = [NAME.get(), token.old_value is contextvars.Token.MISSING, again.old_value, token.var is NAME]
    NAME.reset(again)
    out.append(NAME.get())
    NAME.reset(token)
    return [*out, NAME.get()]


@program
def token_used():
    token = OTHER.set(1)
    OTHER.reset(token)
    pause()
    try:
        OTHER.reset(token)
    except RuntimeError:
        return "used", seen(OTHER)


@program
def token_of_another_variable():
    token = OTHER.set(1)
    pause()
    try:
        NAME.reset(token)
    except ValueError:
        OTHER.reset(token)
        return seen(OTHER)


@program
def token_of_another_context():
    context = contextvars.copy_context()
    token = context.run(NAME.set, "there")
    pause()
    try:
        NAME.reset(token)
    except ValueError:
        out = context[NAME]
        context.run(NAME.reset, token)
        return out, NAME in context, NAME.get()


@program
def context_as_value():
    context = contextvars.copy_context()
    context.run(NAME.set, [1])
    context.run(OTHER.set, context)
    pause()
    return len(context) >= 2, context[NAME], context.run(NAME.get), context[OTHER] is context, seen(NAME)


@program
def context_cannot_be_entered_twice():
    context = contextvars.Context()

    def inside():
        pause()
        try:
            context.run(len, ())
        except RuntimeError:
            return "entered"

    return context.run(inside), context.run(len, ())


def working(value, *, more=None):
    NAME.set(value)
    note("in", seen(NAME))
    pause()
    note("after", seen(NAME), seen(OTHER))
    OTHER.set(more)
    return value, more


@program
def run_in_a_copy():
    NAME.set("outside")
    context = contextvars.copy_context()
    out = context.run(working, "inside", more=1)
    return out, NAME.get(), context[NAME], context[OTHER], seen(OTHER)


@program
def run_bound():
    context = contextvars.copy_context()
    run = context.run
    return run(working, "inside"), seen(NAME), context[NAME]


@program
def run_unpacked():
    context = contextvars.copy_context()
    args, named = (working, "inside"), {"more": 2}
    return context.run(*args, **named), seen(NAME), context[OTHER]


@program
def run_unpacked_from_a_cell():
    context = contextvars.copy_context()
    args, named = (working, "inside"), {"more": 2}

    def given():
        return len(args), named

    return context.run(*args, **named), seen(NAME), context[OTHER], given()


@program
def run_partial():
    context = contextvars.copy_context()
    return context.run(functools.partial(working, "inside", more=3)), seen(NAME), context[OTHER]


@program
def run_by_partial():
    context = contextvars.copy_context()
    return functools.partial(context.run, working)("inside"), seen(NAME), context[NAME]


@program
def run_by_partials_in_each_other():
    outer, inner = contextvars.copy_context(), contextvars.Context()
    inner.run(NAME.set, "inner")

    def middle(value):
        NAME.set("outer")
        return functools.partial(inner.run, working)(value), seen(NAME)

    return functools.partial(outer.run, middle)("x"), seen(NAME), outer[NAME], inner[NAME]


@program
def run_by_partial_of_partial():
    context = contextvars.copy_context()
    return functools.partial(context.run, functools.partial(working))("inside"), seen(NAME), context[NAME]


@program
def run_by_partial_making_object():
    class Job:
        def __init__(self, value):
            self.value = working(value)

    context = contextvars.copy_context()
    return functools.partial(context.run, Job)("inside").value, seen(NAME), context[NAME]


@program
def run_by_partial_method():
    class Job:
        def go(self, value):
            return working(value)

    context = contextvars.copy_context()
    return functools.partial(context.run, Job().go)("inside"), seen(NAME), context[NAME]


@program
def run_by_partial_of_all():
    context = contextvars.copy_context()
    return functools.partial(context.run, working, "inside")(), seen(NAME), context[NAME]


@program
def run_by_partial_of_nothing():
    context = contextvars.copy_context()
    return functools.partial(context.run)(working, "inside"), seen(NAME), context[NAME]


@program
def run_method():
    class Job:
        def go(self, value):
            return working(value)

    context = contextvars.copy_context()
    return context.run(Job().go, "inside"), seen(NAME), context[NAME]


@program
def run_called_object():
    class Job:
        def __call__(self, value):
            return working(value)

    context = contextvars.copy_context()
    return context.run(Job(), "inside"), seen(NAME), context[NAME]


@program
def run_class():
    class Job:
        def __init__(self, value):
            self.made = working(value)

    context = contextvars.copy_context()
    return context.run(Job, "inside").made, seen(NAME), context[NAME]


@program
def run_nested():
    outer, inner = contextvars.copy_context(), contextvars.copy_context()

    def middle():
        NAME.set("middle")
        out = inner.run(working, "inner")
        return out, NAME.get()

    NAME.set("outermost")
    out = outer.run(middle)
    return out, NAME.get(), outer[NAME], inner[NAME]


@program
def run_raises():
    context = contextvars.copy_context()

    def inside():
        NAME.set("inside")
        pause()
        raise KeyError(NAME.get())

    try:
        context.run(inside)
    except KeyError as error:
        return error.args, NAME.get(), context[NAME]


@program
def run_in_a_loop():
    contexts = [contextvars.copy_context() for _ in range(3)]

    def step(i):
        NAME.set(i)
        pause(when=i == 1)
        return NAME.get()

    return [context.run(step, i) for i, context in enumerate(contexts)], seen(NAME), [c[NAME] for c in contexts]


@program
def run_with_generator():
    context = contextvars.copy_context()

    def numbers():
        NAME.set("generator")
        for i in range(3):
            pause(when=i == 1)
            yield i, NAME.get()

    return context.run(lambda: [x for x in numbers()]), seen(NAME), context[NAME]


@program
def run_in_coroutine():
    context = contextvars.copy_context()

    async def job():
        return context.run(working, "inside"), seen(NAME)

    coroutine = job()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value, context[NAME]


@program
def generator_sees_its_caller():
    def numbers():
        while True:
            yield NAME.get()

    steps = numbers()
    context = contextvars.copy_context()
    context.run(NAME.set, "context")
    out = [next(steps), context.run(next, steps)]
    pause()
    return [*out, next(steps), context.run(next, steps)]


@program
def decimal_precision():
    decimal.getcontext().prec = 6
    decimal.getcontext().traps[decimal.Inexact] = False
    pause()
    return str(decimal.Decimal(1) / 7), decimal.getcontext().flags[decimal.Inexact]


@program
def decimal_local():
    with decimal.localcontext() as context:
        context.prec = 5
        pause()
        context.prec += 1
        inner = str(decimal.Decimal(1) / 7), decimal.getcontext() is context
    return inner, str(decimal.Decimal(1) / 7), decimal.getcontext() is context


@program
def decimal_local_nested():
    out = []
    with decimal.localcontext() as one:
        one.prec = 9
        with decimal.localcontext(decimal.Context(prec=4)):
            pause()
            out.append(str(decimal.Decimal(2) / 3))
        out.append(str(decimal.Decimal(2) / 3))
    return out, str(decimal.Decimal(2) / 3)


@program
def decimal_manager_entered_later():
    context = decimal.Context(prec=7)
    manager = decimal.localcontext(context)
    pause()
    with manager as entered:
        return str(decimal.Decimal(1) / 3), entered is context


@program
def decimal_signal_seen():
    decimal.getcontext().clear_flags()
    decimal.Decimal(1) / 3
    pause()
    return sorted(signal.__name__ for signal, flag in decimal.getcontext().flags.items() if flag)


@program
def errstate_of_numpy():
    import numpy

    with numpy.errstate(divide="raise"):
        pause()
        try:
            numpy.ones(2) / numpy.zeros(2)
        except FloatingPointError:
            out = "raised"
    return out, numpy.geterr()["divide"]


class Noting:
    """Sets a variable where it is entered, and takes it back."""

    def __enter__(self):
        self.token = NAME.set("entered")

    def __exit__(self, *info):
        NAME.reset(self.token)


@program
def set_by_a_manager():
    with Noting():
        pause()
        out = NAME.get()
    return out, NAME.get()


def lock_in_a_variable(variable):
    import threading

    running = threading.Thread(target=threading.Event().wait, daemon=True)
    running.start()
    variable.set(running)


@program
def left_out_what_nothing_asks_for():
    lock_in_a_variable(contextvars.ContextVar("nobody's"))
    NAME.set("kept")
    pause()
    return NAME.get()


@program(refused="context")
def refused_what_is_asked_for():
    lock_in_a_variable(OTHER)
    pause()
    return type(seen(OTHER)).__name__


newer(
    "token_as_manager",
    """
def token_as_manager():
    with NAME.set("inside"):
        pause()
        inside = NAME.get()
    return inside, NAME.get()
""",
    since=(3, 14),
)

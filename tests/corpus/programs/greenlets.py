"""Greenlets: as targets, as values, and around the frames that are captured."""

from greenlet import GreenletExit, getcurrent, greenlet


def inside(driver, function):
    """Starts the driver in a greenlet of its own, whose start is the boundary of the capture."""
    return greenlet(driver).switch(function)


def up(value):
    """Switches to the parent."""
    return getcurrent().parent.switch(value)


@program(start=inside)
def running_in_a_greenlet():
    out = []
    for i in range(4):
        out.append(pause(i, i == 2))
    return out


@program(start=inside)
def running_in_a_greenlet_with_handled():
    try:
        raise KeyError("k")
    except KeyError:
        pause()
        return repr(sys.exc_info()[1])


@program(start=inside)
def running_in_a_greenlet_deep():
    def level(n):
        try:
            return pause(n) if n == 0 else level(n - 1) + n
        finally:
            note(n)

    return level(20)


@program(start=inside)
def running_after_a_finished_greenlet():
    def other():
        return "other", up(1)

    g = greenlet(other)
    first = g.switch()
    second = g.switch(2)
    del g
    pause()
    return first, second


@program
def value_not_started():
    g = greenlet(lambda x: (x, "ran"))
    pause()
    return g.switch(1)


@program
def value_suspended():
    def other(x):
        return x, up("suspended")

    g = greenlet(other)
    first = g.switch(1)
    pause()
    return first, g.switch(2)


@program
def value_finished():
    g = greenlet(lambda: "done")
    g.switch()
    pause()
    return g.dead


@program
def new_greenlets_after():
    pause()

    def other(x):
        return up(x + 1) + x

    g = greenlet(other)
    return g.switch(1), g.switch(10), g.dead


@program
def generator_like_after():
    def numbers():
        for i in range(3):
            up(i)
        return "end"

    pause()
    g = greenlet(numbers)
    out = []
    while not g.dead:
        out.append(g.switch())
    return out


@program(target="greenlet")
def target_half():
    def other(x):
        out = [x]
        for i in range(3):
            out.append(up(i))
        return out

    g = greenlet(other)
    g.switch("start")
    return g


@program(target="greenlet")
def target_in_nested_calls():
    def inner(x):
        try:
            return up(x) + "!"
        except ValueError as error:
            return error.args

    def other():
        return ["outer", inner("a"), inner("b")]

    g = greenlet(other)
    g.switch()
    return g


@program(target="greenlet")
def target_with_handled():
    def other():
        try:
            raise KeyError("k")
        except KeyError:
            up(1)
            return repr(sys.exc_info()[1])

    g = greenlet(other)
    g.switch()
    return g


@program(target="greenlet")
def target_in_with_and_finally():
    import contextlib

    def other():
        with contextlib.suppress(ValueError):
            try:
                up(1)
            finally:
                up("finally")
        return "after"

    g = greenlet(other)
    g.switch()
    return g


@program(target="greenlet")
def target_that_exits():
    def other():
        try:
            up(1)
            raise GreenletExit("gone")
        except ValueError as error:
            return error.args

    g = greenlet(other)
    g.switch()
    return g

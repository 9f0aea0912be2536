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


@program
def value_that_the_driver_switches_to():
    main = getcurrent()

    def other(x):
        while x < 40:
            x += main.switch(x)
        return "end", x

    g = greenlet(other)
    first = g.switch(1)
    pause()
    return first, g.switch(10), g.switch(20), g.switch(30), g.dead, g.parent is main is getcurrent()


@program
def values_that_switch_to_each_other():
    out = []

    def ping(n):
        for i in range(n):
            out.append(("ping", i, pong_greenlet.switch(i)))
        return "ping ended"

    def pong(first):
        while True:
            first = ping_greenlet.switch(first * 2) if first != 1 else up((first, "half"))
            out.append(("pong", first))

    ping_greenlet, pong_greenlet = greenlet(ping), greenlet(pong)
    got = ping_greenlet.switch(4)
    pause()
    return got, pong_greenlet.switch("on"), out, ping_greenlet.dead, pong_greenlet.dead


@program
def value_with_a_running_generator():
    def numbers():
        try:
            for i in range(4):
                yield up(i)
        finally:
            note("closed")

    def other():
        return [x for x in numbers()], list(numbers())

    g = greenlet(other)
    got = [g.switch(), g.switch("a")]
    pause()
    while not g.dead:
        got.append(g.switch(len(got)))
    return got


@program
def value_with_a_generator_met_before_it():
    def numbers():
        for i in range(3):
            yield up(i)

    def other(generator):
        for x in generator:
            note(x)
            if x == "break":
                return "other", x

    generator = numbers()
    g = greenlet(other)
    first = g.switch(generator)
    pause()
    second = g.switch("back")
    third = g.switch("break")
    return first, second, third, g.dead, generator.gi_frame.f_lineno - numbers.__code__.co_firstlineno, next(generator, 0)


@program
def value_below_another():
    def outer():
        inner_greenlet = greenlet(inner)
        return "outer", inner_greenlet.switch(), up("between"), inner_greenlet.switch(3), inner_greenlet.dead

    def inner():
        return "inner", up("from inner")

    g = greenlet(outer)
    first = g.switch()
    pause()
    return first, g.switch(2), g.dead


@program
def value_with_finished_parent():
    def other():
        return "other", up(1)

    parent = greenlet(lambda: None)
    g = greenlet(other, parent)
    g.parent = parent
    parent.switch()
    main = getcurrent()

    def gone():
        return main.switch("gone once")

    h = greenlet(gone, parent)
    first = h.switch()
    pause()
    return first, parent.dead, h.parent is parent, g.parent is parent, h.switch("again"), h.dead


class Worker(greenlet):
    """Has a run method and attributes."""

    __slots__ = ("slot",)

    def __init__(self, name):
        greenlet.__init__(self)
        self.name, self.slot = name, [name, self]

    def run(self, x):
        note(self.name, x)
        y = up(x)
        return self.name, x, y, self.slot[1] is self is getcurrent()


@program
def values_of_a_subclass():
    started, waiting = Worker("started"), Worker("waiting")
    started.friend, waiting.friend = waiting, started
    first = started.switch(1)
    pause()
    return first, started.switch(2), waiting.switch(3), waiting.friend.dead, waiting.switch(4), type(waiting).__name__


@program
def value_thrown_into():
    def other():
        try:
            try:
                up(1)
            finally:
                note("finally", type(sys.exc_info()[1]).__name__)
        except KeyError as error:
            return repr(error), up(2)

    g, h = greenlet(other), greenlet(other)
    g.switch(), h.switch()
    pause()
    first = g.throw(KeyError("k"))
    ended = h.throw()
    return first, g.switch("last"), isinstance(ended, GreenletExit), h.dead


@program
def value_that_is_dropped():
    def other():
        try:
            up(1)
        finally:
            note("dropped")

    g = greenlet(other)
    g.switch()
    pause()
    del g
    return list(LOG)


@program
def value_with_handled():
    def other():
        try:
            raise KeyError("k")
        except KeyError:
            up(1)
            return repr(sys.exc_info()[1])

    g = greenlet(other)
    g.switch()
    try:
        raise ValueError("outside")
    except ValueError:
        pause()
        return g.switch(), repr(sys.exc_info()[1])


@program
def value_aliases():
    shared = []

    def other(mine, cell):
        def show():
            return cell, mine is shared

        up(mine)
        mine.append("other")
        return show()

    g = greenlet(other)
    back = g.switch(shared, [shared])
    shared.append(g)
    pause()
    shared.append("main")
    got = g.switch()
    return back is shared, got[0][0] is shared, got[1], shared[1:], shared[0] is g


@program
def scheduler():
    from collections import deque

    ready = deque()
    main = getcurrent()
    out = []

    def task(name, n):
        for i in range(n):
            out.append((name, i))
            ready.append(getcurrent())
            main.switch()
        out.append((name, "end"))

    for name, n in (("a", 2), ("b", 3), ("c", 1)):
        ready.append(greenlet(lambda name=name, n=n: task(name, n)))
    steps = 0
    while ready:
        ready.popleft().switch()
        steps += 1
        pause(when=steps == 4)
    return out, steps


@program
def many_values():
    def other(i):
        total = i
        while True:
            total += up(total)

    all_of_them = [greenlet(other) for _ in range(200)]
    for i, g in enumerate(all_of_them):
        g.switch(i)
    pause()
    return sum(g.switch(1) for g in all_of_them), sum(g.switch(2) for g in all_of_them)


@program
def value_deep():
    def level(n):
        try:
            return up(n) if n == 0 else level(n - 1) + n
        finally:
            note(n)

    g = greenlet(level)
    g.switch(30)
    pause()
    return g.switch(100)


@program
def value_in_with():
    import contextlib

    @contextlib.contextmanager
    def managed(name):
        note("enter", name)
        try:
            yield name
        finally:
            note("exit", name)

    def other():
        with managed("a") as a, managed("b") as b:
            got = up((a, b))
        return got

    g = greenlet(other)
    first = g.switch()
    pause()
    return first, g.switch("got")


@program(start=inside)
def values_made_in_a_greenlet():
    def other(x):
        return x, up("suspended"), getcurrent().parent is home

    home = getcurrent()
    g, unstarted = greenlet(other), greenlet(other)
    first = g.switch(1)
    pause()
    return first, g.switch(2), unstarted.switch(3), unstarted.switch(4)


@program(refused="does not run what is captured", start=inside)
def value_of_the_main_greenlet():
    main = getcurrent().parent
    pause()
    return main.dead


@program(target="greenlet")
def target_that_others_refer_to():
    def helper(job):
        main = job.parent
        job.name = "job"
        main.switch("helper suspended")
        return job.switch(getcurrent())

    def job():
        g = greenlet(helper, getcurrent())
        got = g.switch(getcurrent())
        got = g.switch()
        return got is g, getcurrent().name, type(getcurrent()).__name__, g.parent is getcurrent()

    g = Job(job)
    g.switch()
    return g


class Job(greenlet):
    pass


@program(target="greenlet")
def target_with_a_run_method():
    g = Worker("target")
    g.friend = g
    g.switch(1)
    return g


@program(target="greenlet")
def target_with_values():
    def other(x):
        return x, up("other suspended")

    def job():
        g = greenlet(other)
        mine = [g.switch(1)]
        waiting = greenlet(lambda: "ran")
        mine.append(up("job suspended"))
        return mine, g.switch(2), waiting.switch()

    g = greenlet(job)
    g.switch()
    return g

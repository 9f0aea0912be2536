"""What the library keeps for the whole process and a program takes for its own: it goes on with the stack."""

import random
import threading
import warnings


@program
def numbers_of_random():
    random.seed(5)
    first = random.random(), random.gauss(0, 1)
    pause()
    return first, random.gauss(0, 1), random.random(), random.randint(1, 10**9), random.choice("abcdef"), random.sample(range(99), 5)


@program
def numbers_of_random_by_an_own_name():
    draw, random_numbers = random.random, []
    random.seed("text")
    for i in range(700):
        random_numbers.append(draw())
        pause(None, i == 650)
    return random_numbers[640:]


@program
def seeded_and_not_drawn():
    random.seed(11)
    pause()
    return random.getrandbits(64)


@program
def state_of_random_kept():
    random.seed(1)
    state = random.getstate()
    before = random.random()
    pause()
    after = random.random()
    random.setstate(state)
    return random.random() == before, after


@program
def numbers_of_numpy():
    import numpy

    numpy.random.seed(7)
    first = numpy.random.rand(3).tolist(), numpy.random.standard_normal()
    pause()
    return first, numpy.random.standard_normal(), numpy.random.randint(10**9), numpy.random.permutation(5).tolist()


@program
def numbers_of_numpy_from_other_bits():
    import numpy

    state = numpy.random.mtrand._rand
    own = numpy.random.Generator(numpy.random.PCG64(3))
    numpy.random.seed(2)
    first = own.random(), state.rand()
    pause()
    return first, own.random(), state.rand(), numpy.random.rand()


@program
def warnings_recorded():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("before")
        pause()
        warnings.warn("after", DeprecationWarning)
    return [(str(w.message), w.category.__name__) for w in seen]


@program
def warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pause()
        try:
            warnings.warn("raised")
        except UserWarning as warning:
            return str(warning)


@program
def warnings_ignored_in_another_ignored():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="a.*")
        with warnings.catch_warnings(record=True) as seen:
            warnings.filterwarnings("ignore", message="b.*")
            warnings.filterwarnings("always", message="a.*")
            pause()
            warnings.warn("b")
            warnings.warn("a")
        try:
            warnings.warn("a again")
        except UserWarning as warning:
            return len(seen), str(warning)


@program
def warnings_in_an_exit_stack():
    import contextlib

    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        pause()
        warnings.warn("w")
    return len(seen)


@program
def warnings_shown_by_an_own_function():
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: shown.append(str(message))
        pause()
        warnings.warn("w")
    return shown


@program
def manager_of_warnings_not_entered():
    manager = warnings.catch_warnings(record=True)
    pause()
    with manager as seen:
        warnings.simplefilter("always")
        warnings.warn("w")
    return len(seen)


@program
def this_thread():
    me = threading.get_ident()
    owners = {me: "mine", me + 1: "another's"}
    pause()
    return me == threading.get_ident(), owners.get(threading.get_ident()), len(owners)


@program(refused="it is in force, in json, which stays")
def patched_module():
    from unittest import mock

    import json

    with mock.patch("json.dumps", lambda x: "patched"):
        pause()
        return json.dumps(1)


@program
def patched_object():
    from unittest import mock

    class Thing:
        def value(self):
            return 1

    thing = Thing()
    with mock.patch.object(thing, "value", lambda: 2):
        pause()
        seen = thing.value()
    return seen, thing.value()


@program
def patched_dict():
    from unittest import mock

    table = {"a": 1}
    with mock.patch.dict(table, b=2):
        pause()
        seen = dict(table)
    return seen, table


@program(refused="it is in force, in the environment")
def patched_environment():
    import os
    from unittest import mock

    with mock.patch.dict(os.environ, TORPOR_PATCHED="1"):
        pause()
        return os.environ["TORPOR_PATCHED"]

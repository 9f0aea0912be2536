# What the library keeps for the whole process and a program takes for its own: the generators of random numbers that
# `random` and `numpy.random` have, the filters of `warnings` while somebody has others, limits (process_limits.py), and what
# modules and classes have gained (gained.py). A stack brings what the program has changed since torpor was imported, and
# has it while it is resumed; then the process has its own again.

import _random
import array
import os
import random
import warnings

_WORDS = 624  # of a Mersenne twister


def process_random():
    """The generator of the module, and whether nobody has drawn from it."""
    generator = random._inst
    version, words, _ = generator.getstate()
    known = type(generator) is random.Random and version == 3 and len(words) == _WORDS + 1
    known = known and _random.Random.__basicsize__ == object.__basicsize__ + 4 * (len(words) + 1)
    known = known and random_words(generator) == array.array("I", (words[-1], *words[:-1])).tobytes()
    if not known:
        raise TypeError("the generator of the module random is not laid out as it should be")
    return generator, words[-1] == _WORDS


_drawn_before_fork = []


def _before_fork():
    _drawn_before_fork[:] = [numbers_were_drawn()]


def _after_fork():
    """The module has seeded its generator anew: nobody has drawn from that."""
    if not any(_drawn_before_fork):
        random_was_seeded()


def watch_forks():
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def process_numpy():
    """Of numpy.random: its generator, what gives that its bits, and whether nobody has seeded it or drawn from it (None
    if it has others). None if it is not imported."""
    module = sys.modules.get("numpy.random")
    generator = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    if generator is None or not hasattr(module, "MT19937") or not hasattr(module, "get_state"):
        return None
    bits = generator._bit_generator
    if type(bits) is not module.MT19937:
        return generator, bits, None
    return generator, bits, bits.state["state"]["pos"] == _WORDS - 1 and getattr(bits, "seed_seq", None) is not None


def _shown():
    return warnings.showwarning, warnings._showwarnmsg_impl


_first_shown = _shown()


def process_state(with_warnings, gained):
    """What this process has: by name."""
    generator, state = random._inst, limits_set()
    if gained:
        state["gained"] = gained
    if type(generator) is random.Random:
        state["random"] = random_words(generator), generator.gauss_next
    if process_numpy() is not None:
        state["numpy.random"] = _numpy_state()
    if with_warnings:
        shown = [None if now is first else now for now, first in zip(_shown(), _first_shown)]
        state["warnings"] = list(warnings.filters), shown
    return state


def _numpy_state():
    known = sys.modules["numpy.random"].get_state(legacy=False)
    return {**known, "state": {name: value.tobytes() if hasattr(value, "tobytes") else value for name, value in known["state"].items()}}


def finish_state(state):
    """Below a stack that brings what the process had."""
    return hole()


HIDDEN.append(finish_state)


def _put_random(words, gauss):
    place, *words = array.array("I", words)
    random._inst.setstate((3, (*words, place), gauss))


def _put_numpy(state):
    import numpy.random

    words = {name: numpy.frombuffer(value, "uint32") if type(value) is bytes else value for name, value in state["state"].items()}
    numpy.random.set_state({**state, "state": words})


def _put_warnings(filters, shown):
    warnings.filters = filters
    warnings.showwarning, warnings._showwarnmsg_impl = (first if one is None else one for one, first in zip(shown, _first_shown))
    lock = getattr(warnings, "_lock", None)
    if lock is None:
        warnings._filters_mutated()
    else:
        with lock:
            warnings._filters_mutated_lock_held()


def enter_state(state):
    """A stack goes on that brings this. Returns what leave_state() needs to give the process back what it had."""
    own = {}
    try:
        if "random" in state:
            own["random"] = random_words(random._inst), random._inst.gauss_next
            _put_random(*state["random"])
        if "numpy.random" in state:
            import numpy.random

            own["numpy.random"] = _numpy_state()
            _put_numpy(state["numpy.random"])
        if "warnings" in state:
            own["warnings"] = warnings.filters, _shown()
            _put_warnings(*state["warnings"])
        enter_limits(state, own)
        enter_gained(state, own)
    except BaseException:
        leave_state(own)
        raise
    return own


def leave_state(own):
    if "random" in own:
        _put_random(*own["random"])
    if "numpy.random" in own:
        _put_numpy(own["numpy.random"])
    if "warnings" in own:
        _put_warnings(*own["warnings"])
    leave_gained(own)
    leave_limits(own)


# --- who changes the filters of warnings -----------------------------------------------------------

def _reduce_catch_warnings(manager):
    if manager._entered and manager._module is warnings and not getattr(sys.flags, "context_aware_warnings", False):
        warnings_are_wanted()
    return object.__reduce_ex__(manager, 5)


REDUCERS[warnings.catch_warnings] = _reduce_catch_warnings


def _refuse_lock_of_warnings(lock):
    raise TypeError("it may be held, which only the interpreter knows: capture where no filters of warnings are being changed")


RELEASES_LOCK = None  # code that gives back a lock which only the interpreter knows
if type(getattr(warnings, "_lock", None)).__module__ == "warnings":  # from 3.14 on, over a lock of C code
    REDUCERS[type(warnings._lock)] = _refuse_lock_of_warnings
    RELEASES_LOCK = type(warnings._lock).__exit__.__code__


def _reduce_patch(patch):
    """Of unittest.mock: one that is in force has put its object into what may stay with its process."""
    target = patch.__dict__.get("target") if "temp_original" in patch.__dict__ else None
    name = target.__name__ if type(target) is types.ModuleType else _named_module(target) if issubclass(type(target), type) else "__main__"
    if name != "__main__":
        raise TypeError(f"it is in force, in {name}, which stays with its process; capture outside of it")
    return object.__reduce_ex__(patch, 5)


def _reduce_patch_dict(patch):
    if patch._original is not None and patch.in_dict is os.environ:
        raise TypeError("it is in force, in the environment, which stays with its process; capture outside of it")
    return object.__reduce_ex__(patch, 5)


def _kinds_of_mock():
    module = sys.modules["unittest.mock"]
    return {module._patch: _reduce_patch, module._patch_dict: _reduce_patch_dict}


_LATE_KINDS["unittest.mock", "_patch_dict"] = _kinds_of_mock

# What `threading.local` objects of importable modules hold for the captured thread, where a frame of the package travels:
# click's contexts, the settings of scikit-learn. Part of what a stack brings: see process_state.py.

THREAD_LOCAL = _thread._local


class HeldByThread:
    """An attribute of such an object, while it is written. One whose value cannot travel is left out."""

    __slots__ = ("attribute", "left_out", "module", "name", "value")

    def __init__(self, module, name, attribute, value):
        self.module, self.name, self.attribute, self.value, self.left_out = module, name, attribute, value, False


REDUCERS[HeldByThread] = lambda held: (
    tuple,
    ((held.module, held.name, held.attribute, *(() if held.left_out else (held.value,))),),
)


def values_of_locals(known):
    """What the thread has, of objects given with their module and name."""
    return [HeldByThread(*place, attribute, value) for found, *place in known for attribute, value in found.__dict__.items()]


def enter_locals(state, own):
    """Put in place what a stack brings; own is to have what the thread had."""
    before = own["thread locals"] = {}
    for module, name, attribute, *value in state.get("thread locals", ()):
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:
            continue
        if type(found) is THREAD_LOCAL:
            before.setdefault((module, name), (found, dict(found.__dict__)))
            found.__dict__.update((attribute, one) for one in value)


def leave_locals(own):
    for found, values in own.get("thread locals", {}).values():
        found.__dict__.clear()
        found.__dict__.update(values)

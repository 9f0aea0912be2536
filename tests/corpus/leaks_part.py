"""After a topic's programs: captures, adopts and resumes each of them many times, and reports what stays."""

import contextvars
import gc

CYCLES = 200
ROUNDS = 6
#: What may grow in a round: caches that go with the modules of a process fill for thousands of cycles.
ENOUGH = CYCLES * 3 // 4
PATIENCE *= 10  # some programs sleep, a thousand times

store = torpor.Store()


def once(function, mode="capture"):
    """One cycle of a program that captures itself; one whose capture is refused has nothing to resume."""
    STATE.update(mode=mode, key="leaks", pauses=0, refusal=None)
    LOG.clear()
    # What programs leave behind is their own: variables of the context, directories to import from.
    path = sys.path[:]
    contextvars.copy_context().run(torpor.run, drive, function)
    if mode == "capture" and STATE["refusal"] is None:
        store.adopt("leaks").resume("resumed")
    sys.path[:] = path


def measure():
    """References (where the Python counts them), memory blocks, objects, snapshots, pins."""
    gc.collect()
    references = sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else 0
    stats = store.stats()
    return references, sys.getallocatedblocks(), len(gc.get_objects()), stats.snapshots, stats.pins


#: What the interpreter itself loses in every cycle, and why.
LOST = {}
if sys.version_info[:2] == (3, 13):
    LOST["operator_methodcaller_named"] = 2  # __reduce__ of one with keywords keeps a tuple for ever


def growth(name):
    """What grew in every round, beyond twice of what grows where nothing is captured: a capture is followed by two ends of
    the program. Some programs leave cycles that CPython cannot collect (an OrderedDict that holds its iterator), entries in
    caches (modules of ever new directories), or, on some debug builds, references to what is never freed (greenlets)."""
    function = PROGRAMS[name]["function"]
    grown = [n - LOST.get(name, 0) * CYCLES for n in grown_by(function, "capture")]
    if max(grown) < ENOUGH:
        return grown
    return [all - 2 * own for all, own in zip(grown, grown_by(function, "plain"))]


def grown_by(function, mode):
    """What grew in every round: a cache that fills grows in the first ones only."""
    for _ in range(CYCLES):
        once(function, mode)
    rounds = []
    for _ in range(ROUNDS):
        before = measure()
        for _ in range(CYCLES):
            once(function, mode)
        rounds.append([b - a for a, b in zip(before, measure())])
        if max(rounds[-1]) < ENOUGH:
            break
    return [min(column) for column in zip(*rounds)]


sys.setrecursionlimit(10_000)
names = [name for name in PROGRAMS if not PROGRAMS[name]["target"] and not PROGRAMS[name]["start"]]
for name in names[:: int(sys.argv[1])]:
    report(program=name, **in_child(lambda: growth(name)))

"""The first part of every script of the corpus: programs are registered, driven, and paused once each.

A program calls pause(value) once with a true `when`. That is where it is captured; in the original and in every
resumed stack it gives `value`, so that a resumed program has to end as the undisturbed one does.
"""

import os

import torpor

PROGRAMS = {}
LOG = []
#: How often a program runs before it is captured warm: until it is specialised. The JIT compiler wants more; what takes
#: long is warm after a second then.
WARM_RUNS = 70
JIT_WARM_RUNS = int(os.environ.get("TORPOR_CORPUS_JIT_WARM", 0))
STATE = {"mode": "plain", "key": "", "pauses": 0, "refusal": None, "path": []}


def program(function=None, *, refused=None, until=None, target=None, start=None):
    """Registers a program.

    refused: a part of the refusal that it must meet; until: the version from which on the compiler makes a
    loop of it, that resumes. target: it returns what is captured, the "object" or the
    "greenlet" of a continuation. start: what calls the driver, instead of torpor.run.
    """

    if until is not None and sys.version_info >= until:
        refused = None

    def register(function):
        assert function.__name__ not in PROGRAMS, function.__name__
        PROGRAMS[function.__name__] = {"function": function, "refused": refused, "target": target, "start": start}
        return function

    return register if function is None else register(function)


def newer(name, text, *, since, refused=None):
    """Registers a program whose syntax older versions do not have: text that defines a function of that name."""
    if sys.version_info >= since:
        exec(compile(text, __file__, "exec"), globals())
        program(globals()[name], refused=refused)


def note(*what):
    """Adds to the log, which travels."""
    LOG.append(what[0] if len(what) == 1 else what)
    return what[0]


def refusal_of(error):
    """What stands in the way, as [kind, reason]."""
    refusals = getattr(error, "refusals", None)
    if refusals:
        return [type(error).__name__, "; ".join(f"{path}: {reason}" for path, reason in refusals)]
    return [type(error).__name__, str(error)]


def take_again(got):
    """In a process that goes on: captures what was resumed once more, for a further one."""
    try:
        again = torpor.capture(key=STATE["key"] + ".again")
    except torpor.CaptureError as error:
        raise AssertionError(f"what was resumed cannot be captured again: {refusal_of(error)}") from None
    return got if isinstance(again, torpor.Snapshot) else again


def take(target=None):
    """Captures, and notes a refusal; gives what resume gave, None in the original.

    What ran often before is captured often, too: the last of such captures is made over the ones before, as far as it is like
    them."""
    times, got = 4 if STATE["key"].endswith(".warm") else 1, None
    try:
        while times:
            times, got = times - 1, None
            got = torpor.capture(target, key=STATE["key"])
            if not isinstance(got, torpor.Snapshot):
                break
        if target is None and not isinstance(got, torpor.Snapshot) and STATE["key"].endswith(".cold"):
            got = take_again(got)
    except torpor.CaptureError as error:
        STATE["refusal"] = refusal_of(error)
        return None
    return None if isinstance(got, torpor.Snapshot) else got


def pause(value=None, when=True):
    if not when:
        return value
    STATE["pauses"] += 1
    if STATE["pauses"] > 1:
        return value
    if STATE["mode"] == "throw":
        raise ValueError("thrown")
    if STATE["mode"] == "capture":
        got = take()
        if got not in (None, "resumed"):
            LOG.append(("pause was given", got))
    return value


def trail(error):
    """The functions and lines that an exception came through, below the driver."""
    out = []
    tb = error.__traceback__.tb_next
    while tb is not None:
        name = tb.tb_frame.f_code.co_name
        if name == "pause":
            out.append(name)
            break
        out.append((name, tb.tb_lineno))
        tb = tb.tb_next
    return out


def chain(error):
    """The exception with its causes and contexts."""
    out = []
    while error is not None and len(out) < 20:
        out.append((type(error).__name__, repr(error.args), error.__suppress_context__))
        error = error.__cause__ or error.__context__
    return out


def drive(function):
    """Runs a program to its end: its result or its exception, and the log, as text."""
    try:
        outcome = "returned", function()
    except BaseException as error:
        outcome = "raised", chain(error), trail(error)
    return repr((outcome, LOG))


def drive_target(function):
    """Makes a target, captures it and runs it to its end."""
    target = function()
    STATE["pauses"] += 1
    if STATE["mode"] == "capture":
        take(target)
    return finish(target, ValueError("thrown") if STATE["mode"] == "throw" else None)


def run_program(name, mode, key="", warm=0):
    """What a child does with one program."""
    entry = PROGRAMS[name]
    driver = drive_target if entry["target"] else drive
    end = time.monotonic() + 1
    for turn in range(max(warm, JIT_WARM_RUNS if warm else 0)):
        if turn >= warm and time.monotonic() > end:
            break
        STATE.update(mode="plain", pauses=0)
        LOG.clear()
        driver(entry["function"])
    STATE.update(mode=mode, key=key, pauses=0, refusal=None, path=[])
    LOG.clear()
    work = lambda: (entry["start"] or torpor.run)(driver, entry["function"])
    text = around("captured", work) if mode == "capture" else work()
    return {"text": text, "pauses": STATE["pauses"], "refusal": STATE["refusal"], "path": STATE["path"]}


def learn():
    """What the engine learns of this interpreter when it is first needed, the children have then already."""
    try:
        torpor.run(lambda: sorted([1], key=lambda n: torpor.capture(key="learnt")))
    except torpor.CaptureError:
        pass


def run_programs(topic, warm_every, names):
    """Runs the programs undisturbed, with an exception at the pause, and captured; each time in a child. One in so many
    is captured warm too. In the long run each child is the first to capture in its process."""
    if not os.environ.get("TORPOR_TEST_LONG"):
        learn()
    every = int(os.environ.get("TORPOR_CORPUS_EVERY", 1))
    for number, name in enumerate(names or list(PROGRAMS)[::every]):
        entry = PROGRAMS[name]
        runs = {
            "plain": in_child(lambda: run_program(name, "plain")),
            "throw": in_child(lambda: run_program(name, "throw")),
            "cold": in_child(lambda: run_program(name, "capture", f"{topic}.{name}.cold")),
        }
        if number % warm_every == 0:
            runs["warm"] = in_child(lambda: run_program(name, "capture", f"{topic}.{name}.warm", warm=WARM_RUNS))
        report(program=f"{topic}.{name}", refused=entry["refused"], target=entry["target"], runs=runs)

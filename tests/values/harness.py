"""The first part of every script of the table: rows are registered, run, and paused once each.

A row makes a value, calls pause() and says by assert what must hold of the value. It runs undisturbed, captured (the
original goes on and is asked the same) and resumed in a process that has neither the script nor its modules.
"""

import torpor

ROWS = {}
STATE = {"mode": "plain", "key": "", "pauses": 0, "refusals": None}


def row(name, *, extra=False):
    """Registers a row of the table: a kind of value, by name. extra: one that the study's table does not have."""

    def register(function):
        assert name not in ROWS, name
        ROWS[name] = {"function": function, "extra": extra}
        return function

    return register


def extra(name):
    return row(name, extra=True)


def pause(**options):
    """Where the row is captured. options: of the capture."""
    STATE["pauses"] += 1
    if STATE["mode"] != "capture":
        return
    before = len(torpor.Store().snapshots())
    try:
        if not isinstance(torpor.capture(key=STATE["key"], **options), torpor.Snapshot):
            torpor.capture(key=STATE["key"] + ".again", **options)  # in the process that goes on, for a further one
    except torpor.CaptureError as error:
        STATE["refusals"] = [list(refusal) for refusal in getattr(error, "refusals", [])] or [["", str(error)]]
        assert len(torpor.Store().snapshots()) == before, "a refused capture left something"


def run_row(name, mode, key=""):
    """What a child does with one row."""
    STATE.update(mode=mode, key=key)
    torpor.run(ROWS[name]["function"])
    return {"pauses": STATE["pauses"], "refusals": STATE["refusals"]}


def run_rows(section, names):
    """Runs the rows undisturbed and captured, each time in a child."""
    for name in names or ROWS:
        key = f"{section}.{name}"
        runs = {"plain": in_child(lambda: run_row(name, "plain")), "capture": in_child(lambda: run_row(name, "capture", key))}
        report(row=key, extra=ROWS[name]["extra"], runs=runs)

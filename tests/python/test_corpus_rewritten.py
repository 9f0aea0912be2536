"""Programs of the corpus written otherwise (`tests/corpus/rewritten.py`) go on as well, and none is refused that is not
refused as it was written: what is captured does not depend on where variables are kept, on what else lies on the evaluation
stack, in which blocks it stands, and how classes are made.

One program in two of a topic. Each way has its part of the topics, another one on each of three Pythons; in the long run all.
"""

import faulthandler
import sys

import pytest
from processes import LONG
from test_corpus import corpus

#: What is another program there: it shows the function that was added, or rebinds the variable with which it was called where
#: the bytecode does not say any more who else holds that.
REBIND = {"class_creation.init_subclass_rebinds_cls", "class_creation.init_self_rebound_by_a_loop", "construction.init_self_rebound"}
OTHERS = {
    "cells": {"variables.locals_call"},
    "deeper": {*REBIND, "class_creation.filter_that_rebinds_its_item"},
    "in_for": REBIND,
    # They show the traceback that they see.
    "in_except": {"exceptions.except_bare", "finally_.except_in_finally", "with_.exit_suspended_sees_exc_info"},
}
WAYS = list(corpus.rewritten.REWRITINGS)


@pytest.mark.parametrize("way", WAYS)
def test_no_program_goes_wrong(way, monkeypatch, stores):
    monkeypatch.setenv("TORPOR_CORPUS_REWRITTEN", way)
    monkeypatch.setenv("TORPOR_CORPUS_EVERY", "6" if LONG else "2")
    monkeypatch.setattr(corpus, "WARM_EVERY", 10 if LONG else 1000)
    part = WAYS.index(way) + len(WAYS) * (sys.version_info.minor % 3)
    # Not those of which all programs are refused, or that older versions do not have.
    topics = [topic for topic in corpus.topics() if topic not in ("hidden_state", "newer_syntax")]
    topics = topics if LONG else topics[part :: 3 * len(WAYS)]
    if LONG:  # some minutes: each process has a limit of its own
        faulthandler.cancel_dump_traceback_later()
    results = corpus.run_all(topics)
    # One that never pauses then, or twice, is another program.
    results = [r for r in results if not r.cause.startswith("paused")]
    assert sum(r.outcome == "resumed" for r in results) > 3 * len(topics)
    accepted = corpus.not_yet()
    bad = [
        r for r in results
        if r.outcome not in ("resumed", "refused") or r.outcome == "refused" and r.refused is None and r.program not in accepted
    ]  # fmt: skip
    bad = [r for r in bad if r.program not in OTHERS.get(way, ())]
    assert not bad, "\n".join(f"{r.program}: {r.outcome} ({r.cause})\n{r.detail}" for r in bad)

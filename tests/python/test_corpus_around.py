"""Programs of the corpus go on as if nothing had happened while tools listen, in greenlets and threads, of which two resume the
same at once, and under a collector that runs at every chance: on both sides, when they are captured and when they are resumed.

One program in five of each topic is run in one of these ways; in the long run each in every way.
"""

import faulthandler
import sys

import pytest
from processes import LONG
from test_corpus import corpus

NAMES = ["trace", "profile", "collections", "thread", "greenlet"] + ["monitoring"] * hasattr(sys, "monitoring")
WAYS = [*((step, way) for way in NAMES for step in ("captured", "resumed")), ("resumed", "threads")]
#: What is another program there: one that asks which thread or greenlet it runs in, or whether others may hold a lock, or that
#: lowers the limit of depth while another thread is deep (the interpreter of 3.11 ends); on 3.11
#: a trace function makes the interpreter ask once more for what is caught.
OTHERS = {
    "trace": {"bridges_calls.except_subclass_check_is_not_asked"} if sys.version_info < (3, 12) else set(),
    "thread": {"values_resources.lock_that_is_held", "values_resources.current_thread"},
    "threads": {"values_resources.lock_that_is_held", "values_resources.current_thread", "variables.recursion_3000"},
    "greenlet": {"greenlets.value_with_a_generator_met_before_it"},
}


@pytest.mark.parametrize(("step", "way"), WAYS)
def test_no_program_goes_wrong(step, way, monkeypatch, stores):
    monkeypatch.setenv(f"TORPOR_CORPUS_{step.upper()}", way)
    monkeypatch.setenv("TORPOR_CORPUS_EVERY", "1" if LONG else "5")
    monkeypatch.setattr(corpus, "WARM_EVERY", 1000)
    topics = corpus.topics() if LONG else corpus.topics()[WAYS.index((step, way)) :: len(WAYS)]
    if way == "threads":  # one process cannot be in the middle of the same import twice, and has its state once
        topics = [topic for topic in topics if "imports" not in topic and "process_state" not in topic]
    if LONG:  # some minutes: each process has a limit of its own
        faulthandler.cancel_dump_traceback_later()
    results = corpus.run_all(topics)
    assert sum(r.outcome == "resumed" for r in results) > 5
    bad = [r for r in results if r.outcome not in ("resumed", "refused") and r.program not in OTHERS.get(way, ())]
    assert not bad, "\n".join(f"{r.program}: {r.outcome} ({r.cause})\n{r.detail}" for r in bad)

"""Capturing, adopting and resuming inside a construct for ever costs no memory, no objects and no room in the store.

test_leaks.py measures a few stacks for long; this goes through programs of the corpus, 200 cycles a round. Where the
Python counts references (debug builds), they are measured too.
"""

import json
import os
import subprocess
import sys

import pytest
from processes import ISOLATED, LONG, PATIENCE
from test_corpus import CORPUS, corpus

CYCLES = 200
#: One program in so many.
SAMPLE = 1 if LONG else 24


@pytest.mark.parametrize("topic", corpus.topics())
def test_cycles_leave_nothing(stores, topic):
    path = stores / f"{topic}.py"
    parts = ("children.py", "harness.py", f"programs/{topic}.py", "leaks_part.py")
    path.write_text("\n".join((CORPUS / part).read_text() for part in parts))
    command = [sys.executable, *ISOLATED, "-X", "faulthandler", str(path), str(SAMPLE)]
    files = {**os.environ, "TMPDIR": str(stores)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * (10 if LONG else 1), env=files)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert bool(records) == bool(corpus.declared(topic))
    for record in records:
        assert record["how"] == "ended", f"{record['program']}: {record['how']}\n{record['text']}"
        references, blocks, objects, snapshots, pins = record["result"]
        grown = f"{record['program']} grew in every round of {CYCLES} cycles by {record['result']}"
        assert max(references, blocks, objects) < CYCLES * 3 // 4, grown
        assert (snapshots, pins) == (0, 0), grown

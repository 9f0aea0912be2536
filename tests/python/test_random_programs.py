"""A random program that is captured at a random point goes on, in a fresh process, as it would have, and from there in a
further one.

Refusals are fine; another result, another order of what happens, a crash or a hang is not.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from processes import ISOLATED, LONG, PATIENCE, going_on
from programs import programs

CORPUS = pathlib.Path(__file__).parents[1] / "corpus"
EXAMPLES = 5000 if LONG else 200


class Server:
    """A process that answers each line of JSON with one; it forks a child for each."""

    def __init__(self, path, *parts):
        path.write_text("\n".join((CORPUS / part).read_text() for part in parts))
        command = [sys.executable, *ISOLATED, "-X", "faulthandler", str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()


@pytest.fixture
def producer(stores, tmp_path):
    server = Server(tmp_path / "producer.py", "children.py", "harness.py", "random_part.py")
    yield server
    server.stop()


@pytest.fixture
def adopter(stores, tmp_path):
    server = Server(tmp_path / "adopter.py", "children.py", "around.py", "adopter.py")
    yield server
    server.stop()


def result(answer, source):
    assert answer["how"] == "ended", f"{answer['how']}\n{answer['text']}\n{source}"
    return answer["result"]


def check(producer, adopter, counts, source, where, warm, throw, in_exit):
    going_on()
    job = {"source": source, "key": "k.cold", "warm": 0, "in_exit": in_exit}
    plain = result(producer.ask(mode="plain", at=0, **job), source)
    if plain["hits"] == 0:
        return
    at = 1 + int(where * plain["hits"])
    captured = result(producer.ask(mode="capture", at=at, **{**job, "warm": 70 if warm else 0}), source)
    story = f"{source}\nat {at} of {plain['hits']}, warm: {warm}, throw: {throw}"
    assert captured["text"] == plain["text"], f"the original itself went on differently\n{story}"
    counts["refused" if captured["refusal"] else "resumed"] += 1
    if captured["refusal"]:
        return
    if throw:
        plain = result(producer.ask(mode="throw", at=at, **job), source)
    asked = {"program": "", "run": "", "key": "k.cold", "target": None, "script": False, "throw": throw, "path": []}
    assert result(adopter.ask(**asked), story) == plain["text"], story
    if not throw:  # what was resumed was captured once more
        assert result(adopter.ask(**{**asked, "key": "k.cold.again"}), story) == plain["text"], story


def test_random_programs_go_on(producer, adopter):
    counts = {"resumed": 0, "refused": 0}

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=not LONG,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
    )  # fmt: skip
    @given(programs(), st.floats(0, 1, exclude_max=True), st.booleans(), st.booleans(), st.integers(0, 9))
    def go_on(source, where, warm, throw, draw):
        check(producer, adopter, counts, source, where, warm, throw, draw == 0)

    go_on()
    assert counts["resumed"] > EXAMPLES // 4, counts

"""Programs suspended inside every construct go on as if nothing had happened, or are refused by name.

The programs are in tests/corpus/programs; tests/corpus/run.py runs them, each in processes of its own. The ordinary run
captures one program in four warm as well, the long run each.
"""

import collections
import concurrent.futures
import importlib.util
import os
import pathlib
import threading

import pytest
from processes import LONG

os.environ.setdefault("TORPOR_CORPUS_WARM", "1" if LONG else "4")

CORPUS = pathlib.Path(__file__).parents[1] / "corpus"
specification = importlib.util.spec_from_file_location("corpus_run", CORPUS / "run.py")
corpus = importlib.util.module_from_spec(specification)
specification.loader.exec_module(corpus)


class Running:
    """A run of the corpus in a thread of its own: who waits for it is a test of one topic, which does not take long."""

    def __init__(self):
        self.by_topic = {topic: concurrent.futures.Future() for topic in corpus.topics()}
        self.all = concurrent.futures.Future()
        threading.Thread(target=self._run).start()

    def _run(self):
        try:
            self.all.set_result(corpus.run_all(done=self._done))
        except BaseException as e:
            for future in [*self.by_topic.values(), self.all]:
                if not future.done():
                    future.set_exception(e)

    def _done(self, topic, results):
        if topic in self.by_topic:
            self.by_topic[topic].set_result(results)


@pytest.fixture(scope="module")
def running():
    return Running()


@pytest.mark.parametrize("topic", corpus.topics())
def test_no_program_goes_wrong(running, topic):
    bad = [r for r in running.by_topic[topic].result() if r.outcome not in ("resumed", "refused")]
    bad = [f"{r.program}: {r.outcome} ({r.cause})\n{r.detail}" for r in bad]
    assert not bad, "\n".join(["", *bad])


@pytest.fixture(scope="module")
def results(show_table, running):
    results = running.all.result()
    show_table(corpus.table(results))
    return results


def test_no_script_goes_wrong(results):
    bad = [r for r in results if r.program.startswith("scripts.") and r.outcome not in ("resumed", "refused")]
    assert not bad, bad


def test_outcomes_are_the_recorded_ones(results):
    found = corpus.complaints([r for r in results if r.outcome in ("resumed", "refused")])
    assert not found, "\n".join(["", *found])


def test_every_topic_was_run(results):
    """A topic whose programs were not registered would pass the others."""
    count = collections.Counter(r.program.split(".")[0] for r in results)
    for topic in corpus.topics():
        assert count[topic] >= corpus.declared(topic), topic
    assert sum(count.values()) > 700
    assert count["scripts"] == len(corpus.scripts())

"""Programs that were not written for torpor, suspended anywhere, go on as if nothing had happened, or are refused by name.

The programs are pyperformance's benchmarks, and in the long runs CPython's own tests as well; tests/foreign/run.py runs
them. A sample of the benchmarks here; all of them in the long runs, with how soon requests were met, and a sample of
CPython's tests.
"""

import faulthandler
import importlib.util
import pathlib

import pytest
from processes import LONG, REFUSES_REQUESTS

FOREIGN = pathlib.Path(__file__).parents[1] / "foreign"
specification = importlib.util.spec_from_file_location("foreign_run", FOREIGN / "run.py")
foreign = importlib.util.module_from_spec(specification)
specification.loader.exec_module(foreign)

SEED = 1
MOST = {"benchmarks": 20, "requests": 6, "chains": 20, "cpython": 3} if LONG else {"benchmarks": 4, "requests": 1, "chains": 6}
if REFUSES_REQUESTS:
    del MOST["requests"], MOST["chains"]
#: One method in so many of CPython's tests: all of them take hours.
EVERY = 20


@pytest.fixture(scope="module")
def stops(show_table):
    work = foreign.wanted(tuple(MOST), EVERY, SEED)
    if not LONG:
        share = {"benchmarks": 3, "requests": 7, "chains": 9}
        work = [item for n, item in enumerate(work) if n % share[item[1]] == 0]
    # One test waits for all of them; each process has a limit of its own.
    faulthandler.cancel_dump_traceback_later()
    stops = foreign.run_all(work, SEED, MOST)
    show_table(foreign.table(stops, causes=12 if LONG else 0))
    return stops


def of(stops, way):
    """The stops of one way at which a capture was tried."""
    found = [stop for stop in stops if stop.way == way and stop.where]
    assert len(found) > (20 if way == "benchmarks" else 3)
    return found


def resumed(stops):
    return sum(stop.outcome == "resumed" for stop in stops) / len(stops)


def test_nothing_goes_wrong(stops):
    bad = [foreign.again(stop, SEED, MOST) for stop in foreign.bad(stops)]
    assert not bad, "\n\n".join(["", *bad])


@pytest.mark.parametrize("way", list(MOST))
def test_refusals_say_why(stops, way):
    for stop in of(stops, way):
        if stop.outcome == "refused":
            kind, reason = stop.detail
            assert kind in ("UnsupportedFrame", "UncapturableValue", "TimeoutError") and len(reason) > 20, stop


def test_most_stops_of_the_benchmarks_resume(stops):
    assert resumed(of(stops, "benchmarks")) > 0.7


@pytest.mark.skipif(REFUSES_REQUESTS, reason="chains are made of requests")
def test_each_process_of_a_chain_goes_on_where_the_last_one_was_captured(stops):
    assert resumed(of(stops, "chains")) == 1


@pytest.mark.skipif(REFUSES_REQUESTS, reason="they are refused: test_jit.py")
def test_most_requests_are_met_while_the_benchmark_runs(stops):
    # A busy machine misses some of a few: their patience is a second or two.
    assert resumed(of(stops, "requests")) > (0.6 if LONG else 0.3)

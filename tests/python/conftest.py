"""Every test has stores of its own, in shared memory, that are gone afterwards."""

import os
import pathlib
import shutil
import signal
import tempfile

import accounts
import pytest
import torpor
from processes import LONG


#: The tables that the tests of this process, or of its workers, have made.
TABLES = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[TABLES] = []
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    config.torpor_dir = tempfile.mkdtemp(prefix="torpor-test-", dir=shared)
    os.environ["TORPOR_DIR"] = config.torpor_dir
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; processes of the tests inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config):
    shutil.rmtree(config.torpor_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def show_table(request):
    """Takes a table that is printed at the end of the run."""
    return request.config.stash[TABLES].append


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a process of pytest-xdist, whose output nobody sees
        session.config.workeroutput["tables"] = session.config.stash[TABLES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.stash[TABLES].extend(getattr(node, "workeroutput", {}).get("tables", []))


def pytest_terminal_summary(terminalreporter, config):
    for table in config.stash[TABLES]:
        terminalreporter.line("\n" + table)


def pytest_report_header(config):
    return f"torpor {torpor.__version__}, {'long' if LONG else 'short'} runs"


@pytest.fixture
def place():
    """Where the test's stores are; a test file may say otherwise."""
    return os.environ["TORPOR_DIR"]


@pytest.fixture(params=["shared memory", "disk"])
def either_place(request):
    """For files whose stores are to be tested on a disk too: `place = either_place`."""
    if request.param == "shared memory":
        yield os.environ["TORPOR_DIR"]
    else:
        with tempfile.TemporaryDirectory(prefix="torpor-test-", dir="/var/tmp", ignore_cleanup_errors=True) as disk:
            yield disk


@pytest.fixture
def stores(place, monkeypatch):
    """A directory for stores; processes that the test starts see it too, as TORPOR_DIR."""
    place = pathlib.Path(tempfile.mkdtemp(dir=place))
    monkeypatch.setenv("TORPOR_DIR", str(place))
    yield place
    accounts.audit(place)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def store(stores):
    """A store that nobody else uses."""
    with torpor.Store("test", capacity="256 MiB") as store:
        yield store

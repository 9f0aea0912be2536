"""Every test has stores of its own, in shared memory, that are gone afterwards."""

import os
import pathlib
import shutil
import tempfile

import accounts
import pytest
import torpor
from processes import LONG


def pytest_configure(config):
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    config.torpor_dir = tempfile.mkdtemp(prefix="torpor-test-", dir=shared)
    os.environ["TORPOR_DIR"] = config.torpor_dir


def pytest_unconfigure(config):
    shutil.rmtree(config.torpor_dir, ignore_errors=True)


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

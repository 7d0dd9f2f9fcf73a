"""Hypothesis profiles: the default, and `--hypothesis-profile=thorough` for a long run; how long some other tests go on; and
which tests are alone while they run, however many workers of pytest-xdist there are.

Whoever times something takes a lock for itself, all others share it. They queue at another lock, the turnstile: otherwise
workers that share could keep out for ever one that waits to be alone.
"""

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("experiments")

settings.register_profile("gomap", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2000, stateful_step_count=100)
settings.load_profile("gomap")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--linear-ops", type=int, default=90_000, help="recorded for each variant and number of threads")
    parser.addoption("--linear-small", type=int, default=100_000, help="short histories checked against every order")
    parser.addoption("--heap-allocations", type=int, default=10_000_000, help="beside collections, each looked after")
    parser.addoption("--stress-seconds", type=float, default=0.5, help="stress of each variant under ThreadSanitizer")
    parser.addoption("--sched-steps", type=int, default=1_000_000, help="stress of the scheduler without a sanitizer")


ALONE = (
    "claims/test_claims_experiments.py::test_evacuation_takes_a_large_share",
    "claims/test_experiments_",
    "explain/",
    "lab/test_engine.py",
    "realgo/test_scheduler_like_go",
    "realgo/test_verify_gate",
)


@pytest.fixture(scope="session", autouse=True)
def go_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this run of the tests, with all its workers, keeps what it builds of Go: Go's own library is compiled once. None of
    the user's, unless GOMAP_CACHE says which."""
    base = tmp_path_factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    cache = Path(os.environ.get("GOMAP_CACHE") or run / "gomap-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOMAP_CACHE", str(cache))
        yield cache


SLOW = ("sanitized", "test_planted", "test_locks", "test_verify", "test_report", "test_docs", "test_explore")


def pytest_configure(config: pytest.Config) -> None:
    """Files go to the workers of pytest-xdist in the order below, not by how many tests they have. And Ctrl-C arrives, as some
    tests need it: what a shell runs in the background begins with it ignored, and so would all that it runs."""
    config.option.loadscopereorder = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the files that take long, so that no worker ends with one while the others have nothing to do."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in (*ALONE, *SLOW)))


@contextmanager
def locked(name: str, how: int) -> Iterator[None]:
    """A lock of all workers of this run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    with (Path(tempfile.gettempdir()) / f"gomap-tests-{run}-{name}").open("w") as file:
        fcntl.flock(file, how)  # until it is closed
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    alone = any(part in item.nodeid for part in ALONE)
    with ExitStack() as stack:
        with locked("turnstile", fcntl.LOCK_EX):
            stack.enter_context(locked("room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        return (yield)

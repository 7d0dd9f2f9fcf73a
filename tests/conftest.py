"""Hypothesis profiles: the default, and `--hypothesis-profile=thorough` for a long run; and how long some other tests go on."""

import pytest
from hypothesis import settings

settings.register_profile("gomap", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2000, stateful_step_count=100)
settings.load_profile("gomap")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--linear-ops", type=int, default=90_000, help="recorded for each variant and number of threads")
    parser.addoption("--linear-small", type=int, default=100_000, help="short histories checked against every order")
    parser.addoption("--heap-allocations", type=int, default=1_000_000, help="beside collections, each looked after")
    parser.addoption("--stress-seconds", type=float, default=0.5, help="stress of each variant under ThreadSanitizer")
    parser.addoption("--sched-steps", type=int, default=1_000_000, help="stress of the scheduler without a sanitizer")

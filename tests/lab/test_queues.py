"""The global run queue under threads: what is counted (csrc/lab/queues.c)."""

from __future__ import annotations

from typing import Any

import pytest

from gomap import BadValue
from gomap.lab import SCHEDULER_KNOBS
from gomap.lab.queues import time_puts


@pytest.mark.parametrize("globq", SCHEDULER_KNOBS["globq"].choices)
@pytest.mark.parametrize(("threads", "length"), [(1, 0), (1, 4096), (3, 0), (3, 5)])
def test_every_put_is_counted(globq: str, threads: int, length: int) -> None:
    """Nothing is lost or doubled either: that is checked in the call."""
    p = time_puts(globq, threads=threads, length=length, rounds=1600)
    assert p.put.count == threads * 100
    assert p.ns > 0
    assert (p.retries == 0) or (globq != "mutex list" and threads > 1)
    assert (p.contended == 0) or (globq == "mutex list" and threads > 1)
    assert p.slept <= p.contended


def test_what_is_refused() -> None:
    given: dict[str, Any]
    for given in ({"threads": 0}, {"threads": 65}, {"rounds": 0}, {"length": 1 << 17}, {"length": -1}):
        with pytest.raises(BadValue):
            time_puts("mutex list", **{"threads": 1, "length": 1, "rounds": 1, **given})
    with pytest.raises(BadValue, match="ring one line"):
        time_puts("ring", threads=1, length=1, rounds=1)

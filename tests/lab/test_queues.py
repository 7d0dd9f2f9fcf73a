"""The global run queue under threads, and pointers held across a switch: what is counted (csrc/lab/queues.c, stale.c)."""

from __future__ import annotations

from typing import Any

import pytest

from gomap import BadValue
from gomap.lab import SCHEDULER_KNOBS, Scheduler
from gomap.lab.queues import RECLAIM, count_stale, time_puts


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


@pytest.mark.parametrize("reclaim", RECLAIM)
@pytest.mark.parametrize("procs", [1, 3])
def test_who_holds_an_array_finds_it_where_it_is_collected(reclaim: str, procs: int) -> None:
    c = count_stale(Scheduler(procs=procs, measure=False), reclaim=reclaim, readers=5, derefs=2_000)
    assert c.stayed + c.moved >= 5 * 2_000
    assert c.moved == 0 or procs > 1
    assert c.growths > c.reused > 0
    assert (c.stale_stayed + c.stale_moved > 0) == (reclaim == "freed at once")


def test_moved_goroutines_are_told() -> None:
    moved = 0
    for seed in range(20):
        c = count_stale(Scheduler(procs=2, seed=seed, measure=False), derefs=5_000)
        assert c.stale_moved <= c.moved
        moved += c.moved
    assert moved > 0


def test_what_is_refused() -> None:
    given: dict[str, Any]
    for given in ({"threads": 0}, {"threads": 65}, {"rounds": 0}, {"length": 1 << 17}, {"length": -1}):
        with pytest.raises(BadValue):
            time_puts("mutex list", **{"threads": 1, "length": 1, "rounds": 1, **given})
    with pytest.raises(BadValue, match="ring one line"):
        time_puts("ring", threads=1, length=1, rounds=1)
    for given in ({"reclaim": "never"}, {"readers": 0}, {"readers": 257}, {"hold": 0}, {"grow_every": 0}, {"derefs": -1}):
        with pytest.raises(BadValue):
            count_stale(Scheduler(procs=1), **given)

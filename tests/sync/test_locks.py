"""What locks count, and where the layouts put words: in C (locks.c) and as Python tells it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from sanitized import ROOT, SANITIZERS, build, run

import gomap
from gomap import BadValue
from gomap.concurrent import WAIT_EDGES_NS, Waits
from gomap.lab import Group, Result, Uniform, Workload
from gomap.lab import run as run_workload
from gomap.variants import VARIANTS

# locks.c includes locked.c, to look at what is static there
SOURCES = [path for folder in ("base", "map", "sync") for path in sorted((ROOT / "csrc" / folder).glob("*.c"))]
SOURCES.remove(ROOT / "csrc" / "sync" / "locked.c")
LOCKED = ("mutex", "rwmutex", "growlock", "sharded", "syncmap", "hashtrie")


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_counts_and_layouts_in_c(sanitizer: str, tmp_path: Path) -> None:
    assert run(build(ROOT / "tests" / "sync" / "locks.c", SOURCES, sanitizer, tmp_path), [], sanitizer) == "ok\n"


def test_edges() -> None:
    assert WAIT_EDGES_NS[:4].tolist() == [0, 2, 4, 8]
    assert WAIT_EDGES_NS[39] == 2.0**39
    assert np.isinf(WAIT_EDGES_NS[40])
    w = gomap.MutexMap().stats().waits
    assert w == Waits(0, 0, 0, (0,) * 40)
    assert len(w.array()) == len(WAIT_EDGES_NS) - 1


def _check_waits(w: Waits) -> None:
    assert sum(w.counts) == w.total
    filled = [k for k, n in enumerate(w.counts) if n]
    if filled:
        assert WAIT_EDGES_NS[filled[-1]] <= w.longest_ns < WAIT_EDGES_NS[filled[-1] + 1]
        least = sum(n * int(WAIT_EDGES_NS[k]) for k, n in enumerate(w.counts))
        assert least <= w.total_ns < 2 * least + 2 * w.total


@pytest.mark.parametrize("name", LOCKED)
def test_stats_add_up(name: str) -> None:
    m, rounds = VARIANTS[name].cls(), 200
    keys = np.arange(1000)

    def body() -> None:
        for _ in range(rounds):
            m.assign_many(keys, keys)
            m.get_many(keys)

    threads = [threading.Thread(target=body) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    s = m.stats()
    assert s.waits.total + s.read_waits.total == s.contended
    assert s.waits.total_ns + s.read_waits.total_ns == s.wait_ns
    assert max(s.waits.longest_ns, s.read_waits.longest_ns) == s.longest_wait_ns
    if name in ("rwmutex", "growlock", "sharded"):
        assert s.locks == 3 * rounds * 1000
    else:
        assert s.locks > 0
        assert s.read_waits.total == 0
    _check_waits(s.waits)
    _check_waits(s.read_waits)


def test_a_result_carries_the_waits() -> None:
    mix = {"get": 50, "assign": 50}
    w = Workload(
        variant="mutex", size=1000, ops=100_000, oversubscribe=True, groups=(Group(threads=4, mix=mix, keys=Uniform()),)
    )
    r = run_workload(w)
    waits = r.counters["waits"]
    assert sum(waits["counts"]) == waits["total"] == r.counters["contended"]
    assert Result.from_json(r.to_json()).counters == r.counters


# ------------------------------------------------------------------ layouts


@pytest.mark.parametrize("name", VARIANTS)
def test_no_answer_depends_on_the_layout(name: str) -> None:
    everything = {"get": 30, "get_miss": 5, "assign_new": 15, "assign": 10, "delete": 15, "iterate": 5, "len": 5, "add": 15}
    w = Workload(variant=name, size=2000, ops=50_000, seed=1, groups=(Group(mix=everything, keys=Uniform()),))
    go, padded = run_workload(w), run_workload(w.with_(layout="padded"))
    assert (go.operations, go.hits, go.digest) == (padded.operations, padded.hits, padded.digest)
    assert padded.workload["layout"] == "padded"


def test_a_plain_map_keeps_its_layout() -> None:
    import copy
    import pickle

    m = gomap.Map(seed=1, layout="padded")
    m.update({1: 2})
    for other in (m.copy(), copy.copy(m), pickle.loads(pickle.dumps(m)), m | {3: 4}):
        assert other._layout == "padded"
        assert other[1] == 2
    assert gomap.Map()._layout == "go"


def test_unknown_layouts() -> None:
    with pytest.raises(BadValue, match="unknown layout 'loose', allowed: go, padded"):
        gomap.Map(layout="loose")
    with pytest.raises(BadValue, match="unknown layout"):
        gomap.RWMutexMap(layout=["go"])
    with pytest.raises(BadValue, match="unknown layout"):
        Workload(ops=1, layout="loose")

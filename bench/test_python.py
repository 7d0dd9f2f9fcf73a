"""What does one key a call cost in Python? gomap beside dict, beside itself by cffi, and beside cereggii's AtomicDict.

int64 keys and elems; each row is a loop over the same keys in the same shuffled order, one call for each, and tells its
nanoseconds per call and the ratio to dict's in the same repeat. The columns take turns (dict, Map, .., dict, Map, ..), so that
what else the machine does meets all of them; the ratio shown is the median over the repeats, with the least and the largest.
The loop itself, some nanoseconds, is in all columns.

    dict          what Python has
    Map           gomap's extension (gomap/native)
    Map, cffi     the same map by gomap.onekey.PlainCalls, as under GOMAP_NO_EXTENSION=1, on PyPy and on free-threaded CPython
    ConcurrentMap, and by cffi
    cereggii      its AtomicDict, if it is installed

    pytest bench/test_python.py -s [--quick]
"""

from __future__ import annotations

import statistics
import timeit
from typing import Any

import numpy as np
import pytest

from bench.table.python import LOOPS
from gomap import ConcurrentMap, Map
from gomap.onekey import by_cffi, native

REPEATS = 7
ASKED = 1_000  # keys of a loop
ROWS = LOOPS | {
    "m.get(k)": "get = m.get\nfor k in keys: get(k)",
    "m.get(k), miss": "get = m.get\nfor k in absent: get(k)",
    "pop and assign": "pop = m.pop\nfor k in keys: m[k] = pop(k)",
    "setdefault": "setdefault = m.setdefault\nfor k in keys: setdefault(k, 1)",
    "len(m)": "for k in keys: len(m)",
    "list(m.items())": "list(m.items())",
}
NOT_OF_CEREGGII = ("k in m", "pop and assign", "setdefault", "list(m.items())")


def columns(entries: dict[int, int]) -> dict[str, Any]:
    """The maps by name, each with those entries."""
    classes = {"Map, cffi": by_cffi(Map), "ConcurrentMap, cffi": by_cffi(ConcurrentMap)}
    if native is not None:
        classes = {"Map": Map, "ConcurrentMap": ConcurrentMap} | classes
    maps: dict[str, Any] = {"dict": dict(entries)}
    for name, cls in classes.items():
        maps[name] = cls(seed=1)
        maps[name].update(entries)
    try:
        import cereggii
    except ImportError:
        print("cereggii is not installed")
    else:
        maps["cereggii"] = cereggii.AtomicDict(entries)
    return maps


def seconds(row: str, maps: dict[str, Any], keys: list[int], absent: list[int]) -> dict[str, list[float]]:
    """The least of some loops, by column and repeat."""
    there = [name for name in maps if name != "cereggii" or row not in NOT_OF_CEREGGII]
    found: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(REPEATS):
        for name in there:
            loop = timeit.Timer(ROWS[row], globals={"m": maps[name], "keys": keys, "absent": absent})
            found[name].append(min(loop.repeat(5, 2)) / 2)
    return found


@pytest.mark.parametrize("row", ROWS)
def test_one_key_a_call(row: str, size: int) -> None:
    rng = np.random.default_rng(7)
    numbers = (rng.permutation(size + ASKED) * 7_919 + 11).tolist()
    entries, absent = dict.fromkeys(numbers[:size], 1), numbers[size:]
    keys = rng.permutation(numbers[:size])[:ASKED].tolist()
    found = seconds(row, columns(entries), keys, absent)
    calls, one = (size, "an entry") if row == "list(m.items())" else (ASKED, "a call")
    print(f"\n{row}, {size:,} entries, {one}")
    for name, times in found.items():
        ratios = [a / b for a, b in zip(times, found["dict"], strict=True)]
        spread = f"{statistics.median(ratios):6.2f} times dict's ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:20} {statistics.median(times) / calls * 1e9:8.1f} ns  {spread}")
    assert all(len(times) == REPEATS for times in found.values())

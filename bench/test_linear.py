"""What recording a history costs, and what checking it does.

Each variant, two threads that do all operations on 16 keys beside a ballast of 3,200, stamps of the clock. Printed: seconds
to record and to check, and configurations looked at for each call.

    pytest bench/test_linear.py [--quick] [-s]
"""

from __future__ import annotations

import time

import pytest

from gomap.lab import Group, Workload
from gomap.map import Map
from gomap.testing import MIX, check_linearizable, record_history
from gomap.variants import VARIANTS


@pytest.mark.parametrize("variant", [name for name, v in VARIANTS.items() if v.cls is not Map])
def test_recording_and_checking(variant: str, size: int) -> None:
    w = Workload(variant=variant, size=16, ops=size, groups=[Group(threads=2, mix=MIX)], oversubscribe=True)
    began = time.perf_counter()
    history = record_history(None, w)
    recorded = time.perf_counter()
    found = check_linearizable(history)
    checked = time.perf_counter()
    assert found.verdict == "ok", str(found)
    each, took = found.configurations / len(history), (recorded - began, checked - recorded)
    print(f"\n{variant:<10} {size:>9,}  recorded {took[0]:6.2f} s  checked {took[1]:6.2f} s  {each:5.2f} a call")

"""Does the heap allocate as fast as the C library? Objects of the size of buckets, the last so many of which are held.

Each row alternates the two in one loop in C and prints the median of the ratios; above 1 the heap is slower. Both give zeroed
memory: the heap takes its back by collecting, the C library by free. Go does not poison, nor does the heap here.

    pytest bench/test_heap.py [--quick]
"""

from __future__ import annotations

import statistics

import pytest

from gomap.lab import Heap


@pytest.mark.parametrize("live", [1_000, 100_000])
@pytest.mark.parametrize("object_bytes", [64, 160, 224])
def test_bucket_sized_objects(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], object_bytes: int, live: int
) -> None:
    quick = request.config.getoption("--quick")
    heap = Heap()
    pairs = [heap.time_allocations(object_bytes, 20_000 if quick else 2_000_000, live) for _ in range(2 if quick else 9)]
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    with capsys.disabled():
        print(f"\n{object_bytes:4d} bytes, {live:7,d} held: heap {ours:6.1f} ns, calloc and free {theirs:6.1f} ns, ", end="")
        print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")

"""Histograms of latencies: lossless, log-linear, with percentiles that are refused where too few samples lie behind them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np

from gomap._core import ffi, lib
from gomap.errors import BadValue, GomapError, MissingTool

__all__ = ["HIGHEST_NS", "SAMPLES_BEYOND", "Histogram", "TooFewSamples", "samples_needed", "write_hlog"]

DIGITS = 3
HIGHEST_NS = 100_000_000_000
SAMPLES_BEYOND = 100
"""A percentile is given only if at least this many samples lie beyond it."""


class TooFewSamples(GomapError, ValueError):
    """A percentile with too few samples beyond it. `needed`: how many it takes in all; `count`: how many there are."""

    def __init__(self, percent: float, needed: int, count: int) -> None:
        super().__init__(f"p{percent:g} needs {needed:,} samples, so that {SAMPLES_BEYOND} lie beyond it; there are {count:,}")
        self.needed = needed
        self.count = count


def samples_needed(percent: float) -> int:
    """How many samples a percentile needs."""
    return math.ceil(SAMPLES_BEYOND / (1 - percent / 100) - 1e-6)


@dataclass(frozen=True)
class Histogram:
    """Latencies in nanoseconds, 3 significant digits up to 100 s (source: HdrHistogram; csrc/base/histogram.c).

    `counts`: (highest value of a bucket, samples in it), ascending, empty buckets left out. Minimum and maximum are exact.
    """

    count: int
    min_ns: int
    mean_ns: float
    max_ns: int
    counts: tuple[tuple[int, int], ...]

    @cached_property
    def _running(self) -> list[int]:
        return list(itertools.accumulate(n for _, n in self.counts))

    def percentile(self, percent: float) -> int:
        """The latency that `percent` of the samples do not exceed, in nanoseconds; at most one part in a thousand too high.

        Raises `TooFewSamples` if fewer than `SAMPLES_BEYOND` samples lie beyond it, `BadValue` if percent is not from 0 up
        to, but not including, 100 (the maximum is `max_ns`). O(log buckets).
        """
        if not 0 <= percent < 100:
            raise BadValue(f"a percentile must be from 0 up to 100, without 100 (the maximum is max_ns): {percent}")
        needed = samples_needed(percent)
        if self.count < needed:
            raise TooFewSamples(percent, needed, self.count)
        return self.value_at(percent)

    def value_at(self, percent: float) -> int:
        """As `percentile`, however few the samples: for drawing a distribution, not for quoting."""
        if not self.counts:
            raise TooFewSamples(percent, 1, 0)
        rank = max(1, math.ceil(math.nextafter(percent, -math.inf) * self.count / 100))
        i = int(np.searchsorted(self._running, min(rank, self.count)))
        return min(self.counts[i][0], self.max_ns)

    def percentile_or_none(self, percent: float) -> int | None:
        """The percentile, or None where it would be refused."""
        return self.percentile(percent) if self.count >= samples_needed(percent) else None

    def _hdr(self) -> Any:
        """The same counts as an object of the package hdrhistogram."""
        try:
            from hdrh.histogram import HdrHistogram
        except ImportError:
            raise MissingTool("writing .hgrm and .hlog needs hdrhistogram: pip install 'gomap[lab]'") from None
        h = HdrHistogram(1, max(HIGHEST_NS, 2 * self.max_ns), DIGITS)
        for value, n in self.counts:
            h.record_value(value, n)
        return h

    def write_hgrm(self, file: IO[bytes], unit_ns: float = 1000.0) -> None:
        """Writes the percentile distribution in HdrHistogram's text format, values divided by `unit_ns` (microseconds)."""
        self._hdr().output_percentile_distribution(file, unit_ns)

    def encoded(self) -> str:
        """The counts as HdrHistogram's compressed V2 encoding in base64, as a line of an .hlog has them."""
        text: str = self._hdr().encode().decode("ascii")
        return text

    @classmethod
    def merged(cls, histograms: Sequence[Histogram]) -> Histogram:
        """One histogram of all samples."""
        full = [h for h in histograms if h.count]
        sums: dict[int, int] = {}
        for value, n in itertools.chain.from_iterable(h.counts for h in full):
            sums[value] = sums.get(value, 0) + n
        total = sum(h.count for h in full)
        return cls(
            count=total,
            min_ns=min((h.min_ns for h in full), default=0),
            mean_ns=sum(h.mean_ns * h.count for h in full) / total if total else 0.0,
            max_ns=max((h.max_ns for h in full), default=0),
            counts=tuple(sorted(sums.items())),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "min_ns": self.min_ns,
            "mean_ns": self.mean_ns,
            "max_ns": self.max_ns,
            "counts": [list(pair) for pair in self.counts],
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Histogram:
        counts = tuple((int(v), int(n)) for v, n in d["counts"])
        return cls(int(d["count"]), int(d["min_ns"]), float(d["mean_ns"]), int(d["max_ns"]), counts)

    @classmethod
    def from_core(cls, h: Any) -> Histogram:
        """A gm_hist of the core."""
        n = lib.gm_hist_counts(h, ffi.NULL, ffi.NULL, 0)
        values, counts = ffi.new("uint64_t[]", n), ffi.new("uint64_t[]", n)
        lib.gm_hist_counts(h, values, counts, n)
        return cls(
            count=int(lib.gm_hist_total(h)),
            min_ns=int(lib.gm_hist_min(h)),
            mean_ns=float(lib.gm_hist_mean(h)),
            max_ns=int(lib.gm_hist_max(h)),
            counts=tuple(zip(ffi.unpack(values, n), ffi.unpack(counts, n), strict=True)),
        )


def write_hlog(file: IO[str], histograms: Sequence[tuple[str, Histogram]], start_s: float, length_s: float) -> None:
    """Writes an HdrHistogram log (version 1.3): one tagged line for each (tag, histogram), all of one interval.

    start_s: since the epoch; length_s: of the interval. Maxima are in milliseconds, counts in nanoseconds.
    """
    file.write("#[Histogram log format version 1.3]\n")
    file.write(f"#[StartTime: {start_s:.3f} (seconds since epoch)]\n")
    file.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')
    for tag, h in histograms:
        file.write(f"Tag={tag},0.000,{length_s:.3f},{h.max_ns / 1e6:.3f},{h.encoded()}\n")

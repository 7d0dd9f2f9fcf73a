"""C2.12-key-straddle: [9]byte keys miss the cache four times as often as int64."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import batch_ns, gets
from gomap.claims.verdict import PAIRS_ASKED, Finding, Number, Sweep, bars, median_interval
from gomap.claims.walk import HEADER_LINES, full, shape, straddling
from gomap.lab.compare import Ratio
from gomap.map import Map


@claim
def key_straddle() -> Claim:
    return Claim(
        id="C2.12-key-straddle",
        title="[9]byte keys miss the cache four times as often as int64",
        section="2.3, perf table",
        statement=(
            "Keys that straddle a cache line cost more misses: int64 keys 1.2 % cache-misses and 0.8 % L1 load "
            "misses, [9]byte keys 4.7 % and 3.9 %, in 10 million accesses."
        ),
        article_number="1.2 % / 4.7 %; 0.8 % / 3.9 %",
        go_words="effect real, cause wrong",
        real_go=(
            "One [9]byte key in eight straddles a line (12.5 %), an int64 never. But [9]byte also leaves the fast "
            "path for the generic mapaccess1, with a byte hash and a call of memequal (runtime/map_noswiss.go; the "
            "compiler chooses in cmd/compile/internal/walk: mapfast). A [16]byte key takes the same path and "
            "straddles twice as often (25 %), yet is faster."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "1,000 entries: int64 21.0 ns, [9]byte 33.6, [12]byte 33.3, [16]byte 27.5; Swiss 9.4, 27.8, 34.8, "
                "18.0 (G7). Path and key width explain the gap, not alignment. Miss counts cannot be had here."
            ),
            holds="[9]byte keys are slower than int64.",
        ),
        prediction=(
            "int64 through the generic path already shows most of the gap; padding [9]byte to 16 removes less than half of it."
        ),
        knob="key; key_stride (natural, padded to 16); bucket alignment 0 to 63",
        settings=(
            Setting("u64", go=True),
            Setting("u64 through the generic path"),
            Setting("b9", article=True),
            Setting("b9 padded to 16"),
            Setting("b12"),
            Setting("b16"),
        ),
        workload=(
            "Key width crossed with path, at sizes in L1, L2, L3 and beyond. A simulated cache stands in for "
            "hardware counters and is called so."
        ),
        measured=(
            Quantity("get", "ns"),
            Quantity("lines touched a get", ""),
            Quantity("simulated L1 and last-level misses", "%"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if padding b9 to 16 on the same path removes more than half of the gap between b9 and "
                "u64; refuted if u64 through the generic path already shows most of it."
            ),
        ),
        remedy=("R5",),
    )


class _Keys(NamedTuple):
    """A kind of key, and the knobs of its map. All take the same build of the paths."""

    kind: str
    knobs: Mapping[str, Any]


_KEYS = {
    "u64": _Keys("int64", {"paths": "knobs"}),
    "u64 through the generic path": _Keys("int64", {"key_path": "generic"}),
    "b9": _Keys("bytes9", {"paths": "knobs"}),
    "b9 padded to 16": _Keys("bytes9", {"key_stride": "16"}),
    "b9 padded to 16, aligned": _Keys("bytes9", {"key_stride": "aligned 16"}),
    "b12": _Keys("bytes12", {"paths": "knobs"}),
    "b16": _Keys("bytes16", {"paths": "knobs"}),
    "b16 aligned": _Keys("bytes16", {"key_stride": "aligned 16"}),
}
"""Padding alone does not keep a key from lying in two lines: keys begin 8 bytes behind a multiple of 16. Aligned, none does."""
_U64, _GENERIC, _B9, _PADDED, _ALIGNED, _, _B16, _ = _KEYS
_MOST = 0.5
_WIDTH = (
    " Neither makes half of it: the rest goes with the width, that is with hashing and comparing bytes instead of one word."
)
_SIZE, _ASKED = 1_000, 10_000


@key_straddle.model
def width_and_path(ctx: Context) -> Finding:
    """Gets by key, interleaved; and by a walk, how many keys lie in two lines and how many lines a hit touches."""
    return _compare(ctx, _KEYS)


def _compare(ctx: Context, keys: Mapping[str, _Keys]) -> Finding:
    """All gets of a batch in one call, on keys that lie in memory. The engine makes each key just before its get; what it takes
    to read a key of 9 bytes in other pieces than those just written is no part of a get."""
    repeats = ctx.scale.pick(test=5, quick=21, full=51)
    sizes = {"": _SIZE} if ctx.scale.name == "test" else {"": _SIZE, ", large": full(13)}

    def measure(k: _Keys, seed: int) -> dict[str, float]:
        return {f"get{where}": _get_ns(k, n, repeats, seed) for where, n in sizes.items()}

    by_key = ctx.sweep([*keys.values()], measure, ctx.scale.pairs, names=[*keys])
    walked = {name: _walk(k) for name, k in keys.items()}
    return _judged(by_key, ctx.scale.reduced, walked).with_(
        series=tuple(
            bars(f"Get by key{where}", "ns", {name: by_key.of(i, f"get{where}") for i, name in enumerate(keys)})
            for where in sizes
        ),
        settings=tuple(keys),
        workload=gets(_SIZE, _ASKED * repeats, key=keys[_B9].kind, knobs=keys[_B9].knobs),
    )


def _filled(k: _Keys, size: int, seed: int) -> Map:
    m = Map(k.kind, seed=seed % 2**63, hint=size, knobs=k.knobs)
    numbers = np.arange(size)
    m.assign_many(_content(k.kind, numbers), numbers)
    return m


def _get_ns(k: _Keys, size: int, repeats: int, seed: int) -> float:
    asked = np.random.default_rng(seed).integers(0, size, _ASKED)
    return batch_ns(_filled(k, size, seed), _content(k.kind, asked), repeats)


def _share_of_gap(ns: Mapping[str, np.ndarray], slower: str, faster: str) -> Ratio:
    """What part of the gap between b9 and u64 lies between two settings. Each round is one sample: its runs had the same
    weather."""
    gap = np.maximum(ns[_B9] - ns[_U64], 1e-3)
    return median_interval(list((ns[slower] - ns[faster]) / gap))


def _judged(by_key: Sweep, reduced: str, walked: Mapping[str, tuple[float, float]]) -> Finding:
    """By the criterion: the part of the gap that padding removes, aligned, so that no key lies in two lines; and the part that
    the path makes for keys of eight bytes, of which none ever did. walked: what `_walk` gives, by setting."""
    ns = {name: np.array(by_key.of(i)) for i, name in enumerate(by_key.settings)}
    median = {name: statistics.median(values) for name, values in ns.items()}
    path, padded, aligned = (_share_of_gap(ns, *two) for two in ((_GENERIC, _U64), (_B9, _PADDED), (_B9, _ALIGNED)))
    rounds = len(by_key.samples[0])
    gap = median[_B9] - median[_U64]
    return Finding(
        _verdict(path, aligned, rounds >= PAIRS_ASKED or bool(reduced)),
        f"Of the gap of {gap:.3g} ns between [9]byte and int64 the generic path alone makes {_told(path)}; padding to 16 bytes "
        f"removes {_told(padded)}, and where no key lies in two lines any more, {_told(aligned)}. Of [9]byte keys "
        f"{walked[_B9][0]:.1%} do, padded {walked[_PADDED][0]:.1%}, aligned {walked[_ALIGNED][0]:.1%}; of [16]byte keys "
        f"{walked[_B16][0]:.1%}, and these take {median[_B16] / median[_B9]:.2f} times as long as [9]byte"
        f"{f' ({rounds} rounds: {reduced})' if reduced else ''}.{_WIDTH if path.high < _MOST and aligned.high < _MOST else ''}",
        numbers=(
            Number.of_ratio("share of the gap that the path makes", path, ""),
            Number.of_ratio("share of the gap that padding removes", padded, ""),
            Number.of_ratio("share of the gap that padding and alignment remove", aligned, ""),
            *(Number(f"get, {name}", value, "ns") for name, value in median.items()),
            *(Number(f"keys in two lines, {name}", 100 * part, "%") for name, (part, _) in walked.items()),
            *(Number(f"lines touched a hit, {name}", lines) for name, (_, lines) in walked.items()),
        ),
    )


def _told(share: Ratio) -> str:
    return f"{share.ratio:.0%} ({share.low:.0%} to {share.high:.0%})"


def _verdict(path: Ratio, removed: Ratio, enough: bool) -> str:
    """Most by the path, and most by straddling, cannot both be: then something is wrong with the gap."""
    by_path, by_lines = path.low > _MOST, removed.low > _MOST
    if not enough or by_path == by_lines:
        return UNDECIDED
    return REFUTED if by_path else CONFIRMED


def _walk(keys: _Keys) -> tuple[float, float]:
    """The share of keys in two lines, and lines touched a hit with the header's, of a map of a thousand buckets."""
    m = _filled(keys, full(10), 1)
    return straddling(m), shape(m).hit_lines + HEADER_LINES


def _content(kind: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Numbers as keys of a kind: 8 bytes, or with zeros behind them."""
    if not kind.startswith("bytes"):
        return numbers
    keys = np.zeros((len(numbers), int(kind[5:])), np.uint8)
    keys[:, :8] = numbers.astype("<i8").view(np.uint8).reshape(-1, 8)
    return keys

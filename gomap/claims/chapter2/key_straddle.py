"""C2.12-key-straddle: [9]byte keys miss the cache four times as often as int64."""

from __future__ import annotations

import statistics

import numpy as np

from gomap.claims.claim import REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import gets, ns_each
from gomap.claims.verdict import PAIRS_ASKED, Finding, Number, Sweep, bars, median_interval
from gomap.claims.walk import full, shape, straddling
from gomap.lab.compare import Ratio
from gomap.lab.workload import Workload
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


_KINDS = {"u64": "int64", "u64 through the generic path": "float64", "b9": "bytes9", "b12": "bytes12", "b16": "bytes16"}
"""Settings by key kind. A float64 has the eight bytes of an int64 and takes the generic path."""
_MOST = 0.5
_SIZE = 1_000


@key_straddle.model
def width_and_path(ctx: Context) -> Finding:
    """Gets by key kind, interleaved; and by a walk, how many keys lie in two lines and how many lines a hit touches."""
    return _compare(ctx, dict(_KINDS))


def _compare(ctx: Context, kinds: dict[str, str]) -> Finding:
    ops = ctx.scale.pick(test=100_000, quick=400_000, full=2_000_000)
    sizes = {"": _SIZE} if ctx.scale.name == "test" else {"": _SIZE, ", large": full(13)}

    def measure(w: Workload, seed: int) -> dict[str, float]:
        return {f"get{where}": ns_each(ctx.run(w.with_(size=n, hint=n), seed)) for where, n in sizes.items()}

    workloads = [gets(_SIZE, ops, key=kind) for kind in kinds.values()]
    by_kind = ctx.sweep(workloads, measure, ctx.scale.pairs, names=[*kinds])
    return _judged(by_kind, ctx.scale.reduced).with_(
        series=tuple(
            bars(f"Get by key{where}", "ns", {name: by_kind.of(i, f"get{where}") for i, name in enumerate(kinds)})
            for where in sizes
        ),
        settings=tuple(kinds),
        workload=workloads[2],
    )


def _share_by_path(by_kind: Sweep) -> Ratio:
    """Which share of the gap between b9 and u64 is there without a key that straddles: u64 by the generic path. Each round is
    one sample: its three runs had the same weather."""
    u64, generic, b9 = (np.array(by_kind.of(i)) for i in range(3))
    return median_interval(list((generic - u64) / np.maximum(b9 - u64, 1e-3)))


def _judged(by_kind: Sweep, reduced: str) -> Finding:
    """Most of the gap without a straddling key refutes the claim. To confirm it, keys of nine bytes in cells of sixteen would
    have to be built."""
    share = _share_by_path(by_kind)
    ns = {name: statistics.median(by_kind.of(i)) for i, name in enumerate(by_kind.settings)}
    rounds = len(by_kind.samples[0])
    enough = rounds >= PAIRS_ASKED or reduced
    walked = {name: _walk(kind) for name, kind in _KINDS.items()}
    verdict = REFUTED if share.low > _MOST and enough else UNDECIDED
    missing = "" if verdict == REFUTED else " To tell more, keys padded to a stride (key_stride) are missing."
    return Finding(
        verdict,
        f"Eight bytes through the generic path, of which none straddles, show {share.ratio:.0%} ({share.low:.0%} to "
        f"{share.high:.0%}) of the gap of {ns['b9'] - ns['u64']:.3g} ns between [9]byte and int64; of [9]byte keys "
        f"{walked['b9'][0]:.1%} straddle, of [16]byte keys {walked['b16'][0]:.1%}, and these take "
        f"{ns['b16'] / ns['b9']:.2f} times as long{f' ({rounds} rounds: {reduced})' if reduced else ''}.{missing}",
        numbers=(
            Number.of_ratio("share of the gap that the path makes", share, ""),
            *(Number(f"get, {name}", value, "ns") for name, value in ns.items()),
            *(Number(f"keys in two lines, {name}", 100 * part, "%") for name, (part, _) in walked.items()),
            *(Number(f"lines touched a hit, {name}", lines) for name, (_, lines) in walked.items()),
        ),
    )


def _walk(kind: str) -> tuple[float, float]:
    """The share of keys in two lines, and lines touched a hit, of a map of a thousand buckets."""
    m = Map(kind, seed=1, hint=full(10))
    keys = np.arange(full(10))
    m.assign_many(_content(kind, keys), keys)
    return straddling(m), shape(m).hit_lines


def _content(kind: str, keys: np.ndarray) -> object:
    """Numbers as keys of a kind."""
    if not kind.startswith("bytes"):
        return keys.astype(kind)
    n = int(kind[5:])
    return [int(k).to_bytes(n, "little") for k in keys]

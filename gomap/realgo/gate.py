"""`gomap verify gate`: whether the model may speak for Go. No result of a knob counts until this holds.

    structure   14 doublings for 65,536 inserts; growth at 6.5 * 2^B + 1 entries; at that load 20.8 % (+-0.5) of the buckets
                have an overflow bucket and a hit looks at 4.25 (+-0.05) slots; while a map grows a write moves two buckets
    time        a hit and a miss take the same time as in Go, within 25 %, at four sizes

The structure is taken from the model and, where a toolchain is there, from real Go; both must have it. For time the model
runs in the configuration that mimics Go: gets that look at one cell after the other (GM_SEARCH_SCALAR), one call a key. Both
sides get the same keys and ask for them in the same order, one after the other on the same CPU, alternated; what counts is
the median of the rounds' ratios, and its interval. What the model does better elsewhere (vector search, one call for all
keys) stands beside it.

    G1  A ratio is never made of two different hit counts: both sides must have found as many keys as there were.
    G2  Go's collector is off, and its map presized as the model's is: no growth and no collection falls into a timing.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap._console import table
from gomap._core import ffi, lib
from gomap.errors import GoFailed, GoUnavailable, ensure
from gomap.lab.compare import Ratio, bootstrap_ratio
from gomap.lab.machine import allowed_cpus
from gomap.realgo.child import Child
from gomap.realgo.live import describe
from gomap.realgo.oracle import Oracle
from gomap.realgo.scenarios import descend_plan, write_commands
from gomap.realgo.toolchain import build_go, find_go
from gomap.verify import VectorMap

__all__ = ["SIZES", "Structure", "TimeRow", "gate_command", "go_structure", "model_structure", "structure_rows", "time_rows"]

Json = dict[str, Any]
Keys = npt.NDArray[np.int64]

SIZES = (1_000, 100_000, 1_000_000, 10_000_000)
TOLERANCE = 0.25
_INSERTS = 65_536
_LOADED_B = 14
_LOADED_MAPS = 8
_LEAST_ASKED, _MOST_ASKED = 1 << 18, 1 << 21
_PAIRS = 21
_PAIRS_OF_SMALL = 41  # a round of so few keys takes some milliseconds: a disturbance as long spoils it


# ------------------------------------------------------------------ structure


@dataclass(frozen=True)
class Structure:
    """Figures of one side. `grew_at`: entries at the insert that started each doubling. `overflow_share`: of buckets at load
    6.5 that have an overflow bucket. `slots_per_hit`: cells looked at. `moved`: buckets evacuated by each of the writes to old
    buckets that were still whole."""

    grew_at: tuple[int, ...]
    overflow_share: float
    slots_per_hit: float
    moved: tuple[int, ...]


def _operand(i: int) -> str:
    return "=" + i.to_bytes(8, "little").hex()


def _grew_at(lines: Iterator[Json]) -> tuple[int, ...]:
    found, B = [], 0
    for line in lines:
        if "r" in line and line["r"][2] != B:
            B = line["r"][2]
            found.append(line["r"][0])
    return tuple(found)


def _moved(lines: Iterator[Json], old_buckets: int) -> tuple[int, ...]:
    """Of the writes from the last old bucket down, until they are about to meet what goes up from the first. That is sooner by
    the old buckets without a key, which no write goes to: some six of 4,096 at this load, seldom more than a dozen."""
    counts = [len(line.get("evac", ())) for line in lines if line.get("op") == "set" and "grow" not in line]
    return tuple(counts[: old_buckets // 2 - 64])


def _load_figures(states: Sequence[Json]) -> tuple[float, float]:
    buckets = over = entries = slots = 0
    for state in states:
        for chain in state["buckets"]:
            buckets += 1
            over += len(chain) > 1
            tops = b"".join(bytes.fromhex(b["t"]) for b in chain)
            places = [i + 1 for i, top in enumerate(tops) if top >= 5]
            entries += len(places)
            slots += sum(places)
    return over / buckets, slots / entries


_INSERT = [f"s {_operand(i)} {_operand(i)}" for i in range(_INSERTS)]
_FULL = 13 << (_LOADED_B - 1)  # 6.5 entries a bucket


def go_structure(oracle: Oracle) -> Structure:
    """The structure of real maps, from what an oracle with the fallback hash tells of them. Some seconds."""
    oracle.open("i64", "i64", -1, every=0)
    grew_at = _grew_at(oracle.run(_INSERT))
    states = []
    for _ in range(_LOADED_MAPS):
        oracle.open("i64", "zero", _FULL, every=0)
        states += [line["state"] for line in oracle.run([f"f 0 {_FULL}", "K"]) if "state" in line]
    plan = descend_plan("i64")
    model = VectorMap(oracle.open(plan.key, plan.elem, plan.hint, every=0), "memhash")
    commands = write_commands(plan, random.Random(0), lambda key: model.hash(key, model.header().hash0))
    moved = _moved(oracle.run(commands), 1 << model.header().B)
    return Structure(grew_at, *_load_figures(states), moved)


def model_structure() -> Structure:
    """The structure of the model's maps, with random seeds. Some seconds."""
    m = _random_map("i64", -1)
    grew_at = _grew_at(_model_lines(m, _INSERT))
    states = []
    for _ in range(_LOADED_MAPS):
        loaded = _random_map("zero", _FULL)
        loaded.fill(0, _FULL)
        states.append(loaded.state())
    plan = descend_plan("i64")
    m = _random_map(plan.elem, plan.hint)
    seed = m.header().hash0
    old_buckets = 1 << m.header().B
    commands = write_commands(plan, random.Random(0), lambda key: m.hash(key, seed))
    return Structure(grew_at, *_load_figures(states), _moved(_model_lines(m, commands, evacuations=True), old_buckets))


def _random_map(elem: str, hint: int) -> VectorMap:
    head = {"key": "i64", "elem": elem, "hint": hint, "hash0": secrets.randbits(32), "aeskeysched": secrets.token_hex(128)}
    return VectorMap(head, "aes")


def _model_lines(m: VectorMap, commands: Sequence[str], *, evacuations: bool = False) -> Iterator[Json]:
    """What the oracle would write of these operations, as far as the gate looks at it."""
    for command in commands:
        what, *operands = command.split()
        before = m.evacuated() if evacuations and m.header().growing else []
        if what == "f":
            m.fill(int(operands[0]), int(operands[1]))
            continue
        contents = [bytes.fromhex(o[1:]) for o in operands]
        if what == "s":
            m.assign(contents[0], contents[1])
        elif what == "d":
            m.delete(contents[0])
        line: Json = {"op": "set" if what == "s" else what, "r": m.registers()}
        if before:
            line["evac"] = [i for i, (a, b) in enumerate(zip(before, m.evacuated(), strict=False)) if b and not a]
        elif evacuations:
            line["grow"] = {}
        yield line


def structure_rows(sides: Sequence[Structure]) -> list[tuple[str, str, list[str], bool]]:
    """Of each criterion its name, what is wanted, what each side has, and whether all have it."""
    at = (9, *(13 * (1 << B) // 2 + 1 for B in range(1, 14)))
    rows = [
        ("doublings for 65,536 inserts", "14", [f"{len(s.grew_at)}" for s in sides], all(len(s.grew_at) == 14 for s in sides)),
        (
            "entries at each growth",
            "9, then 6.5*2^B + 1",
            [f"{sum(a == b for a, b in zip(s.grew_at, at, strict=False))} of {len(at)} so" for s in sides],
            all(s.grew_at == at for s in sides),
        ),
        (
            "buckets with overflow at 6.5",
            "20.8 % (+-0.5)",
            [f"{s.overflow_share:.2%}" for s in sides],
            all(abs(s.overflow_share - 0.208) <= 0.005 for s in sides),
        ),
        (
            "slots per hit at 6.5",
            "4.25 (+-0.05)",
            [f"{s.slots_per_hit:.3f}" for s in sides],
            all(abs(s.slots_per_hit - 4.25) <= 0.05 for s in sides),
        ),
        (
            "buckets moved by a write",
            "2",
            [f"{min(s.moved)} to {max(s.moved)} ({len(s.moved):,} writes)" for s in sides],
            all(set(s.moved) == {2} for s in sides),
        ),
    ]
    return rows


# ------------------------------------------------------------------ time


@dataclass(frozen=True)
class TimeRow:
    """One criterion of time: the medians in nanoseconds a get, the median of the rounds' ratios model to Go with its interval,
    and what the model's other ways take. "pass" if the whole interval is within the tolerance, "FAIL" if none of it is, else
    "undecided": the machine was too busy, or the ratio is at the edge."""

    what: str
    size: int
    model_ns: float
    go_ns: float
    ratio: Ratio
    vector_ns: float
    batch_ns: float

    @property
    def verdict(self) -> str:
        low, high = 1 - TOLERANCE, 1 + TOLERANCE
        if low <= self.ratio.low and self.ratio.high <= high:
            return "pass"
        return "FAIL" if self.ratio.high < low or self.ratio.low > high else "undecided"


class _GoMap:
    """A real map of given keys, in the Go program gate."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def fill(self, keys: Keys) -> None:
        self._give(b"fill", keys)

    def ask(self, keys: Keys) -> None:
        self._give(b"ask", keys)

    def _give(self, command: bytes, keys: Keys) -> None:
        with self._child.limited():
            self._child.send(command + b" %d\n" % len(keys), keys.tobytes())

    def time(self) -> tuple[int, int]:
        """Asks once: nanoseconds and hits."""
        with self._child.limited():
            self._child.send(b"time\n")
            ns, hits = self._child.read_line().split()
        return int(ns), int(hits)


class _ModelMap:
    """A map of the core with given keys and way of search."""

    def __init__(self, keys: Keys, search: int) -> None:
        config = ffi.new("gm_config *")
        config.key_kind, config.key_size, config.elem_kind, config.elem_size = lib.GM_MEM, 8, lib.GM_MEM, 8
        config.hint, config.seed, config.search = len(keys), secrets.randbits(64), search
        handle = ffi.new("gm_map **")
        ensure(lib.gm_map_new(config, handle))
        self.map = ffi.gc(handle[0], lib.gm_map_free)
        elems = np.arange(len(keys))
        done = ffi.new("size_t *")
        from_buffer = ffi.from_buffer
        ensure(lib.gm_map_assign_many(self.map, from_buffer(keys), ffi.NULL, len(keys), from_buffer(elems), ffi.NULL, done))

    def time(self, keys: Keys) -> tuple[int, int]:
        """One call a key: nanoseconds and hits."""
        ns, hits = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        ensure(lib.gm_time_gets(self.map, ffi.from_buffer("uint64_t[]", keys), len(keys), ns, hits))
        return int(ns[0]), int(hits[0])

    def time_batch(self, keys: Keys, elems: Keys) -> tuple[int, int]:
        """One call for all: nanoseconds and hits."""
        done = ffi.new("size_t *")
        arguments = (ffi.from_buffer(keys), ffi.NULL, len(keys), ffi.from_buffer(elems), ffi.NULL, done)
        start = time.perf_counter_ns()
        ensure(lib.gm_map_get_many(self.map, *arguments))
        return time.perf_counter_ns() - start, int(done[0])


def _keys(size: int) -> tuple[Keys, Keys, Keys]:
    """Keys to fill with, keys to hit and keys to miss, each in an order of its own; the same for the same size."""
    rng = np.random.default_rng(size)
    drawn = rng.permutation(2 * size).astype(np.int64) * 7_919 + 11
    present, absent = drawn[:size], drawn[size:]
    asked = min(max(size, _LEAST_ASKED), _MOST_ASKED)
    return present, rng.permutation(np.resize(present, asked)), rng.permutation(np.resize(absent, asked))


@contextmanager
def _one_cpu() -> Iterator[None]:
    """This process, and children started meanwhile, on one CPU, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {allowed_cpus()[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def time_rows(binary: Path, sizes: Sequence[int] = SIZES, pairs: int = _PAIRS) -> Iterator[TimeRow]:
    """Times hit and miss at each size, `pairs` times each (small maps more often), alternated. Raises `GoFailed` if the two
    sides did not find the same."""
    with _one_cpu(), Child(binary, "gate", {"GOMAXPROCS": "1"}) as child:
        go = _GoMap(child)
        for size in sizes:
            present, hits, misses = _keys(size)
            go.fill(present)
            scalar, vector = (_ModelMap(present, search) for search in (lib.GM_SEARCH_SCALAR, lib.GM_SEARCH_VECTOR))
            for what, asked, found in (("hit", hits, len(hits)), ("miss", misses, 0)):
                yield _time_row(go, scalar, vector, what, size, asked, found, pairs)


def _time_row(
    go: _GoMap, scalar: _ModelMap, vector: _ModelMap, what: str, size: int, asked: Keys, found: int, pairs: int
) -> TimeRow:
    go.ask(asked)
    elems = np.zeros(len(asked), np.int64)
    ways: dict[str, Callable[[], tuple[int, int]]] = {
        "go": go.time,
        "scalar": lambda: scalar.time(asked),
        "vector": lambda: vector.time(asked),
        "batch": lambda: vector.time_batch(asked, elems),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    rounds = pairs if len(asked) > _LEAST_ASKED else max(pairs, min(_PAIRS_OF_SMALL, 4 * pairs))
    for _ in range(1 + rounds):
        for name, way in ways.items():
            ns, hits = way()
            if hits != found:
                raise GoFailed(f"{name} found {hits} of {len(asked)} keys where {found} are")
            taken[name].append(ns / len(asked))
    warm = {name: times[1:] for name, times in taken.items()}
    median = {name: float(np.median(times)) for name, times in warm.items()}
    ratio = bootstrap_ratio(np.divide(warm["scalar"], warm["go"]).tolist(), [1.0])  # of rounds: each beside its neighbour
    return TimeRow(what, size, median["scalar"], median["go"], ratio, median["vector"], median["batch"])


# ------------------------------------------------------------------ the command


def gate_command(sizes: Sequence[int] = SIZES, pairs: int = _PAIRS, json_path: str | None = None) -> int:
    """`gomap verify gate`: prints a row for each criterion; 0 if all hold, 1 if one fails or is undecided. Raises
    `GoUnavailable` after the model's structure if there is no toolchain to compare with, and that holds."""
    missing: str | None = None
    sides, times = [model_structure()], list[TimeRow]()
    with ExitStack() as stack:
        try:
            go = find_go()
            _say(describe(go))
            oracle, gate = (build_go(program, "classic", tell=_say) for program in ("oracle", "gate"))
            sides.append(go_structure(stack.enter_context(Oracle(oracle, "fallback"))))
        except GoUnavailable as e:
            missing = str(e)
    rows = structure_rows(sides)
    print(_structure_table(rows, len(sides)), flush=True)
    if missing is None:
        times = list(time_rows(gate, sizes, pairs))
        print(_time_table(times), flush=True)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(_as_json(rows, times, missing), indent=2) + "\n")
    verdicts = Counter([_verdict(ok) for *_, ok in rows] + [row.verdict for row in times])
    if verdicts["FAIL"] or verdicts["undecided"]:
        print(f"FAILED: of {len(rows) + len(times)} rows {verdicts['FAIL']} fail, {verdicts['undecided']} are undecided")
        return 1
    if missing is not None:
        raise GoUnavailable(f"the structure holds, but nothing was compared with real Go: {missing}")
    print(f"ok: {len(rows) + len(times)} rows")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _verdict(ok: bool) -> str:
    return "pass" if ok else "FAIL"


def _structure_table(rows: Sequence[tuple[str, str, list[str], bool]], sides: int) -> str:
    columns = ["structure", "wanted", *("model", "Go")[:sides], "verdict"]
    return table("Structure", columns, [[what, wanted, *values, _verdict(ok)] for what, wanted, values, ok in rows])


def _time_table(rows: Sequence[TimeRow]) -> str:
    title = (
        f"Time of a get, ns: the model as Go does it, within {TOLERANCE:.0%}; beside it the model's own ways, as ratios to Go"
    )
    columns = ["get", "entries", "model", "Go", "model/Go (95 %)", "vector/Go", "batch/Go", "verdict"]
    cells = [
        [
            row.what,
            f"{row.size:,}",
            f"{row.model_ns:.1f}",
            f"{row.go_ns:.1f}",
            str(row.ratio),
            f"{row.vector_ns / row.go_ns:.2f}",
            f"{row.batch_ns / row.go_ns:.2f}",
            row.verdict,
        ]
        for row in rows
    ]
    return table(title, columns, cells)


def _as_json(rows: Sequence[tuple[str, str, list[str], bool]], times: Sequence[TimeRow], missing: str | None) -> Json:
    return {
        "schema": "gomap.gate/1",
        "without_go": missing,
        "structure": [{"what": w, "wanted": wanted, "found": values, "ok": ok} for w, wanted, values, ok in rows],
        "time": [
            {"what": r.what, "size": r.size, "model_ns": r.model_ns, "go_ns": r.go_ns, "ratio": r.ratio.ratio}
            | {"low": r.ratio.low, "high": r.ratio.high, "vector_ns": r.vector_ns, "batch_ns": r.batch_ns, "verdict": r.verdict}
            for r in times
        ],
    }

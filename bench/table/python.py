"""From Python: many keys a call beside what else there is for arrays of keys, one key a call beside a dict, and the import.

Settings take rounds in turn, within this process but for the import. Every setting answers the same questions, and what it
answered is compared before it is timed.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import gomap
from bench.table.aims import BATCHES, PER_KEY, Aim
from bench.table.inputs import draw_keys
from bench.table.lines import Line
from bench.table.programs import Failed, Tell

__all__ = ["LOOPS", "batch_lines", "import_lines", "per_key_lines"]

Ints = npt.NDArray[np.int64]
ASKED, PER_CALL = 1_000_000, 10_000


@dataclass(frozen=True)
class Table:
    """n keys, the i-th one's elem is i, and keys to ask for, with their elems."""

    keys: Ints
    asked: Ints
    elems: Ints


def _table(n: int, asked: int) -> Table:
    rng = np.random.default_rng(1)
    keys = rng.permutation(draw_keys(n, 1))
    order = np.concatenate([rng.permutation(n) for _ in range(-(-asked // n))])[:asked]
    return Table(keys, keys[order], order.astype(np.int64))


# ---------------------------------------------------------------- many keys a call: functions that make one of no arguments

Ask = Callable[[], Any]


def _ours(t: Table, kind: Callable[..., Any]) -> Ask:
    m = kind("int64", "int64", hint=len(t.keys))
    m.assign_many(t.keys, np.arange(len(t.keys)))
    return lambda: m.get_many(t.asked)


def _dict(t: Table) -> Ask:
    d, keys = dict(zip(t.keys.tolist(), range(len(t.keys)), strict=True)), t.asked.tolist()
    return lambda: [d[k] for k in keys]


def _pandas(t: Table) -> Ask:
    index = importlib.import_module("pandas").Index(t.keys)
    return lambda: index.get_indexer(t.asked)


def _hirola(t: Table) -> Ask:
    table = importlib.import_module("hirola").HashTable(int(len(t.keys) * 1.25) + 1, np.int64)
    table.add(t.keys)
    return lambda: table.get(t.asked)


def _polars(t: Table) -> Ask:
    polars = importlib.import_module("polars")
    known = polars.DataFrame({"key": t.keys, "elem": np.arange(len(t.keys))})
    asked = polars.DataFrame({"key": t.asked})
    return lambda: asked.join(known, on="key", how="left", maintain_order="left")["elem"]


_BATCH_PEERS: dict[str, tuple[str, Callable[[Table], Ask]]] = {
    "[d[k] for k in keys]": ("", _dict),
    "pandas get_indexer": ("pandas", _pandas),
    "hirola": ("hirola", _hirola),
    "polars join": ("polars", _polars),
}
"""By name: the module that it needs, and how to ask it."""


def _right(name: str, ask: Ask, t: Table) -> Ask:
    if not np.array_equal(np.asarray(ask()), t.elems):
        raise Failed(f"{name} gave other elems than it was given")
    return ask


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _in_turn(settings: dict[str, Callable[[], object]], repeats: int, operations: int) -> dict[str, tuple[float, ...]]:
    """Nanoseconds per operation of each, in turn, after one turn that does not count."""
    found: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(repeats + 1):
        for name, act in settings.items():
            ns = _seconds(act) * 1e9 / operations
            if turn:
                found[name].append(ns)
    return {name: tuple(samples) for name, samples in found.items()}


def _there(name: str, module: str, missing: dict[str, str]) -> bool:
    try:
        if module:
            importlib.import_module(module)
    except ImportError as e:
        missing[name] = f"{name}: {e} (pip install {module})"
        return False
    return True


def batch_lines(
    *, repeats: int, quick: bool, sizes: tuple[int, ...] | None, tell: Tell, missing: dict[str, str]
) -> Iterator[Line]:
    """`get_many` of an array of keys."""
    asked = 2_000 if quick else ASKED
    there = {name: ask for name, (module, ask) in _BATCH_PEERS.items() if _there(name, module, missing)}
    for n in sizes or tuple(next(iter(BATCHES.values()))):
        tell(f"arrays of {asked:,} keys from Python, {n:,} entries")
        t = _table(n, asked)
        settings = {"Map": _ours(t, gomap.Map), "ConcurrentMap": _ours(t, gomap.ConcurrentMap)}
        settings |= {name: ask(t) for name, ask in there.items()}
        found = _in_turn({name: _right(name, ask, t) for name, ask in settings.items()}, repeats, asked)
        for name in there:
            least = BATCHES[name].get(n)
            yield Line("python", "Map.get_many", n, name, "ns", found["Map"], found[name], least)
        for name in there:
            yield Line("python", "ConcurrentMap.get_many", n, name, "ns", found["ConcurrentMap"], found[name])


# ---------------------------------------------------------------- one key a call


LOOPS = {"m[k]": "for k in keys: m[k]", "k in m": "for k in keys: k in m", "m[k] = v": "for k in keys: m[k] = k"}
"""By row: what is done to a map `m` with all of `keys`, in bytecode of its own as a user's loop is."""


def _loop(row: str, m: Any, keys: list[int]) -> Callable[[], object]:
    timer = timeit.Timer(LOOPS[row], globals={"m": m, "keys": keys})
    return lambda: timer.timeit(1)


def per_key_lines(*, repeats: int, quick: bool, tell: Tell, missing: dict[str, str]) -> Iterator[Line]:
    """One key a call, in a loop of Python's whose own time is in every sample."""
    n = 200 if quick else PER_CALL
    keys = draw_keys(n, 2).tolist()
    maps: dict[str, Any] = {"Map": gomap.Map("int64", "int64"), "ConcurrentMap": gomap.ConcurrentMap("int64", "int64")}
    peers: dict[str, Any] = {"dict": {}}
    if _there("cereggii", "cereggii", missing):
        peers["cereggii"] = importlib.import_module("cereggii").AtomicDict()
    for m in (*maps.values(), *peers.values()):
        _loop("m[k] = v", m, keys)()
        if any(m[k] != k for k in keys):
            raise Failed(f"a {type(m).__name__} gave other elems than it was given")
    for row in LOOPS:
        tell(f"{row}, {n:,} entries")
        able = {name: m for name, m in peers.items() if row != "k in m" or hasattr(m, "__contains__")}
        settings = {name: _loop(row, m, keys) for name, m in (maps | able).items()}
        found = _in_turn(settings, repeats, n)
        for ours in maps:
            for name in able:
                aim = PER_KEY[name] if row == "m[k]" else Aim()
                yield Line("per-key", f"{ours}: {row}", n, name, "ns", found[ours], found[name], aim.least, aim.aim)


# ---------------------------------------------------------------- import

_IMPORT = "import time, numpy; began = time.perf_counter(); import gomap; gomap.Map; print(time.perf_counter() - began)"
_IMPORT_NS = 30e6


def _import_s(cache: str) -> float:
    """One import, in a process of its own, with bytecode kept in a folder: a wheel is compiled when it is installed, and where
    Python is told not to write any, compiling the sources would be most of what is timed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command, environment["PYTHONPYCACHEPREFIX"] = [sys.executable, "-c", _IMPORT], cache
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def import_lines(*, repeats: int, tell: Tell) -> Iterator[Line]:
    """What `import gomap` and the first use of its name take beyond numpy, beside what they may take."""
    tell("import gomap")
    with tempfile.TemporaryDirectory() as cache:
        _import_s(cache)  # compiles
        ours = tuple(_import_s(cache) * 1e9 for _ in range(repeats))
    yield Line("per-key", "import gomap, numpy being there", 0, "30 ms", "ms", ours, (_IMPORT_NS,) * repeats, 1.0)

"""Keys and operations of the native rows, written to files, so that every program works on the same ones in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap.lab.keystreams import KeyStream

__all__ = ["Operations", "Single", "draw_keys", "write_operations", "write_single"]

STRING_BYTES = 16
_KEY_BITS = 54  # so that a key and one bit fit in a word, and an elem can hold its key and eight bits


@dataclass(frozen=True)
class Single:
    """What one thread works on (driver/single.c). `asked_sum`: of the elems of all keys that are asked for."""

    folder: Path
    kind: str
    n: int
    asked: int
    asked_sum: int


@dataclass(frozen=True)
class Operations:
    """What several threads do (driver/shared.c)."""

    folder: Path
    n: int


def draw_keys(count: int, seed: int) -> npt.NDArray[np.int64]:
    """So many different keys, in no order: consecutive numbers through a bijection of 54 bits."""
    mask = np.uint64((1 << _KEY_BITS) - 1)
    x = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 40)
    for _ in range(2):  # an odd multiplier, a xor-shift
        x = (x * np.uint64(0x9E3779B97F4A7C15)) & mask
        x ^= x >> np.uint64(27)
    return x.astype(np.int64)


def _put(folder: Path, name: str, values: npt.NDArray[Any]) -> None:
    values.tofile(folder / name)


def _strings(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Sixteen bytes a key: its hexadecimal digits."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    shifts = np.arange(60, -1, -4, dtype=np.uint64)
    return digits[(keys.astype(np.uint64)[:, None] >> shifts) & np.uint64(15)]


def write_single(folder: Path, kind: str, n: int, asked: int, seed: int = 1) -> Single:
    """n keys that are there and `asked` operations: the keys in an order of their own, another one when all had their turn."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    keys = draw_keys(n + asked, seed)
    rng.shuffle(keys)
    order = np.concatenate([rng.permutation(n) for _ in range(-(-asked // n))])[:asked]
    form = _strings if kind == "string" else np.asarray
    _put(folder, "present", form(keys[:n]))
    _put(folder, "asked", form(keys[:n][order]))
    _put(folder, "absent", form(keys[n:]))
    _put(folder, "elems", order.astype(np.int64))
    return Single(folder, kind, n, asked, int(order.sum()))


def write_operations(
    folder: Path, n: int, length: int, assign_percent: int, keys: KeyStream, among: int, seed: int = 1
) -> Operations:
    """n keys and two threads' operations, `length` each (a power of two), on the first `among` of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    all_keys = draw_keys(n, seed)
    rng.shuffle(all_keys)
    _put(folder, "keys", all_keys)
    for thread in range(2):
        drawn = all_keys[keys.draw(length, among, seed + thread)]
        assigns = rng.random(length) < assign_percent / 100
        _put(folder, f"stream.{thread}", drawn << 1 | assigns)
    return Operations(folder, n)

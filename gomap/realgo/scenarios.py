"""Random operation sequences for the live check, in the commands of the Go program oracle.

A scenario is one map: its kinds, its hint, and phases of operations that follow each other on the same keys. What the
phases are for:

    mixed    everything at once on few keys: overwriting, deleting what is not there, iterators between them
    grow     new keys only, through one growth after the other
    churn    a window of keys that moves: same number, other keys
    drain    delete all, in any order: the last one draws a new seed
    sparse   fill one bucket after the other beyond its eight cells and empty it again: chains without entries, which is
             what makes a map grow to its own size
    clash    keys of one bucket and one top byte: long chains, tophash hits that are not the key
    special  NaN, infinity and both zeros, for float64 keys

Two scenarios are unlike the others. `crowd` gives each bucket a ninth key and takes some away again, so that the map grows to
its own size while it is nearly full: it goes over the load limit before that growth is over, with iterators that began before
it, and NaNs. `descend` fills a map of 4,096 buckets, lets it grow and then writes to its old buckets from the last one down,
while Go evacuates them from the first one up. Where the two meet there are more evacuated buckets in a row than nevacuate may
skip at once.

Sizes are drawn too, mostly small: a mistake shows on a map of forty entries as well as on one of forty thousand, sooner
and in fewer operations. The larger ones are for what needs size: several growths, the reserve of overflow buckets.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["COMBINATIONS", "Plan", "descend_plan", "draw_plan", "write_commands"]

COMBINATIONS = (
    *("i64 i64", "i64 zero", "i64 ptr", "i64 str", "i64 s136", "i32 i64", "i32 ptr", "u32 zero", "u32 i64", "i16 ptr"),
    *("f64 i64", "f64 ptr", "b9 i64", "b9 zero", "b9 ptr", "b9 s136", "str i64", "str zero", "str str", "str ptr", "str s136"),
    *("s136 i64", "s136 s136"),
)
"""Kinds of key and elem, as the recorded vectors have them."""

_HINTS = (-1, -1, -1, 0, 1, 8, 9, 13, 14, 26, 27, 52, 104, 105, 208, 209, 416, 1000, 3000)
_ITERATORS = 4
_JUST_GROWING = frozenset((13 << i) + 1 for i in range(1, 12))  # so many entries start a growth, if there are 2 buckets or more
_DESCEND_B = 12
_DESCEND_ENTRIES = 13 * 2 ** (_DESCEND_B - 1)  # as many as 2^B buckets take before they grow
_DESCEND_OPS = 2**_DESCEND_B - 1000
_CROWD_B = (5, 6)
_NAN = 0x7FF8000000000001
_MIX = 0xBF58476D1CE4E5B9
_M64 = 2**64 - 1


@dataclass(frozen=True)
class Plan:
    """What is known of a scenario before its map exists. `ops`: about how many operations; `universe`: of how many keys;
    `every`: digests with each n-th operation; `descend`, `crowd`: the scenarios of these names."""

    key: str
    elem: str
    hint: int
    ops: int
    universe: int
    every: int
    descend: bool = False
    crowd: bool = False


def draw_plan(rng: random.Random, kinds: str, most_ops: int) -> Plan:
    """A plan of at most `most_ops` operations. `kinds`: of key and elem, as in `COMBINATIONS`; a `descend` has its own."""
    if most_ops >= _DESCEND_OPS and rng.randrange(100) == 0:
        return descend_plan(rng.choice(("i64", "zero")))
    key, elem = kinds.split()
    if key in ("i64", "f64", "str") and most_ops >= 20 << max(_CROWD_B) and rng.randrange(12) == 0:
        return crowd_plan(key, elem, rng.choice(_CROWD_B))
    low, high, universe, every = rng.choices(
        [(20, 400, 60, 1), (400, 3000, 1200, 16), (4000, 16000, 7000, 256)], weights=[70, 24, 6]
    )[0]
    ops = min(rng.randint(low, high), most_ops)
    return Plan(key, elem, rng.choice(_HINTS), ops, rng.randint(4, universe), every)


def descend_plan(elem: str) -> Plan:
    """The plan of `descend`, for elems "i64" or "zero"."""
    return Plan("i64", elem, _DESCEND_ENTRIES, _DESCEND_OPS, 0, 256, descend=True)


def crowd_plan(key: str, elem: str, B: int) -> Plan:
    """The plan of `crowd` on 2^B buckets."""
    return Plan(key, elem, 13 << (B - 1), 20 << B, 1 << B, 4, crowd=True)


def _key_maker(kind: str, rng: random.Random) -> Callable[[int], bytes]:
    """An injective map from numbers to keys, of a random style."""
    salt, style = rng.getrandbits(64), rng.randrange(4)
    if kind in ("i64", "s136", "b9"):
        shapes: list[Callable[[int], int]] = [lambda i: i, lambda i: -i, lambda i: i << 40, lambda i: (i + salt) * _MIX]
        number = shapes[style]
        tail = b"" if kind != "b9" else bytes([salt & 255])
        return lambda i: (number(i) & _M64).to_bytes(8, "little") + tail
    if kind in ("i32", "u32"):
        return lambda i: ((i * (2654435761 if style else 1) + salt) & 0xFFFFFFFF).to_bytes(4, "little")
    if kind == "i16":
        return lambda i: (i & 0xFFFF).to_bytes(2, "little")
    if kind == "f64":
        return lambda i: struct.pack("<d", (i - 3) * 0.25)
    return lambda i: _string(i, style, salt)


def _string(i: int, style: int, salt: int) -> bytes:
    """Key 0 is empty; lengths reach over all forms of the hash (16, 32, 64, 128), some strings are long."""
    if i == 0:
        return b""
    text = f"{i:x}".encode()
    length = ((i ^ salt) * _MIX & _M64) >> 40
    return text + b"." * ((0, length % 17, length % 70, length % 300)[style])


class _Writer:
    """Writes one scenario's commands, and knows which keys are in the map after them."""

    def __init__(self, plan: Plan, rng: random.Random, hash_of: Callable[[bytes], int]) -> None:
        self.plan, self.rng, self.hash_of = plan, rng, hash_of
        self.key = _key_maker(plan.key, rng)
        self.commands: list[str] = []
        self.live: list[int] = []
        self._at: dict[int, int] = {}
        self.fresh = 0  # keys from here on were never used
        self.elems = 0
        self.iterate_per_mille = rng.choice((0, 20, 100))

    # -- single operations

    def _operand(self, i: int) -> str:
        return "=" + self.key(i).hex()

    def _elem(self) -> str:
        self.elems += 1
        kind, n = self.plan.elem, self.elems
        if kind == "zero" or (kind == "str" and n % 11 == 0):
            return "="
        if kind == "ptr" and n % 13 == 0:
            return "-"
        return "=" + (f"v{n}".encode() * (n % 5 + 1) if kind == "str" else n.to_bytes(8, "little")).hex()

    def set(self, i: int) -> None:
        self.commands.append(f"s {self._operand(i)} {self._elem()}")
        if i not in self._at:
            self._at[i] = len(self.live)
            self.live.append(i)
        self._maybe_iterate()

    def set_fresh(self) -> None:
        self.set(self.fresh)
        self.fresh += 1

    def set_nan(self) -> None:
        self.commands.append(f"s ={_NAN.to_bytes(8, 'little').hex()} {self._elem()}")

    def delete(self, i: int) -> None:
        self.commands.append(f"d {self._operand(i)}")
        at = self._at.pop(i, None)
        if at is not None:
            last = self.live.pop()
            if last != i:
                self.live[at] = last
                self._at[last] = at
        self._maybe_iterate()

    def get(self, i: int) -> None:
        self.commands.append(f"g {self._operand(i)}")

    def clear(self) -> None:
        self.commands.append("c")
        self.live.clear()
        self._at.clear()

    def _maybe_iterate(self) -> None:
        if self.rng.randrange(1000) >= self.iterate_per_mille:
            return
        what = self.rng.randrange(20)
        if what == 0 and len(self.live) < 2000:
            self.commands.append("a")
        elif what < 4:
            self.commands.append(f"i {self.rng.randrange(_ITERATORS)}")
        else:
            self.commands += [f"n {self.rng.randrange(_ITERATORS)}"] * self.rng.randint(1, 4)

    # -- phases; each of about `n` operations

    def mixed(self, n: int) -> None:
        rng, universe = self.rng, self.plan.universe
        setting, deleting = rng.choice(((50, 25), (40, 45), (70, 10)))
        for _ in range(n):
            i, what = rng.randrange(universe), rng.randrange(100)
            if what < setting:
                self.set(i)
            elif what < setting + deleting:
                self.delete(i)
            else:
                self.get(i)
            if rng.randrange(2000) == 0:
                self.clear()
        self.fresh = max(self.fresh, universe)

    def grow(self, n: int) -> None:
        for _ in range(min(n, self.plan.universe)):
            self.set_fresh()
            if len(self.live) in _JUST_GROWING and self.rng.randrange(6) == 0:
                self.clear()

    def churn(self, n: int) -> None:
        for _ in range(n // 3):
            self.set_fresh()
            if self.live and (len(self.live) > self.plan.universe or self.rng.random() < 0.8):
                self.delete(self.rng.choice(self.live))
            if self.live:
                self.get(self.rng.choice(self.live))

    def drain(self, n: int) -> None:
        going = self.rng.sample(self.live, min(n, len(self.live)))
        for i in going:
            self.delete(i)

    def sparse(self, n: int) -> None:
        end = len(self.commands) + n
        B = self.rng.randint(0, 5)
        keep = self.rng.choice((0, 1, 5))
        usual, self.iterate_per_mille = self.iterate_per_mille, self.rng.choice((0, 400))
        for bucket in range(1 << B):
            chosen = self._with_hash(self.rng.randint(9, 18), (1 << B) - 1, bucket)
            for i in chosen:
                self.set(i)
            for i in chosen[keep:]:
                self.delete(i)
            if self.plan.key == "f64":
                self.special(1)
            if len(self.commands) > end:
                break
        self.iterate_per_mille = usual

    def clash(self, n: int) -> None:
        bits = self.rng.randrange(4)
        top = self.rng.choice((0, 4, 5, 9, self.rng.randrange(256)))
        mask = 0xFF << 56 | ((1 << bits) - 1)
        chosen = self._with_hash(min(n // 2, 14), mask, top << 56)
        for i in chosen:
            self.set(i)
        for i in self.rng.sample(chosen, len(chosen) // 2):
            self.delete(i)
            self.get(self.rng.choice(chosen))

    def special(self, n: int) -> None:
        patterns = [_NAN, 0xFFF8000000000000, 0x7FF0000000000001, 0, 1 << 63, 0x7FF0000000000000]
        for _ in range(min(n, 200)):
            operand = "=" + self.rng.choice(patterns).to_bytes(8, "little").hex()
            what = self.rng.choice(("s", "s", "d", "g"))
            self.commands.append(f"{what} {operand}" + (f" {self._elem()}" if what == "s" else ""))
            self._maybe_iterate()

    def crowd(self, buckets: int) -> None:
        """Leaves 6.2 keys a bucket and an overflow bucket to each; the next new key starts the growth."""
        nans = self.plan.key == "f64"
        for _ in range(4 if nans else 0):
            self.set_nan()
        self.commands += ["i 0", "i 1"]
        for bucket in range(buckets):
            chosen: list[int] = []
            while len(chosen) < 9:
                chosen += self._with_hash(1, buckets - 1, bucket)
            for i in chosen:
                self.set(i)
            for i in self.rng.sample(chosen, 2 if bucket % 5 == 0 else 3):
                self.delete(i)
        self.iterate_per_mille = 500
        self.commands += ["i 2", "n 2", "n 1"]
        for step in range(buckets):
            if step % 8 == 1:
                self.commands.append("a")  # in the middle of the growth too, over buckets that have not moved
            if nans and self.rng.random() < 0.3:
                self.set_nan()
            self.set_fresh()

    def _with_hash(self, n: int, mask: int, value: int) -> list[int]:
        """Up to `n` new keys whose hash under the map's first seed has that value under the mask."""
        found: list[int] = []
        for _ in range(n << min(mask.bit_count(), 12)):
            if self.hash_of(self.key(self.fresh)) & mask == value:
                found.append(self.fresh)
            self.fresh += 1
            if len(found) == n:
                break
        return found


def _descend(hash_of: Callable[[bytes], int], elem_bytes: int) -> list[str]:
    def operand(i: int) -> str:
        return "=" + i.to_bytes(8, "little").hex()

    of_bucket: dict[int, int] = {}
    i, first = 0, None
    while first is None or len(of_bucket) < 2**_DESCEND_B:  # no bucket may be passed over
        bucket = hash_of(i.to_bytes(8, "little")) % 2**_DESCEND_B
        if i >= _DESCEND_ENTRIES and bucket == 0 and first is None:
            first = i  # starts the growth where the evacuation starts
        of_bucket.setdefault(bucket, i)
        i += 1
    elem = "=" + "01" * elem_bytes
    going = [
        f"s {operand(key)} {elem}" if key < _DESCEND_ENTRIES else f"d {operand(key)}"
        for _, key in sorted(of_bucket.items(), reverse=True)
    ]
    return [f"f 0 {_DESCEND_ENTRIES}", f"s {operand(first)} {elem}", *going[:_DESCEND_OPS], "k"]


def write_commands(plan: Plan, rng: random.Random, hash_of: Callable[[bytes], int]) -> list[str]:
    """The operations of a plan. `hash_of`: the hash of a key under the map's seed. O(operations)."""
    if plan.descend:
        return _descend(hash_of, 8 if plan.elem == "i64" else 0)
    writer = _Writer(plan, rng, hash_of)
    if plan.crowd:
        writer.crowd(plan.universe)
    phases = [writer.mixed, writer.grow, writer.churn, writer.drain, writer.sparse, writer.clash]
    if plan.key == "f64":
        phases.append(writer.special)
    while len(writer.commands) < plan.ops:
        before = len(writer.commands)
        phase = rng.choices(phases, weights=[5, 3, 3, 2, 2, 1, 6][: len(phases)])[0]
        n = max(8, rng.randint(plan.ops // 8, plan.ops) - before // 2)
        writer.rng = random.Random(rng.getrandbits(64))  # what a phase takes hangs on the hashes, the next phase must not
        phase(n)
        if rng.randrange(12) == 0 and before < len(writer.commands):
            writer.clear()
    return [*writer.commands[: plan.ops], "k"]

"""Strategies for hypothesis: keys (colliding on demand), elems, calls on a map, workloads, calls of a history.

Each gives valid values only, shrinks towards small ones, and draws often from few, so that calls meet on the same key.
`st.from_type` finds them for `Workload`, `Group`, `Operation` and `Step` (gomap/_hypothesis.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from gomap.errors import BadValue
from gomap.kinds import BytesKind, FloatKind, IntKind, Kind, Strings, elem_kind, key_kind
from gomap.lab.keystreams import Hotspot, KeyStream, Latest, Sequential, Uniform, Zipf
from gomap.lab.workload import MIX_KINDS, Group, Workload
from gomap.map import HASHERS, LAYOUTS, Map
from gomap.testing.history import KINDS, Operation
from gomap.testing.steps import ATOMIC, BASIC, Add, Step
from gomap.variants import VARIANTS, variant

__all__ = ["Collision", "colliding_keys", "elems", "groups", "history_operations", "keys", "operations", "steps", "workloads"]

Strategy = st.SearchStrategy[Any]

_SMALL = 70
_CHUNK = 1 << 16
_MOST_CANDIDATES = 1 << 24
_LEAST_TOPHASH = 5
_STR_DIGITS = 8

# ------------------------------------------------------------------ keys and elems


def _texts() -> Strategy:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def _str_of(i: int) -> str:
    return "x" * (i % 7) + str(i)  # of several lengths


def _of_kind(kind: Kind, nan: bool) -> Strategy:
    """Few small values, and rarely any at all."""
    small = st.integers(0, _SMALL)
    if isinstance(kind, IntKind):
        return small | st.integers(kind.low, kind.high)
    if isinstance(kind, FloatKind):
        special = [0.0, -0.0, math.inf, -math.inf, *([math.nan] if nan else [])]
        return small.map(float) | st.sampled_from(special) | st.floats(allow_nan=nan)
    if isinstance(kind, BytesKind):
        n = kind.c_size
        fitting = st.integers(0, min(_SMALL, 256**n - 1))
        return fitting.map(lambda i: i.to_bytes(n, "big")) | st.binary(min_size=n, max_size=n)
    return small.map(_str_of) | _texts()


def keys(kind: str = "int64", *, nan: bool = True, collide: Collision | None = None) -> Strategy:
    """Keys of a kind: "int32", "uint32", "int64", "float64" (both zeros, infinities, NaN unless nan=False), "str", "bytesN".

    collide: only keys that meet in one bucket, or have one tophash, or both; see `Collision`. `BadValue` for an unknown kind,
    and if there are not enough such keys.
    """
    found = key_kind(kind)
    return _of_kind(found, nan) if collide is None else st.sampled_from(colliding_keys(kind, collide))


def elems(kind: str = "int64", *, nan: bool = True) -> Strategy:
    """Elems of a kind: "none", "int64", "float64", "bytesN", "object" (None, integers, short texts)."""
    found = elem_kind(kind)
    if found.name == "none":
        return st.none()
    if found.name == "object":
        return st.none() | st.integers(0, 9) | st.text(max_size=3)
    return _of_kind(found, nan)


# ------------------------------------------------------------------ keys that collide


@dataclass(frozen=True)
class Collision:
    """Where keys meet in a `Map(seed=seed, hasher=hasher)` while it has 2**B buckets: in `bucket` (None: in any), with
    `tophash` (5 to 255; None: any). count: how many keys.

    It holds for the maps that a seed fixes the hash of: `Map`, and the one inside `MutexMap`, `RWMutexMap` and `GrowLockMap`;
    and until a delete or a clear empties the map, since Go draws a new hash seed then. `BadValue` for what cannot be.
    """

    seed: int
    hasher: str = "aes"
    B: int = 4
    bucket: int | None = 0
    tophash: int | None = None
    count: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.B <= 32:
            raise BadValue(f"B must be from 0 to 32: {self.B}")
        if self.bucket is not None and not 0 <= self.bucket < 1 << self.B:
            raise BadValue(f"2**{self.B} buckets are numbered 0 to {(1 << self.B) - 1}: {self.bucket}")
        if self.tophash is not None and not _LEAST_TOPHASH <= self.tophash <= 255:
            raise BadValue(f"a tophash is from {_LEAST_TOPHASH} to 255: {self.tophash}")
        if self.count < 1:
            raise BadValue(f"count must be at least 1: {self.count}")

    def holds(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of these hashes lead there."""
        found = np.ones(hashes.size, np.bool_)
        if self.bucket is not None:
            found &= hashes & np.uint64((1 << self.B) - 1) == self.bucket
        if self.tophash is not None:
            top = hashes >> np.uint64(56)
            found &= np.where(top < _LEAST_TOPHASH, top + np.uint64(_LEAST_TOPHASH), top) == self.tophash
        return found


def _bytes_of(numbers: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.uint8]:
    """Numbers as bytes, little end first, cut or filled with zeros to a size: a row each."""
    rows = np.zeros((numbers.size, max(size, 8)), np.uint8)
    rows[:, :8] = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)
    return rows[:, :size]


def _hex_of(numbers: npt.NDArray[np.uint64]) -> Strings:
    """Numbers as texts of eight hexadecimal digits."""
    shifts = np.arange(4 * (_STR_DIGITS - 1), -1, -4, dtype=np.uint64)
    digits = (numbers[:, None] >> shifts) & np.uint64(15)
    text = np.frombuffer(b"0123456789abcdef", np.uint8)[digits]
    return Strings(np.arange(numbers.size + 1) * _STR_DIGITS, text.tobytes())


def _numbered(kind: Kind) -> tuple[int, Callable[[npt.NDArray[np.uint64]], Any], Callable[[int], Any]]:
    """How many keys of a kind have a number; many of them, as `Map` takes them; and one, as Python has it."""
    if isinstance(kind, IntKind):
        return kind.high, lambda numbers: numbers.astype(kind.dtype), int
    if isinstance(kind, FloatKind):
        return 1 << 53, lambda numbers: numbers.astype(np.float64), float
    if isinstance(kind, BytesKind):
        n = kind.c_size
        return 256 ** min(n, 7), lambda numbers: _bytes_of(numbers, n), lambda i: i.to_bytes(8, "little")[:n].ljust(n, b"\0")
    return 16**_STR_DIGITS, _hex_of, lambda i: f"{i:0{_STR_DIGITS}x}"


@lru_cache(maxsize=64)
def colliding_keys(kind: str, collide: Collision) -> tuple[Any, ...]:
    """The first keys of a kind, counted from 0, that meet as `collide` says. The core hashes candidates a chunk a call.

    O(count * 2**B * 256) hashes where bucket and tophash are both given. `BadValue` if 2**24 candidates have too few.
    """
    most, many, one = _numbered(key_kind(kind))
    probe = Map(key=kind, elem="none", hasher=collide.hasher, seed=collide.seed)
    found: list[int] = []
    end = min(most, _MOST_CANDIDATES)
    for first in range(0, end, _CHUNK):
        numbers = np.arange(first, min(first + _CHUNK, end), dtype=np.uint64)
        found += numbers[collide.holds(probe.hash_many(many(numbers)))].tolist()
        if len(found) >= collide.count:
            return tuple(one(i) for i in found[: collide.count])
    raise BadValue(
        f"of {end:,} {kind} keys only {len(found):,} meet there, not {collide.count:,}: ask for fewer, or a smaller B"
    )


# ------------------------------------------------------------------ calls on a map


def _arguments(step: type[Step], of_key: Strategy, of_elem: Strategy) -> dict[str, Strategy]:
    """By the names of a step's fields."""
    by_name: dict[str, Strategy] = {
        "key": of_key,
        "entries": st.lists(st.tuples(of_key, of_elem), max_size=6).map(tuple),
        "delta": st.integers(-3, 3),
    }
    return {f.name: by_name.get(f.name, of_elem) for f in fields(step)}


def steps(of_key: Strategy | None = None, of_elem: Strategy | None = None, kinds: Sequence[type[Step]] = BASIC) -> Strategy:
    """One call on a map, of the given kinds (`gomap.testing.steps.BASIC`, `ATOMIC`). of_key, of_elem: None: small integers."""
    of_key = st.integers(0, 9) if of_key is None else of_key
    of_elem = st.integers(0, 9) if of_elem is None else of_elem
    return st.one_of([st.builds(step, **_arguments(step, of_key, of_elem)) for step in kinds])


@st.composite
def _calls(draw: st.DrawFn, of_key: Strategy, of_elem: Strategy, kinds: Sequence[type[Step]], most: int) -> list[Step]:
    few = draw(st.lists(of_key, min_size=1, max_size=8))
    return draw(st.lists(steps(st.sampled_from(few), of_elem, kinds), max_size=most))


def operations(
    key: str = "int64",
    elem: str = "int64",
    *,
    atomic: bool = False,
    collide: Collision | None = None,
    max_size: int = 50,
) -> st.SearchStrategy[list[Step]]:
    """Sequences of calls on a map of these kinds, on at most eight keys so that they meet.

    atomic: with the atomic operations of a concurrent map (`add` for int64 elems). collide: keys that meet in the map, too. A
    sequence is replayed by `step.run(m, model)` each. No NaN, which a model that is a dict would not find again.
    """
    kinds = [*BASIC, *(s for s in ATOMIC if atomic and (s is not Add or elem == "int64"))]
    of_elem = elems(elem, nan=False)
    return _calls(keys(key, nan=False, collide=collide), st.integers(0, 9) if elem == "int64" else of_elem, kinds, max_size)


@st.composite
def history_operations(draw: st.DrawFn) -> Operation:
    """One call of a history on one of few keys; its answer may be a lie. See `check_linearizable`."""
    start, small = draw(st.integers(0, 20)), st.integers(1, 4)
    return Operation(
        kind=draw(st.sampled_from(list(KINDS))),
        key=draw(st.integers(0, 2)),
        start=start,
        end=start + draw(st.integers(0, 9)),
        found=draw(st.booleans()),
        value=draw(small),
        expected=draw(small),
        answer=draw(small),
        thread=draw(st.integers(0, 3)),
    )


# ------------------------------------------------------------------ workloads

_STREAMS: tuple[st.SearchStrategy[KeyStream], ...] = (
    st.just(Uniform()),
    st.builds(Zipf, st.floats(0.1, 1.9)),
    st.builds(Hotspot, st.floats(0.05, 0.95), st.floats(0, 1)),
    st.builds(Latest, st.floats(0.1, 1.9)),
    st.just(Sequential()),
)


@st.composite
def _mixes(draw: st.DrawFn) -> dict[str, float]:
    kinds = draw(st.lists(st.sampled_from(MIX_KINDS), min_size=1, max_size=4, unique=True))
    cuts = draw(st.lists(st.integers(1, 99), min_size=len(kinds) - 1, max_size=len(kinds) - 1, unique=True))
    edges = [0, *sorted(cuts), 100]
    return {kind: float(high - low) for kind, low, high in zip(kinds, edges, edges[1:], strict=False)}


@st.composite
def groups(draw: st.DrawFn, most_threads: int = 2) -> Group:
    """A group of up to so many threads that do some mix with keys of some stream; in an open loop, of a rate so high that the
    threads are never idle for long."""
    return Group(
        threads=draw(st.integers(1, most_threads)),
        mix=draw(_mixes()),
        keys=draw(st.one_of(_STREAMS)),
        rate=draw(st.none() | st.floats(1e6, 1e8)),
        arrivals=draw(st.sampled_from(["fixed", "poisson"])),
        scan=draw(st.integers(1, 200)),
    )


@st.composite
def workloads(
    draw: st.DrawFn,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    most_ops: int = 2000,
    most_threads: int = 2,
) -> Workload:
    """Workloads that can be run: of the given variants, up to so many operations, one or two groups of up to so many threads
    each. A number of operations and a seed are given, so that a run can be repeated."""
    name = variant(draw(st.sampled_from(list(variants)))).name
    size = draw(st.integers(1, 500))
    return Workload(
        variant=name,
        groups=tuple(draw(st.lists(groups(most_threads), min_size=1, max_size=2))),
        size=size,
        keyspace=draw(st.none() | st.integers(1, 1000)),
        ops=draw(st.integers(1, most_ops)),
        warmup=draw(st.integers(0, 100)),
        seed=draw(st.integers(0, 2**64 - 1)),
        key=draw(st.sampled_from(["int64", "int32", "uint32", "float64", "str", "bytes9"])),
        hint=draw(st.integers(0, 1000)),
        hasher=draw(st.sampled_from(list(HASHERS))),
        layout=draw(st.sampled_from(LAYOUTS)),
        shards=draw(st.none() | st.sampled_from([1, 2, 8])) if name == "sharded" else None,
        sample=draw(st.integers(0, 4)),
        oversubscribe=True,
    )

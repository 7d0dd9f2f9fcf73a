"""How fast is one map on one thread? Get hit, get miss, overwrite, insert, presized insert, delete and reinsert, iterate.

int64 keys and 16-byte string keys; 10^3, 10^5 and 10^6 entries; in batches (one call into C for all keys) and one key a call
(Python's price for each; the same call through dict beside it). Keys are asked for in another order than they were inserted.
Every row tells its nanoseconds per operation in `extra_info["ns_per_op"]`; the table that pytest-benchmark prints gives the
time of a round.

    pytest bench                  all of it, some minutes
    pytest bench --quick          a smoke test
    pytest bench --benchmark-json=FILE
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gomap import Map, Strings

PER_CALL = 1_000  # keys of a round of the per-call rows


class Keys:
    """n keys that are in the map and n that are not, as the batch calls and as the per-call rows want them."""

    def __init__(self, kind: str, n: int) -> None:
        rng = np.random.default_rng(7)
        numbers = rng.permutation(2 * n).astype(np.int64) * 7_919 + 11
        self.kind, self.n = kind, n
        self.present, self.absent = self.form(numbers[:n]), self.form(numbers[n:])
        self.shuffled = self.form(rng.permutation(numbers[:n]))
        self.elems = np.arange(n)

    def form(self, numbers: np.ndarray[Any, Any]) -> Any:
        if self.kind == "int64":
            return numbers
        return Strings(np.arange(len(numbers) + 1) * 16, b"".join(b"%016d" % i for i in numbers.tolist()))

    def single(self, many: Any) -> list[Any]:
        """The first PER_CALL keys as Python objects."""
        if isinstance(many, Strings):
            return [many.data[16 * i : 16 * i + 16].tobytes().decode() for i in range(min(PER_CALL, self.n))]
        found: list[Any] = many[:PER_CALL].tolist()
        return found

    def filled(self, hint: int = 0) -> Map:
        m = Map(self.kind, "int64", hint=hint, seed=1, events="none")
        m.assign_many(self.present, self.elems)
        return m


@functools.cache
def keys_of(kind: str, n: int) -> Keys:
    return Keys(kind, n)


@pytest.fixture(params=["int64", "str"])
def keys(request: pytest.FixtureRequest, size: int) -> Keys:
    return keys_of(request.param, size)


def measure(benchmark: Any, keys: Keys, row: str, operations: int, act: Callable[..., object], setup: Any = None) -> None:
    """One row: rounds of `operations` operations, enough of them for a median."""
    benchmark.group = f"{row}, {keys.kind}"
    rounds = max(5, min(200, 2_000_000 // operations))
    benchmark.pedantic(act, setup=setup, rounds=rounds, warmup_rounds=0 if setup else 1)
    benchmark.extra_info["operations"] = operations
    if benchmark.stats is not None:
        benchmark.extra_info["ns_per_op"] = round(benchmark.stats.stats.median * 1e9 / operations, 2)


def test_get_hit_batch(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()
    measure(benchmark, keys, "get hit, batch", keys.n, lambda: m.get_many(keys.shuffled))


def test_get_miss_batch(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()
    measure(benchmark, keys, "get miss, batch", keys.n, lambda: m.get_many(keys.absent))


def test_overwrite_batch(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()
    measure(benchmark, keys, "overwrite, batch", keys.n, lambda: m.assign_many(keys.shuffled, keys.elems))


def test_insert_batch(benchmark: Any, keys: Keys) -> None:
    def fresh() -> tuple[tuple[Map], dict[str, Any]]:
        return (Map(keys.kind, "int64", seed=1, events="none"),), {}

    measure(benchmark, keys, "insert from empty, batch", keys.n, lambda m: m.assign_many(keys.present, keys.elems), fresh)


def test_insert_with_all_events_batch(benchmark: Any, keys: Keys) -> None:
    def fresh() -> tuple[tuple[Map], dict[str, Any]]:
        return (Map(keys.kind, "int64", seed=1, events="all"),), {}

    measure(benchmark, keys, "insert, all events, batch", keys.n, lambda m: m.assign_many(keys.present, keys.elems), fresh)


def test_presized_insert_batch(benchmark: Any, keys: Keys) -> None:
    def fresh() -> tuple[tuple[Map], dict[str, Any]]:
        return (Map(keys.kind, "int64", hint=keys.n, seed=1, events="none"),), {}

    measure(benchmark, keys, "presized insert, batch", keys.n, lambda m: m.assign_many(keys.present, keys.elems), fresh)


def test_delete_and_reinsert_batch(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()

    def act() -> None:
        m.delete_many(keys.shuffled)
        m.assign_many(keys.present, keys.elems)

    measure(benchmark, keys, "delete and reinsert, batch", 2 * keys.n, act)


def test_to_arrays(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()
    measure(benchmark, keys, "whole map to arrays", keys.n, m.to_arrays)


def test_get_hit_per_call(benchmark: Any, keys: Keys) -> None:
    m, asked = keys.filled(), keys.single(keys.shuffled)
    measure(benchmark, keys, "get hit, per call", len(asked), lambda: [m[k] for k in asked])


def test_get_hit_per_call_dict(benchmark: Any, keys: Keys) -> None:
    d, asked = dict(keys.filled().items()), keys.single(keys.shuffled)
    measure(benchmark, keys, "get hit, per call", len(asked), lambda: [d[k] for k in asked])


def test_get_miss_per_call(benchmark: Any, keys: Keys) -> None:
    m, asked = keys.filled(), keys.single(keys.absent)
    measure(benchmark, keys, "get miss, per call", len(asked), lambda: [m.get(k) for k in asked])


def test_overwrite_per_call(benchmark: Any, keys: Keys) -> None:
    m, asked = keys.filled(), keys.single(keys.shuffled)

    def act() -> None:
        for k in asked:
            m[k] = 1

    measure(benchmark, keys, "overwrite, per call", len(asked), act)


def test_delete_and_reinsert_per_call(benchmark: Any, keys: Keys) -> None:
    m, asked = keys.filled(), keys.single(keys.shuffled)

    def act() -> None:
        for k in asked:
            del m[k]
            m[k] = 1

    measure(benchmark, keys, "delete and reinsert, per call", 2 * len(asked), act)


def test_insert_per_call(benchmark: Any, keys: Keys) -> None:
    m, new = keys.filled(), keys.single(keys.absent)

    def without() -> None:
        m.delete_many(new)

    def act() -> None:
        for k in new:
            m[k] = 1

    measure(benchmark, keys, "insert, per call", len(new), act, without)


def test_iterate_per_call(benchmark: Any, keys: Keys) -> None:
    m = keys.filled()

    def act() -> None:
        it = iter(m)
        for _ in range(min(PER_CALL, keys.n)):
            next(it)

    measure(benchmark, keys, "iterate, per call", min(PER_CALL, keys.n), act)

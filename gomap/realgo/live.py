"""`gomap verify go`: the model against real classic Go, live, on random operations.

    draw a plan -> the child makes the map and tells its header -> the operations are written (some keys chosen by the hash
    that this map has) -> the child does them and writes FORMAT.md's lines -> gomap.verify.Replay does them on the model and
    compares each line

L1  Everything that a recorded vector compares is compared here: results, hashes, registers, growth, iterators, digests.
L2  A difference is shrunk on the same child, so with the same key schedule, and with the same seed: first to the operations
    up to it, then by leaving out parts, from halves down to single operations. What remains still differs.
L3  The same seed draws the same plans and, but for keys chosen by their hash, the same operations. Go's own random numbers
    (hash seeds, where iterations start) are new each time.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gomap._console import progress_bar
from gomap.errors import BadValue, GoFailed, GoUnavailable
from gomap.realgo.oracle import Oracle, hash_modes
from gomap.realgo.scenarios import COMBINATIONS, Plan, draw_plan, write_commands
from gomap.realgo.toolchain import Toolchain, build_go, find_go
from gomap.verify import COUNTED, UNREADABLE, Mismatch, Replay, chain_text, state_header

__all__ = ["Difference", "check_live", "check_plan", "difference_text", "go_command", "shrink"]

Json = dict[str, Any]

SHRINK_TIME_S = 30.0
_SHOWN_COMMANDS = 60
_FEW_COMMANDS = 1_000
_FEW_CHAINS = 64
_MOST_DIFFERING = 40
_TRIES = 4
_HASHERS = {"aes": "aes", "fallback": "memhash"}


@dataclass(frozen=True)
class Difference:
    """Where model and real map part: the operations of the plan that lead there, and what was found after the last."""

    plan: Plan
    mode: str
    seed: int
    commands: tuple[str, ...]
    found: Mismatch


def _compare(oracle: Oracle, replay: Replay, commands: Sequence[str]) -> Counter[str]:
    lines = oracle.run(commands)
    try:
        return replay.run(lines)
    except UNREADABLE as e:
        raise GoFailed(f"the Go program oracle wrote what cannot be understood: {e!r}") from e
    finally:
        lines.close()


def check_plan(oracle: Oracle, mode: str, plan: Plan, rng: random.Random) -> Counter[str] | Difference:
    """One map: writes the operations of a plan, and compares them. A difference is not yet shrunk."""
    head = oracle.open(plan.key, plan.elem, plan.hint, every=plan.every)
    seed, replay = head["hash0"], None
    commands: list[str] = []
    try:
        replay = Replay("live", head, _HASHERS[mode])
        commands = write_commands(plan, rng, lambda key: replay.m.hash(key, seed))
        return _compare(oracle, replay, commands)
    except Mismatch as e:
        if replay is None:  # the header differs already: the child still waits for operations
            oracle.skip()
        return Difference(plan, mode, seed, tuple(commands[: e.op + 1]), e)


def _again(oracle: Oracle, d: Difference, commands: Sequence[str], full_from: int = -1) -> Difference | None:
    """Does the operations once more, on a new map with the same seed; what differs, if anything does. Digests come with each
    operation, unless the map is so large that this would take minutes."""
    every = d.plan.every if d.plan.descend or len(commands) > _FEW_COMMANDS else 1
    head, replay = oracle.open(d.plan.key, d.plan.elem, d.plan.hint, seed=d.seed, every=every, full_from=full_from), None
    try:
        replay = Replay("live", head, _HASHERS[d.mode])
        _compare(oracle, replay, commands)
    except Mismatch as e:
        if replay is None:
            oracle.skip()
        return Difference(d.plan, d.mode, d.seed, tuple(commands[: e.op + 1]), e)
    return None


def shrink(oracle: Oracle, first: Difference, limit_s: float = SHRINK_TIME_S) -> Difference:
    """A difference with fewer operations (L2), as few as the time allows, with both states. `first` as it is if it does not
    come again: it then hangs on where Go let an iteration begin."""
    end = time.monotonic() + limit_s
    best = next((d for d in (_again(oracle, first, first.commands) for _ in range(_TRIES)) if d), None)
    if best is None:
        return first
    size = max(1, len(best.commands) // 2)
    while time.monotonic() < end:
        shorter = _without_a_part(oracle, best, size, end)
        if shorter is not None:
            best = shorter
        elif size == 1:
            break
        size = max(1, min(size, len(best.commands)) // 2)
    return next((d for d in (_again(oracle, best, best.commands, len(best.commands) - 1) for _ in range(_TRIES)) if d), best)


def _without_a_part(oracle: Oracle, best: Difference, size: int, end: float) -> Difference | None:
    """Leaves out parts of `size` operations, each for good if the rest still differs; None if none could go."""
    went, at = None, 0
    while at < len(best.commands) and time.monotonic() < end:
        rest = (*best.commands[:at], *best.commands[at + size :])
        found = _again(oracle, best, rest)
        if found is None:
            at += size
        else:
            went = best = found
    return went


def check_live(
    binary: Path,
    ops: int,
    seed: int,
    *,
    modes: Sequence[str] = (),
    child: Callable[[Path, str], Oracle] | None = None,
    done: Callable[[int], None] = lambda ops: None,
) -> Counter[str] | Difference:
    """Compares about `ops` operations, half of them in each hash mode (`modes`, else all that this machine has). Returns what
    was compared, or the first difference, shrunk. `done` is told the operations so far. Raises `GoFailed` if the child does
    not do its part."""
    tally: Counter[str] = Counter()
    rng = random.Random(seed)
    kinds = itertools.cycle(rng.sample(COMBINATIONS, len(COMBINATIONS)))
    modes = modes or hash_modes()
    for number, mode in enumerate(modes, 1):
        with (child or Oracle)(binary, mode) as oracle:
            while tally["ops"] < ops * number // len(modes):
                left = ops * number // len(modes) - tally["ops"]
                plan = draw_plan(rng, next(kinds), left)
                # An rng of its own: how much of it a plan takes hangs on Go's seed, and the next plans must not.
                found = check_plan(oracle, mode, plan, random.Random(rng.getrandbits(64)))
                if isinstance(found, Difference):
                    return shrink(oracle, found)
                tally += found
                tally["maps"] += 1
                done(tally["ops"])
    return tally


def difference_text(d: Difference) -> str:
    """A difference for reading: the operations, the two values, and what differs of the two states, side by side."""
    model, go = d.found.values
    left_out = len(d.commands) - _SHOWN_COMMANDS
    lines = [
        f"The model differs from real Go ({d.mode} hash): {d.plan.key} to {d.plan.elem}, hint {d.plan.hint}, hash0 {d.seed},",
        f"after {len(d.commands)} operations (s set, d delete, g get, c clear, i n a iterate, k check):",
        *([f"    ... {left_out} before"] if left_out > 0 else []),
        *(f"    {command}" for command in d.commands[-_SHOWN_COMMANDS:]),
        f"what differs: {d.found.what}",
        f"    model: {model!r}",
        f"    Go:    {go!r}",
    ]
    mine, real = d.found.states
    if mine is None or real is None:
        return "\n".join([*lines, "(no states: it did not come again, or the map is too large to show)"])
    return "\n".join([*lines, *_states_text(mine, real)])


def _states_text(mine: Json, real: Json) -> list[str]:
    """Both states, line by line: what is equal once, what differs of the model and below it of Go. Of a large map only the
    first chains that differ."""
    head, other = state_header(mine), state_header(real)
    equal: list[tuple[str, int, list[list[str]]]] = []
    different: list[tuple[str, int, list[list[str]]]] = []
    for name in ("buckets", "oldbuckets"):
        chains, others = mine[name] or [], real[name] or []
        for i in range(max(len(chains), len(others))):
            texts = [chain_text(name, i, c[i]) if i < len(c) else [] for c in (chains, others)]
            (equal if texts[0] == texts[1] else different).append((name, i, texts))
    few = len(equal) + len(different) <= _FEW_CHAINS
    shown = sorted(equal + different, key=lambda c: c[:2]) if few else different[:_MOST_DIFFERING]
    lines = ["the states (=: both; what differs, of the model and of Go):"]
    lines += _pair(" ".join(f"{k}={head[k]}" for k in head), " ".join(f"{k}={other.get(k)}" for k in head))
    for *_, texts in shown:
        for j in range(max(map(len, texts))):
            lines += _pair(*(t[j] if j < len(t) else "(nothing)" for t in texts))
    if not few:
        lines.append(f"  ({len(different):,} chains differ, {len(equal):,} are equal)")
    return lines


def _pair(mine: str, real: str) -> list[str]:
    return [f"  =     {mine}"] if mine == real else [f"  model {mine}", f"  Go    {real}"]


def describe(go: Toolchain) -> str:
    """What was found, in one line."""
    return f"Go {go.name} ({go.origin}, {go.path}): builds {' and '.join(go.designs)} maps"


def go_command(ops: int, seed: int | None) -> int:
    """`gomap verify go`: 0 if all agrees, 1 at a difference, which is printed. `seed` None: a new one, printed."""
    if ops < 1:
        raise BadValue(f"--ops must be at least 1: {ops}")
    go = find_go()
    print(describe(go), flush=True)
    if "classic" not in go.designs:
        raise GoUnavailable(f"Go {go.name} has no classic map to compare with: 1.24 and 1.25 can build one")
    if go.version < (1, 24, 0):
        raise GoUnavailable(f"Go {go.name} lays its maps out in another way: the live check needs 1.24 or 1.25")
    binary = build_go("oracle", "classic", tell=lambda text: print(text, flush=True))
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    began = time.monotonic()
    with progress_bar("comparing", ops) as done:
        found = check_live(binary, ops, seed, done=done)
    if isinstance(found, Difference):
        print(difference_text(found))
        print(f"FAILED (--seed {seed})")
        return 1
    counts = ", ".join(f"{found[what]:,} {what}" for what in ("maps", *COUNTED) if found[what] and what != "files")
    print(f"ok: {counts} ({', '.join(hash_modes())}; --seed {seed}; {time.monotonic() - began:.0f} s)")
    return 0

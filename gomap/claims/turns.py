"""How long a goroutine waits for the one P that a hot loop has, on real Go: what several claims on the scheduler measure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from gomap.claims.context import Context
from gomap.realgo.controls import Controls

__all__ = ["Turns", "turns", "waits_in_a_sample"]

_NO_SIGNALS = {"asyncpreemptoff": 1}
_LENGTH_MS = 150


@dataclass(frozen=True)
class Turns:
    """Beside one loop: waits, and how long the loop ran, which would last 150 ms if nobody stopped it; in nanoseconds.
    wakeups: of the runtime's monitor (sysmon) a second; None where the system does not count them."""

    waits: tuple[float, ...]
    lengths: tuple[float, ...]
    wakeups: float | None

    @property
    def median(self) -> float:
        return statistics.median(self.waits)


def turns(go: Controls, loop: str, waits: int, *, signals: bool = True, body_ns: int = 0) -> Turns:
    """So many waits beside a loop of gets ("get"), a "range", or "arithmetic" without any call. Each takes some 20 ms, or the
    whole loop where it cannot be stopped. signals: off, and Go stops a goroutine only where it calls something. body_ns: of
    arithmetic after each step."""
    debug = {} if signals else _NO_SIGNALS
    found = go.run("yields", loop=loop, rounds=waits, body_ns=body_ns, ms=_LENGTH_MS, godebug=debug)
    wakeups = 1e9 * found["wakeups"] / found["took_ns"] if "wakeups" in found else None
    return Turns(tuple(found["waits_ns"]), tuple(found["lengths_ns"]), wakeups)


def waits_in_a_sample(ctx: Context) -> int:
    """Of each setting, in one of an experiment's rounds."""
    return ctx.scale.pick(test=1, quick=2, full=7)

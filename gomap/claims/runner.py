"""Runs claims one after the other and keeps every verdict as soon as there is one.

R1  After each claim the whole of `results.json` is written beside the old one and put in its place: a reader, or a crash, sees
    the one before or the one after, never half of one.
R2  A claim that is in the file is not run again in a resume, whatever became of it.
R3  Ctrl-C drops the claim that was running and keeps all before it.
R4  An experiment that raises is that claim's `undecided`, with the error's sentence; the others go on.
R5  A file is resumed only by the same scale on the same machine: verdicts of two machines do not mix.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from gomap._files import replace_file
from gomap.claims.claim import UNDECIDED, Claim, order_of
from gomap.claims.context import SCALES, Context, Scale
from gomap.claims.registry import Entry, Experiment
from gomap.claims.verdict import Finding, Number, Pairs
from gomap.errors import BadValue, GomapError, MissingTool
from gomap.lab.keystreams import Uniform
from gomap.lab.machine import this_machine
from gomap.lab.workload import Group, Workload

__all__ = ["ClaimResult", "Progress", "Results", "go_by_reading", "measure_noise", "model_unrun", "run_claims"]

VERSION = 1
_NOISE = Workload(size=10_000, ops=50_000, groups=(Group(mix={"get": 100}, keys=Uniform()),), attribution=False, sample=0)


@dataclass(frozen=True)
class ClaimResult:
    """Both verdicts on a claim."""

    id: str
    model: Finding
    go: Finding

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "model": self.model.to_dict(), "go": self.go.to_dict()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> ClaimResult:
        return cls(d["id"], Finding.from_dict(d["model"]), Finding.from_dict(d["go"]))


@dataclass
class Results:
    """What `results.json` holds. noise: the same setting twice on this machine (ratio, low, high of throughput). interrupted:
    ended before its last claim. begun: when, in UTC, as ISO 8601 to the second; a resume keeps the first. Empty: not known."""

    scale: str
    machine: dict[str, Any]
    noise: dict[str, Any]
    claims: list[ClaimResult] = field(default_factory=list)
    interrupted: bool = False
    begun: str = ""

    def get(self, claim_id: str) -> ClaimResult | None:
        return next((c for c in self.claims if c.id == claim_id), None)

    def to_json(self) -> str:
        """As JSON, with its `version`."""
        claims = [c.to_dict() for c in self.claims]
        d = {"version": VERSION, "scale": self.scale, "machine": self.machine, "noise": self.noise}
        return json.dumps({**d, "begun": self.begun, "interrupted": self.interrupted, "claims": claims}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            d = json.loads(text)
            if d["version"] != VERSION:
                raise BadValue(f"results of version {d['version']}; this gomap reads {VERSION}")
            claims = [ClaimResult.from_dict(c) for c in d["claims"]]
            begun = str(d.get("begun", ""))
            return cls(str(d["scale"]), dict(d["machine"]), dict(d["noise"]), claims, bool(d["interrupted"]), begun)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as e:
            raise BadValue(f"not results of claims: {e!r}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Results:
        """From a file; the error names it."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (BadValue, UnicodeDecodeError) as e:
            raise BadValue(f"{os.fspath(path)}: {e}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file whole or not at all (R1)."""
        replace_file(path, self.to_json() + "\n")


# ------------------------------------------------------------------ one claim


def model_unrun(e: Entry) -> Finding:
    """The model's verdict on a claim before any experiment: what it waits for."""
    c = e.claim
    reason = "no experiment decides it"
    if e.on_model is not None:
        reason = f"not run yet (gomap claims run {c.id})"
    elif c.missing:
        reason = f"needs {' and '.join(c.missing)}"
    return Finding(UNDECIDED, reason, by="nothing")


def go_by_reading(c: Claim) -> Finding:
    """The verdict on real Go by its source and recorded control runs."""
    found = c.go_by_source
    more = f" What holds: {found.holds}" if found.holds else f" Limits: {found.limits}" if found.limits else ""
    return Finding(found.verdict, found.evidence + more, by="source")


def _guarded(experiment: Experiment, ctx: Context) -> Finding:
    """An experiment's finding, or what it raised as one (R4)."""
    try:
        found = experiment(ctx)
    except MissingTool:
        raise
    except Exception as e:
        said = str(e) if isinstance(e, GomapError) else f"{type(e).__name__}: {e}"
        found = Finding(UNDECIDED, f"The experiment failed: {' '.join(said.split())}")
    return found.with_(seconds=round(ctx.seconds, 3))


def _model(e: Entry, ctx: Context) -> Finding:
    if e.on_model is None:
        return model_unrun(e)
    try:
        return _guarded(e.on_model, ctx)
    except MissingTool as missing:
        return Finding(UNDECIDED, f"The experiment could not be made: {missing}", by="nothing")


def _go(e: Entry, ctx: Context) -> Finding:
    if e.on_go is None:
        return go_by_reading(e.claim)
    try:
        return _guarded(e.on_go, ctx)
    except MissingTool as missing:
        read = go_by_reading(e.claim)
        return read.with_(reason=f"{read.reason} (Not run here: {missing})")


# ------------------------------------------------------------------ all of them


@dataclass(frozen=True)
class Progress:
    """Where a run of claims is. part: of all work, 0 to 1; left_s: seconds left, an estimate; doing: in words."""

    claim: str
    part: float
    left_s: float
    doing: str


class _Clock:
    """How much of the work is done and how long the rest will take. A claim's weight is its number of experiments."""

    def __init__(self, todo: Sequence[Entry], scale: Scale) -> None:
        self._scale, self._all = scale, sum(map(_weight, todo))
        self._begun, self._done = time.monotonic(), 0

    def add(self, e: Entry) -> None:
        self._done += _weight(e)

    def allowed_s(self, before: int) -> float:
        """Seconds for the next verdict, which is the claim's second if `before` is 1."""
        left_s = self._scale.all_s - (time.monotonic() - self._begun)
        return self._scale.share(left_s, self._all - self._done - before)

    def progress(self, e: Entry, part: float, doing: str) -> Progress:
        done = self._done + part
        passed = time.monotonic() - self._begun
        whole = max(self._all, 1)
        each = passed / done if done >= 1 else min(self._scale.claim_s, self._scale.all_s / whole)
        return Progress(e.claim.id, min(1.0, done / whole), max(0.0, (self._all - done) * each), doing)


def _weight(e: Entry) -> int:
    return (e.on_model is not None) + (e.on_go is not None)


def measure_noise(ctx: Context) -> dict[str, Any]:
    """The machine's noise floor: throughput of one small read-only workload against itself, by the rounds of any claim."""
    pairs: Pairs = ctx.pairs(_NOISE, _NOISE, lambda w, seed: ctx.run(w, seed).throughput, names=("reads", "the same reads"))
    n = Number.of_ratio("throughput of the same setting twice", pairs.effect())
    return {"ratio": n.value, "low": n.low, "high": n.high, "pairs": pairs.rounds, "workload": _NOISE.to_dict()}


def _resumed(path: Path, scale: Scale, machine: Mapping[str, Any]) -> Results:
    found = Results.load(path)
    if found.scale != scale.name:
        raise BadValue(f"{path} is of a {found.scale} run and this is a {scale.name} one: verdicts of both do not mix")
    here = (machine["cpu_model"], list(machine["cpus"]))
    there = (found.machine.get("cpu_model"), list(found.machine.get("cpus", ())))
    if here != there:
        raise BadValue(
            f"{path} was measured on another machine ({there[0]}, CPUs {there[1]}); this is {here[0]}, CPUs {here[1]}"
        )
    return found


def run_claims(
    chosen: Iterable[Entry],
    scale: Scale = SCALES["full"],
    *,
    path: str | os.PathLike[str] | None = None,
    resume: bool = False,
    seed: int = 1,
    progress: Callable[[Progress], None] | None = None,
    finished: Callable[[ClaimResult], None] | None = None,
) -> Results:
    """Runs claims in their order, on the model and, where it is there, on real Go. Returns all verdicts, or, after Ctrl-C,
    those that were finished (`interrupted`).

    path: of a `results.json` that is rewritten after each claim. resume: go on with the one that is there; claims in it are
    kept and not run again. progress, finished: called as things go on, and with each claim's verdicts. Raises `BadValue` if
    it cannot be resumed, `OSError` if it cannot be written.
    """
    todo = sorted({e.claim.id: e for e in chosen}.values(), key=lambda e: e.claim.order)
    machine = this_machine().to_dict()
    if path is not None and not os.access(Path(path).absolute().parent, os.W_OK):
        raise BadValue(f"{os.fspath(path)}: its folder cannot be written to; nothing was run")
    before = _resumed(Path(path), scale, machine) if resume and path is not None and Path(path).exists() else None
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    results = before or Results(scale.name, machine, {}, begun=now)
    results.interrupted = False
    todo = [e for e in todo if results.get(e.claim.id) is None]
    clock = _Clock(todo, scale)

    def context(e: Entry, before: int) -> Context:
        def say(part: float, doing: str) -> None:
            if progress is not None:
                progress(clock.progress(e, before + part, doing))

        return Context(scale, seed=seed, say=say, allowed_s=clock.allowed_s(before))

    try:
        for e in todo:
            if not results.noise and _weight(e):
                results.noise = measure_noise(Context(scale, seed=seed))
            model = _model(e, context(e, 0))
            go = _go(e, context(e, int(e.on_model is not None)))
            both = ClaimResult(e.claim.id, model, go)
            results.claims = sorted([*results.claims, both], key=lambda c: order_of(c.id))
            clock.add(e)
            if path is not None:
                results.save(path)
            if finished is not None:
                finished(both)
    except KeyboardInterrupt:
        results.interrupted = True
    if path is not None:
        results.save(path)
    return results

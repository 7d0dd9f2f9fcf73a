"""Workloads on real Go maps: the same workload, the same draws, the same result as the engine's.

The Go program gomap/realgo/go/harness does the work; here it is built, started, listened to and got rid of. What differs from
a run of the model:

- The threads are goroutines, unless the workload asks for CPUs or the caller for threads of the system's.
- The clock is the operating system's, which costs more than the CPU's own (`Result.clock.cost_ns`).
- There are no causes: nothing inside Go's map tells where time went. `Result.counters` has the collector's and the scheduler's
  figures instead, over the measurement (gc_..., sched_..., mutex_wait_s). Page faults and preemptions are not known of single
  operations.
- `counters["memory"]` is what the map added to the heap, after a collection, and a few kilobytes of the run's own. Of a
  classic map the header is read as it lies in memory, and its growths are in the time line; a Swiss map's growth is not told by
  its header (tables, slots: at the end).
- `counters["elem_sum"]` is the sum of all elems in the end: whether an update was lost shows there.
- Misuse ends a Go program. That is an outcome, not an error: `Result.outcome`.

P1  However a run ends, the child and all of its process group are dead and reaped when `run_go` returns or raises, and no file
    was made. If this process dies, the child sees its input end and goes too.
P2  Ctrl-C cancels as in the engine: what was measured until then is returned, marked `interrupted`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gomap.concurrent import auto_shards
from gomap.errors import BadValue, GoFailed, GoUnavailable
from gomap.kinds import Strings
from gomap.lab.interrupt import ctrl_c_calls
from gomap.lab.machine import this_machine
from gomap.lab.result import DONE, SCHEMA, Result
from gomap.lab.workload import OPERATIONS, Trace, Workload
from gomap.realgo.toolchain import build_go, find_go
from gomap.variants import variant

__all__ = ["DESIGNS", "GoHarness", "go_harness", "offered", "run_go"]

DESIGNS = ("classic", "swiss")
_NATIVE_SYNC_MAP = {True: "hashtrie", False: "syncmap"}
_OFFERED = ("plain", "mutex", "rwmutex", "sharded", "syncmap", "hashtrie")
_KEYS = ("int64", "str")
_POLL_S = 0.1
_SILENCE_S = 60.0
_GRACE_S = 10.0
_KEPT_STDERR = 1 << 16
# What misuse ends in: Go's own test, or memory that a reader of a map that is being changed was led to.
_DEATHS = re.compile(
    rb"^(fatal error: concurrent map [a-z ]+|panic: runtime error: invalid memory address or nil pointer dereference)$",
    re.MULTILINE,
)


def offered(name: str) -> bool:
    """Whether Go programs have a counterpart of that variant."""
    return variant(name).name in _OFFERED


@dataclass(frozen=True)
class GoHarness:
    """The harness, built for a design of map and a variant; `run` may be called any number of times."""

    program: Path
    design: str
    variant: str

    @property
    def name(self) -> str:
        """As the results are called: "go-classic:rwmutex"."""
        return f"go-{self.design}:{self.variant}"

    def run(
        self,
        workload: Workload,
        *,
        threads: str | None = None,
        timeout: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Result:
        """As `run_go`, whose binary this is. Raises `GoFailed`, or `BadValue` for a workload that it cannot run."""
        _check(workload)
        if workload.variant != self.variant:
            raise BadValue(f"built for {self.variant}, not for {workload.variant}")
        seed = secrets.randbits(64) if workload.seed is None else workload.seed
        command = _command("run", workload, seed, locked=_locked(workload, threads), progress=progress is not None)
        started_s = time.time()
        with _Child(self.program, command, timeout, progress) as child, ctrl_c_calls(child.cancel):
            answer = child.answer()
        given = {
            "workload": workload.to_dict(),
            "variant": self.name,
            "seed": seed,
            "refused": {},
            "failed": 0,
            "cause_tables": {},
            "delay": {},  # Go does not tell what its scheduler made an operation wait
            "scheduler": None,
            "digest": None,
            "machine": this_machine().to_dict(),
            "started_s": started_s,
            "schema": SCHEMA,
        }
        by_kind = {name: _in_order(answer[name]) for name in ("operations", "hits", "latency", "service")}
        return Result.from_dict({**answer, **by_kind, **given})


def go_harness(workload: Workload, design: str = "classic", *, tell: Callable[[str], None] | None = None) -> GoHarness:
    """The harness for a workload's variant, built if the cache does not have it. tell: gets a line now and then meanwhile.

    Raises `BadValue` if real Go does not offer what the workload asks for, `GoUnavailable` without a toolchain that can build
    it, `GoFailed` if building fails.
    """
    if design not in DESIGNS:
        raise BadValue(f"unknown design {design!r}, allowed: {', '.join(DESIGNS)}")
    _check(workload)
    experiments = _experiments(workload.variant)
    return GoHarness(build_go("harness", design, experiments=experiments, tell=tell), design, workload.variant)


def run_go(
    workload: Workload,
    design: str = "classic",
    *,
    threads: str | None = None,
    timeout: float | None = None,
    progress: Callable[[float], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Result:
    """Runs a workload on a real Go map, and returns what was measured as the engine's result.

    design: "classic" or "swiss". threads: "goroutines", or "locked" (each goroutine on a thread of its own); None: goroutines
    unless the workload asks for CPUs. timeout: seconds that the Go program may take in all; None: as long as it shows signs of
    life. progress: called now and then with the part done. tell: as for `go_harness`. With one thread, a seed and a number of
    operations, operations and hits equal the engine's; so do the counters of a map whose growth depends on its size only.

    Raises what `go_harness` raises, and `GoFailed` if the Go program dies or hangs.
    """
    return go_harness(workload, design, tell=tell).run(workload, threads=threads, timeout=timeout, progress=progress)


# ------------------------------------------------------------------ what to ask for


def _check(w: Workload) -> None:
    if not offered(w.variant):
        raise BadValue(f"real Go has no {w.variant} map, it offers: {', '.join(_OFFERED)}")
    if w.heap is not None:
        raise BadValue("real Go has a heap of its own: heap is for the model")
    if w.knobs:
        raise BadValue(f"real Go has no knobs: {', '.join(w.knobs)}")
    if w.procs:
        raise BadValue("groups of goroutines are the model's own: real Go's threads are goroutines already")
    if w.key not in _KEYS:
        raise BadValue(f"{w.key} keys are not offered in real Go, these are: {', '.join(_KEYS)}")


def _in_order(by_kind: dict[str, Any]) -> dict[str, Any]:
    """In the order of the engine's kinds."""
    return {kind: by_kind[kind] for kind in OPERATIONS if kind in by_kind}


def _locked(w: Workload, threads: str | None) -> bool:
    pinned = any(g.cpus is not None for g in w.groups)
    if threads not in (None, "goroutines", "locked"):
        raise BadValue(f"unknown threads {threads!r}, allowed: goroutines, locked")
    if pinned and threads == "goroutines":
        raise BadValue("goroutines cannot be pinned to CPUs: use threads='locked', or leave cpus out")
    return pinned if threads is None else threads == "locked"


def _experiments(name: str) -> tuple[str, ...]:
    """The settings of the Go toolchain that decide which sync.Map it has."""
    version = find_go().version if name in _NATIVE_SYNC_MAP.values() else None
    if version is None or name == _NATIVE_SYNC_MAP[version >= (1, 24, 0)]:
        return ()
    if name == "hashtrie":
        raise GoUnavailable("the sync.Map that is a hash trie is in Go from 1.24 on")
    return ("nosynchashtriemap",)


def _command(what: str, w: Workload, seed: int, *, locked: bool = False, progress: bool = False, **more: Any) -> bytes:
    """The first line of the program's input, and the traces that come after it (go/harness/main.go, trace.go)."""
    heads, contents = [], []
    for i, g in enumerate(w.groups):
        if isinstance(g.keys, Trace):
            head, content = _trace(g.keys, own_operations=g.mix is None)
            heads.append({"group": i, **head})
            contents.append(content)
    shards = auto_shards() if w.shards is None else w.shards
    asked = {"what": what, "workload": w.to_dict(), "seed": seed, "locked": locked, "shards": shards, "traces": heads}
    return b"".join([json.dumps({**asked, "progress": progress, **more}).encode(), b"\n", *contents])


def _trace(t: Trace, *, own_operations: bool) -> tuple[dict[str, Any], bytes]:
    data, parts, text = t.data, [], -1
    if isinstance(data.keys, Strings):
        text = int(data.keys.data.size)
        parts += [np.asarray(data.keys.offsets, "<i8").tobytes(), data.keys.data.tobytes()]
    else:
        parts.append(np.asarray(data.keys, "<i8").tobytes())
    values = data.values if own_operations else None
    if own_operations:
        parts.append(data.ops.tobytes())
    if values is not None:
        parts.append(np.asarray(values, "<i8").tobytes())
    head = {"count": len(data), "text": text, "ops": own_operations, "values": values is not None, "fill": data.fill}
    return head, b"".join(parts)


# ------------------------------------------------------------------ the child


class _Child:
    """The Go program as a child in a process group of its own, which is gone when the block is left (P1)."""

    def __init__(self, program: Path, command: bytes, timeout: float | None, progress: Callable[[float], None] | None) -> None:
        self._program, self._timeout, self._progress = program, timeout, progress
        self._to_send = memoryview(command)
        self._said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self._result: dict[str, Any] | None = None
        self._cancel_asked, self._cancelled_at = False, 0.0

    def __enter__(self) -> _Child:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                [str(self._program)],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                bufsize=0,
                env={**os.environ, "GOTRACEBACK": "none"},
                start_new_session=True,
            )
        except OSError as e:
            raise GoFailed(f"the Go program {self._program} cannot be run: {e.strerror or e}") from None
        self._began = self._heard = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()

    def cancel(self) -> None:
        """Asks for what was measured until now. May be called by a signal handler."""
        self._cancel_asked = True

    def answer(self) -> dict[str, Any]:
        """What the child measured, or that it died of misuse. Raises `GoFailed` for any other end."""
        self._talk()
        death = _DEATHS.search(self._said["err"])
        if self._result is not None:
            return {**self._result, "outcome": DONE}
        if death is not None:
            return {**_NOTHING, "outcome": death[1].decode()}
        raise GoFailed(f"the Go program {self._program.name} {self._end()}")

    def _end(self) -> str:
        try:
            status = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return "said nothing more, and did not end"
        how = f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
        said = self._said["err"].decode(errors="replace").strip().partition("\n")[0]
        return f"{how} ({said[:200]})" if said else how

    def _talk(self) -> None:
        """Sends and listens until both outputs end."""
        p = self._process
        assert p.stdin is not None
        assert p.stdout is not None
        assert p.stderr is not None
        with selectors.DefaultSelector() as selector:
            os.set_blocking(p.stdin.fileno(), False)
            selector.register(p.stdout, selectors.EVENT_READ, "out")
            selector.register(p.stderr, selectors.EVENT_READ, "err")
            while selector.get_map().keys() - {p.stdin.fileno()}:
                self._want_to_send(selector, p.stdin)
                for key, _ in selector.select(_POLL_S):
                    if key.fileobj is p.stdin:
                        self._send(selector, p.stdin)
                    elif not self._receive(key.fd, key.data):
                        selector.unregister(key.fileobj)
                self._check_time()

    def _want_to_send(self, selector: selectors.BaseSelector, stdin: Any) -> None:
        if self._cancel_asked and not self._cancelled_at:
            self._cancelled_at = time.monotonic()
            self._to_send = memoryview(bytes(self._to_send) + b"cancel\n")
        if self._to_send and stdin.fileno() not in selector.get_map():
            selector.register(stdin, selectors.EVENT_WRITE)

    def _send(self, selector: selectors.BaseSelector, stdin: Any) -> None:
        try:
            self._to_send = self._to_send[os.write(stdin.fileno(), self._to_send[:65536]) :]
        except BrokenPipeError:
            self._to_send = memoryview(b"")  # it has gone; what it said tells why
        if not self._to_send:
            selector.unregister(stdin)

    def _receive(self, fd: int, name: str) -> bool:
        got = os.read(fd, 1 << 16)
        said = self._said[name]
        self._heard = time.monotonic()
        if name == "err":
            said += got[: _KEPT_STDERR - len(said)]
            return bool(got)
        said += got
        *lines, rest = said.split(b"\n") if b"\n" in got else [said]
        self._said[name] = bytearray(rest)
        for line in lines:
            self._understand(line)
        return bool(got)

    def _understand(self, line: bytes | bytearray) -> None:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            raise GoFailed(f"the Go program {self._program.name} said {bytes(line[:80])!r}") from None
        if "error" in message:
            raise GoFailed(f"the Go program {self._program.name} gave up: {message['error']}")
        if "result" in message:
            self._result = message["result"]
        elif self._progress is not None:
            self._progress(float(message["progress"]))

    def _check_time(self) -> None:
        now = time.monotonic()
        if self._cancelled_at and now > self._cancelled_at + _GRACE_S:
            raise KeyboardInterrupt
        if self._timeout is not None and now > self._began + self._timeout:
            raise GoFailed(f"the Go program {self._program.name} took longer than {self._timeout:g} s and was ended")
        if now > self._heard + _SILENCE_S:
            raise GoFailed(f"the Go program {self._program.name} said nothing for {_SILENCE_S:.0f} s and was ended")


_NOTHING: dict[str, Any] = {
    "interrupted": False,
    "elapsed_s": 0.0,
    "operations": {},
    "hits": {},
    "behind_s": 0.0,
    "latency": {},
    "service": {},
    "slowest": [],
    "timeline": {"interval_ns": 0, "count": [], "max_ns": [], "p99_ns": [], "events": []},
    "threads": [],
    "counters": {"count": 0, "memory": 0, "B": None, "growths": 0, "same_size_growths": 0},
    "clock": {"source": "os", "cost_ns": 0.0, "ns_per_tick": 1.0, "drift_ppm": 0.0, "page_fault_ns": 0},
}
"""What was measured when the map ended the program: nothing can be got out of it any more."""

"""Every interleaving of a few calls on one concurrent map, lock or queue, up to a number of preemptions.

    found = explore([[("store", 1, 10)], [("add", 1, 5), ("load", 1)]], "lockfree", preemptions=2)
    found.verdict, found.executions
    print(found.failure)  # of a violation: the interleaving as a table, access by access, with file and line
    replay(found.failure.replay)  # exactly that interleaving again

The design is told in explorer/main.c, with what is assumed (B1 to B4): one order of all accesses (no reorderings by a machine),
futexes that return only when woken, no failing allocations. A program is compiled from the package's C sources with every
atomic access as a scheduling point, once, and kept in the cache folder; the sources' hash is in its name.

Sources: M. Musuvathi and S. Qadeer, Iterative context bounding for systematic testing of multithreaded programs, 2007.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gomap._core import ffi
from gomap.errors import BadValue, GomapError, MissingTool
from gomap.knobs import checked_knobs, core_knobs
from gomap.realgo.toolchain import cache_folder

__all__ = ["TARGETS", "Access", "Exploration", "ExplorerFailed", "Failure", "explore", "replay"]

_MAPS = ("lockfree", "syncmap", "hashtrie", "sharded", "growlock", "rwmutex", "mutex", "plain")
_LOCKS = ("RWMutex", "Mutex")
_QUEUES = ("runq", "globq_list", "globq_ring")
TARGETS = (*_MAPS, *_LOCKS, *_QUEUES)
"""What can be explored: map designs by their names in `gomap.variants.VARIANTS`, Go's two locks by themselves, and the
scheduler's queues: the run queues of Ps, one for each thread, and the global queue, as Go's list and as the article's ring."""

_ARGUMENTS = {
    "load": 1,
    "store": 2,
    "delete": 1,
    "load_or_store": 2,
    "compare_and_swap": 3,
    "compare_and_delete": 2,
    "add": 2,
    "range": 0,
    "lock": 0,
    "rlock": 0,
    "put": 1,
    "put_next": 1,
    "fill": 1,
    "get": 0,
    "take": 0,
    "steal": 1,
    "steal_next": 1,
    "empty": 1,
}
_MOST_THREADS, _MOST_OPS, _MOST_SETUP, _MOST_PREEMPTIONS = 4, 16, 64, 8
_PACKAGE = Path(__file__).resolve().parent.parent
_PROGRAM = Path(__file__).resolve().parent / "explorer"
_NOT_EXPLORED = ("base/clock.c", "base/futex.c", "base/thread.c", "base/ticks.c")  # machine.c stands for them
_FOLDERS = ("base", "map", "sync")
_FILES = ("lab/linear.c", "sched/globq.c", "sched/lock.c", "sched/runq.c")
_FLAGS = (
    "-std=gnu11",
    "-Og",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-fno-pie",  # a counter's lane follows from an address, which is to be the same each time
    "-U_FORTIFY_SOURCE",  # its longjmp knows one stack only
    "-DGM_EXPLORE",
    "-DGM_NO_MEMBARRIER",
)
_SHORTER_BUDGET = 20_000

Operation = tuple[Any, ...]


class ExplorerFailed(GomapError, RuntimeError):
    """The explorer could not be compiled or could not do the scenario; the message says why."""


# ------------------------------------------------------------------ results


@dataclass(frozen=True)
class Access:
    """One atomic access of an interleaving. thread: its number; operation: which of the thread's, from 0; access: what and in
    which order ("load acq"); word: a number for the eight bytes it is in, None outside of the target; shared: whether threads
    meet there; value: loaded or stored; of a change what was there before; of a cas 1 if it was done."""

    thread: int
    operation: int
    access: str
    word: int | None
    shared: bool
    value: int
    file: str
    line: int


@dataclass(frozen=True)
class _Scenario:
    target: str
    threads: tuple[tuple[Operation, ...], ...]
    setup: tuple[Operation, ...]
    seed: int
    hint: int
    slow_waits: bool
    knobs: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """An interleaving that must not be. kind: what is wrong with it ("not_linearizable", "use_after_free", "deadlock", ...);
    says: the same in words; threads, setup: the scenario, shortened; accesses: all of them in their order, none if the set-up
    itself went wrong; answers: by thread
    and operation, (status, answer) of those that have one; replay: for `replay`."""

    kind: str
    says: str
    preemptions: int
    target: str
    threads: tuple[tuple[Operation, ...], ...]
    setup: tuple[Operation, ...]
    accesses: tuple[Access, ...] = field(repr=False)
    answers: Mapping[tuple[int, int], tuple[int, int]] = field(repr=False)
    replay: str = field(repr=False)

    def __str__(self) -> str:
        """The interleaving as a table, and how to run it again."""
        head = [f"violation: {self.kind}: {self.says}"]
        stops = f"{self.preemptions} preemption{'s' * (self.preemptions != 1)}"
        head.append(f"{self.target} after {', '.join(map(_call, self.setup)) or 'nothing'}; with {stops}:")
        answers = [
            f"  {_letter(t)}: {_call(self.threads[t][i])} -> {_answer(self.threads[t][i], *found)}"
            for (t, i), found in sorted(self.answers.items())
        ]
        return "\n".join([*head, "", *_table(_lines(self)), "", *answers, f"replay: {self.replay}"])


@dataclass(frozen=True)
class Exploration:
    """What `explore` found.

    verdict: "ok" (no interleaving within the bound is wrong), "violation", or "unknown" (the budget was used up).
    bound: preemptions of the last bound gone through; complete: whether it was gone through to its end; interleavings: how many
    different ones it has, as far as that. executions, accesses: how many there were in all, of lower bounds and of bounds begun
    anew too. points: of one execution, at most, where others could have come. outcomes: how many different sets of answers the
    operations had (counted up to 32,768). failure: of a violation.
    """

    verdict: str
    bound: int
    complete: bool
    executions: int
    interleavings: int
    accesses: int
    points: int
    outcomes: int
    failure: Failure | None = None


# ------------------------------------------------------------------ texts


def _letter(thread: int) -> str:
    return "abcdefgh"[thread]


def _call(o: Operation) -> str:
    return f"{o[0]}({', '.join(map(str, o[1:]))})"


def _answer(o: Operation, status: int, answer: int) -> str:
    if status < 0:
        return "refused"
    if o[0].startswith("compare"):
        return "done" if status == 0 else "not done"
    if o[0] == "add":
        return str(answer)
    if o[0] == "empty":
        return "yes" if answer else "no"
    return str(answer) if status == 0 else "nothing"


def _value(a: Access) -> str:
    if a.access.startswith("cas"):
        return "done" if a.value else "failed"
    return str(a.value) if a.value < 1 << 32 else f"{a.value:#x}"


def _lines(f: Failure) -> Iterator[tuple[str, ...]]:
    """The rows of the table. Accesses to words that nobody else uses are only counted."""
    names: dict[int, str] = {}
    now, own = (-1, -1), 0
    yield ("thread", "operation", "access", "word", "value", "where")
    for a in f.accesses:
        begins, at = (a.thread, a.operation) != now, (a.thread, a.operation)
        if own and (begins or a.shared):
            yield ("", "", f"({own} to its own words)", "", "", "")
            own = 0
        if not a.shared and not begins:
            own += 1
            continue
        now = at
        word = "(process)" if a.word is None else names.setdefault(a.word, f"w{len(names) + 1}")
        call = _call(f.threads[a.thread][a.operation]) if begins else ""
        yield (_letter(a.thread), call, a.access, word, _value(a), f"{a.file}:{a.line}")
    if own:
        yield ("", "", f"({own} to its own words)", "", "", "")


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    all_rows = list(rows)
    widths = [max(len(row[i]) for row in all_rows) for i in range(len(all_rows[0]))]
    ruled = [all_rows[0], tuple("-" * w for w in widths), *all_rows[1:]]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in ruled]


# ------------------------------------------------------------------ the replay string
#   v1:target:seed=1,hint=0,slow=0,knob=value:store.1.10,...:load.1,store.2.3/add.1.5:a17b5ab


def _packed(operations: Iterable[Operation]) -> str:
    return ",".join(".".join(map(str, o)) for o in operations)


def _unpacked(text: str) -> tuple[Operation, ...]:
    found = (o.split(".") for o in text.split(",") if o)
    return tuple((o[0], *map(int, o[1:])) for o in found)


def _replay_string(s: _Scenario, turns: Iterable[tuple[int, int]]) -> str:
    settings = {"seed": s.seed, "hint": s.hint, "slow": int(s.slow_waits), **s.knobs}
    schedule = "".join(f"{_letter(t)}{n if n >= 0 else ''}" for t, n in turns)
    about = ",".join(f"{name}={value}" for name, value in settings.items())
    return ":".join(["v1", s.target, about, _packed(s.setup), "/".join(map(_packed, s.threads)), schedule])


def _parsed(text: str) -> tuple[_Scenario, list[tuple[int, int]]]:
    try:
        version, target, about, setup, threads, schedule = text.strip().split(":")
        settings = dict(item.split("=", 1) for item in about.split(","))
        if version != "v1" or not re.fullmatch(r"([a-d]\d*)*", schedule):
            raise ValueError("not of this version")
        turns = [(ord(t) - ord("a"), int(n) if n else -1) for t, n in re.findall(r"([a-d])(\d*)", schedule)]
        seed, hint, slow = (int(settings.pop(name)) for name in ("seed", "hint", "slow"))
        calls = [_unpacked(t) for t in threads.split("/")]
        return _checked(target, calls, _unpacked(setup), seed, hint, bool(slow), settings), turns
    except (ValueError, KeyError) as e:
        raise BadValue(f"not a replay string: {e}: {text!r:.80}") from None


# ------------------------------------------------------------------ scenarios


def _checked_operations(operations: Iterable[Any], most: int) -> tuple[Operation, ...]:
    found = tuple(tuple(o) for o in operations)
    if len(found) > most:
        raise BadValue(f"{len(found)} operations, at most {most} are explored")
    for o in found:
        if not o or o[0] not in _ARGUMENTS or len(o) != 1 + _ARGUMENTS[o[0]]:
            allowed = ", ".join(f"{name} ({n})" for name, n in _ARGUMENTS.items())
            raise BadValue(f"not an operation: {o!r:.60}, allowed, with as many numbers: {allowed}")
        if not all(isinstance(n, int) and -(2**63) <= n < 2**63 for n in o[1:]):
            raise BadValue(f"keys, elems and items are int64: {o!r:.60}")
    return found


def _checked(
    target: str, threads: Sequence[Any], setup: Iterable[Any], seed: int, hint: int, slow: bool, knobs: Mapping[str, Any] | None
) -> _Scenario:
    if target not in TARGETS:
        raise BadValue(f"unknown target {target!r}, allowed: {', '.join(TARGETS)}")
    if not 1 <= len(threads) <= _MOST_THREADS:
        raise BadValue(f"{len(threads)} threads, 1 to {_MOST_THREADS} are explored")
    calls = tuple(_checked_operations(t, _MOST_OPS) for t in threads)
    if not 0 <= seed < 2**64 or not 0 <= hint <= 4096:
        raise BadValue(f"a seed from 0 to 2**64 - 1 and a hint up to 4096 expected: {seed}, {hint}")
    return _Scenario(target, calls, _checked_operations(setup, _MOST_SETUP), seed, hint, slow, checked_knobs(knobs))


def _op_line(o: Operation) -> str:
    kind, numbers = o[0], [*o[1:], 0, 0, 0]
    key, value, expected = numbers[:3]
    if kind == "compare_and_swap":
        value, expected = expected, value
    elif kind == "compare_and_delete":
        value, expected = 0, value
    return f"{kind} {key} {value} {expected}"


def _request(s: _Scenario, **numbers: int) -> list[str]:
    lines = [f"target {s.target}", f"seed {s.seed}", f"hint {s.hint}", f"slow {int(s.slow_waits)}"]
    lines += [f"{name} {n}" for name, n in numbers.items()]
    if s.knobs:
        words = ffi.cast("uint32_t *", core := core_knobs(s.knobs))
        lines.append("knobs " + " ".join(str(words[i]) for i in range(ffi.sizeof(core[0]) // 4)))
    lines += [f"setup {_op_line(o)}" for o in s.setup]
    for calls in s.threads:
        lines += ["thread", *(f"op {_op_line(o)}" for o in calls)]
    return lines


# ------------------------------------------------------------------ the program


def _sources() -> Path:
    """The C sources: in the package where it is installed, beside it where it is developed."""
    installed = _PACKAGE / "_csrc"
    return installed if installed.is_dir() else _PACKAGE.parent / "csrc"


def _compiler() -> list[str]:
    if sys.platform != "linux":
        raise ExplorerFailed(f"the explorer needs Linux: its threads take turns in a way that {sys.platform} does not have")
    named = os.environ.get("CC")
    command = shlex.split(named) if named else ["cc"]
    path = shutil.which(command[0])
    if path is None:
        raise MissingTool(f"the explorer needs a C compiler and {command[0]!r} is not there: install one or name it in CC")
    return [path, *command[1:]]


def _files(csrc: Path) -> dict[str, Path]:
    """The program's C files, by the names that a table shows."""
    core = {f"{folder}/{p.name}": p for folder in _FOLDERS for p in sorted((csrc / folder).glob("*.c"))}
    core |= {name: csrc / name for name in _FILES}
    own = {f"explorer/{p.name}": p for p in sorted(_PROGRAM.glob("*.c"))}
    return {name: path for name, path in core.items() if name not in _NOT_EXPLORED} | own


def _hash(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little") + part)
    return sha.hexdigest()[:20]


def _run_compiler(arguments: list[str], made: Path) -> None:
    """Its output comes to its name in one step: others may make the same at the same time."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        fresh = Path(folder) / "made"
        done = subprocess.run([*_compiler(), *arguments, "-o", str(fresh)], capture_output=True, text=True)
        if done.returncode != 0:
            raise ExplorerFailed(f"the explorer could not be compiled: {done.stderr.strip()[:2000]}")
        os.replace(fresh, made)


def _object(name: str, source: Path, csrc: Path, about: bytes) -> Path:
    """A compiled file; the cache is asked by the hash of it, of all headers, the compiler and its flags."""
    made = cache_folder() / "explorer" / f"{_hash(about, name.encode(), source.read_bytes())}.o"
    if not made.exists():
        prefix = f"-fmacro-prefix-map={csrc}=csrc"
        _run_compiler([*_FLAGS, prefix, f"-I{csrc}", f"-I{csrc / 'sync'}", f"-I{_PROGRAM}", "-c", str(source)], made)
    return made


def _program(csrc: Path) -> Path:
    headers = [p for folder in (csrc, _PROGRAM) for p in sorted(folder.rglob("*.h"))]
    version = subprocess.run([*_compiler(), "--version"], capture_output=True).stdout
    about = _hash(version, " ".join(_FLAGS).encode(), *(p.read_bytes() for p in headers)).encode()
    files = _files(csrc)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda item: _object(item[0], item[1], csrc, about), files.items()))
    made = cache_folder() / "explorer" / _hash(*(p.name.encode() for p in objects))
    if not made.exists():
        _run_compiler(["-no-pie", *map(str, objects), "-lm"], made)
    return made


def _run(program: Path, lines: list[str]) -> list[str]:
    done = subprocess.run([str(program)], input="\n".join(lines) + "\n", capture_output=True, text=True)
    said = done.stdout.splitlines()
    if done.returncode != 0:
        why = said[-1].removeprefix("refused ") if said else f"it ended with status {done.returncode}"
        raise (BadValue if said else ExplorerFailed)(f"the explorer cannot do this scenario: {why}")
    return said


# ------------------------------------------------------------------ what it says


def _access_of(text: str) -> Access:
    thread, op, shared, word, value, line, where = text.split(" ", 6)
    file, _, access = where.partition("|")
    return Access(
        int(thread), int(op), access, int(word) if int(word) >= 0 else None, shared == "1", int(value), file, int(line)
    )


def _exploration(s: _Scenario, said: list[str]) -> Exploration:
    by: dict[str, list[str]] = {}
    for line in said:
        name, _, rest = line.partition(" ")
        by.setdefault(name, []).append(rest)
    verdict, kind, says = by["verdict"][0], by["found"][0], by["says"][0]
    if kind in ("no_memory", "not_repeatable") or by.get("repeated") == ["0"]:
        raise ExplorerFailed(f"the scenario cannot be explored: {kind}: {says or 'it does not repeat itself'}")
    numbers = {name: int(by[name][0]) for name in ("bound", "executions", "interleavings", "accesses", "points", "outcomes")}
    failure = None
    if verdict == "violation":
        turns = [(int(t), int(n)) for t, n in (line.split() for line in by.get("turn", []))]
        answers = {(int(t), int(i)): (int(status), int(a)) for t, i, status, a in (x.split() for x in by.get("answer", []))}
        accesses = tuple(map(_access_of, by.get("row", [])))
        text = _replay_string(s, turns)
        preemptions = sum(n >= 0 for _, n in turns)
        failure = Failure(kind, says, preemptions, s.target, s.threads, s.setup, accesses, answers, text)
    return Exploration(verdict=verdict, complete=by["complete"][0] == "1", failure=failure, **numbers)


def _fewer(s: _Scenario) -> Iterator[_Scenario]:
    """The scenario without one of its operations, in every way. Who has none left goes too, but for an owner of a run queue: of
    the threads after it, each would have another's."""
    for t, calls in enumerate(s.threads):
        for i in reversed(range(len(calls))):
            shorter = (*calls[:i], *calls[i + 1 :])
            threads = (*s.threads[:t], *([shorter] if shorter or s.target == "runq" else []), *s.threads[t + 1 :])
            if threads:
                yield replace(s, threads=threads)
    for i in reversed(range(len(s.setup))):
        yield replace(s, setup=(*s.setup[:i], *s.setup[i + 1 :]))


def _shortened(program: Path, s: _Scenario, found: Exploration) -> Exploration:
    """The violation with as few operations as still show it, left out one by one."""
    assert found.failure is not None
    best, kind, on = found.failure, found.failure.kind, True
    while on:
        on = False
        for fewer in _fewer(s):
            said = _run(program, _request(fewer, bound=best.preemptions, budget=_SHORTER_BUDGET))
            with contextlib.suppress(ExplorerFailed):
                shorter = _exploration(fewer, said).failure
                if shorter is not None and shorter.kind == kind:
                    best, s, on = shorter, fewer, True
                    break
    return replace(found, failure=best)


def explore(
    threads: Sequence[Sequence[Operation]],
    target: str = "lockfree",
    *,
    setup: Sequence[Operation] = (),
    preemptions: int = 2,
    budget: int = 1_000_000,
    seed: int = 1,
    hint: int = 0,
    knobs: Mapping[str, Any] | None = None,
    slow_waits: bool = False,
    shorten: bool = True,
    csrc: str | os.PathLike[str] | None = None,
) -> Exploration:
    """Runs the threads' operations in every interleaving of their atomic accesses with up to so many preemptions.

    threads: one to four, each a list of operations on int64 keys and elems: ("load", k), ("store", k, v), ("delete", k),
    ("load_or_store", k, v), ("compare_and_swap", k, old, new), ("compare_and_delete", k, old), ("add", k, n), ("range",); of
    the locks ("lock",), a critical section, and of RWMutex ("rlock",), one that reads. Of runq, where each thread owns a queue
    of its own number: ("put", n) and ("put_next", n), ("fill", n) for items -1 to -n, ("get",), all with one's own; ("steal",
    v) from one's own, else half of v's; ("steal_next", v), ("empty", v). Of the global queues ("put", n), ("get",) and
    ("take",), a get that waits. Each item is put once. setup: done before, by one thread, who owns queue 0.
    target: one of `TARGETS`; sharded has two shards. preemptions: how often a thread that could go on is stopped, at most (0
    to 8).
    budget: executions, at most. seed, hint, knobs: of the map; knobs of plain and of what is made of it.
    slow_waits: every wait for a lock takes long, so that Go's Mutex comes into starving mode. shorten: leaves out operations of
    a violation as long as it stays one. csrc: another tree of the C sources, to look for mistakes in.

    What is looked for: answers that cannot be put in an order, a broken map (its own check), use of freed memory, memory freed
    twice or left, crashes, deadlocks, executions without end, two inside of a lock, a refused call, a range that leaves out a
    lasting key; of queues an item that is lost, taken twice or out of its order, a wrong size, one called empty that was not.
    Of the plain map only the one writer's answers count. Deterministic.

    Some ten thousand executions a second; their number grows like (accesses to shared words) ** preemptions. The first call
    compiles. Raises `BadValue`, `MissingTool` (no C compiler), `ExplorerFailed`.
    """
    if not 0 <= preemptions <= _MOST_PREEMPTIONS or budget < 1:
        raise BadValue(f"0 to {_MOST_PREEMPTIONS} preemptions and a positive budget expected: {preemptions}, {budget}")
    s = _checked(target, threads, setup, seed, hint, slow_waits, knobs)
    program = _program(Path(csrc or _sources()).resolve())
    found = _exploration(s, _run(program, _request(s, bound=preemptions, budget=budget)))
    return _shortened(program, s, found) if found.failure is not None and shorten else found


def replay(text: str, *, csrc: str | os.PathLike[str] | None = None) -> Exploration:
    """Runs the one interleaving of a `Failure.replay` again: a violation again, or "ok" where the sources have been changed.

    csrc: as for `explore`. Raises `BadValue` for another string, `ExplorerFailed` if these sources do not make the same
    accesses, so that the interleaving does not exist.
    """
    s, turns = _parsed(text)
    program = _program(Path(csrc or _sources()).resolve())
    return _exploration(s, _run(program, [*_request(s), *(f"turn {t} {n}" for t, n in turns)]))

"""Real Go under the engine's workloads: the same draws, the same counters, and every way in which a Go program may end."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gomap._core import lib
from sanitized import ROOT, build

from gomap import BadValue, Strings
from gomap.cli import main
from gomap.errors import GoFailed, GoUnavailable
from gomap.lab import (
    PRESETS,
    Comparison,
    Group,
    Hotspot,
    KeyStream,
    Latest,
    Result,
    Sequential,
    Trace,
    TraceData,
    Uniform,
    Workload,
    Zipf,
    compare,
    run,
)
from gomap.lab.machine import allowed_cpus
from gomap.lab.text import comparison_text, result_text
from gomap.lab.workload import OPERATIONS
from gomap.realgo import harness as module
from gomap.realgo.harness import GoHarness, go_harness, run_go
from gomap.realgo.toolchain import find_go

DRAWS = 1_000_000
GUARDS = ("plain", "mutex", "rwmutex", "sharded", "syncmap", "hashtrie")


def missing() -> str | None:
    try:
        designs = find_go().designs
    except GoUnavailable as e:
        return str(e)
    return None if designs == ("classic", "swiss") else f"this Go builds only {designs}"


MISSING = missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

MIXED = {"get": 20, "get_miss": 10, "assign": 10, "assign_new": 15, "delete": 14, "load_or_store": 10, "add": 10, "len": 1}
MIXED |= {"replace": 5, "incr": 5}
W = Workload(size=1000, ops=20_000, seed=11, groups=(Group(mix=MIXED),))


@pytest.fixture(params=["classic", "swiss"])
def design(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(design: str, what: str, w: Workload, seed: int, **more: Any) -> bytes:
    """What the Go program answers to a command other than run."""
    program = go_harness(w, design).program
    done = subprocess.run([str(program)], input=module._command(what, w, seed, **more), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ the same draws

STREAMS: list[KeyStream] = [
    Uniform(),
    Zipf(0.99),
    Zipf(1.0),
    Zipf(0.4),
    Zipf(2.0),
    Hotspot(0.1, 0.93),
    Latest(0.7),
    Sequential(),
]


@pytest.mark.parametrize("stream", STREAMS, ids=repr)
@pytest.mark.parametrize("size", [1, 1000, 12_345_678, 2**53])
def test_the_same_keys(stream: KeyStream, size: int) -> None:
    w = Workload(size=size, ops=1, groups=(Group(keys=stream),))
    count = DRAWS if size == 12_345_678 else DRAWS // 10
    theirs = np.frombuffer(asked("classic", "stream", w, 77, count=count), "<i8")
    assert np.array_equal(theirs, stream.draw(count, size, seed=77))


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [ROOT / "csrc" / name for name in ("lab/feed.c", "lab/keystream.c", "base/rng.c", "base/portable_math.c")]
    folder = tmp_path_factory.mktemp("feed")
    return build(ROOT / "tests" / "realgo" / "feed.c", sources, "undefined", folder, "-ffp-contract=off")


def engine_requests(feed: Path, w: Workload, seed: int, thread: int, count: int) -> bytes:
    g = w.groups[0]
    kind = getattr(lib, f"GM_STREAM_{type(g.keys).__name__.upper()}")
    numbers = [getattr(g.keys, name, 0) for name in ("theta", "fraction", "share")]
    head = [int(w.key == "str"), seed, w.size, w.keyspace or w.size, w.threads, thread, count, kind, *numbers, g.scan]
    mix = [f"{OPERATIONS[name]}={percent!r}" for name, percent in (g.mix or {}).items()]
    return subprocess.run([str(feed), *map(str, head), *mix], capture_output=True, check=True).stdout


CASES: dict[str, Group] = {p.name: Group(mix=p.mix, keys=p.keys) for p in PRESETS.values()}
CASES |= {
    f"mixed {k!r}": Group(mix=MIXED, keys=k, threads=2) for k in (Uniform(), Zipf(1.3), Hotspot(), Latest(0.5), Sequential())
}
CASES |= {f"drawn together {k!r}": Group(mix={"get": 60, "assign": 30, "incr": 10}, keys=k) for k in STREAMS}
CASES["deleted to the end"] = Group(mix={"get": 20, "assign_new": 10, "delete": 70}, keys=Zipf())
CASES["odd shares"] = Group(mix={"iterate": 100 / 3, "assign": 100 / 3, "get": 100 / 3}, scan=0, threads=2)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("key", ["int64", "str"])
def test_the_same_requests(feed: Path, name: str, key: str) -> None:
    """Kind, value and key of the first requests of a thread, byte by byte."""
    w = Workload(size=5000, keyspace=7001, ops=1, key=key, groups=(CASES[name],), oversubscribe=True)
    last = w.threads - 1
    count = (
        DRAWS if name in ("session-cache", "mixed Uniform()", "drawn together Uniform()") and key == "int64" else DRAWS // 20
    )
    theirs = asked("classic", "requests", w, 2**63 + 5, thread=last, count=count)
    assert theirs == engine_requests(feed, w, 2**63 + 5, last, count)
    assert len(theirs) > 9 * count - 1


# ------------------------------------------------------------------ the same counters


def test_one_thread_counts_as_the_engine_does(design: str) -> None:
    """Every preset and guard: what was done, what was found, what is left."""
    for guard in GUARDS:
        built: GoHarness | None = None
        for p in PRESETS.values():
            w = Workload(variant=guard, size=min(p.size, 2000), ops=7000, seed=3, groups=(Group(mix=p.mix, keys=p.keys),))
            built = built or go_harness(w, design)
            assert_equal_counts(built.run(w), run(w), p.name)


def assert_equal_counts(theirs: Result, ours: Result, what: str) -> None:
    assert (theirs.operations, theirs.hits) == (ours.operations, ours.hits), what
    assert theirs.counters["count"] == ours.counters["count"], what
    assert theirs.outcome == "done"


@pytest.mark.parametrize("guard", GUARDS)
def test_strings_and_all_kinds(design: str, guard: str) -> None:
    group = Group(mix={**MIXED, "get": 15, "iterate": 5}, keys=Zipf(0.8), scan=7)
    w = W.with_(variant=guard, key="str", groups=(group,), warmup=777)
    theirs = run_go(w, design)
    assert_equal_counts(theirs, run(w), guard)
    assert theirs.variant == f"go-{design}:{guard}"
    assert Result.from_json(theirs.to_json()) == theirs
    assert "map[str]int64, 1 thread" in result_text(theirs)


def replayed(raw: bytes, d: dict[int, int]) -> None:
    """What requests do to a map, told by a dict."""
    names, at = {code: name for name, code in OPERATIONS.items()}, 0
    while at < len(raw):
        kind, value = names[raw[at]], int.from_bytes(raw[at + 1 : at + 9], "little", signed=True)
        at += 9
        if kind in ("len", "iterate"):
            continue
        key = int.from_bytes(raw[at : at + 8], "little", signed=True)
        at += 8
        if kind in ("assign", "assign_new") or (kind == "replace" and key in d):
            d[key] = value
        elif kind == "delete":
            d.pop(key, None)
        elif kind == "load_or_store":
            d.setdefault(key, value)
        elif kind == "add" or (kind == "incr" and key in d):
            d[key] = d.get(key, 0) + value


@pytest.mark.parametrize("guard", GUARDS)
def test_elems_are_what_the_requests_say(design: str, guard: str) -> None:
    w = W.with_(variant=guard, keyspace=1500)  # a third of the keys is not there to begin with
    c = run_go(w, design).counters
    d = {i: i for i in range(w.size)}
    replayed(asked("classic", "requests", w, 11, thread=0, count=w.ops), d)
    assert (c["count"], c["elem_sum"]) == (len(d), sum(d.values()))


def growths(r: Result) -> list[tuple[int, int, int]]:
    return [(e.n, e.from_B, e.to_B) for e in r.timeline.events if e.kind == "grow_start"]


@pytest.mark.parametrize("guard", ["plain", "mutex", "rwmutex"])
@pytest.mark.parametrize("hint", [0, 9, 3000])
def test_growth_is_read_from_the_header(guard: str, hint: int) -> None:
    """A doubling of a map that only gets new keys depends on nothing but their number."""
    w = Workload(variant=guard, ops=100_000, seed=1, hint=hint, groups=(Group(mix={"assign_new": 100}),))
    theirs, ours = run_go(w, "classic"), run(w)
    assert growths(theirs) == growths(ours)
    assert len(growths(ours)) >= 5
    kinds = [e.kind for e in theirs.timeline.events]
    assert kinds == ["grow_start", "grow_end"] * len(growths(ours))
    for name in ("B", "growths", "same_size_growths", "growing"):
        assert theirs.counters[name] == ours.counters[name], name
    instants = [e.at_ns for e in theirs.timeline.events]
    assert instants == sorted(instants)
    assert theirs.counters["memory"] == pytest.approx(ours.counters["memory"], rel=0.05)


def test_every_shard_grows() -> None:
    """So many keys that each shard ends far from a doubling: they are spread over all shards."""
    w = Workload(variant="sharded", ops=10_000 * 4 * (os.cpu_count() or 1), seed=1, groups=(Group(mix={"assign_new": 100}),))
    theirs, ours = run_go(w, "classic").counters, run(w).counters
    assert (theirs["growths"], theirs["B"]) == (ours["growths"], ours["B"])


def test_growth_that_began_before_is_told_as_the_engine_tells_it() -> None:
    """The map is filled to just before a growth; that is not of the measurement, what follows is."""
    w = Workload(size=6656, ops=3000, seed=1, groups=(Group(mix={"assign_new": 100}),))
    theirs, ours = run_go(w, "classic"), run(w)
    assert growths(theirs) == growths(ours) == [(6656, 10, 11)]


def test_same_size_growth_is_seen() -> None:
    """Keys come and go until overflow buckets force a copy to the same size: seen, and no bigger array with it."""
    w = Workload(size=6000, ops=200_000, seed=2, groups=(Group(mix={"assign_new": 50, "delete": 50}),))
    theirs = run_go(w, "classic")
    found = growths(theirs)
    assert found
    assert {(a, b) for _, a, b in found} == {(10, 10)}
    assert theirs.counters["same_size_growths"] == theirs.counters["growths"] == len(found)


def test_swiss_maps_tell_their_tables() -> None:
    w = Workload(size=50_000, ops=1000, groups=(Group(),))
    c = run_go(w, "swiss").counters
    assert c["tables"] == c["directory"] > 16
    assert 50_000 <= c["slots"] <= 50_000 * 8 / 3.5
    assert c["B"] is None
    assert c["growths"] is None


def test_which_sync_map_it_is() -> None:
    old, new = (run_go(W.with_(variant=guard), "swiss").counters.get("experiments", "") for guard in ("syncmap", "hashtrie"))
    assert "nosynchashtriemap" in old
    assert "synchashtriemap" not in new


def int_trace(fill: bool) -> TraceData:
    rng = np.random.default_rng(4)
    ops = rng.integers(0, 6, 7000).astype(np.uint8)
    return TraceData("t", "csv", rng.integers(-50, 300, 7000), ops, rng.integers(-9, 9, 7000), fill)


def text_trace(fill: bool) -> TraceData:
    words = [f"key{i % 389}" * (i % 3) for i in range(5000)]
    offsets = np.cumsum([0, *map(len, words)])
    ops = (np.arange(5000) % 7 % 6).astype(np.uint8)
    return TraceData("t", "csv", Strings(offsets, "".join(words).encode()), ops, None, fill)


@pytest.mark.parametrize("make", [int_trace, text_trace])
@pytest.mark.parametrize("fill", [False, True])
def test_traces(design: str, make: Callable[[bool], TraceData], fill: bool) -> None:
    own = Workload(ops=9000, seed=1, groups=(Group(keys=Trace(make(fill))),))
    keys_only = own.with_(groups=(Group(mix={"get": 50, "assign": 25, "delete": 25}, keys=Trace(make(fill))),))
    for w in (own, keys_only):
        assert_equal_counts(run_go(w, design), run(w), make.__name__)


# ------------------------------------------------------------------ what is measured


def test_histograms_have_the_engines_buckets(design: str) -> None:
    r = run_go(W.with_(ops=50_000), design)
    for kind, h in r.latency.items():
        assert h.count == r.operations[kind] == sum(n for _, n in h.counts)
        ours = lib.gm_hist_new(3, 100_000_000_000)
        for value, n in h.counts:
            assert h.min_ns <= value
            for _ in range(min(n, 3)):
                lib.gm_hist_record(ours, value)
        assert [v for v, _ in h.counts] == [v for v, _ in type(h).from_core(ours).counts]
        assert h.counts[-1][0] >= h.max_ns >= 0
        lib.gm_hist_free(ours)
    assert sum(r.timeline.count) == r.total
    assert max(r.timeline.max_ns) == max(h.max_ns for h in r.latency.values()) == r.slowest[0].latency_ns
    assert [s.latency_ns for s in r.slowest] == sorted((s.latency_ns for s in r.slowest), reverse=True)
    assert len(r.slowest) == W.slowest
    assert all(sum(s.causes.values()) == s.latency_ns for s in r.slowest)


def test_every_seventh_operation_is_timed_or_none() -> None:
    seventh, none = (run_go(W.with_(sample=n, ops=7001)) for n in (7, 0))
    assert sum(h.count for h in seventh.latency.values()) == 1000
    assert sum(seventh.timeline.count) == 7001
    assert none.latency == {}
    assert none.slowest == ()
    assert none.total == 7001


@pytest.mark.parametrize("arrivals", ["fixed", "poisson"])
@pytest.mark.parametrize("threads", ["goroutines", "locked"])
def test_open_loop(arrivals: str, threads: str) -> None:
    group = Group(mix={"get": 50, "assign": 50}, rate=20_000, arrivals=arrivals)
    w = Workload(size=100, ops=6000, warmup=500, seed=1, groups=(group,))
    r = run_go(w, threads=threads)
    assert r.total == 6000
    least = 0.3 if arrivals == "fixed" else 0.27  # of 6,000 exponential distances the sum is within 10 %
    assert r.elapsed_s > least * 5999 / 6000
    for kind, h in r.latency.items():
        assert r.service[kind].count == h.count
        assert r.service[kind].mean_ns <= h.mean_ns
    assert all(s.latency_ns >= s.service_ns for s in r.slowest)


def test_the_schedule_begins_anew_after_the_warmup() -> None:
    """Each operation is due a whole number of distances after the start of the measurement, the first at once."""
    w = Workload(size=100, ops=200, warmup=150, groups=(Group(rate=5000),))
    r = run_go(w)
    dues = sorted(s.at_ns - (s.latency_ns - s.service_ns) for s in r.slowest)
    assert dues == [200_000 * i for i in range(200)]


def test_a_duration_ends_and_a_schedule_that_cannot_be_kept_is_told() -> None:
    w = Workload(variant="mutex", size=100, duration_s=0.2, warmup=0.05, groups=(Group(rate=1e9),))
    r = run_go(w)
    assert r.elapsed_s >= 0.2
    assert r.behind_s > 0
    assert r.latency["get"].max_ns > r.service["get"].percentile(50)
    assert any("backlog" in s.causes for s in r.slowest)
    assert not r.interrupted
    assert run_go(w.with_(duration_s=None, ops=20_000, warmup=0)).behind_s > 0


@pytest.mark.parametrize("guard", ["mutex", "rwmutex", "sharded", "syncmap", "hashtrie"])
def test_several_threads(design: str, guard: str) -> None:
    """No update is lost, and each thread did its share."""
    ops = 400_001
    w = Workload(variant=guard, size=16, ops=ops, sample=0, groups=(Group(threads=2, mix={"add": 100}),), oversubscribe=True)
    r = run_go(w, design)
    assert [t.operations for t in r.threads] == [200_001, 200_000]
    assert r.hits == {"add": ops}
    assert r.counters["count"] == 16
    assert r.counters["elem_sum"] == sum(range(16)) + ops


@pytest.mark.parametrize("guard", ["mutex", "rwmutex", "sharded", "syncmap", "hashtrie"])
def test_several_threads_that_insert_and_delete(design: str, guard: str) -> None:
    group = Group(threads=2, mix={"assign_new": 40, "get": 20, "load_or_store": 20, "delete": 20})
    w = Workload(variant=guard, size=64, ops=100_000, sample=0, groups=(group,), oversubscribe=True)
    r = run_go(w, design)
    new = sum(r.operations[kind] - r.hits[kind] for kind in ("assign_new", "load_or_store"))
    assert r.counters["count"] == 64 + new - r.hits["delete"]


def test_pinned_threads() -> None:
    cpus = allowed_cpus()
    w = W.with_(groups=(Group(mix=MIXED, cpus=cpus[-1:]),))
    for r in (run_go(w), run_go(w, threads="locked")):
        assert [t.cpu for t in r.threads] == [cpus[-1]]
        assert r.threads[0].cpu_ns > 0
    assert run_go(W).threads[0].cpu is None
    with pytest.raises(BadValue, match="cannot be pinned"):
        run_go(w, threads="goroutines")


def test_a_cpu_that_cannot_be_had() -> None:
    w = W.with_(groups=(Group(mix=MIXED, cpus=allowed_cpus()[:1]),))
    command = module._command("run", w, 1, locked=True).replace(b'"cpus": [%d]' % allowed_cpus()[0], b'"cpus": [5000]')
    with module._Child(go_harness(w).program, command, None, None) as child, pytest.raises(GoFailed, match="run on CPU 5000"):
        child.answer()


def test_the_runtime_is_asked() -> None:
    """Of a sync.Map of many entries the garbage is collected meanwhile; the strings of the keys are of its memory."""
    w = Workload(variant="hashtrie", size=20_000, ops=400_000, key="str", groups=(Group(mix={"assign": 100}),))
    c = run_go(w).counters
    assert c["gc_cycles"] > 0
    assert c["heap_allocs_bytes"] > 400_000 * 16
    assert c["gc_pauses_max_ns"] >= c["gc_pauses_p99_ns"] > 0
    assert c["memory"] > 20_000 * (16 + 16 + 8)


# ------------------------------------------------------------------ how a program may end

LONG = Workload(variant="mutex", size=100, duration_s=1e5, seed=1, groups=(Group(mix={"get": 50, "add": 50}),))


class Children:
    """Those that were started, and what is done to one that gives a first sign of life."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        real = subprocess.Popen

        def spy(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
            self.started.append(real(command, **options))
            return self.started[-1]

        monkeypatch.setattr(module, "subprocess", type("Spied", (), {**vars(subprocess), "Popen": staticmethod(spy)}))

    def sends(self, number: int) -> Callable[[float], None]:
        return lambda part: self.started[-1].send_signal(number)

    def are_gone(self) -> bool:
        """Reaped, and nobody is left in their groups."""
        for child in self.started:
            with pytest.raises(ProcessLookupError):
                os.killpg(child.pid, 0)
        return all(child.returncode is not None for child in self.started)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    go_harness(LONG)  # building starts children too
    program = go_harness(LONG).program
    monkeypatch.setattr(module, "go_harness", lambda w, design="classic", tell=None: GoHarness(program, design, w.variant))
    return Children(monkeypatch)


PANIC = "panic: runtime error: invalid memory address or nil pointer dereference"  # where Go's test comes too late


def test_misuse_is_an_outcome(design: str) -> None:
    w = Workload(size=1000, ops=2**50, groups=(Group(threads=2, mix={"assign": 100}),), oversubscribe=True)
    r = run_go(w, design, timeout=300)
    assert r.outcome in ("fatal error: concurrent map writes", PANIC)
    assert r.total == 0
    assert Result.from_json(r.to_json()) == r
    assert f'ended with "{r.outcome}"' in result_text(r)


def test_misuse_by_a_reader_is_an_outcome(design: str) -> None:
    groups = (Group(mix={"get": 100}), Group(mix={"assign": 100}))
    r = run_go(Workload(size=1000, ops=2**50, groups=groups, oversubscribe=True), design, timeout=300)
    assert r.outcome in ("fatal error: concurrent map read and map write", PANIC)


@pytest.mark.parametrize("said", [PANIC, "fatal error: concurrent map writes"])
def test_what_a_program_died_of_is_read_from_what_it_says(said: str) -> None:
    found = module._DEATHS.search(f"{said}\n[signal SIGSEGV: segmentation violation]\n".encode())
    assert found is not None
    assert found[1].decode() == said


def test_another_end_is_no_misuse() -> None:
    for said in (b"panic: runtime error: index out of range [3] with length 2", b"fatal error: out of memory", b"panic: mine"):
        assert module._DEATHS.search(said) is None


def test_a_killed_child(children: Children) -> None:
    with pytest.raises(GoFailed, match=r"^the Go program harness-classic\S+ was killed by SIGKILL$"):
        module.run_go(LONG, progress=children.sends(signal.SIGKILL))
    assert children.are_gone()


def test_a_crashed_child(children: Children) -> None:
    with pytest.raises(GoFailed, match=r"^the Go program \S+ ended with status 2 \(SIGQUIT: quit\)$"):
        module.run_go(LONG, progress=children.sends(signal.SIGQUIT))
    assert children.are_gone()


def test_a_hung_child(children: Children) -> None:
    with pytest.raises(GoFailed, match=r"took longer than 1\.5 s and was ended"):
        module.run_go(LONG, timeout=1.5, progress=children.sends(signal.SIGSTOP))
    assert children.are_gone()


def test_a_silent_child(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE_S", 1.0)
    with pytest.raises(GoFailed, match="said nothing for 1 s and was ended"):
        module.run_go(LONG, progress=children.sends(signal.SIGSTOP))
    assert children.are_gone()


def interrupts(part: float) -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_what_was_measured(children: Children) -> None:
    r = module.run_go(LONG, progress=interrupts)
    assert r.interrupted
    assert r.total > 0
    assert r.latency["get"].count == r.operations["get"]
    assert children.are_gone()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_on_a_hung_child(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.5)

    def hang(part: float) -> None:
        children.started[-1].send_signal(signal.SIGSTOP)
        interrupts(part)

    with pytest.raises(KeyboardInterrupt):
        module.run_go(LONG, progress=hang)
    assert children.are_gone()


def test_an_exception_of_progress(children: Children) -> None:
    with pytest.raises(ZeroDivisionError):
        module.run_go(LONG, progress=lambda part: print(1 / 0))
    assert children.are_gone()


def test_a_child_goes_when_nobody_listens() -> None:
    child = subprocess.Popen([str(go_harness(LONG).program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(module._command("run", LONG, 1, progress=True))
    child.stdin.flush()
    assert child.stdout.readline().startswith(b'{"progress"')
    child.stdin.close()
    assert child.wait(60) == 1
    child.stdout.close()


def scripted(folder: Path, text: str) -> GoHarness:
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return GoHarness(path, "classic", "mutex")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("print('hello')", "the Go program program said b'hello'"),
        ('print(\'{"error": "no"}\')', "the Go program program gave up: no"),
        ("", "the Go program program ended with status 0"),
        ("import sys; sys.exit('panic: oh\\n\\nmore')", "the Go program program ended with status 1 (panic: oh)"),
    ],
)
def test_a_program_that_is_not_the_harness(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(GoFailed) as e:
        scripted(tmp_path, text).run(LONG)
    assert str(e.value) == sentence


def test_a_program_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More to send than a pipe holds, and nobody takes it: the time still runs."""
    trace = replace(int_trace(False), keys=np.arange(200_000), ops=np.zeros(200_000, np.uint8), values=None)
    w = Workload(variant="mutex", groups=(Group(keys=Trace(trace)),))
    children = Children(monkeypatch)
    with pytest.raises(GoFailed, match="took longer than"):
        scripted(tmp_path, "import time; time.sleep(1000)").run(w, timeout=0.5)
    assert children.are_gone()


def test_no_program(tmp_path: Path) -> None:
    with pytest.raises(GoFailed, match="cannot be run: No such file"):
        GoHarness(tmp_path / "none", "classic", "mutex").run(LONG)


def test_what_go_does_not_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad, sentence in (
        (W.with_(variant="lockfree"), "real Go has no lockfree map"),
        (W.with_(variant="growlock"), "real Go has no growlock map"),
        (W.with_(key="float64"), "float64 keys are not offered"),
    ):
        with pytest.raises(BadValue, match=sentence):
            run_go(bad)
    with pytest.raises(BadValue, match="unknown design 'new'"):
        run_go(W, "new")
    with pytest.raises(BadValue, match="unknown threads"):
        run_go(W, threads="fibres")
    with pytest.raises(BadValue, match="built for plain"):
        go_harness(W).run(W.with_(variant="mutex"))
    monkeypatch.setenv("GOMAP_GO", "/nowhere/go")
    with pytest.raises(GoUnavailable, match="/nowhere/go"):
        run_go(W)


# ------------------------------------------------------------------ beside the model


def test_comparisons_with_go() -> None:
    parts: list[float] = []
    c = compare(W.with_(seed=None), ["mutex", "lockfree"], repeats=2, go=("classic", "swiss"), progress=parts.append)
    assert c.names == ("mutex", "lockfree", "go-classic:mutex", "go-swiss:mutex")
    assert parts == sorted(parts)
    for i in range(2):
        rounds = [c.runs[name][i] for name in c.names]
        assert len({r.seed for r in rounds}) == 1
        assert len({tuple(r.hits.items()) for r in rounds}) == 1
        assert {r.clock.source for r in rounds} == {"os"}
    assert c.median("go-classic:mutex", "bytes per entry") == pytest.approx(c.median("mutex", "bytes per entry"), rel=0.3)
    assert c.ratio("go-swiss:mutex", "throughput").low > 0
    text = comparison_text(c)
    assert "bytes per entry" in text
    assert "go-swiss:mutex" in text
    assert Comparison.from_json(c.to_json()) == c


def test_comparisons_of_workloads_with_go() -> None:
    c = compare({"small": W, "guarded": W.with_(variant="rwmutex")}, repeats=1, go=("swiss",))
    assert c.names == ("small", "guarded", "small, go-swiss", "guarded, go-swiss")
    assert c.runs["guarded, go-swiss"][0].variant == "go-swiss:rwmutex"


def test_a_comparison_with_misuse() -> None:
    w = Workload(size=100, duration_s=0.1, groups=(Group(threads=2, mix={"assign": 100}),))
    c = compare(w, repeats=1, go=("swiss",), oversubscribe=True)
    with pytest.raises(BadValue, match="has no throughput: fatal error: concurrent map writes"):
        c.median("go-swiss:plain", "throughput")
    assert 'go-swiss:plain: 1 of 1 runs ended with "fatal error: concurrent map writes"' in comparison_text(c)


def test_comparisons_that_cannot_be_made() -> None:
    with pytest.raises(BadValue, match="no counterpart of lockfree"):
        compare(W, ["lockfree"], go=("classic",))
    with pytest.raises(BadValue, match="unknown design 'c'"):
        compare(W, go="classic")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    options = ["--ops", "5000", "--size", "1000", "--repeats", "1", "--json", str(out)]
    assert main(["compare", "--go", "classic,swiss", "--variants", "rwmutex", *options]) == 0
    assert "go-classic:rwmutex" in capsys.readouterr().out
    assert list(Comparison.from_json(out.read_text()).runs) == ["rwmutex", "go-classic:rwmutex", "go-swiss:rwmutex"]
    assert main(["compare", "--go", "roman", *options]) == 2
    assert "unknown design 'roman'" in capsys.readouterr().err


def test_requests_are_nine_bytes_and_a_key() -> None:
    """The format in which requests are compared, by hand."""
    w = Workload(size=10, ops=1, groups=(Group(mix={"assign": 100}, keys=Sequential()),))
    raw = asked("classic", "requests", w, 1, thread=0, count=3)
    assert raw == b"".join(struct.pack("<Bqq", OPERATIONS["assign"], i, i) for i in range(3))

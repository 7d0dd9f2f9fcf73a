"""Explanations: each pathology is planted and must be named first; nothing is found where nothing is; cures; the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gomap import BadValue
from gomap.cli import main
from gomap.errors import GoUnavailable
from gomap.explain import CURES, PATHOLOGIES, Explanation, Noise, explain
from gomap.explain.cures import _left
from gomap.explain.explanation import diagnose
from gomap.explain.facts import Facts, gather, key_numbers
from gomap.explain.text import explanation_text
from gomap.kinds import StrKind
from gomap.lab import Group, Hotspot, Latest, Ratio, Trace, TraceData, Workload
from gomap.lab.machine import allowed_cpus
from gomap.lab.traces import OPS

RNG = np.random.default_rng(1)
TWO = allowed_cpus()[:2] if len(allowed_cpus()) > 1 else None
"""Threads that take turns are put on one CPU by the system, where they stop each other and do not wait: so each has its own."""


def trace(*parts: tuple[str, Any]) -> Group:
    """One thread that does these operations, each on all of its keys in turn."""
    keys = np.concatenate([np.asarray(keys, np.int64) for _, keys in parts])
    ops = np.concatenate([np.full(len(keys), OPS[kind], np.uint8) for kind, keys in parts])
    return Group(keys=Trace(TraceData("planted", "csv", keys, ops, None, fill=False)))


def array_allocation() -> Workload:
    """Eight small maps: of their 32 writes that grow, most start a growth, and few only go on with one."""
    group = trace(("assign", RNG.permutation(216)), ("get", RNG.integers(0, 216, 784)))
    return Workload(variant="sharded", groups=(group,))


def evacuation() -> Workload:
    return Workload(ops=200_000, groups=(Group(mix={"assign_new": 100}),))


def stalled_growth() -> Workload:
    """The last insert is the first above 6.5 entries a bucket; nobody writes after it."""
    return Workload(size=13 * 2**13 + 1, ops=200_000, groups=(Group(mix={"get": 100}),))


def mass_deletion() -> Workload:
    group = trace(("delete", np.arange(49_950)), ("get", RNG.integers(0, 50_000, 300_000)))
    return Workload(size=50_000, groups=(group,))


def sparse_range() -> Workload:
    return Workload(size=500, hint=200_000, ops=300, groups=(Group(mix={"iterate": 50, "get": 50}, scan=0),))


def lock_handoff() -> Workload:
    """Somebody is inside nearly always, for half a millisecond: whoever comes waits."""
    group = Group(threads=2, mix={"iterate": 50, "assign": 50}, scan=0, cpus=TWO)
    return Workload(variant="mutex", size=50_000, duration_s=0.3, oversubscribe=True, groups=(group,))


def header_sharing() -> Workload:
    group = Group(threads=2, mix={"get": 50, "assign_new": 25, "delete": 25}, cpus=TWO)
    return Workload(variant="lockfree", size=10_000, ops=400_000, oversubscribe=True, groups=(group,))


def hot_key() -> Workload:
    group = Group(threads=2, mix={"add": 100}, keys=Hotspot(0.0001, 0.95), cpus=TWO)
    return Workload(variant="sharded", size=10_000, ops=1_000_000, oversubscribe=True, groups=(group,))


def promotion() -> Workload:
    group = Group(mix={"get": 90, "assign_new": 5, "delete": 5}, keys=Latest(0.99))
    return Workload(variant="syncmap", size=1000, ops=100_000, groups=(group,))


def beside(does: str) -> Workload:
    """Two goroutines that have little to do, on a P that four others never give up of their own will."""
    groups = (Group(goroutines=2, procs=1, rate=2000, mix={"get": 100}), Group(goroutines=4, does=does))
    return Workload(size=1000, hint=2000, duration_s=0.4, groups=groups)


def outside() -> Workload:
    """A schedule that no map could keep."""
    return Workload(size=1000, hint=2000, ops=200_000, groups=(Group(mix={"get": 100}, rate=5e8),))


def growth_while_marking() -> Workload:
    """The heap grows by a twentieth between two collections, and on the writer's P nobody else marks before it is done: the
    collector marks nearly all the time."""
    heap = {"gogc": 5, "procs": 1, "workers": 0, "assist": "off"}
    return Workload(ops=200_000, key="str", heap=heap, groups=(Group(mix={"assign_new": 100}),))


def assists() -> Workload:
    """On one P, which the writer has: nobody marks but the writer. And no growth is."""
    heap = {"gogc": 5, "procs": 1, "workers": 0}
    return Workload(ops=200_000, hint=200_000, key="str", heap=heap, groups=(Group(mix={"assign_new": 100}),))


def page_faults() -> Workload:
    """Few inserts into a large array that was made for them: each is the first on its page."""
    return Workload(ops=20_000, hint=2_000_000, groups=(Group(mix={"assign_new": 100}),))


PLANTED: dict[str, Callable[[], Workload]] = {
    "growth_while_marking": growth_while_marking,
    "assists": assists,
    "page_faults": page_faults,
    "growth_array_allocation": array_allocation,
    "evacuation": evacuation,
    "stalled_growth": stalled_growth,
    "mass_deletion": mass_deletion,
    "sparse_range": sparse_range,
    "lock_handoff": lock_handoff,
    "header_sharing": header_sharing,
    "hot_key": hot_key,
    "syncmap_promotion": promotion,
    "scheduler": partial(beside, "hog"),
    "ping_pong": partial(beside, "ping-pong"),
    "outside": outside,
}


def test_every_pathology_is_planted() -> None:
    assert set(PLANTED) == set(PATHOLOGIES)


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_named_first(name: str) -> None:
    found = explain(PLANTED[name](), cures=False)
    assert found.findings, f"nothing found; {found.unexplained:.0%} of the tail unexplained"
    assert found.findings[0].name == name, [(f.name, f.share_of_tail) for f in found.findings]
    shares = [f.share_of_tail for f in found.findings]
    assert all(0 <= share <= 1 + 1e-9 for share in shares)
    assert sum(shares) + found.unexplained == pytest.approx(1, abs=0.5)
    assert found.findings[0].evidence


@pytest.mark.parametrize("variant", ["rwmutex", "growlock"])
def test_readers_behind_a_waiting_writer_are_the_locks(variant: str) -> None:
    """A range holds the lock to read for half a millisecond, a writer waits for it, and readers that come then wait too."""
    first = explain(lock_handoff().with_(variant=variant), cures=False).findings[0]
    assert first.name == "lock_handoff"
    assert dict(first.evidence)["of them readers behind a writer"] > 0


@pytest.mark.parametrize(
    "w",
    [
        Workload(size=1000, ops=200_000, groups=(Group(mix={"get": 95, "assign": 5}),)),
        Workload(size=1000, hint=1000, ops=200_000, groups=(Group(threads=2),), oversubscribe=True),
        Workload(size=1000, ops=2000, groups=(Group(mix={"get": 50, "iterate": 50}, scan=0),)),
    ],
    ids=["reads and updates", "readers behind an RWMutex", "ranges over a full map"],
)
def test_a_harmless_workload_has_nothing_of_the_maps(w: Workload) -> None:
    assert [f.name for f in explain(w, cures=False).findings if f.maps] == []


def facts(w: Workload) -> Facts:
    return gather("planted", w.with_(seed=w.seed or 5))


def test_counted_evidence_is_exact() -> None:
    stalled = dict(explain(stalled_growth(), cures=False).findings[0].evidence)
    assert stalled.pop("of them moved") in (0, 1, 2)  # by the insert that began it; the mark passes them in order
    assert stalled == {"old buckets": 2**14, "operations while it stood, %": 100.0}
    deletion = dict(explain(mass_deletion(), cures=False).findings[0].evidence)
    assert (deletion["deleted"], deletion["entries"], deletion["most entries"]) == (49_950, 50, 50_000)
    assert deletion["buckets"] == 2**13


def test_history_counts_entries() -> None:
    group = trace(("assign", [7, 8, 7, 100]), ("delete", [8, 1, 99]), ("get", [7]), ("add", [8]), ("delete", [100]))
    f = facts(Workload(size=3, groups=(group,)))
    assert f.history is not None
    assert f.history.entries.tolist() == [4, 5, 5, 6, 5, 4, 4, 4, 5, 4]
    assert (f.history.peak, f.history.lowest, f.history.first_below(4)) == (6, 5, 5)
    assert f.entries == 4


@pytest.mark.parametrize("first", [0, 3, 5, 7])
def test_what_is_left_is_what_the_map_holds(first: int) -> None:
    from gomap import Map

    group = trace(("assign", [7, 8, 7, 100]), ("delete", [8, 1, 99]))
    assert isinstance(group.keys, Trace)
    t = group.keys.data
    m = Map()
    m.assign_many(np.arange(3), np.arange(3))
    for key, op in zip(t.keys[:first].tolist(), t.ops[:first].tolist(), strict=True):
        if op == OPS["assign"]:
            m[key] = 1
        else:
            m.pop(key, None)
    assert sorted(_left(t, first, 3).tolist()) == sorted(m)


def test_strings_are_left_too() -> None:
    strings = StrKind().batch(["a", "bb", "a", "c", "bb"]).keep
    ops = np.array([OPS[k] for k in ("assign", "assign", "delete", "assign", "get")], np.uint8)
    t = TraceData("t", "csv", strings, ops, None, fill=False)
    left = _left(t, 5, 0)
    assert (left.data.tobytes(), left.offsets.tolist()) == (b"bbc", [0, 2, 3])
    assert key_numbers(strings).tolist() == [0, 1, 0, 2, 1]


def test_the_hottest_key_is_counted() -> None:
    group = trace(("get", [1] * 900 + list(range(2, 102))))
    f = facts(Workload(groups=(group,)))
    assert (f.hottest, f.distinct) == (0.9, 101)
    assert facts(hot_key().with_(ops=1000)).hottest == pytest.approx(0.95, abs=0.01)


# ------------------------------------------------------------------ cures


def tried(w: Workload, monkeypatch: pytest.MonkeyPatch) -> Explanation:
    """With no Go toolchain."""

    def none(*args: Any, **more: Any) -> Any:
        raise GoUnavailable("no toolchain here")

    monkeypatch.setattr("gomap.explain.cures.go_harness", none)
    return explain(w, quick=True, repeats=3)


def test_presize_and_what_does_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(evacuation(), monkeypatch)
    assert [t.cure for t in found.trials] == ["presize"]
    assert found.skipped["swiss"] == "no toolchain here"
    assert set(found.skipped) | {"presize"} == set(CURES)
    assert set(found.trials[0].ratios) == {"tail", "throughput", "memory"}


def test_a_rebuilt_map_is_smaller_and_ranges_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(sparse_range(), monkeypatch)
    rebuilt = next(t for t in found.trials if t.cure == "rebuild")
    assert rebuilt.ratios["memory"].high < 0.05
    assert rebuilt.ratios["tail"].ratio < 0.5
    assert found.trials[0].cure == "rebuild"


def test_rebuild_of_a_trace_measures_what_comes_after_the_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(mass_deletion(), monkeypatch)
    rebuilt = next(t for t in found.trials if t.cure == "rebuild")
    assert rebuilt.ratios["memory"].high < 0.05
    assert rebuilt.note


def test_the_rebuilt_map_holds_the_same_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    f = facts(mass_deletion())
    pair = CURES["rebuild"].pair(f, None)
    original, cured = pair.original(1), pair.cured(1)
    assert original.operations == cured.operations == {"get": 300_000}
    assert original.hits == cured.hits
    assert original.counters["count"] == cured.counters["count"] == 50
    assert cured.counters["B"] < original.counters["B"]


def test_noise_is_no_effect() -> None:
    noise = Noise({"tail": Ratio(1.0, 0.8, 1.3)})
    assert not noise.told_apart("tail", Ratio(0.9, 0.75, 0.95))
    assert not noise.told_apart("tail", Ratio(1.5, 0.9, 2.0))
    assert noise.told_apart("tail", Ratio(0.5, 0.4, 0.7))
    assert noise.told_apart("memory", Ratio(1.1, 1.05, 1.2))


def test_ctrl_c_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from gomap.explain import cures

    real = cures.run
    runs = []

    def cut_off(w: Workload, **options: Any) -> Any:
        runs.append(w)
        return replace(real(w, **options), interrupted=len(runs) > 8)

    monkeypatch.setattr(cures, "run", cut_off)
    found = explain(header_sharing(), quick=True, repeats=3)
    assert found.interrupted
    assert found.findings
    assert "Interrupted" in explanation_text(found, 80)


# ------------------------------------------------------------------ files and the command


def test_json_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(evacuation().with_(ops=20_000), monkeypatch)
    again = Explanation.from_json(found.to_json())
    assert again == found
    for text in ("{", "[]", '{"schema": "other"}', '{"schema": "gomap.explanation/1"}'):
        with pytest.raises(BadValue):
            Explanation.from_json(text)


@pytest.mark.parametrize("width", [80, 120])
def test_text_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = explanation_text(tried(evacuation(), monkeypatch), width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("Evacuation", "golang/go#64703", "Not tried", "Cures, the best first", "no toolchain here"):
        assert words in text


def test_the_command_on_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("altair")
    monkeypatch.setattr("gomap.explain.commands.shutil.get_terminal_size", lambda: __import__("os").terminal_size((80, 24)))
    keys = tmp_path / "t.csv"
    keys.write_text("k,o\n" + "".join(f"{k},set\n" for k in range(30_000)))
    page, out = tmp_path / "p.html", tmp_path / "o.json"
    options = ["--key-column", "k", "--op-column", "o", "--quick", "--html", str(page), "--json", str(out)]
    assert main(["explain", str(keys), *options]) == 0
    text = capsys.readouterr().out
    assert "30,000 operations by 1 thread on plain" in text
    found = Explanation.from_json(out.read_text())
    assert found.findings[0].name == "evacuation"
    html = page.read_text()
    assert html.index("Cures, the best first") > html.rindex("<body>")
    assert "<script src" not in html


def test_the_guard_is_chosen(tmp_path: Path) -> None:
    w = Workload(size=100, ops=2000, oversubscribe=True, groups=(Group(threads=2, mix={"assign": 100}),))
    assert explain(w, cures=False).run.variant == "rwmutex"
    assert explain(w, variant="mutex", cures=False).run.variant == "mutex"
    alone = explain(w.with_(groups=(Group(mix={"assign": 100}),)), cures=False)
    assert alone.run.variant == "plain"


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("w.json", "{", [], "not a workload"),
        ("w.json", "[]", [], "an object expected"),
        ("w.json", '{"groups": [{"mix": {"fly": 100}}]}', [], "unknown operation 'fly'"),
        ("w.json", '{"groups": [{}], "ops": 10, "size": 5}', ["--threads", "2"], "--threads is for traces"),
        ("w.json", '{"groups": [{}], "ops": 10, "size": 5}', ["--variant", "x"], "unknown variant 'x'"),
        ("t.csv", "k\n1\n", ["--key-column", "z"], "no column 'z'"),
        ("t.csv", "k,o\n1,fly\n", ["--key-column", "k", "--op-column", "o"], "unknown operation 'fly'"),
        ("t.csv", "k\n1\n", ["--key-column", "k", "--html", "/nowhere/p.html"], "there is no folder /nowhere"),
    ],
)
def test_bad_input_is_one_line(
    name: str, content: str, options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main(["explain", str(path), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_no_such_file(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("/nowhere/w.json", "/nowhere/t.csv"):
        assert main(["explain", name, "--key-column", "k"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_workload_file_means_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.json"
    path.write_text(stalled_growth().to_json())
    out = tmp_path / "o.json"
    assert main(["explain", str(path), "--quick", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["findings"][0]["name"] == "stalled_growth"
    assert "A growth that nobody finishes" in capsys.readouterr().out


def test_diagnose_claims_no_time_twice() -> None:
    for make in (evacuation, mass_deletion, promotion, sparse_range):
        findings, unexplained = diagnose(facts(make()))
        assert sum(f.share_of_tail for f in findings) <= 1 + 1e-9
        assert 0 <= unexplained <= 1

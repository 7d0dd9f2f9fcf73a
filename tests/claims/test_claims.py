"""The registry: every claim of the catalogue is there, whole, and says of real Go what the catalogue says."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import gomap.claims
from gomap.claims import CONFIRMED, REFUTED, SourceVerdict, entries, entry
from gomap.claims.claim import MODELLED, NEEDS
from gomap.claims.controls import CONTROLS, controls_in
from gomap.claims.registry import claim
from gomap.errors import BadValue

# id | the article's number, in short | and in full | real Go
CATALOGUE = """
C1.0-premise | none | none | partly true
C1.1-grow-global-lock | p99 > 10 us | none (the table in the same section says p99 > 10 us) | false
C1.2-one-writer-stalls-readers | 'hundreds' | 'hundreds' of queued reads | false as stated; true of the user's own RWMutex
C1.3-grow-demo | 65,536 keys, load factor 6.5 | 65,536 keys, load factor 6.5 | partly true
C1.4-delete-rehash | p99 > 10 us | p99 > 10 us | partly true
C1.5-bucket-from-mcache | Go 1.21+ | 'Go 1.21+' | partly true (wrong date)
C1.6-gc-flush-span-lock | > 2 ms | 'sweep stall > 2 ms' in gctrace | false
C1.7-iter-preempt-8 | 8 buckets | 8 buckets | false
C1.8-iter-gopark | 'goroutine count surges' | 'goroutine count surges' | partly true
C1.9-monitor-metrics | 10 us, 2 ms | 10 us; 2 ms | false (two of three do not exist)
C2.1-structure | 8 pairs per bucket | 8 pairs per bucket | partly true
C2.2-load-factor | 6.5 | 6.5 | true (classic); obsolete (Swiss)
C2.3-overflow-threshold | 2^15 | 2^15 | partly true
C2.4-grow-test-code | 8 x 2^B | 8 x 2^B | false
C2.5-load-latency | 12 / 87 ns, 34 % | 12 ns -> 87 ns; 0 % -> 34 % | false as a cause
C2.6-evacuate-cpu | 41 % | 41 % | true for pure growth, false in general
C2.7-grow-shape | 2x | 2x | partly true
C2.8-readonly-path | none | none | false
C2.9-get-locked-insn | none | none | false
C2.10-get-steps | none | none | true for the generic path
C2.11-bucket-lines | 64 B | 64 B | partly true
C2.12-key-straddle | 1.2 % / 4.7 % | 1.2 % / 4.7 %; 0.8 % / 3.9 % | effect real, cause wrong
C2.13-assign-barrier | none | none | partly true
C2.14-gctrace-lines | per write | per write | false
C2.15-assist-cost | 3 / 85 ns | 3 ns / 85 ns; 1 in 5-10 | false
C2.16-barrier-starts-assist | none | none | false
C2.17-iter-get-contention | none | none | false
C2.18-iter-write-check | none | none | true
C2.19-preempt-while-iterating | none | none | false
C3.1-stale-bucket-after-steal | none | none | false
C3.2-mcache-view | none | none | false
C3.3-steal-path | none | none | partly true
C3.4-globrunq-cas | 18 -> 120 ns | 18 ns -> 120 ns at runqsize > 512 | false
C3.5-globrunq-hits-map | 85 -> 420 ns | 85 ns -> 420 ns | false
C3.6-spike-chain | none | none | false
C3.7-sysmon-period | 20 / 10 ms | 20 ms; 10 ms | partly true
C3.8-no-safepoint-in-get | > 10 ms | > 10 ms | false
C3.9-preempt-mechanism | none | none | partly true
C3.10-preempt-cache-damage | none | none | partly true (log line invented)
C3.11-disturbance-table | none | none | mostly true
C4.1-atomic-buckets-load | none | none | false
C4.2-header-false-sharing | 64 B | 64 B | partly true, and truer than the article knew
C4.3-header-offsets | 0/24/32 | 0 / 24 / 32; Go 1.22+ | false
C4.4-bpftrace-method | none | none | false
C4.5-growwork-drains-wbbuf | all Ps | all Ps | false
C4.6-markroot-lock | none | none | false
C4.7-grow-gc-pause | 100-500 us, 3-8x | 100-500 us; +3-8x | false as a map effect
C4.8-markbits-nonatomic | none | none | false
C4.9-get-touches-markbits | none | none | false
C4.10-markbits-rates | 12.7 %, +8.3 % | 12.7 %; +8.3 %; 0 % | false
C4.11-delete-keeps-overflow | none | none | true (classic)
C4.12-delete-writes-overflow-ptr | none | none | false
C4.13-deleted-chain-walk | none | none | true for some paths
C4.14-mutex-profile-rehash | none | none | false
"""
REMEDIES = ("R1-presize", "R2-syncmap", "R3-sharded", "R4-no-range", "R5-padding")
ROWS = [tuple(line.split(" | ")) for line in CATALOGUE.strip().splitlines()]
CLAIMS = [e.claim for e in entries()]
BY_ID = {c.id: c for c in CLAIMS}


def figures(text: str) -> set[str]:
    """The numbers of a text, without signs and separators of thousands."""
    return set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", text)))


def test_all_are_there_in_the_order_of_the_catalogue() -> None:
    assert [c.id for c in CLAIMS] == [row[0] for row in ROWS] + list(REMEDIES)
    assert len(ROWS) == 54


@pytest.mark.parametrize(("claim_id", "short", "full", "go"), ROWS)
def test_figures_and_word_on_real_go_are_the_catalogue_s(claim_id: str, short: str, full: str, go: str) -> None:
    c = BY_ID[claim_id]
    assert c.go_words == go
    assert figures(short) <= figures(full) == figures(c.article_number or "")
    assert (c.article_number is None) == (full == "none")


@pytest.mark.parametrize(("claim_id", "short", "full", "go"), ROWS)
def test_the_verdict_by_source_follows_from_that_word(claim_id: str, short: str, full: str, go: str) -> None:
    found = BY_ID[claim_id].go_by_source
    if go.startswith("false"):
        assert found.verdict == REFUTED
    elif go.startswith(("true", "mostly true")):
        assert found.verdict == CONFIRMED
    else:
        assert found.holds or found.limits  # partly true: which part?


def test_the_catalogue_s_count() -> None:
    false = sum(go.startswith("false") for *_, go in ROWS)
    true = sum(go.startswith(("true", "mostly true")) for *_, go in ROWS)
    assert (false, len(ROWS) - false - true, true) == (31, 16, 7)


@pytest.mark.parametrize("c", CLAIMS, ids=lambda c: c.id)
def test_a_claim_is_whole(c: gomap.claims.Claim) -> None:
    texts = (c.title, c.section, c.statement, c.real_go, c.go_by_source.evidence, c.prediction, c.workload, c.criterion.text)
    assert all(len(t) > 2 and t == t.strip() and "  " not in t for t in texts)
    assert all(t.endswith((".", ")")) for t in (c.statement, c.real_go, c.prediction, c.criterion.text))
    assert c.measured
    assert (c.knob is None) == (not c.settings)
    assert len({s.name for s in c.settings}) == len(c.settings) != 1
    assert sum(s.go for s in c.settings) <= 1
    assert re.search(r"\b[a-z]\w*/[\w/]+(\.go)?|\b\w+\.go\b", c.real_go), "which file of Go's?"
    assert c.criterion.threshold >= 1
    assert all(remedy.partition(" ")[0] in {"R1", "R2", "R3", "R4", "R5"} or len(remedy) > 2 for remedy in c.remedy)
    named = set(re.findall(r"\bG\d+\b", " ".join((*texts, c.go_by_source.holds, c.go_by_source.limits))))
    assert named <= set(CONTROLS)


def test_an_article_s_setting_is_not_go_s_where_the_claim_is_false() -> None:
    assert [c.id for c in CLAIMS if c.go_words == "false" for s in c.settings if s.go and s.article] == []


def test_claims_on_models_that_are_not_there_say_so() -> None:
    assert set(NEEDS) >= MODELLED
    assert BY_ID["C4.4-bpftrace-method"].missing == ("hardware counters",)
    assert BY_ID["C2.2-load-factor"].missing == ()
    no_experiment = [e.claim.id for e in entries() if e.claim.missing and e.on_model is not None]
    assert no_experiment == []


def test_a_claim_is_a_file_of_its_own() -> None:
    root = Path(gomap.claims.__file__).parent
    files = [p for p in root.glob("*/*.py") if p.name != "__init__.py"]
    assert len(files) == 59
    for path in files:
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text))
        assert docstring
        c = BY_ID[docstring.partition(":")[0]]
        assert path.stem == c.id.partition("-")[2].replace("-", "_")
        assert path.parent.name == ("remedies" if c.is_remedy else f"chapter{c.chapter}")


def test_finding_a_claim() -> None:
    assert entry("C2.6-evacuate-cpu") is entry("c2.6") is entry("C2.6")
    with pytest.raises(BadValue, match=r"unknown claim 'C2.6-evacuate'; did you mean C2.6-evacuate-cpu"):
        entry("C2.6-evacuate")
    with pytest.raises(BadValue, match=r"did you mean .*C2.2-load-factor"):
        entry("load-factor")
    with pytest.raises(BadValue, match=r"^unknown claim 'zzzzzzz' \("):
        entry("zzzzzzz")
    with pytest.raises(BadValue, match="unknown claim ''"):
        entry("")


def test_what_cannot_be_registered() -> None:
    c = BY_ID["C2.6-evacuate-cpu"]
    with pytest.raises(BadValue, match=r"the number is taken by C2.6-evacuate-cpu"):
        claim(lambda: replace(c, id="C2.6-other"))
    assert entry("C2.6").claim is c
    for wrong in ("C2.6", "c2.6-x", "C2-x", "R1-X", "K1.1-x"):
        with pytest.raises(BadValue, match="id is like"):
            replace(c, id=wrong)
    with pytest.raises(BadValue, match="needs"):
        replace(c, needs=frozenset({"luck"}))
    with pytest.raises(BadValue, match="real Go's"):
        replace(c, settings=(gomap.claims.Setting("a"), gomap.claims.Setting("b")))
    with pytest.raises(BadValue, match="by source"):
        SourceVerdict("maybe", "")
    with pytest.raises(BadValue, match="two experiments"):
        entry("C2.6").model(lambda ctx: None)


def test_control_runs_are_found_by_name() -> None:
    assert controls_in("so it is (G10), and G1; G99") == ["G1", "G10"]

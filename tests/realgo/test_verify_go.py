"""The live check against real classic Go: that it agrees, that it notices, how it shrinks, and what becomes of a bad child."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gomap.cli import main
from gomap.errors import GoFailed
from gomap.realgo.live import Difference, check_live, check_plan, difference_text
from gomap.realgo.oracle import Oracle, hash_modes
from gomap.realgo.scenarios import COMBINATIONS, descend_plan, draw_plan, write_commands

Json = dict[str, Any]
OPS = 60_000


class Watched(Oracle):
    """Notes what kinds of lines come by."""

    seen: Counter[str]

    def open(self, key: str, elem: str, *args: Any, **named: Any) -> Json:
        self.seen[f"{key} {elem}"] += 1
        return super().open(key, elem, *args, **named)

    def run(self, commands: Sequence[str]) -> Generator[Json, None, None]:
        for line in super().run(commands):
            self.seen.update(field for field in ("nan", "evac", "growdone", "growdropped", "hash0", "end") if field in line)
            self.seen[line.get("op", "last line")] += 1
            self.seen[line.get("grow", {}).get("kind", "no growth")] += 1
            yield line


def test_the_model_agrees_and_everything_was_tried(oracle_binary: Path) -> None:
    Watched.seen = Counter()
    tally = check_live(oracle_binary, OPS, 5, child=Watched)
    assert isinstance(tally, Counter)
    assert tally["ops"] >= OPS
    assert tally["digests"] > OPS // 20
    seen = Watched.seen
    assert set(COMBINATIONS) <= set(seen)
    assert seen["bigger"] > 50
    for what in ("same", "nan", "growdropped", "iterinit", "iternext", "iterall", "clear", "hash0", "end"):
        assert seen[what] > 0, what
    assert seen["iterinit"] + seen["iterall"] == tally["iterators"]


@pytest.mark.parametrize("mode", hash_modes())
def test_one_mode_alone(mode: str, oracle_binary: Path) -> None:
    tally = check_live(oracle_binary, 2_000, 1, modes=(mode,))
    assert isinstance(tally, Counter)
    assert tally["ops"] >= 2_000


def test_old_buckets_written_to_from_the_last_one_down(oracle_binary: Path) -> None:
    """nevacuate stops within a row of evacuated buckets, for it moves 1,024 at a time."""

    class Marks(Oracle):
        stopped: list[tuple[int, int]]

        def run(self, commands: Sequence[str]) -> Generator[Json, None, None]:
            self.stopped, before = [], 0
            for line in super().run(commands):
                now = line.get("r", [0] * 6)[4]
                self.stopped += [(before, now)] if now - before > 1000 else []
                before = now
                yield line

    with Marks(oracle_binary, "fallback") as oracle:
        tally = check_plan(oracle, "fallback", descend_plan("zero"), random.Random(1))
        assert isinstance(tally, Counter)
        assert oracle.stopped


def test_a_seed_fixes_the_operations() -> None:
    def commands(seed: int) -> list[str]:
        rng = random.Random(seed)
        plans = [draw_plan(rng, kinds, 500) for kinds in COMBINATIONS]
        return [c for plan in plans for c in write_commands(plan, rng, lambda key: 0)]

    assert commands(3) == commands(3)
    assert commands(3) != commands(4)


def test_a_seed_fixes_the_maps_whatever_seeds_go_draws(oracle_binary: Path) -> None:
    """What was tried must not hang on Go's random hash0."""

    class Opened(Oracle):
        opened: list[tuple[str, str, int]]

        def open(self, key: str, elem: str, hint: int, **named: Any) -> Json:
            self.opened.append((key, elem, hint))
            return super().open(key, elem, hint, **named)

    def maps() -> list[tuple[str, str, int]]:
        Opened.opened = []
        assert isinstance(check_live(oracle_binary, 10_000, 5, child=Opened), Counter)
        return Opened.opened

    assert maps() == maps()


# -- what differs is noticed


class Tampered(Oracle):
    """Real Go, but its lines are changed on the way."""

    change: Callable[[Json], None]

    def run(self, commands: Sequence[str]) -> Generator[Json, None, None]:
        for line in super().run(commands):
            type(self).change(line)
            yield line


def tampered(change: Callable[[Json], None]) -> type[Tampered]:
    return type("TamperedHere", (Tampered,), {"change": staticmethod(change)})


def first_difference(binary: Path, change: Callable[[Json], None], seed: int = 1) -> Difference:
    found = check_live(binary, OPS, seed, child=tampered(change))
    assert isinstance(found, Difference)
    return found


def from_twenty_entries_on(line: Json) -> None:
    if "r" in line and line["r"][0] >= 20:
        line["raw"] = line["log"] = "0" * 32


def test_a_difference_is_shrunk_to_what_it_takes(oracle_binary: Path) -> None:
    """It takes twenty entries: twenty operations that set twenty different keys."""
    found = first_difference(oracle_binary, from_twenty_entries_on)
    assert len(found.commands) == 20
    assert {c[0] for c in found.commands} == {"s"}
    assert len({c.split()[1] for c in found.commands}) == 20
    mine, real = found.found.states
    assert mine is not None
    assert mine == real
    text = difference_text(found)
    assert "raw digest" in text
    assert text.count("    s =") == 20
    assert "  =     buckets[0] " in text


def without_a_key(line: Json) -> None:
    state = line.get("state")
    if state and state["buckets"] and line["r"][0] >= 3:
        state["buckets"][0][0]["t"] = "ff" * 8
    if "r" in line and line["r"][0] >= 3:
        line["r"][0] += 1


def test_both_states_are_shown_side_by_side(oracle_binary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = first_difference(oracle_binary, without_a_key)
    lines = difference_text(found).splitlines()
    assert len(found.commands) == 3
    at = next(i for i, line in enumerate(lines) if line.startswith("  model buckets[0] "))
    assert lines[at + 1].startswith("  Go    buckets[0] ")
    assert "t=" + "ff" * 8 in lines[at + 1]


CHANGES: dict[str, Callable[[Json], None]] = {
    "a hit": lambda o: o.update(hit=False) if o.get("hit") else None,
    "an elem": lambda o: o.update(v="ff") if o.get("op") == "get" and o.get("v") else None,
    "a hash": lambda o: o.update(h="0" * 16) if "h" in o else None,
    "nevacuate": lambda o: o["r"].__setitem__(4, o["r"][4] + 1) if o.get("evac") else None,
    "the kind of a growth": lambda o: o["grow"].update(kind="other") if "grow" in o else None,
    "an iterator's place": lambda o: o["it"].__setitem__(2, 9) if o.get("op") == "iternext" and "it" in o else None,
    "a random number": lambda o: o["nan"].append("0" * 16) if "nan" in o else None,
    "a seed": lambda o: o.update(hash0=o["hash0"] ^ 1) if "hash0" in o else None,
    "a whole iteration": lambda o: o.update(seqsum="0" * 32) if o.get("op") == "iterall" else None,
    "the number of growths": lambda o: o["growths"].append({}) if o.get("type") == "end" else None,
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_field_is_compared(what: str, oracle_binary: Path) -> None:
    found = first_difference(oracle_binary, CHANGES[what], seed=4)  # one whose first differences are short
    most = 60 if not found.plan.crowd else found.plan.hint + 60  # a crowded map is made with room for so many before it grows
    assert 1 <= len(found.commands) <= most or what == "the number of growths"
    assert found.found.what


def test_a_header_that_differs(oracle_binary: Path) -> None:
    class OtherHeader(Oracle):
        def open(self, *args: Any, **named: Any) -> Json:
            return {**super().open(*args, **named), "nbuckets": 7}

    found = check_live(oracle_binary, 100, 1, child=OtherHeader)
    assert isinstance(found, Difference)
    assert found.found.what == "nbuckets"
    assert found.commands == ()


def test_a_difference_that_does_not_come_again_is_told_as_it_was(oracle_binary: Path) -> None:
    left = [1]

    def once(line: Json) -> None:
        if left and "raw" in line and line["i"] > 10:
            left.pop()
            line["raw"] = "0" * 32

    found = first_difference(oracle_binary, once)
    assert len(found.commands) > 10
    assert "it did not come again" in difference_text(found)


def test_lines_that_break_the_format(oracle_binary: Path) -> None:
    with pytest.raises(GoFailed, match="cannot be understood"):
        first_difference(oracle_binary, lambda o: o.pop("r", None))


# -- the child


def test_a_killed_child(oracle_binary: Path) -> None:
    with Oracle(oracle_binary, "fallback") as oracle:
        oracle.open("i64", "i64", -1)
        os.kill(oracle.pid, signal.SIGKILL)
        with pytest.raises(GoFailed, match="was killed by SIGKILL"):
            list(oracle.run(["g =0000000000000000"]))
    with pytest.raises(ChildProcessError):
        os.waitpid(oracle.pid, os.WNOHANG)


def test_a_hanging_child(oracle_binary: Path) -> None:
    with Oracle(oracle_binary, "fallback", timeout_s=0.5) as oracle:
        os.kill(oracle.pid, signal.SIGSTOP)
        with pytest.raises(GoFailed, match=r"did not answer within 0\.5 s"):
            oracle.open("i64", "i64", -1)
    with pytest.raises(ChildProcessError):
        os.waitpid(oracle.pid, os.WNOHANG)


@pytest.mark.parametrize("command", ["x", "i y", "g 00", "g =0"])
def test_a_child_that_gives_up(command: str, oracle_binary: Path) -> None:
    with Oracle(oracle_binary, "fallback") as oracle:
        oracle.open("i64", "i64", -1)
        with pytest.raises(GoFailed, match="ended with status 3: oracle: "):
            list(oracle.run([command]))


def test_a_binary_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(GoFailed, match="cannot be run"):
        Oracle(tmp_path / "missing", "aes")


def test_lines_left_unread_do_not_reach_the_next_map(oracle_binary: Path) -> None:
    with Oracle(oracle_binary, "fallback") as oracle:
        oracle.open("i64", "i64", -1)
        lines = oracle.run(["g =0000000000000000"] * 50)
        assert next(lines)["op"] == "get"
        lines.close()
        assert oracle.open("str", "zero", 9)["key"] == "str"
        assert [line.get("op") for line in oracle.run(["c"])] == ["clear", None]


# -- the command


@pytest.mark.usefixtures("oracle_binary")
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "go", "--ops", "3000", "--seed", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Go 1.")
    assert "classic" in out[0]
    assert out[-1].startswith("ok: ")
    assert "3,00" in out[-1]


@pytest.mark.usefixtures("oracle_binary")
def test_command_at_a_difference(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gomap.realgo.live.Oracle", tampered(from_twenty_entries_on))
    assert main(["verify", "go", "--ops", "20000", "--seed", "1"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert any(line.startswith("The model differs from real Go") for line in out)
    assert out[-1] == "FAILED (--seed 1)"


@pytest.mark.parametrize(("version", "why"), [("1.26.0", "no classic map"), ("1.22.3", "needs 1.24 or 1.25")])
def test_a_go_without_the_map_is_one_sentence(
    version: str, why: str, fake_go: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go(version=version)
    assert main(["verify", "go"]) == 2
    err = capsys.readouterr().err
    assert why in err
    assert err.count("\n") == 1


def test_no_operations_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "go", "--ops", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err

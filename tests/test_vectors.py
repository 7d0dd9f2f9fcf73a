"""Every recorded state of a real Go map, replayed: hashes, results, growth, iterators, digests, states."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gomap._core import lib

from gomap.cli import main
from gomap.verify import Mismatch, VectorError, verify_file

VECTORS = Path(__file__).parent / "vectors"
AES = sorted((VECTORS / "aes").glob("*.jsonl.gz"))
FALLBACK = sorted((VECTORS / "fallback").glob("*.jsonl.gz"))


def test_the_set_is_whole() -> None:
    for folder, files in (("aes", AES), ("fallback", FALLBACK)):
        lines = (VECTORS / folder / "MANIFEST.jsonl").read_text().splitlines()
        listed = {entry["file"] for entry in map(json.loads, lines) if "file" in entry}
        assert listed <= {f.name for f in files}
        assert len(files) == 189


@pytest.mark.parametrize("path", AES, ids=lambda p: p.name.removesuffix(".jsonl.gz"))
@pytest.mark.parametrize("hasher", ["aes", "aes-portable"])
def test_aes(path: Path, hasher: str) -> None:
    verify_file(path, hasher)


@pytest.mark.parametrize("path", FALLBACK, ids=lambda p: p.name.removesuffix(".jsonl.gz"))
def test_fallback(path: Path) -> None:
    verify_file(path)


@pytest.mark.parametrize("path", AES, ids=lambda p: p.name.removesuffix(".jsonl.gz"))
def test_gets_that_look_at_one_cell_after_the_other(path: Path) -> None:
    verify_file(path, search=lib.GM_SEARCH_SCALAR)


@pytest.mark.parametrize("path", AES, ids=lambda p: p.name.removesuffix(".jsonl.gz"))
def test_the_paths_with_knobs_at_gos_settings(path: Path) -> None:
    verify_file(path, paths="knobs")


def rewrite(source: Path, target: Path, change: Callable[[list[Any]], None]) -> Path:
    """A vector file with its JSON lines changed."""
    with gzip.open(source, "rt") as f:
        lines = [json.loads(line) for line in f]
    change(lines)
    with gzip.open(target, "wt") as f:
        f.writelines(json.dumps(line) + "\n" for line in lines)
    return target


def flip_digest(lines: list[Any]) -> None:
    line = next(o for o in lines if "raw" in o and "state" in o)
    line["raw"] = "0" * 32


def spoil_state(lines: list[Any]) -> None:
    line = next(o for o in lines if o.get("state") and o["state"]["buckets"])
    line["state"]["buckets"][0][0]["t"] = "ff" * 8


def spoil_value(lines: list[Any]) -> None:
    line = next(o for o in lines if o.get("hit"))
    line["v"] = "ff" * 8


def spoil_register(lines: list[Any]) -> None:
    lines[3]["r"][0] += 1


def spoil_iterator(lines: list[Any]) -> None:
    line = next(o for o in lines if "it" in o)
    line["it"][2] ^= 1


def one_random_number_too_many(lines: list[Any]) -> None:
    lines[2]["nan"] = ["1234"]


def spoil_growths(lines: list[Any]) -> None:
    lines[-1]["growths"][0]["start"] += 1


SPOILERS = [
    flip_digest,
    spoil_state,
    spoil_value,
    spoil_register,
    spoil_iterator,
    one_random_number_too_many,
    spoil_growths,
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_changed_vector_is_noticed(spoil: Callable[[list[Any]], None], tmp_path: Path) -> None:
    path = rewrite(VECTORS / "aes" / "small-i64-i64.jsonl.gz", tmp_path / "spoiled.jsonl.gz", spoil)
    with pytest.raises(Mismatch) as caught:
        verify_file(path)
    assert "the model's state:" in str(caught.value)


def test_command_shows_both_states_and_the_summary_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = VECTORS / "aes" / "small-i64-zero.jsonl.gz"
    bad = rewrite(VECTORS / "aes" / "small-i64-i64.jsonl.gz", tmp_path / "spoiled.jsonl.gz", spoil_state)
    assert main(["verify", "vectors", str(good)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("ok: 1 files, 168 ops")
    assert main(["verify", "vectors", str(bad), str(good), "--json", str(tmp_path / "out.json")]) == 1
    out = capsys.readouterr().out
    assert "the model's state:" in out
    assert "the recorded state:" in out
    assert out.splitlines()[-1].startswith("FAILED (1 of 2 files)")
    assert json.loads((tmp_path / "out.json").read_text())["failed"] == [str(bad)]


def test_command_on_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "vectors", str(VECTORS)]) == 0
    assert capsys.readouterr().out == (
        "ok: 378 files, 207,423 ops, 112,705 hashes, 34,425 digests, 9,700 states, 1,789 iterators, "
        "1,057 growths, 586 resets, 1,748 makemaps\n"
    )


@pytest.mark.parametrize(
    "content", ["missing", "empty", "truncated", "not gzip", "not json", "not a vector", "no end", "no field"]
)
def test_unreadable_files_are_one_line_and_exit_2(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl.gz"
    whole = (VECTORS / "aes" / "small-i64-i64.jsonl.gz").read_bytes()
    text = gzip.decompress(whole).decode().splitlines()
    contents = {
        "empty": gzip.compress(b""),
        "truncated": whole[: len(whole) // 2],
        "not gzip": b"hello",
        "not json": gzip.compress(b"{\n"),
        "not a vector": gzip.compress(b"{}\n"),
        "no end": gzip.compress("\n".join(text[:10]).encode()),
        "no field": gzip.compress("\n".join([text[0], '{"op":"set","i":0}', text[-1]]).encode()),
    }
    if content != "missing":
        path.write_bytes(contents[content])
    with pytest.raises(VectorError):
        verify_file(path)
    assert main(["verify", "vectors", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gomap: ")
    assert err.count("\n") == 1
    assert str(path) in err


def line_of(lines: list[Any], op: str) -> Any:
    return next(o for o in lines if o.get("op") == op)


HOSTILE: dict[str, tuple[str, Callable[[list[Any]], object]]] = {
    "key schedule too short": ("small-i64-i64", lambda o: o[0].update(aeskeysched="00" * 4)),
    "key schedule not hex": ("small-i64-i64", lambda o: o[0].update(aeskeysched="zz")),
    "hashkey too short": ("small-i64-i64", lambda o: o[0].update(hashkey=["1"])),
    "hash0 too large": ("small-i64-i64", lambda o: o[0].update(hash0=2**40)),
    "hint beyond 64 bits": ("small-i64-i64", lambda o: o[0].update(hint=2**70)),
    "hint beyond memory": ("small-i64-i64", lambda o: o[0].update(hint=2**50)),
    "header without B": ("small-i64-i64", lambda o: o[0].pop("B")),
    "unknown type": ("small-i64-i64", lambda o: o[0].update(key="i7")),
    "a line that is no object": ("small-i64-i64", lambda o: o.insert(2, [1])),
    "lines after the end": ("small-i64-i64", lambda o: o.append(dict(o[1]))),
    "key too short": ("small-i64-i64", lambda o: line_of(o, "set").update(k="01")),
    "key nil": ("small-i64-i64", lambda o: line_of(o, "set").update(k="-")),
    "elem too short": ("small-i64-i64", lambda o: line_of(o, "set").update(v="01")),
    "elem nil": ("small-i64-i64", lambda o: line_of(o, "set").update(v="-")),
    "boxed elem too short": ("chain-bucket-i64-ptr-0", lambda o: line_of(o, "set").update(v="01")),
    "indirect elem too short": ("small-b9-s136", lambda o: line_of(o, "set").update(v="")),
    "fill of another key type": ("small-b9-s136", lambda o: o.insert(1, {"op": "fill", "i": 0, "from": 0, "n": 1})),
    "negative random number": ("small-i64-i64", lambda o: line_of(o, "set").update(nan=["-1"])),
    "hash not hex": ("small-i64-i64", lambda o: line_of(o, "set").update(h="zz")),
    "start beyond the array": ("small-i64-i64", lambda o: line_of(o, "iterinit").update(start=2**40)),
    "string longer than any": ("hashes", lambda o: o[1].update(kind="strx", len=2**62)),
    "seed too large": ("hashes", lambda o: o[1].update(seed=2**40)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_one_line_and_exit_2(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in a file may make the core read what is not there."""
    source, spoil = HOSTILE[what]
    path = rewrite(VECTORS / "aes" / f"{source}.jsonl.gz", tmp_path / "hostile.jsonl.gz", spoil)
    assert main(["verify", "vectors", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"gomap: {path}, line ")
    assert err.count("\n") == 1


def test_a_mismatch_on_a_huge_map_shows_no_state(tmp_path: Path) -> None:
    source, target = VECTORS / "aes" / "small-i64-i64.jsonl.gz", tmp_path / "huge.jsonl.gz"
    path = rewrite(source, target, lambda lines: lines[0].update(hint=1_000_000))
    with pytest.raises(Mismatch, match="too many to show"):
        verify_file(path)

"""Reading traces: each format, each compression, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from gomap._core import lib

from gomap import BadValue, MissingTool, Strings, TraceError
from gomap.cli import main
from gomap.lab import read_trace
from gomap.lab import traces as traces_module
from gomap.lab.traces import guess_format, parse_op_map

TABLE = "time,op,key\n1,get,5\n2,set,7\n\n3,delete,-5\n"
TWITTER = "0,aa,2,10,1,get,0\n1,bb,2,10,1,set,0\n1,aa,2,10,1,incr,0\n2,bb,2,0,1,decr,0\n3,cc,2,0,1,cas,0\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda b: b,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda b: zstandard.ZstdCompressor(write_checksum=True).compress(b),
}


def write(path: Path, content: str | bytes, suffix: str = "") -> Path:
    path = path.with_name(path.name + suffix)
    path.write_bytes(PACKERS[suffix](content.encode() if isinstance(content, str) else content))
    return path


def strings(s: Any) -> list[bytes]:
    assert isinstance(s, Strings)
    return [s.data[a:b].tobytes() for a, b in zip(s.offsets, s.offsets[1:], strict=False)]


@pytest.mark.parametrize("suffix", PACKERS)
def test_csv_by_name(tmp_path: Path, suffix: str) -> None:
    t = read_trace(write(tmp_path / "t.csv", TABLE, suffix), key_column="key", op_column="op")
    assert isinstance(t.keys, np.ndarray)
    assert t.keys.tolist() == [5, 7, -5]
    assert t.ops.tolist() == [lib.GM_OP_GET, lib.GM_OP_ASSIGN, lib.GM_OP_DELETE]
    assert (t.key_kind, t.format, t.fill, len(t)) == ("int64", "csv", False, 3)


def test_csv_by_number_with_and_without_header(tmp_path: Path) -> None:
    for text in (TABLE, TABLE.partition("\n")[2]):
        t = read_trace(write(tmp_path / "t.csv", text), key_column=3, op_column="2")
        assert isinstance(t.keys, np.ndarray)
        assert t.keys.tolist() == [5, 7, -5]


def test_without_an_operation_column_every_row_is_a_get(tmp_path: Path) -> None:
    t = read_trace(write(tmp_path / "t.csv", "5\n7\n5\n"), key_column=1)
    assert t.ops.tolist() == [lib.GM_OP_GET] * 3


def test_keys_that_are_not_all_int64_are_strings(tmp_path: Path) -> None:
    for odd in ("abc", "9223372036854775808", "1.5", "+1", "ä", "1_000"):
        t = read_trace(write(tmp_path / "t.csv", f"5,1\n{odd},1\n"), key_column=1)
        assert strings(t.keys) == [b"5", odd.encode()]
    t = read_trace(write(tmp_path / "t.csv", "5,1\n-9223372036854775808,1\n"), key_column=1)
    assert t.key_kind == "int64"
    assert read_trace(write(tmp_path / "t.csv", "5,1\n"), key_column=1, key_type="str").key_kind == "str"


def test_bytes_that_are_not_utf8_pass_through(tmp_path: Path) -> None:
    t = read_trace(write(tmp_path / "t.csv", b"a\xff,1\n"), key_column=1)
    assert strings(t.keys) == [b"a\xff"]


def test_op_map(tmp_path: Path) -> None:
    t = read_trace(write(tmp_path / "t.csv", "1,28\n1,2a\n"), key_column=1, op_column=2, op_map=parse_op_map("28=get,2a=write"))
    assert t.ops.tolist() == [lib.GM_OP_GET, lib.GM_OP_ASSIGN]


def test_twitter(tmp_path: Path) -> None:
    t = read_trace(write(tmp_path / "t", TWITTER), "twitter")
    assert strings(t.keys) == [b"aa", b"bb", b"aa", b"bb", b"cc"]
    assert t.ops.tolist() == [lib.GM_OP_GET, lib.GM_OP_ASSIGN, lib.GM_OP_INCR, lib.GM_OP_INCR, lib.GM_OP_REPLACE]
    assert t.values is not None
    assert t.values.tolist() == [0, 1, 1, -1, 4]


@pytest.mark.parametrize("suffix", PACKERS)
def test_oracle(tmp_path: Path, suffix: str) -> None:
    records = b"".join(struct.pack("<IQIq", i, key, 512, -1) for i, key in enumerate([7, 2**64 - 1, 7]))
    path = write(tmp_path / "x.oracleGeneral", records, suffix)
    assert guess_format(str(path)) == "oracle"
    t = read_trace(path)
    assert isinstance(t.keys, np.ndarray)
    assert t.keys.tolist() == [7, -1, 7]
    assert t.fill


BAD: list[tuple[str, str, bytes, str, list[str]]] = [
    ("short row", "csv", b"1,get\n2\n", ":2: 1 columns, at least 2", ["--key-column", "1", "--op-column", "2"]),
    ("short row after a blank line", "csv", b"k,op\n\n2\n", ":3: 1 columns", ["--key-column", "k", "--op-column", "op"]),
    ("unknown operation", "csv", b"1,get\n2,28\n", ":2: unknown operation '28'", ["--key-column", "1", "--op-column", "2"]),
    ("empty key", "csv", b"1,get\n,get\n", ":2: the key is empty", ["--key-column", "1"]),
    ("no such column", "csv", b"k,op\n1,get\n", "there are: k, op", ["--key-column", "key"]),
    ("no such number", "csv", b"1,get\n", "1 to 2", ["--key-column", "3"]),
    ("column 0", "csv", b"1,get\n", "no column '0'", ["--key-column", "0"]),
    ("which column", "csv", b"k,op\n1,get\n", "--key-column: k, op", []),
    ("empty file", "csv", b"", "the file is empty", ["--key-column", "1"]),
    ("header only", "csv", b"k,op\n", "no operation in it", ["--key-column", "k"]),
    ("not an int64", "csv", b"5\n\n7x\n", ":3: the key '7x' is not an int64", ["--key-column", "1", "--key-type", "int64"]),
    ("too large for int64", "csv", b"9223372036854775808\n", "is not an int64", ["--key-column", "1", "--key-type", "int64"]),
    ("open quote", "csv", b'1,a\n2,"b\n3,c\n', ":2: not CSV", ["--key-column", "1"]),
    ("op map without column", "csv", b"1,a\n", "needs a column of operations", ["--key-column", "1", "--op-map", "a=get"]),
    ("empty op map", "csv", b"1,a\n", "--op-map: ''", ["--key-column", "1", "--op-map", ""]),
    ("column of a twitter trace", "twitter", b"", "columns are for csv", ["--key-column", "1"]),
    ("NUL or huge field", "csv", b'1,"' + b"x" * 200_000 + b'"\n', "not CSV", ["--key-column", "1"]),
    ("twitter columns", "twitter", b"0,a,1,1,1,get,0\n1,a,1\n", ":2: 3 columns, 7 expected", []),
    ("twitter operation", "twitter", b"0,a,1,1,1,fly,0\n", ":1: unknown operation 'fly'", []),
    ("oracle cut off", "oracle", bytes(24) + bytes(10), ":2: the record is cut off: 10 bytes", []),
    ("oracle empty", "oracle", b"", "no operation in it", []),
]


@pytest.mark.parametrize(("format", "content", "words", "options"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_malformed_is_one_line_with_its_number_and_exit_2(
    format: str, content: bytes, words: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "bad", content)
    assert main(["replay", str(path), "--format", format, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("gomap: ")
    assert words in err
    if not options or options[-1] not in ("", "a=get", "1"):
        assert str(path) in err


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "not compressed", "flipped"])
def test_broken_compression(suffix: str, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "\n".join(str(i * 7919 % 100_003) for i in range(20_000)).encode()
    packed = bytearray(PACKERS[suffix](body))
    if damage == "flipped":
        packed[len(packed) // 2] ^= 0x55
    content = {"cut": bytes(packed[: len(packed) // 2]), "not compressed": body, "flipped": bytes(packed)}[damage]
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(content)
    code = main(["replay", str(path), "--key-column", "1"])
    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert str(path) in err


def test_a_missing_file_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "nope.csv", tmp_path):
        assert main(["replay", str(path), "--key-column", "1"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert str(path) in err


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_file_cut_anywhere_is_noticed(suffix: str, cut: float, tmp_path: Path) -> None:
    body = "\n".join(str(i * 7919 % 1_000_003) for i in range(300_000)).encode()  # several blocks, one column
    packed = PACKERS[suffix](body)
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(packed[: int(len(packed) * cut)])
    with pytest.raises(TraceError, match="cannot be read"):
        read_trace(path, key_column=1)


def test_frames_one_after_another(tmp_path: Path) -> None:
    for suffix in (".gz", ".xz", ".zst"):
        path = tmp_path / f"t.csv{suffix}"
        path.write_bytes(PACKERS[suffix](b"5\n6\n") + PACKERS[suffix](b"7\n"))
        t = read_trace(path, key_column=1)
        assert isinstance(t.keys, np.ndarray)
        assert t.keys.tolist() == [5, 6, 7]


def test_what_is_a_header(tmp_path: Path) -> None:
    def keys(text: str, **columns: Any) -> list[bytes]:
        return strings(read_trace(write(tmp_path / "t.csv", text), key_type="str", **columns).keys)

    assert keys("alpha,get\nbeta,set\n", key_column=1, op_column=2) == [b"alpha", b"beta"]
    assert keys("key,2020\n5,get\n", key_column="key", op_column="2020") == [b"5"]
    assert keys("\ufeffkey,op\n5,get\n", key_column="key") == [b"5"]
    assert keys("key, op\n5,get\n", key_column="key", op_column="op") == [b"5"]
    assert keys("k,v\na,b\n", key_column=1) == [b"a"]


def test_twitter_keys_may_hold_quotes(tmp_path: Path) -> None:
    t = read_trace(write(tmp_path / "t", '0,"a,2,10,1,get,0\n1,b"b,2,10,1,set,0\n'), "twitter")
    assert strings(t.keys) == [b'"a', b'b"b']


def test_errors_carry_path_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1,get\n2,fly\n")
    with pytest.raises(TraceError) as caught:
        read_trace(path, key_column=1, op_column=2)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_arguments_name_what_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1\n")
    with pytest.raises(BadValue, match="csv, twitter, oracle"):
        read_trace(path, "json")
    with pytest.raises(BadValue, match="auto, int64, str"):
        read_trace(path, key_column=1, key_type="float")
    with pytest.raises(BadValue, match="28=fly"):
        read_trace(path, key_column=1, op_column=1, op_map={"28": "fly"})
    for text in ("28", "28=fly", "=get", ""):
        with pytest.raises(BadValue, match="get, assign, delete"):
            parse_op_map(text)


def test_without_a_zst_reader_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv", "1\n", ".zst")

    def absent(name: str) -> Any:
        raise MissingTool("reading .zst needs Python 3.14 or the package zstandard: pip install 'gomap[lab]'")

    monkeypatch.setitem(traces_module._OPENERS, ".zst", absent)
    with pytest.raises(MissingTool, match=r"gomap\[lab\]"):
        read_trace(path, key_column=1)

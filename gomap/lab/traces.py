"""Readers for recorded traces: CSV, the public Twitter cache traces, libCacheSim's oracleGeneral.

A trace becomes arrays (`TraceData`) before anything runs; whatever is wrong with it is a `TraceError` that names the line.
Files ending in .gz, .xz or .zst are decompressed on the way.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from gomap._core import lib
from gomap.errors import BadValue, MissingTool, TraceError
from gomap.kinds import Strings, StrKind

__all__ = ["FORMATS", "TraceData", "guess_format", "parse_op_map", "read_trace"]

OPS = {
    "get": lib.GM_OP_GET,
    "assign": lib.GM_OP_ASSIGN,
    "delete": lib.GM_OP_DELETE,
    "add": lib.GM_OP_LOAD_OR_STORE,
    "replace": lib.GM_OP_REPLACE,
    "incr": lib.GM_OP_INCR,
}
"""What an operation of a trace does to the map. add stores if absent, replace if present, incr adds if present."""

ALIASES = {
    "gets": "get",
    "read": "get",
    "set": "assign",
    "write": "assign",
    "cas": "replace",
    "append": "replace",
    "prepend": "replace",
    "decr": "incr",
}
"""Other names for them. decr adds -1."""


@dataclass(frozen=True)
class TraceData:
    """A trace in memory.

    name: the file's name. format: one of FORMATS. keys: int64 array, or `Strings`. ops: uint8 array of the core's
    operation codes. values: int64 array of what is stored or added; None: the operation's number. fill: whether a get
    that misses is followed by an assign, as in a trace of bare requests.
    """

    name: str
    format: str
    keys: npt.NDArray[np.int64] | Strings
    ops: npt.NDArray[np.uint8]
    values: npt.NDArray[np.int64] | None
    fill: bool

    def __post_init__(self) -> None:
        n = len(self.ops)
        if self.ops.dtype != np.uint8 or self.ops.ndim != 1 or not self.ops.flags.c_contiguous:
            raise BadValue("ops: a C-contiguous uint8 array of one dimension expected")
        if len(self.keys) != n or (self.values is not None and self.values.shape != (n,)):
            raise BadValue(f"as many keys and values as operations expected: {len(self.keys)} keys, {n} operations")
        if self.values is not None and (self.values.dtype != np.int64 or not self.values.flags.c_contiguous):
            raise BadValue("values: a C-contiguous int64 array expected")
        if n and int(self.ops.max()) >= lib.GM_OP_FILL:
            raise BadValue(f"ops: the codes of {', '.join(OPS)} expected, not {int(self.ops.max())}")

    @property
    def key_kind(self) -> str:
        return "str" if isinstance(self.keys, Strings) else "int64"

    def __len__(self) -> int:
        return int(self.ops.size)


def parse_op_map(text: str) -> dict[str, str]:
    """"28=get,2a=assign" as a dict; `BadValue` names what is allowed."""  # fmt: skip
    found = {}
    for part in text.split(","):
        theirs, equals, ours = part.partition("=")
        if not equals or not theirs or (ours not in OPS and ours not in ALIASES):
            raise BadValue(f"--op-map: {part!r} is not THEIRS=OURS with OURS one of {', '.join([*OPS, *ALIASES])}")
        found[theirs] = ours
    return found


# ------------------------------------------------------------------ files


def _open_zst(path: str) -> IO[bytes]:
    try:
        from compression import zstd

        return cast("IO[bytes]", zstd.open(path, "rb"))
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        raise MissingTool("reading .zst needs Python 3.14 or the package zstandard: pip install 'gomap[lab]'") from None
    with open(path, "rb") as f:
        packed = f.read()
    out = io.BytesIO()
    while packed:  # frame by frame: the package's own streams take a frame that is cut off for a whole one
        frame = zstandard.ZstdDecompressor().decompressobj()
        out.write(frame.decompress(packed))
        if not frame.eof:
            raise EOFError("the compressed data ends in the middle of a frame")
        packed = frame.unused_data
    out.seek(0)
    return out


def _open_plain(path: str) -> IO[bytes]:
    return open(path, "rb")


_OPENERS: dict[str, Callable[[str], Any]] = {".gz": gzip.open, ".xz": lzma.open, ".zst": _open_zst}


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """The decompressed bytes of a file; every way in which that fails is a TraceError."""
    suffix = Path(path).suffix
    try:
        with _OPENERS.get(suffix, _open_plain)(path) as stream:
            yield stream
    except (TraceError, MissingTool, BadValue):
        raise
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        raise TraceError(f"cannot be read: {reason}", path) from e
    except Exception as e:
        if type(e).__name__ != "ZstdError":  # of two possible modules, neither of which need be there
            raise
        raise TraceError(f"cannot be read: {e}", path) from e


# ------------------------------------------------------------------ tables of text


class _Asked(NamedTuple):
    """What the caller said of the file."""

    key_column: str | None
    op_column: str | None
    op_map: Mapping[str, str]
    key_type: str


class _Columns:
    """Collects keys and operations row by row; a row that does not fit is a TraceError with its number."""

    def __init__(self, path: str, asked: _Asked, key_at: int, op_at: int | None) -> None:
        self.path, self.key_at, self.op_at = path, key_at, op_at
        self.op_map, self.key_type = {**_known_ops(), **asked.op_map}, asked.key_type
        self.keys: list[str] = []
        self.ops = bytearray()
        self.decrements: list[int] = []
        self.least = 1 + max(key_at, key_at if op_at is None else op_at)

    def add(self, row: list[str], line: int) -> None:
        if len(row) < self.least:
            raise TraceError(f"{len(row)} columns, at least {self.least} expected", self.path, line)
        key = row[self.key_at]
        if not key:
            raise TraceError("the key is empty", self.path, line)
        if self.key_type == "int64" and not _is_int64(key):
            raise TraceError(f"the key {key!r:.60} is not an int64", self.path, line)
        self.keys.append(key)
        if self.op_at is None:
            self.ops.append(OPS["get"])
            return
        name = row[self.op_at]
        ours = self.op_map.get(name)
        if ours is None:
            known = ", ".join(self.op_map)
            raise TraceError(f"unknown operation {name!r} (known: {known}; see --op-map)", self.path, line)
        if ours == "decr":
            self.decrements.append(len(self.ops))
        self.ops.append(OPS[ALIASES.get(ours, ours)])

    def trace(self, format: str) -> TraceData:
        if not self.keys:
            raise TraceError("no operation in it", self.path)
        ops = np.frombuffer(bytes(self.ops), np.uint8)
        values = None
        if bool((ops == OPS["incr"]).any()):
            values = np.where(ops == OPS["incr"], 1, np.arange(ops.size))
            values[self.decrements] = -1
        return TraceData(Path(self.path).name, format, _key_array(self.keys, self.key_type), ops, values, fill=False)


def _known_ops() -> dict[str, str]:
    return {name: name for name in (*OPS, *ALIASES)}


_INTEGER = re.compile(r"-?[0-9]{1,19}")


def _is_int64(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _key_array(keys: list[str], key_type: str) -> npt.NDArray[np.int64] | Strings:
    if key_type != "str" and all(map(_INTEGER.fullmatch, keys)):
        try:
            return np.array([int(k) for k in keys], np.int64)
        except OverflowError:
            pass  # nineteen digits can be too many: then they are strings
    strings = StrKind().batch(keys).keep
    assert isinstance(strings, Strings)
    return strings


def _rows(path: str, stream: IO[bytes], *, quoted: bool) -> Iterator[tuple[list[str], int]]:
    """Non-empty rows and the numbers of their first lines. Bytes that are not UTF-8 pass through as lone surrogates."""
    lines = (line.decode("utf-8", "surrogateescape") for line in stream)
    reader = csv.reader(lines, strict=True, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    while True:
        first_line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as e:
            raise TraceError(f"not CSV: {e}", path, first_line) from e
        if row is None:
            return
        if row and first_line == 1:
            row[0] = row[0].removeprefix("\ufeff")
        if row:
            yield row, first_line


def _column(name: str, header: list[str] | None, width: int, path: str, option: str) -> int:
    """A column given by name, or by number from 1 on, as an index."""
    if header is not None and name in header:
        return header.index(name)
    if name.isdecimal() and 1 <= int(name) <= width:
        return int(name) - 1
    there = ", ".join(header) if header is not None else f"1 to {width} (there is no header line)"
    raise TraceError(f"no column {name!r} for {option}; there are: {there}", path)


def _header(row: list[str], asked: _Asked) -> list[str] | None:
    """The first row as names, if it is a header: one that holds a name asked for, or no number and no known operation."""
    names = [cell.strip() for cell in row]
    wanted = [c for c in (asked.key_column, asked.op_column) if c is not None and not c.isdecimal()]
    if any(c in names for c in wanted):
        return names
    known = {**_known_ops(), **asked.op_map}
    op_at = int(asked.op_column) - 1 if asked.op_column is not None and asked.op_column.isdecimal() else -1
    if 0 <= op_at < len(row) and row[op_at] in known:
        return None
    return None if any(re.fullmatch(r"-?[0-9.]+", cell) for cell in names) else names


def _read_csv(path: str, asked: _Asked) -> TraceData:
    with _opened(path) as stream:
        rows = _rows(path, stream, quoted=True)
        first = next(rows, None)
        if first is None:
            raise TraceError("the file is empty", path)
        header = _header(first[0], asked)
        if asked.key_column is None:
            there = ", ".join(header) if header else f"1 to {len(first[0])}"
            raise TraceError(f"which column holds the key? Name one with --key-column: {there}", path)
        key_at = _column(asked.key_column, header, len(first[0]), path, "--key-column")
        op_at = None if asked.op_column is None else _column(asked.op_column, header, len(first[0]), path, "--op-column")
        columns = _Columns(path, asked, key_at, op_at)
        if header is None:
            columns.add(*first)
        for row, line in rows:
            columns.add(row, line)
    return columns.trace("csv")


def _read_twitter(path: str, asked: _Asked) -> TraceData:
    """timestamp, anonymised key, key size, value size, client id, operation, TTL; nothing is quoted."""
    key_type = "str" if asked.key_type == "auto" else asked.key_type
    columns = _Columns(path, asked._replace(key_type=key_type), 1, 5)
    with _opened(path) as stream:
        for row, line in _rows(path, stream, quoted=False):
            if len(row) != 7:
                raise TraceError(f"{len(row)} columns, 7 expected (time, key, sizes, client, operation, TTL)", path, line)
            columns.add(row, line)
    return columns.trace("twitter")


# ------------------------------------------------------------------ oracleGeneral

_ORACLE = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])


def _read_oracle(path: str, asked: _Asked) -> TraceData:
    """Records of 24 bytes, packed; object numbers above 2**63 become the int64 of the same bits."""
    with _opened(path) as stream:
        data = stream.read()
    records, rest = divmod(len(data), _ORACLE.itemsize)
    if rest:
        raise TraceError(f"the record is cut off: {rest} bytes instead of {_ORACLE.itemsize}", path, records + 1)
    if records == 0:
        raise TraceError("no operation in it", path)
    keys = np.frombuffer(data, _ORACLE)["id"].astype(np.uint64).view(np.int64)
    return TraceData(Path(path).name, "oracle", keys, np.full(records, OPS["get"], np.uint8), None, fill=True)


_READERS = {"csv": _read_csv, "twitter": _read_twitter, "oracle": _read_oracle}
FORMATS = tuple(_READERS)


def guess_format(path: str) -> str:
    """The format that a file's name suggests: oracle for *oracleGeneral*, else csv."""
    return "oracle" if "oraclegeneral" in Path(path).name.lower() else "csv"


def read_trace(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    key_column: str | int | None = None,
    op_column: str | int | None = None,
    op_map: Mapping[str, str] | None = None,
    key_type: str = "auto",
) -> TraceData:
    """Reads a trace.

    format: "csv", "twitter" or "oracle"; None guesses from the name. key_column, op_column (csv): a name from the header
    line, or a number from 1 on; without an operation column every row is a get. op_map: their names of operations to
    ours (`OPS`, `ALIASES`). key_type: "int64", "str", or "auto" (int64 if every key is a decimal int64).

    Raises `TraceError` (a `ValueError`) with the line's number for anything unreadable or malformed, `MissingTool` if .zst
    cannot be decompressed here. O(size), the whole trace in memory.
    """
    name = os.fspath(path)
    chosen = guess_format(name) if format is None else format
    if chosen not in _READERS:
        raise BadValue(f"unknown format {chosen!r}, allowed: {', '.join(FORMATS)}")
    if key_type not in ("auto", "int64", "str"):
        raise BadValue(f"unknown key type {key_type!r}, allowed: auto, int64, str")
    for theirs, ours in (op_map or {}).items():
        if ours not in OPS and ours not in ALIASES:
            raise BadValue(f"op_map: {theirs}={ours}, allowed: {', '.join([*OPS, *ALIASES])}")
    if chosen != "csv" and (key_column is not None or op_column is not None):
        raise BadValue(f"columns are for csv; a {chosen} trace has its own")
    if op_map and (chosen == "oracle" or (chosen == "csv" and op_column is None)):
        raise BadValue("an op map needs a column of operations (--op-column)")
    key_at, op_at = (None if c is None else str(c) for c in (key_column, op_column))
    return _READERS[chosen](name, _Asked(key_at, op_at, op_map or {}, key_type))

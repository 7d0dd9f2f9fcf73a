"""The kinds of keys and elems: how Python values become the bytes of a slot, one at a time and many at once.

One table, `KINDS`; `key_kind` and `elem_kind` look names up in it. A kind packs a value to its content (`pack`), reads it
back from memory that the core has filled (`ctype`, `load`), and turns arrays, lists and buffers into one block of contents
(`batch`) without a copy where the memory already has the right form.
"""

from __future__ import annotations

import itertools
import operator
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import BadValue, OutOfRange, WrongType

__all__ = ["Batch", "Kind", "Strings", "elem_kind", "key_kind"]

Array = npt.NDArray[Any]


class Strings:
    """Many strings as Arrow lays them out: `data[offsets[i]:offsets[i+1]]` is string i, in UTF-8.

    `offsets`: n + 1 integers, not decreasing, within `data` (any buffer of bytes). int64 offsets and data are used without
    a copy, and checked again at every use. Raises `BadValue` if the offsets do not fit. O(n).
    """

    __slots__ = ("_data", "_offsets")

    def __init__(self, offsets: npt.ArrayLike, data: Any) -> None:
        given = np.asarray(offsets)
        if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
            raise BadValue(f"offsets: one dimension of integers, n + 1 of them, not {given.dtype} of shape {given.shape}")
        try:
            self._data: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
        except TypeError:
            raise WrongType(f"data: a buffer of bytes expected, not {type(data).__name__}") from None
        if given.dtype == np.uint64 and int(given.max()) > self._data.size:
            raise BadValue(f"offsets must stay within the {self._data.size} bytes of data")
        self._offsets: npt.NDArray[np.int64] = np.ascontiguousarray(given, dtype=np.int64)
        self.check()

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """The n + 1 offsets."""
        return self._offsets

    @property
    def data(self) -> npt.NDArray[np.uint8]:
        """The bytes of all strings."""
        return self._data

    def check(self) -> None:
        """Raises `BadValue` if the offsets do not fit the data (they may have been written to). O(n)."""
        at = self._offsets
        if at[0] < 0 or at[-1] > self._data.size or bool((at[1:] < at[:-1]).any()):
            raise BadValue(f"offsets must not decrease and must stay within the {self._data.size} bytes of data")

    def __len__(self) -> int:
        return int(self._offsets.size) - 1


class Batch(NamedTuple):
    """Many contents, ready for the core: pointer, offsets (NULL but for strings), how many, and what keeps them alive."""

    data: Any
    offsets: Any
    n: int
    keep: object


class Kind(ABC):
    """One kind. `c_kind`, `c_size`: for gm_config; `dtype`: of arrays (None: object arrays); `zero`: what is not there."""

    name: str
    c_kind: int
    c_size: int
    dtype: np.dtype[Any] | None = None
    ctype: Any

    @abstractmethod
    def pack(self, value: Any) -> bytes:
        """The content of one value. Raises `WrongType`, `OutOfRange` or `BadValue`."""

    def load(self, memory: Any) -> Any:
        """The value in memory of type `ctype`."""
        return memory[0]

    def array(self, values: Any) -> Array:
        """Many values as a C-contiguous array of `dtype`, without a copy if they are one already."""
        raise WrongType(f"there are no arrays of {self.name}")

    def batch(self, values: Any) -> Batch:
        """Many values for the core."""
        a = self.array(values)
        return Batch(ffi.from_buffer("char[]", a.view(np.uint8) if a.size else b""), ffi.NULL, len(a), a)

    def wrong(self, value: object) -> WrongType:
        return WrongType(f"{self.name} expected, not {type(value).__name__} {value!r:.60}")


def _one_dimension(a: Array, name: str) -> Array:
    if a.ndim != 1:
        raise BadValue(f"{name}: an array of one dimension expected, not of shape {a.shape}")
    return a


def _as_array(values: Any) -> tuple[Array, Sequence[Any] | None]:
    """Values as an array, and as a sequence if they came as Python objects, whose types numpy may have blended."""
    if isinstance(values, np.ma.MaskedArray):
        raise WrongType("a masked array has no value where it is masked; fill or compress it first")
    if isinstance(values, np.ndarray):
        return values, values.tolist() if values.dtype.kind == "O" else None
    if isinstance(values, (str, bytes, Strings)):
        raise WrongType(f"many values expected, not one {type(values).__name__}")
    try:
        return np.asarray(memoryview(values)), None
    except TypeError:
        pass
    if hasattr(values, "__array__"):
        return _as_array(np.asarray(values))
    items = _items(values)
    if not items:
        return np.empty(0, np.int64), None
    try:
        return np.array(items), items
    except (ValueError, OverflowError):
        return _objects(items), items


def _items(values: Any) -> Sequence[Any]:
    """What an iterable yields, read once."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise WrongType(f"many values expected, not one {type(values).__name__}")
    return values if isinstance(values, (list, tuple)) else list(values)


def _objects(items: Sequence[Any]) -> Array:
    a = np.empty(len(items), dtype=object)
    a[:] = items
    return a


class IntKind(Kind):
    """Integers of 4 or 8 bytes. bool counts as an integer, as in dict; floats never do, not even whole ones."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dtype = np.dtype(name)
        self.c_kind, self.c_size = lib.GM_MEM, self.dtype.itemsize
        self.ctype = ffi.typeof(f"{name}_t *")
        info = np.iinfo(name)
        self.low, self.high = int(info.min), int(info.max)
        self._pack = struct.Struct({"int32": "<i", "uint32": "<I", "int64": "<q"}[name]).pack

    def pack(self, value: Any) -> bytes:
        try:
            return self._pack(value)  # takes what has __index__, refuses floats
        except struct.error:
            pass
        try:
            whole = operator.index(value)
        except TypeError:
            raise self.wrong(value) from None
        raise self._outside(whole)

    def _outside(self, value: int) -> OutOfRange:
        return OutOfRange(f"{value} does not fit {self.name}, {self.low} to {self.high}")

    def array(self, values: Any) -> Array:
        a, items = _as_array(values)
        _one_dimension(a, self.name)
        if a.size == 0:
            return np.empty(0, self.dtype)
        if a.dtype == self.dtype:
            return np.ascontiguousarray(a)
        if a.dtype.kind not in "iub":
            if items is None:
                raise WrongType(f"{self.name} expected, not an array of {a.dtype}")
            contents = b"".join(map(self.pack, items))  # names the first value that does not fit
            return np.frombuffer(contents, self.dtype)
        low, high = int(a.min()), int(a.max())
        if low < self.low or high > self.high:
            raise self._outside(low if low < self.low else high)
        return a.astype(self.dtype)


class FloatKind(Kind):
    """IEEE doubles. Integers are taken where a double holds them exactly."""

    name = "float64"
    dtype = np.dtype(np.float64)
    ctype = ffi.typeof("double *")

    def __init__(self) -> None:
        self.c_kind, self.c_size = lib.GM_FLOAT64, 8

    def pack(self, value: Any) -> bytes:
        if isinstance(value, (float, np.floating)):
            if isinstance(value, np.longdouble) and value == value and float(value) != value:
                raise OutOfRange(f"{value} is not exactly a float64")
            return struct.pack("<d", value)
        try:
            whole = operator.index(value)
        except TypeError:
            raise self.wrong(value) from None
        try:
            exact = float(whole) == whole
        except OverflowError:
            exact = False
        if not exact:
            raise OutOfRange(f"{whole} is not exactly a float64")
        return struct.pack("<d", whole)

    def array(self, values: Any) -> Array:
        a, items = _as_array(values)
        _one_dimension(a, self.name)
        if a.dtype.kind == "f" and a.dtype.itemsize <= 8 and items is None:
            return np.ascontiguousarray(a, dtype=self.dtype)
        if items is not None:
            if a.dtype == self.dtype and all(type(v) is float for v in items):
                return a
            return np.frombuffer(b"".join(map(self.pack, items)), self.dtype)
        if a.dtype.kind not in "iub":
            raise WrongType(f"{self.name} expected, not an array of {a.dtype}")
        converted = a.astype(self.dtype)
        large = a.dtype.itemsize == 8 and a.size > 0 and not -(2**53) <= int(a.min()) <= int(a.max()) <= 2**53
        if large and not all(int(c) == v for c, v in zip(converted.tolist(), a.tolist(), strict=True)):
            raise OutOfRange("an integer of the array is not exactly a float64")
        return converted


class StrKind(Kind):
    """Strings, as UTF-8. Bytes that are not UTF-8 come out as lone surrogates (PEP 383) and go in again unchanged."""

    name = "str"
    ctype = ffi.typeof("gm_view *")

    def __init__(self) -> None:
        self.c_kind, self.c_size = lib.GM_STRING, 0

    def pack(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise self.wrong(value)
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as e:
            raise BadValue(f"{value!r:.60} has a lone surrogate at {e.start}: it has no UTF-8 form") from None

    def load(self, memory: Any) -> str:
        if memory.n == 0:
            return ""
        return bytes(ffi.buffer(memory.p, memory.n)).decode("utf-8", "surrogateescape")

    def batch(self, values: Any) -> Batch:
        if isinstance(values, Strings):
            values.check()
        strings = values if isinstance(values, Strings) else self._strings(values)
        offsets = ffi.from_buffer("int64_t[]", strings.offsets)
        return Batch(ffi.from_buffer("char[]", strings.data), offsets, len(strings), strings)

    def _strings(self, values: Any) -> Strings:
        if isinstance(values, np.ndarray):
            _one_dimension(values, self.name)
            if values.dtype.kind not in "UTSO" and values.size:
                raise WrongType(f"str expected, not an array of {values.dtype}")
            if values.dtype.kind == "S":
                return _joined(values.tolist())
            values = values.tolist()
        items = _items(values)
        try:
            text = "".join(items)
        except TypeError:
            raise next(self.wrong(v) for v in items if not isinstance(v, str)) from None
        if text.isascii():
            return Strings(_offsets(map(len, items), len(items)), text.encode("ascii"))
        return _joined([self.pack(v) for v in items])

    def from_bytes(self, data: bytes, offsets: Iterable[int]) -> list[str]:
        """The strings of Arrow-style memory."""
        at = list(offsets)
        if data.isascii():  # decoded once for all of them: what is a byte there is a character
            text = data.decode("ascii")
            return [text[a:b] for a, b in itertools.pairwise(at)]
        return [data[a:b].decode("utf-8", "surrogateescape") for a, b in itertools.pairwise(at)]


def _offsets(lengths: Iterable[int], n: int) -> npt.NDArray[np.int64]:
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, n), out=offsets[1:])
    return offsets


def _joined(parts: Sequence[bytes]) -> Strings:
    return Strings(_offsets(map(len, parts), len(parts)), b"".join(parts))


class BytesKind(Kind):
    """Byte arrays of a fixed length. Arrays: uint8 of shape (n, N), or dtype SN or VN; they come out as VN."""

    def __init__(self, size: int) -> None:
        self.name = f"bytes{size}"
        self.c_kind, self.c_size = lib.GM_MEM, size
        self.void = np.dtype((np.void, size))
        self.dtype = self.void
        self.ctype = ffi.typeof(f"char[{size}]")

    def pack(self, value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview, np.void)):
            raise self.wrong(value)
        content = value.tobytes() if isinstance(value, np.void) else bytes(value)
        if len(content) != self.c_size:
            raise BadValue(f"{self.name}: exactly {self.c_size} bytes expected, not {len(content)}")
        return content

    def load(self, memory: Any) -> bytes:
        return bytes(ffi.buffer(memory, self.c_size))

    def array(self, values: Any) -> Array:
        if isinstance(values, (bytearray, memoryview)):
            values = np.asarray(values)
        if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
            return np.frombuffer(b"".join(map(self.pack, _items(values))), self.void)
        if isinstance(values, np.ma.MaskedArray) or values.dtype.names is not None:
            raise WrongType(f"{self.name} expected, not a masked or structured array")
        if values.dtype == np.uint8 and values.ndim == 2 and values.shape[1] == self.c_size:
            return np.ascontiguousarray(values).view(self.void).reshape(-1)
        _one_dimension(values, self.name)
        if values.dtype.kind not in "SV" or values.dtype.itemsize != self.c_size:
            n = self.c_size
            raise WrongType(f"{self.name} expected: uint8 of shape (n, {n}), S{n} or V{n}, not {values.dtype}")
        return np.ascontiguousarray(values).view(self.void)


class NoneKind(Kind):
    """No elem at all: the map is a set, every elem is None and takes no room."""

    name = "none"
    ctype = ffi.typeof("char[1]")

    def __init__(self) -> None:
        self.c_kind, self.c_size = lib.GM_MEM, 0

    def pack(self, value: Any) -> bytes:
        if value is not None:
            raise WrongType(f"a map with elem='none' holds only None, not {type(value).__name__} {value!r:.60}")
        return b""

    def load(self, memory: Any) -> None:
        return None


class ObjectKind(Kind):
    """Any Python object. The core holds a number for each; the map keeps the objects (gomap.map)."""

    name = "object"
    ctype = ffi.typeof("uint64_t *")

    def __init__(self) -> None:
        self.c_kind, self.c_size = lib.GM_REF, 8

    def pack(self, value: Any) -> bytes:
        return int(value).to_bytes(8, "little")


_MOST_BYTES = 1 << 24
_FIXED: dict[str, Callable[[], Kind]] = {
    "int32": lambda: IntKind("int32"),
    "uint32": lambda: IntKind("uint32"),
    "int64": lambda: IntKind("int64"),
    "float64": FloatKind,
    "str": StrKind,
    "none": NoneKind,
    "object": ObjectKind,
}
KEYS = ("int32", "uint32", "int64", "float64", "str")
ELEMS = ("none", "int64", "float64", "object")


def _kind(name: object, role: str, allowed: tuple[str, ...]) -> Kind:
    if not isinstance(name, str):
        raise WrongType(f"{role}: the name of a kind expected, not {type(name).__name__} {name!r:.60}")
    if name in allowed:
        return _FIXED[name]()
    sized = re.fullmatch(r"bytes([1-9][0-9]{0,8})", name)
    if sized and int(sized[1]) <= _MOST_BYTES:
        return BytesKind(int(sized[1]))
    raise BadValue(f"unknown {role} kind {name!r}, allowed: {', '.join(allowed)}, bytesN (N from 1 to {_MOST_BYTES})")


def key_kind(name: object) -> Kind:
    """The key kind of that name; `BadValue` names what is allowed."""
    return _kind(name, "key", KEYS)


def elem_kind(name: object) -> Kind:
    """The elem kind of that name; `BadValue` names what is allowed."""
    return _kind(name, "elem", ELEMS)

"""`gomap verify vectors`: recorded states of real Go maps, replayed on the model and compared field by field.

The format is vectors/FORMAT.md. Of every operation the result, the registers, the growth events and the iterator's
position are compared; where a file gives them, both digests and the whole state. The random numbers that Go drew (hash
seeds, hashes of NaN, where iterations start) are played back from the file; one too many or too few is a mismatch too.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gomap._core import ffi, lib
from gomap._states import chain_text, first_difference, state_header, state_text
from gomap.errors import OK, GomapError, ensure
from gomap.knobs import checked_knobs, core_knobs

__all__ = [
    "COUNTED",
    "UNREADABLE",
    "Mismatch",
    "Replay",
    "VectorError",
    "VectorMap",
    "chain_text",
    "state_header",
    "vectors_command",
    "verify_file",
]

Json = dict[str, Any]

STEP = 0x9E3779B97F4A7C15
"""Word j of an `s136` is its first word plus j times this, modulo 2^64."""

# FORMAT.md's types: (kind and size for the core, bytes in a slot, slot is a pointer)
_KINDS = {
    "i64": (lib.GM_MEM, 8),
    "i32": (lib.GM_MEM, 4),
    "u32": (lib.GM_MEM, 4),
    "i16": (lib.GM_MEM, 2),
    "b9": (lib.GM_MEM, 9),
    "zero": (lib.GM_MEM, 0),
    "f64": (lib.GM_FLOAT64, 8),
    "str": (lib.GM_STRING, 0),
    "ptr": (lib.GM_PTR, 8),
    "s136": (lib.GM_MEM, 136),
}
_HASHERS = {"aes": lib.GM_HASH_AES, "aes-portable": lib.GM_HASH_AES_PORTABLE, "memhash": lib.GM_HASH_MEM}


COUNTED = ("files", "ops", "hashes", "digests", "states", "iterators", "growths", "resets", "makemaps")
"""What is compared, in the order of the summary."""


MOST_SHOWN = 1 << 16
"""Buckets of the largest map whose state is shown: a file may ask for any hint."""

LONGEST = 1 << 24
"""Bytes of the longest string that a hashes file may ask for."""

# What reading and replaying a file that breaks the format can end in. No Mismatch is among them.
UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class VectorError(GomapError, ValueError):
    """A vector file that cannot be read."""


class Mismatch(GomapError, AssertionError):
    """The model differs from the recorded map; the message shows where, and both states.

    `what` differs, at operation `op` (from 0; -1 outside of a scenario): `values` are the model's and the recorded one, and
    `states` the two whole states after the operation in FORMAT.md's form, None where one is not known.
    """

    def __init__(
        self,
        message: str,
        what: str = "",
        op: int = -1,
        values: tuple[object, object] = (None, None),
        states: tuple[Json | None, Json | None] = (None, None),
    ) -> None:
        super().__init__(message)
        self.what = what
        self.op = op
        self.values = values
        self.states = states


class _Type:
    """One of FORMAT.md's types: its texts, contents and digest form."""

    def __init__(self, name: str) -> None:
        if name not in _KINDS:
            raise ValueError(f"unknown type {name!r}, allowed: {', '.join(_KINDS)}")
        self.name = name
        self.kind, self.size = _KINDS[name]
        self.string = name == "str"
        self.box = name in ("ptr", "s136")

    def content(self, text: str) -> bytes | None:
        """An operand's text as content; None is nil. ValueError for what the core would have to take on trust."""
        if text == "-" and self.name == "ptr":
            return None
        raw = bytes.fromhex(text)
        written = 8 if self.box else self.size
        if not self.string and len(raw) != written:
            raise ValueError(f"{text!r} is not a {self.name}: {2 * written} hex digits are")
        if self.name != "s136":
            return raw
        first = int.from_bytes(raw, "little")
        return b"".join(((first + j * STEP) & (2**64 - 1)).to_bytes(8, "little") for j in range(17))

    def text(self, content: bytes | None) -> str:
        """The text of a slot that holds `content`."""
        if content is None:
            return "-"
        return (content[:8] if self.name == "s136" else content).hex()

    def digest(self, content: bytes | None) -> bytes:
        """The digest form of a slot that holds `content`."""
        if self.string:
            assert content is not None
            return bytes([1 if content else 0]) + len(content).to_bytes(8, "little") + content
        if self.box:
            return b"\0" if content is None else b"\1" + content
        assert content is not None
        return content

    def slot_text(self, slot: bytes) -> str:
        """The text of a slot given as it lies in memory."""
        if self.string:
            pointer, length = struct.unpack("<QQ", slot)
            if pointer == 0:
                return f"!{length}" if length else ""
            return bytes(ffi.buffer(ffi.cast("char *", pointer), length)).hex()
        if self.box:
            (pointer,) = struct.unpack("<Q", slot)
            return "-" if pointer == 0 else bytes(ffi.buffer(ffi.cast("char *", pointer), 8)).hex()
        return slot.hex()


class VectorMap:
    """A map of the core with a recorded map's key schedule, seed and random numbers."""

    def __init__(self, head: Json, hasher: str, search: int = lib.GM_SEARCH_VECTOR, paths: str = "fast") -> None:
        self.key, self.elem = _Type(head["key"]), _Type(head["elem"])
        self.script = ffi.gc(lib.gm_script_new(), lib.gm_script_free)
        schedule = bytes.fromhex(head.get("aeskeysched") or "00" * 128)
        hashkey = [int(x, 16) for x in head.get("hashkey", ["0"] * 4)]
        if len(schedule) != 128 or len(hashkey) != 4:  # the core reads as many without looking
            raise ValueError("aeskeysched must have 128 bytes and hashkey 4 numbers")
        keep: dict[str, Any] = {
            "sched": ffi.new("uint8_t[]", schedule),
            "hashkey": ffi.new("uint64_t[]", hashkey),
            "hash0": ffi.new("uint32_t *", head["hash0"]),
        }
        config = ffi.new("gm_config *")
        config.key_kind, config.key_size = self.key.kind, self.key.size
        config.elem_kind, config.elem_size = self.elem.kind, self.elem.size
        config.hint = max(0, head["hint"])
        config.hasher, config.search = _HASHERS[hasher], search
        config.aeskeysched, config.hashkey, config.hash0 = keep["sched"], keep["hashkey"], keep["hash0"]
        config.rng = lib.gm_script_rng(self.script)
        config.knobs = keep["knobs"] = core_knobs(checked_knobs({"paths": paths}))
        handle = ffi.new("gm_map **")
        ensure(lib.gm_map_new(config, handle))
        self.map = ffi.gc(handle[0], lib.gm_map_free)
        self.layout = ffi.new("gm_layout *")
        lib.gm_map_layout(self.map, self.layout)
        self._header = ffi.new("gm_header *")
        self._key_out = ffi.new("char[]", max(16, self.key.size))
        self._elem_out = ffi.new("char[]", max(16, self.elem.size))

    def play(self, purpose: int, numbers: Iterable[int]) -> None:
        """Random numbers for the operations that follow."""
        for number in numbers:
            ensure(lib.gm_script_push(self.script, purpose, number))

    def header(self) -> Any:
        ensure(lib.gm_map_header(self.map, self._header))
        return self._header

    def registers(self) -> list[int]:
        h = self.header()
        return [h.count, h.flags, h.B, h.noverflow, h.nevacuate, h.growing]

    def assign(self, key: bytes, elem: bytes | None) -> None:
        value = ffi.NULL if elem is None else elem
        ensure(lib.gm_map_assign(self.map, key, len(key), value, len(elem or b""), ffi.NULL))

    def delete(self, key: bytes) -> None:
        ensure(lib.gm_map_delete(self.map, key, len(key), ffi.NULL))

    def get(self, key: bytes) -> tuple[bool, bytes | None]:
        status = ensure(lib.gm_map_get(self.map, key, len(key), self._elem_out))
        return status == OK, self._out(self.elem, self._elem_out) if status == OK else None

    def clear(self) -> None:
        ensure(lib.gm_map_clear(self.map, ffi.NULL, 0, ffi.NULL))

    def fill(self, first: int, n: int) -> None:
        """The `fill` operation: integers first .. first+n-1, each with the first bytes of its own 8 as elem."""
        if self.key.name != "i64" or self.elem.string or self.elem.size > 8:
            raise ValueError(f"fill is for i64 keys and elems of up to 8 bytes, not {self.key.name} and {self.elem.name}")
        for x in range(first, first + n):
            content = x.to_bytes(8, "little")
            self.assign(content, content[: self.elem.size])

    def hash(self, key: bytes, seed: int) -> int:
        return int(lib.gm_map_hash(self.map, key, len(key), seed))

    @staticmethod
    def _out(kind: _Type, buffer: Any) -> bytes | None:
        if kind.string or kind.name == "ptr":
            view = ffi.cast("gm_view *", buffer)
            if view.p == ffi.NULL:
                return None if kind.box else b""
            return bytes(ffi.buffer(view.p, view.n))
        return bytes(ffi.buffer(buffer, kind.size))

    def digest(self, raw: bool) -> str:
        size = lib.gm_map_serialise(self.map, raw, ffi.NULL, 0)
        buffer = ffi.new("uint8_t[]", size)
        lib.gm_map_serialise(self.map, raw, buffer, size)
        return hashlib.sha256(ffi.buffer(buffer)).hexdigest()[:32]

    def evacuated(self) -> list[bool]:
        """Of each old bucket, whether it is evacuated."""
        cap = self.header().nold
        done = ffi.new("uint8_t[]", max(1, cap))
        lib.gm_map_evacuated(self.map, done, cap)
        return [bool(d) for d in ffi.unpack(done, cap)]

    def state(self) -> Json:
        """The whole state in FORMAT.md's form."""
        h = self.header()
        return {
            "count": h.count,
            "flags": h.flags,
            "B": h.B,
            "noverflow": h.noverflow,
            "hash0": h.hash0,
            "nevacuate": h.nevacuate,
            "growing": bool(h.growing),
            "clearseq": h.clear_seq,
            "nextprealloc": h.next_prealloc,
            "buckets": self._array(0),
            "oldbuckets": self._array(1),
        }

    def _array(self, old: int) -> list[list[Json]] | None:
        h = self.header()
        if not (h.growing if old else h.allocated):
            return None
        return [self._chain(i, old) for i in range(h.nold if old else 1 << h.B)]

    def _chain(self, i: int, old: int) -> list[Json]:
        cap = 8
        while True:
            addresses, reserve = ffi.new("uint8_t *[]", cap), ffi.new("int64_t[]", cap)
            n = lib.gm_map_chain(self.map, i, old, addresses, reserve, cap)
            if n <= cap:
                return [self._bucket(addresses[j], reserve[j]) for j in range(n)]
            cap = n

    def _bucket(self, address: Any, reserve: int) -> Json:
        size, layout = self.layout.bucket_size, self.layout
        memory = bytes(ffi.buffer(address, size))
        found: Json = {
            "t": memory[:8].hex(),
            "k": self._slots(self.key, memory, layout.key_offset, layout.key_slot),
            "e": self._slots(self.elem, memory, layout.elem_offset, layout.elem_slot),
        }
        if reserve != -2:
            found["p"] = reserve
        return found

    @staticmethod
    def _slots(kind: _Type, memory: bytes, at: int, width: int) -> list[str] | int:
        if not any(memory[at : at + 8 * width]):
            return 0
        return [kind.slot_text(memory[at + i * width : at + (i + 1) * width]) for i in range(8)]


class VectorIterator:
    """One of a file's iterators."""

    def __init__(self, m: VectorMap) -> None:
        self.m = m
        handle = ffi.new("gm_iter **")
        ensure(lib.gm_iter_new(m.map, handle))
        self.iter = ffi.gc(handle[0], lib.gm_iter_free)

    def _step(self, status: int) -> tuple[bytes | None, bytes | None] | None:
        if ensure(status) != OK:
            return None
        m = self.m
        return m._out(m.key, m._key_out), m._out(m.elem, m._elem_out)

    def init(self, start: int | None, offset: int | None) -> tuple[bytes | None, bytes | None] | None:
        m = self.m
        return self._step(lib.gm_iter_init(self.iter, start or 0, offset or 0, m._key_out, m._elem_out))

    def next(self) -> tuple[bytes | None, bytes | None] | None:
        return self._step(lib.gm_iter_next(self.iter, self.m._key_out, self.m._elem_out))

    def fields(self) -> list[int] | None:
        fields = ffi.new("int64_t[5]")
        return list(fields) if lib.gm_iter_fields(self.iter, fields) == OK else None


class Replay:
    """One scenario on one map: the lines of a file, or those of a live map as they come.

    `source` names it in messages. `run` raises `Mismatch` at the first difference, and one of `UNREADABLE` where the lines
    break the format. `tally` counts what was compared.
    """

    def __init__(self, source: str, head: Json, hasher: str, search: int = lib.GM_SEARCH_VECTOR, paths: str = "fast") -> None:
        self.source, self.line = source, 1
        self.m = VectorMap(head, hasher, search, paths)
        self.iterators: dict[int, VectorIterator] = {}
        self.growths: list[Json] = []
        self.resets: list[list[int]] = []
        self.tally: Counter[str] = Counter(files=1)
        self.wanted_state: Json | None = None
        self._check_head(head)

    def need(self, what: str, got: object, want: object) -> None:
        if got != want:
            state = None if self.m.header().nbuckets > MOST_SHOWN else self.m.state()
            message = self._report(what, got, want, state)
            raise Mismatch(message, what, self.tally["ops"], (got, want), (state, self.wanted_state))

    def _report(self, what: str, got: object, want: object, state: Json | None) -> str:
        lines = [f"{self.source}, line {self.line}: {what}", f"  model:    {got!r}", f"  recorded: {want!r}"]
        if state is None:
            return "\n".join([*lines, f"  (no states: {self.m.header().nbuckets:,} buckets are too many to show)"])
        lines += ["  the model's state:", *state_text(state)]
        if self.wanted_state is not None:
            lines += ["  the recorded state:", *state_text(self.wanted_state)]
        else:
            lines.append("  (the file gives no full state at this line)")
        return "\n".join(lines)

    def _check_head(self, head: Json) -> None:
        h, layout = self.m.header(), self.m.layout
        for field, got in (
            ("B", h.B),
            ("nbuckets", h.nbuckets),
            ("nextprealloc", h.next_prealloc),
            ("bucketsize", layout.bucket_size),
            ("bucketptrs", bool(layout.bucket_pointers)),
            ("keyslot", layout.key_slot),
            ("elemslot", layout.elem_slot),
            ("useaes", head["mode"] == "aes"),
            ("path", ("slow", "fast32", "fast64", "faststr")[layout.path]),
        ):
            self.need(field, got, head[field])

    def run(self, lines: Iterator[Json]) -> Counter[str]:
        for self.line, o in enumerate(lines, 2):
            if o.get("type") == "end":
                self._check_end(o)
                if next(lines, None) is not None:
                    raise ValueError("lines follow the end line")
                return self.tally
            self._operation(o)
        raise ValueError("the file has no end line")

    def _operation(self, o: Json) -> None:
        m = self.m
        self.wanted_state = o.get("state")
        self.need("operation number", self.tally["ops"], o["i"])
        m.play(lib.GM_DRAW_NAN, (int(x, 16) for x in o.get("nan", ())))
        m.play(lib.GM_DRAW_HASH0, [o["hash0"]] if "hash0" in o else [])
        before = m.header()
        seed, nevacuate, B = before.hash0, before.nevacuate, before.B
        was_growing, had_array = bool(before.growing), bool(before.allocated)
        old_before = m.evacuated() if was_growing else []
        arrays_before = self._arrays()
        self._perform(o, seed)
        self.need("random numbers left over", lib.gm_script_left(m.script), 0)
        self.need("random numbers missing", lib.gm_script_missed(m.script), 0)
        if m.header().hash0 != seed:
            self.resets.append([self.tally["ops"], m.header().hash0])
        self.need("r (count, flags, B, noverflow, nevacuate, growing)", m.registers(), o["r"])
        if o["op"] == "clear":
            events: Json = {"growdropped": True} if was_growing and not m.header().growing else {}
        else:
            events = self._growth_events(was_growing, had_array, old_before, arrays_before, nevacuate, B)
        self._note_growths(events)
        for field in ("evac", "nevac", "growdone", "grow", "growdropped"):
            self.need(field, events.get(field), o.get(field))
        self._check_digests(o)
        self.tally["ops"] += 1

    def _arrays(self) -> tuple[Any, Any]:
        """Addresses of the first buckets of the current and the old array."""
        found = []
        for old in (0, 1):
            addresses, reserve = ffi.new("uint8_t *[1]"), ffi.new("int64_t[1]")
            n = lib.gm_map_chain(self.m.map, 0, old, addresses, reserve, 1)
            found.append(addresses[0] if n else ffi.NULL)
        return found[0], found[1]

    def _growth_events(
        self, was_growing: bool, had_array: bool, old_before: list[bool], arrays_before: tuple[Any, Any], mark: int, B: int
    ) -> Json:
        """What FORMAT.md tells of growth on one line. An old array that is gone was evacuated whole."""
        events: Json = {}
        current, old = self._arrays()
        ended = was_growing and old != arrays_before[1]
        now = [True] * len(old_before) if ended else self.m.evacuated()
        if was_growing:
            moved = [i for i, (a, b) in enumerate(zip(old_before, now, strict=True)) if b and not a]
            if moved:
                events["evac"], events["nevac"] = moved, mark
            if ended:
                events["growdone"] = True
        if had_array and current != arrays_before[0]:
            h = self.m.header()
            done = old == ffi.NULL
            moved = list(range(1 << B)) if done else [i for i, e in enumerate(self.m.evacuated()) if e]
            events["grow"] = {"kind": "same" if h.B == B else "bigger", "fromB": B, "toB": h.B, "evac": moved, "done": done}
        return events

    def _note_growths(self, events: Json) -> None:
        """The list of growths that the end line gives."""
        op = self.tally["ops"]
        if "growdropped" in events:
            self.growths[-1]["kind"] += "-dropped"
        if "growdropped" in events or "growdone" in events:
            self.growths[-1]["end"] = op
        if "grow" in events:
            g = events["grow"]
            end = op if g["done"] else -1
            self.growths.append({"start": op, "end": end, "kind": g["kind"], "fromB": g["fromB"], "toB": g["toB"]})

    def _perform(self, o: Json, seed: int) -> None:
        m, op = self.m, o["op"]
        if op in ("set", "del", "get"):
            key = m.key.content(o["k"])
            if key is None:
                raise ValueError("a key cannot be nil")
            if "h" in o:
                self.need("hash", m.hash(key, seed), int(o["h"], 16))
                self.tally["hashes"] += 1
            if op == "set":
                m.assign(key, m.elem.content(o["v"]))
            elif op == "del":
                m.delete(key)
            else:
                self._get(key, o)
        elif op == "fill":
            m.fill(o["from"], o["n"])
        elif op == "clear":
            m.clear()
        elif op in ("iterinit", "iternext"):
            self._iterate_once(o)
        elif op == "iterall":
            self._iterate_all(o)
        elif op != "check":
            raise ValueError(f"unknown operation {op!r}")

    def _get(self, key: bytes, o: Json) -> None:
        hit, elem = self.m.get(key)
        self.need("hit", hit, o["hit"])
        if hit:
            self.need("v", self.m.elem.text(elem), o["v"])

    def _iterate_once(self, o: Json) -> None:
        m = self.m
        if o["op"] == "iterinit":
            it = self.iterators[o["id"]] = VectorIterator(m)
            step = it.init(o["start"], o.get("offset"))
            self.tally["iterators"] += 1
        else:
            it = self.iterators[o["id"]]
            step = it.next()
        self.need("end", step is None, o.get("end", False))
        if step is not None:
            self.need("k", m.key.text(step[0]), o["k"])
            self.need("v", m.elem.text(step[1]), o["v"])
        self.need("it (B, bucket, i, wrapped, checkBucket)", it.fields(), o.get("it"))

    def _iterate_all(self, o: Json) -> None:
        m, sha, keys = self.m, hashlib.sha256(), []
        it = VectorIterator(m)
        self.tally["iterators"] += 1
        step = it.init(o["start"], o.get("offset"))
        while step is not None:
            keys.append(m.key.text(step[0]))
            sha.update(m.key.digest(step[0]) + m.elem.digest(step[1]))
            step = it.next()
        self.need("n", len(keys), o["n"])
        if "seq" in o:
            self.need("seq", keys, o["seq"])
        self.need("seqsum", sha.hexdigest()[:32], o["seqsum"])
        self.need("it (B, bucket, i, wrapped, checkBucket)", it.fields(), o.get("it"))

    def _check_digests(self, o: Json) -> None:
        if "state" in o:
            self.need("state", first_difference(self.m.state(), o["state"]), None)
            self.tally["states"] += 1
        if "raw" in o:
            self.need("raw digest", self.m.digest(raw=True), o["raw"])
            self.need("log digest", self.m.digest(raw=False), o["log"])
            self.tally["digests"] += 1

    def _check_end(self, o: Json) -> None:
        for field in ("ops", "digests", "states", "iterators"):
            self.need(field, self.tally[field], o[field])
        self.need("growths", self.growths, o["growths"])
        self.need("resets", self.resets, o["resets"])
        self.tally["growths"] += len(self.growths)
        self.tally["resets"] += len(self.resets)


class _Lines:
    """The JSON lines of a file, and the number of the one read last."""

    def __init__(self, path: str) -> None:
        self.number = 0
        self._objects = self._read(path)

    def _read(self, path: str) -> Iterator[Json]:
        with gzip.open(path, "rt", encoding="utf-8") as f:
            for line in f:
                self.number += 1
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError("not a JSON object")
                yield found

    def __iter__(self) -> Iterator[Json]:
        return self

    def __next__(self) -> Json:
        return next(self._objects)


def _check_hashes(path: str, head: Json, lines: Iterator[Json], hasher: str) -> Counter[str]:
    tally: Counter[str] = Counter(files=1)
    maps: dict[str, VectorMap] = {}
    for n, o in enumerate(lines, 2):
        kind = "str" if o["kind"] == "strx" else o["kind"]
        if kind not in maps:
            maps[kind] = VectorMap({**head, "key": kind, "elem": "zero", "hint": 0, "hash0": 0}, hasher)
        if o["kind"] == "strx" and not 0 <= o["len"] <= LONGEST:
            raise ValueError(f"a string of {o['len']} bytes, allowed: 0 to {LONGEST:,}")
        key = b"x" * o["len"] if o["kind"] == "strx" else maps[kind].key.content(o["data"])
        if key is None:
            raise ValueError("a key cannot be nil")
        got = maps[kind].hash(key, o["seed"])
        if got != int(o["hash"], 16):
            raise Mismatch(f"{path}, line {n}: hash of {o}\n  model:    {got:016x}\n  recorded: {o['hash']}")
        tally["hashes"] += 1
    return tally


def _check_makemap(path: str, first: Json, lines: Iterator[Json], hasher: str) -> Counter[str]:
    tally: Counter[str] = Counter(files=1)
    for n, o in enumerate([first, *lines], 1):
        m = VectorMap({**o, "hash0": 0}, hasher)
        h, layout = m.header(), m.layout
        got = {
            "bucketsize": layout.bucket_size,
            "bucketptrs": bool(layout.bucket_pointers),
            "B": h.B,
            "allocated": bool(h.allocated),
            "nbuckets": h.nbuckets,
        }
        want = {field: o[field] for field in got}
        if got != want:
            made = f"make(map[{o['key']}]{o['elem']}, {o['hint']})"
            raise Mismatch(f"{path}, line {n}: {made}\n  model:    {got}\n  recorded: {want}")
        tally["makemaps"] += 1
    return tally


def verify_file(
    path: str | os.PathLike[str], hasher: str | None = None, search: int = lib.GM_SEARCH_VECTOR, paths: str = "fast"
) -> Counter[str]:
    """Replays one vector file and returns what was compared (files, ops, digests, states, iterators, growths, ...).

    `hasher` overrides the file's own choice of implementation ("aes" or "memhash"), to run AES vectors on "aes-portable";
    `search` is how the model's gets look at a bucket (enum gm_search); `paths` which machine code it runs, "fast" or "knobs"
    (gomap.knobs; the other knobs are at Go's settings: with none of them at another one is a map Go's).
    Raises `Mismatch` at the first difference, `VectorError` if the file cannot be read or understood. O(operations).
    """
    name = os.fspath(path)
    lines = _Lines(name)
    try:
        return _verify_lines(name, lines, hasher, search, paths)
    except UNREADABLE as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e) if isinstance(e, ValueError) else repr(e)
        raise VectorError(f"{name}, line {lines.number}: {reason}") from e


def _verify_lines(name: str, lines: _Lines, hasher: str | None, search: int, paths: str) -> Counter[str]:
    head = next(lines, None)
    if head is None:
        raise ValueError("the file is empty")
    if hasher is None:
        hasher = "aes" if head.get("useaes", True) else "memhash"
    if head.get("type") == "hashheader":
        return _check_hashes(name, head, lines, hasher)
    if "hint" in head and "type" not in head:
        return _check_makemap(name, head, lines, hasher)
    if head.get("type") == "header":
        return Replay(name, head, hasher, search, paths).run(lines)
    raise ValueError("not a vector file: its first line is neither a header nor a makemap line")


def _files(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            found += sorted(str(p) for p in Path(path).rglob("*.jsonl.gz"))
        else:
            found.append(path)
    if not found:
        raise VectorError("no vector file (*.jsonl.gz) there: " + ", ".join(paths))
    return found


def vectors_command(paths: list[str], json_path: str | None = None) -> int:
    """`gomap verify vectors`: 0 if all files agree, 1 at a mismatch. Shows the first mismatch, prints the summary last."""
    tally: Counter[str] = Counter()
    failed: list[str] = []
    for path in _files(paths):
        try:
            tally += verify_file(path)
        except Mismatch as e:
            tally["files"] += 1
            failed.append(path)
            if len(failed) == 1:
                print(e)
    counts = ", ".join(f"{tally[what]:,} {what}" for what in COUNTED if tally[what])
    if json_path is not None:
        Path(json_path).write_text(json.dumps({"schema": "gomap.vectors/1", "failed": failed, **tally}, indent=2) + "\n")
    print(f"FAILED ({len(failed)} of {tally['files']} files): {counts}" if failed else f"ok: {counts}", file=sys.stdout)
    return 1 if failed else 0

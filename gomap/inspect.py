"""A look inside a map: buckets as values, and drawings.

A drawing shows one bucket a line, its eight cells in order:

    key   a live cell            .   emptyRest: free, and so is all behind it
    X Y   evacuated to the first or second half of the new array
    e     evacuatedEmpty         -   emptyOne: free, something follows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gomap._core import ffi, lib
from gomap.errors import READ_WRITE, BadValue, ensure

if TYPE_CHECKING:
    from gomap.map import Map

__all__ = ["Bucket", "bucket_address", "chain", "chain_lengths", "draw", "draw_chain", "inspect_command"]

CELLS = 8
MIN_TOP_HASH = 5
LEGEND = "cells: a key is live, . free to the end of the chain, - free, X Y moved to the new array, e was free then"
STATES = {0: ".", 1: "-", 2: "X", 3: "Y", 4: "e"}


class Bucket(NamedTuple):
    """One bucket of a chain. `tophash`: eight numbers; 0 emptyRest, 1 emptyOne, 2 and 3 evacuated to X and Y, 4 evacuated
    empty, from 5 on the top byte of a live key's hash. `keys`, `elems`: eight each, None where nothing is live.
    `preallocated`: an overflow bucket from the array's reserve."""

    tophash: tuple[int, ...]
    keys: list[Any]
    elems: list[Any]
    preallocated: bool


def chain(m: Map, i: int, old: bool = False) -> list[Bucket]:
    """The chain of bucket i; see `Map.chain`."""
    if not 0 <= i < 2**63:
        raise BadValue(f"bucket must be from 0 to 2**63 - 1: {i}")
    layout = ffi.new("gm_layout *")
    lib.gm_map_layout(m._handle, layout)
    ensure(lib.gm_map_pin(m._handle))  # the addresses hold until it is taken off
    try:
        cap = ensure(lib.gm_map_chain(m._handle, i, old, ffi.NULL, ffi.NULL, 0))
        addresses, reserve = ffi.new("uint8_t *[]", cap), ffi.new("int64_t[]", cap)
        n = ensure(lib.gm_map_chain(m._handle, i, old, addresses, reserve, cap))
        buckets = [_bucket(m, layout, addresses[j], reserve[j] >= 0) for j in range(n)]
    finally:
        lib.gm_map_unpin(m._handle)
    if not buckets:
        raise BadValue(f"there is no {'old ' if old else ''}bucket {i}: {m.header}")
    return buckets


def _bucket(m: Map, layout: Any, address: Any, preallocated: bool) -> Bucket:
    tops = tuple(ffi.unpack(address, CELLS))
    keys: list[Any] = [None] * CELLS
    elems: list[Any] = [None] * CELLS
    for cell, top in enumerate(tops):
        if top < MIN_TOP_HASH:
            continue
        keys[cell] = _slot(m._key, address + layout.key_offset + cell * layout.key_step, layout.key_indirect)
        elem = _slot(m._elem, address + layout.elem_offset + cell * layout.elem_step, layout.elem_indirect)
        elems[cell] = elem if m._objects is None else m._objects.now(elem, READ_WRITE)
    return Bucket(tops, keys, elems, preallocated)


def _slot(kind: Any, slot: Any, indirect: int) -> Any:
    if indirect:
        slot = ffi.cast("void **", slot)[0]
    content = ffi.new(kind.ctype)
    size = 16 if kind.name == "str" else kind.c_size
    ffi.memmove(content, ffi.cast("char *", slot), size)
    return kind.load(content)


def bucket_address(m: Map, i: int) -> int:
    """Where bucket i of the current array lies, or -1 without an array. It holds until the map is written to. O(chain)."""
    at, reserve = ffi.new("uint8_t *[1]"), ffi.new("int64_t[1]")
    n = ensure(lib.gm_map_chain(m._handle, i, False, at, reserve, 1))
    return int(ffi.cast("uintptr_t", at[0])) if n else -1


def chain_lengths(m: Map) -> dict[str, int]:
    """How many chains of the current array have 1, 2, ... buckets, by that number as a text; the last may be "64 or more".
    O(buckets), in one call."""
    counts = ffi.new("uint64_t[64]")
    longest = ensure(lib.gm_map_chain_lengths(m._handle, counts, 64))
    names = [str(i + 1) for i in range(64)]
    if longest > 64:
        names[63] = "64 or more"
    return {names[i]: int(counts[i]) for i in range(min(longest, 64))}


# ------------------------------------------------------------------ drawing

_MOST_BUCKETS = 64
_WIDEST_CELL = 10


def _cell_text(key: Any, top: int) -> str:
    if top < MIN_TOP_HASH:
        return STATES[top]
    if isinstance(key, bytes):
        text = key.hex()
    elif isinstance(key, str):
        text = repr(key)
    else:
        text = str(key)
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def _rows(m: Map, i: int, old: bool) -> list[tuple[str, list[str]]]:
    """The lines of a chain: a label, and the texts of eight cells."""
    rows = []
    for depth, b in enumerate(chain(m, i, old)):
        label = str(i) if depth == 0 else "+ reserve" if b.preallocated else "+ heap"
        rows.append((label, [_cell_text(k, t) for k, t in zip(b.keys, b.tophash, strict=True)]))
    return rows


def _table(rows: list[tuple[str, list[str]]]) -> list[str]:
    width = max((len(c) for _, cells in rows for c in cells), default=1)
    return [f"  {label:>9} | {' '.join(c.rjust(width) for c in cells)} |" for label, cells in rows]


def _shown(n: int) -> tuple[list[int], int]:
    """Which of n buckets are drawn, and how many are left out after the first part of them."""
    if n <= _MOST_BUCKETS:
        return list(range(n)), 0
    return [*range(_MOST_BUCKETS - 8), *range(n - 8, n)], n - _MOST_BUCKETS


def _array_lines(m: Map, n: int, old: bool) -> list[str]:
    shown, left_out = _shown(n)
    rows: list[tuple[str, list[str]]] = []
    marks: dict[int, str] = {}
    for i in shown:
        if left_out and i == n - 8:
            marks[len(rows)] = f"  {'...':>9}   {left_out:,} more buckets"
        rows += _rows(m, i, old)
    lines = _table(rows)
    for at, text in sorted(marks.items(), reverse=True):
        lines.insert(at, text)
    return lines


def _flag_names(flags: int) -> str:
    names = {1: "iterator", 2: "oldIterator", 4: "hashWriting", 8: "sameSizeGrow"}
    return " ".join(name for bit, name in names.items() if flags & bit) or "none"


def draw(m: Map) -> str:
    """The map as text; see `Map.draw`."""
    h = m.header
    lines = [
        f"map[{m._key.name}]{m._elem.name}: {h.count:,} entries, B = {h.B}, {1 << h.B:,} buckets "
        f"({h.count / (1 << h.B):.2f} entries each), {h.noverflow} overflow, hash0 {h.hash0:08x}, flags: {_flag_names(h.flags)}"
    ]
    if h.buckets == 0:
        return lines[0] + "\n  no bucket yet: the first insert brings it"
    if h.growing:
        kind = "to the same size" if h.same_size_grow else "to twice the size"
        lines.append(f"growing {kind}: old buckets below {h.nevacuate} of {h.old_buckets} are evacuated")
        lines += ["old", *_array_lines(m, h.old_buckets, True), "new"]
    return "\n".join(lines + _array_lines(m, 1 << h.B, False))


def draw_chain(m: Map, i: int, old: bool) -> list[str]:
    """One chain as lines of text."""
    return _table(_rows(m, i, old))


def inspect_command(keys: int, grow_at: int | None) -> int:
    """`gomap inspect`: an int64 map with `keys` entries, drawn before, during and after the growth that the insert of entry
    number `grow_at` (or the first one after it) starts; None: the last growth on the way. Same keys, same seed every time.
    """
    from gomap.map import Map

    if keys < 1 or (grow_at is not None and not 1 <= grow_at <= keys):
        raise BadValue(f"--keys must be at least 1 and --grow-at from 1 to --keys: {keys}, {grow_at}")
    starts = _growth_inserts(keys)
    wanted = [n for n in starts if grow_at is None or n >= grow_at]
    m = Map(seed=1)
    print(LEGEND + "\n")
    if not wanted:
        m.assign_many(range(1, keys + 1), range(1, keys + 1))
        print(f"No growth at or after insert {grow_at or 1} of {keys}; the map in the end:\n\n{m.draw()}")
        return 0
    at = wanted[0] if grow_at is not None else wanted[-1]
    m.assign_many(range(1, at), range(1, at))
    print(f"Before insert {at:,}\n\n{m.draw()}\n")
    m.freeze_growth()
    m[at] = at
    if m.header.growing:
        print(f"Insert {at:,} allocated a new array and evacuated one old bucket; held there\n\n{m.draw()}\n")
        m.evacuate(m.header.old_buckets // 2)
    if m.header.growing:
        print(f"Half-way through the evacuation\n\n{m.draw()}\n")
        m.evacuate(m.header.old_buckets)
    m.thaw_growth()
    m.assign_many(range(at + 1, keys + 1), range(at + 1, keys + 1))
    print(f"After {keys:,} inserts\n\n{m.draw()}")
    return 0


def _growth_inserts(keys: int) -> list[int]:
    """The numbers of the inserts that start a growth on the way to `keys` entries."""
    from gomap.map import Map

    m = Map(seed=1)
    m.assign_many(range(1, keys + 1), range(1, keys + 1))
    return [e.n + 1 for e in m.events() if e.kind == "grow_start"]

"""Looking inside: header, chains, events, stepping a growth, drawings; and the checker itself."""

from __future__ import annotations

import pytest
from gomap._core import ffi, lib

from gomap import Map
from gomap.cli import main
from gomap.errors import InvariantError


def growing_map() -> Map:
    m = Map(seed=3)
    m.assign_many(range(26), range(26))
    m.freeze_growth()
    m[26] = 26
    assert m.header.growing
    return m


def test_growth_begins_where_go_begins_it() -> None:
    m = Map(seed=1, events="growth")
    m.assign_many(range(70_000), range(70_000))
    grown = [(e.n, e.from_B, e.to_B) for e in m.events() if e.kind == "grow_start"]
    assert grown == [(8 if b == 0 else 13 << (b - 1), b, b + 1) for b in range(14)]
    assert m.header.B == 14


def test_the_reserve_is_go_s() -> None:
    for B, reserve in ((4, 2), (5, 5), (6, 7), (7, 14), (8, 28), (9, 56), (10, 113)):
        h = Map(hint=13 << (B - 1)).header
        assert (h.B, h.buckets) == (B, (1 << B) + reserve)
        assert h.next_preallocated == 0


def test_a_growth_stands_still_while_frozen() -> None:
    m = growing_map()
    assert (m.header.nevacuate, m.header.old_buckets) == (0, 4)
    m.assign_many(range(27, 60), range(27, 60))
    assert m.header.growing
    assert m.header.nevacuate == 0
    m.check()
    assert m == {i: i for i in range(60)}
    assert m.evacuate() == 1
    assert m.evacuate(2) == 3
    m.check()
    assert m.header.growing
    m.evacuate()
    assert not m.header.growing
    m.check()
    m.thaw_growth()


def test_freezing_at_a_bucket() -> None:
    m = Map(seed=3)
    m.freeze_growth(at=5)
    m.assign_many(range(1000), range(1000))
    assert m.header.B == 4
    assert m.header.growing
    assert m.header.nevacuate == 5
    m.thaw_growth()
    m.assign_many(range(1000), range(1000))
    assert not m.header.growing or m.header.nevacuate > 5
    m.check()


def test_freezing_where_the_mark_is() -> None:
    m = growing_map()
    m.thaw_growth()
    m.evacuate(1)
    m.freeze_growth()
    mark = m.header.nevacuate
    for i in range(200):
        m[i % 27] = 0
    assert m.header.nevacuate == mark


def test_events_tell_the_growth() -> None:
    m = Map(seed=3, events="all")
    m.assign_many(range(13), range(13))
    m[13] = 13
    kinds = [e.kind for e in m.events()]
    assert kinds == ["array_alloc", "array_alloc", "grow_start", "evacuate", "grow_end", "array_alloc", "grow_start",
                     "evacuate", "evacuate", "grow_end"]  # fmt: skip
    stamps = [e.at_ns for e in m.events()]
    assert stamps == sorted(stamps)
    assert m.events()[1].n == 2 * 144
    m.clear()
    assert m.events()[-1].kind == "hash_reset"
    assert m.events()[-1].n == m.header.hash0


def test_same_size_growth_is_told() -> None:
    m = Map(seed=5, hint=26)
    for i in range(3000):
        m[i] = i
        if i >= 20:
            del m[i - 20]
    assert any(e.from_B == e.to_B for e in m.events() if e.kind == "grow_start")
    m.check()


def test_clear_drops_a_growth() -> None:
    m = growing_map()
    m.clear()
    assert "grow_drop" in [e.kind for e in m.events()]
    assert not m.header.growing
    m.check()


def test_the_ring_keeps_the_newest() -> None:
    m, whole = Map(seed=3, events="all", event_capacity=50), Map(seed=3, events="all", event_capacity=1 << 16)
    for each in (m, whole):
        each.assign_many(range(5000), range(5000))
    assert len(m.events()) == 50
    key = [(e.kind, e.n) for e in m.events() if e.kind != "array_alloc"]
    assert key == [(e.kind, e.n) for e in whole.events()[-50:] if e.kind != "array_alloc"]
    off, few = Map(events="none"), Map()
    for each in (off, few):
        each.assign_many(range(100), range(100))
    assert off.events() == []
    assert {e.kind for e in few.events()} == {"array_alloc", "grow_start", "grow_end"}


def test_chain_shows_cells() -> None:
    m = Map("str", "object", seed=1)
    m["a"] = [1]
    m["b"] = None
    del m["a"]
    (b,) = m.chain(0)
    assert b.tophash[0] == 1
    assert b.tophash[2:] == (0,) * 6
    assert b.keys == [None, "b"] + [None] * 6
    assert b.elems == [None] * 8
    assert not b.preallocated


def test_overflow_buckets_tell_where_they_come_from() -> None:
    m = Map(seed=1, hint=200)
    m.assign_many(range(208), range(208))
    overflow = [b for i in range(1 << m.header.B) for b in m.chain(i)[1:]]
    assert len(overflow) == m.header.noverflow > 0
    assert sum(b.preallocated for b in overflow) == min(len(overflow), 5)


def test_drawings() -> None:
    m = Map(seed=3)
    assert "no bucket yet" in m.draw()
    text = growing_map().draw()
    assert "growing to twice the size: old buckets below 0 of 4 are evacuated" in text
    assert text.count("|") >= 2 * (4 + 8)
    assert "X" in text.partition("new")[0]
    large = Map(hint=10_000)
    assert "more buckets" in large.draw()
    assert len(large.draw().splitlines()) < 80
    long = Map("bytes200", "none")
    long[b"x" * 200] = None
    assert max(map(len, long.draw().splitlines())) < 130


def test_inspect_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--keys", "30"]) == 0
    out = capsys.readouterr().out
    for words in ("Before insert 27", "held there", "Half-way", "After 30 inserts"):
        assert words in out
    assert main(["inspect", "--keys", "30", "--grow-at", "28"]) == 0
    assert "No growth at or after insert 28" in capsys.readouterr().out
    assert main(["inspect", "--keys", "0"]) == 2


def memory_of(m: Map, i: int) -> ffi.CData:
    address = ffi.new("uint8_t *[1]")
    assert lib.gm_map_chain(m._handle, i, 0, address, ffi.new("int64_t[1]"), 1)
    return ffi.cast("uint8_t *", address[0])


def live_cell(m: Map) -> tuple[int, int]:
    return next((i, c) for i in range(1 << m.header.B) for c, t in enumerate(m.chain(i)[0].tophash) if t > 4)


def test_the_checker_notices_what_is_broken() -> None:
    """Each case breaks a healthy map's memory in one way; check() must name the invariant and draw the chain."""

    def broken(damage: str) -> str:
        m = Map(seed=3)
        m.assign_many(range(40), range(40))
        m.check()
        i, cell = live_cell(m)
        memory = memory_of(m, i)
        live = sum(t > 4 for t in m.chain(i)[0].tophash)
        if damage == "a tophash":
            memory[cell] = 5 if memory[cell] != 5 else 6
        elif damage == "an evacuated mark":
            memory[0] = 2
        elif damage == "a mark in the middle":
            memory[live - 1] = 4
        elif damage == "a hole":
            memory[0] = 0
        elif damage == "a lost emptyRest":
            memory[live - 1] = 1
        elif damage == "a key":
            memory[8 + 8 * cell] ^= 1
        elif damage == "a lost cell":
            memory[live - 1] = 0
        with pytest.raises(InvariantError) as caught:
            m.check()
        assert "\n" in str(caught.value)
        return caught.value.invariant

    assert broken("a tophash") in ("H6", "H7")
    assert broken("an evacuated mark") == "H3"
    assert broken("a mark in the middle") == "H3"
    assert broken("a hole") == "H4"
    assert broken("a lost emptyRest") == "H5"
    assert broken("a key") in ("H6", "H7")
    assert broken("a lost cell") == "H2"


def test_a_frozen_map_holds_every_growth() -> None:
    m = growing_map()
    m.evacuate(100)
    assert not m.header.growing
    m.assign_many(range(27, 60), range(27, 60))
    assert m.header.growing
    assert m.header.nevacuate == 0
    m.clear()
    m.assign_many(range(200), range(200))
    assert m.header.growing
    assert m.header.nevacuate == 0
    m.check()


def test_a_large_empty_map_is_freed_without_a_walk() -> None:
    m = Map(hint=10_000_000)  # its pages are never touched
    assert m.header.memory > 10_000_000 * 16
    del m


def test_a_drawing_says_which_half_an_entry_went_to() -> None:
    m = growing_map()
    m.evacuate(1)
    old, _, new = m.draw().partition("new\n")
    lines = old.splitlines()
    halves = [line.split("|")[1].split() for line in new.splitlines()]
    drawn = next(line for line in lines if line.split("|")[0].strip() == "0" and "|" in line).split("|")[1].split()
    for letter, bucket in (("X", 0), ("Y", 4)):
        assert drawn.count(letter) == sum(cell.isdigit() for cell in halves[bucket])


def test_a_large_drawing_says_how_much_is_left_out() -> None:
    assert "  1,984 more buckets" in Map(hint=10_000).draw()


def test_inspect_command_shows_the_growth_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--keys", "60", "--grow-at", "9"]) == 0
    assert "Before insert 9\n" in capsys.readouterr().out
    assert main(["inspect", "--keys", "60", "--grow-at", "10"]) == 0
    assert "Before insert 14\n" in capsys.readouterr().out

"""Knobs of the classic map: settings that real Go does not offer, each for an experiment on what Go's own is worth.

Source: csrc/map/knobs.c, which tells what each does and what holds with it. A map with a knob that is not Go's runs other
machine code than one without; `paths="knobs"` makes a map at Go's settings run that code too, to be compared with.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gomap._core import ffi, lib
from gomap.errors import BadValue

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["KNOBS", "Knob", "KnobCounts", "checked_knobs", "core_knobs", "parse_knobs"]

_ALL = 2**32 - 1
_MOST_TERM = 2**16  # as in csrc/map/knobs.c
_LEAST_LOAD, _MOST_LOAD, _MOST_CHAIN = 0.125, 1024, 16


class Knob(NamedTuple):
    """`go`: Go's setting. `choices`: the others with it, and their codes in the core; None: a number, as `allowed` says."""

    go: Any
    choices: Mapping[str, int] | None
    allowed: str
    meaning: str


def _choice(meaning: str, *names: str) -> Knob:
    """A knob with named settings, Go's first; their order is that of the core's enum."""
    return Knob(names[0], {name: code for code, name in enumerate(names)}, ", ".join(names), meaning)


KNOBS: dict[str, Knob] = {
    "load_limit": Knob(6.5, None, "a number from 0.125 to 1024, a fraction such as 13/2, or unlimited", "entries a bucket"),
    "overflow_limit": _choice("overflow buckets that start a same-size growth: Go's 2^min(B, 15)", "go", "2^15", "off"),
    "grow_test": _choice("article: doubles at (count + noverflow) >= 8 * 2^B, and nothing else", "go", "article"),
    "evacuate": Knob(1, None, "a whole number from 0 to 2**32 - 2, or all", "old buckets a write moves beside the needed one"),
    "delete_grows": _choice("start: a delete that finds its key starts a growth where an insert would", "continue", "start"),
    "delete": _choice("unlink: a delete takes empty overflow buckets out of their chains", "go", "unlink"),
    "check_writing": _choice("off: gets do not look for a writer", "on", "off"),
    "entry": _choice("the locked instruction with which a get begins", "plain", "cmpxchg", "xadd"),
    "buckets_load": _choice("how gets load the array's address; plain is acquire", "plain", "acquire", "seq_cst", "rmw"),
    "emptyrest": _choice("walk on: gets and deletes search to the end of the chain", "stop", "walk on"),
    "iter_flag_or": _choice("how often an iteration sets its flags", "once", "every", "off"),
    "hash": _choice("skewed: keys go to every `chain`-th bucket only", "good", "skewed"),
    "chain": Knob(
        1, None, f"a whole number from 1 to {_MOST_CHAIN}", "with hash=skewed: how many times the entries of a good one"
    ),
    "bucket_stride": _choice("from one bucket to the next; aligned 64: whole lines", "natural", "192", "aligned 64"),
    "cells": _choice("keys, then elems; or each key with its elem, which takes slots of whole words", "arrays", "pairs"),
    "key_stride": _choice(
        "from one key to the next; aligned 16: no key of up to 16 bytes is cut", "natural", "16", "aligned 16"
    ),
    "key_path": _choice("generic: 4-byte, 8-byte and string keys take the path of all others", "fast", "generic"),
    "paths": _choice("the machine code: knobs, to compare a map at Go's settings with others", "fast", "knobs"),
}
"""Every knob by its name. `load_num` and `load_den` may be given instead of `load_limit`."""

_CORE_NAMES = {"delete": "delete_mode"}


class KnobCounts(NamedTuple):
    """What knobs did since the map was made. `unlinked`: overflow buckets that deletes took out of their chains.
    `stale_reads`: readers that met one of these after that. `entered`: gets that `entry="xadd"` counted."""

    unlinked: int
    stale_reads: int
    entered: int


def _refused(name: str, value: Any) -> BadValue:
    return BadValue(f"knob {name}: {value!r} is not allowed, allowed: {KNOBS[name].allowed}")


def _whole(name: str, value: Any, least: int, most: int) -> int:
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):
        raise _refused(name, value) from None
    if not least <= number <= most or isinstance(value, bool):
        raise _refused(name, value)
    return number


def _exact(value: Any) -> Fraction:
    from fractions import Fraction  # loads decimal, and few maps have a load limit of their own

    return Fraction(str(value))


def _fraction(value: Any) -> Fraction:
    """A load limit as an exact fraction of small terms."""
    try:
        limit = _exact(value)
    except (ValueError, ZeroDivisionError):
        raise _refused("load_limit", value) from None
    if not _LEAST_LOAD <= limit <= _MOST_LOAD or max(limit.numerator, limit.denominator) > _MOST_TERM:
        raise _refused("load_limit", value)
    return limit


def _limit(value: Any) -> float | str:
    if value == "unlimited":
        return "unlimited"
    limit = _fraction(value)
    return float(limit) if _exact(float(limit)) == limit else str(limit)


def _value(name: str, value: Any) -> Any:
    """The value of one knob as it is shown and stored; `BadValue`."""
    choices = KNOBS[name].choices
    if choices is not None:
        text = str(value) if name in ("bucket_stride", "key_stride") else value
        if not isinstance(text, str) or text not in choices:
            raise _refused(name, value)
        return text
    if name == "load_limit":
        return _limit(value)
    if name == "evacuate":
        return "all" if value == "all" else _whole(name, value, 0, _ALL - 1)
    return _whole(name, value, 1, _MOST_CHAIN)


def _with_limit(given: Mapping[str, Any]) -> dict[str, Any]:
    """load_num and load_den as one load_limit."""
    knobs = dict(given)
    num, den = knobs.pop("load_num", None), knobs.pop("load_den", None)
    if num is None and den is None:
        return knobs
    if "load_limit" in knobs:
        raise BadValue("knobs: give either load_limit, or load_num and load_den")
    knobs["load_limit"] = num if num == "unlimited" else f"{13 if num is None else num}/{2 if den is None else den}"
    return knobs


def checked_knobs(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The knobs that were given, in the order of `KNOBS`; {} for None. `BadValue` lists what is allowed."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadValue(f"knobs: settings by name expected, such as {{'load_limit': 8.0}}, not {given!r:.60}")
    knobs = _with_limit(given)
    for name in knobs:
        if name not in KNOBS:
            raise BadValue(f"unknown knob {name!r}, allowed: {', '.join(KNOBS)}, load_num, load_den")
    found = {name: _value(name, knobs[name]) for name in KNOBS if name in knobs}
    if (found.get("hash", "good") == "skewed") != ("chain" in found and found["chain"] > 1):
        raise BadValue("knobs: hash='skewed' and a chain from 2 to 16 go together")
    return found


def core_knobs(knobs: Mapping[str, Any]) -> Any:
    """A gm_knobs of what `checked_knobs` gave; NULL for none."""
    if not knobs:
        return ffi.NULL
    core = ffi.new("gm_knobs *")
    lib.gm_knobs_go(core)
    for name, value in knobs.items():
        choices = KNOBS[name].choices
        if name == "load_limit":
            core.load_num, core.load_den = (0, 1) if value == "unlimited" else _fraction(value).as_integer_ratio()
        elif name != "hash":  # said by `chain`
            setattr(core, _CORE_NAMES.get(name, name), choices[value] if choices else _ALL if value == "all" else value)
    return core


def parse_knobs(texts: list[str]) -> dict[str, Any]:
    """["name=value", ...] of the command line."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadValue(f"--knob: {text!r} is not NAME=VALUE")
        found[name] = value
    return checked_knobs(found)

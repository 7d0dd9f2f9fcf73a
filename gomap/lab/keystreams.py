"""Key streams: which key comes next.

A stream draws indices from 0 to size - 1; with one seed it gives the same indices on every machine. Making one and drawing
from it costs O(1) per draw whatever the size. The algorithms and their sources are told in csrc/lab/keystream.c.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import BadValue, OutOfRange

__all__ = ["Hotspot", "KeyStream", "Latest", "Sequential", "Uniform", "Zipf"]

LARGEST = 2**53


@dataclass(frozen=True)
class KeyStream(ABC):
    """A distribution of keys, without a size or a seed of its own."""

    @abstractmethod
    def _fill(self, config: Any) -> None:
        """Sets the kind and its numbers in a gm_stream_config."""

    def draw(self, count: int, size: int, seed: int = 0) -> npt.NDArray[np.int64]:
        """The first `count` indices over `size` keys, in one call into C. O(count)."""
        if not 1 <= size <= LARGEST:
            raise BadValue(f"size must be from 1 to 2**53: {size}")
        if not 0 <= seed < 2**64:
            raise OutOfRange(f"seed must be from 0 to 2**64 - 1: {seed}")
        if count < 0:
            raise BadValue(f"count must not be negative: {count}")
        config = ffi.new("gm_stream_config *")
        config.n, config.seed = size, seed
        self._fill(config)
        stream = ffi.gc(lib.gm_stream_new(config), lib.gm_stream_free)
        if stream == ffi.NULL:
            raise MemoryError("no memory for a key stream")
        out = np.empty(count, np.int64)
        lib.gm_stream_draw(stream, ffi.from_buffer("int64_t[]", out, require_writable=True), count)
        return out


def _check_theta(theta: float) -> None:
    if not 0 < theta <= 2:
        raise BadValue(f"theta must be above 0 and at most 2: {theta}")


@dataclass(frozen=True)
class Uniform(KeyStream):
    """Every key alike."""

    def _fill(self, config: Any) -> None:
        config.kind = lib.GM_STREAM_UNIFORM


@dataclass(frozen=True)
class Zipf(KeyStream):
    """Key i with probability proportional to (i + 1) ** -theta, exactly. theta: above 0, at most 2."""

    theta: float = 0.99

    def __post_init__(self) -> None:
        _check_theta(self.theta)

    def _fill(self, config: Any) -> None:
        config.kind, config.theta = lib.GM_STREAM_ZIPF, self.theta


@dataclass(frozen=True)
class Hotspot(KeyStream):
    """The first `fraction` of the keys get `share` of the draws, the rest the rest; uniform within both."""

    fraction: float = 0.2
    share: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise BadValue(f"fraction must be between 0 and 1: {self.fraction}")
        if not 0 <= self.share <= 1:
            raise BadValue(f"share must be from 0 to 1: {self.share}")

    def _fill(self, config: Any) -> None:
        config.kind, config.fraction, config.share = lib.GM_STREAM_HOTSPOT, self.fraction, self.share


@dataclass(frozen=True)
class Latest(KeyStream):
    """Zipf counted back from the newest key."""

    theta: float = 0.99

    def __post_init__(self) -> None:
        _check_theta(self.theta)

    def _fill(self, config: Any) -> None:
        config.kind, config.theta = lib.GM_STREAM_LATEST, self.theta


@dataclass(frozen=True)
class Sequential(KeyStream):
    """0, 1, 2, ... and from the beginning again."""

    def _fill(self, config: Any) -> None:
        config.kind = lib.GM_STREAM_SEQUENTIAL


STREAMS: dict[str, type[KeyStream]] = {cls.__name__: cls for cls in (Uniform, Zipf, Hotspot, Latest, Sequential)}
"""By name."""


def parse_keys(text: str) -> KeyStream:
    """A stream written as text, such as zipf:0.99 or hotspot:0.2:0.8; `BadValue` names what is allowed."""
    name, *numbers = text.split(":")
    cls = STREAMS.get(name.capitalize())
    try:
        if cls is not None:
            return cls(*map(float, numbers))
    except (TypeError, ValueError) as e:
        if isinstance(e, BadValue):
            raise
    raise BadValue(f"--keys: {text!r} is none of uniform, zipf[:THETA], hotspot[:FRACTION:SHARE], latest[:THETA], sequential")

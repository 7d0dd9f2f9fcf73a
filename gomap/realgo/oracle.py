"""A child process that operates real classic maps as it is told: the Go program gomap/realgo/go/oracle.

One child serves many maps, one after the other, all with the same random key schedule; so a sequence of operations can be
tried again, shorter, with the hashes that it had.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from gomap.realgo.child import ANSWER_TIMEOUT_S, Child

__all__ = ["Oracle", "hash_modes"]

Json = dict[str, Any]


def hash_modes() -> tuple[str, ...]:
    """The hashes that real Go can be compared in here. The model's AES hash is that of amd64; other processors' differs."""
    return ("aes", "fallback") if platform.machine().lower() in ("x86_64", "amd64") else ("fallback",)


class Oracle(Child):
    """The child; a context manager. `mode`: "aes" or "fallback", the hash that it uses."""

    def __init__(self, binary: Path, mode: str, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        super().__init__(binary, "oracle", {"GODEBUG": "cpu.aes=off" if mode == "fallback" else ""}, timeout_s)

    def __enter__(self) -> Oracle:
        return self

    def open(self, key: str, elem: str, hint: int, *, seed: int | None = None, every: int = 1, full_from: int = -1) -> Json:
        """Makes a new map and returns its header line. `seed`: its hash0, else it draws one. Digests come with each
        `every`-th operation, and the whole state with each from number `full_from` on, if that is not negative."""
        words = ("make", key, elem, hint, "-" if seed is None else seed, every, full_from)
        with self.limited():
            self._send([" ".join(map(str, words))])
            return self._read()

    def run(self, commands: Sequence[str]) -> Generator[Json, None, None]:
        """Does the operations on the open map and gives a line for each, then the end line. To be used up or closed before
        the next map is opened; closing it reads the rest."""
        with self.limited():
            self._send([*commands, "end"])
            line: Json = {}
            try:
                while line.get("type") != "end":
                    line = self._read()
                    yield line
            finally:
                while line.get("type") != "end" and not self.failed:
                    line = self._read()

    def skip(self) -> None:
        """Does nothing on the open map, so that the next can be opened."""
        for _ in self.run([]):
            pass

    def _send(self, lines: Sequence[str]) -> None:
        self.send("".join(f"{line}\n" for line in lines).encode())

    def _read(self) -> Json:
        found: Json = json.loads(self.read_line())
        return found

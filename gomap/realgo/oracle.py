"""A child process that operates real classic maps as it is told: the Go program gomap/realgo/go/oracle.

One child serves many maps, one after the other, all with the same random key schedule; so a sequence of operations can be
tried again, shorter, with the hashes that it had. The child never outlives the `Oracle`, and whatever becomes of it
(crashed, killed, silent for too long) is a `GoFailed` of one sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from gomap.errors import GoFailed

__all__ = ["ANSWER_TIMEOUT_S", "Oracle", "hash_modes"]

Json = dict[str, Any]

ANSWER_TIMEOUT_S = 120.0
"""Longest that one map's operations may take."""


def hash_modes() -> tuple[str, ...]:
    """The hashes that real Go can be compared in here. The model's AES hash is that of amd64; other processors' differs."""
    return ("aes", "fallback") if platform.machine().lower() in ("x86_64", "amd64") else ("fallback",)


class Oracle:
    """The child; a context manager. `mode`: "aes" or "fallback", the hash that it uses."""

    def __init__(self, binary: Path, mode: str, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._late = self._failed = False
        settings = {"GOTRACEBACK": "none", "GODEBUG": "cpu.aes=off" if mode == "fallback" else ""}
        try:
            self._child = subprocess.Popen(
                [str(binary)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **settings},
            )
        except OSError as e:
            raise GoFailed(f"the Go program {binary} cannot be run: {e.strerror or e}") from e

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child and waits for it."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            with contextlib.suppress(OSError):  # what was not yet written to it
                assert pipe is not None
                pipe.close()
        self._child.wait()

    @property
    def pid(self) -> int:
        return self._child.pid

    def open(self, key: str, elem: str, hint: int, *, seed: int | None = None, every: int = 1, full: bool = False) -> Json:
        """Makes a new map and returns its header line. `seed`: its hash0, else it draws one. Digests come with each
        `every`-th operation, and with each the whole state if `full`."""
        words = ("make", key, elem, hint, "-" if seed is None else seed, every, int(full))
        with self._limited():
            self._send([" ".join(map(str, words))])
            return self._read()

    def run(self, commands: Sequence[str]) -> Iterator[Json]:
        """Does the operations on the open map and gives a line for each, then the end line. To be used up or closed before
        the next map is opened; closing it reads the rest."""
        with self._limited():
            self._send([*commands, "end"])
            line: Json = {}
            try:
                while line.get("type") != "end":
                    line = self._read()
                    yield line
            finally:
                while line.get("type") != "end" and not self._failed:
                    line = self._read()

    def skip(self) -> None:
        """Does nothing on the open map, so that the next can be opened."""
        for _ in self.run([]):
            pass

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        """Kills the child if what is inside takes too long; a read or write under way then ends, and fails."""
        timer = threading.Timer(self._timeout_s, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._late = True
        self._child.kill()

    def _send(self, lines: Sequence[str]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write("".join(f"{line}\n" for line in lines).encode())
            self._child.stdin.flush()
        except OSError:
            self._fail()

    def _read(self) -> Json:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line.endswith(b"\n"):
            self._fail()
        found: Json = json.loads(line)
        return found

    def _fail(self) -> NoReturn:
        assert self._child.stderr is not None
        self._failed = True
        self._child.kill()
        said = self._child.stderr.read().decode(errors="replace").strip().partition("\n")[0]
        status = self._child.wait()
        if self._late:
            raise GoFailed(f"the Go program oracle did not answer within {self._timeout_s:g} s")
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise GoFailed(f"the Go program oracle {how}" + (f": {said[:200]}" if said else ""))

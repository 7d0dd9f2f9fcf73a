"""A Go program of this package as a child process that answers lines.

C1  The child never outlives the `Child`, and is waited for.
C2  Whatever becomes of it (crashed, killed, silent for too long) is a `GoFailed` of one sentence.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from gomap.errors import GoFailed

__all__ = ["ANSWER_TIMEOUT_S", "Child"]

ANSWER_TIMEOUT_S = 120.0
"""Longest that one answer may take, in seconds."""


class Child:
    """The child; a context manager. `name`: of the program, for messages. `settings`: what its environment has besides."""

    def __init__(self, binary: Path, name: str, settings: Mapping[str, str], timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self.name = name
        self._timeout_s = timeout_s
        self._late = self.failed = False
        try:
            self._process = subprocess.Popen(
                [str(binary)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "GOTRACEBACK": "none", **settings},
            )
        except OSError as e:
            raise GoFailed(f"the Go program {binary} cannot be run: {e.strerror or e}") from e

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child and waits for it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):  # what was not yet written to it
                assert pipe is not None
                pipe.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
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
        self._process.kill()

    def send(self, *parts: bytes) -> None:
        """Writes to the child; within `limited`."""
        assert self._process.stdin is not None
        try:
            for part in parts:
                self._process.stdin.write(part)
            self._process.stdin.flush()
        except OSError:
            self._fail()

    def read_line(self) -> bytes:
        """The next line that the child writes; within `limited`."""
        assert self._process.stdout is not None
        line: bytes = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            self._fail()
        return line

    def _fail(self) -> NoReturn:
        assert self._process.stderr is not None
        self.failed = True
        self._process.kill()
        said = self._process.stderr.read().decode(errors="replace").strip().partition("\n")[0]
        status = self._process.wait()
        if self._late:
            raise GoFailed(f"the Go program {self.name} did not answer within {self._timeout_s:g} s")
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise GoFailed(f"the Go program {self.name} {how}" + (f": {said[:200]}" if said else ""))

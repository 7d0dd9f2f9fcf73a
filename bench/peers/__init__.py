"""Concurrent maps of others for bench/test_concurrent.py: peers.cpp, compiled when it is first asked for.

`peer(name)` is a `Peer`, or raises `PeerError` with the reason why there is none (no compiler, no headers, no library). One
library a peer, so that what one lacks is not the others' loss; kept in a cache folder under the name of everything that it was
made of. The flags are gomap's own as far as they mean something in C++ (-O3, no -march).

Debian: apt-get install g++ libtbb-dev libcuckoo-dev liburcu-dev libck-dev
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PEERS", "Peer", "PeerError", "peer"]

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
FLAGS = ["-std=c++17", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden"]
if platform.machine() in ("x86_64", "AMD64"):
    FLAGS.append("-mtls-dialect=gnu2")  # liburcu keeps its reader in TLS, an executable's user pays no call for it either

PEERS: dict[str, tuple[str, list[str], str]] = {
    "std-rwlock": ("PEER_STD", [], ""),
    "tbb": ("PEER_TBB", ["-ltbb"], "libtbb-dev"),
    "cuckoo": ("PEER_CUCKOO", [], "libcuckoo-dev"),
    "ck_ht": ("PEER_CK", ["-lck"], "libck-dev"),
    "ck_hs": ("PEER_CK", ["-lck"], "libck-dev"),
    "urcu": ("PEER_URCU", ["-lurcu-memb", "-lurcu-cds"], "liburcu-dev"),
}
"""By name: the macro that builds it, the libraries, Debian's package."""


class PeerError(Exception):
    """A peer cannot be built or loaded here; the message is the reason, in one line."""


@dataclass(frozen=True)
class Peer:
    """A peer, ready to be used. `table`: the address of its functions (const gm_variant *). `path`: of its library."""

    name: str
    path: Path
    table: int
    library: ctypes.CDLL

    @contextmanager
    def fresh(self, hint: int = 0) -> Iterator[int]:
        """The address of an empty map of it, freed at the end."""
        target = self.library.gm_peer_new(self.name.encode(), hint)
        if not target:
            raise PeerError(f"{self.name}: no memory for a map")
        try:
            yield target
        finally:
            self.library.gm_peer_free(self.name.encode(), target)

    @contextmanager
    def overrides(self, hint: int = 0) -> Iterator[dict[str, Any]]:
        """For `gomap.lab.run`: `_overrides` that make the engine drive an empty map of this peer."""
        from gomap._core import ffi

        with self.fresh(hint) as target:
            yield {"table": ffi.cast("void *", self.table), "target": ffi.cast("void *", target)}


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as e:
        raise PeerError(f"no C++ compiler: {e}") from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line]
        raise PeerError((errors or done.stderr.splitlines() or ["the compiler failed"])[0].strip())
    return done.stdout


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "gomap-peers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="gomap-peers-"))
    return folder


def _build(macro: str, libraries: list[str]) -> Path:
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    source = HERE / "peers.cpp"
    command = [*compiler, *FLAGS, f"-D{macro}=1", f"-I{CSRC}", str(source)]
    made_of = hashlib.sha256("\0".join([_run([*compiler, "--version"]), *command, *libraries]).encode())
    # what the compiler reads in the end: a changed header, of ours or of a peer's, makes another library
    made_of.update(_run([*(word for word in command if word != "-shared"), "-E", "-P"]).encode())
    library = _cache() / f"{macro.lower()}-{made_of.hexdigest()[:20]}.so"
    if not library.exists():
        scratch = library.with_name(f"{library.name}.{os.getpid()}")
        try:
            _run([*command, "-o", str(scratch), *libraries])
            scratch.replace(library)
        finally:
            scratch.unlink(missing_ok=True)
    return library


@functools.cache
def _peer(name: str) -> Peer | str:
    macro, libraries, package = PEERS[name]
    try:
        path = _build(macro, libraries)
        library = ctypes.CDLL(str(path))
    except (PeerError, OSError) as e:
        return f"{name}: {e}" + (f" (Debian: apt-get install {package})" if package else "")
    library.gm_peer_table.restype = library.gm_peer_new.restype = ctypes.c_void_p
    library.gm_peer_table.argtypes = [ctypes.c_char_p]
    library.gm_peer_new.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
    library.gm_peer_free.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.gm_peer_free.restype = None
    return Peer(name, path, library.gm_peer_table(name.encode()), library)


def peer(name: str) -> Peer:
    """The peer of that name, built if need be. `PeerError` tells why not."""
    found = _peer(name)
    if isinstance(found, str):
        raise PeerError(found)
    return found

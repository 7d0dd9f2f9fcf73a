"""gomap: Go's map, taken apart and put on real CPU cores under Python's control."""

from typing import TYPE_CHECKING

from gomap.concurrent import ConcurrentMap, GrowLockMap, HashTrieMap, MutexMap, RWMutexMap, ShardedMap, SyncMap
from gomap.errors import (
    BadValue,
    ConcurrentMisuse,
    GomapError,
    InvariantError,
    MissingKey,
    MissingTool,
    OutOfMemory,
    OutOfRange,
    TraceError,
    WrongType,
)
from gomap.inspect import Bucket
from gomap.iterator import MapIterator
from gomap.kinds import Strings
from gomap.map import Event, Header, Map

__all__ = [
    "BadValue",
    "Bucket",
    "ConcurrentMap",
    "ConcurrentMisuse",
    "Event",
    "GomapError",
    "GrowLockMap",
    "HashTrieMap",
    "Header",
    "InvariantError",
    "Map",
    "MapIterator",
    "MissingKey",
    "MissingTool",
    "MutexMap",
    "OutOfMemory",
    "OutOfRange",
    "RWMutexMap",
    "ShardedMap",
    "Strings",
    "SyncMap",
    "TraceError",
    "WrongType",
]

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """`__version__`, read when it is asked for: importlib.metadata takes as long to import as all of this."""
        if name == "__version__":
            from importlib.metadata import version

            return version("gomap")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

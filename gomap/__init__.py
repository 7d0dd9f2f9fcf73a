"""gomap: Go's map, taken apart and put on real CPU cores under Python's control."""

from typing import TYPE_CHECKING, Any

from gomap._lazy import lazy

if TYPE_CHECKING:
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

    __version__: str

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

_NAMES = {
    "concurrent": ("ConcurrentMap", "GrowLockMap", "HashTrieMap", "MutexMap", "RWMutexMap", "ShardedMap", "SyncMap"),
    "errors": (
        "BadValue",
        "ConcurrentMisuse",
        "GomapError",
        "InvariantError",
        "MissingKey",
        "MissingTool",
        "OutOfMemory",
        "OutOfRange",
        "TraceError",
        "WrongType",
    ),
    "inspect": ("Bucket",),
    "iterator": ("MapIterator",),
    "kinds": ("Strings",),
    "map": ("Event", "Header", "Map"),
}
_MODULES = (*_NAMES, "lab", "objects", "testing", "variants")

if not TYPE_CHECKING:
    _get = lazy(__name__, _NAMES, _MODULES)

    def __getattr__(name: str) -> Any:
        """What the package shows, imported when it is asked for; and `__version__`, which takes importlib.metadata."""
        if name == "__version__":
            from importlib.metadata import version

            return version("gomap")
        return _get(name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES, "__version__"})

"""gomap: Go's map, taken apart and put on real CPU cores under Python's control."""

from importlib.metadata import version as _version

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
    "ConcurrentMisuse",
    "Event",
    "GomapError",
    "Header",
    "InvariantError",
    "Map",
    "MapIterator",
    "MissingKey",
    "MissingTool",
    "OutOfMemory",
    "OutOfRange",
    "Strings",
    "TraceError",
    "WrongType",
]

__version__ = _version("gomap")

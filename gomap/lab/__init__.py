"""The laboratory: traces, and what a map does under them."""

from gomap.lab.keystreams import Hotspot, KeyStream, Latest, Sequential, Uniform, Zipf
from gomap.lab.replay import ReplayResult, replay
from gomap.lab.traces import TraceData, read_trace

__all__ = [
    "Hotspot",
    "KeyStream",
    "Latest",
    "ReplayResult",
    "Sequential",
    "TraceData",
    "Uniform",
    "Zipf",
    "read_trace",
    "replay",
]

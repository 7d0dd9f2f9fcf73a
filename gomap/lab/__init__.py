"""The laboratory: traces, and what a map does under them."""

from gomap.lab.replay import ReplayResult, replay
from gomap.lab.traces import TraceData, read_trace

__all__ = ["ReplayResult", "TraceData", "read_trace", "replay"]

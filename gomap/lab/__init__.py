"""The laboratory: workloads, traces, and what a map does under them."""

from gomap.lab.calls import EngineError
from gomap.lab.compare import Comparison, Ratio, bootstrap_ratio, compare
from gomap.lab.engine import run
from gomap.lab.heap import HEAP_KNOBS, Cycle, Heap, HeapStats
from gomap.lab.heap_scene import ActorResult, HeapActor, HeapScene, HeapSceneResult, PhasePart, run_heap_scene
from gomap.lab.histogram import Histogram, TooFewSamples
from gomap.lab.keystreams import Hotspot, KeyStream, Latest, Sequential, Uniform, Zipf
from gomap.lab.presets import PRESETS, Preset
from gomap.lab.replay import ReplayResult, replay
from gomap.lab.result import Result, SlowOperation, Timeline
from gomap.lab.schedule import SchedulerRun, SchedulerTimeline, ScheduleTrace
from gomap.lab.scheduler import SCHEDULER_KNOBS, Deadlock, Scene, SceneResult, Scheduler
from gomap.lab.traces import TraceData, read_trace
from gomap.lab.workload import Group, Trace, Workload

__all__ = [
    "HEAP_KNOBS",
    "PRESETS",
    "SCHEDULER_KNOBS",
    "ActorResult",
    "Comparison",
    "Cycle",
    "Deadlock",
    "EngineError",
    "Group",
    "Heap",
    "HeapActor",
    "HeapScene",
    "HeapSceneResult",
    "HeapStats",
    "Histogram",
    "Hotspot",
    "KeyStream",
    "Latest",
    "PhasePart",
    "Preset",
    "Ratio",
    "ReplayResult",
    "Result",
    "Scene",
    "SceneResult",
    "ScheduleTrace",
    "Scheduler",
    "SchedulerRun",
    "SchedulerTimeline",
    "Sequential",
    "SlowOperation",
    "Timeline",
    "TooFewSamples",
    "Trace",
    "TraceData",
    "Uniform",
    "Workload",
    "Zipf",
    "bootstrap_ratio",
    "compare",
    "read_trace",
    "replay",
    "run",
    "run_heap_scene",
]

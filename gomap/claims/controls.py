"""The recorded control runs on real Go that verdicts by source refer to, such as (G1).

All on two cores of a virtual AMD EPYC (Zen 3, 2.45 GHz time-stamp counter), Linux 6.18, with Go 1.25.5 (Swiss maps), 1.25.5
with GOEXPERIMENT=noswissmap ("classic") and 1.19.8; no hardware counters; runs of 1 to 2 s. They are controls, no benchmark:
times of single operations include about 20 ns of timer. Most of them can be made again here: gomap/realgo/controls.py.
"""

from __future__ import annotations

import re

__all__ = ["CONTROLS", "controls_in"]

CONTROLS = {
    "G1": "a map of 10,000 ints, one reader and one writer goroutine and no lock; 20 runs of each build",
    "G2": "one reader of 1,000 hot keys, one writer at 200,000 a second, classic, GC off, behind an RWMutex unless named",
    "G3": "2^21 int inserts timed one by one, GC off",
    "G4": "hits and misses by load and size of map[int]int; overflow buckets read through unsafe",
    "G5": "assigns on classic maps with GC off, normal, and back to back with 10^6 live objects",
    "G6": "CPU profiles of maps that grow from empty, stay at one size, or are presized",
    "G7": "2^20 int keys deleted down to 1,000, against a fresh and an empty large map; and key types by time",
    "G8": "GOMAXPROCS=1, a hot loop and a goroutine that wants to run, asynchronous preemption on and off",
    "G9": "gets of 10^5 int keys beside other goroutines on 2 Ps, GC off, classic",
    "G10": "gets of 2*10^5 string keys on 2 Ps for 2 s, alone, beside a busy neighbour, with collections back to back",
    "G11": "what the compiler makes of map reads and writes, searched for locked instructions",
    "G12": "gets of one map while another core updates a different map",
    "G13": "hits before, during and after a growth, classic",
    "G14": "mutex profiles at full rate, with and without a lock round the map",
    "G15": "a range against a key list with gets, by element",
    "G16": "2^20 inserts of string to pointer, presized or growing, while the collector marks or not",
}
"""What was run, by name."""


def controls_in(text: str) -> list[str]:
    """The names of the control runs that a text refers to, in their order."""
    found = set(re.findall(r"\bG\d+\b", text))
    return [name for name in CONTROLS if name in found]

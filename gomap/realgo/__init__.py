"""Real Go beside the model: finds a Go toolchain, builds the small Go programs of this package, runs them."""

from __future__ import annotations

from gomap.realgo.harness import DESIGNS, GoHarness, go_harness, offered, run_go
from gomap.realgo.toolchain import Toolchain, build_go, cache_folder, find_go

__all__ = ["DESIGNS", "GoHarness", "Toolchain", "build_go", "cache_folder", "find_go", "go_harness", "offered", "run_go"]

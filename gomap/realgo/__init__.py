"""Real Go beside the model: finds a Go toolchain, builds the small Go programs of this package, runs them."""

from __future__ import annotations

from gomap.realgo.toolchain import Toolchain, build_go, cache_folder, find_go

__all__ = ["Toolchain", "build_go", "cache_folder", "find_go"]

"""What gomap plugs into hypothesis: strategies for its types, so that `st.from_type(Workload)` gives valid ones.

hypothesis calls `plug_in` when it is imported (the entry point of pyproject.toml). The types live in modules that need the C
core; whoever imports hypothesis alone should not pay for it. So the modules offer their types when they are imported, and the
two find each other whichever comes first.
"""

from __future__ import annotations

from typing import Any

__all__ = ["offer", "plug_in"]

_offered: dict[type[Any], str] = {}
_plugged: list[bool] = []  # not empty once hypothesis has called


def _register(cls: type[Any], strategy: str) -> None:
    from hypothesis import strategies as st

    def found(_: type[Any]) -> st.SearchStrategy[Any]:
        from gomap.testing import strategies

        made: st.SearchStrategy[Any] = getattr(strategies, strategy)()
        return made

    st.register_type_strategy(cls, found)


def offer(cls: type[Any], strategy: str) -> None:
    """A type, and which function of `gomap.testing.strategies` makes its strategy. Called by the type's own module."""
    _offered[cls] = strategy
    if _plugged:
        _register(cls, strategy)


def plug_in() -> None:
    """Called by hypothesis when it is imported."""
    _plugged.append(True)
    for cls, strategy in _offered.items():
        _register(cls, strategy)

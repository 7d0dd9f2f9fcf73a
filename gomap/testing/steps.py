"""Steps: calls on a mapping as values, each of which knows what a dict would answer.

`step.run(m, model)` makes the call on a map and its meaning on a model of it, and gives both answers; `str(step)` is the call
as a line of Python. A KeyError is an answer like another. The atomic steps (`ATOMIC`) are those of Go's sync.Map; the model
does them with get and assign, which is what "atomic" says that an observer sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gomap._hypothesis import offer

__all__ = [
    "ATOMIC",
    "BASIC",
    "MISSING",
    "Add",
    "Assign",
    "Clear",
    "CompareAndDelete",
    "CompareAndSwap",
    "Contains",
    "Delete",
    "Get",
    "Iterate",
    "Length",
    "LoadAndDelete",
    "LoadOrStore",
    "Pop",
    "PopItem",
    "SetDefault",
    "Step",
    "Subscript",
    "Swap",
    "Update",
]

Model = MutableMapping[Any, Any]


class _Missing:
    """The answer of a call that raised KeyError."""

    def __repr__(self) -> str:
        return "KeyError"


MISSING = _Missing()
"""The answer of a call that raised KeyError."""


def _answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except KeyError:
        return MISSING


@dataclass(frozen=True)
class Step(ABC):
    """One call on a mapping. `method`: what the mapping must have for it."""

    method: ClassVar[str] = "__getitem__"

    @abstractmethod
    def call(self, m: Any) -> Any:
        """Makes the call and gives its answer; may raise KeyError."""

    def meaning(self, model: Model) -> Any:
        """What the call means, on a model that has the methods of a MutableMapping only."""
        return self.call(model)

    def run(self, m: Any, model: Model) -> tuple[Any, Any]:
        """The call's answer, and the right one. Whatever the call raises, but for KeyError, comes through."""
        got = _answer(lambda: self.call(m))
        return got, _answer(lambda: self.meaning(model))

    @abstractmethod
    def __str__(self) -> str:
        """The call on `m` as Python."""


offer(Step, "steps")


@dataclass(frozen=True)
class Get(Step):
    key: Any
    method = "get"

    def call(self, m: Any) -> Any:
        return m.get(self.key, MISSING)

    def __str__(self) -> str:
        return f"m.get({self.key!r}, KeyError)"


@dataclass(frozen=True)
class Subscript(Step):
    key: Any

    def call(self, m: Any) -> Any:
        return m[self.key]

    def __str__(self) -> str:
        return f"m[{self.key!r}]"


@dataclass(frozen=True)
class Contains(Step):
    key: Any
    method = "__contains__"

    def call(self, m: Any) -> Any:
        return self.key in m

    def __str__(self) -> str:
        return f"{self.key!r} in m"


@dataclass(frozen=True)
class Assign(Step):
    key: Any
    elem: Any
    method = "__setitem__"

    def call(self, m: Any) -> None:
        m[self.key] = self.elem

    def __str__(self) -> str:
        return f"m[{self.key!r}] = {self.elem!r}"


@dataclass(frozen=True)
class Delete(Step):
    key: Any
    method = "__delitem__"

    def call(self, m: Any) -> None:
        del m[self.key]

    def __str__(self) -> str:
        return f"del m[{self.key!r}]"


@dataclass(frozen=True)
class Pop(Step):
    key: Any
    method = "pop"

    def call(self, m: Any) -> Any:
        return m.pop(self.key)

    def __str__(self) -> str:
        return f"m.pop({self.key!r})"


@dataclass(frozen=True)
class PopItem(Step):
    """Which entry goes is the map's choice: the model follows it."""

    method = "popitem"

    def call(self, m: Any) -> Any:
        return m.popitem()

    def run(self, m: Any, model: Model) -> tuple[Any, Any]:
        got = _answer(lambda: self.call(m))
        if got is MISSING:
            return got, MISSING if not model else "an entry"
        if got[0] not in model:
            return got, "an entry that is there" if model else MISSING
        return tuple(got), (got[0], model.pop(got[0]))

    def __str__(self) -> str:
        return "m.popitem()"


@dataclass(frozen=True)
class SetDefault(Step):
    key: Any
    elem: Any
    method = "setdefault"

    def call(self, m: Any) -> Any:
        return m.setdefault(self.key, self.elem)

    def __str__(self) -> str:
        return f"m.setdefault({self.key!r}, {self.elem!r})"


@dataclass(frozen=True)
class Update(Step):
    entries: tuple[tuple[Any, Any], ...]
    method = "update"

    def call(self, m: Any) -> None:
        m.update(self.entries)

    def __str__(self) -> str:
        return f"m.update({list(self.entries)!r})"


@dataclass(frozen=True)
class Clear(Step):
    method = "clear"

    def call(self, m: Any) -> None:
        m.clear()

    def __str__(self) -> str:
        return "m.clear()"


@dataclass(frozen=True)
class Length(Step):
    method = "__len__"

    def call(self, m: Any) -> int:
        return len(m)

    def __str__(self) -> str:
        return "len(m)"


@dataclass(frozen=True)
class Iterate(Step):
    """All entries, in any order: as a dict, if iterating gives each once and over keys what it gives over items."""

    method = "items"

    def call(self, m: Any) -> Any:
        keys, entries = list(m), list(m.items())
        found = dict(entries)
        return found if len(found) == len(entries) == len(keys) and all(k in found for k in keys) else (keys, entries)

    def __str__(self) -> str:
        return "list(m), list(m.items())"


@dataclass(frozen=True)
class LoadOrStore(Step):
    key: Any
    elem: Any
    method = "load_or_store"

    def call(self, m: Any) -> Any:
        return tuple(m.load_or_store(self.key, self.elem))

    def meaning(self, model: Model) -> Any:
        there = self.key in model
        return model.setdefault(self.key, self.elem), there

    def __str__(self) -> str:
        return f"m.load_or_store({self.key!r}, {self.elem!r})"


@dataclass(frozen=True)
class LoadAndDelete(Step):
    key: Any
    method = "load_and_delete"

    def call(self, m: Any) -> Any:
        return tuple(m.load_and_delete(self.key))

    def meaning(self, model: Model) -> Any:
        there = self.key in model
        return model.pop(self.key, None), there

    def __str__(self) -> str:
        return f"m.load_and_delete({self.key!r})"


@dataclass(frozen=True)
class Swap(Step):
    key: Any
    elem: Any
    method = "swap"

    def call(self, m: Any) -> Any:
        return tuple(m.swap(self.key, self.elem))

    def meaning(self, model: Model) -> Any:
        old = model.get(self.key), self.key in model
        model[self.key] = self.elem
        return old

    def __str__(self) -> str:
        return f"m.swap({self.key!r}, {self.elem!r})"


def _holds(model: Model, key: Any, elem: Any) -> bool:
    return key in model and bool(model[key] == elem)


@dataclass(frozen=True)
class CompareAndSwap(Step):
    key: Any
    old: Any
    new: Any
    method = "compare_and_swap"

    def call(self, m: Any) -> Any:
        return m.compare_and_swap(self.key, self.old, self.new)

    def meaning(self, model: Model) -> Any:
        does = _holds(model, self.key, self.old)
        if does:
            model[self.key] = self.new
        return does

    def __str__(self) -> str:
        return f"m.compare_and_swap({self.key!r}, {self.old!r}, {self.new!r})"


@dataclass(frozen=True)
class CompareAndDelete(Step):
    key: Any
    old: Any
    method = "compare_and_delete"

    def call(self, m: Any) -> Any:
        return m.compare_and_delete(self.key, self.old)

    def meaning(self, model: Model) -> Any:
        does = _holds(model, self.key, self.old)
        if does:
            del model[self.key]
        return does

    def __str__(self) -> str:
        return f"m.compare_and_delete({self.key!r}, {self.old!r})"


@dataclass(frozen=True)
class Add(Step):
    """An absent key counts as 0."""

    key: Any
    delta: int
    method = "add"

    def call(self, m: Any) -> Any:
        return m.add(self.key, self.delta)

    def meaning(self, model: Model) -> Any:
        model[self.key] = model.get(self.key, 0) + self.delta
        return model[self.key]

    def __str__(self) -> str:
        return f"m.add({self.key!r}, {self.delta!r})"


BASIC: tuple[type[Step], ...] = (
    Assign,
    Get,
    Subscript,
    Contains,
    Delete,
    Pop,
    PopItem,
    SetDefault,
    Update,
    Clear,
    Length,
    Iterate,
)
"""What every MutableMapping has."""

ATOMIC: tuple[type[Step], ...] = (LoadOrStore, LoadAndDelete, Swap, CompareAndSwap, CompareAndDelete, Add)
"""What a concurrent map may have beside it."""

"""CPython's own tests of mappings, run on typed maps.

`test.mapping_tests` uses keys of many types in one dict; a Map holds one kind. The adapter is thin: a key is spelled as a
string that tells its type and value ("int:1", "str:a"), the elem kind is "object", and every method goes to the Map.
"""

from __future__ import annotations

import unittest
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from gomap import Map

mapping_tests = pytest.importorskip("test.mapping_tests", reason="this Python comes without its own test package")

EXCLUDED = {
    "test_mutatingiteration": "dict forbids writes during an iteration, Go allows them",
    "test_repr": "asks for dict's repr, a Map's shows the kinds and the length",
    "test_repr_deep": "as test_repr",
    "test_eq": "needs keys with an __eq__ of their own; the first half of it is in test_map_api.py",
}


class Spelled(Map):
    """A Map from str to object that takes int and str keys, as the tests need."""

    def __init__(self, other: Any = (), **more: Any) -> None:
        super().__init__("str", "object", seed=1)  # one seed: maps filled alike pop alike, as test_popitem asks
        self.update(other, **more)

    @staticmethod
    def spell(key: Any) -> str:
        hash(key)  # what cannot be a dict's key cannot be one here
        return f"{type(key).__name__}:{key}"

    @staticmethod
    def unspell(text: str) -> Any:
        kind, _, value = text.partition(":")
        return {"int": int, "str": str, "NoneType": lambda _: None, "tuple": eval}[kind](value)

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(self.spell(key))
        except KeyError:
            raise KeyError(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(self.spell(key), value)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(self.spell(key))

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(self.spell(key))

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self.spell(key), default)

    def pop(self, key: Any, *default: Any) -> Any:
        return super().pop(self.spell(key), *default)

    def popitem(self) -> Any:
        key, value = next(iter(self.items()), (None, None))
        if not len(self):
            return super().popitem()
        del self[key]
        return key, value

    def __iter__(self) -> Iterator[Any]:
        return map(self.unspell, super().__iter__())

    def items(self) -> Any:
        return Pairs(self)

    def copy(self) -> Spelled:
        return type(self)(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())

    __hash__ = None

    @classmethod
    def fromkeys(cls, keys: Iterable[Any], value: Any = None) -> Any:
        new = cls()
        for key in keys:
            new[key] = value
        return new


class Pairs(mapping_tests.collections.abc.ItemsView):
    def __iter__(self) -> Iterator[Any]:
        for key in self._mapping:
            yield key, self._mapping[key]


class TestMappingProtocol(mapping_tests.TestHashMappingProtocol):
    type2test = Spelled


for name, reason in EXCLUDED.items():
    assert hasattr(TestMappingProtocol, name)
    setattr(TestMappingProtocol, name, unittest.skip(reason)(getattr(TestMappingProtocol, name)))


def test_most_of_them_run() -> None:
    names = [n for n in dir(TestMappingProtocol) if n.startswith("test_")]
    assert len(names) - len(EXCLUDED) >= 18

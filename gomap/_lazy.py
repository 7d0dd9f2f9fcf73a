"""Packages whose names are imported when they are asked for.

pytest and hypothesis load what other packages plug into them at every start. With eager packages that would load the C core and
numpy, a fifth of a second, in front of test runs that use neither.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, names: Mapping[str, tuple[str, ...]], modules: tuple[str, ...] = ()) -> Callable[[str], Any]:
    """A module `__getattr__` (PEP 562) for a package.

    names: by module of the package, what the package shows of it. modules: those that are attributes themselves, as if the
    package had imported them. What was asked for is kept in the package, so that only the first access comes here.
    """
    home = {name: module for module, of_module in names.items() for name in of_module}

    def get(name: str) -> Any:
        if name in home:
            found = getattr(import_module(f"{package}.{home[name]}"), name)
        elif name in modules:
            found = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, found)
        return found

    return get

"""What `import gomap` and the first use of its names load: counted, not timed, since a slow machine is no slow import."""

from __future__ import annotations

import subprocess
import sys

import pytest

NAMES = """
import sys, gomap, gomap.testing as t
assert not {'gomap._core', 'numpy', 'hypothesis'} & set(sys.modules)
for package in (gomap, t):
    for name in (*package.__all__, *dir(package)):
        assert getattr(package, name) is not None, name
assert gomap.variants.VARIANTS and gomap.errors and gomap.__version__
try:
    gomap.no_such
except AttributeError as e:
    assert 'no_such' in str(e)
else:
    raise SystemExit('a name that there is not')
"""

LOADED = "import sys, numpy; before = set(sys.modules); {use}; print(*sorted(set(sys.modules) - before))"
SLOW = {
    "asyncio",
    "concurrent.futures",
    "csv",
    "dataclasses",
    "decimal",
    "fractions",
    "gzip",
    "hashlib",
    "importlib.metadata",
    "json",
    "logging",
    "random",
    "secrets",
    "subprocess",
}
PACKAGES = ("gomap.claims", "gomap.explain", "gomap.lab", "gomap.realgo", "gomap.report", "gomap.testing")


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True).stdout


def loaded(use: str) -> set[str]:
    """The modules that a use of gomap loads beside numpy's."""
    return set(run(LOADED.format(use=use)).split())


def test_lazy_names_are_all_there() -> None:
    run(NAMES)


def test_the_package_alone_loads_nothing() -> None:
    found = loaded("import gomap")
    assert {name for name in found if name.startswith("gomap")} == {"gomap", "gomap._lazy"}
    assert not found & SLOW


@pytest.mark.parametrize("use", ["Map()", "ConcurrentMap()", "SyncMap(elem='object')", "Strings", "BadValue"])
def test_a_map_loads_nothing_slow(use: str) -> None:
    found = loaded(f"import gomap; gomap.{use}")
    assert not found & SLOW
    assert not {name for name in found if name.startswith(PACKAGES)}


def test_what_is_loaded_late_works() -> None:
    run("from gomap import Map; m = Map(knobs={'load_limit': '13/3'}); assert m.knobs and len(m.digest()) == 32")

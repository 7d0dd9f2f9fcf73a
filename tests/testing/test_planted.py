"""Mistakes planted in the concurrent designs, one at a time: their histories cannot be put in order, or the map is damaged.

Each mistake is a text that stands exactly once in a file of csrc, and what replaces it. Threads are paused at random before
ordered accesses (history.c, -DGM_PAUSE), without which some of these moments are a few nanoseconds. The designs as they are
must stay in order under the same pauses.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from sanitized import COMPILER, ROOT, build, run

from gomap.variants import VARIANTS

CSRC = ROOT / "csrc"
PROGRAM = ROOT / "tests" / "testing" / "history.c"
LAB = [CSRC / "lab" / name for name in ("feed.c", "history.c", "keystream.c", "linear.c", "litmus.c")]
SOURCES = [path for folder in ("base", "map", "sync") for path in sorted((CSRC / folder).glob("*.c"))] + LAB
CONCURRENT = [name for name in VARIANTS if name != "plain"]


class Mistake(NamedTuple):
    name: str
    variant: str
    file: str
    old: str
    new: str
    ballast: int = 500  # 0: the table stays as it is, and few keys use each other's cells


LOCKFREE, HASHTRIE, SYNCMAP, LOCKED = "sync/lockfree.c", "sync/hashtrie.c", "sync/syncmap.c", "sync/locked.c"
MISTAKES = [
    Mistake(
        "readers use evacuated buckets",
        "lockfree",
        LOCKFREE,
        "& CTL_EVACUATED)) {\n        t =",
        "& CTL_EVACUATED & 0)) {\n        t =",
    ),
    Mistake(
        "writers do not look again whether the bucket was evacuated",
        "lockfree",
        LOCKFREE,
        "        if (ctl & CTL_EVACUATED) {\n            unlock(b, ctl);\n            t =",
        "        if (ctl & CTL_EVACUATED & 0) {\n            unlock(b, ctl);\n            t =",
    ),
    Mistake(
        "an assign of words does not look whether the bucket was evacuated",
        "lockfree",
        LOCKFREE,
        "|| !lock_try(b, &ctl))) /* pairs with start */\n        return NOT_DONE;\n    if (gm_likely(!(ctl & CTL_EVACUATED)))",
        # the moment is one instruction long: a pause is put into it
        "|| (gm_pause_point(), !lock_try(b, &ctl))))\n        return NOT_DONE;\n    if (true)",
    ),
    Mistake(
        "a hit does not look at the version again",
        "lockfree",
        LOCKFREE,
        "gm_likely((gm_load_acq(&b->ctl) ^ ctl) < CTL_VERSION) ? FOUND : AGAIN",
        "(void)ctl, FOUND",
        ballast=0,
    ),
    Mistake(
        "a cell is used again without a new version",
        "lockfree",
        LOCKFREE,
        "        *ctl += CTL_VERSION;\n",
        "",
        ballast=0,
    ),
    Mistake(
        "an entry is seen before its elem, as without release",
        "lockfree",
        LOCKFREE,
        "    gm_store_rel(&at.b->cell[at.i].key, key);  ",
        "    gm_store_rel(&at.b->tops, tops_with(tops, at.i, top));\n    gm_store_rel(&at.b->cell[at.i].key, key);  ",
        ballast=0,
    ),
    Mistake(
        "load_or_store does not search again under the lock",
        "hashtrie",
        HASHTRIE,
        "= search(m, head, w, &link);\n    int step = step_for(m, w, e), status",
        "= w->kind == GM_WRITE_LOAD_OR_STORE ? NULL : search(m, head, w, &link);\n    int step = step_for(m, w, e), status",
    ),
    Mistake(
        "a write does not look at the read map again under the mutex",
        "syncmap",
        SYNCMAP,
        "    entry *e = table_get(&m->t, read, a->w);\n    if (!e)\n        return write_dirty",
        "    entry *e = NULL;\n    if (!e)\n        return write_dirty",
    ),
    Mistake(
        "a load does not look at the read map again under the mutex",
        "syncmap",
        SYNCMAP,
        "    entry *e = table_get(&m->t, table_of(get_read(m)), w);\n    if (!e && m->dirty)",
        "    entry *e = NULL;\n    if (!e && m->dirty)",
    ),
    Mistake(
        "a new dirty map leaves out deleted entries without expunging them",
        "syncmap",
        SYNCMAP,
        "        if (gm_cas_acq_rel(&e->p, &seen, expunged))",
        "        if ((seen = gm_load_acq(&e->p)) == NULL)",
    ),
    Mistake(
        "a load without the lock",
        "mutex",
        LOCKED,
        "return unlock_read(self, s, gm_ung_get(lock_to_read(self, s), key, len, elem));",
        "return gm_ung_get(*map_in(self, s), key, len, elem);",
        ballast=0,
    ),
]


class Objects:
    """csrc compiled once with pauses; a mistake compiles its own file anew."""

    flags = ("-std=gnu11", "-O1", "-fno-strict-aliasing", "-DGM_PAUSE", f"-I{CSRC}")

    def __init__(self, folder: Path) -> None:
        if not COMPILER:
            pytest.skip("no C compiler")
        self.folder = folder
        self.of = {path: self.compiled(path, folder / f"{path.parent.name}_{path.stem}.o") for path in [*SOURCES, PROGRAM]}

    def compiled(self, source: Path, to: Path) -> Path:
        subprocess.run([*COMPILER, *self.flags, f"-I{CSRC / 'sync'}", "-c", str(source), "-o", str(to)], check=True)
        return to

    def program(self, *, instead: dict[Path, Path], name: str) -> Path:
        built, objects = self.folder / name, {**self.of, **instead}
        subprocess.run([*COMPILER, *map(str, objects.values()), "-o", str(built), "-lm", "-lpthread"], check=True)
        return built


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    return Objects(tmp_path_factory.mktemp("planted"))


def verdict(program: Path, variant: str, ballast: int, rounds: int) -> str:
    """Of up to so many histories of 20,000 operations by four threads on four keys."""
    command = [str(program), variant, "4", "4", "20000", str(rounds), str(ballast), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done.stdout.strip() or f"exit code {done.returncode}"


@pytest.mark.parametrize("m", MISTAKES, ids=lambda m: f"{m.variant}: {m.name}")
def test_a_mistake_is_found(m: Mistake, objects: Objects, tmp_path: Path) -> None:
    text = (CSRC / m.file).read_text()
    assert text.count(m.old) == 1, f"{m.old!r} must stand exactly once in csrc/{m.file}"
    changed = tmp_path / Path(m.file).name
    changed.write_text(text.replace(m.old, m.new))
    built = objects.program(instead={CSRC / m.file: objects.compiled(changed, tmp_path / "changed.o")}, name="mistaken")
    found = verdict(built, m.variant, m.ballast, 200)
    assert found in ("violation", "corrupt") or found.startswith("exit code -")  # killed: by memory that it had overwritten


@pytest.mark.parametrize("ballast", [0, 500])
@pytest.mark.parametrize("variant", CONCURRENT)
def test_no_mistake_is_found_where_none_is(variant: str, ballast: int, objects: Objects) -> None:
    assert verdict(objects.program(instead={}, name="as_it_is"), variant, ballast, 4) == "ok"


def test_recording_and_checking_under_thread_sanitizer(tmp_path: Path) -> None:
    built = build(PROGRAM, SOURCES, "thread", tmp_path)
    assert run(built, ["failing"], "thread") == "ok\n"
    assert run(built, ["litmus"], "thread") == "ok\n"
    for variant in CONCURRENT:
        assert run(built, [variant, "4", "4", "2000", "2", "100", "1"], "thread") == "ok\n"

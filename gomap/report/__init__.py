"""`gomap report`: all claims decided on this machine, as one page and one file.

`make_report` runs claims and writes a folder; `write_page` only draws what a `results.json` holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from gomap._files import replace_file
from gomap.claims.context import SCALES, Scale
from gomap.claims.registry import Entry, entries
from gomap.claims.runner import Progress, Results, run_claims
from gomap.report.page import page, script_bundle

__all__ = ["make_report", "write_page"]

PAGE, RESULTS = "index.html", "results.json"


def write_page(results: Results, folder: str | os.PathLike[str], chosen: Sequence[Entry] | None = None) -> Path:
    """Writes `index.html` into a folder, which is made if it is not there, and returns its path.

    chosen: the claims to show; all, if None. `MissingTool` without the extra `lab`, `OSError` if it cannot be written.
    """
    text = page(results, entries() if chosen is None else chosen)
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    replace_file(to / PAGE, text)
    return to / PAGE


def make_report(
    folder: str | os.PathLike[str],
    scale: Scale = SCALES["full"],
    *,
    chosen: Sequence[Entry] | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """Runs claims and writes `results.json`, after each of them, and `index.html`; nothing else in the folder is touched.

    After Ctrl-C the page shows what was finished (`Results.interrupted`). chosen: claims; all, if None. resume: go on with the
    folder's results. Raises what `run_claims` and `write_page` raise; a missing extra before anything is run.
    """
    script_bundle()
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    claims = entries() if chosen is None else chosen
    results = run_claims(claims, scale, path=to / RESULTS, resume=resume, progress=progress)
    write_page(results, to, claims)
    return results

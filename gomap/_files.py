"""Writing files that others read."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: str | os.PathLike[str], text: str) -> None:
    """Writes a file whole, beside the old one, and puts it in its place: a reader, or a crash, sees the one before or the one
    after. `OSError` if that fails; the old one is then as it was."""
    to = Path(path)
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)

"""Has a hot path got longer? Instructions per operation, counted by callgrind, against what was written down before.

    python -m bench.guard             compares; exits 1 if a path takes more than TOLERANCE too many
    python -m bench.guard --update    writes them down anew

Counts do not depend on what else the machine does, as times do: two runs differ by less than a thousandth. They do depend on
the compiler, so that counts of another one are not compared but refused (exit 2). Needs valgrind with its headers and a C
compiler; takes about twenty seconds when the core was changed, most of it the compiler's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.native import build_program, compiler

HERE = Path(__file__).resolve().parent
WRITTEN = HERE / "instructions.json"
OPERATIONS = 10_000  # as in paths.c
TOLERANCE = 0.03
FEWER = 0.10  # a path that got so much shorter should be written down, or a later loss goes unseen


def compiler_version() -> str:
    """Name and major version: what decides over the machine code."""
    told = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    version = re.search(r"(\d+)\.\d+", told)
    return f"{'clang' if 'clang' in told else 'gcc'} {version.group(1) if version else '?'} {os.uname().machine}"


def count(built: Path, folder: Path) -> dict[str, float]:
    """Instructions per operation by path."""
    out = folder / "callgrind.out"
    options = ["--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    subprocess.run(["valgrind", "-q", *options, str(built)], check=True)
    found = {}
    for dump in folder.glob("callgrind.out*"):
        text = dump.read_text(encoding="utf-8")
        name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
        total = re.search(r"^(?:summary|totals): (\d+)$", text, re.MULTILINE)
        if name and total:
            found[name.group(1)] = int(total.group(1)) / OPERATIONS
    return dict(sorted(found.items()))


def compare(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """Prints the table; what is wrong with it."""
    wrong = []
    print(f"{'path':<42}{'before':>10}{'now':>10}{'change':>9}")
    for name in sorted(now.keys() | before.keys()):
        if name not in now or name not in before:
            wrong.append(f"{name}: {'no longer counted' if name in before else 'not written down yet'}")
            continue
        change = now[name] / before[name] - 1
        print(f"{name:<42}{before[name]:>10.1f}{now[name]:>10.1f}{change:>+9.1%}")
        if change > TOLERANCE:
            wrong.append(f"{name}: {change:+.1%} instructions, {TOLERANCE:.0%} are allowed")
        elif change < -FEWER:
            wrong.append(f"{name}: {change:+.1%} instructions: write the gain down with --update")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description="instructions of the hot paths, by callgrind")
    parser.add_argument("--update", action="store_true", help="write the counts down")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        now = count(build_program("guard", HERE), Path(name))
    made_by = compiler_version()
    if options.update:
        written = {"compiler": made_by, "instructions": {name: round(n, 2) for name, n in now.items()}}
        WRITTEN.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        print(f"{len(now)} paths written down")
        return 0
    before = json.loads(WRITTEN.read_text(encoding="utf-8"))
    if before["compiler"] != made_by:
        print(f"written down with {before['compiler']}, this is {made_by}: no comparison", file=sys.stderr)
        return 2
    wrong = compare(now, before["instructions"])
    print("\n".join(wrong) if wrong else f"{len(now)} paths: as before, or within {TOLERANCE:.0%}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a claim is: a sentence of the article, what real Go does, and the experiment that decides, all fixed beforehand.

A claim has two verdicts. The *model's* says whether the mechanism, if it existed, would do what the article says: an
experiment decides it. *Real Go's* follows from its source and recorded control runs (`SourceVerdict`), or from an experiment
on a toolchain. A verdict is on the statement as the article makes it; `holds` says what of a false one is true all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gomap.errors import BadValue

__all__ = [
    "CONFIRMED",
    "MODELLED",
    "NEEDS",
    "NOT_MEASURABLE",
    "REFUTED",
    "UNDECIDED",
    "VERDICTS",
    "Claim",
    "Criterion",
    "Quantity",
    "Setting",
    "SourceVerdict",
    "order_of",
]

CONFIRMED, REFUTED, UNDECIDED, NOT_MEASURABLE = "confirmed", "refuted", "undecided", "not measurable here"
VERDICTS = (CONFIRMED, REFUTED, UNDECIDED, NOT_MEASURABLE)

NEEDS = {
    "map": "the map and its guards",
    "scheduler": "the scheduler model",
    "heap": "the heap model",
    "go": "real Go",
    "hardware counters": "hardware counters",
}
"""What the model's verdict on a claim may need, and what it is called in a sentence."""

MODELLED = frozenset({"map", "scheduler", "heap"})
"""Of `NEEDS`, what this version of gomap has."""


def order_of(claim_id: str) -> tuple[bool, tuple[int, ...]]:
    """Sorts ids as the catalogue does: by chapter and number, remedies last."""
    number = claim_id.partition("-")[0]
    return number.startswith("R"), tuple(int(n) for n in number[1:].split("."))


@dataclass(frozen=True)
class Setting:
    """A position of a claim's knob. `go`: it is what real Go does; `article`: it is what the article says Go does."""

    name: str
    go: bool = False
    article: bool = False


@dataclass(frozen=True)
class Quantity:
    """What an experiment measures, and in which unit."""

    name: str
    unit: str


@dataclass(frozen=True)
class Criterion:
    """When the claim counts as confirmed or refuted, in words fixed in advance. `threshold`: the ratio that an effect has to
    be beyond; `default` of 1.10 where the claim names none."""

    text: str
    threshold: float = 1.10


@dataclass(frozen=True)
class SourceVerdict:
    """The verdict on real Go by reading its source and by recorded control runs. `evidence`: why. `holds`: what of the
    statement is true although the verdict is not "confirmed"; `limits`: where a confirmed one stops being true."""

    verdict: str
    evidence: str
    holds: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in (CONFIRMED, REFUTED, UNDECIDED):
            raise BadValue(f"a verdict by source is confirmed, refuted or undecided, not {self.verdict!r}")


@dataclass(frozen=True)
class Claim:
    """One claim of the article, or (ids with R) one of its remedies.

    id: "C1.1-grow-global-lock". section: of the article. statement: the article's words, in English. article_number: its
    figures, None if it gives none. go_words: the catalogue's short word on real Go. real_go: what real Go does, with the Go
    source file and function. prediction: what the experiment will show, written down before it ran. knob: what is switched,
    `settings` its positions. workload, measured, criterion: the experiment. remedy: what helps, ids R1 to R5 or words.
    needs: what the model's verdict needs (keys of `NEEDS`).
    """

    id: str
    title: str
    section: str
    statement: str
    article_number: str | None
    go_words: str
    real_go: str
    go_by_source: SourceVerdict
    prediction: str
    knob: str | None
    settings: tuple[Setting, ...]
    workload: str
    measured: tuple[Quantity, ...]
    criterion: Criterion
    remedy: tuple[str, ...] = ()
    needs: frozenset[str] = field(default_factory=lambda: frozenset({"map"}))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(C\d+\.\d+|R\d+)-[a-z0-9-]+", self.id):
            raise BadValue(f"a claim's id is like C1.1-grow-global-lock or R1-presize, not {self.id!r}")
        unknown = self.needs - set(NEEDS)
        if unknown or not self.needs:
            raise BadValue(f"{self.id}: needs {sorted(self.needs)}, allowed: {', '.join(NEEDS)}")
        if self.settings and not any(s.go for s in self.settings):
            raise BadValue(f"{self.id}: which setting is real Go's?")

    @property
    def is_remedy(self) -> bool:
        return self.id.startswith("R")

    @property
    def number(self) -> str:
        """The id's first part: "C1.1"."""
        return self.id.partition("-")[0]

    @property
    def chapter(self) -> int:
        """Of the article; 0 for a remedy."""
        return 0 if self.is_remedy else int(self.number[1:].partition(".")[0])

    @property
    def order(self) -> tuple[bool, tuple[int, ...]]:
        """Sorts claims as `order_of`."""
        return order_of(self.id)

    @property
    def missing(self) -> tuple[str, ...]:
        """What the model's verdict needs and this version does not have, in words."""
        return tuple(words for need, words in NEEDS.items() if need in self.needs - MODELLED)

"""The claims of the article about why a Go map is quick in a benchmark and slow in production, and how they are decided.

Each claim is a small file in the folder of its chapter (chapter 5 of the article is about something else and has none); the
five remedies are in `remedies`. `gomap.claims.verdict` has the rules, `runner` runs them, `gomap claims` shows them.
Importing this package registers all.
"""

from gomap.claims.claim import (
    CONFIRMED,
    NOT_MEASURABLE,
    REFUTED,
    UNDECIDED,
    VERDICTS,
    Claim,
    Criterion,
    Quantity,
    Setting,
    SourceVerdict,
)
from gomap.claims.context import SCALES, Context, Scale
from gomap.claims.registry import Entry, claim, entries, entry, load
from gomap.claims.runner import Results, run_claims
from gomap.claims.verdict import Counted, Finding, Number, Pairs, Series, Sweep

__all__ = [
    "CONFIRMED",
    "NOT_MEASURABLE",
    "REFUTED",
    "SCALES",
    "UNDECIDED",
    "VERDICTS",
    "Claim",
    "Context",
    "Counted",
    "Criterion",
    "Entry",
    "Finding",
    "Number",
    "Pairs",
    "Quantity",
    "Results",
    "Scale",
    "Series",
    "Setting",
    "SourceVerdict",
    "Sweep",
    "claim",
    "entries",
    "entry",
    "load",
    "run_claims",
]

load()

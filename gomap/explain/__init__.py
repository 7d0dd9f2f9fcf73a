"""Why is this map slow, and which cure helps how much: for the user's own trace or workload.

    >>> from gomap.explain import explain
    >>> from gomap.lab import Group, Workload
    >>> found = explain(Workload(ops=200_000, groups=[Group(mix={"assign_new": 100})]), quick=True)
    >>> found.findings[0].name, found.trials[0].cure
    ('evacuation', 'presize')

`facts` replays the input and counts, `pathologies` says what the counts mean, `cures` what can be tried; here it is put
together. `gomap explain` is the command.
"""

from gomap.explain.cures import CURES, Cure
from gomap.explain.explanation import Explanation, Finding, Noise, Trial, explain
from gomap.explain.facts import Facts
from gomap.explain.pathologies import PATHOLOGIES, Cite, Pathology

__all__ = ["CURES", "PATHOLOGIES", "Cite", "Cure", "Explanation", "Facts", "Finding", "Noise", "Pathology", "Trial", "explain"]

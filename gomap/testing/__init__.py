"""What tests of maps are made of: strategies and machines for hypothesis, histories and their check, litmus tests,
and the explorer of interleavings."""

from typing import TYPE_CHECKING

from gomap._lazy import lazy

if TYPE_CHECKING:
    from gomap.testing.calls import UNTOLD, Call, Calls
    from gomap.testing.contention import Contended, Contention
    from gomap.testing.exploration import Access, Exploration, Failure, explore, replay
    from gomap.testing.history import EVENT, KINDS, MIX, History, Operation, record_history
    from gomap.testing.linear import Linearizability, check_linearizable
    from gomap.testing.litmus import LITMUS_TESTS, Litmus, LitmusResult, Outcome, acceptable, forbidden, interesting
    from gomap.testing.machine import MapMachine, map_machine
    from gomap.testing.specs import Counter, Members, Register, Spec
    from gomap.testing.steps import Step
    from gomap.testing.strategies import Collision, colliding_keys, elems, keys, operations, workloads
    from gomap.testing.threads import record_calls

__all__ = [
    "EVENT",
    "KINDS",
    "LITMUS_TESTS",
    "MIX",
    "UNTOLD",
    "Access",
    "Call",
    "Calls",
    "Collision",
    "Contended",
    "Contention",
    "Counter",
    "Exploration",
    "Failure",
    "History",
    "Linearizability",
    "Litmus",
    "LitmusResult",
    "MapMachine",
    "Members",
    "Operation",
    "Outcome",
    "Register",
    "Spec",
    "Step",
    "acceptable",
    "check_linearizable",
    "colliding_keys",
    "elems",
    "explore",
    "forbidden",
    "interesting",
    "keys",
    "map_machine",
    "operations",
    "record_calls",
    "record_history",
    "replay",
    "workloads",
]

_NAMES = {
    "calls": ("UNTOLD", "Call", "Calls"),
    "contention": ("Contended", "Contention"),
    "exploration": ("Access", "Exploration", "Failure", "explore", "replay"),
    "history": ("EVENT", "KINDS", "MIX", "History", "Operation", "record_history"),
    "linear": ("Linearizability", "check_linearizable"),
    "litmus": ("LITMUS_TESTS", "Litmus", "LitmusResult", "Outcome", "acceptable", "forbidden", "interesting"),
    "machine": ("MapMachine", "map_machine"),
    "specs": ("Counter", "Members", "Register", "Spec"),
    "steps": ("Step",),
    "strategies": ("Collision", "colliding_keys", "elems", "keys", "operations", "workloads"),
    "threads": ("record_calls",),
}

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _NAMES, tuple(_NAMES))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_NAMES})

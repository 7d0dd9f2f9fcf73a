"""What tests of maps are made of: strategies and machines for hypothesis, histories and their check."""

from typing import TYPE_CHECKING

from gomap._lazy import lazy

if TYPE_CHECKING:
    from gomap.testing.contention import Contended, Contention
    from gomap.testing.history import EVENT, KINDS, MIX, History, Operation, record_history
    from gomap.testing.linear import Linearizability, Register, check_linearizable
    from gomap.testing.machine import MapMachine, map_machine
    from gomap.testing.steps import Step
    from gomap.testing.strategies import Collision, colliding_keys, elems, keys, operations, workloads

__all__ = [
    "EVENT",
    "KINDS",
    "MIX",
    "Collision",
    "Contended",
    "Contention",
    "History",
    "Linearizability",
    "MapMachine",
    "Operation",
    "Register",
    "Step",
    "check_linearizable",
    "colliding_keys",
    "elems",
    "keys",
    "map_machine",
    "operations",
    "record_history",
    "workloads",
]

_NAMES = {
    "contention": ("Contended", "Contention"),
    "history": ("EVENT", "KINDS", "MIX", "History", "Operation", "record_history"),
    "linear": ("Linearizability", "Register", "check_linearizable"),
    "machine": ("MapMachine", "map_machine"),
    "steps": ("Step",),
    "strategies": ("Collision", "colliding_keys", "elems", "keys", "operations", "workloads"),
}

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _NAMES, tuple(_NAMES))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_NAMES})

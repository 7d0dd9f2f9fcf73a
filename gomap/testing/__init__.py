"""What tests of concurrent maps are made of: histories of calls, and whether they can be put in order."""

from gomap.testing.history import EVENT, KINDS, MIX, History, Operation, record_history
from gomap.testing.linear import Linearizability, Register, check_linearizable

__all__ = [
    "EVENT",
    "KINDS",
    "MIX",
    "History",
    "Linearizability",
    "Operation",
    "Register",
    "check_linearizable",
    "record_history",
]

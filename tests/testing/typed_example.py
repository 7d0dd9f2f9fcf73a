"""What users of `gomap.testing` write; the types that a checker finds in it are told behind each `reveal_type`."""

import gomap
from gomap.lab import Group, Workload
from gomap.testing import (
    MIX,
    Collision,
    Contention,
    check_linearizable,
    colliding_keys,
    keys,
    map_machine,
    operations,
    record_history,
    workloads,
)

Machine = map_machine(gomap.ConcurrentMap, keys=keys("int64"))
reveal_type(Machine)  # type[MapMachine]
reveal_type(Machine.fuzz_one_input(b""))  # bytes | None
TestMine = Machine.TestCase
reveal_type(operations("str", "int64", atomic=True))  # SearchStrategy[list[Step]]
reveal_type(workloads(most_ops=10))  # SearchStrategy[Workload]
reveal_type(colliding_keys("str", Collision(seed=1)))  # tuple[Any, ...]

history = record_history(None, Workload(variant="lockfree", size=4, ops=10, groups=(Group(mix=MIX),)))
reveal_type(check_linearizable(history).verdict)  # str
reveal_type(history)  # History


def test_contention(contention: Contention, gomap_map: gomap.RWMutexMap, gomap_seed: int) -> None:
    found = contention(Workload(ops=10, groups=(Group(threads=1),), size=1))
    reveal_type(found)  # Contended
    reveal_type(found.latency.percentile(50))  # int
    reveal_type(found.throughput)  # float
    reveal_type(gomap_map.load_or_store(1, gomap_seed))  # tuple[Any, bool]

"""Whether calls can be put in an order, for any specification: the search of J. Wing and C. Gong, with the linked list and the
memory of G. Lowe (Testing for linearizability, 2017).

    list of edges   |a      |b     a|     |c    b|    c|        |x: x starts, x|: x ends
                    first edge that is left; a call may be next if its start comes before every end that is left

The search walks from the front. A start: if the call's answer is right in the state at hand, and calls done and state together
have not been met before, its two edges are taken out of the list and the walk begins anew. An end: the call that ends here
cannot come later; the last call taken out is put back and the walk goes on behind it. No end left: there is an order.

  W1  Exact within the budget of transitions tried.
  W2  What has been met is (first call in order of starts that is not done, bits of those behind it that are, state): bits for
      the calls around now, not for all, so that 100,000 calls are 100,000 small entries.
  W3  A violation is at the end where the walk came furthest: before it there is an order, past it none. So what starts later
      has no part in it, and calls still under way then may take effect or not.
  W4  What is left of a violation begins with the last instant at which one state only was possible, and the same calls done.
      Of its calls those that changed the state in none of the orders tried are left out while the others still cannot be
      ordered: an order that is right with such a call is right without it, so what is left is a violation for the same reason.
      Without them there may be such an instant later: both are done until nothing goes any more. It is minimal in this sense:
      no single one of those can be left out any more. Calls that change something stay, since others' answers may rest on
      them.
  W5  A call that only looks (`Spec.reads`) is done as soon as its answer is right, and never put off: what can follow
      without it can follow with it. So any number of them that overlap cost no more than one.

Rejected: leaving out any call while it stays a violation, which ends with a load whose store was left out; recursion (a history
is deeper than Python's stack).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from gomap.testing.calls import Call
from gomap.testing.specs import Spec

__all__ = ["Left", "Search", "search", "what_is_left"]


class Search(NamedTuple):
    """How a search ended. end: at a violation, the stamp of the end that no order passes (W3). tried: transitions. accepted,
    changing: places of calls whose answer was right in some order, that changed the state in one."""

    verdict: str
    end: int
    tried: int
    accepted: frozenset[int]
    changing: frozenset[int]


class Left(NamedTuple):
    """What is left of a violation: calls that cannot be ordered from `state` on."""

    state: Hashable
    calls: tuple[Call, ...]


class _Edges:
    """The edges as a list linked both ways, between 0 and one more than there are; calls are numbered by their starts."""

    def __init__(self, calls: Sequence[Call], until: int | None) -> None:
        starts = [(c.start, 0, i) for i, c in enumerate(calls)]
        ends = [(c.end, 1, i) for i, c in enumerate(calls) if until is None or c.end <= until]
        edges = sorted(starts + ends)
        n = len(edges)
        self.next = [*range(1, n + 2), 0]
        self.before = [0, *range(n + 1)]
        self.call = [-1] + [i for _, _, i in edges] + [-1]
        self.is_end = [False] + [bool(e) for _, e, _ in edges] + [False]
        self.of = [[0, 0] for _ in calls]  # 0: it has no end here
        self.number = [0] * len(calls)
        for node, (_, is_end, i) in enumerate(edges, 1):
            self.of[i][is_end] = node
        for number, i in enumerate(i for _, is_end, i in edges if not is_end):
            self.number[i] = number
        self.ends_left = len(ends)

    def take(self, i: int) -> None:
        for node in self.of[i]:
            if node:
                self.next[self.before[node]] = self.next[node]
                self.before[self.next[node]] = self.before[node]
        self.ends_left -= self.of[i][1] > 0

    def put_back(self, i: int) -> None:
        for node in reversed(self.of[i]):
            if node:
                self.next[self.before[node]] = self.before[self.next[node]] = node
        self.ends_left += self.of[i][1] > 0


def _with(base: int, bits: int, number: int) -> tuple[int, int]:
    """W2: call `number` is done, too."""
    bits |= 1 << (number - base)
    ones = (~bits & (bits + 1)).bit_length() - 1
    return base + ones, bits >> ones


def search(spec: Spec, state: Any, calls: Sequence[Call], budget: int, until: int | None = None) -> Search:
    """Whether calls of one part can be ordered from that state on. until: what ends after it may have taken effect or not."""
    edges = _Edges(calls, until)
    seen: set[tuple[int, int, Any]] = set()
    stack: list[tuple[int, Any, int, int]] = []
    accepted, changing = set(), set()
    base = bits = tried = furthest = 0
    node = edges.next[0]
    while edges.ends_left:
        i = edges.call[node]
        if not edges.is_end[node]:
            tried += 1
            if tried > budget:
                return Search("unknown", 0, tried, frozenset(), frozenset())
            right, then = spec.accepts(state, calls[i])
            if right:
                accepted.add(i)
                if then != state:
                    changing.add(i)
                place = _with(base, bits, edges.number[i])
                if (*place, then) not in seen:
                    seen.add((*place, then))
                    stack.append((i, state, base, bits))
                    state, (base, bits) = then, place
                    edges.take(i)
                    node = edges.next[0]
                    continue
            node = edges.next[node]
            continue
        furthest = max(furthest, node)
        looked = True
        while looked:  # W5
            if not stack:
                return Search("violation", calls[edges.call[furthest]].end, tried, frozenset(accepted), frozenset(changing))
            i, state, base, bits = stack.pop()
            edges.put_back(i)
            looked = calls[i].op in spec.reads
        node = edges.next[edges.of[i][0]]
    return Search("ok", 0, tried, frozenset(accepted), frozenset(changing))


class _Sweep:
    """Goes through the edges with all (state, calls under way that are done) that explain them so far, as csrc/lab/linear.c
    does. quiet: places of calls that never change the state; they take effect as soon as their answer is right."""

    def __init__(self, spec: Spec, state: Any, calls: Sequence[Call], quiet: frozenset[int], budget: int) -> None:
        self.spec, self.calls, self.quiet, self.budget = spec, calls, quiet, budget
        self.under_way: set[int] = set()
        self.now: set[tuple[Any, frozenset[int]]] = {(state, frozenset())}

    def settled(self, state: Any, done: frozenset[int]) -> tuple[Any, frozenset[int]]:
        more = (i for i in self.under_way & self.quiet - done if self.spec.accepts(state, self.calls[i])[0])
        return state, done.union(more)

    def begin(self, i: int) -> None:
        self.under_way.add(i)
        self.now = {self.settled(*one) for one in self.now}

    def end(self, i: int) -> bool:
        """False: the budget is used up."""
        todo, met, then = list(self.now), set(self.now), set()
        while todo:
            state, done = todo.pop()
            if i in done:
                then.add((state, done - {i}))
                continue
            for j in self.under_way - done - self.quiet:
                self.budget -= 1
                right, after = self.spec.accepts(state, self.calls[j])
                one = self.settled(after, done | {j}) if right else (state, done)
                if one not in met:
                    met.add(one)
                    todo.append(one)
            if self.budget < 0:
                return False
        self.now = then
        self.under_way.remove(i)
        return True


def _certain(spec: Spec, state: Any, calls: Sequence[Call], quiet: frozenset[int], until: int, budget: int) -> Left:
    """The last instant before `until` at which there is one explanation: its state, and the calls that it has not done."""
    sweep = _Sweep(spec, state, calls, quiet, budget)
    one: tuple[Any, frozenset[int]] = (state, frozenset())
    sure = 0  # so many edges lie before that instant
    edges = sorted([(c.start, 0, i) for i, c in enumerate(calls)] + [(c.end, 1, i) for i, c in enumerate(calls)])
    for place, (at, is_end, i) in enumerate(edges, 1):
        if is_end and (at >= until or not sweep.end(i)):
            break
        if not is_end:
            sweep.begin(i)
        if len(sweep.now) == 1:
            (one,), sure = sweep.now, place
    gone = one[1].union(i for _, is_end, i in edges[:sure] if is_end)
    return Left(one[0], tuple(c for i, c in enumerate(calls) if i not in gone))


def _without(calls: tuple[Call, ...], places: Iterable[int]) -> tuple[Call, ...]:
    dropped = set(places)
    return tuple(c for i, c in enumerate(calls) if i not in dropped)


def _idle(found: Search, calls: Sequence[Call]) -> list[int]:
    """Calls that may be left out (W4): that changed nothing, though they were right, or that might not have taken effect."""
    return [i for i, c in enumerate(calls) if i not in found.changing and (i in found.accepted or c.end > found.end)]


def _without_idle(spec: Spec, left: Left, until: int, budget: int) -> tuple[Left, Search]:
    """Leaves out what may be left out (W4), half of it at once, then a quarter, down to one by one. And the search of what is
    left; where the budget does not allow one, nothing is left out."""
    state, kept = left
    found = search(spec, state, kept, budget, until)
    if found.verdict != "violation":
        return left, found._replace(end=until)
    idle = _idle(found, kept)
    chunk = len(idle)
    while chunk:
        first = 0
        while first < len(idle):
            fewer = _without(kept, idle[first : first + chunk])
            again = search(spec, state, fewer, budget, found.end)
            if again.verdict == "violation":
                kept, found = fewer, again
                idle = _idle(found, kept)
            else:
                first += chunk
        chunk //= 2
    return Left(state, kept), found


def _before(left: Left, found: Search) -> tuple[Left, frozenset[int]]:
    """Without what starts behind the violation; and the places of calls that are right somewhere and change nothing."""
    near = [i for i, c in enumerate(left.calls) if c.start <= found.end]
    quiet = found.accepted - found.changing
    return Left(left.state, tuple(left.calls[i] for i in near)), frozenset(n for n, i in enumerate(near) if i in quiet)


def what_is_left(spec: Spec, calls: Sequence[Call], found: Search, budget: int) -> Left:
    """A violation made small (W3, W4)."""
    left, quiet = _before(Left(spec.init(), tuple(calls)), found)
    while True:
        certain = _certain(spec, left.state, left.calls, quiet, found.end, budget)
        fewer, found = _without_idle(spec, certain, found.end, budget)
        fewer, quiet = _before(fewer, found)
        if fewer == left:
            return Left(left.state, tuple(sorted(left.calls, key=lambda c: (c.start, c.end))))
        left = fewer

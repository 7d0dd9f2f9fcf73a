"""The rules of verdicts: synthetic measurements with a known truth, and one that breaks each rule."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomap.claims import CONFIRMED, NOT_MEASURABLE, REFUTED, SCALES, UNDECIDED, Context, Counted, Finding, Number, Pairs, Sweep
from gomap.claims.real import go_deaths
from gomap.claims.verdict import bars, decide_band, decide_count, decide_exact, decide_pairs, percentiles, time_line
from gomap.errors import BadValue
from gomap.lab import Group, Workload, run


def pairs_of(a: Sequence[float], b: Sequence[float], a2: Sequence[float], b2: Sequence[float], reduced: str = "") -> Pairs:
    columns = (tuple({"value": float(x)} for x in column) for column in (a, b, a2, b2))
    return Pairs(("off", "on"), *columns, reduced)


def drawn(rng: np.random.Generator, effect: float, sigma: float, rounds: int = 10, *, tails: bool = False) -> Pairs:
    """Log-normal measurements, with `tails` one in ten of them several times too slow; a weather that rounds have in common."""
    weather = np.exp(rng.normal(0, sigma / 2, rounds))

    def column(level: float) -> np.ndarray:
        values = level * weather * np.exp(rng.normal(0, sigma, rounds))
        return np.where(rng.random(rounds) < 0.1, values * rng.uniform(2, 20, rounds), values) if tails else values

    return pairs_of(column(100), column(100 * effect), column(100), column(100 * effect))


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of verdicts: 400 resamples instead of 10,000 widen no interval on average."""
    monkeypatch.setattr(compare_module(), "_RESAMPLES", 400)


def compare_module() -> object:
    import importlib

    return importlib.import_module("gomap.lab.compare")


@pytest.mark.usefixtures("few_resamples")
def test_no_effect_is_never_confirmed_over_thousands_of_draws() -> None:
    rng = np.random.default_rng(20)
    verdicts: Counter[str] = Counter()
    for i in range(2_400):
        sigma = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0)[i % 6]
        pairs = drawn(rng, 1.0, sigma, rounds=(10, 12, 4)[i // 6 % 3], tails=i % 4 == 0)
        verdicts[decide_pairs(replace(pairs, reduced="test"), "get", two_valued=True, rising=bool(i % 2)).verdict] += 1
    assert verdicts[CONFIRMED] == 0
    assert verdicts[REFUTED] > 500  # a quiet machine says so
    assert verdicts[NOT_MEASURABLE] > 500  # and a loud one that it cannot


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("rising", [True, False])
def test_twice_as_much_is_found(rising: bool) -> None:
    rng = np.random.default_rng(21)
    found = [
        decide_pairs(drawn(rng, 2.0 if rising else 0.5, sigma, tails=False), "get", two_valued=True, rising=rising).verdict
        for sigma in (0.005, 0.01, 0.02)
        for _ in range(100)
    ]
    assert Counter(found)[CONFIRMED] >= 295
    assert REFUTED not in found


@pytest.mark.usefixtures("few_resamples")
def test_an_effect_is_never_refuted_and_the_wrong_direction_never_confirmed() -> None:
    rng = np.random.default_rng(22)
    for i in range(300):
        pairs = drawn(rng, 1.3, (0.01, 0.05, 0.2)[i % 3])
        assert decide_pairs(pairs, "get", two_valued=True).verdict != REFUTED
        assert decide_pairs(pairs, "get", two_valued=True, rising=False).verdict not in (CONFIRMED, REFUTED)


@given(
    st.lists(st.floats(1.0, 1e6), min_size=4, max_size=4, unique=True),
    st.integers(3, 14),
    st.integers(-20, 20),
    st.booleans(),
    st.sampled_from([1.0, 1.1, 2.0, 5.0]),
    st.randoms(use_true_random=False),
)
def test_a_verdict_is_what_its_interval_says(
    levels: list[float], rounds: int, power: int, rising: bool, threshold: float, rnd: object
) -> None:
    seed = getattr(rnd, "randrange")(2**32)  # noqa: B009
    rng = np.random.default_rng(seed)
    columns = [level * np.exp(rng.normal(0, 0.01, rounds)) for level in levels]
    pairs = pairs_of(*columns)
    found = decide_pairs(pairs, "get", threshold=threshold, rising=rising, two_valued=True)
    effect, noise = pairs.effect(), pairs.noise()
    if found.verdict == CONFIRMED:
        assert rounds >= 10
        assert effect.low > threshold if rising else effect.high < 1 / threshold
        assert noise.high / noise.low <= threshold
        assert noise.low <= 1.1
        assert noise.high >= 1 / 1.1
    if found.verdict == REFUTED:
        assert rounds >= 10
        assert 0.95 <= effect.low <= effect.high <= 1.05
    other_unit = decide_pairs(
        pairs_of(*(column * 2.0**power for column in columns)), "get", threshold=threshold, rising=rising, two_valued=True
    )
    assert other_unit.verdict == found.verdict  # of the unit of measurement nothing depends


# ------------------------------------------------------------------ one that breaks each rule


STEADY = np.linspace(0.99, 1.01, 10)
RISING = Sweep(("1", "2", "4"), tuple(tuple({"value": x * f} for x in STEADY) for f in (1, 1.5, 2.0)))


def clear(**changes: Sequence[float]) -> Pairs:
    """A clear factor of two, but for the columns that are changed."""
    columns = {"a": STEADY, "b": 2 * STEADY, "a2": STEADY, "b2": 2 * STEADY} | changes
    return pairs_of(**columns)


def exact(effect: float) -> Pairs:
    """Measurements without any noise."""
    one = np.ones(10)
    return pairs_of(one, effect * one, one, effect * one)


def test_a_clear_factor_is_confirmed() -> None:
    found = decide_pairs(clear(), "p99.9 of get", sweep=RISING, threshold=1.5)
    assert found.verdict == CONFIRMED
    assert found.reason.startswith("P99.9 of get: on is 2 (1.99 to 2.01) times off; wholly beyond 1.5")
    assert found.settings == ("off", "on")
    assert [n.name for n in found.numbers] == ["p99.9 of get, effect", "p99.9 of get, the same setting twice"]


BROKEN: dict[str, tuple[Callable[[], Finding], str, str]] = {
    "the interval reaches to the threshold": (
        lambda: decide_pairs(clear(), "get", threshold=1.995, sweep=RISING),
        UNDECIDED,
        "have to lie beyond 1.995",
    ),
    "the interval reaches to the threshold, downwards": (
        lambda: decide_pairs(
            pairs_of(2 * STEADY, STEADY, 2 * STEADY, STEADY), "get", threshold=1.995, rising=False, sweep=RISING
        ),
        UNDECIDED,
        "have to lie beyond 1/1.995",
    ),
    "the noise is wider than the threshold": (
        lambda: decide_pairs(clear(a2=STEADY * np.tile([0.8, 1.2], 5)), "get", sweep=RISING),
        NOT_MEASURABLE,
        "the same setting twice already spreads",
    ),
    "switching back does not restore": (
        lambda: decide_pairs(clear(a2=1.3 * STEADY), "get", sweep=RISING),
        UNDECIDED,
        "switching back does not restore",
    ),
    "the response is not monotone": (
        lambda: decide_pairs(clear(), "get", sweep=Sweep(RISING.settings, tuple(RISING.samples[i] for i in (0, 2, 1)))),
        UNDECIDED,
        "not monotone",
    ),
    "the response does not move": (
        lambda: decide_pairs(clear(), "get", sweep=Sweep(RISING.settings, (RISING.samples[0],) * 3)),
        UNDECIDED,
        "not monotone",
    ),
    "there is no sweep": (lambda: decide_pairs(clear(), "get"), UNDECIDED, "a sweep of at least three values is missing"),
    "a sweep of two values": (
        lambda: decide_pairs(clear(), "get", sweep=Sweep(("1", "2"), RISING.samples[:2])),
        UNDECIDED,
        "a sweep of at least three values is missing",
    ),
    "nine pairs": (
        lambda: decide_pairs(pairs_of(*(c[:9] for c in (STEADY, 2 * STEADY, STEADY, 2 * STEADY))), "get", sweep=RISING),
        UNDECIDED,
        "10 pairs are needed and 9 were made",
    ),
    "two pairs, in a quick run": (
        lambda: decide_pairs(
            pairs_of(*(c[:2] for c in (STEADY, 2 * STEADY, STEADY, 2 * STEADY)), "quick run"), "get", sweep=RISING
        ),
        UNDECIDED,
        "3 pairs are needed and 2 were made (2 pairs instead of 10: quick run)",
    ),
    "no pair": (lambda: decide_pairs(pairs_of([], [], [], []), "get"), UNDECIDED, "No pair of get was measured"),
    "within 0.95 to 1.05 is no difference": (
        lambda: decide_pairs(clear(b=1.02 * STEADY, b2=1.02 * STEADY), "get", sweep=RISING),
        REFUTED,
        "that is no difference",
    ),
    "a little over 1.05 is no refutation": (
        lambda: decide_pairs(exact(1.051), "get", sweep=RISING),
        UNDECIDED,
        "have to lie beyond 1.1",
    ),
    "a little under 0.95 is none either": (
        lambda: decide_pairs(exact(0.949), "get", sweep=RISING),
        UNDECIDED,
        "have to lie beyond 1.1",
    ),
    "exactly 1.05 is one": (lambda: decide_pairs(exact(1.05), "get", sweep=RISING), REFUTED, "no difference"),
    "exactly the threshold is not beyond it": (
        lambda: decide_pairs(exact(1.1), "get", sweep=RISING),
        UNDECIDED,
        "have to lie beyond 1.1",
    ),
    "none in 10^7": (lambda: decide_count(Counted("lock waits", 0, 10_000_000)), REFUTED, "it never happens"),
    "none in a little less": (
        lambda: decide_count(Counted("lock waits", 0, 9_999_999)),
        UNDECIDED,
        "Lock waits: 0 in 9,999,999 opportunities; 10,000,000 without one would refute it.",
    ),
    "one in 10^8": (lambda: decide_count(Counted("lock waits", 1, 100_000_000)), UNDECIDED, "it happens"),
    "as many as it takes": (lambda: decide_count(Counted("lost bits", 3, 10**8), confirmed_from=3), CONFIRMED, "3 or more"),
    "fewer than it takes": (lambda: decide_count(Counted("lost bits", 2, 10**8), confirmed_from=3), UNDECIDED, "it happens"),
    "no exception": (lambda: decide_exact("growth points", 5, 5), CONFIRMED, "5 of 5"),
    "one exception": (lambda: decide_exact("growth points", 4, 5), REFUTED, "one exception"),
    "nothing compared": (lambda: decide_exact("growth points", 0, 0), UNDECIDED, "nothing was seen"),
    "in the band": (
        lambda: decide_band(clear(), 1, 1.9, 2.1, "share", unit="%"),
        CONFIRMED,
        "within 1.9 to 2.1 %",
    ),
    "below the band": (lambda: decide_band(clear(), 0, 1.9, 2.1, "share"), REFUTED, "outside"),
    "above the band": (lambda: decide_band(clear(), 1, 0.9, 1.1, "share"), REFUTED, "outside"),
    "across a border": (lambda: decide_band(clear(), 1, 2.0, 2.1, "share"), UNDECIDED, "across a border"),
    "a band by nine pairs": (
        lambda: decide_band(pairs_of(*(c[:9] for c in (STEADY, STEADY, STEADY, STEADY))), 0, 0.5, 1.5, "share"),
        UNDECIDED,
        "10 pairs are needed",
    ),
    "a band by no pair": (lambda: decide_band(pairs_of([], [], [], []), 0, 0.5, 1.5, "share"), UNDECIDED, "No pair of share"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule(name: str) -> None:
    make, verdict, words = BROKEN[name]
    found = make()
    assert found.verdict == verdict
    assert words in found.reason


def test_a_quick_run_says_that_it_was_one() -> None:
    quick = replace(clear(), reduced="quick run")
    assert decide_pairs(quick, "get", sweep=RISING).reason.endswith("(10 pairs instead of 10: quick run).")
    four = pairs_of(*(c[:4] for c in (STEADY, 2 * STEADY, STEADY, 2 * STEADY)), "quick run")
    found = decide_pairs(four, "get", sweep=RISING)
    assert found.verdict == CONFIRMED
    assert "(4 pairs instead of 10: quick run)" in found.reason


def test_nothing_by_nothing_is_one_and_something_by_nothing_is_a_lot() -> None:
    zero = np.zeros(10)
    waits = clear(a=zero, a2=zero, b=100 + STEADY, b2=100 + STEADY)
    assert waits.noise().ratio == 1
    assert waits.effect().low > 1e5
    assert decide_pairs(waits, "lock waits", threshold=5, two_valued=True).verdict == CONFIRMED
    assert decide_pairs(clear(a=zero, b=zero, a2=zero, b2=zero), "lock waits", two_valued=True).verdict == REFUTED


def test_a_falling_response_is_monotone_too() -> None:
    falling = Sweep(RISING.settings, RISING.samples[::-1])
    assert falling.monotone(False)
    assert not falling.monotone(True)
    assert RISING.monotone(True)
    assert not RISING.monotone(False)


def test_what_is_no_measurement_is_refused() -> None:
    with pytest.raises(BadValue, match="threshold"):
        decide_pairs(clear(), "get", threshold=0.9)
    with pytest.raises(BadValue, match="events"):
        Counted("x", 2, 1)
    with pytest.raises(BadValue, match="6 of 5"):
        decide_exact("x", 6, 5)
    with pytest.raises(BadValue, match="unknown verdict"):
        Finding("perhaps", "because")
    with pytest.raises(BadValue, match="reason"):
        Finding(CONFIRMED, " ")


# ------------------------------------------------------------------ findings and series


def test_a_finding_survives_json() -> None:
    w = Workload(ops=5_000, groups=(Group(mix={"assign_new": 100}),), seed=3)
    r = run(w)
    series = (percentiles("latency", r.latency), time_line("over time", r), bars("b", "ns", {"x": [1.0, 2.0, 3.0]}))
    found = Finding(CONFIRMED, "why", (Number("n", 1.5, "x", 1.0, 2.0),), series, ("a", "b"), by="experiment")
    found = found.with_(workload=w, seconds=2.5)
    again = Finding.from_dict(json.loads(json.dumps(found.to_dict())))
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())
    assert again.numbers == found.numbers
    assert Workload.from_dict(again.workload or {}) == w
    with pytest.raises(BadValue, match="not a finding"):
        Finding.from_dict({"verdict": CONFIRMED})


def test_series_hold_what_was_measured() -> None:
    r = run(Workload(ops=5_000, groups=(Group(mix={"assign_new": 100}),), seed=3))
    rows = percentiles("latency", r.latency).rows
    assert [row["percentile"] for row in rows][-1] == 95  # 5,000 samples are too few for p99
    assert next(row["ns"] for row in rows if row["percentile"] == 50) == r.latency["assign_new"].percentile(50)
    events = [row for row in time_line("over time", r).rows if "event" in row]
    assert sum(row["event"] == "grow_start" for row in events) == r.counters["growths"] == 10
    assert [row["value"] for row in bars("b", "ns", {"x": [1.0, 2.0, 9.0]}).rows] == [2.0]


# ------------------------------------------------------------------ the ways to measure


class Clock:
    def __init__(self) -> None:
        self.t = 0.0

    def __call__(self) -> float:
        return self.t


def test_pairs_alternate_and_share_a_seed_within_a_round() -> None:
    calls: list[tuple[str, int]] = []

    def measure(setting: str, seed: int) -> float:
        calls.append((setting, seed))
        return 1.0 if setting == "a" else 2.0

    pairs = Context(SCALES["full"]).pairs("a", "b", measure)
    assert [setting for setting, _ in calls] == ["a", "b", "a", "b"] * 12
    seeds = [seed for _, seed in calls]
    assert all(len(set(seeds[i : i + 4])) == 1 for i in range(0, 48, 4))
    assert len(set(seeds)) == 12
    assert pairs.rounds == 12 >= 10
    assert pairs.reduced == ""
    assert (pairs.effect().ratio, pairs.noise().ratio, pairs.settings) == (2.0, 1.0, ("a", "b"))
    assert Context(SCALES["full"]).seeds(12) == seeds[::4]
    assert Context(SCALES["full"], seed=2).seeds(12) != seeds[::4]


def test_scales_reduce_and_say_so() -> None:
    quick = Context(SCALES["quick"]).pairs("a", "b", lambda setting, seed: 1.0)
    assert quick.rounds == 4
    assert quick.reduced == "quick run"
    assert SCALES["full"].pairs >= 10
    assert SCALES["test"].pick(test=1, quick=2, full=3) == 1


def test_past_the_deadline_no_round_begins_but_for_the_least() -> None:
    clock = Clock()
    ctx = Context(SCALES["full"], now=clock)

    def measure(setting: str, seed: int) -> float:
        clock.t += SCALES["full"].claim_s / 20  # five rounds last as long as the claim may
        return 1.0

    pairs = ctx.pairs("a", "b", measure)
    assert pairs.rounds == 6
    assert decide_pairs(pairs, "get", two_valued=True).reason.count("10 pairs are needed and 6 were made") == 1
    assert ctx.out_of_time
    assert ctx.pairs("a", "b", measure).rounds == 3
    assert [len(s) for s in ctx.sweep((1, 2, 3), lambda setting, seed: 1.0).samples] == [1, 1, 1]


def test_a_sweep_goes_round_by_round() -> None:
    calls: list[tuple[int, int]] = []

    def measure(setting: int, seed: int) -> dict[str, float]:
        calls.append((setting, seed))
        return {"ns": float(setting), "other": -float(setting)}

    sweep = Context(SCALES["quick"]).sweep((1, 2, 4), measure, names=("one", "two", "four"))
    assert [setting for setting, _ in calls] == [1, 2, 4] * 2
    assert len({seed for _, seed in calls}) == 2
    assert sweep.settings == ("one", "two", "four")
    assert sweep.of(2) == [4.0, 4.0]
    assert sweep.monotone(True, "ns")
    with pytest.raises(BadValue, match="two values"):
        Context(SCALES["quick"]).sweep((1,), measure)


def test_an_interrupted_run_ends_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    import gomap.claims.context as context

    w = Workload(ops=1_000, groups=(Group(mix={"assign_new": 100}),))
    monkeypatch.setattr(context, "run", lambda w, **options: replace(run(w), interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        Context(SCALES["test"]).run(w)


def test_progress_is_told() -> None:
    told: list[tuple[float, str]] = []
    ctx = Context(SCALES["quick"], say=lambda part, what: told.append((part, what)))
    ctx.pairs("a", "b", lambda setting, seed: 1.0)
    assert told[0] == (0.0, "a, pair 1 of 4")
    assert told[-1] == (0.9375, "b, pair 4 of 4")
    assert [part for part, _ in told] == sorted(part for part, _ in told)


RACE = "concurrent map read and map write"


@pytest.mark.parametrize(
    ("of_it", "panics", "lived", "verdict"),
    [
        (4, 0, 0, CONFIRMED),
        (3, 1, 0, CONFIRMED),
        (2, 2, 0, UNDECIDED),
        (3, 0, 1, UNDECIDED),
        (0, 0, 4, REFUTED),
        (0, 4, 0, REFUTED),
    ],
)
def test_what_programs_die_of(of_it: int, panics: int, lived: int, verdict: str) -> None:
    outcomes = [f"fatal error: {RACE}"] * of_it + ["panic: runtime error: nil"] * panics + ["done"] * lived
    found = go_deaths(outcomes, RACE, "a reader")
    assert found.verdict == verdict
    assert found.numbers[0].value == of_it + panics
    assert ("with a panic" in found.reason) == bool(panics)


def test_no_run_says_nothing_of_deaths() -> None:
    assert go_deaths([], RACE, "a reader").verdict == UNDECIDED

"""The guard: a good canary stays, a bad one goes back soon, and what it holds is bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.serving import GuardRules
from tasks.serving import guard as module
from tasks.serving.guard import Guard

pytestmark = pytest.mark.unit

RULES = GuardRules(
    fewest_requests=50,
    excess_errors=0.01,
    latency_ratio=2.0,
    fewest_scores=500,
    score_shift=0.25,
    level=0.01,
    fewest_outcome_days=7,
    loss=0.0,
)


def started(rules: GuardRules = RULES) -> Guard:
    made = Guard(rules)
    made.start(1)
    return made


def logistic(values: Any) -> Any:
    return (1 / (1 + np.exp(-values))).astype(np.float32)


def replay(
    seed: int,
    requests: int,
    share: float = 0.5,
    failures: tuple[float, float] = (0.002, 0.002),
    slower: float = 1.0,
    shift: float = 0.0,
    noise: float = 0.25,
) -> int | None:
    """Send requests; return after how many of the canary's it was sent back, None if it was not.

    Both share the hours: load comes in waves and spikes. Of twenty of the canary's rows both scores are compared at once.
    """
    draw, guard, seen = np.random.default_rng(seed), started(), 0
    is_canary = draw.random(requests) < share
    load = np.exp(0.3 * np.sin(np.arange(requests) / 700) + 0.35 * draw.normal(size=requests))
    seconds = 1e-4 * load * np.where(draw.random(requests) < 0.02, 8, 1) * np.where(is_canary, slower, 1)
    failed = draw.random(requests) < np.where(is_canary, failures[1], failures[0])
    for number, (canary, took, bad) in enumerate(zip(is_canary.tolist(), seconds.tolist(), failed.tolist(), strict=True), start=1):
        guard.request("canary" if canary else "champion", took, bad)
        seen += canary
        if canary and seen % 20 == 0:
            logits = draw.normal(-1.4, 1.0, 20)
            guard.scored(logistic(logits), logistic(logits + shift + noise * draw.normal(size=20)))
        if number % 100 == 0 and guard.look() is not None:
            return seen
    return None


def test_good_canaries_stay() -> None:
    """No worse is also: as many failures as the champion, however many, or as many more as are allowed, or slower within the limit."""
    kinds: list[dict[str, Any]] = [
        {"failures": (0.0, 0.0)},
        {"failures": (0.03, 0.03)},
        {"failures": (0.005, 0.015)},
        {"slower": 1.9},
        {"noise": 0.4},
    ]
    assert [replay(seed, 800, **kinds[seed % 5]) for seed in range(50)] == [None] * 50


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ({"failures": (0.0, 1.0)}, 110),  # none of its answers
        ({"failures": (0.0, 0.05)}, 1_600),  # 5 % of its answers
        ({"slower": 3.0}, 300),  # three times as slow
        ({"shift": 1.0}, 560),  # another distribution: an index of 0.9
        ({"shift": float("nan")}, 1_060),  # no probabilities, of which every twentieth is looked at
    ],
)
def test_bad_canaries_go_back_soon(kind: dict[str, Any], most: int) -> None:
    found = [replay(seed, 4_000, **kind) for seed in range(4)]
    assert all(at is not None and at <= most for at in found), found


def polled(seed: int, flights: int = 12, times: int = 60, error: float = 0.01) -> str | None:
    """Ask for the same flights again and again; return why the canary was sent back."""
    draw, guard = np.random.default_rng(seed), started()
    champion = draw.uniform(0.05, 0.6, flights)
    canary = champion + draw.normal(0, error, flights)
    keys = [number.to_bytes(8) for number in range(flights)]
    for _ in range(times):
        guard.scored(champion, canary, rows=keys)
        if (reason := guard.look()) is not None:
            return reason
    return None


@pytest.mark.parametrize(("flights", "times"), [(12, 60), (1, 600), (499, 3)])
def test_rows_that_are_polled_count_once(flights: int, times: int) -> None:
    """A canary that differs by a hundredth: counted again and again, few rows make it look like another model."""
    assert [polled(seed, flights, times) for seed in range(40)] == [None] * 40
    guard = started()
    assert polled(0, 1_500, 2, error=0.4) is not None, "distinct rows of another distribution are still told"
    row = [b"the same"] * 1_000
    guard.scored(np.linspace(0, 1, 1_000), np.full(1_000, 0.9), rows=row)
    assert guard._shift._seen == {b"the same": None}, "within one report too"
    assert guard.look() is None


def test_a_row_that_is_asked_again_leaves_what_was_counted_as_it_is() -> None:
    guard, draw = started(), np.random.default_rng(0)
    scores = draw.random((10, 600))
    keys = [[f"{number}-{row}".encode() for row in range(600)] for number in range(10)]
    for _ in range(3):
        for block, named in zip(scores, keys, strict=True):
            guard.scored(block, block, rows=named)
    assert sum(int(held.table.sum()) for held in guard._shift._blocks) + int(guard._shift._open.table.sum()) == 6_000


@pytest.mark.parametrize(("entities", "is_told"), [(29, False), (30, True)])
def test_rows_of_few_entities_say_nothing_of_the_distribution(entities: int, is_told: bool) -> None:
    guard, draw = started(), np.random.default_rng(0)
    for _ in range(3):
        scores = draw.random(500)
        guard.scored(scores, scores**4, entities=[str(number % entities) for number in range(500)])
    assert (guard.look() is not None) == is_told


def test_a_canary_that_turns_bad_is_caught_by_what_is_new() -> None:
    guard = started()
    for _ in range(20_000):
        guard.request("canary", 1e-4, False)
        guard.request("champion", 1e-4, False)
    assert guard.look() is None
    after = 0
    while guard.look() is None:
        guard.request("canary", 1e-4, True)
        guard.request("champion", 1e-4, False)
        after += 1
    assert after <= 200


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (lambda guard: guard.request("canary", 1e-4, True), "failures to answer: 50 of 50 of the canary, at least 8"),
        (lambda guard: guard.scored(np.full(1, 0.5), np.full(1, np.nan)), "failures to score rows of the other: 50 of 50 of the canary"),
        (lambda guard: guard.scored(np.full(1, 0.5), np.full(1, np.inf)), "failures to score"),
    ],
)
def test_the_reason_names_what_was_counted(report: Callable[[Guard], None], told: str) -> None:
    guard = started()
    for _ in range(200):
        guard.request("champion", 1e-4, False)
    for _ in range(50):
        assert guard.look() is None, "fewer say nothing"
        report(guard)
    reason = guard.look()
    assert reason is not None
    assert told in reason
    assert guard.look() == reason, "until the next revision"
    guard.start(2)
    assert guard.look() is None


def test_seconds_are_told_after_two_looks_in_a_row() -> None:
    guard = started()
    for look in range(3):
        for _ in range(50):
            guard.request("champion", 0.3, False)
            guard.request("canary", 0.9, False)
        reason = guard.look()
        assert (reason is not None) == (look > 0)
        if reason:
            assert "median is at least 900 ms for certain, the champion's at most 300 ms" in reason
            break


def test_one_slow_look_is_no_reason() -> None:
    guard = started(RULES.model_copy(update={"fewest_requests": 200}))
    for seconds in (0.9, 0.1, 0.9, 0.1):
        for _ in range(200):
            guard.request("canary", seconds, False)
            guard.request("champion", 0.3, False)
        assert guard.look() is None or seconds == 0.9
        if seconds == 0.1:
            assert guard.look() is None


def test_requests_of_many_rows_are_compared_with_their_like() -> None:
    """A request of ten is split: the champion answers nine rows at once, which take less than nine times the time of one."""
    guard = started()
    for _ in range(2_000):
        guard.request("canary", 100e-6, False, rows=1)
        guard.request("champion", 250e-6, False, rows=9)
        guard.request("champion", 100e-6, False, rows=1)
        guard.request("canary", 240e-6, False, rows=8)
        assert guard.look() is None
    reason = None
    for _ in range(1_000):
        guard.request("champion", 250e-6, False, rows=9)
        guard.request("canary", 900e-6, False, rows=9)
        reason = reason or guard.look()
    assert reason is not None
    assert "seconds of the model" in reason


def test_without_the_champions_requests_nothing_is_certain() -> None:
    guard = started()
    for _ in range(500):
        guard.request("canary", 10.0, True)
        guard.request("canary", 10.0, False)
        assert guard.look() is None


def test_a_champion_that_fails_too_is_no_reason() -> None:
    guard = started()
    for _ in range(500):
        guard.request("canary", 1e-4, True)
        guard.request("champion", 1e-4, True)
        guard.scored(np.full(2, np.nan), np.full(2, np.nan))
        assert guard.look() is None


def test_reports_of_another_revision_do_not_count() -> None:
    guard = started()
    for _ in range(100):
        guard.request("champion", 1e-4, False, revision=1)
        guard.request("canary", 1e-4, True, revision=0)
        guard.scored(np.full(2, 0.5), np.full(2, np.nan), revision=2)
    assert guard.look() is None
    for _ in range(50):
        guard.request("canary", 1e-4, True, revision=1)
    assert guard.look() is not None


def test_the_level_is_never_spent_up() -> None:
    spending = module._Spending(0.01)
    spent = [spending.next() for _ in range(10_000)]
    assert spent[0] == pytest.approx(0.005)
    assert spent == sorted(spent, reverse=True)
    assert 0.0099 < sum(spent) < 0.01


def test_workers_share_the_level() -> None:
    """What is certain to one alone need not be to one of many."""

    def reason(workers: int, failures: int) -> str | None:
        guard = Guard(RULES, workers)
        for _ in range(10_000):
            guard.request("champion", 1e-4, False)
        for number in range(50):
            guard.request("canary", 1e-4, number < failures)
        return guard.look()

    fewest = [next(n for n in range(1, 51) if reason(workers, n)) for workers in (1, 1_000)]
    assert fewest[0] < fewest[1] < 20


def test_what_it_holds_is_bounded() -> None:
    guard = started(RULES.model_copy(update={"fewest_requests": 5, "fewest_scores": 20}))
    scores = np.random.default_rng(0).random(7)
    sizes = set()
    for number in range(30_000):
        guard.request("canary" if number % 3 else "champion", 1e-4, number % 7 == 0, rows=1 + number % 1_000)
        if number % 10 == 0:
            guard.scored(scores, scores, rows=[f"{number}-{row}".encode() for row in range(7)], entities=[f"{number}"] * 7)
        if number % 1_000 == 999:
            guard.look()
            sizes.add(size(guard) if number > 20_000 else 0)
    assert len(guard._seconds) <= 21, "half octaves up to a thousand rows"
    assert max(sizes) < 40 * 4 + 21 * 10 * 2 * 5 + 21 * 12 + 21 * 100 + 200 + 21 * (20 + 7) * 2


def size(guard: Guard) -> int:
    """How many numbers it holds."""
    failures = sum(len(block) for kind in (guard._answered, guard._scored) for block in kind._blocks)
    blocks = [block for kind in guard._seconds.values() for block in (*kind._blocks, kind._open)]
    seconds = sum(len(block.canary) + len(block.champion) for block in blocks)
    shift = guard._shift
    keys = len(shift._seen) + sum(len(block.entities) for block in shift._blocks)
    return failures + seconds + keys + sum(block.table.size for block in shift._blocks)


def test_reports_from_many_threads_are_all_counted() -> None:
    guard = started(RULES.model_copy(update={"fewest_requests": 100_000}))

    def report() -> None:
        for _ in range(2_000):
            guard.request("canary", 1e-4, False)
            guard.request("champion", 1e-4, True)
            guard.look()

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard._answered._open == [8_000, 0, 8_000, 8_000]


probabilities = st.lists(st.floats(width=32), min_size=1, max_size=20)
reports = st.one_of(
    st.tuples(st.sampled_from(["canary", "champion"]), st.floats(), st.booleans(), st.integers(0, 1_000)),
    st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), max_size=20),
)


@given(st.lists(reports, max_size=60))
def test_whatever_is_reported_it_looks_and_says_why_or_nothing(given: list[Any]) -> None:
    guard = started(RULES.model_copy(update={"fewest_requests": 2, "fewest_scores": 4}))
    for report in given:
        if isinstance(report, tuple):
            guard.request(*report)
        else:
            pairs = np.array(report, np.float32).reshape(-1, 2)
            named = [first.tobytes() for first in pairs[:, 0]]
            guard.scored(pairs[:, 0], pairs[:, 1], rows=named if len(named) % 2 else None)
        reason = guard.look()
        assert reason is None or 20 < len(reason) < 300


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_a_model_beside_itself_is_never_sent_back(seed: int, size: int) -> None:
    guard, draw = started(), np.random.default_rng(seed)
    for _ in range(4):
        scores = draw.random(size)
        guard.scored(scores, scores)
        for _ in range(size):
            guard.request("canary", 1e-4, False)
            guard.request("champion", 1e-4, False)
        assert guard.look() is None

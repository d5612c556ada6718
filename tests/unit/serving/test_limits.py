"""The limit of a key's rate: a burst at once, the rate on the average, keys apart, memory bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.serving import limits
from tasks.serving.limits import RateLimiter

pytestmark = pytest.mark.unit


@given(rate=st.floats(0.01, 10_000), burst=st.integers(1, 500), now=st.floats(0, 1e6))
def test_a_burst_passes_and_no_more(rate: float, burst: int, now: float) -> None:
    limiter = RateLimiter(rate, burst)
    assert [limiter.wait("a", now) for _ in range(burst)] == [0.0] * burst
    wait = limiter.wait("a", now)
    assert wait == pytest.approx(1 / rate, rel=1e-3)
    assert limiter.wait("a", now) == wait  # asking takes nothing
    assert limiter.wait("a", now + wait) == 0.0
    assert limiter.wait("a", now + wait) > 0.0


@given(rate=st.floats(1, 100), burst=st.integers(1, 20), gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_any_stretch_of_time_holds_a_burst_and_the_rate_at_most(rate: float, burst: int, gaps: list[float]) -> None:
    limiter = RateLimiter(rate, burst)
    now, passed = 1_000.0, []
    for gap in gaps:
        now += gap
        if limiter.wait("a", now) == 0.0:
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - start) + 0.01


def test_keys_do_not_share() -> None:
    limiter = RateLimiter(1, 1)
    assert [limiter.wait(key, 5.0) for key in ("a", "a", "b", "b")] == [0.0, 1.0, 0.0, 1.0]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limiter = RateLimiter(1, 1)
    assert limiter.wait("a", 100.0) == 0.0
    assert limiter.wait("a", 99.0) == 2.0


def test_memory_is_bounded_and_who_asked_most_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST", 100)
    limiter = RateLimiter(1, 10)
    for _ in range(10):
        assert limiter.wait("greedy", 0.0) == 0.0
    for n in range(10_000):
        limiter.wait(f"key {n}", 0.5)
        assert len(limiter) <= 100
    assert limiter.wait("greedy", 0.5) > 0


def test_full_buckets_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST", 100)
    limiter = RateLimiter(1, 1)
    for n in range(99):
        limiter.wait(f"key {n}", 0.0)
    assert limiter.wait("late", 9.5) == 0.0
    assert limiter.wait("later", 10.0) == 0.0
    assert len(limiter) == 2
    assert limiter.wait("late", 10.0) == 0.5


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_limit_must_let_something_pass(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(rate, burst)

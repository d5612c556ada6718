from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.monitoring.drift import find_drift

pytestmark = pytest.mark.unit

GROUPS = {"weather": ["wind", "rain"], "state": ["delay"]}


def _days(count: int, first: int, seed: int, shift: float = 0.0) -> pl.DataFrame:
    """Days whose rows share a daily level, as rows of one hour share their weather."""
    generator = np.random.default_rng(seed)
    frames = []
    for day in range(first, first + count):
        level = generator.normal(size=3)
        rows = level + generator.normal(scale=0.3, size=(40, 3))
        frames.append(
            pl.DataFrame({"wind": rows[:, 0] + shift, "rain": rows[:, 1], "delay": rows[:, 2]}).with_columns(
                batch_day=pl.lit(date(2013, 1, 1) + timedelta(days=day))
            )
        )
    return pl.concat(frames)


def test_a_shifted_column_is_found_and_named() -> None:
    found = find_drift(_days(56, 0, 1), _days(14, 56, 2, shift=3.0), GROUPS, 0.01, 500)
    by_group = {group.group: group for group in found}
    assert by_group["weather"].is_drifted
    assert by_group["weather"].column == "wind"
    assert not by_group["state"].is_drifted


def test_without_drift_alarms_keep_to_their_rate() -> None:
    """Rows outnumber days forty to one: a test over rows would fire every time."""
    rate, replays = 0.1, 60
    fired = sum(
        any(g.is_drifted for g in find_drift(_days(28, 0, 2 * i), _days(14, 28, 2 * i + 1), GROUPS, rate, 200)) for i in range(replays)
    )
    assert fired <= 13  # a binomial of 60 at 10 % exceeds it once in a hundred


def test_a_sensor_that_falls_silent_is_found() -> None:
    silent = _days(14, 56, 4).with_columns(wind=pl.lit(None, pl.Float64))
    found = find_drift(_days(56, 0, 3), silent, GROUPS, 0.01, 500)
    assert next(g for g in found if g.group == "weather").column in ("wind", "wind is null")
    assert next(g for g in found if g.group == "weather").is_drifted

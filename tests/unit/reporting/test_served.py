"""What was served and what is queued for a label: gaps are said, what breaks a contract comes first, nothing unescaped."""

from __future__ import annotations

from datetime import date

import pytest

from tasks.reporting import served
from tasks.reporting.page import fragment
from tests.unit.reporting import nights
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

SERVED = nights.served(date(2013, 10, 12))


def words(html: str) -> str:
    return require_sound(html, 60_000).text


def shown(**more: object) -> str:
    return words(fragment(served.served(SERVED.model_copy(update=more))))


def test_what_was_served_is_shown() -> None:
    told = shown()
    for fact in (
        "Predictions 6,279",
        "Usual number a day 912",
        "Newest prediction 2013-10-12 22:41 UTC",
        "Log-loss as answered 0.5401 [0.5031, 0.5808]",
        "Drawn at random for a label 70, 63 with an outcome (90.0%) Log-loss of all by those draws 0.5377 [0.4411, 0.6502]",
        "2013-10-06 894",
        "2013-10-12 900",
        "dep_hour 17 distance 4",  # the input that breaks its contract most comes first
        "arrivals_dest_28d_n 71 1.2% 0.1250 carrier 2 0.0% -",  # a category has no relative difference
        "Failed by the service's fault 12 (0.0%)",
        "99 of 100 take at most 4.7 ms",
    ):
        assert fact in told, told
    assert "humid" not in told  # it does not differ


def test_nothing_served_is_said() -> None:
    assert words(fragment(served.served(None))) == "Served The lake holds no predictions of the service."


def test_what_is_not_known_is_a_dash() -> None:
    told = shown(usual_per_day=None, newest_at=None, log_loss=None, exploration={}, level=None, violations={})
    assert "Usual number a day - Newest prediction -" in told
    assert "The service's metrics are not in reach." in told
    assert "contract" not in told


def test_draws_without_an_outcome_have_no_log_loss() -> None:
    told = shown(exploration={"drawn": 10.0, "rows": 0.0, "share": 0.0})
    assert "Drawn at random for a label 10, 0 with an outcome (0.0%)" in told
    assert "by those draws" not in told


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (6_104, True),  # compared, and none differs
        (0, False),  # nothing was compared: nothing is claimed
    ],
)
def test_that_nothing_is_skewed_is_said_only_of_what_was_compared(compared: int, said: bool) -> None:
    assert ("No feature of a compared prediction differs" in shown(skew=[], compared=compared)) is said


def test_a_service_without_a_request_has_no_times() -> None:
    assert SERVED.level is not None
    silent = SERVED.level.model_copy(update={"requests": 0, "errors": 0, "p50_ms": None, "p99_ms": None, "cpu_seconds_per_1000": None})
    told = shown(level=silent)
    assert "Half of the requests take - 99 of 100 take at most -" in told
    assert "0 (0.0%)" in told


def test_the_queue_says_why_and_with_which_chance() -> None:
    told = words(served.queue(nights.queue()))
    assert told.startswith("Night of 2013-10-12: 50 predictions of 934 are queued for a label.")
    assert "Uncertain 17 Unusual 17 Random 16" in told
    assert "random p-0002 0.3333 0.0107" in told
    assert "must not be averaged as if they were a sample" in told


def test_an_empty_queue_and_one_of_one_are_said() -> None:
    assert "0 predictions of 934 are queued" in words(served.queue(nights.queue(0)))
    assert "1 prediction of 934 is queued" in words(served.queue(nights.queue(1)))


def test_hostile_texts_stay_text() -> None:
    skew = SERVED.skew[1].model_copy(update={"feature": "feature " + HOSTILE})
    told = shown(violations={"input " + HOSTILE: 3}, skew=[skew])
    queue = nights.queue(1)
    item = queue.queued[0].model_copy(update={"prediction_id": "id " + HOSTILE, "reason": "reason " + HOSTILE})
    told += words(served.queue(queue.model_copy(update={"queued": [item]})))
    for place in ("input", "feature", "id", "reason"):
        assert f"{place} {HOSTILE}"[:60] in told

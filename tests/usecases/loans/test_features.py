"""Features of the applications: one definition in three ways, no sight of the future, and nothing of a person in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tasks.contracts import inputs
from tasks.errors import ClockError, ContractViolation
from tasks.rows import REASONS, parse, violations
from tasks.usecase import behaviour, features, source
from tasks.usecase.contract import APPLICATIONS, TABLES
from tasks.usecase.features import Features
from tasks.usecase.online import ANSWERED, SCHEDULED, Online, completed
from tests.usecases import properties

pytestmark = pytest.mark.data

KEY = "application_id"
WINDOWS = [
    (date(1990, 1, 1), date(1990, 1, 2)),  # no past at all
    (date(1990, 4, 1), date(1990, 4, 1)),  # the clocks go forward
    (date(1990, 5, 1), date(1990, 5, 31)),
    (date(1990, 7, 17), date(1990, 7, 18)),  # the last ones
]
INSTANTS = [datetime(1990, 2, 1, 18, tzinfo=UTC), datetime(1990, 4, 1, 7, tzinfo=UTC), datetime(1990, 6, 15, 17, 15, tzinfo=UTC)]


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.LazyFrame]:
    rows = parse(source.read(source.PACKAGED, APPLICATIONS), APPLICATIONS)
    return {"applications": rows.filter(pl.col(REASONS).list.len() == 0).drop(REASONS).lazy()}


@pytest.fixture(scope="module")
def whole(tables: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    return features.build(tables).collect()


def near(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date]) -> Mapping[str, pl.LazyFrame]:
    return properties.cut(tables, TABLES, source.day_of, days, features.LOOKBACK)


def within(frame: pl.DataFrame, days: tuple[date, date]) -> pl.DataFrame:
    return frame.filter(pl.col("batch_day").is_between(*days))


def test_they_keep_their_contract(whole: pl.DataFrame) -> None:
    assert violations(whole.lazy(), Features) == []
    assert whole.height == 1_969
    assert whole.select(inputs(Features)).select(pl.all().n_unique() > 1).row(0) == (True,) * len(inputs(Features)), "each varies"


@pytest.mark.parametrize("days", WINDOWS, ids=lambda days: f"{days[0]} to {days[1]}")
def test_a_window_from_its_own_past_is_that_of_the_whole(
    tables: dict[str, pl.LazyFrame], whole: pl.DataFrame, days: tuple[date, date]
) -> None:
    found = features.build(near(tables, days), days).collect()
    assert found.height > 8 * ((days[1] - days[0]).days + 1)
    assert properties.differing(found, within(whole, days)) == []


def test_a_shorter_past_would_be_found(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame) -> None:
    """Else the test above would prove nothing."""
    days = (date(1990, 5, 1), date(1990, 5, 31))
    short = properties.cut(tables, TABLES, source.day_of, days, timedelta(days=20))
    assert properties.differing(features.build(short, days).collect(), within(whole, days)) != []


def test_online_gives_the_same_bits_as_the_build(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame) -> None:
    days = (date(1990, 3, 20), date(1990, 4, 20))
    held = near(tables, days)
    asked = held["applications"].filter(source.day_of(APPLICATIONS).is_between(*days)).collect().rows(named=True)
    found = properties.answered(asked, Online(held), Features, ANSWERED, KEY)
    assert properties.differing(found, within(whole, days).select(ANSWERED)) == []


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_no_feature_sees_what_became_known_later(tables: dict[str, pl.LazyFrame], instant: datetime) -> None:
    expected = properties.sees_no_deleted_future(tables, source.known_by, features.build, instant, ANSWERED, KEY)
    # And if every decision after the instant is another one, and all that came later is another application.
    later = pl.col("decided_at") > instant
    action = pl.when(later).then(pl.col("action").replace({"1": "3", "2": "3", "3": "1"})).otherwise("action")
    loan = pl.when(pl.col("received_at") > instant).then(1.0).otherwise("loanamt")
    changed = {"applications": tables["applications"].with_columns(action=action, loanamt=loan)}
    found = features.build(changed).collect()
    assert properties.differing(properties.until(found, instant, ANSWERED), expected) == []
    assert not found.equals(features.build(tables).collect()), "else nothing was changed"


def test_a_feature_that_peeked_would_be_found(tables: dict[str, pl.LazyFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision that counts from the arrival is a leak of a week: the tests must see it."""
    real = features.past
    early = pl.col("received_at") + timedelta(hours=1)
    monkeypatch.setattr(
        features, "past", lambda rows: real(rows.with_columns(pl.when(pl.col("action").is_not_null()).then(early).alias("decided_at")))
    )
    with pytest.raises(AssertionError):
        properties.sees_no_deleted_future(tables, source.known_by, features.build, INSTANTS[2], ANSWERED, KEY)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_no_answer_online_sees_what_became_known_later(tables: dict[str, pl.LazyFrame], instant: datetime) -> None:
    due = pl.col("received_at").is_between(instant, instant + timedelta(days=2))
    asked = tables["applications"].filter(due).collect().rows(named=True)
    assert len(asked) > 15
    then = Online(source.known_by(tables, instant))
    assert Online(tables).features_of(asked, at=instant) == then.features_of(asked, at=instant)
    with pytest.raises(ClockError, match="no later than the prediction instant"):
        then.features_of(asked, at=instant + timedelta(days=3))


def test_another_applicant_has_the_same_features(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame) -> None:
    days = (date(1990, 5, 1), date(1990, 5, 14))
    found = behaviour.renamed(near(tables, days), days).sort("predicted_at", KEY)
    own = within(whole, days)
    assert properties.differing(found.select(KEY, *inputs(Features)), own.select(KEY, *inputs(Features))) == []
    assert found.select((pl.col("sex") == own["sex"]).any()).item() is False, "all of them are other people"


# --- what a client sends ----------------------------------------------------------------------------------------------


def sent(**more: Any) -> dict[str, Any]:
    usual = {"application": 2_000, "received_at": datetime(1990, 7, 19, 14, tzinfo=UTC), "loanamt": 120.0, "price": 150.0, "apr": 155.0}
    usual |= {"fixadj": "0", "prop": "2", "atotinc": 4_000.0, "cototinc": 0.0, "hrat": 25.0, "obrat": 33.0, "netw": 60.0}
    usual |= {"self": "0", "unem": 3.2, "gift": "0", "cosign": "0", "mortg": "2", "cons": "1", "pubrec": "0"}
    return usual | more


def test_what_a_client_may_leave_out_is_missing() -> None:
    made = completed(sent(term=360.0))
    assert made.keys() == SCHEDULED.keys()
    assert (made["term"], made["liq"]) == (360.0, None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"obrat": 20.0}, "obrat must not be below hrat"),
        ({"atotinc": 0.0}, "atotinc or cototinc must be above 0"),
    ],
)
def test_what_no_single_field_can_tell_is_refused_without_its_values(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ContractViolation, match=told) as found:
        completed(sent(**wrong))
    assert "20" not in found.value.expected


def test_a_row_that_lacks_a_column_is_told(tables: dict[str, pl.LazyFrame]) -> None:
    with pytest.raises(ContractViolation, match="none named price"):
        Online(tables).features_of([{name: value for name, value in completed(sent()).items() if name != "price"}])

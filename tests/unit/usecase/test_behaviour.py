"""What the model of the flights must do: declared of features that are there, with a limit each, and other numbers of flights."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.artifacts.behaviour import BehaviourKind, Changed
from tasks.contracts import columns
from tasks.usecase import behaviour, features, policy, source
from tasks.usecase.contract import FLIGHTS
from tasks.usecase.features import Features
from tests.unit.usecase import toy

pytestmark = pytest.mark.unit

DAY = date(2013, 7, 10)
TESTS = {test.name: test for test in behaviour.EXPECTATIONS}


def changed(name: str) -> Changed:
    found = TESTS[name]
    assert isinstance(found, Changed)
    return found


def test_every_expectation_has_a_limit_and_every_limit_an_expectation() -> None:
    assert set(policy.BEHAVIOUR.limits) == set(TESTS)
    assert len(TESTS) == len(behaviour.EXPECTATIONS), "each name once"
    assert [name for name, limit in policy.BEHAVIOUR.limits.items() if limit.least_share is None] == []


def test_every_kind_is_asked_for() -> None:
    assert {test.kind for test in behaviour.EXPECTATIONS} == set(BehaviourKind)


def test_only_features_are_changed() -> None:
    known = {*columns(Features, "numeric"), *columns(Features, "categorical")}
    assert [(test.name, name) for test in behaviour.EXPECTATIONS for name in test.columns if name not in known] == []


def test_all_weather_is_missing_and_all_of_the_day_is_upstream() -> None:
    weather = {"humid", "wind_speed", "wind_gust", "wind_east", "wind_north", "precip", "visib", "reading_age_hours"}
    assert weather < set(changed("missing weather").missing)
    shift = changed("more delay upstream")
    assert {"departures_origin_1h_delay", "arrivals_carrier_24h_late", "arrivals_dest_6h_delay"} < set(shift.add)
    assert [name for name in shift.add if "_28d_" in name or name.endswith("_n")] == [], "an afternoon does not change a month"
    assert set(shift.at_most.values()) == {1.0}, "a share"


def test_the_unseen_destination_is_one_that_no_flight_had() -> None:
    raw = source.read(source.PACKAGED, FLIGHTS)
    assert changed("unseen destination").values["dest"] not in raw["dest"].unique()


FEW = [toy.flight(n, 600 + 100 * (n % 5), dep_delay=7 * n, arr_delay=9 * n, dest=dest) for n, dest in enumerate(("BOS", "ORD", "BOS"), 1)]


def test_other_numbers_change_nothing_but_are_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = toy.tables_of([*FEW, toy.ASKED], [toy.reading(12, wind_speed=9.0)])
    built: list[pl.DataFrame] = []
    original: Callable[..., pl.LazyFrame] = features.build

    def watch(*arguments: Any) -> pl.LazyFrame:
        built.append(arguments[0]["flights"].collect())
        return original(*arguments)

    monkeypatch.setattr(features, "build", watch)
    again = behaviour.renamed(tables, (DAY, DAY)).sort("flight_id")
    assert built[0]["flight"].to_list() == [9_999, 9_998, 9_997, 9_991]
    assert_frame_equal(again, original(tables).collect().sort("flight_id"))


@given(st.lists(st.integers(1, 9_999), min_size=1, max_size=12, unique=True))
@settings(max_examples=10)  # each builds features twice
def test_any_number_comes_back(numbers: list[int]) -> None:
    tables = toy.tables_of([toy.flight(number, 600 + 10 * (number % 6)) for number in numbers])
    again = behaviour.renamed(tables, (DAY, DAY))
    assert set(again["flight_id"]) == {f"2013-07-10-UA-{number}-LGA" for number in numbers}
    assert set(again["flight_id"]) == set(features.build(tables).collect()["flight_id"])

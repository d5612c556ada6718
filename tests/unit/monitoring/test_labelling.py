"""The labelling queue: who is chosen and why, within the budget, the same each time, and without a bias in what is drawn."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.monitoring import LabellingRules, LabelQueue
from tasks.lake import labelling as table
from tasks.monitoring import labelling
from tasks.usecase import policy

pytestmark = pytest.mark.unit

NIGHT = date(2026, 3, 1)
RULES = policy.MONITORING.labelling
REFERENCE = pl.DataFrame({"wind": np.arange(1_000.0), "carrier": ["UA"] * 700 + ["B6"] * 297 + ["OO"] * 3, "hail": [0.0] * 1_000})


def asked(count: int, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "prediction_id": [f"p{i:04d}" for i in range(count)],
            "probability": generator.random(count),
            "wind": generator.uniform(0, 1_050, count),  # one in twenty is beyond the usual
            "carrier": generator.choice(["UA", "B6"], count),
        },
        schema={"prediction_id": pl.String, "probability": pl.Float64, "wind": pl.Float64, "carrier": pl.String},
    )


def queue(rows: pl.DataFrame, rules: LabellingRules = RULES, night: date = NIGHT, threshold: float = 0.3, **more: Any) -> LabelQueue:
    return labelling.queue(rows, REFERENCE, ["wind"], ["carrier"], threshold, rules, night, **more)


def reasons(found: LabelQueue) -> dict[str, int]:
    return dict(Counter(one.reason for one in found.queued))


# --- how many, and which ----------------------------------------------------------------------------------------------


def test_the_budget_is_shared_as_the_rules_say() -> None:
    found = queue(asked(2_000))
    assert reasons(found) == {"random": 10, "unusual": 12, "uncertain": 28}
    assert (found.night, found.candidates) == (NIGHT, 2_000)
    assert {one.propensity for one in found.queued if one.reason == "random"} == {10 / 2_000}
    assert {one.propensity for one in found.queued if one.reason != "random"} == {1.0}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 80), st.integers(0, 60), st.floats(0.01, 1), st.floats(0, 1), st.integers(0, 3))
def test_the_budget_holds_whatever_the_rules(count: int, budget: int, exploration: float, unusual: float, seed: int) -> None:
    rules = LabellingRules(budget=budget, exploration_share=exploration, unusual_share=unusual)
    found = queue(asked(count, seed), rules)
    assert len(found.queued) == min(budget, count), "no label is left over while there are candidates"
    assert len({one.prediction_id for one in found.queued}) == len(found.queued), "none twice"
    drawn = [one for one in found.queued if one.reason == "random"]
    assert bool(drawn) == bool(found.queued), "something is always drawn at random"
    assert all(one.propensity == pytest.approx(len(drawn) / count) for one in drawn)


def test_uncertain_ones_are_the_nearest_to_the_threshold() -> None:
    rows = asked(500)
    found = queue(rows, RULES.model_copy(update={"unusual_share": 0.0}), threshold=0.3)
    drawn = [one.prediction_id for one in found.queued if one.reason == "random"]
    apart = (rows.get_column("probability") / (1 - rows.get_column("probability"))).log() - math.log(0.3 / 0.7)
    nearest = rows.with_columns(apart=apart.abs()).filter(~pl.col("prediction_id").is_in(drawn)).sort("apart").head(40)
    chosen = [one for one in found.queued if one.reason == "uncertain"]
    assert [one.prediction_id for one in chosen] == nearest.get_column("prediction_id").to_list()
    assert [one.score for one in chosen] == pytest.approx((-nearest.get_column("apart")).exp().to_list())


@pytest.mark.parametrize(
    ("row", "score"),
    [
        ({"wind": 500.0, "carrier": "UA"}, 0.0),  # nothing to see
        ({"wind": 4_000.0, "carrier": "UA"}, 0.5),  # beyond what is usual
        ({"wind": -4_000.0, "carrier": "UA"}, 0.5),
        ({"wind": None, "carrier": "UA"}, 0.5),  # none where there always is one
        ({"wind": math.nan, "carrier": "UA"}, 0.5),
        ({"wind": 500.0, "carrier": "OO"}, 0.5),  # three in a thousand
        ({"wind": 500.0, "carrier": "??"}, 0.5),  # never seen
        ({"wind": 500.0, "carrier": None}, 0.5),
        ({"wind": None, "carrier": "??"}, 1.0),
    ],
)
def test_what_is_unusual(row: dict[str, Any], score: float) -> None:
    rules = LabellingRules(budget=3, exploration_share=0.01, unusual_share=1.0)
    schema = {"prediction_id": pl.String, "probability": pl.Float64, "wind": pl.Float64, "carrier": pl.String}
    plain = {"probability": 0.9, "wind": 10.0, "carrier": "B6"}
    rows = pl.DataFrame([{"prediction_id": f"p{i:03d}", **plain} for i in range(300)] + [{"prediction_id": "odd", **plain, **row}], schema)
    found = {one.prediction_id: one for one in queue(rows, rules).queued if one.reason == "unusual"}
    assert {id: one.score for id, one in found.items()} == ({"odd": score} if score else {})


def test_a_number_that_is_often_missing_is_usual_without() -> None:
    reference = REFERENCE.with_columns(pl.when(pl.col("wind") > 900).then(None).otherwise(pl.col("wind")).alias("wind"))
    rows = asked(50).with_columns(wind=pl.lit(None, pl.Float64))
    found = labelling.queue(rows, reference, ["wind"], [], 0.3, RULES, NIGHT)
    assert "unusual" not in reasons(found)


@pytest.mark.parametrize(
    "reference",
    [
        REFERENCE.clear(),  # no rows
        REFERENCE.select("hail"),  # nothing in common
    ],
)
def test_without_a_reference_nothing_is_unusual(reference: pl.DataFrame) -> None:
    found = labelling.queue(asked(200), reference, ["wind"], ["carrier"], 0.3, RULES, NIGHT)
    assert reasons(found) == {"random": 10, "uncertain": 40}


def test_a_column_of_nothing_where_there_always_is_something_is_unusual() -> None:
    rows = asked(200).with_columns(wind=pl.lit(None), carrier=pl.lit(None))
    assert {one.score for one in queue(rows).queued if one.reason == "unusual"} == {1.0}


def test_certain_probabilities_have_a_score() -> None:
    rows = asked(3).with_columns(probability=pl.Series([0.0, 1.0, 0.3]))
    assert [one.score for one in sorted(queue(rows).queued, key=lambda one: one.prediction_id)][2] == pytest.approx(1.0)


def test_of_what_was_asked_twice_one_prediction_is_a_candidate() -> None:
    rows = asked(100).with_columns(flight_id=pl.Series([f"f{i // 4}" if i < 80 else None for i in range(100)]))
    found = queue(rows, key="flight_id")
    assert found.candidates == 20 + 20, "those that name nothing all are"
    assert {one.prediction_id for one in found.queued} == {f"p{i:04d}" for i in [*range(0, 80, 4), *range(80, 100)]}


# --- the same each time -----------------------------------------------------------------------------------------------


def test_the_same_candidates_give_the_same_queue_in_whatever_order() -> None:
    rows = asked(300)
    assert queue(rows) == queue(rows.sample(fraction=1, shuffle=True, seed=1))


def test_another_night_or_seed_draws_others() -> None:
    rows = asked(300)
    drawn = [
        frozenset(one.prediction_id for one in found.queued if one.reason == "random")
        for found in (queue(rows), queue(rows, night=NIGHT + timedelta(days=1)), queue(rows, RULES.model_copy(update={"seed": 7})))
    ]
    assert len(set(drawn)) == 3


def test_every_candidate_is_drawn_as_often_as_its_propensity_says() -> None:
    """Otherwise the weights that make the labels unbiased would be wrong."""
    rows, rules = asked(30), LabellingRules(budget=10, exploration_share=0.5, unusual_share=0.3)
    counts = Counter(
        one.prediction_id
        for n in range(600)
        for one in queue(rows, rules, NIGHT + timedelta(days=n)).queued
        if one.reason == "random" and one.propensity == pytest.approx(5 / 30)
    )
    assert sum(counts.values()) == 3_000
    assert len(counts) == 30
    assert 60 < min(counts.values()) < max(counts.values()) < 145, "100 each, and four standard errors"


def test_labels_that_were_chosen_are_biased_and_those_that_were_drawn_are_not() -> None:
    """The mean of something that goes with the probability, over 250 nights, against that of all candidates."""
    rows = asked(200)
    worth = dict(rows.select("prediction_id", "probability").iter_rows())
    estimates, chosen = [], []
    for n in range(250):
        found = queue(rows, night=NIGHT + timedelta(days=n)).queued
        drawn = [one for one in found if one.reason == "random"]
        estimates.append(sum(worth[one.prediction_id] / one.propensity for one in drawn) / 200)
        chosen.append(np.mean([worth[one.prediction_id] for one in found]))
    error = np.std(estimates) / 250**0.5
    assert abs(np.mean(estimates) - np.mean(list(worth.values()))) < 4 * error
    assert abs(np.mean(chosen) - np.mean(list(worth.values()))) > 10 * error


def test_the_reason_is_the_one_that_the_table_looks_for() -> None:
    assert labelling.RANDOM == table.RANDOM

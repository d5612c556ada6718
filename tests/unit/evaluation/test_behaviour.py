"""Tests of behaviour on toy models: each kind is failed by a model that breaks just this, and passed by one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.behaviour import (
    Behaviour,
    BehaviourKind,
    BehaviourLimit,
    BehaviourResult,
    BehaviourRules,
    Changed,
    Expectation,
    Hostile,
    Rare,
    Rebuilt,
)
from tasks.artifacts.settings import NetworkConfig
from tasks.errors import EvaluationError
from tasks.evaluation import behaviour
from tasks.model.network import Network, fit_bins
from tasks.model.preprocessing import fit
from tasks.model.trained import NetworkModel, Predictor, Probabilities

pytestmark = pytest.mark.unit

ROWS, DAYS = 900, 9
NAMED = Rebuilt(name="renamed", kind=BehaviourKind.INVARIANCE, meaning="the same within {tolerance}")
UPSTREAM = Changed(
    name="more delay",
    kind=BehaviourKind.DIRECTION,
    meaning="never lower by {tolerance}",
    add={"delay": 30, "late": 0.5},
    at_most={"late": 1},
)
BLIND = Changed(name="no weather", kind=BehaviourKind.ROBUSTNESS, meaning="moves by at most {tolerance}", missing=["wind"])
UNSEEN = Changed(name="unseen", kind=BehaviourKind.ROBUSTNESS, meaning="moves by at most {tolerance}", values={"kind": "other"})
NOISE = Changed(
    name="noise", kind=BehaviourKind.ROBUSTNESS, meaning="moves by at most {tolerance}", noisy=["delay", "humid", "still"], noise=0.1
)
STORMS = Rare(name="storms", kind=BehaviourKind.MINIMUM, meaning="no worse than a guess by {tolerance}", extreme=["gust"], quantile=0.9)
OF_ANY_MODEL: list[Expectation] = [NAMED, UPSTREAM, BLIND, UNSEEN, NOISE, STORMS]
STEP = Hostile(name="hostile", kind=BehaviourKind.ROBUSTNESS, meaning="turns no decision", step=0.05)
RULES = BehaviourRules(
    rows=600,
    seed=1,
    limits={
        STEP.name: BehaviourLimit(tolerance=0, least_share=0.95),
        **{test.name: BehaviourLimit(tolerance=0.05, least_share=0.95) for test in OF_ANY_MODEL},
    },
)


def rows(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    delay, wind = generator.normal(10, 5, ROWS), generator.gamma(4.0, 3.0, ROWS)
    storm = wind > np.quantile(wind, 0.9)
    label = generator.random(ROWS) < np.where(storm, 0.6, 0.1 + 0.01 * np.clip(delay, 0, 20))
    return pl.DataFrame(
        {
            "id": [f"row-{i}" for i in range(ROWS)],
            "number": generator.integers(1, 99, ROWS),
            "batch_day": [date(2013, 9, 2) + timedelta(days=i * DAYS // ROWS) for i in range(ROWS)],
            "delay": delay,
            "late": generator.random(ROWS),
            "wind": [None if i % 7 == 0 else float(w) for i, w in enumerate(wind)],
            "gust": wind,
            "humid": generator.normal(60, 10, ROWS),
            "still": np.full(ROWS, 4.0),
            "kind": [f"k{k}" for k in generator.integers(0, 3, ROWS)],
            "label": label.astype(np.int8),
        }
    )


FRAME = rows()
TWINS = {NAMED.name: FRAME.filter(pl.col("batch_day") >= date(2013, 9, 9)).with_columns(number=100 - pl.col("number"))}
CALM = {"delay": pl.col("delay").clip(0, 20) * 0.003, "storm": pl.when(pl.col("wind") > 18).then(0.04).otherwise(0.0)}


class Sound:
    """A model without a fault: rises with delay, a little with wind, and looks at nothing else."""

    def parts(self) -> Mapping[str, pl.Expr]:
        return CALM

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        total = pl.sum_horizontal(pl.lit(0.22), *(part.alias(name) for name, part in self.parts().items()))
        return frame.select(total.cast(pl.Float64)).to_series().to_numpy()


class Faulty(Sound):
    """The same with one fault."""

    def __init__(self, **faults: pl.Expr) -> None:
        self.faults = faults

    def parts(self) -> Mapping[str, pl.Expr]:
        return {**CALM, **self.faults}


def examine(
    model: Predictor, tests: list[Expectation] | None = None, rules: BehaviourRules = RULES, frame: pl.DataFrame = FRAME
) -> Behaviour:
    return behaviour.examine(frame, model, 0.25, OF_ANY_MODEL if tests is None else tests, rules, "digest", "id", TWINS)


def of(found: Behaviour, test: Expectation) -> BehaviourResult:
    return next(result for result in found.results if result.name == test.name)


def test_a_sound_model_passes_every_test() -> None:
    found = examine(Sound())
    assert [result.name for result in found.results] == [test.name for test in OF_ANY_MODEL]
    assert found.broken == []
    assert of(found, NAMED).share == 1
    assert (of(found, NAMED).largest, of(found, NAMED).example) == (0.0, "")


@pytest.mark.parametrize(
    ("model", "broken"),
    [
        (Faulty(number=pl.col("number") * 0.001), NAMED),  # learned the number by heart
        (Faulty(delay=-0.002 * pl.col("delay").clip(0, 60)), UPSTREAM),  # falls with delay
        (Faulty(blind=pl.when(pl.col("wind").is_null()).then(0.12).otherwise(0.0)), BLIND),  # takes a missing reading for a storm
        (Faulty(blind=pl.when(pl.col("wind").is_null()).then(float("nan")).otherwise(0.0)), BLIND),  # gives no number at all
        (Faulty(blind=pl.when(pl.col("wind").is_null()).then(2.0).otherwise(0.0)), BLIND),  # gives no probability
        (Faulty(unseen=pl.when(pl.col("kind") == "other").then(0.4).otherwise(0.0)), UNSEEN),  # a new airport is always late
        (Faulty(noise=0.08 * (pl.col("humid") * 1_000).sin()), NOISE),  # jumps between neighbours
        (Faulty(lulled=pl.when(pl.col("gust") > 18).then(-0.215).otherwise(0.0)), STORMS),  # sure of itself in storms, and wrong
    ],
)
def test_a_model_that_breaks_one_thing_fails_just_that_test(model: Predictor, broken: Expectation) -> None:
    found = examine(model)
    predicted = model.predict(FRAME)
    if np.isfinite(predicted).all() and predicted.max() <= 1:
        assert [result.name for result in found.broken] == [broken.name]
    else:  # what gives no probability for some rows as they are fails every test of these rows
        assert of(found, broken).passed == 0
    assert of(found, broken).example


def test_every_row_of_the_days_made_again_is_compared() -> None:
    found = of(examine(Sound()), NAMED)
    assert found.rows == TWINS[NAMED.name].height == 200  # and not the sample
    fewer = {NAMED.name: TWINS[NAMED.name].slice(3)}
    lost = behaviour.examine(FRAME, Sound(), 0.25, [NAMED], RULES, "digest", "id", fewer).results[0]
    assert (lost.rows, lost.passed) == (200, 197)  # a row that is not made again fails
    assert lost.example == f"{TWINS[NAMED.name]['id'][0]}: {Sound().predict(TWINS[NAMED.name])[0]:.3f} became -1.000"


def test_a_null_stays_one_and_a_share_stays_one() -> None:
    """Changed rows are such as could be: no share above 1, nothing added to what is not there."""
    seen: list[pl.DataFrame] = []

    class Watching(Sound):
        def predict(self, frame: pl.DataFrame) -> Probabilities:
            seen.append(frame)
            return super().predict(frame)

    shift = UPSTREAM.model_copy(update={"add": {"late": 0.5, "wind": 3.0}})
    examine(Watching(), [shift])
    before, after = seen[0], seen[1]
    assert after["wind"].is_null().to_list() == before["wind"].is_null().to_list()
    assert after["late"].max() == 1
    np.testing.assert_allclose((after["wind"] - before["wind"]).drop_nulls(), 3.0)
    assert after.schema == before.schema


def test_noise_is_as_large_as_declared_and_the_same_again() -> None:
    seen: list[pl.DataFrame] = []

    class Watching(Sound):
        def predict(self, frame: pl.DataFrame) -> Probabilities:
            seen.append(frame)
            return super().predict(frame)

    assert examine(Watching(), [NOISE]) == examine(Watching(), [NOISE])
    moved = (seen[1]["humid"] - seen[0]["humid"]).to_numpy()
    assert moved.std() / seen[0]["humid"].to_numpy().std() == pytest.approx(0.1, rel=0.15)
    assert seen[1]["still"].to_list() == seen[0]["still"].to_list()  # without spread there is nothing to scale it by


def test_the_share_that_passes_is_held_against_the_limit() -> None:
    model = Faulty(unseen=pl.when((pl.col("kind") == "other") & (pl.col("humid") > 60)).then(0.4).otherwise(0.0))
    share = of(examine(model), UNSEEN).share
    assert 0.3 < share < 0.7
    for least, holds in ((share, True), (share + 0.01, False), (None, False)):
        limit = {UNSEEN.name: BehaviourLimit(tolerance=0.05, least_share=least)}
        assert of(examine(model, [UNSEEN], RULES.model_copy(update={"limits": limit})), UNSEEN).holds is holds
    assert of(examine(model, [UNSEEN], RULES.model_copy(update={"limits": {}})), UNSEEN).holds is False, "no limit, no pass"


def test_the_meaning_tells_the_tolerance() -> None:
    assert of(examine(Sound()), UNSEEN).meaning == "moves by at most 0.05"


def test_storms_are_judged_day_by_day() -> None:
    """A model that knows storms on all days but one fails the rows of that day."""
    worst = date(2013, 9, 4)
    lost = pl.when((pl.col("gust") > 18) & (pl.col("batch_day") == worst)).then(-0.215).otherwise(0.0)
    found = of(examine(Faulty(lulled=lost)), STORMS)
    beyond = FRAME.filter(pl.col("gust") > FRAME["gust"].quantile(0.9))
    assert found.rows == beyond.height
    assert found.rows - found.passed == beyond.filter(pl.col("batch_day") == worst).height
    assert found.example.startswith("2013-09-04: log-loss ")


# --- a step against the label -----------------------------------------------------------------------------------------


def network(steepness: float) -> NetworkModel:
    """An untrained network whose last weights are scaled: flat or steep around a probability of a half."""
    encoding = fit(FRAME, ["delay", "late", "wind", "humid"], ["kind"])
    config = NetworkConfig(k=1, width=16, blocks=1, embedding_width=4, bins=8)  # members that disagree would meet at a half
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = Network(config, fit_bins(torch.from_numpy(encoding.encode(FRAME)[0]), config.bins), encoding.cardinalities).eval()
    with torch.no_grad():
        made.output.weight.mul_(steepness)
        made.output.bias.fill_(0.5)
    return NetworkModel(made, encoding, config, [])


@pytest.mark.parametrize(
    ("steepness", "quantile", "holds"),
    [
        (0.01, 0.0, True),  # flat, and sure of every row: all are above the threshold
        (1.0, 0.5, False),  # a threshold amid its rows: a step of half a deviation turns many
    ],
)
def test_a_model_that_is_turned_by_the_step_fails(steepness: float, quantile: float, holds: bool) -> None:
    model = network(steepness)
    threshold = float(np.quantile(model.predict(FRAME), quantile)) - (0.05 if holds else 0)
    found = behaviour.examine(FRAME, model, threshold, [STEP.model_copy(update={"step": 0.5})], RULES, "digest", "id").results[0]
    assert found.holds is holds
    assert bool(found.example) is not holds


def test_the_step_raises_the_loss_and_stays_within_the_training_range() -> None:
    model, seen = network(1.0), []
    original = model.predict_encoded

    def watch(numbers: np.ndarray, codes: np.ndarray) -> Probabilities:
        seen.append(numbers)
        return original(numbers, codes)

    model.predict_encoded = watch  # type: ignore[method-assign]
    behaviour.examine(FRAME, model, 0.5, [STEP], RULES, "digest", "id")
    sample = behaviour.thin(FRAME, RULES.rows, RULES.seed)
    before, after = seen[0], seen[1]
    moved = np.abs(after - before)
    assert moved.max() == pytest.approx(STEP.step, abs=1e-6)
    indicators, nulls = moved[:, 4:], moved[sample["wind"].is_null().to_numpy(), 2]
    assert indicators.max() == nulls.max() == 0, "what is missing stays missing"
    labels, codes = sample["label"].to_numpy(), model.preprocessing.encode(sample)[1]
    risen = behaviour.row_log_loss(labels, original(after, codes)) - behaviour.row_log_loss(labels, original(before, codes))
    assert (risen >= -1e-6).mean() > 0.97  # a bin's edge may lie within the step
    for i, column in enumerate(model.preprocessing.numeric):
        assert after[:, i].max() <= (column.upper - column.mean) / column.scale + 1e-6
        assert after[:, i].min() >= (column.lower - column.mean) / column.scale - 1e-6


def test_a_turn_by_less_than_the_tolerance_passes() -> None:
    model = network(1.0)
    on_the_edge = float(np.median(model.predict(FRAME)))
    shares = []
    for tolerance in (0.0, 1.0):
        rules = RULES.model_copy(update={"limits": {STEP.name: BehaviourLimit(tolerance=tolerance, least_share=1.0)}})
        shares.append(behaviour.examine(FRAME, model, on_the_edge, [STEP], rules, "digest", "id").results[0].share)
    assert shares[0] < shares[1] == 1


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "tests", "told"),
    [
        (FRAME.drop("wind", "kind"), OF_ANY_MODEL, "no column wind, kind"),  # all absent features at once
        (FRAME.drop("id"), [UNSEEN], "no column id"),
        (FRAME.clear(), [UNSEEN], "no row"),
        (FRAME, [STEP], "a Sound, which has no gradient, for 'hostile'"),
        (FRAME, [NAMED.model_copy(update={"name": "other"})], "no rows made again for 'other'"),
        (FRAME.filter(pl.col("batch_day") < date(2013, 9, 5)), [NAMED], "other days"),  # made again for days that are not judged
        (FRAME.with_columns(gust=pl.lit(3.0)), [STORMS], "none of 900 rows beyond the 90% quantile of gust"),
        (FRAME, [Expectation(name="wish", kind=BehaviourKind.MINIMUM, meaning="good")], "got Expectation"),
    ],
)
def test_what_cannot_be_examined_is_told(frame: pl.DataFrame, tests: list[Expectation], told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        examine(Sound(), tests, frame=frame)


@given(seed=st.integers(0, 10_000), by=st.floats(-1e6, 1e6), noise=st.floats(0, 1e3))
def test_what_looks_at_nothing_is_moved_by_nothing(seed: int, by: float, noise: float) -> None:
    """Whatever is done to whichever rows, a model of one value passes without any tolerance."""

    class Flat:
        def predict(self, frame: pl.DataFrame) -> Probabilities:
            return np.full(frame.height, 0.3)

    tests = [
        UPSTREAM.model_copy(update={"add": {"delay": by, "wind": by}, "at_most": {}}),
        NOISE.model_copy(update={"noise": noise, "noisy": ["delay", "wind"]}),
        BLIND.model_copy(update={"missing": ["wind", "kind", "delay"]}),
    ]
    strict = RULES.model_copy(update={"limits": {test.name: BehaviourLimit(tolerance=0, least_share=1) for test in tests}})
    found = behaviour.examine(rows(seed), Flat(), 0.5, tests, strict, "digest", "id")
    assert found.broken == []


def test_the_record_in_a_line() -> None:
    found = examine(Faulty(unseen=pl.when(pl.col("kind") == "other").then(0.4).otherwise(0.0)))
    assert str(found) == repr(found) == "5 of 6 tests of behaviour hold; not unseen (0.0%)"
    assert str(examine(Sound())) == "6 of 6 tests of behaviour hold"
    assert Behaviour.model_validate_json(found.model_dump_json()) == found

"""Explanations of toy networks: what a feature did adds up, and what the labels follow comes first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tasks.artifacts.explanation import Contribution, GlobalExplanation, LocalExplanation
from tasks.artifacts.settings import NetworkConfig
from tasks.errors import EvaluationError
from tasks.evaluation import explanation, importance
from tasks.evaluation.explanation import Typical
from tasks.model.network import Network, fit_bins
from tasks.model.preprocessing import fit
from tasks.model.trained import BlendModel, NetworkModel, Probabilities
from tasks.usecase import policy

pytestmark = pytest.mark.unit

ROWS, DAYS = 1_200, 12
NUMERIC, CATEGORICAL = ["signal", "noise", "gaps"], ["kind"]
GROUPS = {"numbers": [*NUMERIC, "constant"], "kinds": CATEGORICAL}
MEANINGS = {"signal": "What the label follows, units", "kind": "The kind"}
CONFIG = NetworkConfig(k=3, width=24, blocks=1, embedding_width=4, bins=8)


def rows(count: int = ROWS, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    signal, kind = generator.normal(size=count), generator.integers(0, 3, count)
    label = generator.random(count) < 1 / (1 + np.exp(-(2 * signal + 1.5 * (kind == 2) - 1)))
    return pl.DataFrame(
        {
            "id": [f"2013-09-{2 + i * DAYS // count:02}-K{k}-{i}" for i, k in enumerate(kind)],
            "batch_day": [date(2013, 9, 2) + timedelta(days=i * DAYS // count) for i in range(count)],
            "predicted_at": [datetime(2013, 9, 2, tzinfo=UTC) + timedelta(minutes=i) for i in range(count)],
            "signal": signal.astype(np.float32),
            "noise": generator.normal(size=count).astype(np.float32),
            "gaps": [None if i % 5 == 0 else float(v) for i, v in enumerate(generator.normal(size=count))],
            "constant": np.full(count, 2.0),
            "kind": [f"k{k}" for k in kind],
            "label": label.astype(np.int8),
        }
    )


FRAME = rows()
ENCODING = fit(FRAME, [*NUMERIC, "constant"], CATEGORICAL)


@pytest.fixture(scope="module")
def model() -> NetworkModel:
    """A network trained for a moment, at a temperature."""
    numbers, codes = (torch.from_numpy(part) for part in ENCODING.encode(FRAME))
    labels = torch.from_numpy(FRAME["label"].to_numpy().astype(np.float32))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Network(CONFIG, fit_bins(numbers, CONFIG.bins), ENCODING.cardinalities)
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.02)
        for _ in range(60):
            optimiser.zero_grad()
            members = network(numbers, codes)
            torch.nn.functional.binary_cross_entropy_with_logits(members, labels[:, None].expand_as(members)).backward()
            optimiser.step()
    network.temperature.fill_(1.3)
    return NetworkModel(network.eval(), ENCODING, CONFIG, [])


class Trees:
    """What stands in a blend beside the network: a probability by the first number."""

    def predict_encoded(self, numbers: Any, codes: Any) -> Probabilities:
        return 1 / (1 + np.exp(-numbers[:, 0].astype(np.float64)))


@pytest.fixture(scope="module")
def start() -> Typical:
    return explanation.typical(ENCODING, FRAME)


@pytest.fixture(scope="module")
def found(model: NetworkModel) -> GlobalExplanation:
    return explanation.explain(FRAME, model, MEANINGS, GROUPS, policy.DATA_VALUE, "toy", "digest")


def logit(probability: Any) -> Any:
    return np.log(probability) - np.log1p(-probability)


# --- of a model -------------------------------------------------------------------------------------------------------


def test_both_methods_find_what_the_labels_follow(found: GlobalExplanation) -> None:
    by_name = {effect.feature: effect for effect in found.features}
    assert [effect.feature for effect in found.features][:2] == ["signal", "kind"]
    for useless in ("noise", "gaps"):
        assert by_name["signal"].attribution.lower > by_name[useless].attribution.upper
        assert by_name["signal"].permutation.lower > by_name[useless].permutation.upper
    assert by_name["constant"].attribution.model_dump() == {"value": 0, "lower": 0, "upper": 0}, "no input of the network"
    assert found.rank_correlation > 0.5


def test_it_tells_meanings_groups_and_days(found: GlobalExplanation) -> None:
    signal, kind = found.features[:2]
    assert (signal.meaning, signal.group, kind.group) == ("What the label follows, units", "numbers", "kinds")
    assert next(e for e in found.features if e.feature == "noise").meaning == "noise"  # without a meaning its name
    assert (found.days, found.window.first_day, found.window.last_day) == (DAYS, date(2013, 9, 2), date(2013, 9, 13))
    assert found.rows <= explanation._ROWS_PERMUTED
    assert GlobalExplanation.model_validate_json(found.model_dump_json()) == found


def test_what_is_measured_already_is_not_measured_again(model: NetworkModel, found: GlobalExplanation, monkeypatch: Any) -> None:
    value = importance.measure(FRAME, model, GROUPS, policy.DATA_VALUE, "toy", "digest")
    monkeypatch.setattr(importance, "measure", None)
    again = explanation.explain(FRAME, model, MEANINGS, GROUPS, policy.DATA_VALUE, "toy", "digest", value)
    assert [e.permutation for e in again.features] == [f.increase_log_loss for f in value.features]
    sizes = {e.feature: e.attribution for e in found.features}
    assert {e.feature: e.attribution for e in again.features} == sizes
    assert again.rows == value.rows > found.rows


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (FRAME.drop("gaps", "kind"), "no column gaps, kind"),  # all at once
        (FRAME.clear(), "no row"),
    ],
)
def test_rows_without_the_features_are_refused(frame: pl.DataFrame, told: str, model: NetworkModel) -> None:
    with pytest.raises(EvaluationError, match=told):
        explanation.explain(frame, model, MEANINGS, GROUPS, policy.DATA_VALUE, "toy", "digest")


@given(st.lists(st.tuples(st.integers(-4, 4), st.floats(-1e3, 1e3)), min_size=3, max_size=40))
def test_the_rank_correlation_is_spearmans(pairs: list[tuple[int, float]]) -> None:
    left, right = [float(a) for a, _ in pairs], [b for _, b in pairs]
    found = explanation.rank_correlation(left, right)
    if len(set(left)) == 1 or len(set(right)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(spearmanr(left, right).statistic, abs=1e-9)


# --- the way from the typical row -------------------------------------------------------------------------------------


def test_the_typical_row_has_medians_and_the_most_frequent_kinds(start: Typical) -> None:
    row = start.frame.row(0, named=True)
    assert row["signal"] == pytest.approx(FRAME["signal"].median())
    assert row["kind"] == FRAME["kind"].mode().sort()[0]
    indicators = start.numbers[0, len(ENCODING.numeric) :]
    assert indicators.tolist() == [0.0], "nothing is missing"
    tied = pl.DataFrame({"kind": ["b", "a", "a", "b", "c", None, None, None]})
    assert explanation.typical(ENCODING.model_copy(update={"numeric": []}), tied).frame.to_dicts() == [{"kind": "a"}]


def test_the_explained_logit_is_that_of_the_network(model: NetworkModel) -> None:
    """The forward pass here is written for embedded inputs: it must be the one that predicts."""
    numbers, codes = ENCODING.encode(FRAME)
    with torch.no_grad():
        mine = explanation._Logit(model.network)(*explanation._embedded(model.network, numbers, codes)).numpy()
    np.testing.assert_allclose(mine, logit(model.predict(FRAME)), atol=2e-5)


@given(
    signal=st.none() | st.floats(-50, 50, width=32),
    noise=st.none() | st.floats(-5, 5, width=32),
    gaps=st.none() | st.floats(-5, 5),
    kind=st.sampled_from(["k0", "k1", "k2", "never seen"]),
)
def test_contributions_add_up_to_the_difference(
    signal: float | None, noise: float | None, gaps: float | None, kind: str, model: NetworkModel, start: Typical
) -> None:
    row = FRAME.head(1).with_columns(
        signal=pl.lit(signal, pl.Float32), noise=pl.lit(noise, pl.Float32), gaps=pl.lit(gaps, pl.Float64), kind=pl.lit(kind)
    )
    found = explanation.explain_row(row, model, start, MEANINGS, 0.4, "id", "toy 1", "digest")
    difference = logit(found.probability) - logit(found.typical_probability)
    assert sum(c.logits for c in found.contributions) + found.remainder == pytest.approx(difference, abs=1e-9)
    assert abs(found.remainder) < 0.02  # the error of the steps, and that of a probability in float32
    assert {c.feature for c in found.contributions} == {*NUMERIC, "kind"}
    assert found.flagged is (found.probability >= 0.4)


def test_the_typical_row_has_nothing_to_explain(model: NetworkModel, start: Typical) -> None:
    row = FRAME.head(1).drop(start.frame.columns).hstack(start.frame)
    found = explanation.explain_row(row, model, start, MEANINGS, 0.4, "id", "toy 1", "digest")
    assert [c.logits for c in found.contributions] == [0.0] * 4
    assert (found.remainder, found.words, found.probability) == (0.0, [], found.typical_probability)


def test_the_indicator_of_a_null_counts_to_its_feature(model: NetworkModel, start: Typical) -> None:
    row = FRAME.head(1).drop(start.frame.columns).hstack(start.frame.with_columns(gaps=pl.lit(None, pl.Float64)))
    found = explanation.explain_row(row, model, start, MEANINGS, 0.4, "id", "toy 1", "digest")
    assert {c.feature for c in found.contributions if c.logits != 0} == {"gaps"}
    assert found.contributions[0].value == "missing"


def test_a_row_takes_the_same_way_alone_and_among_others(model: NetworkModel, start: Typical) -> None:
    numbers, codes = ENCODING.encode(FRAME.head(40))
    together = explanation.attributions(model, numbers, codes, start, 32)
    alone = explanation.attributions(model, numbers[17:18], codes[17:18], start, 32)
    np.testing.assert_allclose(together[17], alone[0], atol=1e-5)


def test_of_a_blend_the_remainder_is_what_the_trees_add(model: NetworkModel, start: Typical) -> None:
    blend = BlendModel(model, Trees(), 0.4)  # type: ignore[arg-type]  # only this much of the trees is called
    row = FRAME.filter(pl.col("signal") > 1.5).head(1)
    found, network = (explanation.explain_row(row, each, start, MEANINGS, 0.4, "id", "toy 1", "d") for each in (blend, model))
    assert found.probability == pytest.approx(float(blend.predict(row)[0])) != pytest.approx(network.probability)
    assert [c.logits for c in found.contributions] == [c.logits for c in network.contributions]
    trees = logit(found.probability) - logit(network.probability) - (logit(found.typical_probability) - logit(network.typical_probability))
    assert found.remainder == pytest.approx(network.remainder + trees, abs=1e-9)


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_reasons_tell_meaning_value_and_direction(model: NetworkModel, start: Typical) -> None:
    row = FRAME.head(1).with_columns(signal=pl.lit(2.5, pl.Float32), kind=pl.lit("k0"))
    found = explanation.explain_row(row, model, start, MEANINGS, 0.4, "id", "toy 1", "digest")
    assert found.words[0] == f"What the label follows, units: 2.5 (typically {FRAME['signal'].median():.2f}) raises the risk"
    assert [abs(c.logits) for c in found.contributions] == sorted((abs(c.logits) for c in found.contributions), reverse=True)
    assert str(found) == repr(found)
    assert "flagged (threshold 40.0%)" in str(found)
    assert LocalExplanation.model_validate_json(found.model_dump_json()) == found


def test_masked_values_are_not_told(model: NetworkModel, start: Typical) -> None:
    row = FRAME.head(1).with_columns(signal=pl.lit(2.5, pl.Float32), label=pl.lit(None, pl.Int8))
    found = explanation.explain_row(row, model, start, MEANINGS, 0.4, "id", "toy 1", "digest", masked=["signal"])
    assert found.words[0] == "What the label follows, units: masked raises the risk"
    assert next(c for c in found.contributions if c.feature == "signal").typical == "masked"
    assert found.label is None  # not known yet


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "missing"),
        (float("nan"), "missing"),
        (62.04, "62"),  # as much as helps
        (-11.1499, "-11.1"),
        (0.1649, "0.16"),
        (-0.001, "0"),  # and no -0
        (1_440.0, "1440"),
        ("EV", "EV"),
    ],
)
def test_values_are_short(value: Any, shown: str) -> None:
    assert explanation._shown(value) == shown


def test_a_value_that_rounds_to_the_typical_one_is_not_compared() -> None:
    alike = Contribution(feature="f", meaning="Wind", value="4.1", typical="4.1", logits=-0.3)
    assert explanation.reason(alike) == "Wind: 4.1 lowers the risk"

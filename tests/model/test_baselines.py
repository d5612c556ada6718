"""The baselines learn, are the same every time, and LightGBM takes the number of rounds that its folds like best."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from tasks.artifacts.settings import BaselineConfig
from tasks.model.loss import log_loss
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = BaselineConfig(lightgbm_rounds=120, lightgbm_leaves=4, lightgbm_learning_rate=0.2, threads=1)
TRAIN, TEST = toy.rows(), toy.rows(600, seed=1)
ENCODING = toy.fitted(TRAIN)
ROWS, HELD_OUT = Encoded.of(TRAIN, ENCODING), Encoded.of(TEST, ENCODING)
FOLDS = [(ROWS, HELD_OUT), (HELD_OUT, ROWS)]


def test_logistic_regression_equals_that_of_scikit_learn() -> None:
    model = baselines.fit_logistic(ROWS, ENCODING, CONFIG)
    one_hot = np.eye(ENCODING.cardinalities[0])[ROWS.codes[:, 0]]
    peer = LogisticRegression(C=CONFIG.logistic_c, max_iter=500, tol=1e-10).fit(  # another way to the same optimum
        scipy.sparse.csr_matrix(np.hstack([ROWS.numbers, one_hot])), ROWS.labels
    )
    held_out = np.hstack([HELD_OUT.numbers, np.eye(ENCODING.cardinalities[0])[HELD_OUT.codes[:, 0]]])
    np.testing.assert_allclose(model.predict(TEST), peer.predict_proba(held_out)[:, 1], atol=1e-6)
    assert roc_auc_score(HELD_OUT.labels, model.predict(TEST)) > 0.8


def test_logistic_regression_answers_for_unknown_values_and_nulls() -> None:
    model = baselines.fit_logistic(ROWS, ENCODING, CONFIG)
    strange = TEST.head(2).with_columns(kind=pl.Series(["never seen", None]), signal=pl.Series([None, float("inf")], dtype=pl.Float64))
    assert ((model.predict(strange) > 0) & (model.predict(strange) < 1)).all()


def test_lightgbm_learns_and_gives_out_of_time_probabilities() -> None:
    model, predicted = baselines.fit_lightgbm(ROWS, ENCODING, CONFIG, FOLDS)
    assert roc_auc_score(HELD_OUT.labels, model.predict(TEST)) > 0.8
    assert [len(p) for p in predicted] == [600, 1200]
    assert roc_auc_score(HELD_OUT.labels, predicted[0]) > 0.8


def test_lightgbm_takes_the_rounds_that_are_best_on_the_folds_together() -> None:
    model, predicted = baselines.fit_lightgbm(ROWS, ENCODING, CONFIG, FOLDS)
    chosen = model.booster.num_trees()
    assert chosen in (50, 100, 120)
    boosters = [baselines.boost(train, CONFIG, CONFIG.lightgbm_rounds) for train, _ in FOLDS]

    def loss(rounds: int) -> float:
        found = [
            b.predict(np.hstack([test.numbers, test.codes]), num_iteration=rounds) for b, (_, test) in zip(boosters, FOLDS, strict=True)
        ]
        return float(np.mean([sklearn_log_loss(test.labels, p) for p, (_, test) in zip(found, FOLDS, strict=True)]))

    assert min((50, 100, 120), key=loss) == chosen
    mean = np.mean([log_loss(test.labels, p) for p, (_, test) in zip(predicted, FOLDS, strict=True)])
    assert mean == pytest.approx(loss(chosen), abs=1e-6)


@pytest.mark.parametrize("rounds", [1, 50, 51])  # fewer than a step, a step, just more than one
def test_no_more_rounds_than_asked_for(rounds: int) -> None:
    config = CONFIG.model_copy(update={"lightgbm_rounds": rounds})
    assert baselines.fit_lightgbm(ROWS, ENCODING, config, FOLDS)[0].booster.num_trees() <= rounds


def test_the_same_inputs_give_the_same_models() -> None:
    once, again = (baselines.fit_lightgbm(ROWS, ENCODING, CONFIG, FOLDS[:1]) for _ in range(2))
    assert once[0].booster.model_to_string() == again[0].booster.model_to_string()
    np.testing.assert_array_equal(once[1][0], again[1][0])
    first, second = (baselines.fit_logistic(ROWS, ENCODING, CONFIG) for _ in range(2))
    assert (first.intercept, first.numeric, first.categorical) == (second.intercept, second.numeric, second.categorical)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_log_loss_is_that_of_scikit_learn_and_bounded(certain: float) -> None:
    generator = np.random.default_rng(1)
    labels, p = generator.integers(0, 2, 100), generator.random(100)
    assert log_loss(labels, p) == pytest.approx(sklearn_log_loss(labels, p))
    assert log_loss([1 - certain], [certain]) == pytest.approx(-np.log(1e-7), rel=1e-3)


@pytest.mark.parametrize(("count", "most"), [(10, 1), (10, 3), (10, 9), (10, 10), (1_000, 333), (999_983, 65_536)])
def test_an_even_sample_has_as_many_rows_as_asked_for_at_even_distances(count: int, most: int) -> None:
    taken = baselines.evenly(pl.LazyFrame({"n": range(count)}), count, most).collect().get_column("n").to_numpy()
    assert len(taken) == most
    assert set(np.diff(taken)) <= {count // most, -(-count // most)}

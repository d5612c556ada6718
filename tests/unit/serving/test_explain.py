"""Explanations from the package alone: they add up, ignore what the model ignores, and are exact where the model is additive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.serving import explain
from tasks.serving.predictor import Predictor
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

NAMES = [*toy.NUMERIC, *toy.CATEGORICAL]


def explained(folder: Path, weight: float = 0.5, **row: object) -> tuple[float, float, dict[str, float]]:
    toy.package(folder / "package", weight=weight)
    predictor = Predictor(folder / "package")
    encoded = predictor.encode([toy.ROW | row])
    base, added = explain.contributions(predictor, encoded)
    return base, float(predictor.probabilities(encoded)[0]), dict(zip(NAMES, added.tolist(), strict=True))


def test_contributions_add_up_to_the_difference(tmp_path: Path) -> None:
    base, probability, added = explained(tmp_path, wind=30)
    assert base + sum(added.values()) == pytest.approx(probability, abs=1e-6)
    assert added["distance"] > 0.05
    assert added["wind"] > added["distance"], "30 mph are further from the typical 10 than 1,400 miles from 870"


def test_a_value_that_is_the_typical_one_adds_nothing(tmp_path: Path) -> None:
    _, _, added = explained(tmp_path, distance=870.0, wind=10, carrier="never seen", origin="never seen", dest="MCO")
    assert {name for name, value in added.items() if value != 0} == {"dest"}


def test_a_model_without_weights_is_explained_by_the_rest(tmp_path: Path) -> None:
    _, _, added = explained(tmp_path, weight=0.0)
    assert (added["distance"], added["wind"]) == (0.0, 0.0)
    assert added["origin"] == pytest.approx(added["dest"], rel=0.05), "both have code 2"


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = (explained(tmp_path, wind=20)[2] for _ in range(2))
    np.testing.assert_array_equal(list(first.values()), list(second.values()))

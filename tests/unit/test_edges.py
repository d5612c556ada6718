"""What a task edge hashes: what a model is, and not how long it took."""

from __future__ import annotations

import pytest

from tasks.artifacts.fairness import Grouping
from tasks.artifacts.training import VARIES, TrainedModel
from tasks.edges import _model_hash
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit

MODEL = factory.model("network")


@pytest.mark.parametrize("name", sorted(VARIES))
def test_a_training_that_took_longer_gives_the_same_model(name: str) -> None:
    other = MODEL.model_copy(update={name: 12_345.0})
    assert getattr(other, name) != getattr(MODEL, name)
    assert _model_hash(other) == _model_hash(MODEL)


@pytest.mark.parametrize("name", sorted(TrainedModel.model_fields.keys() - VARIES))
def test_whatever_else_differs_makes_another_model(name: str) -> None:
    values = {"grouping": Grouping(name="carrier", column="carrier")}
    other = values.get(name, 12_345) if getattr(MODEL, name) is None else None
    assert _model_hash(MODEL.model_copy(update={name: other})) != _model_hash(MODEL)


def test_a_record_from_before_speed_was_measured_is_read() -> None:
    old = MODEL.model_dump(exclude={"rows_per_second", "device_seconds", "peak_device_mb"})
    assert TrainedModel.model_validate(old) == MODEL

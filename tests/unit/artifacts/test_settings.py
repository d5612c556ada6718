"""Settings typed by hand: what is wrong is told by its place, with what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.search import Search
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.errors import ConfigError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"foldz": 1}, "foldz: no such setting; did you mean folds?"),
        ({"network": {"widht": 64}}, "network.widht: no such setting; did you mean width?"),
        ({"baselines": {"xyz": 1}}, "baselines.xyz: no such setting; there are lightgbm_rounds, lightgbm_learning_rate,"),
        ({"network": {"k": 0}}, "network.k = 0: input should be greater than or equal to 1"),
        ({"network": {"learning_rate": "fast"}}, "network.learning_rate = 'fast': input should be a valid number"),
        ({"folds": 1, "fold_days": 3, "network": {"dropout": 1}}, "network.dropout = 1: input should be less than 1; fold_days = 3: "),
        ({"rows_in_memory": 1_000}, "rows_in_memory = 1000: input should be greater than or equal to 65536"),
        ([], "config = []: input should be"),
    ],
)
def test_what_is_wrong_is_told(given: Any, found: str) -> None:
    for read, value in ((TrainingConfig.model_validate, given), (TrainingConfig.model_validate_json, json.dumps(given))):
        with pytest.raises(ConfigError, match="config must have known settings") as error:
            read(value)
        assert found.casefold() in error.value.found.casefold()
        assert "settings.py" in error.value.mend


def test_what_is_left_out_keeps_its_default() -> None:
    found = TrainingConfig.model_validate({"network": {"width": 64}})
    assert (found.network.width, found.network.k, found.folds) == (64, TrainingConfig().network.k, TrainingConfig().folds)


def test_the_networks_defaults_are_what_the_kept_search_found() -> None:
    (record,) = (Path(__file__).parents[3] / "docs" / "searches").glob("*.json")
    search = Search.model_validate_json(record.read_bytes())
    assert search.best is not None
    for tried in search.rules.space:
        assert getattr(NetworkConfig(), tried.setting) == pytest.approx(getattr(search.config.network, tried.setting), rel=5e-3), tried

"""Scoring: a champion that needs other features than there are is told by them, not by a traceback."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.artifacts.settings import NetworkConfig
from tasks.errors import BundleError
from tasks.model.preprocessing import Categorical, Numeric, Preprocessing
from tasks.model.trained import NetworkModel, require_features

pytestmark = pytest.mark.unit


def number(name: str) -> Numeric:
    return Numeric(name=name, lower=0, upper=1, fill=0, mean=0, scale=1, has_indicator=False)


READS = Preprocessing(numeric=[number("wind"), number("rain")], categorical=[Categorical(name="carrier", values=["AA"])])
MODEL = NetworkModel(None, READS, NetworkConfig(), [])
ROWS = pl.DataFrame({"wind": [1.0], "rain": [0.0], "carrier": ["AA"], "snow": [0.0]})


def test_rows_with_all_features_pass_and_more_do_no_harm() -> None:
    require_features(MODEL, ROWS.columns, "the champion")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (["rain"], "it needs rain, which they lack"),
        (["rain", "carrier"], "it needs rain, carrier, which they lack"),  # all at once
    ],
)
def test_a_champion_whose_features_are_gone_is_refused_by_name(lost: list[str], told: str) -> None:
    with pytest.raises(BundleError, match=f"the champion must read today's features; got {told}") as caught:
        require_features(MODEL, ROWS.drop(lost).columns, "the champion")
    assert "MODEL_NAME" in caught.value.mend

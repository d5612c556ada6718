"""Groups of sensitive attributes, and the threshold of each row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.fairness import Grouping
from tasks.errors import ConfigError
from tasks.model.groups import UNKNOWN, groups_of, named, require_servable, required, row_thresholds

pytestmark = pytest.mark.unit

CUT = Grouping(name="service", column="arrivals", cut=28, below="small", above="large")
VALUES = Grouping(name="maker", column="kind")
FRAME = pl.DataFrame({"arrivals": [27.999, 28.0, None, float("nan"), -1.0], "kind": ["a", None, "b", "a", "unknown"]})


@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        (CUT, ["small", "large", UNKNOWN, UNKNOWN, "small"]),  # the cut itself is above; what is not known is a group of its own
        (VALUES, ["a", UNKNOWN, "b", "a", "unknown"]),
    ],
)
def test_each_row_has_a_group(grouping: Grouping, expected: list[str]) -> None:
    assert groups_of(FRAME, grouping).to_list() == expected


@pytest.mark.parametrize("kind", [pl.Float32, pl.Float64, pl.Int64])  # as in training, as in serving, and a count
def test_a_cut_is_the_same_for_every_type_of_number(kind: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"arrivals": [27, 28, None]}, schema={"arrivals": kind})
    assert groups_of(frame, CUT).to_list() == ["small", "large", UNKNOWN]


def test_categories_are_grouped_by_their_text() -> None:
    frame = FRAME.with_columns(pl.col("kind").cast(pl.Categorical))
    assert groups_of(frame, VALUES).to_list() == groups_of(FRAME, VALUES).to_list()


def test_no_rows_have_no_groups() -> None:
    assert groups_of(FRAME.clear(), CUT).to_list() == []
    assert row_thresholds(FRAME.clear(), 0.3, VALUES, {"a": 0.1}).shape == (0,)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no column for service by arrivals"):
        groups_of(FRAME.drop("arrivals"), CUT)


def test_a_group_without_a_threshold_takes_that_of_all() -> None:
    found = row_thresholds(FRAME, 0.3, VALUES, {"a": 0.1, "c": 0.9})
    assert found.tolist() == [0.1, 0.3, 0.3, 0.1, 0.3]
    assert found.dtype == np.float64


@pytest.mark.parametrize(("grouping", "by_group"), [(None, {"a": 0.1}), (VALUES, {}), (VALUES, None), (None, None)])
def test_without_groups_all_rows_have_one_threshold(grouping: Grouping | None, by_group: dict[str, float] | None) -> None:
    assert row_thresholds(FRAME, 0.3, grouping, by_group).tolist() == [0.3] * 5


@given(
    values=st.lists(st.one_of(st.none(), st.floats(width=32))),
    by_group=st.dictionaries(st.sampled_from(["small", "large", UNKNOWN]), st.floats(0, 1)),
)
def test_a_threshold_is_that_of_the_rows_group(values: list[float | None], by_group: dict[str, float]) -> None:
    frame = pl.DataFrame({"arrivals": values}, schema={"arrivals": pl.Float32})
    expected = [by_group.get(group, 0.25) for group in groups_of(frame, CUT)]
    assert row_thresholds(frame, 0.25, CUT, by_group).tolist() == expected


def test_thresholds_by_group_need_a_column_that_requests_have() -> None:
    require_servable(None, [])
    require_servable(VALUES, ["kind", "size"])
    with pytest.raises(ConfigError, match=r"by a feature that the model reads.*got 'service', which is by arrivals"):
        require_servable(CUT, ["kind", "size"])


def test_attributes_are_found_by_name() -> None:
    assert named("", [CUT, VALUES]) is None
    assert named("maker", [CUT, VALUES]) == VALUES
    with pytest.raises(ConfigError, match=r"one of those declared: 'service', 'maker'; got 'servise'"):
        named("servise", [CUT, VALUES])
    with pytest.raises(ConfigError, match="'service', 'maker'; got ''"):
        required("", [CUT, VALUES])
    with pytest.raises(ConfigError, match="declared: none"):
        named("service", [])

"""Segments and sensitive attributes: one number decides what a small community is, and every attribute has its limits."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.contracts import columns
from tasks.model.groups import groups_of
from tasks.usecase import policy, segments
from tasks.usecase.features import Features

pytestmark = pytest.mark.unit

SERVICE, CARRIER = segments.SENSITIVE


def test_a_small_community_is_the_same_for_segments_and_for_groups() -> None:
    frame = pl.DataFrame({"arrivals_dest_28d_n": [0, 27, 28, 29, None]}, schema={"arrivals_dest_28d_n": pl.Float32})
    by_segment = frame.select(segments.SMALL_COMMUNITY.fill_null(False)).to_series().to_list()
    assert [group == SERVICE.below for group in groups_of(frame, SERVICE)] == by_segment


def test_every_attribute_is_by_a_feature_and_has_all_its_limits() -> None:
    features = {*columns(Features, "numeric"), *columns(Features, "categorical")}
    assert {grouping.column for grouping in segments.SENSITIVE} <= features, "the service knows nothing else of a row"
    assert set(policy.FAIRNESS.limits) == {grouping.name for grouping in segments.SENSITIVE}
    assert all(None not in limits.model_dump().values() for limits in policy.FAIRNESS.limits.values())
    for limits in policy.FAIRNESS.limits.values():
        assert limits.equal_opportunity is not None
        assert limits.equalized_odds is not None
        assert limits.equal_opportunity <= limits.equalized_odds, "the one is part of the other"

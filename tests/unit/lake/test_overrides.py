"""Overrides in the lake: each is kept, in order, beside those before it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tasks.artifacts.data import Override
from tasks.lake import overrides

pytestmark = pytest.mark.unit

FIRST = Override(
    rule="volume of flights", day=date(2013, 7, 4), by="Ada Example", reason="a holiday", at=datetime(2013, 7, 5, 8, 1, 2, 345, tzinfo=UTC)
)
SECOND = FIRST.model_copy(update={"day": None, "by": "Grace Example", "at": datetime(2013, 7, 6, tzinfo=UTC)})


def test_a_lake_without_overrides_has_none(tmp_path: Path) -> None:
    assert overrides.read(str(tmp_path)) == []


def test_overrides_are_kept(tmp_path: Path) -> None:
    overrides.add(str(tmp_path), SECOND)  # the first of a table has no day: its column is a date all the same
    overrides.add(str(tmp_path), FIRST)
    assert overrides.read(str(tmp_path)) == [FIRST, SECOND]

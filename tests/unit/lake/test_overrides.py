"""Overrides in the lake: each is kept, in order, beside those before it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.data import Override
from tasks.errors import StorageError
from tasks.lake import audit, overrides, tables

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


def test_each_override_is_in_the_audit_trail_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("the disk must have room", "none", "free some")

    overrides.add(str(tmp_path), FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "overwrite", full)
        with pytest.raises(StorageError):
            overrides.add(str(tmp_path), SECOND)
    told = audit.read(str(tmp_path))
    assert [(row.act, row.by, row.reason, row.at) for row in told] == [(Act.OVERRIDE, o.by, o.reason, o.at) for o in (FIRST, SECOND)]
    assert [row.subject for row in told] == ["volume of flights on 2013-07-04", "volume of flights on any day"]
    assert Override.model_validate_json(told[0].evidence) == FIRST
    assert overrides.read(str(tmp_path)) == [FIRST]

"""Proofs: each is kept once, in order, and of a kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from tasks.artifacts.readiness import Proof
from tasks.errors import LakeError
from tasks.lake import proofs

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 30, 12, 0, 0, 123, tzinfo=UTC)


def proof(hours: int, kind: str = proofs.REPRODUCTION) -> Proof:
    return Proof(kind=kind, subject="it's", holds=True, told="t", at=AT + timedelta(hours=hours), run="r", record="{}")


def test_a_lake_without_proofs_has_none(tmp_path: Path) -> None:
    assert proofs.read(str(tmp_path)) == []


def test_they_are_kept_once_and_in_order(tmp_path: Path) -> None:
    for kept in (proof(2), proof(0), proof(2), proof(1, proofs.SCORE)):
        proofs.add(str(tmp_path), kept)
    assert proofs.read(str(tmp_path)) == [proof(0), proof(1, proofs.SCORE), proof(2)]
    assert proofs.read(str(tmp_path), proofs.SCORE) == [proof(1, proofs.SCORE)]


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    write_deltalake(f"{tmp_path}/{proofs.PROOFS}", pl.DataFrame({"kind": ["a"]}).to_arrow())
    with pytest.raises(LakeError, match="must have its columns"):
        proofs.read(str(tmp_path))

"""Outcomes of checks that leave no record elsewhere, and past scores of readiness: one small table, one row a check.

Nothing rests on it but the ML Test Score, which looks for the newest row of a kind.
"""

from __future__ import annotations

import polars as pl

from tasks.artifacts.readiness import Proof
from tasks.lake import exclusive
from tasks.lake.exclusive import Change

PROOFS = "proofs"
REPRODUCTION = "reproduction"
SCORE = "ml test score"

_SCHEMA = pl.Schema(
    {
        "kind": pl.String(),
        "subject": pl.String(),
        "holds": pl.Boolean(),
        "told": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "run": pl.String(),
        "record": pl.String(),
    }
)


def add(lake: str, proof: Proof) -> None:
    """Record one more; the same outcome of the same run once.

    Raises:
        LakeError: If the table is damaged, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """

    def draft(stored: pl.LazyFrame) -> Change[None]:
        rows = pl.concat([stored.collect(), pl.DataFrame([proof.model_dump()], schema=_SCHEMA)]).unique(maintain_order=True)
        return Change(None, rows)

    exclusive.change(f"{lake}/{PROOFS}", _SCHEMA, draft)


def read(lake: str, kind: str | None = None) -> list[Proof]:
    """Return all proofs, or those of a kind, the oldest first; an empty list if there are none.

    Raises:
        LakeError: If the table is damaged.
    """
    rows = exclusive.rows(f"{lake}/{PROOFS}", _SCHEMA)
    wanted = rows if kind is None else rows.filter(pl.col("kind") == kind)
    return [Proof(**row) for row in wanted.sort("at").collect().iter_rows(named=True)]

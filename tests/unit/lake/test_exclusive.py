"""Exclusive changes: what follows from a look is written only if nothing came between."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tasks.errors import ConfigError, LakeError
from tasks.lake import exclusive, tables
from tasks.lake.exclusive import Change

pytestmark = pytest.mark.unit

SCHEMA = pl.Schema({"name": pl.String(), "count": pl.Int64()})


def row(name: str, count: int) -> pl.DataFrame:
    return pl.DataFrame({"name": [name], "count": [count]}, schema=SCHEMA)


def there(uri: str) -> list[tuple[str, int]]:
    return exclusive.rows(uri, SCHEMA).sort("name").collect().rows()


def test_no_table_has_no_rows_and_is_made_by_a_look(tmp_path: Path) -> None:
    uri = f"{tmp_path}/counts"
    assert there(uri) == []
    assert exclusive.change(uri, SCHEMA, lambda rows: Change(rows.collect().height)) == 0
    assert tables.exists(uri) and there(uri) == []


def test_rows_take_the_place_of_those_named(tmp_path: Path) -> None:
    uri = f"{tmp_path}/counts"
    for name in ("a", "b", "a"):
        exclusive.change(uri, SCHEMA, lambda rows, name=name: Change(None, row(name, rows.collect().height), f"name = '{name}'"))
    assert there(uri) == [("a", 2), ("b", 1)]
    exclusive.change(uri, SCHEMA, lambda rows: Change(None, row("c", 9)))
    assert there(uri) == [("c", 9)]


def test_another_writer_in_between_is_seen(tmp_path: Path) -> None:
    uri = f"{tmp_path}/counts"
    looks = []

    def draft(rows: pl.LazyFrame) -> Change[int]:
        looks.append(rows.collect().height)
        if len(looks) == 1:  # between this look and its write
            exclusive.change(uri, SCHEMA, lambda _: Change(None, row("other", 1), "name = 'other'"))
        return Change(looks[-1], row("mine", looks[-1]), "name = 'mine'")

    assert exclusive.change(uri, SCHEMA, draft) == 1
    assert looks == [0, 1]
    assert there(uri) == [("mine", 1), ("other", 1)]


def test_what_a_draft_raises_writes_nothing(tmp_path: Path) -> None:
    uri = f"{tmp_path}/counts"

    def refuse(_: pl.LazyFrame) -> Change[None]:
        raise ConfigError("x", "y", "z")

    with pytest.raises(ConfigError):
        exclusive.change(uri, SCHEMA, refuse)
    assert there(uri) == []


@pytest.mark.parametrize("kind", ["other columns", "not a folder", "a damaged log"])
def test_a_table_that_cannot_be_read_is_told(tmp_path: Path, kind: str) -> None:
    uri = f"{tmp_path}/counts"
    if kind == "other columns":
        tables.overwrite(uri, pl.DataFrame({"name": ["a"]}))
    elif kind == "not a folder":
        Path(uri).write_text("")
    else:
        exclusive.change(uri, SCHEMA, lambda _: Change(None, row("a", 1)))
        for log in Path(uri, "_delta_log").glob("*.json"):
            log.write_text("{")
    with pytest.raises(LakeError, match="see that the lake is in reach"):
        there(uri)

"""A database as a source: days, fingerprints and bound values on a real SQLite; and no password in any text."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tasks.contracts import Table
from tasks.errors import SourceError
from tasks.rows import REASONS, parse
from tasks.sources.forms import Form
from tasks.sources.reading import Raw
from tests.unit.sources.toy import FIRST, FORM, RAW, SECOND, VISITS, rows, write_sqlite

pytestmark = pytest.mark.unit


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_sqlite(tmp_path, rows().with_columns(changed=pl.lit(1)))


def change(source: str, statement: str) -> None:
    with sqlite3.connect(source.removeprefix("sqlite:///")) as connection:
        connection.execute(statement)
    connection.close()


def prints(source: str, form: Form = FORM) -> dict[object, str]:
    return {file.day: file.fingerprint for file in Raw({"visits": form}).files(source, VISITS)}


# --- what a night sees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "with_mark"),
    [
        ("UPDATE visits SET weight = 5, changed = 2 WHERE id = 3", True),
        ("UPDATE visits SET weight = 5 WHERE id = 3", False),  # the mark does not grow: only reading the rows shows it
        ("DELETE FROM visits WHERE id = 3", True),
        ("INSERT INTO visits SELECT 5, small, weight, share, name, is_new, day, came, price, 2 FROM visits WHERE id = 3", True),
    ],
)
def test_a_changed_day_changes_its_fingerprint_alone(source: str, statement: str, with_mark: bool) -> None:
    marked = replace(FORM, updated="changed")
    before, before_marked = prints(source), prints(source, marked)
    change(source, statement)
    after, after_marked = prints(source), prints(source, marked)
    assert before[FIRST] == after[FIRST]
    assert before[SECOND] != after[SECOND]
    assert before_marked[FIRST] == after_marked[FIRST]
    assert (before_marked[SECOND] != after_marked[SECOND]) is with_mark


def test_the_order_of_rows_is_no_change(tmp_path: Path) -> None:
    one, other = write_sqlite(tmp_path / "a", rows()), write_sqlite(tmp_path / "b", rows().reverse())
    assert prints(one) == prints(other)


def test_a_fingerprint_is_the_same_however_the_rows_come(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.sources import sql

    before = prints(source)
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 1)
    assert prints(source) == before


def test_a_day_is_read_whether_it_is_stored_as_a_date_or_as_text(source: str) -> None:
    first, second = RAW.files(source, VISITS)
    assert (first.name, second.name) == ("sql:visits/day=2024-02-29", "sql:visits/day=2024-03-01")
    assert RAW.read(source, VISITS, second).get_column("id").sort().to_list() == ["3", "4"]


# --- names and values -------------------------------------------------------------------------------------------------


def test_names_are_quoted(tmp_path: Path) -> None:
    name = 'visits"; DROP TABLE visits; --'
    source = write_sqlite(tmp_path, rows())
    path = source.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        quoted = name.replace('"', '""')
        connection.execute(f'CREATE TABLE "{quoted}" AS SELECT * FROM visits')
    connection.close()
    raw = Raw({"visits": Form(called=name, day="day")})
    assert raw.read(source, VISITS).height == 4
    assert RAW.read(source, VISITS).height == 4  # and the other table is still there


def test_a_day_is_a_value_and_no_statement(source: str) -> None:
    change(source, "UPDATE visits SET day = '2024-03-01'' OR 1=1' WHERE id = 4")
    with pytest.raises(SourceError, match="column day must be named by its day; got 2024-03-01' OR 1=1"):
        RAW.files(source, VISITS)


def test_a_query_stands_for_a_table(source: str) -> None:
    raw = Raw({"visits": Form(query="SELECT * FROM visits WHERE id > 2", day="day")})
    (file,) = raw.files(source, VISITS)
    assert file.day == SECOND
    assert raw.read(source, VISITS, file).height == 2


def test_a_view_is_a_table(source: str) -> None:
    change(source, "CREATE VIEW recent AS SELECT * FROM visits WHERE id > 2")
    assert Raw({"visits": Form(called="recent", day="day")}).read(source, VISITS).height == 2
    assert Raw({"visits": Form(called="main.recent", day="day")}).read(source, VISITS).height == 2


def test_a_value_of_another_type_is_set_aside(source: str) -> None:
    """SQLite allows any value in any column."""
    change(source, "UPDATE visits SET weight = 'heavy' WHERE id = 1")
    change(source, "UPDATE visits SET small = 2.5 WHERE id = 4")
    parsed = parse(RAW.read(source, VISITS), VISITS).sort("id")
    assert parsed.get_column(REASONS).list.len().to_list() == [1, 0, 0, 1]
    assert parsed.get_column("weight").to_list()[1:] == [1e300, -0.0, None]
    assert parsed.get_column("small").to_list() == [7, None, -128, None]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere.db must be a database of SQLite; got no such file"):
        RAW.files(f"sqlite:///{tmp_path}/nowhere.db", VISITS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "visits.db").write_text("id,name\n" * 200)
    with pytest.raises(SourceError, match="must answer; got file is not a database"):
        RAW.files(f"sqlite:///{tmp_path}/visits.db", VISITS)


def test_a_missing_table_names_those_that_are_there(source: str) -> None:
    other = Table("calls", VISITS.schema, ("id",))
    with pytest.raises(SourceError, match="must hold a table calls; got the tables visits"):
        Raw({"calls": FORM}).files(source, other)


def test_a_row_without_a_day_is_told(source: str) -> None:
    change(source, "UPDATE visits SET day = NULL WHERE id = 4")
    with pytest.raises(SourceError, match="must have a day in day; got 1 rows without"):
        RAW.files(source, VISITS)


def test_a_mark_that_is_no_column_is_told(source: str) -> None:
    with pytest.raises(SourceError, match="must have a column seen; got the columns id") as caught:
        prints(source, replace(FORM, updated="seen"))
    assert "Form(updated=...)" in caught.value.mend


# --- passwords --------------------------------------------------------------------------------------------------------

SECRET = "s3cr3t/word"


@pytest.mark.parametrize(
    "source",
    [
        "postgresql+psycopg://ada:s3cr3t%2Fword@127.0.0.1/loans",
        "postgresql+psycopg://ada@127.0.0.1/loans?password=s3cr3t%2Fword",
        "postgresql+psycopg://ada:s3cr3t%2Fword${MORE}@127.0.0.1/loans",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Ddb%3BUID%3Dada%3BPWD%3Ds3cr3t",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(source: str) -> None:
    with pytest.raises(SourceError, match="must come from the environment") as caught:
        RAW.files(source, VISITS)
    assert "s3cr3t" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


def test_a_key_file_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what an ODBC string takes from the environment is none either: these fail for want of a driver alone."""
    monkeypatch.setenv("LOANS_PASSWORD", SECRET)
    for source in (
        "mysql+pymysql://ada:${LOANS_PASSWORD}@127.0.0.1/loans?ssl_key=/etc/loans/key.pem",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Ddb%3BUID%3Dada%3BPWD%3D${LOANS_PASSWORD}",
    ):
        with pytest.raises(SourceError, match="needs its driver"):
            RAW.files(source, VISITS)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOANS_PASSWORD", raising=False)
    with pytest.raises(SourceError, match=r"the environment variable LOANS_PASSWORD of --source must be set"):
        RAW.files("postgresql+psycopg://ada:${LOANS_PASSWORD}@127.0.0.1/loans", VISITS)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOANS_PASSWORD", SECRET)
    with pytest.raises(SourceError, match=r"needs its driver, the package pymysql") as caught:
        RAW.files("mysql+pymysql://ada:${LOANS_PASSWORD}@127.0.0.1/loans", VISITS)
    assert SECRET not in str(caught.value)
    assert "docs/sources.md" in caught.value.mend


class Talkative(SQLiteDialect_pysqlite):
    """A dialect whose driver puts all that it was given into its error."""

    supports_statement_cache = True

    def create_connect_args(self, url: Any) -> tuple[list[Any], dict[str, Any]]:
        return [[url]], {}

    def connect(self, *args: Any, **options: Any) -> Any:
        raise sqlite3.OperationalError(f"no connection with user={args[0][0].username} password={args[0][0].password}")


@pytest.fixture
def talkative() -> Iterator[str]:
    registry.impls["talkative"] = lambda: Talkative
    yield "talkative://ada:${LOANS_PASSWORD}@127.0.0.1/loans"
    del registry.impls["talkative"]


def test_what_a_driver_says_is_shown_without_the_password(talkative: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import traceback

    monkeypatch.setenv("LOANS_PASSWORD", SECRET)
    with pytest.raises(SourceError, match=r"no connection with user=ada password=\*\*\*") as caught:
        RAW.files(talkative, VISITS)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "${LOANS_PASSWORD}" in shown


def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(SourceError, match="must be a URL of SQLAlchemy") as caught:
        RAW.files("postgresql://ada:s3cr3t@host:port/loans", VISITS)
    assert "s3cr3t" not in str(caught.value)


def test_make_hands_the_name_of_the_variable_on_and_not_its_value() -> None:
    source = "postgresql+psycopg://ada:${LOANS_PASSWORD}@127.0.0.1/loans"
    environment = os.environ | {"LOANS_PASSWORD": SECRET}
    root = Path(__file__).resolve().parents[3]
    command = ["make", "--dry-run", "retrain", f"SOURCE={source}"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert f"--source '{source}'" in done.stdout
    assert SECRET not in done.stdout + done.stderr

"""The packaged applications keep the contract but for what is wrong with them; what is made of them is told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.contracts import SourceFile, columns, inputs, sensitive
from tasks.errors import SourceError
from tasks.rows import REASONS, parse
from tasks.usecase import source
from tasks.usecase.contract import APPLICATIONS, LONGEST_DECISION_DAYS, Applications
from tasks.usecase.features import Features
from tasks.usecase.online import CLIENT

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return parse(source.read(source.PACKAGED, APPLICATIONS), APPLICATIONS)


def test_all_rows_are_read_and_those_that_cannot_be_true_are_set_aside(rows: pl.DataFrame) -> None:
    assert rows.height == 1_989
    reasons = Counter(reason for found in rows.get_column(REASONS) for reason in found)
    assert reasons == {
        "(row): unit must fit prop": 13,
        "(row): obrat must not be below hrat": 4,
        "(row): loanamt must fit the house": 3,
    }


def test_codes_of_no_answer_are_missing(rows: pl.DataFrame) -> None:
    assert {name: rows.get_column(name).null_count() for name in ("term", "lines", "gdlin", "review", "liq")} == {
        "term": 4,
        "lines": 1,
        "gdlin": 2,
        "review": 223,
        "liq": 9,
    }


def test_made_instants_are_ten_a_day_in_office_hours_and_decided_a_week_later(rows: pl.DataFrame) -> None:
    local = rows.select(pl.col("received_at", "decided_at").dt.convert_time_zone(source.LOCAL_ZONE))
    days = local.group_by(pl.col("received_at").dt.date()).len()
    assert set(days.get_column("len")) == {10, 9}  # the last day has nine
    assert days.get_column("received_at").min() == date(1990, 1, 1)
    assert set(local.get_column("received_at").dt.hour()) == set(range(9, 16))
    same = local.select((pl.col("decided_at").dt.date() - pl.col("received_at").dt.date()).alias("days")).to_series()
    assert set(same) == {timedelta(days=7)}, "also through the night in which clocks change"
    assert timedelta(days=LONGEST_DECISION_DAYS) > source.DECIDED_AFTER


def test_the_label_is_that_of_the_file(rows: pl.DataFrame) -> None:
    assert rows.get_column("action").value_counts().sort("action").rows() == [("1", 1_684), ("2", 61), ("3", 244)]


def test_the_clock_shows_decisions_once_they_are_made(rows: pl.DataFrame) -> None:
    as_of = datetime(1990, 3, 1, 17, tzinfo=UTC)
    known = source.known_by({"applications": rows.drop(REASONS).lazy()}, as_of)["applications"].collect()
    assert known.get_column("received_at").max() <= as_of  # type: ignore[operator]  # an instant
    undecided = known.filter(pl.col("decided_at").is_null())
    assert 60 < undecided.height < 80, "those of a week"
    later = ["action", *columns(Applications, "other")]
    assert undecided.select(pl.col(later).is_not_null().any()).row(0) == (False,) * len(later)
    assert known.filter(pl.col("decided_at").is_not_null()).get_column("action").null_count() == 0


def test_nothing_of_a_person_is_an_input_or_sent_by_a_client() -> None:
    assert set(sensitive(Features)) == {"race", "sex", "marital_status", "age"}
    assert set(inputs(Features)) & {*sensitive(Features), *columns(Features, "segment")} == set()
    assert set(CLIENT) & {*sensitive(Applications), *columns(Applications, "other"), "action", "decided_at"} == set()


def test_a_folder_is_read_as_a_file_a_day_or_as_one(tmp_path: Path) -> None:
    raw = source.read(source.PACKAGED, APPLICATIONS).head(25)
    (tmp_path / "applications").mkdir()
    for n, part in enumerate(raw.iter_slices(10)):
        part.write_csv(tmp_path / "applications" / f"1990-01-0{n + 1}.csv", null_value="NA")
    assert [file.day for file in source.files(str(tmp_path), APPLICATIONS)] == [date(1990, 1, day) for day in (1, 2, 3)]
    assert source.read(str(tmp_path), APPLICATIONS).equals(raw)
    whole = tmp_path / "whole"
    whole.mkdir()
    raw.write_csv(whole / "applications.csv", null_value="NA")
    assert [file.day for file in source.files(str(whole), APPLICATIONS)] == [None]
    assert source.read(str(whole), APPLICATIONS).equals(raw)


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"must hold applications.csv, or applications/1990-01-01.csv"):
        source.files(str(tmp_path), APPLICATIONS)
    (tmp_path / "applications.csv").write_text("application,price\n1,100\n")
    with pytest.raises(SourceError, match="must have a column received_at"):
        source.read(str(tmp_path), APPLICATIONS)
    (tmp_path / "applications.csv").write_text("application,price\n1,1")
    with pytest.raises(SourceError, match="must end with a full line"):
        source.read(str(tmp_path), APPLICATIONS)
    with pytest.raises(SourceError, match="must be there"):
        source.read(str(tmp_path), APPLICATIONS, SourceFile("applications/1990-01-01.csv", "x"))
    (tmp_path / "applications").mkdir()
    (tmp_path / "applications" / "1990-13-01.csv").write_text("")
    with pytest.raises(SourceError, match="must be named by its day"):
        source.files(str(tmp_path), APPLICATIONS)

"""The source: files as they are, and what of a row was known when."""

from __future__ import annotations

import codecs
import gzip
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.contracts import types
from tasks.errors import SourceError
from tasks.usecase import source
from tasks.usecase.contract import AIRPORTS, FLIGHTS, WEATHER
from tests.unit.usecase.flights import PLACES, flights, utc

pytestmark = pytest.mark.unit

COLUMNS = list(types(AIRPORTS.schema))
TEXT = ",".join(COLUMNS) + "\nLGA,La Guardia,40.77,-73.87,America/New_York\nXXX,,NA,0,NA\n"


# --- reading ----------------------------------------------------------------------------------------------------------


def test_everything_is_text_and_na_is_null(tmp_path: Path) -> None:
    (tmp_path / "airports.csv").write_text(TEXT)
    frame = source.read(str(tmp_path), AIRPORTS)
    assert set(frame.dtypes) == {pl.String}
    assert frame.rows() == [("LGA", "La Guardia", "40.77", "-73.87", "America/New_York"), ("XXX", None, None, "0", None)]


@pytest.mark.parametrize("address", [str, lambda p: f"{p}/", lambda p: f"file://{p}"], ids=["path", "slash", "uri"])
def test_a_folder_may_be_a_path_or_a_uri(tmp_path: Path, address: Callable[[Path], str]) -> None:
    (tmp_path / "airports.csv").write_text(TEXT)
    assert source.read(address(tmp_path), AIRPORTS).height == 2


def _zip(folder: Path) -> Path:
    path = folder / "flights.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flights.csv", ",".join(types(FLIGHTS.schema)) + "\n" + ",".join("1" * len(types(FLIGHTS.schema))) + "\n")
    return path


def test_a_zip_is_read_like_the_file_in_it(tmp_path: Path) -> None:
    _zip(tmp_path)
    assert source.read(str(tmp_path), FLIGHTS).height == 1


@pytest.mark.parametrize("keep", [0, 10, -5], ids=["empty", "head", "tail-cut"])
def test_a_truncated_zip_is_a_source_error(tmp_path: Path, keep: int) -> None:
    path = _zip(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match="must be a whole zip archive"):
        source.read(str(tmp_path), FLIGHTS)


def test_a_flipped_byte_within_a_zip_is_a_source_error(tmp_path: Path) -> None:
    path = _zip(tmp_path)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match="must be a whole zip archive"):
        source.read(str(tmp_path), FLIGHTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must end with a full line"),
        (TEXT[:-3], "must end with a full line"),  # cut off within a line
        (TEXT.replace("lon", "longitude"), "must have a column lon"),
        (TEXT + "a,b,c,d,e,f,g\n", "must be a table of comma-separated values"),  # more fields than columns
    ],
    ids=["empty", "cut", "column", "ragged"],
)
def test_a_file_that_is_no_table_is_a_source_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "airports.csv").write_text(text)
    with pytest.raises(SourceError, match=message):
        source.read(str(tmp_path), AIRPORTS)


@pytest.mark.parametrize(
    ("data", "found", "mend"),
    [
        (b"", "an empty file", "copy the file again"),
        (gzip.compress(TEXT.encode()), "gzip bytes", "gunzip"),
        (gzip.compress(TEXT.encode()) + b"\n", "gzip bytes", "gunzip"),  # which may end like a line
        (TEXT.encode("utf-16"), "a UTF-16 byte order mark", "UTF-8"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "a UTF-16 byte order mark", "UTF-8"),
        (TEXT[:-3].encode(), "a file cut off within a line", "copy the file again"),
    ],
    ids=["empty", "gzip", "gzip-line", "utf-16-le", "utf-16-be", "cut"],
)
def test_what_is_no_text_is_told_by_what_it_is(tmp_path: Path, data: bytes, found: str, mend: str) -> None:
    (tmp_path / "airports.csv").write_bytes(data)
    with pytest.raises(SourceError) as caught:
        source.read(str(tmp_path), AIRPORTS)
    assert caught.value.found == found
    assert mend in caught.value.mend


def test_a_missing_file_is_a_source_error_that_names_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"must hold flights\.csv or flights\.csv\.zip") as caught:
        source.read(str(tmp_path), FLIGHTS)
    assert "weather.csv" in caught.value.mend


def test_a_missing_package_is_a_source_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match="make setup"):
        source.locate(source.PACKAGED)


# --- days and what was known ------------------------------------------------------------------------------------------


def weather(*hours: str) -> pl.LazyFrame:
    base: dict[str, Any] = dict.fromkeys(types(WEATHER.schema)) | {"origin": "LGA"}
    return pl.LazyFrame([base | {"time_hour": utc(hour)} for hour in hours], schema=types(WEATHER.schema))


def test_a_batch_is_a_day_in_new_york() -> None:
    found = weather("2013-07-10T03:00", "2013-07-10T04:00", "2013-01-10T04:00", "2013-01-10T05:00").select(source.day_of(WEATHER))
    days = [date(2013, 7, 9), date(2013, 7, 10), date(2013, 1, 9), date(2013, 1, 10)]
    assert found.collect().to_series().to_list() == days
    assert flights({}).select(source.day_of(FLIGHTS)).collect().item() == date(2013, 7, 10)


def known(row: dict[str, Any], as_of: str) -> dict[str, Any] | None:
    tables = {"flights": flights(row), "weather": weather(), "airports": PLACES}
    found = source.known_by(tables, utc(as_of))["flights"].collect()
    assert found.schema == types(FLIGHTS.schema)
    return found.row(0, named=True) if found.height else None


CANCELLED = {"dep_time": None, "dep_delay": None, "arr_time": None, "arr_delay": None, "air_time": None}
DIVERTED = {"arr_delay": None, "air_time": None}
DELAYED = {"dep_time": 1330, "dep_delay": 60, "arr_time": 1455, "arr_delay": 55}


@pytest.mark.parametrize(
    ("row", "as_of", "is_known", "has_arrived"),
    [
        ({}, "2013-07-10T16:29", False, None),  # has not left
        ({}, "2013-07-10T16:30", True, False),  # leaves now
        ({}, "2013-07-10T18:59", True, False),  # in the air
        ({}, "2013-07-10T19:00", True, True),  # lands now
        (DELAYED, "2013-07-10T17:29", False, None),  # an hour late: until it leaves nobody knows
        (DELAYED, "2013-07-10T17:30", True, False),
        (DELAYED, "2013-07-10T19:55", True, True),
        (CANCELLED, "2013-07-10T16:29", False, None),
        (CANCELLED, "2013-07-10T16:30", True, False),  # cancelled: known as it should have left
        (DIVERTED, "2013-07-11T18:59", True, False),
        (DIVERTED, "2013-07-11T19:00", True, True),  # its arrival elsewhere is known a day after schedule
    ],
)
def test_what_of_a_flight_is_known(row: dict[str, Any], as_of: str, is_known: bool, has_arrived: bool | None) -> None:
    found = known(row, as_of)
    assert (found is not None) == is_known
    if found is None:
        return
    whole = flights(row).collect().row(0, named=True)
    arrival = ("arr_time", "arr_delay", "air_time")
    expected = whole if has_arrived else whole | dict.fromkeys(arrival)
    assert found == expected


def test_weather_is_known_an_hour_after_its_label() -> None:
    tables = {"flights": flights({}), "weather": weather("2013-07-10T15:00", "2013-07-10T16:00"), "airports": PLACES, "planes": PLACES}
    found = source.known_by(tables, utc("2013-07-10T16:59"))
    assert found["weather"].collect().get_column("time_hour").to_list() == [utc("2013-07-10T15:00")]
    assert found.keys() == tables.keys()


def test_an_instant_without_a_zone_is_utc() -> None:
    tables = {"flights": flights({}), "weather": weather("2013-07-10T15:00"), "airports": PLACES}
    found = source.known_by(tables, datetime(2013, 7, 10, 16, 30))
    assert found["flights"].collect().height == 1


def test_knowing_twice_is_knowing_once() -> None:
    """What a later clock let through, an earlier one cuts to the same as from the whole."""
    tables = {"flights": flights({}, DELAYED | {"flight": 2}, CANCELLED | {"flight": 3}), "weather": weather(), "airports": PLACES}
    later = source.known_by(tables, utc("2013-07-10T19:30"))
    for as_of in ("2013-07-10T17:00", "2013-07-10T19:00", "2013-07-10T19:30"):
        once, twice = (source.known_by(t, utc(as_of))["flights"].collect() for t in (tables, later))
        assert once.equals(twice)

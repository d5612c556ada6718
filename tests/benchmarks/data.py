"""Contract checks, features, nights and growth, beside pandera and deepchecks on the same rows: `make bench NAME=data`.

Every part runs in a process of its own, so that its peak memory is its own; seconds are of the work, without imports.
Times of checks are the best of several runs on either side. `--quick` grows the year to two instead of ten and thirty.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import psutil

from tasks.contracts import describe, types
from tasks.rows import REASONS, parse, with_reasons
from tasks.usecase import routes, source
from tasks.usecase.contract import FLIGHTS, TABLES, WEATHER
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, bound_source, judged, packaged, write_feed

_RUNS = 5
_NIGHTS = 7
_FIRST_NIGHT = date(2013, 12, 9)
_HISTORY = 60
_DEEPCHECKS_LIMIT = 120
_GROWTH_LIMIT = 1800

Found = dict[str, float]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _best(work: Callable[[], object], runs: int = _RUNS) -> float:
    return min(_seconds(work) for _ in range(runs))


# --- contract checks ----------------------------------------------------------------------------------------------------


def _damaged(raw: pl.DataFrame) -> pl.DataFrame:
    """Return rows of which one in a hundred breaks something, each column in its turn; every value stays readable."""
    turn, wrong = pl.int_range(pl.len()), pl.int_range(pl.len()) % 100 == 7
    columns = [name for name, dtype in types(FLIGHTS.schema).items() if dtype == pl.Int64()]
    damaged = [
        pl.when(wrong & (turn // 100 % (len(columns) + 1) == n)).then((pl.col(c).cast(pl.Int64) + 61).cast(pl.String)).otherwise(c).alias(c)
        for n, c in enumerate(columns)
    ]
    moved = pl.when(wrong & (turn // 100 % (len(columns) + 1) == len(columns))).then(pl.lit("2013-06-01T10:00:00Z"))
    return raw.with_columns(*damaged, moved.otherwise("time_hour").alias("time_hour"))


def _bad_rows(parsed: pl.DataFrame) -> list[int]:
    return parsed.with_row_index().filter(pl.col(REASONS).list.len() > 0).get_column("index").to_list()


def _ours(folder: Path) -> Found:
    raw = source.read(str(folder), FLIGHTS)
    every = raw.with_columns(distance=pl.lit("99999"))
    single = raw.with_columns(distance=pl.when(pl.int_range(pl.len()) == raw.height // 2).then(pl.lit("99999")).otherwise("distance"))
    typed = parse(raw, FLIGHTS).drop(REASONS)
    bad = _bad_rows(parse(_damaged(raw), FLIGHTS))
    (folder / "bad.json").write_text(json.dumps(bad))
    return {
        "rows": raw.height,
        "parse": _best(lambda: parse(raw, FLIGHTS)),
        "typed": _best(lambda: with_reasons(typed, FLIGHTS)),
        "file": _best(lambda: parse(source.read(str(folder), FLIGHTS), FLIGHTS)),
        "single": _best(lambda: parse(single, FLIGHTS)),
        "every": _best(lambda: parse(every, FLIGHTS)),
    }


def _pandas_rules() -> tuple[Callable[[Any], Any], list[Callable[[Any], Any]]]:
    """Return all rules of a row of flights in vectorised pandas, and what appends the columns that several share.

    As in polars, null is no breach.
    """
    import numpy as np
    import pandas as pd

    zones = {
        name: int(datetime(2013, 1, 1, tzinfo=ZoneInfo(name)).utcoffset().total_seconds() // 60)  # type: ignore[union-attr]
        for name in set(routes.ZONES.values())
    }
    fixed = {
        n for n in zones if datetime(2013, 1, 1, tzinfo=ZoneInfo(n)).utcoffset() == datetime(2013, 7, 1, tzinfo=ZoneInfo(n)).utcoffset()
    }
    standard = {dest: zones[zone] for dest, zone in routes.ZONES.items()}
    without_summer = [dest for dest, zone in routes.ZONES.items() if zone in fixed]
    first = {origin + dest: miles[0] for (origin, dest), miles in routes.MILES.items()}
    last = {origin + dest: miles[-1] for (origin, dest), miles in routes.MILES.items()}

    def is_fine(holds: Any) -> Any:
        return holds.fillna(True).astype(bool)

    def minute(clock: Any) -> Any:
        return clock // 100 * 60 + clock % 100

    def is_summer(instant: Any) -> Any:
        return instant.dt.tz_convert(source.LOCAL_ZONE).dt.tz_localize(None) - instant.dt.tz_localize(None) == pd.Timedelta(hours=-4)

    def changes(d: Any) -> Any:
        return is_summer(d.time_hour) != is_summer(d.time_hour + pd.Timedelta(hours=36))

    def with_shared(d: Any) -> Any:
        return d.assign(changes=changes(d), scheduled_minutes=scheduled_minutes(d))

    def agrees(d: Any, scheduled: str, delay: str, actual: str) -> Any:
        difference = (minute(d[scheduled]) + d[delay] - minute(d[actual])) % 1440
        return is_fine((difference == 0) | (d.changes & difference.isin([60, 1380])) | difference.isna())

    def scheduled_minutes(d: Any) -> Any:
        winter = d.dest.map(standard)
        there = d.time_hour + pd.to_timedelta(d.minute.astype("int64"), unit="min")
        offset = winter + np.where(is_summer(there) & ~d.dest.isin(without_summer), 60, 0)
        return (minute(d.sched_arr_time) - (d.time_hour.dt.hour * 60 + d.minute + offset) - 1) % 1440 + 1

    def taxis(d: Any) -> Any:
        left, slack = d.scheduled_minutes + d.arr_delay - d.dep_delay - d.air_time, np.where(d.changes, 60, 0)
        return is_fine(((left >= 2 - slack) & (left <= 480 + slack)) | left.isna())

    def is_local_hour(d: Any) -> Any:
        local = d.time_hour.dt.tz_convert(source.LOCAL_ZONE).dt
        same = (local.year == d.year) & (local.month == d.month) & (local.day == d.day) & (local.hour == d.hour)
        return is_fine(same & (local.minute == 0) & (local.second == 0))

    def is_between(value: Any, low: int, high: int) -> Any:
        return is_fine(value.between(low, high) | value.isna())

    def has_known_distance(d: Any) -> Any:
        route = d.origin + d.dest
        known = route.map(first)
        return is_fine((d.distance == known) | (d.distance == route.map(last)) | known.isna())

    def date_exists(d: Any) -> Any:
        leap = (d.year % 4 == 0) & ((d.year % 100 != 0) | (d.year % 400 == 0))
        days = d.month.map({1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}).fillna(31)
        return is_fine(d.day <= days + (leap & (d.month == 2)))

    clocks = ("sched_dep_time", "sched_arr_time", "dep_time", "arr_time")
    rules: list[Callable[[Any], Any]] = [
        date_exists,
        *(lambda d, name=name: is_fine(d[name] % 100 < 60) for name in clocks),
        lambda d: is_fine(d.sched_dep_time == d.hour * 100 + d.minute),
        is_local_hour,
        lambda d: d.dep_time.notna() | (d.arr_time.isna() & d.arr_delay.isna() & d.air_time.isna()),
        lambda d: d.dep_time.isna() == d.dep_delay.isna(),
        lambda d: d.arr_time.notna() | d.arr_delay.isna(),
        lambda d: d.air_time.isna() == d.arr_delay.isna(),
        lambda d: d.tailnum.notna() | d.dep_time.isna(),
        lambda d: agrees(d, "sched_dep_time", "dep_delay", "dep_time"),
        lambda d: agrees(d, "sched_arr_time", "arr_delay", "arr_time"),
        taxis,
        lambda d: is_between(d.distance * 60 / d.air_time, 50, 750),
        lambda d: is_between(d.distance * 60 / d.scheduled_minutes, 10, 600),
        has_known_distance,
        lambda d: d.origin != d.dest,
    ]
    return with_shared, rules


def _pandas(file: Path) -> Any:
    """Read a file of flights as pandas does fastest, integers that may be missing as `Int64`."""
    import pandas as pd

    optional = [name for name, said in describe(FLIGHTS.schema).items() if said.nullable and types(FLIGHTS.schema)[name] == pl.Int64()]
    rows = pd.read_csv(file, engine="pyarrow", na_values=["NA", ""], keep_default_na=False).astype(dict.fromkeys(optional, "Int64"))
    return rows.assign(time_hour=pd.to_datetime(rows["time_hour"], utc=True).dt.as_unit("ns"))


def _pandera(folder: Path) -> Found:
    import pandera.pandas as pa

    def check(said: Any) -> Any:
        s = said.statistics
        match said.name:
            case "greater_than_or_equal_to":
                return pa.Check.ge(s["min_value"])
            case "less_than_or_equal_to":
                return pa.Check.le(s["max_value"])
            case "isin":
                return pa.Check.isin(s["allowed_values"])
            case "str_matches":
                return pa.Check.str_matches(getattr(s["pattern"], "pattern", s["pattern"]))
        raise NotImplementedError(said.name)

    with_shared, rules = _pandas_rules()
    if len(rules) != len(FLIGHTS.rules):
        sys.exit(f"pandera has {len(rules)} rules, the contract {len(FLIGHTS.rules)}")
    columns = {
        name: pa.Column(None, [check(c) for c in said.checks], nullable=said.nullable) for name, said in describe(FLIGHTS.schema).items()
    }
    schema = pa.DataFrameSchema(columns, checks=[pa.Check(rule) for rule in rules])

    def bad_rows(rows: Any) -> list[int]:
        """Return the rows to set aside; a repeated key is found by pandas, as pandera would report its first row too."""
        repeated = rows.index[rows.duplicated(list(FLIGHTS.key))].tolist()
        try:
            schema.validate(with_shared(rows), lazy=True)
        except pa.errors.SchemaErrors as errors:
            return sorted({*repeated, *errors.failure_cases["index"].dropna().astype(int)})
        return sorted(repeated)

    rows = _pandas(folder / "flights.csv")
    _damaged(source.read(str(folder), FLIGHTS)).write_csv(folder / "damaged.csv", null_value="NA")
    mine, theirs = set(json.loads((folder / "bad.json").read_text())), set(bad_rows(_pandas(folder / "damaged.csv")))
    return {
        "validate": _best(lambda: bad_rows(rows)),
        "file": _best(lambda: bad_rows(_pandas(folder / "flights.csv"))),
        "bad": len(mine),
        "differ": len(mine ^ theirs),
    }


def _deepchecks(folder: Path) -> Found:
    from tasks.suites import quiet

    with quiet():
        from deepchecks.tabular import Dataset
        from deepchecks.tabular.suites import data_integrity

        texts = [name for name, dtype in types(FLIGHTS.schema).items() if dtype == pl.String()]
        rows = parse(source.read(str(folder), FLIGHTS), FLIGHTS).drop(REASONS).to_pandas()
        dataset = Dataset(rows, cat_features=[name for name in texts if name != "tailnum"])
        return {"seconds": _seconds(lambda: data_integrity().run(dataset, with_display=False))}


# --- features, nights, growth -------------------------------------------------------------------------------------------


def _build(_: Path) -> Found:
    from tasks.usecase import features

    tables = accepted(packaged())
    rows = features.build(tables).collect()  # the first pays for what polars starts
    return {"rows": rows.height, "seconds": _best(lambda: features.build(tables).collect(), 3)}


def _night(feed: Path, lake: Path, as_of: datetime) -> tuple[dict[str, float], int]:
    """Ingest, validate and add features; return the seconds of each, and the rows of the lake's flights."""
    from tasks.features import store
    from tasks.ingestion.days import ingest
    from tasks.usecase import features

    definition = store.Definition(features.build, source.known_by, features.LOOKBACK, "1")
    started = time.perf_counter()
    snapshot = ingest(bound_source(str(feed)), str(lake), as_of)
    ingested = time.perf_counter()
    judged(snapshot, str(lake))
    validated = time.perf_counter()
    store.bring_up(snapshot, str(lake), definition)
    ended = time.perf_counter()
    [flights] = [table for table in snapshot.tables if table.name == "flights"]
    return {"ingest": ingested - started, "validation": validated - ingested, "features": ended - validated}, flights.rows


def _after(day: date) -> datetime:
    """Return the instant at which the night after a day runs: at 4 in New York, or 5 in summer."""
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(days=1)


def _nights(folder: Path) -> Found:
    """The same nights in two lakes, one with 60 days of history and one with the year up to then; files come by the night."""
    feed, found = folder / "feed", {}
    firsts = {"short": _FIRST_NIGHT - timedelta(days=_HISTORY), "long": date(2013, 1, 1)}
    for name, first in firsts.items():
        for table in ("flights", "weather"):
            (folder / name / table).mkdir(parents=True)
        for table in ("planes", "airports"):
            shutil.copy(feed / f"{table}.csv", folder / name)
        for n in range((_FIRST_NIGHT - first).days):
            _deliver(feed, folder / name, first + timedelta(days=n))
        _night(folder / name, folder / f"{name}-lake", _after(_FIRST_NIGHT - timedelta(days=1)))
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in firsts}
    for n in range(_NIGHTS):
        day = _FIRST_NIGHT + timedelta(days=n)
        for name in firsts if n % 2 else reversed(firsts):
            _deliver(feed, folder / name, day)
            seconds, _ = _night(folder / name, folder / f"{name}-lake", _after(day))
            taken[name].append(seconds)
    for name, nights in taken.items():
        found[name] = statistics.median(sum(night.values()) for night in nights)
        found |= {f"{name} {part}": statistics.median(night[part] for night in nights) for part in nights[0]}
    return found


def _deliver(feed: Path, to: Path, day: date) -> None:
    for table in ("flights", "weather"):
        if (feed / table / f"{day}.csv").exists():
            shutil.copy(feed / table / f"{day}.csv", to / table)


def _grown(folder: Path, years: int) -> Found:
    """Fill a lake from a feed of some years; then again, with nothing new."""
    lake, as_of = folder / f"lake-{years}", datetime(2013 + years, 1, 1, 5, tzinfo=UTC)
    seconds, rows = _night(folder / "feed", lake, as_of)
    again, _ = _night(folder / "feed", lake, as_of)
    return {"rows": rows, **seconds, "again": sum(again.values())}


def _later(raw: dict[str, pl.DataFrame], years: int) -> dict[str, pl.DataFrame]:
    """Return the year's rows some years later: the same local dates and hours, their instants by the clocks of that year.

    An hour that the clocks skip that year is left out; of an hour that they double it is the first.
    """
    if not years:
        return raw

    def text(local: pl.Expr) -> pl.Expr:
        instant = local.dt.replace_time_zone(source.LOCAL_ZONE, ambiguous="earliest", non_existent="null")
        return instant.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%SZ").alias("time_hour")

    flights = raw["flights"].with_columns(year=(pl.col("year").cast(pl.Int64) + years).cast(pl.String))
    flights = flights.with_columns(text(pl.datetime(*(pl.col(name).cast(pl.Int32) for name in ("year", "month", "day", "hour")))))
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    local = hour.dt.convert_time_zone(source.LOCAL_ZONE).dt.replace_time_zone(None).dt.offset_by(f"{years}y")
    weather = (
        raw["weather"].select(list(types(WEATHER.schema))).with_columns(text(local)).unique(WEATHER.key, keep="first", maintain_order=True)
    )
    return {**raw, "flights": flights.drop_nulls("time_hour"), "weather": weather.drop_nulls("time_hour")}


# --- processes of their own ---------------------------------------------------------------------------------------------

_PARTS: dict[str, Callable[[Path], Found]] = {
    "ours": _ours,
    "pandera": _pandera,
    "deepchecks": _deepchecks,
    "build": _build,
    "nights": _nights,
    **{f"grown-{years}": partial(_grown, years=years) for years in (1, 2, 10, 30)},
}


def _part(name: str, folder: Path, limit: float = _GROWTH_LIMIT) -> tuple[Found, float]:
    """Run a part in a process of its own; return what it found and its peak memory in GB.

    Raises:
        TimeoutError: If it takes longer than `limit` seconds.
    """
    answer = folder / f"{name}.json"
    process = psutil.Popen([sys.executable, "-W", "ignore", "-m", "tests.benchmarks.data", "--part", name, "--folder", str(folder)])
    started, peak = time.monotonic(), 0
    try:
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, process.memory_info().rss)
            if time.monotonic() - started > limit:
                raise TimeoutError(f"{name} took more than {limit} s")
            time.sleep(0.05)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        sys.exit(f"{name} ended with status {process.returncode}")
    return json.loads(answer.read_text()), peak / 1e9


def _contract_figures(folder: Path, limit: float) -> Iterator[Figure]:
    source.read(source.PACKAGED, FLIGHTS).write_csv(folder / "flights.csv", null_value="NA")
    ours, memory = _part("ours", folder)
    rows = ours["rows"]
    yield Figure("contract with quarantine, from text in memory", rows / ours["parse"], "rows/s")
    yield Figure("  and from a CSV file", rows / ours["file"], "rows/s")
    yield Figure("  and of typed columns", rows / ours["typed"], "rows/s")
    yield Figure("  peak memory of all its runs", memory, "GB")
    yield Figure("  every row bad / a single one", ours["every"] / ours["single"], "ratio", 2)
    pandera, memory = _part("pandera", folder)
    yield Figure("pandera on pandas, from a CSV file", rows / pandera["file"], "rows/s")
    yield Figure("  and of typed columns", rows / pandera["validate"], "rows/s")
    yield Figure("  peak memory of all its runs", memory, "GB")
    yield Figure(f"  rows judged otherwise, of {pandera['bad']:,.0f} damaged", pandera["differ"], "rows", 0)
    yield Figure("pandera / contract, both from a CSV file", pandera["file"] / ours["file"], "ratio", 5, "higher")
    yield Figure("pandera / contract, both of typed columns", pandera["validate"] / ours["typed"], "ratio", 5, "higher")
    yield Figure("pandera of typed columns / contract from text", pandera["validate"] / ours["parse"], "ratio")
    try:
        deepchecks, memory = _part("deepchecks", folder, limit)
        yield Figure("deepchecks data_integrity(), of typed columns", rows / deepchecks["seconds"], "rows/s")
        yield Figure("  peak memory", memory, "GB")
        yield Figure("deepchecks of typed columns / contract from text", deepchecks["seconds"] / ours["parse"], "ratio", 5, "higher")
    except TimeoutError:
        yield Figure(f"deepchecks data_integrity(): not done in {limit} s, at most", rows / limit, "rows/s")
        yield Figure("deepchecks of typed columns / contract from text, at least", limit / ours["parse"], "ratio", 5, "higher")


def _figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    yield from _contract_figures(folder, _DEEPCHECKS_LIMIT / 2 if quick else _DEEPCHECKS_LIMIT)
    built, memory = _part("build", folder)
    yield Figure("features of the year", built["seconds"], "s", 10)
    yield Figure("  that is", built["rows"] / built["seconds"], "rows/s")
    yield Figure("  peak memory", memory, "GB")
    raw = {table.name: source.read(source.PACKAGED, table) for table in TABLES}
    write_feed(folder / "feed", raw)
    nights, _ = _part("nights", folder)
    yield Figure(f"one more night after {_HISTORY} days", nights["short"], "s", 2)
    for part in ("ingest", "validation", "features"):
        yield Figure(f"  of which {part}", nights[f"short {part}"], "s")
    yield Figure("one more night after the year", nights["long"], "s", 2)
    for part in ("ingest", "validation", "features"):
        yield Figure(f"  of which {part}", nights[f"long {part}"], "s")
    yield Figure(f"  after the year / after {_HISTORY} days", nights["long"] / nights["short"], "ratio", 1.3)
    written, a_row = 1, 0.0
    for years in (1, 2) if quick else (1, 10, 30):
        for year in range(written, years):
            write_feed(folder / "feed", _later(raw, year))
        written = years
        label = f"{years} year{'s'[: years > 1]}"
        try:
            grown, memory = _part(f"grown-{years}", folder)
        except TimeoutError:
            yield Figure(f"{label}, not done", _GROWTH_LIMIT, "s", 0)
            continue
        finally:
            shutil.rmtree(folder / f"lake-{years}", ignore_errors=True)
        seconds = grown["ingest"] + grown["validation"] + grown["features"]
        a_row = a_row or seconds / grown["rows"]
        yield Figure(f"{label}, {grown['rows']:,.0f} flights: ingest, validation and features", grown["rows"] / seconds, "rows/s")
        for part in ("ingest", "validation", "features"):
            yield Figure(f"  {part}", grown[part], "s")
        yield Figure("  again, nothing new", grown["again"], "s")
        yield Figure("  peak memory", memory, "GB", 4)
        if years > 1:
            yield Figure("  time a row / the year's", seconds / grown["rows"] / a_row, "ratio", 1.3)


def main() -> None:
    """Run all parts, publish the figures; those found so far if it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="grow to two years only")
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        found = _PARTS[arguments.part](arguments.folder)
        (arguments.folder / f"{arguments.part}.json").write_text(json.dumps(found))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before all was measured"))
    folder, figures = Path(tempfile.mkdtemp(prefix="evergreen-bench-")), []
    try:
        (folder / "feed").mkdir()
        for figure in _figures(folder, quick=arguments.quick):
            print(f"{figure.name}: {figure.value:,.4g} {figure.unit}", file=sys.stderr, flush=True)
            figures.append(figure)
    finally:
        publish("data", figures)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""How the stages grow with the rows of a day, one pod beside several: `make bench NAME=scale`.

The flights of the first quarter, each three and ten times with flight numbers of its own: days of 900, 2,600 and 9,000 rows
that keep the contract. Every part runs in a process of its own, so that its peak memory is its own; processor seconds are
those of its work, without imports, and stand beside the clock's because a busy machine moves only the clock.
How stages grow with the number of days is in `make bench NAME=data`, with rows beyond memory in `NAME=streaming`.
`--quick` has a month, once and three times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from tasks.artifacts.data import DataSnapshot, FilledBlock
from tasks.artifacts.record import Window
from tasks.artifacts.settings import NetworkConfig
from tasks.contracts import columns
from tasks.features import store
from tasks.ingestion import blocks
from tasks.ingestion.days import ingest
from tasks.lake import tables
from tasks.lake.snapshots import read_day
from tasks.usecase import features, policy, source
from tasks.usecase.contract import TABLES
from tests.benchmarks.report import Figure, publish
from tests.feeds import bound_source, judged, write_feed

_LIMIT = 1_200
_TOGETHER = 2
_ROWS_IN_MEMORY = 65_536
_SCORED_DAYS = 28
DEFINITION = store.Definition(features.build, source.known_by, features.LOOKBACK, "1")
NUMERIC, CATEGORICAL = columns(features.Features, "numeric"), columns(features.Features, "categorical")

Found = dict[str, float]


# --- data ---------------------------------------------------------------------------------------------------------------


def _replicated(raw: dict[str, pl.DataFrame], copies: int, last: date) -> dict[str, pl.DataFrame]:
    """Return the tables up to a day, each flight so many times; flights of a day, carrier and origin are numbered anew."""
    day = pl.date(*(pl.col(name).cast(pl.Int32) for name in ("year", "month", "day")))
    until = {table.name: raw[table.name].filter(day <= last) if table.is_daily else raw[table.name] for table in TABLES}
    flights = until["flights"].with_columns(place=pl.int_range(pl.len()).over("year", "month", "day", "carrier", "origin"))
    each = [flights.with_columns(flight=(pl.col("place") * copies + copy + 1).cast(pl.String)).drop("place") for copy in range(copies)]
    return until | {"flights": pl.concat(each)}


def _after(last: date) -> datetime:
    return datetime(last.year, last.month, last.day, 12, tzinfo=UTC) + timedelta(days=1)


# --- what is measured, each in a process of its own -----------------------------------------------------------------------


class _Place:
    """Where a replicated quarter and its lake lie."""

    def __init__(self, folder: Path) -> None:
        self.feed, self.lake, self.saved = folder / "feed", str(folder / "lake"), folder / "snapshot.json"
        self.as_of = _after(max(date.fromisoformat(path.stem) for path in (self.feed / "flights").glob("*.csv")))

    @property
    def snapshot(self) -> DataSnapshot:
        return DataSnapshot.model_validate_json(self.saved.read_text())

    def features(self) -> tuple[pl.LazyFrame, int, list[date]]:
        version, days, _ = store.bring_up(self.snapshot, self.lake, DEFINITION)
        return tables.scan(f"{self.lake}/{store.FEATURES}", version, days), version, days


def _timed(work: Callable[[], int]) -> Found:
    """Do something; return its rows, and what it took."""
    clock, cpu = time.perf_counter(), time.process_time()
    rows = work()
    return {"rows": rows, "seconds": time.perf_counter() - clock, "cpu": time.process_time() - cpu}


def _ingest(folder: Path) -> Found:
    place = _Place(folder)

    def work() -> int:
        snapshot = ingest(bound_source(str(place.feed)), place.lake, place.as_of)
        place.saved.write_text(snapshot.model_dump_json())
        return snapshot.table("flights").rows

    return _timed(work)


def _validation(folder: Path) -> Found:
    place = _Place(folder)
    snapshot = place.snapshot
    return _timed(lambda: (judged(snapshot, place.lake), snapshot.table("flights").rows)[1])


def _features(folder: Path) -> Found:
    place = _Place(folder)
    snapshot = place.snapshot
    return _timed(lambda: (store.bring_up(snapshot, place.lake, DEFINITION), snapshot.table("flights").rows)[1])


def _handed_on(folder: Path) -> Found:
    """What `build_features` does once all days are there: all rows in one frame, sorted, checked, hashed and written."""
    from tasks.frames import rows_hash
    from tasks.rows import require

    stored = _Place(folder).features()[0].select(list(features.Features.to_schema().columns))

    def work() -> int:
        rows = stored.sort("predicted_at", "flight_id").collect()
        require(rows.lazy(), features.Features, "features")
        rows_hash(rows)
        rows.write_parquet(folder / "features.parquet")
        return rows.height

    return _timed(work)


def _training_rows(folder: Path) -> Found:
    """Rows beyond memory: encoded to disk, then the batches of an epoch, without training."""
    import torch

    from tasks.training import rows

    labelled = pl.scan_parquet(folder / "features.parquet").filter(pl.col("label").is_not_null())

    def work() -> int:
        _, train = rows.gather(labelled, NUMERIC, CATEGORICAL, _ROWS_IN_MEMORY, folder)
        with closing(train):
            order = torch.randperm(len(train), dtype=torch.int32)
            for batch in train.batches(order, 512):
                for _ in batch.split(len(batch)):
                    pass
            return len(train)

    return _timed(work)


def _evaluation(folder: Path) -> Found:
    """All segments of 28 days, each with its interval, for a candidate beside a champion; the probabilities are drawn."""
    from tasks.evaluation import segments
    from tasks.evidence import slices
    from tasks.evidence.bootstrap import Days
    from tasks.usecase.segments import BY_VALUE, SEGMENTS

    known = pl.scan_parquet(folder / "features.parquet").filter(pl.col("label").is_not_null())
    last = known.select(pl.col("batch_day").max()).collect().item()
    frame = known.filter(pl.col("batch_day") > last - timedelta(days=_SCORED_DAYS)).collect()
    generator = np.random.default_rng(2013)
    labels = frame.get_column("label").to_numpy().astype(np.float64)
    candidate, champion = (np.clip(0.2 + 0.3 * labels + generator.normal(0, 0.1, len(labels)), 0.01, 0.99) for _ in range(2))

    def work() -> int:
        named = slices.masks(frame, slices.declared(frame, SEGMENTS, BY_VALUE))
        days = Days.draw(frame.get_column("batch_day").to_numpy())
        segments.measure(named, labels, candidate, (labels - candidate) ** 2, champion, days, policy.SEGMENT_RULES)
        return frame.height

    return _timed(work)


def _scoring(folder: Path) -> Found:
    """What the pods of `make score` do, one day after the other in one process: read by reference, score, write."""
    from tasks.serving import batch
    from tasks.serving.predictor import Predictor

    place = _Place(folder)
    _, version, days = place.features()
    wanted = store.days_of(place.lake, version, days, str(days[-_SCORED_DAYS]), str(days[-1]))
    predictor = Predictor(folder.parent / "package")

    def work() -> int:
        done = 0
        for day in wanted:
            rows = read_day(day).sort("predicted_at", "flight_id")
            scored = batch.score_day(rows, predictor, 1, "flight_id")
            done += batch.write(place.lake, scored, 1, predictor.digest).rows
        return done

    return _timed(work)


def _package(folder: Path) -> Found:
    """A network of the default size, trained on a few rows: what it answers does not matter, how long it takes does."""
    from tasks.model import bundle
    from tasks.model.trained import NetworkModel
    from tasks.packaging import onnx_model
    from tasks.training import network, rows

    labelled = pl.scan_parquet(folder / "features.parquet").filter(pl.col("label").is_not_null()).head(20_000)
    encoding, train = rows.gather(labelled, NUMERIC, CATEGORICAL, None)
    config = NetworkConfig(epochs=1)
    fitted = network.fit_rows(config, train, encoding.cardinalities)
    model = NetworkModel(fitted.network, encoding, config, fitted.bin_edges)
    card = {"name": "scale", "threshold": 0.5, "numeric_features": NUMERIC, "categorical_features": CATEGORICAL}

    def fill(path: Path) -> None:
        onnx_model.export(model, path / "model.onnx")
        (path / "preprocessing.json").write_text(encoding.model_dump_json())
        (path / "card.json").write_text(json.dumps(card))
        for name in ("features.json", "request.json"):
            (path / name).write_text("[]")

    bundle.write(folder.parent / "package", fill)
    return {"rows": len(train), "seconds": 0.0, "cpu": 0.0}


# --- side by side ---------------------------------------------------------------------------------------------------------


def _ingest_block(feed: str, lake: str, as_of: datetime, block: Window) -> FilledBlock:
    return blocks.fill(bound_source(feed), lake, as_of, block)


def _build_block(snapshot: DataSnapshot, lake: str, block: Window) -> FilledBlock:
    return store.fill(snapshot, lake, DEFINITION, block)


def _mapped(folder: Path, together: int) -> Found:
    """Ingest and features in blocks, by one process or by several side by side; the same snapshot and features must come of it."""
    place, lake = _Place(folder), str(folder / f"lake-{together}")
    bound = bound_source(str(place.feed))
    with ProcessPoolExecutor(together, get_context("spawn")) as pool:
        nothing = Window(first_day=date(2013, 1, 1), last_day=date(2013, 1, 1))
        list(pool.map(partial(_build_block, place.snapshot, place.lake), [nothing] * 2 * together))  # each has imported all now
        started = time.perf_counter()
        planned = blocks.plan(bound, lake, place.as_of, policy.LOAD.ingest_days)
        list(pool.map(partial(_ingest_block, str(place.feed), lake, place.as_of), planned))
        snapshot = ingest(bound, lake, place.as_of)
        ingested = time.perf_counter()
        list(pool.map(partial(_build_block, snapshot, lake), store.plan(snapshot, lake, DEFINITION, policy.LOAD.ingest_days)))
        version, days, left = store.bring_up(snapshot, lake, DEFINITION)
        ended = time.perf_counter()
    _, other, _ = place.features()
    same = [store.table_version(at, v, days).content_hash for at, v in ((lake, version), (place.lake, other))]
    if left or snapshot.content_hash != place.snapshot.content_hash or same[0] != same[1]:
        sys.exit("side by side gave other rows than one after the other")
    shutil.rmtree(lake)
    return {"rows": snapshot.table("flights").rows, "ingest": ingested - started, "features": ended - ingested}


# --- processes of their own -----------------------------------------------------------------------------------------------

_STAGES: dict[str, Callable[[Path], Found]] = {
    "ingest": _ingest,
    "validation": _validation,
    "features": _features,
    "all features in one frame": _handed_on,
    "training rows on disk": _training_rows,
    "segments of 28 days": _evaluation,
    "batch scoring of 28 days": _scoring,
}
_PARTS = _STAGES | {"package": _package, "alone": partial(_mapped, together=1), "together": partial(_mapped, together=_TOGETHER)}


def _part(name: str, folder: Path) -> Found:
    """Run a part in a process of its own; return what it found, and the most `memory` that it had, in MB."""
    answer = folder / "found.json"
    process = psutil.Popen([sys.executable, "-W", "ignore", "-m", "tests.benchmarks.scale", "--part", name, "--folder", str(folder)])
    started, peak = time.monotonic(), 0
    try:
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, process.memory_info().rss)
            if time.monotonic() - started > _LIMIT:
                raise TimeoutError(f"{name} took more than {_LIMIT} s")
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        sys.exit(f"{name} ended with status {process.returncode}")
    return json.loads(answer.read_text()) | {"memory": peak / 2**20}


def _line(points: list[tuple[float, float]]) -> float:
    """Return by how much the second value grows with the first, by least squares."""
    x, y = np.array(points).T
    return float(np.polyfit(x, y, 1)[0])


def _figures(folder: Path, copies: list[int], last: date) -> Iterator[Figure]:
    raw = {table.name: source.read(source.PACKAGED, table) for table in TABLES}
    measured: dict[str, list[Found]] = {name: [] for name in _STAGES}
    for many in copies:
        place = folder / str(many)
        (place / "feed").mkdir(parents=True)
        write_feed(place / "feed", _replicated(raw, many, last))
        for name in _STAGES:
            if name == "batch scoring of 28 days" and many == copies[0]:
                _part("package", place)
            found = _part(name, place)
            measured[name].append(found)
            label = f"{many} x, {found['rows']:,.0f} rows: {name}"
            yield Figure(label, found["seconds"], "s")
            yield Figure("  processor seconds a million rows", found["cpu"] / found["rows"] * 1e6, "s")
            yield Figure("  peak memory", found["memory"], "MB")
        lake = Path(place / "lake")
        for table in ("flights", "features"):
            size = sum(path.stat().st_size for path in (lake / table).rglob("*.parquet"))
            yield Figure(f"  {table} in the lake", size / measured["ingest"][-1]["rows"], "bytes a row")
        feed = sum(path.stat().st_size for path in (place / "feed" / "flights").iterdir())
        yield Figure("  flights in the feed", feed / measured["ingest"][-1]["rows"], "bytes a row")
    for name, found in measured.items():
        first, most = found[0], found[-1]
        yield Figure(f"{name}: processor seconds of each further million rows", _line([(f["rows"] / 1e6, f["cpu"]) for f in found]), "s")
        yield Figure("  memory of each further million rows", _line([(f["rows"] / 1e6, f["memory"]) for f in found]), "MB")
        yield Figure("  time a row / that of the smallest", (most["cpu"] / most["rows"]) / (first["cpu"] / first["rows"]), "ratio", 1.3)
    alone, together = (_part(name, folder / str(copies[1])) for name in ("alone", "together"))
    for stage in ("ingest", "features"):
        yield Figure(f"{stage} of {alone['rows']:,.0f} rows in blocks, one process", alone[stage], "s")
        yield Figure(f"  {_TOGETHER} processes side by side", together[stage], "s")
        yield Figure("  faster", alone[stage] / together[stage], "times", 1, "higher")


def main() -> None:
    """Run all parts, publish the figures; those found so far if it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a month, once and three times")
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        found = _PARTS[arguments.part](arguments.folder)
        (arguments.folder / "found.json").write_text(json.dumps(found))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before all was measured"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    folder, figures = Path(tempfile.mkdtemp(prefix="evergreen-bench-")), list[Figure]()
    try:
        for figure in _figures(folder, *(([1, 3], date(2013, 1, 31)) if arguments.quick else ([1, 3, 10], date(2013, 3, 31)))):
            print(f"{figure.name}: {figure.value:,.4g} {figure.unit}", file=sys.stderr, flush=True)
            figures.append(figure)
    finally:
        publish("scale", figures)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

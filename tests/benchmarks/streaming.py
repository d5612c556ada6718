"""A training set larger than the memory that it may take, beside the same held in memory: `make bench NAME=streaming`.

The year's features many times over, each copy's numbers scaled a little, as Parquet in row groups; a small network takes
one pass, so that most of the time is the rows'. Every part runs in a process of its own, so that its peak memory is its
own; what it has before the first row is read is taken off. `--quick` has a million rows instead of ten.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pyarrow.parquet as parquet
import torch

from tasks.artifacts.settings import NetworkConfig
from tasks.clock import labelled_before
from tasks.contracts import columns
from tasks.training import network, rows
from tasks.usecase import features, source
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

CONFIG = NetworkConfig(k=1, width=8, blocks=1, dropout=0, embedding_width=1, bins=2, averaging_decay=0, batch_rows=4096, epochs=1)
NUMERIC, CATEGORICAL = columns(features.Features, "numeric"), columns(features.Features, "categorical")

_ROWS_IN_MEMORY = 250_000
_ROW_GROUP = 65_536
_SECONDS = 900
_MB_FIXED = 300
"""What reading takes however many rows there are: row groups under way, and what polars and torch keep for reuse."""

_BYTES_A_ROW = 40
"""Of every row of the set: its place, its bucket, and one column at a time while the encoding is fitted."""

Found = dict[str, Any]


def _write(path: Path, count: int) -> None:
    """Write so many labelled rows, in row groups."""
    year = features.build(accepted(packaged())).collect().filter(pl.col("label").is_not_null())
    table = year.to_arrow()
    with parquet.ParquetWriter(path, table.schema, compression="snappy") as writer:
        for copy, start in enumerate(range(0, count, year.height)):
            scaled = pl.selectors.float() * (1 + copy / 1_000)
            part = year.head(count - start).with_columns(scaled).cast(dict(year.schema))
            writer.write_table(part.to_arrow().cast(table.schema), row_group_size=_ROW_GROUP)


class _Memory:
    """The most memory that this process has while a part runs, above what it had at its beginning."""

    def __init__(self) -> None:
        self._process, self._is_over = psutil.Process(), threading.Event()
        self._first = self._most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)

    def peak(self) -> float:
        """Return it in MB, once all is done."""
        self._is_over.set()
        self._thread.join()
        return (self._most - self._first) / 2**20


def _train(path: Path, count: int, rows_in_memory: int | None) -> Found:
    """Fit the encoding, gather the rows, train, and deliver one more epoch to nobody."""
    frame = labelled_before(pl.scan_parquet(path).head(count), date(2100, 1, 1), source.LOCAL_ZONE)
    network.fit(CONFIG, *_few())  # what torch makes once
    memory, started = _Memory(), time.perf_counter()
    encoding, train = rows.gather(frame, NUMERIC, CATEGORICAL, rows_in_memory, path.parent)
    with closing(train):
        gathered = time.perf_counter()
        fitted = network.fit_rows(CONFIG, train, encoding.cardinalities)
        trained = time.perf_counter()
        order = torch.randperm(len(train), dtype=torch.int32)
        delivered = sum(len(targets) for batch in train.batches(order, CONFIG.batch_rows) for (_, _, targets), _ in batch.split(len(batch)))
        ended = time.perf_counter()
    digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in fitted.network.state_dict().values()))
    return {
        "rows": delivered,
        "gather": gathered - started,
        "train": trained - gathered,
        "deliver": ended - trained,
        "memory": memory.peak(),
        "disk": 2 * delivered * 4 * (encoding.width + len(encoding.categorical) + 1) / 1e9,
        "held": min(delivered, rows_in_memory or delivered) * 4 * (encoding.width + len(encoding.categorical) + 1) / 2**20,
        "weights": digest.hexdigest(),
    }


def _few() -> tuple[Any, Any, Any, list[int]]:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(CONFIG.batch_rows, 3, generator=generator)
    return numbers.numpy(), torch.zeros(len(numbers), 1, dtype=torch.int64).numpy(), (numbers[:, 0] > 0).float().numpy(), [2]


def _part(path: Path, count: int, rows_in_memory: int | None) -> Found:
    """Run a part in a process of its own."""
    answer = path.parent / "found.json"
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.benchmarks.streaming",
        "--part",
        str(path),
        str(count),
        str(rows_in_memory or 0),
    ]
    process = psutil.Popen(command)
    try:
        if process.wait(_SECONDS):
            sys.exit(f"{command} ended with status {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    found: Found = json.loads(answer.read_text())
    return found


def _figures(folder: Path, many: int, fitting: int) -> Iterator[Figure]:
    path = folder / "features.parquet"
    _write(path, many)
    yield Figure(f"{many:,} rows as Parquet", path.stat().st_size / 1e9, "GB")
    memory, disk = _part(path, fitting, None), _part(path, fitting, _ROWS_IN_MEMORY)
    for name, found in (("in memory", memory), (f"{_ROWS_IN_MEMORY:,} in memory, the others on disk", disk)):
        yield Figure(f"{fitting:,} rows, {name}: read, encoded and trained on", fitting / (found["gather"] + found["train"]), "rows/s")
        yield Figure("  read and encoded", fitting / found["gather"], "rows/s")
        yield Figure("  batches of one epoch, without training", fitting / found["deliver"], "rows/s")
        yield Figure("  peak memory, above that before", found["memory"], "MB")
    yield Figure("  weights that differ", float(disk["weights"] != memory["weights"]), "of 1", 0)
    yield Figure("  peak memory / that of all in memory", disk["memory"] / memory["memory"], "ratio", 1)
    seconds = {name: found["gather"] + found["train"] for name, found in (("disk", disk), ("memory", memory))}
    yield Figure("  time / that of all in memory", seconds["disk"] / seconds["memory"], "ratio", 2)
    found = _part(path, many, _ROWS_IN_MEMORY)
    bound = found["held"] + many * _BYTES_A_ROW / 2**20 + _MB_FIXED
    yield Figure(
        f"{many:,} rows, {_ROWS_IN_MEMORY:,} in memory: read, encoded and trained on", many / (found["gather"] + found["train"]), "rows/s"
    )
    yield Figure("  read and encoded", many / found["gather"], "rows/s")
    yield Figure("  batches of one epoch, without training", many / found["deliver"], "rows/s")
    yield Figure("  on disk", found["disk"], "GB")
    yield Figure("  peak memory, above that before", found["memory"], "MB", bound)
    yield Figure(f"  of which encoded rows ({_ROWS_IN_MEMORY:,})", found["held"], "MB")
    yield Figure(f"  peak memory / that of {fitting:,} rows on disk", found["memory"] / disk["memory"], "ratio")


def main() -> None:
    """Run all parts, publish the figures; those found so far if it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a million rows instead of ten")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        path, count, most = Path(arguments.part[0]), int(arguments.part[1]), int(arguments.part[2]) or None
        (path.parent / "found.json").write_text(json.dumps(_train(path, count, most)))
        return
    folder, figures = Path(tempfile.mkdtemp(prefix="evergreen-bench-")), list[Figure]()
    try:
        for figure in _figures(folder, *((1_000_000, 500_000) if arguments.quick else (10_000_000, 1_000_000))):
            print(f"{figure.name}: {figure.value:,.4g} {figure.unit}", file=sys.stderr, flush=True)
            figures.append(figure)
    finally:
        publish("streaming", figures)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

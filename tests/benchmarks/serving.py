"""The service beside a bare FastAPI of the same model, and what it keeps under swaps and kills: `make bench NAME=serving`.

Serves the champion of EVERGREEN_HOME (`make retrain` makes one), in serving folders of its own. Both servers run at once and are
asked in turns, so that what else the machine does falls on both. The client is this process; it keeps its connection.
`--quick` asks less often and makes fewer swaps and kills.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.artifacts.serving import Arm, Role, Routing
from tasks.execution import tracking_uri
from tasks.model import bundle
from tasks.model.fetch import fetch
from tasks.registry.versions import Registry
from tasks.serving import journal, keys, routing
from tasks.serving.predictor import Predictor, rounded
from tasks.usecase import policy
from tests.benchmarks.report import Figure, publish
from tests.e2e.server import Server, bento_server

ROUNDS, SINGLE, BATCH = 8, 400, 6
SWAPS, KILLS, CLIENTS = 100, 20, 4


class Load:
    """Clients that ask for single rows without a pause, each on a connection of its own, and keep what they were told."""

    def __init__(self, server: Server, rows: list[dict[str, Any]], clients: int) -> None:
        self._server, self._rows, self._stop = server, rows, threading.Event()
        self.answers: list[tuple[int, str, float, str]] = []  # row, package, probability, prediction id
        self.failures: list[str] = []
        self.broken = 0  # connections that ended without an answer
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        connection, headers = self._server.connect(), {"Content-Type": "application/json", "Authorization": f"Bearer {self._server.token}"}
        place = number
        while not self._stop.is_set():
            place = (place + 7) % len(self._rows)
            try:
                connection.request("POST", "/predict", json.dumps({"rows": [self._rows[place]]}), headers)
                reply = connection.getresponse()
                body = reply.read()
            except OSError:
                self.broken += 1
                connection.close()
                time.sleep(0.02)
                continue
            except Exception as error:  # http.client's own, of an answer that was cut off
                self.broken += 1
                connection.close()
                if self._stop.is_set():
                    return
                del error
                continue
            if reply.status != 200:
                self.failures.append(f"{reply.status} {body[:200]!r}")
                continue
            found = json.loads(body)["predictions"][0]
            self.answers.append((place, found["package"], found["probability"], found["prediction_id"]))
        connection.close()


def _ask(connection: Any, rows: list[dict[str, Any]], token: str) -> float:
    """Return the seconds of one request."""
    body = json.dumps({"rows": rows})
    started = time.perf_counter()
    connection.request("POST", "/predict", body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    reply = connection.getresponse()
    reply.read()
    seconds = time.perf_counter() - started
    assert reply.status == 200, reply.status
    return seconds


def side_by_side(servers: dict[str, Server], rows: list[dict[str, Any]], rounds: int, requests: int, size: int) -> dict[str, Any]:
    """Ask servers in turns; return for each the processor seconds a request and the seconds of each request."""
    with ExitStack() as stack:
        open_ = {name: server.connect() for name, server in servers.items()}
        for connection in open_.values():
            stack.callback(connection.close)
        cpu: dict[str, list[float]] = {name: [] for name in servers}
        seconds: dict[str, list[float]] = {name: [] for name in servers}
        for name, server in servers.items():  # warm
            for i in range(50 if size == 1 else 2):
                _ask(open_[name], rows[i : i + size], server.token)
        for _ in range(rounds):
            for name, server in servers.items():
                open_[name].close()  # idle connections end after some seconds; the next request opens it again
                _ask(open_[name], rows[:size], server.token)
                before = server.cpu_seconds()
                for i in range(requests):
                    start = (i * size) % max(1, len(rows) - size)
                    seconds[name].append(_ask(open_[name], rows[start : start + size], server.token))
                cpu[name].append((server.cpu_seconds() - before) / requests)
    return {name: (float(np.median(cpu[name])), np.array(seconds[name])) for name in servers}


def swaps(server: Server, folder: Path, digests: list[str], rows: list[dict[str, Any]], count: int) -> list[Figure]:
    """Swap, canary and roll back under load; every answer must be that of one whole model."""
    expected = {}
    for digest in digests:
        predictor = Predictor(folder / "packages" / digest, digest)
        expected[digest[:12]] = rounded(predictor.probabilities(predictor.encode(rows)))

    def next_(now: Routing | None, step: int) -> Routing:
        assert now is not None
        first, second = (Arm(version=i + 1, package_digest=d) for i, d in enumerate(digests))
        champion, other = (first, second) if (step // 3) % 2 else (second, first)
        canary = {"canary": other, "share": 0.5} if step % 3 == 1 else {}
        return Routing(
            revision=now.revision + 1, champion=champion, shadow=other if step % 3 == 2 else None, by="bench", reason="swap",
            changed_at=datetime.now(UTC), **canary,
        )  # fmt: skip

    with Load(server, rows, CLIENTS) as load:
        for step in range(count):
            routing.change(folder, lambda now, step=step: next_(now, step))  # type: ignore[misc]
            time.sleep(0.6)
    wrong = sum(bool(expected[package][row] != probability) for row, package, probability, _ in load.answers)
    by_model = {package: sum(1 for answer in load.answers if answer[1] == package) for package in expected}
    print(f"{len(load.answers):,} answers, by package {by_model}; failures {load.failures[:3]}", flush=True)
    return [
        Figure(f"{count} swaps, canary steps and rollbacks, two workers: requests", len(load.answers), "requests"),
        Figure("... of which failed", len(load.failures) + load.broken, "requests", 0),
        Figure("... answered by no whole model", wrong, "requests", 0),
        Figure("... answered by the less used of both models", min(by_model.values()), "requests", 1, "higher"),
    ]


def corrupt(server: Server, folder: Path, digest: str, rows: list[dict[str, Any]]) -> list[Figure]:
    """Point to a package with one flipped byte: the old one must serve on."""
    standing = routing.read(folder)
    assert standing is not None
    bad = folder / "packages" / ("f" * 64)
    shutil.copytree(folder / "packages" / digest, bad)
    content = bytearray((bad / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bad / "model.onnx").write_bytes(bytes(content))
    with Load(server, rows, CLIENTS) as load:
        arm = Arm(version=99, package_digest="f" * 64)
        routing.change(
            folder,
            lambda now: Routing(revision=standing.revision + 1, champion=arm, by="bench", reason="corrupt", changed_at=datetime.now(UTC)),
        )
        time.sleep(3)
    strange = sum(answer[1] == "f" * 12 for answer in load.answers)
    routing.change(folder, lambda now: standing.model_copy(update={"revision": standing.revision + 2}))
    time.sleep(1.5)
    return [Figure("a corrupt revision under load: failed or answered by it", len(load.failures) + load.broken + strange, "requests", 0)]


def kills(server: Server, folder: Path, rows: list[dict[str, Any]], count: int) -> list[Figure]:
    """Kill workers (SIGKILL) under load; every answer that a client has must be in the log."""
    with Load(server, rows, CLIENTS) as load:
        for _ in range(count):
            time.sleep(0.5)
            deadline = time.monotonic() + 30
            while len(workers := server.workers()) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            workers[0].kill()
        time.sleep(2)
    kept = set()
    torn = damaged = 0
    for path in sorted((folder / "log").iterdir()):
        segment = journal.read(path)
        torn, damaged = torn + segment.torn, damaged + segment.damaged
        kept |= {p["prediction_id"] for line in segment.lines if line["kind"] == "answer" for p in line["predictions"]}
    lost = [answer for answer in load.answers if answer[3] not in kept]
    print(f"{len(load.answers):,} answers, {load.broken} connections broken, {torn} torn lines, failures {load.failures[:3]}", flush=True)
    return [
        Figure(f"{count} workers killed, two workers: answers", len(load.answers), "answers"),
        Figure("... acknowledged and not in the log", len(lost), "answers", 0),
        Figure("... damaged lines", damaged, "lines", 0),
        Figure("... refused with an error", len(load.failures), "requests", 0),
    ]


def _folder(place: Path, packages: list[Path]) -> tuple[Path, list[str], str]:
    """Return a serving folder with packages, of which the first is champion; their digests; and a key."""
    digests = []
    for package in packages:
        digest = bundle.digest(package)
        shutil.copytree(package, place / "packages" / digest)
        digests.append(digest)
    now = datetime.now(UTC)
    arm = Arm(version=1, package_digest=digests[0])
    routing.change(place, lambda _: Routing(revision=1, champion=arm, by="bench", reason="start", changed_at=now))
    _, token = keys.create(place / "keys.json", "bench", [Role.PREDICT], now)
    return place, digests, token


def _without_limits(bento: Path, copy: Path) -> Path:
    """Return a copy of a Bento that takes as many requests of one key as come."""
    shutil.copytree(bento, copy)
    rules = policy.SERVICE.model_copy(update={"requests_per_second": 1e6, "burst": 1_000_000, "poll_seconds": 0.2})
    (copy / "src" / "service.json").write_text(rules.model_dump_json())
    return copy


def _another(package: Path, folder: Path) -> Path:
    """Return another model: the same package with another threshold and a shifted answer would not do, so a smaller batch of weights."""
    import onnx
    from onnx import numpy_helper

    def fill(path: Path) -> None:
        for file in package.iterdir():
            if file.name != bundle.MANIFEST:
                shutil.copyfile(file, path / file.name)
        model = onnx.load(str(path / "model.onnx"))
        weights = max(model.graph.initializer, key=lambda each: len(each.raw_data))
        weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(0.97), weights.name))
        onnx.save(model, str(path / "model.onnx"))

    bundle.write(folder, fill)
    return folder


def main() -> None:
    """Run all, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, swaps and kills")
    quick = parser.parse_args().quick
    rounds, n_swaps, n_kills = (3, 12, 4) if quick else (ROUNDS, SWAPS, KILLS)
    registry = Registry(tracking_uri(), policy.MODEL_NAME)
    champion = registry.deployed(0)
    assert champion.bundle_uri is not None
    package, bento = fetch(champion.bundle_uri), fetch(registry.bento_uri("champion"))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        home = Path(scratch)
        rows = _rows(package)
        free = _without_limits(bento, home / "bento")
        folder, digests, token = _folder(home / "serving", [package, _another(package, home / "another")])
        (home / "peer").mkdir()
        (home / "one").mkdir()
        command = [sys.executable, "-m", "tests.benchmarks.serving_peer", str(package), "{port}"]
        peer = stack.enter_context(Server(command, Path.cwd(), _clean(), home / "peer" / "log", path="/openapi.json"))
        server = bento_server(free, folder, home / "one")
        server.token = token
        stack.enter_context(server)
        figures.append(Figure("start to ready", server.ready_seconds, "s", 3.0))
        figures += _compared({"evergreen": server, "FastAPI": peer}, rows, rounds)
        figures.append(Figure("resident memory of a worker", server.workers()[0].memory_info().rss / 1e6, "MB", 300.0))
        figures.append(Figure("... of FastAPI", peer.tree()[0].memory_info().rss / 1e6, "MB"))
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        free = _without_limits(bento, home / "bento")
        folder, digests, token = _folder(home / "serving", [package, _another(package, home / "another")])
        (home / "two").mkdir()
        two = bento_server(free, folder, home / "two", workers=2)
        two.token = token
        with two:
            steps: list[Callable[[], list[Figure]]] = [
                lambda: swaps(two, folder, digests, rows[:200], n_swaps),
                lambda: corrupt(two, folder, digests[0], rows[:200]),
                lambda: kills(two, folder, rows[:200], n_kills),
            ]
            for step in steps:
                figures += step()
    publish("serving", figures)


def _compared(servers: dict[str, Server], rows: list[dict[str, Any]], rounds: int) -> list[Figure]:
    single = side_by_side(servers, rows, rounds, SINGLE, 1)
    many = side_by_side(servers, rows, rounds, BATCH, policy.SERVICE.most_rows)
    (own_cpu, own), (peer_cpu, peer) = single["evergreen"], single["FastAPI"]
    (own_many, own_seconds), (peer_many, peer_seconds) = many["evergreen"], many["FastAPI"]
    size = policy.SERVICE.most_rows
    return [
        Figure("one row: CPU a request, to FastAPI's", own_cpu / peer_cpu, "x", 1.4),
        Figure("... CPU a request", own_cpu * 1e6, "us"),
        Figure("... of FastAPI", peer_cpu * 1e6, "us"),
        Figure("one row: p99, to FastAPI's", float(np.percentile(own, 99) / np.percentile(peer, 99)), "x", 1.5),
        Figure("... p50", float(np.median(own)) * 1e3, "ms"),
        Figure("... p99", float(np.percentile(own, 99)) * 1e3, "ms"),
        Figure("... p99 of FastAPI", float(np.percentile(peer, 99)) * 1e3, "ms"),
        Figure(f"{size:,} rows: rows a second, to FastAPI's", float(np.median(peer_seconds) / np.median(own_seconds)), "x", 1.0, "higher"),
        Figure("... rows a second", size / float(np.median(own_seconds)), "rows/s"),
        Figure("... CPU, to FastAPI's", own_many / peer_many, "x", 1.0),
    ]


def _rows(package: Path) -> list[dict[str, Any]]:
    """Return rows of features as clients would send them: the package's golden ones are not kept, so plausible values."""
    predictor = Predictor(package)
    generator = np.random.default_rng(2013)
    count = 2 * policy.SERVICE.most_rows
    columns: dict[str, Any] = {
        c.name: np.where(
            generator.random(count) < (0.1 if c.has_indicator else 0.0), np.nan, generator.uniform(c.lower, c.upper, count).round(3)
        )
        for c in predictor.preprocessing.numeric
    }
    columns |= {c.name: generator.choice(c.values, count) for c in predictor.preprocessing.categorical}
    return pl.DataFrame(columns).fill_nan(None).to_dicts()


def _clean() -> dict[str, str]:
    import os

    return os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}


if __name__ == "__main__":
    main()

"""The Bento as a server in a process of its own: does it start, answer as the training code does, refuse what is bad, and how fast.

It runs by an interpreter that can import the Bento's own requirements and nothing else (`requirements.py`), with an environment
of its own, and ends with the probe, whatever happens. What follows from the figures is the gate's to say.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs
import psutil

from tasks.artifacts.serving import BadRequestCheck, Role, ServiceCheck, ServiceRules
from tasks.artifacts.vocabulary import Vocabulary
from tasks.errors import PackagingError
from tasks.serving import keys, refusals

log = logging.getLogger(__name__)

_HOST, _PLACE = "127.0.0.1", "EVERGREEN_SERVING"
_FORBIDDEN = ("torch", "flytekit")
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")  # of this process's environment
_PATIENCE = 6
"""Times the seconds within which it must be ready: a slow start is measured, a hang is not waited for."""
_END_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_FULL_REQUESTS = 5  # of as many rows as are allowed: the median of these
_FURTHER_REQUESTS = 100  # bad ones with a good key, and what they need
_ALL, _FEEDBACK = [Role.PREDICT, Role.FEEDBACK, Role.ADMIN], [Role.FEEDBACK]

# BentoML's own command, that ends when its standard input does: with the probe, even if that is killed.
_SERVE = """
import os, runpy, signal, threading
threading.Thread(target=lambda: (os.read(0, 1), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
runpy.run_module("bentoml", run_name="__main__", alter_sys=True)
"""

# Imports every module of the Bento, so that one that is imported late finds what it needs too.
_LOOK = """
import importlib, importlib.util, json, pathlib, sys
from importlib.metadata import distributions
root, failed = pathlib.Path(sys.argv[1]), {}
for path in sorted((root / "tasks").rglob("*.py")):
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    try:
        importlib.import_module(name.removesuffix(".__init__"))
    except ImportError as error:
        failed[name] = str(error)
there = [name for name in sys.argv[2:] if importlib.util.find_spec(name)]
print(json.dumps({"packages": len({d.name for d in distributions()}), "failed": failed, "there": there}))
"""


def probe(
    bento: Path,
    tag: str,
    python: Path,
    golden: pl.DataFrame,
    expected: npt.ArrayLike,
    tolerance: float,
    rules: ServiceRules,
    names: Vocabulary,
) -> ServiceCheck:
    """Start a Bento as a server and try it.

    Args:
        bento: The Bento.
        tag: Its tag.
        python: Interpreter of an environment with the Bento's requirements alone.
        golden: Rows of the features that the model reads.
        expected: The training code's probabilities of these, shape (n,).
        tolerance: Largest difference in probability that is allowed. The service answers in six digits: their rounding, at most
            half of the last one, counts in.
        rules: The limits that it must keep.
        names: What its rows are called in requests.

    Raises:
        PackagingError: If the environment has what it must not have or lacks what the Bento imports, or if the server does not
            start or does not answer good requests.
    """
    wanted = np.asarray(expected, np.float64)
    rows = golden.with_columns(cs.float().fill_nan(None)).to_dicts()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        packages = _look(bento, tag, python, folder)
        requests = len(rows) + math.ceil(len(rows) / rules.most_rows) + _FULL_REQUESTS + _FURTHER_REQUESTS
        # Each key may ask only so often: so many, that none must wait.
        tokens = [_token(folder, _ALL) for _ in range(math.ceil(requests / rules.burst))]
        feedback_token = _token(folder, _FEEDBACK)
        with _server(bento, tag, python, folder, rules) as server, closing(Client(server.port, tokens)) as client:
            together = [part for i in range(0, len(rows), rules.most_rows) for part in client.predict(rows[i : i + rules.most_rows])]
            alone, seconds = zip(*(_timed(client, [row]) for row in rows), strict=True)
            answers = [together, [prediction for (prediction,) in alone]]
            difference = max(float(np.abs([p["probability"] for p in found] - wanted).max()) for found in answers)
            full = (rows * math.ceil(rules.most_rows / len(rows)))[: rules.most_rows]
            slow = float(np.median([_timed(client, full)[1] for _ in range(_FULL_REQUESTS)]))
            refused = _refusals(client, golden, rows[0], {"all": tokens[0], "feedback": feedback_token}, rules, names.rows)
            memory = server.memory_mb()
    check = ServiceCheck(
        bento_tag=tag,
        golden_rows=len(rows),
        largest_difference=difference,
        tolerance=tolerance,
        ready_seconds=server.ready_seconds,
        p50_ms=float(np.quantile(seconds, 0.5)) * 1_000,
        p99_ms=float(np.quantile(seconds, 0.99)) * 1_000,
        rows_per_second=rules.most_rows / slow,
        memory_mb=memory,
        packages=packages,
        refusals=refused,
        limits=rules,
    )
    log.info("%s: ready in %.1f s, p99 %.1f ms, %.0f MB", tag, check.ready_seconds, check.p99_ms, check.memory_mb)
    return check


@dataclass
class Server:
    """A server that runs: its process, its port on loopback, how long it took to be ready."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float = 0.0

    def memory_mb(self) -> float:
        """Return the resident memory of its largest worker."""
        running = psutil.Process(self.process.pid)
        return float(max(worker.memory_info().rss for worker in running.children(recursive=True) or [running]) / 2**20)


class Client:
    """Asks a server over one connection, with one key after another.

    Args:
        port: The server's.
        tokens: Of keys with all roles.
    """

    def __init__(self, port: int, tokens: Sequence[str]) -> None:
        self.port, self._tokens = port, cycle(tokens)
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=_ANSWER_SECONDS)

    def predict(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the predictions of rows.

        Raises:
            PackagingError: If good rows are not answered.
        """
        found: list[dict[str, Any]] = self.post("/predict", {"rows": rows})["predictions"]
        return found

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a good request.

        Raises:
            PackagingError: If it is refused, or no answer comes.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {next(self._tokens)}"}
        try:
            self._connection.request("POST", path, json.dumps(body), headers)
            response = self._connection.getresponse()
            status, said = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            status, said = refusals.NO_ANSWER, repr(error).encode()
        if status != http.HTTPStatus.OK:
            told = f"{status} {said[:300].decode(errors='replace')}"
            raise PackagingError(f"the service must answer a good request to {path}", told, "run `make serve` and send it one")
        answer: dict[str, Any] = json.loads(said)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _timed(client: Client, rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    started = time.perf_counter()
    return client.predict(rows), time.perf_counter() - started


def _token(folder: Path, roles: Sequence[Role]) -> str:
    """Return the token of a new key."""
    return keys.create(_serving(folder) / keys.FILE, "probe", roles, datetime.now(UTC))[1]


def _refusals(
    client: Client, golden: pl.DataFrame, row: dict[str, Any], tokens: Mapping[str, str], rules: ServiceRules, named: str
) -> list[BadRequestCheck]:
    """Return how each bad request was answered."""
    answered = [p["prediction_id"] for p in client.predict([row] * 3)]
    client.post("/feedback", {"outcomes": [{"prediction_id": answered[0], "outcome": True}]})
    numeric, categorical = golden.select(cs.numeric()).columns[0], golden.select(cs.string()).columns[0]
    table = refusals.table(row, numeric, categorical, answered, tokens, rules, named)
    return [refusals.send(_HOST, client.port, bad) for bad in table]


def _look(bento: Path, tag: str, python: Path, folder: Path) -> int:
    """Return how many distributions the environment has, once it lacks what it must and has what the Bento imports."""
    source = bento / "src"
    command = [str(python), "-c", _LOOK, str(source), *_FORBIDDEN]
    done = subprocess.run(command, env=_environment(folder, source), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingError(f"the environment of {tag} must run", done.stderr.strip()[-600:], "read its message above")
    facts = json.loads(done.stdout.splitlines()[-1])
    if facts["there"]:
        raise PackagingError(f"{tag} must serve without {', '.join(_FORBIDDEN)}", ", ".join(facts["there"]), "look at images/serving.lock")
    if facts["failed"]:
        told = "; ".join(f"{name}: {why}" for name, why in list(facts["failed"].items())[:5])
        raise PackagingError(f"every module of {tag} must find what it imports", told, "add the package to images/closures.py, `make lock`")
    return int(facts["packages"])


@contextmanager
def _server(bento: Path, tag: str, python: Path, folder: Path, rules: ServiceRules) -> Iterator[Server]:
    """Run a server for as long as the block lasts; it is ready in it."""
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    command = [str(python), "-c", _SERVE, "serve", str(bento), "--host", _HOST, "--port", str(port)]
    with (folder / "server.log").open("w+b") as told:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=_environment(folder, bento / "src"),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            server = Server(process, port)
            if not _is_ready(server, started, rules.ready_seconds * _PATIENCE):
                told.seek(max(0, told.seek(0, os.SEEK_END) - 1_000))
                ended = "" if process.poll() is None else f"it ended with {process.returncode}: "
                found = ended + told.read().decode(errors="replace").strip()
                raise PackagingError(f"{tag} must be ready within {rules.ready_seconds * _PATIENCE:.0f} s", found, "read its log above")
            yield server
        finally:
            _end(process, folder)


def _is_ready(server: Server, started: float, seconds: float) -> bool:
    """Wait until a server is ready, has ended, or the time is over; return whether it is ready."""
    while server.process.poll() is None and (waited := time.perf_counter() - started) < seconds:
        connection = http.client.HTTPConnection(_HOST, server.port, timeout=max(1.0, seconds - waited))
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                server.ready_seconds = time.perf_counter() - started
                return True
        except (OSError, http.client.HTTPException):
            pass  # nobody listens yet
        finally:
            connection.close()
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End the process group that was started here, and its workers, which BentoML puts into sessions of their own."""
    assert process.stdin is not None
    process.stdin.close()
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
    left = list(_started_in(folder))
    for worker in left:
        with suppress(psutil.Error):
            worker.kill()
    psutil.wait_procs(left, timeout=_END_SECONDS)


def _started_in(folder: Path) -> Iterator[psutil.Process]:
    """Return the processes that serve from a folder; nobody else knows its name."""
    for running in psutil.process_iter():
        with suppress(psutil.Error):
            if running.environ().get(_PLACE) == str(_serving(folder)):
                yield running


def _environment(folder: Path, source: Path) -> dict[str, str]:
    """Return the environment of the server: nothing of this process's but where programs are, and folders of its own."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "HOME": str(folder),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        _PLACE: str(_serving(folder)),
        "EVERGREEN_WORKERS": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(_made(folder / "metrics")),
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def _serving(folder: Path) -> Path:
    return _made(folder / "serving")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder

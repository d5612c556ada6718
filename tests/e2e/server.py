"""A server of a Bento, started as a user or a pod would, with what a test or a benchmark asks of it. Not a test itself."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_READY_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running server in a process group of its own; use it in a `with`, which ends it."""

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path, port: int | None = None, path: str = "/readyz"
    ) -> None:
        self.port = port or free_port()
        self._command = [part.replace("{port}", str(self.port)) for part in command]
        self._cwd, self._environment, self._log, self._path = cwd, dict(environment), log, path
        self.token = ""
        self.tls: ssl.SSLContext | None = None
        self.ready_seconds = 0.0

    def __enter__(self) -> Server:
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, cwd=self._cwd, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            while not self._answers():
                if self.process.poll() is not None or time.perf_counter() - started > _READY_SECONDS:
                    raise AssertionError(f"the server did not start:\n{self.output()[-3_000:]}")
                time.sleep(0.02)
        except BaseException:
            self.__exit__()
            raise
        self.ready_seconds = time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            return self.ask("GET", self._path).status < 500
        except OSError:
            return False

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to keep."""
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """Send one request on a connection of its own; a body that is no bytes goes as JSON."""
        connection = self.connect()
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            key = self.token if token is None else token
            given = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}) | dict(headers)
            connection.request(method, path, sent, given)
            reply = connection.getresponse()
            return Answer(reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()})
        finally:
            connection.close()

    def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> Answer:
        """POST a body."""
        return self.ask("POST", path, body, token, headers)

    def output(self) -> str:
        """Return what the server printed."""
        return self._log.read_text(errors="replace")

    def tree(self) -> list[psutil.Process]:
        """Return the server's processes, itself first."""
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer."""
        found = []
        for process in self.tree():
            try:
                if any("_bentoml_impl.worker" in part for part in process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def cpu_seconds(self) -> float:
        """Return the processor time of all processes so far."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self.tree()))


def bento_server(bento: Path, folder: Path, home: Path, workers: int = 1, **more: str) -> Server:
    """Return the server of a Bento as `make serve` starts it.

    Args:
        bento: The Bento.
        folder: The serving folder.
        home: For BentoML's own files, the log and the metrics.
        workers: Processes that answer.
        more: Further variables.
    """
    metrics = home / "metrics"
    metrics.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EVERGREEN", "BENTOML", "PROMETHEUS", "PYTHONPATH"))}
    environment = kept | {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home / "bentoml"),
        "EVERGREEN_SERVING": str(folder),
        "EVERGREEN_WORKERS": str(workers),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONPATH": str(bento / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", "{port}"]
    return Server(command, home, environment | more, home / "server.log")


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

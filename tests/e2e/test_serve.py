"""`make serve`: the champion's Bento answers over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.harness import Project
from tests.e2e.test_monitor import _promote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # mlflow's own, at import
]

FLIGHT = {"origin": "JFK", "carrier": "B6", "dest": "BOS", "hour": "18", "weekday": "5", "departure_minute": 1110, "distance": 187}


@pytest.fixture(scope="module")
def address(finished: Project) -> Iterator[str]:
    _promote(finished, 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tasks.serving.run", "--port", str(port)]
    log = open(finished.home / "serve.log", "w")  # noqa: SIM115  (closed below)
    server = subprocess.Popen(
        command, cwd=finished.root, env=finished.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                    break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail((finished.home / "serve.log").read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
        log.close()


def _post(address: str, body: Any) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/predict", data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_answers_a_request(address: str, finished: Project) -> None:
    status, answer = _post(address, {"rows": [FLIGHT, FLIGHT | {"carrier": "ZZ"}]})
    assert status == 200, answer
    first, second = answer["predictions"]
    assert 0 < first["probability"] < 1
    threshold = next(m["threshold"] for m in finished.summary()["models"] if m["name"] == "network")
    assert first["flagged"] == (first["probability"] >= threshold)
    assert "carrier 'ZZ' was never seen in training" in second["warnings"]
    assert first["prediction_id"] != second["prediction_id"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "1 to 1000"),
        ([FLIGHT | {"colour": "red"}], "no feature is named 'colour'"),
        ([{k: v for k, v in FLIGHT.items() if k != "dest"}], "rows[0].dest must be a string"),
        ([FLIGHT, FLIGHT | {"distance": "far"}], "rows[1].distance must be a finite number"),
    ],
)
def test_refuses_a_bad_request(address: str, rows: list[Any], words: str) -> None:
    status, answer = _post(address, {"rows": rows})
    assert status == 400, answer
    assert words in answer.replace("\\", "")

"""`make serve`: the champion's Bento answers over HTTP, with features of its own, keys, explanations and feedback."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.e2e.harness import AS_OF, Project
from tests.e2e.server import Server, free_port
from tests.e2e.test_monitor import _promote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # mlflow's own, at import
]

ROW = {"origin": "JFK", "carrier": "B6", "dest": "BOS", "hour": "18", "weekday": "5", "departure_minute": 1110, "distance": 187}
FLIGHT = {
    "year": 2013,
    "month": 4,
    "day": 10,
    "carrier": "B6",
    "flight": 1018,
    "origin": "JFK",
    "dest": "BOS",
    "sched_dep_time": 1830,
    "sched_arr_time": 1945,
    "distance": 187,
}


def serve(project: Project, **more: str) -> Server:
    """Return the server as `make serve` starts it."""
    port = free_port()
    command = [sys.executable, "-m", "tasks.serving.run", "--port", str(port)]
    return Server(command, project.root, project.environment(**more), project.home / f"serve-{port}.log", port)


@pytest.fixture(scope="module")
def served(finished: Project) -> Iterator[Server]:
    _promote(finished, 1)
    with serve(finished) as server:
        found = re.search(r"^\s*(evg_\w+)$", server.output(), re.MULTILINE)
        assert found, server.output()
        server.token = found[1]
        yield server


def test_answers_rows_of_features(served: Server, finished: Project) -> None:
    answer = served.post("/predict", {"rows": [ROW, ROW | {"carrier": "ZZ"}]})
    assert answer.status == 200, answer.body
    first, second = answer.json()["predictions"]
    threshold = next(m["threshold"] for m in finished.summary()["models"] if m["name"] == "network")
    assert 0 < first["probability"] < 1
    assert first["flagged"] == (first["probability"] >= threshold)
    assert first["model_version"] == 1
    assert "carrier 'ZZ' was never seen in training" in second["warnings"]
    assert first["prediction_id"] != second["prediction_id"]


def test_a_key_is_asked_for(served: Server) -> None:
    assert served.post("/predict", {"rows": [ROW]}, token="evg_none_none").status == 401
    assert served.ask("GET", "/routing").status == 403
    assert served.token not in (served._log.parent / "serving" / "keys.json").read_text()


def test_flights_have_features_from_the_published_state(served: Server, finished: Project) -> None:
    assert served.post("/predict", {"flights": [FLIGHT]}).status == 503
    published = finished.ask("serving_state", "serving_state", "--as_of", AS_OF, "--source", finished.source)
    assert published.status == 0, published.output
    for _ in range(200):
        answer = served.post("/predict", {"flights": [FLIGHT, FLIGHT | {"day": 14}]})
        if answer.status != 503:
            break
        time.sleep(0.1)
    assert answer.status == 200, answer.body
    near, far = answer.json()["predictions"]
    assert 0 < near["probability"] < 1
    assert any("the online state is" in warning for warning in far["warnings"])
    wrong = served.post("/predict", {"flights": [FLIGHT | {"day": 31}]})
    assert wrong.status == 400
    assert "day" in wrong.json()["error"]["message"]


def test_explains_and_takes_the_outcome_once(served: Server) -> None:
    explained = served.post("/explain", {"rows": [ROW]}).json()["explanations"][0]
    total = explained["typical_probability"] + sum(c["contribution"] for c in explained["contributions"])
    assert total == pytest.approx(explained["probability"], abs=2e-6)
    name = served.post("/predict", {"rows": [ROW]}).json()["predictions"][0]["prediction_id"]
    outcome = {"outcomes": [{"prediction_id": name, "outcome": True}]}
    assert [served.post("/feedback", outcome).status for _ in range(2)] == [200, 409]


def test_metrics_and_documents_need_no_key(served: Server) -> None:
    assert b"evergreen_predictions_total" in served.ask("GET", "/metrics", token="").body
    document: dict[str, Any] = served.ask("GET", "/openapi.json", token="").json()
    assert document["openapi"].startswith("3.1")


def test_no_input_is_in_the_output(served: Server) -> None:
    served.post("/predict", {"rows": [ROW | {"carrier": 7, "passenger": "Mrs Example"}]})
    served.post("/predict", b'{"passenger": "Mrs Example')
    assert "Example" not in served.output()
    log = b"".join(path.read_bytes() for path in (served._log.parent / "serving" / "log").iterdir())
    assert b"Example" not in log


def test_what_was_predicted_comes_into_the_lake_with_its_outcome(served: Server, finished: Project) -> None:
    """Last of those that ask this server: it takes the log's closed segments, so the server's end closes them."""
    with serve(finished) as another:  # a second server of the same folder, whose end closes a segment
        another.token = served.token
        name = another.post("/predict", {"rows": [ROW]}).json()["predictions"][0]["prediction_id"]
        assert another.post("/feedback", {"outcomes": [{"prediction_id": name, "outcome": False}]}).status == 200
    collected = finished.ask("collect", "collect", "--as_of", AS_OF, "--source", finished.source)
    assert collected.status == 0, collected.output
    rows = pl.read_delta(str(finished.home / "lake" / "predictions"))
    assert rows.filter(prediction_id=name).height == 1
    outcomes = pl.read_delta(str(finished.home / "lake" / "outcomes"))
    assert outcomes.filter(prediction_id=name).height == 1


def test_speaks_tls_where_it_is_told_to(finished: Project, tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    with_tls = serve(finished, EVERGREEN_TLS_CERT=str(certificate), EVERGREEN_TLS_KEY=str(key))
    with_tls.tls = ssl.create_default_context(cafile=str(certificate))
    with with_tls as server:
        assert server.ask("GET", "/livez").status == 200


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files


def test_a_setting_that_is_half_there_is_told(finished: Project, tmp_path: Path) -> None:
    environment = finished.environment(EVERGREEN_TLS_CERT=str(tmp_path / "none.pem"))
    done = subprocess.run(
        [sys.executable, "-m", "tasks.serving.run"], cwd=finished.root, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "must both name PEM files" in done.stderr

"""The application as a server asks it: routes, keys, limits, and a 4xx for whatever is wrong, without a value of the input in a log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.serving import Role
from tasks.serving import application, keys
from tests.unit.serving import asgi, toy
from tests.unit.serving.asgi import RULES, Service

pytestmark = pytest.mark.unit

GOOD = json.dumps({"rows": [toy.ROW]}).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with asgi.service(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_what_needs_no_key(service: Service, path: str) -> None:
    status, _, headers = service.ask("GET", path, headers={"authorization": ""})
    assert status == 200
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("GET", "/", {}, b"", 404, "unknown path"),
        ("GET", "/metrics/../keys.json", {}, b"", 404, "unknown path"),
        ("GET", "/predict", {}, b"", 405, "method"),
        ("DELETE", "/predict", {}, GOOD, 405, "method"),
        ("POST", "/predict", {"authorization": ""}, GOOD, 401, "key"),
        ("POST", "/predict", {"authorization": "Bearer evg_x_y"}, GOOD, 401, "key"),
        ("POST", "/predict", {"authorization": "Basic dXNlcjpwYXNz"}, GOOD, 401, "key"),
        ("POST", "/predict", {"authorization": "Bearer \xff"}, GOOD, 401, "key"),
        ("POST", "/predict", {"content-type": "text/plain"}, GOOD, 415, "content type"),
        ("POST", "/predict", {"content-type": ""}, GOOD, 415, "content type"),
        ("POST", "/predict", {"content-encoding": "gzip"}, GOOD, 415, "content encoding"),
        ("POST", "/predict", {"content-length": "20001"}, GOOD, 413, "body size"),  # declared
        ("POST", "/predict", {"content-length": "-1"}, GOOD, 413, "body size"),
        ("POST", "/predict", {}, b" " * 20_001, 413, "body size"),  # in fact
        ("POST", "/predict", {}, b"", 400, "invalid"),
        ("POST", "/predict", {}, b'{"rows": [NaN]}', 400, "invalid"),
        ("POST", "/predict", {}, b'{"rows": []}', 400, "invalid"),
        (
            "POST",
            "/predict",
            {},
            json.dumps({"rows": [toy.ROW | {"wind": 1e39}]}).encode(),
            400,
            "invalid",
        ),  # infinite as the model reads it
        ("POST", "/predict", {}, json.dumps({"rows": [toy.ROW | {"wind": -(10**400)}]}).encode(), 400, "invalid"),
        ("POST", "/explain", {}, json.dumps({"rows": [toy.ROW | {"wind": 10**400}]}).encode(), 400, "invalid"),
        ("POST", "/predict", {}, json.dumps({"rows": [toy.ROW] * 21}).encode(), 400, "invalid"),
        ("POST", "/predict", {}, b'{"flights": [{}]}', 503, "no state"),  # of a toy, whose clients send nothing
        ("POST", "/explain", {}, json.dumps({"rows": [toy.ROW] * 4}).encode(), 400, "invalid"),
        ("POST", "/feedback", {}, b'{"outcomes": [{"prediction_id": "x", "outcome": true}]}', 404, "unknown"),
        ("POST", "/routing/abort", {}, b'{"reason": ""}', 400, "invalid"),
        ("POST", "/routing/abort", {}, b'{"reason": "bad"}', 409, "nothing"),
    ],
)
def test_what_is_wrong_is_refused_and_told(
    service: Service, method: str, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    found, told, _ = service.ask(method, path, body, headers)
    assert (found, told["error"]["code"]) == (status, code), told
    assert len(json.dumps(told)) < 2_000
    assert "Traceback" not in json.dumps(told)


def test_a_body_in_parts_is_one_body_and_has_the_same_limit(service: Service) -> None:
    assert service.ask("POST", "/predict", parts=[GOOD[:10], GOOD[10:]])[0] == 200
    assert service.ask("POST", "/predict", parts=[b" " * 9_000] * 3)[0] == 413


def test_a_key_is_good_for_its_roles_until_it_is_revoked(tmp_path: Path) -> None:
    with asgi.service(tmp_path) as service:
        now = datetime.now(UTC)
        key, token = keys.create(service.folder / "keys.json", "airline", [Role.PREDICT], now, now + timedelta(days=1))
        service.worker.keys.refresh()
        headers = {"authorization": f"Bearer {token}"}
        assert service.ask("POST", "/predict", GOOD, headers)[0] == 200
        assert service.ask("POST", "/feedback", {"outcomes": []}, headers)[0] == 403
        assert service.ask("GET", "/routing", None, headers)[0] == 403
        keys.revoke(service.folder / "keys.json", key.id, now)
        service.worker.keys.refresh()
        assert service.ask("POST", "/predict", GOOD, headers)[0] == 401


def test_a_key_that_asks_too_often_waits(tmp_path: Path) -> None:
    with asgi.service(tmp_path, RULES.model_copy(update={"requests_per_second": 0.5, "burst": 2})) as service:
        found = [service.ask("POST", "/predict", GOOD) for _ in range(3)]
        assert [status for status, _, _ in found] == [200, 200, 429]
        assert 1 <= int(found[2][2]["retry-after"]) <= 2


def test_a_defect_of_ours_tells_neither_client_nor_log_what_was_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("Mrs Example, seat 12A")

    monkeypatch.setattr(service.worker.parts.journal, "write", fail)
    with caplog.at_level(logging.DEBUG):
        status, told, _ = service.ask("POST", "/predict", {"rows": [toy.ROW | {"carrier": "Mrs Example"}]})
    assert (status, told["error"]["code"]) == (500, "internal")
    assert "KeyError in" in caplog.text
    assert "Example" not in caplog.text + json.dumps(told)


def test_an_answer_that_cannot_be_logged_is_not_given(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.worker.parts.journal, "write", full)
    assert service.predict(toy.ROW)[0] == 500


def test_too_many_large_bodies_at_once_are_asked_to_come_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.application, "_bytes_here", 16 * RULES.most_bytes - len(GOOD) + 1)
    status, told, headers = service.ask("POST", "/predict", GOOD)
    assert (status, told["error"]["code"], headers["retry-after"]) == (503, "busy", "1")
    monkeypatch.undo()
    assert service.ask("POST", "/predict", GOOD)[0] == 200
    assert service.application._bytes_here == 0


def test_a_body_that_does_not_come_is_not_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "_BODY_SECONDS", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    came: list[Any] = []

    async def send(message: Any) -> None:
        came.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {service.token}".encode()), (b"content-length", b"9")]
    asyncio.run(service.application({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, never, send))
    assert came[0]["status"] == 408


def test_metrics_have_the_routes_that_there_are_and_no_other(service: Service) -> None:
    service.ask("GET", "/a/path/of/a/client")
    service.predict(toy.ROW)
    _, text, _ = service.ask("GET", "/metrics")
    assert 'evergreen_requests_total{route="predict",status="200"}' in text
    assert 'route="other"' in text
    assert "a/path" not in text


def test_the_documents_need_nothing_from_outside(service: Service) -> None:
    _, page, headers = service.ask("GET", "/docs")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "<script" not in page
    _, document, _ = service.ask("GET", "/openapi.json")
    assert {"/predict", "/explain", "/feedback"} <= document["paths"].keys()

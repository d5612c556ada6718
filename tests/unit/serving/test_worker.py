"""A worker follows its pointer, keys and state by itself, and goes on whatever is wrong with them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tasks.artifacts.serving import Arm
from tasks.errors import BundleError
from tasks.serving import worker
from tasks.serving.worker import Worker
from tests.unit.serving import asgi, toy
from tests.unit.serving.test_answers import routed, wait_for

pytestmark = pytest.mark.unit


def test_a_revision_that_is_corrupt_is_refused_while_the_old_one_serves(tmp_path: Path) -> None:
    with asgi.service(tmp_path) as service:
        good, bad = service.package(0.0, seed=1), service.package(1.5)
        routed(service, champion=Arm(version=1, package_digest=good))
        model = service.folder / "packages" / bad / "model.onnx"
        model.write_bytes(model.read_bytes()[:-1] + b"\x00")
        service.route(champion=Arm(version=2, package_digest=bad))
        (event,) = wait_for(lambda: service.lines("refused", "events"))
        assert (event["revision"], "altered" in event["reason"]) == (2, True)
        status, answer = service.predict(toy.ROW)
        assert (status, answer["predictions"][0]["model_version"]) == (200, 1)
        assert "evergreen_routing_refused_total 1.0" in service.ask("GET", "/metrics")[1]


def test_a_person_sends_a_canary_back(tmp_path: Path) -> None:
    with asgi.service(tmp_path) as service:
        first, second = service.package(0.0, seed=1), service.package(1.5)
        routed(service, champion=Arm(version=1, package_digest=first), canary=Arm(version=2, package_digest=second), share=0.3)
        status, told, _ = service.ask("POST", "/routing/abort", {"reason": "complaints"})
        assert (status, told["canary"], told["revision"], told["reason"]) == (200, None, 2, "complaints")
        wait_for(lambda: service.worker.parts.revisions.live.canary is None)
        (event,) = service.lines("admin", "events")
        assert event["by"].startswith("key ")
        _, shown, _ = service.ask("GET", "/routing")
        assert shown["served"] == {"champion": {"version": 1, "package": first}}


def test_broken_keys_leave_the_old_ones_valid_and_are_told(tmp_path: Path) -> None:
    with asgi.service(tmp_path) as service:
        assert service.predict(toy.ROW)[0] == 200
        (service.folder / "keys.json").write_text("{")
        wait_for(lambda: service.worker.keys.problem)
        assert service.predict(toy.ROW)[0] == 200
        assert any("keys.json" in problem for problem in json.loads(service.worker.routing())["problems"])


def test_without_a_whole_package_there_is_no_worker(tmp_path: Path) -> None:
    toy.package(tmp_path / "model")
    (tmp_path / "model" / "more").write_text("foreign")
    with pytest.raises(BundleError, match="foreign"):
        Worker(tmp_path / "serving", tmp_path / "model", asgi.RULES, lambda tables: lambda flights: [])


def test_a_pointer_that_is_broken_is_told_and_the_service_goes_on(tmp_path: Path) -> None:
    with asgi.service(tmp_path) as service:
        routed(service, champion=Arm(version=1, package_digest=service.package(0.0)))
        (service.folder / "routing.json").write_text("{")
        status, shown, _ = service.ask("GET", "/routing")
        assert (status, shown["pointer"], shown["revision"]) == (200, None, 1)
        assert any("routing.json" in problem for problem in shown["problems"])
        assert service.ask("POST", "/routing/abort", {"reason": "bad"})[0] == 409
        assert service.predict(toy.ROW)[0] == 200


class Panic(BaseException):
    """As polars raises it."""


def test_a_look_that_fails_in_any_way_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asgi.service(tmp_path) as service:
        looks: list[int] = []

        def fail() -> None:
            looks.append(1)
            raise Panic("what polars says")

        monkeypatch.setattr(service.worker.parts.revisions, "poll", fail)
        wait_for(lambda: len(looks) > 1)
        assert service.ask("GET", "/readyz")[0] == 200


def test_a_worker_whose_looks_are_stuck_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_LATE", 0.2)
    with asgi.service(tmp_path) as service:
        go_on = threading.Event()
        monkeypatch.setattr(service.worker.parts.revisions, "poll", lambda: not go_on.wait(10))
        wait_for(lambda: service.ask("GET", "/readyz")[0] == 503)
        go_on.set()
        wait_for(lambda: service.ask("GET", "/readyz")[0] == 200)

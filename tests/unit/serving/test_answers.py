"""What is answered: by whom, with which ids and warnings, what is logged before, and what becomes of outcomes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.artifacts.serving import Arm, ClientRow, RequestField
from tasks.artifacts.vocabulary import Vocabulary
from tasks.errors import ClockError
from tasks.serving import state
from tasks.serving.predictor import Predictor, rounded
from tests.unit.serving import asgi, toy
from tests.unit.serving.asgi import Service

pytestmark = pytest.mark.unit


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with asgi.service(tmp_path) as made:
        yield made


def wait_for(what: Callable[[], Any]) -> Any:
    for _ in range(500):
        if found := what():
            return found
        time.sleep(0.01)
    pytest.fail("it never came")


def routed(service: Service, **arms: Any) -> None:
    revision = service.route(**arms).revision
    wait_for(lambda: service.worker.parts.revisions.live.revision == revision)


ROWS = [toy.ROW | {"carrier": carrier, "dest": dest} for carrier in ("B6", "DL", "UA") for dest in ("LAX", "MCO", "ORD")]


def test_an_answer_is_the_models_and_is_in_the_log(service: Service, tmp_path: Path) -> None:
    status, answer = service.predict(toy.ROW, toy.ROW | {"carrier": "ZZ", "flight_id": "2013-09-05-B6-1-JFK"})
    assert status == 200, answer
    predictor = Predictor(tmp_path / "model")
    expected = rounded(predictor.probabilities(predictor.encode([toy.ROW, toy.ROW | {"carrier": "ZZ"}]))).tolist()
    assert [p["probability"] for p in answer["predictions"]] == expected
    assert [p["flagged"] for p in answer["predictions"]] == [p >= 0.5 for p in expected]
    assert [p["warnings"] for p in answer["predictions"]] == [[], ["carrier 'ZZ' was never seen in training"]]
    (line,) = service.lines("answer")
    assert [p["prediction_id"] for p in line["predictions"]] == [p["prediction_id"] for p in answer["predictions"]]
    assert line["request"]["rows"] == [toy.ROW, toy.ROW | {"carrier": "ZZ", "flight_id": "2013-09-05-B6-1-JFK"}]
    assert {p["arm"] for p in line["predictions"]} == {"champion"}


def test_line_breaks_of_a_body_do_not_break_the_log(service: Service) -> None:
    assert service.ask("POST", "/predict", b'{\r\n "rows": [\n{"carrier": "a\\nb", "origin": "JFK", "dest": "X"}\n]}')[0] == 200
    (line,) = service.lines("answer")
    assert line["request"]["rows"] == [{"carrier": "a\nb", "origin": "JFK", "dest": "X"}]


def test_a_field_that_stands_there_twice_leaves_no_trace(service: Service) -> None:
    body = (
        b'{"rows": [{"passenger": "Mrs Example"}], "rows": [{"carrier": "Mrs Example", "carrier": "B6", "origin": "JFK", "dest": "LAX"}]}'
    )
    assert service.ask("POST", "/predict", body)[0] == 200
    (line,) = service.lines("answer")
    assert "Example" not in str(line)


def test_half_of_the_numbers_missing_is_told(service: Service) -> None:
    bare = {name: toy.ROW[name] for name in toy.CATEGORICAL}
    assert "2 of 2 numeric features are missing" in service.predict(bare)[1]["predictions"][0]["warnings"][0]


def test_an_entity_stays_with_its_model_and_the_other_is_asked_beside(service: Service) -> None:
    first, second = service.package(0.0, seed=1), service.package(1.5)
    routed(service, champion=Arm(version=1, package_digest=first), canary=Arm(version=2, package_digest=second), share=0.5)
    _, answer = service.predict(*ROWS)
    _, again = service.predict(*ROWS)
    versions = [p["model_version"] for p in answer["predictions"]]
    assert versions == [p["model_version"] for p in again["predictions"]]
    assert set(versions) == {1, 2}
    beside = wait_for(lambda: service.lines("shadow"))
    assert {line["version"] for line in beside} == {1}
    canaries = [p["prediction_id"] for p, version in zip(answer["predictions"], versions, strict=True) if version == 2]
    assert [name for name, _ in beside[0]["scores"]] == canaries


def test_a_shadow_scores_everything_and_answers_nothing(service: Service) -> None:
    first, second = service.package(0.0, seed=1), service.package(1.5)
    routed(service, champion=Arm(version=1, package_digest=first), shadow=Arm(version=2, package_digest=second))
    _, answer = service.predict(*ROWS)
    assert {p["model_version"] for p in answer["predictions"]} == {1}
    (line,) = wait_for(lambda: service.lines("shadow"))
    assert len(line["scores"]) == len(ROWS)
    assert all(score > p["probability"] for (_, score), p in zip(line["scores"], answer["predictions"], strict=True))


def test_a_canary_that_fails_costs_its_callers_nothing_and_goes_back_by_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = service.package(0.0, seed=1), service.package(1.5)
    routed(service, champion=Arm(version=1, package_digest=first), canary=Arm(version=2, package_digest=second), share=1.0)
    canary = service.worker.parts.revisions.live.canary
    assert canary is not None

    def broken(_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(canary.predictor, "probabilities", broken)
    for _ in range(1_000):
        status, answer = service.predict(toy.ROW)
        assert (status, answer["predictions"][0]["model_version"]) == (200, 1)
        if service.worker.parts.revisions.live.canary is None:
            break
    assert wait_for(lambda: service.worker.parts.revisions.live.canary is None)
    (event,) = wait_for(lambda: service.lines("rolled back", "events"))
    assert "fail" in event["reason"] or "error" in event["reason"]


def test_an_explanation_adds_up(service: Service) -> None:
    status, answer, _ = service.ask("POST", "/explain", {"rows": [toy.ROW | {"wind": 40}]})
    (found,) = answer["explanations"]
    assert status == 200
    total = found["typical_probability"] + sum(c["contribution"] for c in found["contributions"])
    assert total == pytest.approx(found["probability"], abs=2e-6)
    assert found["contributions"][0]["feature"] == "wind"
    assert service.lines("answer") == []


def test_outcomes_are_taken_once_and_only_for_what_was_predicted(service: Service) -> None:
    _, answer = service.predict(toy.ROW, toy.ROW)
    first, second = (p["prediction_id"] for p in answer["predictions"])
    given = [{"prediction_id": first, "outcome": True}]

    def give(outcomes: list[dict[str, Any]]) -> tuple[int, str]:
        status, told, _ = service.ask("POST", "/feedback", {"outcomes": outcomes})
        return status, told.get("error", {}).get("where", told.get("accepted"))

    forged = first[:-1] + ("0" if first[-1] != "0" else "1")
    soon, before = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(days=1)
    assert give([{"prediction_id": forged, "outcome": True}]) == (404, "outcomes[0].prediction_id")
    assert give([*given, {"prediction_id": second, "outcome": 1}]) == (400, "outcomes[1].outcome")
    assert give([*given, *given]) == (409, "outcomes[1].prediction_id")
    assert give([given[0] | {"known_at": soon.isoformat()}]) == (400, "outcomes[0].known_at")
    assert give([given[0] | {"known_at": before.isoformat()}]) == (400, "outcomes[0].known_at")
    assert give([given[0] | {"known_at": "yesterday"}]) == (400, "outcomes[0].known_at")
    assert give(given) == (200, 1)
    assert give([{"prediction_id": second, "outcome": False}, *given]) == (409, "outcomes[1].prediction_id")
    assert give([{"prediction_id": second, "outcome": False}]) == (200, 1)


def test_a_use_case_calls_its_rows_as_it_likes(tmp_path: Path) -> None:
    orders = ClientRow(names=Vocabulary(row="order", rows="orders"), key="order_id", fields=[])
    with asgi.service(tmp_path, client=orders) as service:
        assert service.ask("POST", "/predict", {"orders": [{}]})[1]["error"]["where"] == "orders"  # no state yet
        told = service.ask("POST", "/predict", {"flights": [{}]})[1]["error"]
        assert (told["message"], told["where"]) == ("no such field; the body has rows or orders", "flights")
        assert service.predict(toy.ROW | {"order_id": "mine"})[0] == 200
        assert service.predict(toy.ROW | {"flight_id": "mine"})[1]["error"]["where"] == "rows[0].flight_id"
        document = service.ask("GET", "/openapi.json")[1]
        assert "Order" in document["components"]["schemas"]
        assert "flight" not in json.dumps(document).lower()


def test_a_package_that_takes_features_alone_takes_nothing_else(tmp_path: Path) -> None:
    with asgi.service(tmp_path, client=None) as service:
        assert service.predict(toy.ROW)[0] == 200
        status, told, _ = service.ask("POST", "/predict", {"flights": [{}]})
        assert (status, told["error"]["message"]) == (400, "no such field; the body has rows")
        assert service.predict(toy.ROW | {"flight_id": "mine"})[1]["error"]["where"] == "rows[0].flight_id"


def test_flights_take_their_features_from_the_state_and_tell_its_age(tmp_path: Path) -> None:
    asked_at = datetime(2013, 9, 5, 20, tzinfo=UTC)

    class Known(asgi.NoFeatures):
        def completed(self, flight: Any) -> dict[str, Any]:
            if flight.get("bad"):
                raise ClockError("a flight must be good", "a secret", "mend it")
            return dict(flight)

        def features_of(self, flights: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [toy.ROW | {"predicted_at": asked_at, "batch_day": asked_at.date(), "flight_id": "f"} for _ in flights]

    with asgi.service(tmp_path, make=Known, client=[RequestField(name="bad", kind="integer", meaning="Bad", is_required=False)]) as service:
        assert service.ask("POST", "/predict", {"flights": [{}]})[0] == 503
        state.publish(service.folder, {"flights": pl.DataFrame({"a": [1]})}, asked_at - timedelta(hours=9), "flights")
        wait_for(lambda: service.worker.parts.state())
        status, answer, _ = service.ask("POST", "/predict", {"flights": [{}, {"features": {"wind": 30.0}}]})
        assert status == 200, answer
        plain, windy = answer["predictions"]
        assert plain["warnings"] == ["the online state is 9 hours old"]
        assert windy["probability"] > plain["probability"]
        (line,) = service.lines("answer")
        assert line["request"]["rows"][1] == toy.ROW | {"wind": 30.0, "flight_id": "f"}
        assert line["predictions"][0]["predicted_at"] == "2013-09-05T20:00:00Z"
        status, told, _ = service.ask("POST", "/predict", {"flights": [{"features": {"colour": 1}}]})
        assert (status, told["error"]["where"]) == (400, "flights[0].features.colour")
        status, told, _ = service.ask("POST", "/predict", {"flights": [{}, {"features": {"carrier": None}}]})
        assert (status, told["error"]["where"]) == (400, "flights[1].features.carrier")
        status, told, _ = service.ask("POST", "/predict", {"flights": [{}, {"bad": 1}]})
        assert (status, told["error"]) == (400, {"code": "invalid", "message": "a flight must be good", "where": "flights[1]"})

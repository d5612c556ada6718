"""The OpenAPI document: valid, closed at every level, with all statuses; its examples fit, and what is wrong does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tasks.artifacts.serving import ClientRow, RequestField
from tasks.packaging.package import feature_fields
from tasks.schemas import request_fields
from tasks.serving import openapi
from tasks.serving.identifiers import PATTERN
from tasks.usecase import policy
from tasks.usecase.contract import Flights
from tasks.usecase.features import Features
from tasks.usecase.online import CLIENT, OPTIONAL

pytestmark = pytest.mark.unit

SENT = ClientRow(names=policy.NAMES, key="flight_id", fields=request_fields(Flights, CLIENT, OPTIONAL))
FEATURES = feature_fields(Features, ["distance", "humid", "scheduled_minutes"], ["origin", "dest"])
RULES = policy.SERVICE
DOCUMENT = openapi.document("nyc-late-flights", "3", RULES, FEATURES, SENT)
ROW = {"origin": "JFK", "dest": "XX never seen", "distance": 1e30, "humid": None}
FLIGHT = DOCUMENT["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["flights"]["value"]["flights"][0]


def errors(schema: str, value: Any, document: dict[str, Any] = DOCUMENT) -> list[str]:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_it_is_an_openapi_document() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT


def objects(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield place, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{place}/{name}")
    if isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from objects(inner, f"{place}/{number}")


def test_every_object_is_closed_and_every_list_and_text_of_a_request_bounded() -> None:
    found = dict(objects(DOCUMENT["components"]["schemas"]))
    assert len(found) > 15
    assert [place for place, schema in found.items() if schema.get("additionalProperties") is not False] == []
    for name in ("PredictRequest", "ExplainRequest", "FeedbackRequest", "AbortRequest", "Flight", "Row", "Features", "Outcome", "Error"):
        for place, schema in walk(DOCUMENT["components"]["schemas"][name], name):
            types = schema.get("type", [])
            if "array" in types:
                assert "maxItems" in schema, place
            if "string" in types:
                assert "maxLength" in schema or "enum" in schema, place


def walk(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield place, schema
        for name, inner in schema.items():
            yield from walk(inner, f"{place}/{name}")
    if isinstance(schema, list):
        for inner in schema:
            yield from walk(inner, place)


ROUTES = {
    ("/predict", "post"): ("predict", {200, 400, 401, 403, 405, 408, 413, 415, 429, 500, 503}),
    ("/explain", "post"): ("predict", {200, 400, 401, 403, 405, 408, 413, 415, 429, 500, 503}),
    ("/feedback", "post"): ("feedback", {200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 500, 503}),
    ("/routing", "get"): ("admin", {200, 401, 403, 405, 429, 500}),
    ("/routing/abort", "post"): ("admin", {200, 400, 401, 403, 405, 408, 409, 413, 415, 429, 500, 503}),
    ("/livez", "get"): (None, {200, 405, 500}),
    ("/readyz", "get"): (None, {200, 405, 500, 503}),
    ("/metrics", "get"): (None, {200, 405, 500}),
    ("/openapi.json", "get"): (None, {200, 405, 500}),
    ("/docs", "get"): (None, {200, 405, 500}),
}


def test_all_routes_with_their_roles_and_statuses() -> None:
    found = {
        (path, method): (
            next((role for need in operation["security"] for role in need["key"]), None),
            set(map(int, operation["responses"])),
        )
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert found == ROUTES
    assert DOCUMENT["paths"]["/predict"]["post"]["responses"]["429"]["headers"]["Retry-After"]


def test_every_example_fits_its_schema() -> None:
    tried = 0
    for methods in DOCUMENT["paths"].values():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            assert errors(content["schema"]["$ref"].rpartition("/")[2], example["value"]) == []
            tried += 1
    assert tried == 6


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [ROW]},
        {"rows": [{"origin": "JFK", "dest": "LAX"}]},  # a number may be left out
        {"rows": [ROW | {"flight_id": "mine"}] * 1_000},
        {"flights": [FLIGHT]},
        {"flights": [FLIGHT | {"time_hour": None}]},  # what may be left out may be null
        {"flights": [FLIGHT | {"features": {"humid": 50.0, "origin": "EWR"}}]},
    ],
)
def test_what_may_be_asked(body: Any) -> None:
    assert errors("PredictRequest", body) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"rows": []},
        {"rows": [ROW] * 1_001},
        {"rows": [ROW], "flights": [FLIGHT]},  # both
        {"rows": [ROW], "more": 1},
        {"rows": [{"origin": "JFK"}]},  # a category is missing
        {"rows": [ROW | {"origin": None}]},
        {"rows": [ROW | {"humid": "50"}]},
        {"rows": [ROW | {"humid": True}]},
        {"rows": [ROW | {"humid": float("inf")}]},
        {"rows": [ROW | {"humid": 10**400}]},
        {"rows": [ROW | {"dest": "x" * 65}]},
        {"rows": [ROW | {"unknown": 1}]},
        {"flights": [FLIGHT | {"unknown": 1}]},
        {"flights": [FLIGHT | {"month": 13}]},
        {"flights": [FLIGHT | {"month": 1.5}]},
        {"flights": [FLIGHT | {"month": None}]},
        {"flights": [FLIGHT | {"carrier": "XX"}]},  # no such carrier
        {"flights": [FLIGHT | {"dest": "jfk"}]},
        {"flights": [FLIGHT | {"features": {"unknown": 1}}]},
        {"flights": [FLIGHT | {"features": None}]},
        {"flights": [{name: value for name, value in FLIGHT.items() if name != "day"}]},
    ],
)
def test_what_may_not_be_asked(body: Any) -> None:
    assert errors("PredictRequest", body) != []


def test_fewer_rows_are_explained() -> None:
    assert errors("ExplainRequest", {"rows": [ROW] * RULES.explain_rows}) == []
    assert errors("ExplainRequest", {"rows": [ROW] * (RULES.explain_rows + 1)}) != []


ID = "0123456789ab-0051d5a8e0-0123456789abcdef-0123456789abcdef"


@pytest.mark.parametrize(
    ("change", "is_right"),
    [
        ({}, True),
        ({"known_at": "2013-07-04T12:00:00Z"}, True),
        ({"known_at": 5}, False),
        ({"outcome": 1}, False),
        ({"outcome": "true"}, False),
        ({"prediction_id": ID[1:]}, False),
        ({"more": 1}, False),
    ],
)
def test_outcomes(change: dict[str, Any], is_right: bool) -> None:
    body = {"outcomes": [{"prediction_id": ID, "outcome": True} | change]}
    assert (errors("FeedbackRequest", body) == []) == is_right
    assert re.search(PATTERN, ID)


@pytest.mark.parametrize(
    ("error", "is_right"),
    [
        ({"code": "invalid", "message": "must be a string", "where": "rows[3].carrier"}, True),
        ({"code": "key", "message": "x" * 600}, True),
        ({"code": "key", "message": "x" * 601}, False),
        ({"code": "key", "message": "x", "traceback": "..."}, False),
    ],
)
def test_errors_are_bounded(error: dict[str, Any], is_right: bool) -> None:
    assert (errors("Error", {"error": error}) == []) == is_right


@pytest.mark.parametrize(
    ("field", "value", "is_right"),
    [
        (RequestField(name="x", kind="number", meaning="m", minimum=0.5, maximum=2), 0.4, False),
        (RequestField(name="x", kind="number", meaning="m"), 1e39, False),  # no 32-bit float
        (RequestField(name="x", kind="number", meaning="m", is_nullable=True), None, True),
        (RequestField(name="x", kind="string", meaning="m", allowed=["a"], is_required=False), None, True),
        (RequestField(name="x", kind="string", meaning="m", allowed=["a"]), "b", False),
        (RequestField(name="x", kind="string", meaning="m"), "b" * 65, False),
        (RequestField(name="x", kind="integer", meaning="m", maximum=-3), -3, True),
        (RequestField(name="x", kind="instant", meaning="m"), 5, False),
    ],
)
def test_fields_of_any_kind(field: RequestField, value: Any, is_right: bool) -> None:
    document = openapi.document("m", "1", RULES, FEATURES, SENT.model_copy(update={"fields": [field]}))
    assert (errors("Flight", {"x": value}, document) == []) == is_right
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["flights"]["value"]
    assert errors("PredictRequest", example, document) == []


def test_a_package_that_says_nothing_of_its_fields_still_has_a_document() -> None:
    document = openapi.document("m", "1", RULES, [], None)
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert errors("PredictRequest", {"rows": [ROW]}, document) == []
    assert errors("PredictRequest", {"flights": [FLIGHT]}, document) != []
    assert "/predict" in openapi.page(document)


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset") and tag != "a"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    html = openapi.page(DOCUMENT)
    found = Page(html)
    assert found.open == []
    assert "script" not in found.tags
    assert found.asked == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html
    assert "width=device-width" in html
    for path, methods in DOCUMENT["paths"].items():
        assert path in found.text
        for operation in methods.values():
            assert all(answer["description"] in found.text for answer in operation["responses"].values())
    for field in [*SENT.fields, *FEATURES]:
        assert field.name in found.text
        assert field.meaning in found.text
    assert 'curl -H "Authorization: Bearer $KEY"' in found.text


def test_the_page_shows_what_it_is_told_as_text() -> None:
    field = RequestField(name="x", kind="string", meaning="<script>alert(1)</script>", pattern="^'?<b>$|^a$")
    html = openapi.page(openapi.document("<img src=x>", "'1'", RULES, FEATURES, SENT.model_copy(update={"fields": [field]})))
    found = Page(html)
    assert {"script", "img", "b"}.isdisjoint(found.tags)
    assert "<script>alert(1)</script>" in found.text

"""The service's own description: an OpenAPI 3.1 document made from the fields of the served model, and a page of it for people.

Every schema of a request is closed, and says what the service enforces: of what clients ask about the contract's ranges, patterns and
allowed values; of rows of features any finite number and any short text, as a value that was never seen gives a warning and no refusal.
What is not here: the checks themselves (`request.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from tasks.artifacts.serving import ClientRow, RequestField, Role, Routing, ServiceRules
from tasks.serving import identifiers
from tasks.serving.openapi_page import page

__all__ = ["document", "page"]

Schema = dict[str, Any]

_REF = "#/components/schemas/"
_LONGEST_TEXT = 64
_LARGEST = 3.4e38  # of a 32-bit float, which the model reads
_DIGITS: Schema = {"type": "string", "pattern": "^[0-9a-f]{12}$"}
_VERSION: Schema = {"type": ["integer", "null"], "minimum": 1, "description": "Registered version; null without a registry"}
_OPEN: Schema = {"type": "object", "additionalProperties": {"type": ["number", "string", "null"]}}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_INSTANT: Schema = {"type": "string", "format": "date-time", "maxLength": _LONGEST_TEXT}
_EXAMPLE_ID = "0123456789ab-0051d5a8e0-0123456789abcdef-0123456789abcdef"
_STATUSES = {
    400: "The body is not as it must be: `where` names the place",
    401: "No key, or none that is valid",
    403: "The key has another role",
    404: "No prediction has this id, or there is nothing at this path",
    405: "The path takes another method",
    408: "The body came too slowly",
    409: "An outcome was given before, or there is nothing that could be done",
    413: "The body is too large",
    415: "The body is not uncompressed application/json",
    429: "Too many requests of this key",
    500: "The service failed; nothing of the request was kept",
    503: "There is no online state yet, from which features are made; or too much is asked at once, or a worker is stuck",
}
_HEADERS = {401: ("WWW-Authenticate", "string"), 405: ("Allow", "string"), 429: ("Retry-After", "integer")}
_ANY = (405, 500)
_BODY = (400, 401, 403, *_ANY, 408, 413, 415, 429, 503)


def document(name: str, version: str, rules: ServiceRules, features: list[RequestField], client: ClientRow | None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Args:
        name: Of the model.
        version: Of the model, for a reader.
        rules: Limits.
        features: What a row of features may hold; empty if the package does not say, and then the schema of a row is open.
        client: What clients send of what they ask about, and how it is called; None if the package takes features alone.
    """
    rows = client.names.rows if client else ""
    examples = {rows: {"summary": rows.capitalize(), "value": {rows: [_example(client.fields)]}}} if client else {}
    examples |= {"rows": {"summary": "Rows of features", "value": {"rows": [_example_row(features)]}}} if features else {}
    asked = f"At most {{most}} rows{f' or {rows}' if client else ''} and {rules.most_bytes:,} bytes."
    limited = f"A key may send {rules.requests_per_second:g} requests a second, {rules.burst} at once."
    feedback = {"outcome": {"summary": "One outcome", "value": {"outcomes": [{"prediction_id": _EXAMPLE_ID, "outcome": True}]}}}
    abort = {"abort": {"summary": "A reason", "value": {"reason": "too much is missed"}}}
    paths = {
        "/predict": _post("predict", "Probabilities and decisions", asked.format(most=rules.most_rows), examples, "predict"),
        "/explain": _post("explain", "What each feature adds", asked.format(most=rules.explain_rows), examples, "predict"),
        "/feedback": _post("feedback", "Outcomes of predictions", "All of a request are kept, or none.", feedback, "feedback", 404, 409),
        "/routing": _get("routing", "Which models answer", "application/json", "Routed", (401, 403, 429), Role.ADMIN),
        "/routing/abort": _post("abort", "Send canary and shadow back", "Recorded with the key's name.", abort, "admin", 409),
        "/livez": _get("live", "The process answers", "application/json", "Status"),
        "/readyz": _get("ready", "Models are loaded and warm", "application/json", "Status", (503,)),
        "/metrics": _get("metrics", "For Prometheus", "text/plain", {"type": "string"}),
        "/openapi.json": _get("openapi", "This document", "application/json", {"type": "object"}),
        "/docs": _get("docs", "This document, for people", "text/html", {"type": "string"}),
    }
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "evg_<id>_<secret>", "description": limited}
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": version, "description": f"Predictions of the model {name}. {limited}"},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(rules, features, client), "securitySchemes": {"key": bearer}},
    }


def _schemas(rules: ServiceRules, features: Sequence[RequestField], client: ClientRow | None) -> dict[str, Schema]:
    schemas: dict[str, Schema] = {
        "PredictRequest": _either(client, rules.most_rows),
        "ExplainRequest": _either(client, rules.explain_rows),
        "FeedbackRequest": _closed({"outcomes": _some(_ref("Outcome"), rules.most_rows)}),
        "AbortRequest": _closed({"reason": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"\S"}}),
        "Outcome": _closed(
            {
                "prediction_id": {"type": "string", "pattern": identifiers.PATTERN, "maxLength": len(_EXAMPLE_ID)},
                "outcome": {"type": "boolean", "description": "Whether what was predicted came true"},
                "known_at": _INSTANT | {"description": "Since when; now if it is left out"},
            },
            ("prediction_id", "outcome"),
        ),
        **_answers(rules),
    }
    label = {"type": "string", "maxLength": _LONGEST_TEXT, "description": "Yours, for the prediction log"}
    row = {field.name: _feature(field) for field in features}
    own = {client.key: label} if client else {}
    schemas["Features"] = _closed(row, ()) if features else _OPEN
    schemas["Row"] = _closed(row | own, [field.name for field in features if field.is_required]) if features else _OPEN
    if client:
        sent = {field.name: _field(field) for field in client.fields}
        given = {"features": _ref("Features") | {"description": "Values in place of those of the online state"}}
        schemas[client.names.row.capitalize()] = _closed(sent | given, [field.name for field in client.fields if field.is_required])
    return schemas


def _answers(rules: ServiceRules) -> dict[str, Schema]:
    """Return the schemas of what the service sends."""
    by: dict[str, Schema] = {
        "package": _DIGITS | {"description": "First digits of the package's sum"},
        "model_version": _VERSION,
        "probability": _SHARE,
    }
    contribution = {"feature": {"type": "string"}, "value": {"type": ["number", "string", "null"]}, "contribution": {"type": "number"}}
    arm = _closed({"version": _VERSION, "package": {"type": "string", "pattern": "^[0-9a-f]{64}$"}})
    routed: dict[str, Schema] = {
        "revision": {"type": "integer"},
        "share": _SHARE,
        "served": _closed({"champion": arm, "canary": arm, "shadow": arm}, ("champion",)),
        "pointer": {"anyOf": [_ref("Routing"), {"type": "null"}]},
        "problems": {"type": "array", "items": {"type": "string"}},
    }
    # Refs of records start where all of them lie.
    _, records = models_json_schema([(Routing, "serialization")], ref_template=_REF + "{model}")
    told = {
        "code": {"type": "string", "maxLength": 40, "description": "A word for programs"},
        "message": {"type": "string", "maxLength": 600, "description": "What must hold, never a value that was sent"},
        "where": {"type": "string", "maxLength": 200, "description": "Such as rows[3]"},
    }
    return {
        **records["$defs"],
        "Error": _closed({"error": _closed(told, ("code", "message"))}),
        "Status": _closed({"status": {"type": "string", "enum": ["live", "ready"]}}),
        "Predicted": _closed({"model": {"type": "string"}, "predictions": _some(_ref("Prediction"), rules.most_rows)}),
        "Prediction": _closed(
            {
                "prediction_id": {"type": "string", "pattern": identifiers.PATTERN},
                **by,
                "flagged": {"type": "boolean", "description": "From the model's threshold on"},
                "warnings": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "Explained": _closed({"model": {"type": "string"}, "explanations": _some(_ref("Explanation"), rules.explain_rows)}),
        "Explanation": _closed(
            {
                **by,
                "typical_probability": _SHARE | {"description": "What the contributions are added to"},
                "contributions": {"type": "array", "items": _closed(contribution)},
            }
        ),
        "Accepted": _closed({"accepted": {"type": "integer", "minimum": 1, "maximum": rules.most_rows}}),
        "Routed": _closed(routed),
    }


def _either(client: ClientRow | None, most: int) -> Schema:
    """Return the schema of a body that has features or what they are made of, not both."""
    named = {"rows": "Row"} | ({client.names.rows: client.names.row.capitalize()} if client else {})
    return {"oneOf": [_closed({name: _some(_ref(kind), most)}) for name, kind in named.items()]}


def _field(field: RequestField) -> Schema:
    """Return the schema of a field as the contract declares it; what may be left out may be null."""
    kinds: dict[str, Schema] = {"integer": {"type": "integer"}, "number": {"type": "number"}, "instant": _INSTANT}
    schema = dict(kinds.get(field.kind, {"type": "string", "maxLength": _LONGEST_TEXT}))
    if field.kind in ("integer", "number"):
        for word, bound in (("minimum", field.minimum), ("maximum", field.maximum)):
            if bound is not None:
                schema[word] = int(bound) if bound == int(bound) else bound
        if field.kind == "number":
            schema = {"minimum": -_LARGEST, "maximum": _LARGEST} | schema
    if field.pattern is not None:
        schema["pattern"] = field.pattern
    is_nullable = field.is_nullable or not field.is_required
    if field.allowed is not None:
        schema["enum"] = [*field.allowed, *([None] if is_nullable else [])]
    if is_nullable:
        schema["type"] = [schema["type"], "null"]
    return schema | {"description": _meaning(field)}


def _feature(field: RequestField) -> Schema:
    """Return the schema of a feature in a row: not narrower than what a model can read."""
    usual = {"minimum": field.minimum, "maximum": field.maximum}
    bounds = ", ".join(f"{word} {bound:g}" for word, bound in usual.items() if bound is not None)
    text = _meaning(field) + (f"; usual {bounds}" if bounds else "")
    if field.kind in ("string", "instant"):
        return {"type": "string", "maxLength": _LONGEST_TEXT, "description": text}
    return {"type": ["number", "null"], "minimum": -_LARGEST, "maximum": _LARGEST, "description": text}


def _meaning(field: RequestField) -> str:
    return field.meaning + (f" ({field.unit})" if field.unit else "")


def _example(fields: Sequence[RequestField]) -> dict[str, Any]:
    return {field.name: _value(field) for field in fields if field.is_required}


def _example_row(features: Sequence[RequestField]) -> dict[str, Any]:
    """Return what a row must have, and its first numbers."""
    numbers = [field for field in features if not field.is_required][:3]
    return {field.name: _value(field) for field in features if field.is_required} | {field.name: _value(field) for field in numbers}


def _value(field: RequestField) -> Any:
    """Return a value that a field allows."""
    if field.allowed:
        return field.allowed[0]
    if field.kind == "instant":
        return "2013-09-05T22:00:00Z"
    if field.kind in ("integer", "number"):
        low = field.minimum if field.minimum is not None else min(0.0, field.maximum or 0.0)
        return int(low) if field.kind == "integer" else low
    texts = (letter * length for length in range(1, _LONGEST_TEXT + 1) for letter in "Aa0")
    return next((text for text in texts if field.pattern is None or re.search(field.pattern, text)), "")


def _closed(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Schema:
    """Return the schema of an object that has these properties and no others; required are all, unless said otherwise."""
    named = list(properties) if required is None else list(required)
    return {"type": "object", "properties": dict(properties), "required": named, "additionalProperties": False}


def _some(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _ref(name: str) -> Schema:
    return {"$ref": _REF + name}


def _post(name: str, summary: str, text: str, examples: Schema, role: str, *further: int) -> Schema:
    answer = {"predict": "Predicted", "explain": "Explained", "feedback": "Accepted", "abort": "Routing"}[name]
    content = {"schema": _ref(f"{name.capitalize()}Request"), **({"examples": examples} if examples else {})}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "description": f"{text} Asks for a key with the role {role}.",
            "security": [{"key": [role]}],
            "requestBody": {"required": True, "content": {"application/json": content}},
            "responses": _responses("application/json", _ref(answer), {*_BODY, *further}),
        }
    }


def _get(name: str, summary: str, kind: str, answer: str | Schema, further: Sequence[int] = (), role: Role | None = None) -> Schema:
    text = "Asks for no key." if role is None else f"Asks for a key with the role {role.value}."
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": text,
            "security": [] if role is None else [{"key": [role.value]}],
            "responses": _responses(kind, _ref(answer) if isinstance(answer, str) else answer, {*_ANY, *further}),
        }
    }


def _responses(kind: str, answer: Schema, statuses: set[int]) -> Schema:
    found: Schema = {"200": {"description": "The answer", "content": {kind: {"schema": answer}}}}
    for status in sorted(statuses):
        found[str(status)] = {"description": _STATUSES[status], "content": {"application/json": {"schema": _ref("Error")}}}
        if status in _HEADERS:
            name, type_ = _HEADERS[status]
            found[str(status)]["headers"] = {name: {"required": True, "schema": {"type": type_}}}
    return found

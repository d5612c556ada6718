"""The OpenAPI document as a page for people: one file of HTML that asks for nothing else, and runs no script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: #f3f5f7; border-radius: 4px; overflow-wrap: anywhere; }
code { padding: .1em .3em; } pre { padding: .8rem; white-space: pre-wrap; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e4e8ec; }
"""


def page(document: dict[str, Any]) -> str:
    """Return the page.

    Args:
        document: As `openapi.document` gives it.
    """
    info, schemas = document["info"], document["components"]["schemas"]
    title = f"{info['title']}, version {info['version']}"
    routes = [
        [f"<a href='#{operation['operationId']}'><code>{method.upper()} {escape(path)}</code></a>", escape(operation["summary"])]
        for path, method, operation in _operations(document)
    ]
    body = [
        f"<h1>{escape(title)}</h1><p>{escape(info['description'])}</p>",
        "<p>The same for programs: <a href='openapi.json'><code>/openapi.json</code></a></p>",
        _table(["Route", "What it gives"], routes),
        *(_operation(path, method, operation) for path, method, operation in _operations(document)),
        *(_fields(name, schemas[name]) for name in ("Flight", "Row", "Outcome", "Prediction", "Explanation", "Error") if name in schemas),
    ]
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    statuses = [[f"<code>{status}</code>", escape(answer["description"])] for status, answer in operation["responses"].items()]
    head = f"<h2 id='{operation['operationId']}'><code>{method.upper()} {escape(path)}</code></h2>"
    text = f"<p>{escape(operation['summary'])}. {escape(operation['description'])}</p>"
    return head + text + "".join(_curl(path, method, operation)) + _table(["Status", "Meaning"], statuses)


def _curl(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    """Give a command for each example, for a shell in which `KEY` and `SERVICE` are set."""
    key = ' -H "Authorization: Bearer $KEY"' if operation["security"] else ""
    if method == "get":
        yield f"<pre>{escape(f'curl{key} $SERVICE{path}')}</pre>"
        return
    for example in operation["requestBody"]["content"]["application/json"].get("examples", {}).values():
        body = json.dumps(example["value"]).replace("'", "'\\''")
        command = f"curl{key} -H 'Content-Type: application/json' -d '{body}' $SERVICE{path}"
        yield f"<h3>{escape(example['summary'])}</h3><pre>{escape(command)}</pre>"


def _fields(name: str, schema: dict[str, Any]) -> str:
    rows = [
        [
            f"<code>{escape(field)}</code>",
            _type(says),
            "yes" if field in schema.get("required", ()) else "no",
            escape(says.get("description", "")),
        ]
        for field, says in schema.get("properties", {}).items()
    ]
    return f"<h2>{escape(name)}</h2>" + _table(["Field", "Type", "Required", "Meaning"], rows)


def _type(schema: dict[str, Any]) -> str:
    """Return what a value may be, in words."""
    if "$ref" in schema:
        return escape(schema["$ref"].rpartition("/")[2])
    types = schema.get("type", "object")
    text = " or ".join(types) if isinstance(types, list) else types
    if "enum" in schema:
        text += ", one of " + ", ".join(str(value) for value in schema["enum"] if value is not None)
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if abs(schema.get(key, 1e38)) < 1e38]
    if bounds:
        text += ", " + " ".join(bounds)
    if "pattern" in schema:
        text += f", like {schema['pattern']}"
    return escape(text)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table of cells that are HTML."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"

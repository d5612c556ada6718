"""Pages on records: what crosses the edges of tasks, field by field."""

from __future__ import annotations

import enum
import inspect
import re
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic_core import PydanticUndefined

from reference import project
from reference.prose import Docstring, code, line, table, type_name

_SIGNS = {Ge: ("ge", "at least"), Gt: ("gt", "above"), Le: ("le", "at most"), Lt: ("lt", "below")}
_LENGTHS = {MinLen: ("min_length", "at least", "of them"), MaxLen: ("max_length", "at most", "of them")}


def limits(field: Any) -> str:
    """Return what a field's values are limited to, in words."""
    told = []
    for limit in field.metadata:
        for kind, (name, words) in _SIGNS.items():
            if isinstance(limit, kind):
                told.append(f"{words} {getattr(limit, name)}")
        for kind, (name, words, of) in _LENGTHS.items():
            if isinstance(limit, kind):
                told.append(f"{words} {getattr(limit, name)} {of}")
    return ", ".join(told)


def default(field: Any) -> str:
    """Return a field's default, or that it must be given."""
    if field.default_factory is not None:
        return code(repr(field.default_factory()))
    return "" if field.default is PydanticUndefined else code(repr(field.default))


def fields(record: Any) -> str:
    """Return the table of a record's fields; a column that no field fills is left away."""
    rows = [
        (f"`{name}`", linked(field.annotation), default(field), limits(field), line(field.description))
        for name, field in record.model_fields.items()
    ]
    head = ("field", "type", "default", "limits", "meaning")
    kept = [i for i in range(len(head)) if i < 2 or any(row[i] for row in rows)]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in rows])


def homes() -> dict[str, str]:
    """Return the page of each record, relative to `reference/`."""
    return {name: f"records/{module}.md#{name.lower()}" for module, found in project.records().items() for name in found}


def linked(kind: Any, up: str = "../") -> str:
    """Return a type with links to the records that it names."""
    known, name = homes(), type_name(kind)
    parts = []
    for part in re.split(r"(\w+)", name):
        parts.append(f"[{part}]({up}{known[part]})" if part in known else part)
    shown = "".join(parts).replace("|", "\\|")
    return shown if "](" in shown else code(name)


def pages() -> dict[str, str]:
    """Return a page a module of records, and their index."""
    made, rows = {}, []
    for module, found in project.records().items():
        source = f"tasks/artifacts/{module}.py"
        head = Docstring(inspect.getmodule(next(iter(found.values()))).__doc__)  # type: ignore[union-attr]
        parts = [f"# Records: {module}\n\n{head.body}\n\nDefined in `{source}`.\n"]
        for name, record in found.items():
            told = Docstring(record.__doc__)
            parts.append(f"## {name}\n\n{told.body}\n\n{fields(record) if record.model_fields else ''}")
        parts += [f"## {name}\n\n{_choices(kind)}" for name, kind in _enumerations(module).items()]
        made[f"records/{module}.md"] = "\n".join(parts)
        rows.append((f"[{module}]({module}.md)", head.first, ", ".join(f"[{name}]({module}.md#{name.lower()})" for name in found)))
    intro = (
        "# Records\n\nWhat crosses an edge between tasks is one of these records, a frame with a schema, or a sealed folder. "
        "A record is frozen, refuses unknown fields, and holds no number that is not finite. Units stand in the names. "
        "A field without a default must be given.\n\n"
    )
    made["records/index.md"] = intro + table(("module", "holds", "records"), rows)
    return made


def _enumerations(module: str) -> dict[str, Any]:
    source = next(iter(project.records()[module].values())).__module__
    held = vars(inspect.getmodule(next(iter(project.records()[module].values()))))
    return {n: v for n, v in held.items() if inspect.isclass(v) and issubclass(v, enum.Enum) and v.__module__ == source}


def _choices(kind: Any) -> str:
    return Docstring(kind.__doc__).body + "\n\n" + "\n".join(f"- `{choice.value}`" for choice in kind) + "\n"

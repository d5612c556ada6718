"""The page of the policy: each value with its meaning, from the record's field, and its reason, from the comment beside it."""

from __future__ import annotations

import ast
import importlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reference import project
from reference.prose import code, line, table, type_name
from reference.records import limits

SOURCE = "tasks/usecase/policy.py"


@dataclass(frozen=True)
class Setting:
    """One value of the policy.

    Attributes:
        path: Where it stands, such as `MONITORING.drift.windows`.
        kind: Its type.
        value: Itself.
        allowed: Its limits in words.
        meaning: What it is.
        reason: Why it has this value; empty for a default that the policy does not repeat.
        is_given: Whether the policy gives it, rather than leaving it at its default.
    """

    path: str
    kind: str
    value: Any
    allowed: str
    meaning: str
    reason: str
    is_given: bool


@dataclass(frozen=True)
class Section:
    """A name that the policy defines.

    Attributes:
        name: The name.
        about: What stands below it; else what its record says.
        has_own_words: Whether something stands below it.
        settings: Its values.
    """

    name: str
    about: str
    has_own_words: bool
    settings: list[Setting]


class Comments:
    """The comments of a source, by line: beside code, and on lines of their own."""

    def __init__(self, source: str) -> None:
        self.beside: dict[int, str] = {}
        self.alone: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                is_alone = not token.line[: token.start[1]].strip()
                (self.alone if is_alone else self.beside)[token.start[0]] = token.string.lstrip("# ")

    def above(self, number: int) -> str:
        """Return what is written on the lines just above a line."""
        found: list[str] = []
        while (number := number - 1) in self.alone:
            found.insert(0, self.alone[number])
        return " ".join(found)

    def reason(self, first: int, last: int, is_leaf: bool) -> str:
        """Return what is said of a value: beside its line, or above it."""
        beside = self.beside.get(last, "") if is_leaf else self.beside.get(first, "")
        return " ".join(part for part in (self.above(first), beside) if part)


def sections() -> list[Section]:
    """Return all that the policy defines, in the order of the source."""
    module = importlib.import_module(SOURCE.removesuffix(".py").replace("/", "."))
    source = (project.ROOT / SOURCE).read_text()
    comments, tree, found = Comments(source), ast.parse(source), []
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        name = _defined(node)
        if name is None:
            continue
        assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        about = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        settings = list(_settings(name, node.value, getattr(module, name), comments, _Field(str(about), "")))
        found.append(Section(name, str(about) or _class(getattr(module, name)), bool(about), settings))
    return found


def _defined(node: ast.stmt) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
    return target.id if isinstance(target, ast.Name) else None


def _class(value: object) -> str:
    return (type(value).__doc__ or "") if isinstance(value, BaseModel) else ""


@dataclass(frozen=True)
class _Field:
    meaning: str
    allowed: str
    kind: str = ""


def _settings(path: str, node: ast.expr | None, value: Any, comments: Comments, field: _Field, above: str = "") -> Iterator[Setting]:
    """Yield the settings at and below a place; `node` is where the policy writes them, None where it leaves a default."""
    if isinstance(value, BaseModel):
        written = {k.arg: k.value for k in node.keywords} if isinstance(node, ast.Call) else {}
        own = comments.reason(node.lineno, node.end_lineno or node.lineno, False) if node is not None and above == "" else above
        if _is_row(value):
            yield Setting(
                path, type(value).__name__, _row(value), "", field.meaning or _class(value), _reason(node, comments), node is not None
            )
            return
        for name, about in type(value).model_fields.items():
            told = _Field(about.description or "", limits(about), type_name(about.annotation))
            yield from _settings(f"{path}.{name}", written.get(name), getattr(value, name), comments, told, own if name in written else "")
    elif isinstance(value, dict) and isinstance(node, ast.Dict):
        for key, inner in zip(node.keys, node.values, strict=True):
            assert isinstance(key, ast.Constant)
            told = _Field(field.meaning, "")
            said = comments.above(key.lineno)
            yield from _settings(f"{path}[{key.value!r}]", inner, value[key.value], comments, told, said)
    elif isinstance(value, list | tuple) and any(isinstance(one, BaseModel) for one in value):
        inner = node.elts if isinstance(node, ast.List | ast.Tuple) else [None] * len(value)
        for i, (one, written_) in enumerate(zip(value, inner, strict=True)):
            yield from _settings(f"{path}[{i}]", written_, one, comments, field)
    else:
        yield Setting(
            path,
            field.kind or type(value).__name__,
            value,
            field.allowed,
            field.meaning,
            _reason(node, comments) or above,
            node is not None,
        )


def _is_row(value: BaseModel) -> bool:
    """Whether a record is one row of a list, which reads best as a whole."""
    return type(value).__name__ in ("Range", "Outcome")


def _row(value: BaseModel) -> str:
    return ", ".join(f"{name}={given!r}" for name, given in value.model_dump(exclude_defaults=True, mode="json").items())


def _reason(node: ast.expr | None, comments: Comments) -> str:
    if node is None:
        return ""
    return comments.reason(node.lineno, node.end_lineno or node.lineno, True)


def page() -> str:
    """Return the page."""
    parts = [
        f"# Policy\n\nEvery threshold, cost and owner of the use case stands in `{SOURCE}`, once, with its reason beside it. "
        "This page is made from that file and from the records that give its form. To change a value, edit the file; the cache "
        "runs again what depends on it. A value that the file leaves away is a default of its record.\n"
    ]
    for section in sections():
        parts.append(f"## {section.name}\n\n{line(section.about).replace(chr(92) + '|', '|')}\n")
        nested = [s for s in section.settings if s.path != section.name]
        if nested:
            parts.append(table(("setting", "value", "allowed", "meaning", "reason"), [_columns(s, section.name) for s in nested]))
        else:
            only = section.settings[0]
            parts.append(f"Value: {code(repr(only.value))}." + (f" Reason: {line(only.reason)}." if only.reason else "") + "\n")
    return "\n".join(parts)


def _columns(setting: Setting, name: str) -> tuple[str, ...]:
    below = setting.path.removeprefix(name).removeprefix(".")
    value = setting.value if isinstance(setting.value, str) else repr(setting.value)
    reason = setting.reason if setting.is_given else "(default)"
    return (f"`{below}`", code(value), setting.allowed, line(setting.meaning), line(reason))

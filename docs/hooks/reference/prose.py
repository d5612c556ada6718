"""Texts of the code as Markdown: docstrings, types, values, tables."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Any

import docstring_parser
from docstring_parser.common import DocstringMeta, DocstringParam, DocstringRaises, DocstringReturns

_CODE = re.compile(r"(`[^`]*`)")
_MODULES = re.compile(r"\b(?:\w+\.)+(\w+)")


def text(written: str | None) -> str:
    """Return a docstring's text as Markdown: what looks like HTML is shown as it stands."""
    parts = _CODE.split(inspect.cleandoc(written or ""))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace(">", "&gt;") for part in parts)


def line(written: str | None) -> str:
    """Return a text in one line, for a table."""
    return " ".join(text(written).split()).replace("|", "\\|")


def code(value: object) -> str:
    """Return a value in the type of code, for a table."""
    shown = " ".join(str(value).split()).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


class Docstring:
    """A docstring in its parts."""

    def __init__(self, written: str | None) -> None:
        self.parsed = docstring_parser.parse(inspect.cleandoc(written or ""), docstring_parser.DocstringStyle.GOOGLE)

    @property
    def first(self) -> str:
        """The first sentence or line."""
        return line(self.parsed.short_description)

    @property
    def body(self) -> str:
        """All that stands before its sections."""
        both = (self.parsed.short_description, self.parsed.long_description)
        return "\n\n".join(text(part) for part in both if part)

    @property
    def inputs(self) -> dict[str, str]:
        """What it says of each argument."""
        return {found.arg_name: line(found.description) for found in self.parsed.params}

    def sections(self) -> str:
        """Return arguments, results and errors as lists."""
        kinds: tuple[tuple[str, type[DocstringMeta]], ...] = (
            ("Arguments", DocstringParam),
            ("Returns", DocstringReturns),
            ("Raises", DocstringRaises),
        )
        told = []
        for title, kind in kinds:
            found = [meta for meta in self.parsed.meta if isinstance(meta, kind)]
            if found:
                told.append(f"**{title}**\n\n" + "\n".join(_item(meta) for meta in found))
        return "\n\n".join(told)


def _item(meta: DocstringMeta) -> str:
    name = getattr(meta, "arg_name", None) or getattr(meta, "type_name", None)
    return "- " + (f"`{name}`: " if name else "") + line(meta.description)


def type_name(kind: Any) -> str:
    """Return a type as one would write it: without the modules that its names stand in."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if kind is type(None):
        return "None"
    if inspect.isclass(kind) and not typing.get_args(kind):
        return kind.__name__
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(repr(value) for value in typing.get_args(kind))
    return _MODULES.sub(r"\1", str(kind)).replace("<class '", "").replace("'>", "")

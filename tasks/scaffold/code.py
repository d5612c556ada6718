"""Pieces of Python code as `ruff format` would leave them: names, texts and calls on a line, or on one a part."""

from __future__ import annotations

from collections.abc import Iterable

LINE = 140
"""Longest line of the project's code."""


def quoted(text: str) -> str:
    """Return a text as a literal, in double quotes unless single ones need fewer escapes."""
    inside = repr(text)[1:-1]
    if repr(text).startswith("'"):
        inside = inside.replace("\\'", "'")
    if '"' in text and "'" not in text:
        return f"'{inside}'"
    return '"' + inside.replace('"', '\\"') + '"'


def names(texts: Iterable[str]) -> str:
    """Return texts as the parts of a tuple: `"a", "b"`, and `"a",` of one alone."""
    found = [quoted(text) for text in texts]
    return f"{found[0]}," if len(found) == 1 else ", ".join(found)


def list_of(name: str, texts: Iterable[str], indent: int) -> str:
    """Return an argument that is a list of texts, on one line if it fits on one of its own.

    Args:
        name: Of the argument.
        texts: The texts.
        indent: Spaces before it, if it has a line of its own.
    """
    found = [quoted(text) for text in texts]
    line = f"{name}=[{', '.join(found)}]"
    if indent + len(line) < LINE:
        return line
    return f"{name}=[\n" + "".join(f"{' ' * (indent + 4)}{text},\n" for text in found) + f"{' ' * indent}]"


def call(start: str, parts: Iterable[str], indent: int, end: str = "") -> str:
    """Return a call, on one line if it fits, else with one part a line.

    Args:
        start: What stands before the bracket, such as `age: int = column`.
        parts: Its arguments.
        indent: Spaces before it.
        end: What stands behind it, such as a comma.
    """
    given = list(parts)
    line = f"{' ' * indent}{start}({', '.join(given)}){end}"
    if len(line) <= LINE and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in given)
    return f"{' ' * indent}{start}(\n{inner}{' ' * indent}){end}"

"""What of a use case depends on the columns: lines of the contract, the features, the segments and what a model must do."""

from __future__ import annotations

import math

import polars as pl

from tasks.scaffold import code
from tasks.scaffold.guess import Guess
from tasks.scaffold.sample import About, Column, Kind

_TAKEN = {"label", "batch_day", "predicted_at", "label_known_at", "came_7d_n", "positive_28d_share"}
_FEW_GROUPS = 10
_PERSONAL = ('sensitivity="restricted"', "retention_days=PERSONAL_RETENTION_DAYS")


# --- contract ---------------------------------------------------------------------------------------------------------


def contract(guess: Guess) -> dict[str, str]:
    """Return the parts of the contract, and what a client may leave out."""
    lines: list[str] = []
    for column in guess.columns:
        lines += _contract_column(guess, column)
    optional = [c.name for c in guess.columns if c.nulls and _is_sent(guess, c)]
    return {
        "contract_columns": "\n".join(lines),
        "key_names": code.names(column.name for column in guess.key),
        "optional_names": code.names(optional) if optional else "",
    }


def _contract_column(guess: Guess, column: Column) -> list[str]:
    role = _role(guess, column)
    said = [code.quoted(f"EDIT: {column.name}"), f'role="{role}"']
    if column.kind == Kind.INSTANT:
        said.append('unit="UTC"')
    nullable = column.nulls > 0 or column == guess.label
    said += ["nullable=True"] if nullable else []
    said += [f"alias={code.quoted(column.name)}"] if column.attribute != column.name else []
    said += _checks(column, role)
    kind = {Kind.INT: "int", Kind.FLOAT: "float", Kind.TEXT: "str", Kind.INSTANT: "Instant"}[column.kind]
    notes = []
    if column.about != About.NOTHING and column != guess.label:
        said += _PERSONAL
        notes = [f"    # EDIT: {column.about}, by its name: masked in every report, and no input of the model."]
    return [*notes, code.call(f"{column.attribute}: {kind} = column", said, 4)]


def _role(guess: Guess, column: Column) -> str:
    if column in guess.key:
        return "key"
    if column == guess.time:
        return "time"
    if column == guess.label:
        return "label"
    if column.about == About.PROTECTED:
        return "segment"
    return "feature" if _is_feature(guess, column) else "other"


def _checks(column: Column, role: str) -> list[str]:
    if column.kind == Kind.TEXT:
        return [code.list_of("isin", column.values, 8)] if column.values and role != "key" else []
    if not column.is_number:
        return []
    low, high = (0.0 if column.low >= 0 else -_wide(-column.low)), (_wide(column.high) if column.high > 0 else 0.0)
    if column.kind == Kind.INT:
        return [f"ge={int(low)}"] if role == "key" else [f"ge={int(low)}", f"le={int(high)}"]
    return [f"ge={short(low)}", f"le={short(high)}"]


def _wide(value: float) -> float:
    """Return twice a positive number, rounded up to two digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(2 * value)) - 1)
    return math.ceil(2 * value / unit) * unit


def short(value: float) -> str:
    """Return a number in as few digits as tell it."""
    rounded = float(f"{value:.6g}")
    return str(int(rounded)) if rounded == int(rounded) and abs(rounded) < 1e15 else str(rounded)


# --- features ---------------------------------------------------------------------------------------------------------


def _is_feature(guess: Guess, column: Column) -> bool:
    """Return whether a column becomes a feature: a number, or a text of few values, that varies and is about no person."""
    if column in (*guess.key, guess.time, guess.label) or column.about != About.NOTHING or column.distinct < 2:
        return False
    return column.is_number or (column.kind == Kind.TEXT and bool(column.values))


def _is_sent(guess: Guess, column: Column) -> bool:
    return _role(guess, column) in ("key", "time", "feature")


def _feature_name(column: Column, taken: set[str]) -> str:
    return f"{column.attribute}_given" if column.attribute in taken else column.attribute


def features(guess: Guess, rows: pl.DataFrame, row_id: str) -> dict[str, str]:
    """Return the parts of the features, the segments and the behaviour.

    Args:
        guess: What the use case is.
        rows: The sample, as text.
        row_id: The feature that names a row.
    """
    words = _TAKEN | {row_id}
    declared, made, categories, numbers, groups = list[str](), list[str](), list[str](), list[str](), list[str]()
    for column in guess.columns:
        name = _feature_name(column, words)
        if column.about == About.PROTECTED and column not in (*guess.key, guess.time, guess.label):
            group = _group(column, rows)
            if group is None:
                continue
            declared.append(code.call(f"{name}: str = _protected", [code.quoted(f"EDIT: {column.name}")], 4))
            made.append(f"{' ' * 8}{name}={group},")
            groups.append(f"{' ' * 4}Grouping(name={code.quoted(column.name)}, column={code.quoted(name)}),")
        elif _is_feature(guess, column) and column.is_number:
            declared.append(code.call(f"{name}: F32 = _number", ['"own"', code.quoted(f"EDIT: {column.name}")], 4))
            made.append(_made(name, column, ".cast(F32)"))
            numbers.append(name)
        elif _is_feature(guess, column):
            declared.append(code.call(f"{name}: str = _category", ['"own"', code.quoted(f"EDIT: {column.name}")], 4))
            made.append(_made(name, column, '.fill_null("missing")' if column.nulls else ""))
            categories.append(name)
    left = [c.name for c in guess.columns if _role(guess, c) == "other"]
    said = (
        f"\n    # EDIT: left out, as they are constant, have too many values, or may identify a person: {', '.join(left)}." if left else ""
    )
    return {
        "feature_columns": "".join(f"\n{line}" for line in declared),
        "own_columns": "".join(f"\n{line}" for line in made),
        "left_out": said if len(said) <= code.LINE else _wrapped(said),
        "halves": _HALVES if any("=_halves(" in line for line in made) else "",
        "row_id_expression": _row_id(guess),
        "positive_expression": _positive(guess),
        "renamed_key": _renamed(guess.key[0]),
        "by_value": code.names(categories[:2]) if categories else "",
        "segments": _segments(numbers, guess),
        "sensitive": "".join(f"{line}\n" for line in groups),
        **_behaviour(categories, numbers, guess),
        "entity": ", ".join(map(code.quoted, categories[:3] or numbers[:1] or ["came_7d_n"])),
    }


def _made(name: str, column: Column, further: str) -> str:
    """Return the line that makes a feature of a column."""
    line = f"{' ' * 8}{name}=pl.col({code.quoted(column.name)}){further},"
    return line if len(line) <= code.LINE else f"{' ' * 8}{name}=pl.col(\n{' ' * 12}{code.quoted(column.name)}\n{' ' * 8}){further},"


def _wrapped(text: str) -> str:
    """Return a comment in lines that are short enough."""
    lines, line = [], ""
    for word in text.strip().removeprefix("# ").split(" "):
        if len(line) + len(word) + 7 > code.LINE:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "".join(f"\n    # {part}" for part in [*lines, line])


def _group(column: Column, rows: pl.DataFrame) -> str | None:
    """Return the expression of a protected attribute's groups: its values, or two halves of a number; None without any."""
    value = f"pl.col({code.quoted(column.name)})"
    if 2 <= column.distinct <= _FEW_GROUPS:
        return f"{value}.cast(pl.String)" if column.is_number else value
    if not column.is_number or column.distinct < 2:
        return None
    middle = float(rows.get_column(column.name).cast(pl.Float64).quantile(0.5, "higher") or 0.0)
    return f"_halves({code.quoted(column.name)}, {short(middle)})"


_HALVES = '''

def _halves(name: str, cut: float) -> pl.Expr:
    """Return two groups of a number, those below a cut and the others."""
    number = pl.col(name)
    return pl.when(number < cut).then(pl.lit(f"below {cut:g}")).when(number >= cut).then(pl.lit(f"{cut:g} or more"))
'''


def _row_id(guess: Guess) -> str:
    parts = [f"pl.col({code.quoted(column.name)}).cast(pl.String)" for column in guess.key]
    return parts[0] if len(parts) == 1 else code.call("pl.concat_str", [*parts, 'separator="-"'], 0)


def _positive(guess: Guess) -> str:
    return f"pl.col({code.quoted(guess.label.name)}) == {code.quoted(guess.positive)}"


def _renamed(key: Column) -> str:
    name = code.quoted(key.name)
    if key.kind == Kind.INT:
        return f"(-1 - pl.col({name})).alias({name})"
    return f'pl.concat_str(pl.lit("x"), {name}).alias({name})'


def _segments(numbers: list[str], guess: Guess) -> str:
    found = [column for column in guess.columns if column.is_number and column.attribute in numbers and column.distinct > 2][:2]
    lines = []
    for column in found:
        middle = short((column.low + column.high) / 2)
        said = code.quoted(f"low {column.name}")
        lines.append(f"    {said}: pl.col({code.quoted(column.attribute)}) < {middle},")
    return "\n".join(lines) or '    "busy weeks": pl.col("came_7d_n") > 0,'


def _behaviour(categories: list[str], numbers: list[str], guess: Guess) -> dict[str, str]:
    missing = [c.attribute for c in guess.columns if c.nulls and c.attribute in numbers][:3]
    more, limits = "", ""
    if categories:
        more += _changed(
            f"unseen {categories[0]}", "With a value never seen before", f'values={{{code.quoted(categories[0])}: "never seen"}}'
        )
        limits += f"        {code.quoted(f'unseen {categories[0]}')}: BehaviourLimit(tolerance=0.2, least_share=0.9),\n"
    if missing:
        more += _changed("missing numbers", f"Without {', '.join(missing)}", f"missing=[{', '.join(map(code.quoted, missing))}]")
        limits += '        "missing numbers": BehaviourLimit(tolerance=0.2, least_share=0.9),\n'
    return {
        "more_expectations": more,
        "behaviour_limits": limits,
        "extreme": ", ".join(map(code.quoted, numbers[:2] or ["came_7d_n"])),
    }


def _changed(name: str, start: str, change: str) -> str:
    return (
        f"    Changed(\n        name={code.quoted(name)},\n        kind=BehaviourKind.ROBUSTNESS,\n"
        f"        meaning={code.quoted(f'{start} the probability moves by at most {{tolerance}}')},\n        {change},\n    ),\n"
    )

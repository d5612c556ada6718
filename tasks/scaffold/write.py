"""The files of a use case from a guess: templates beside this module, filled with what the sample tells.

A template is the file itself, with a few names in it (`string.Template`); what depends on the columns is made here, in the form
that `ruff format` leaves, so that what is written passes the project's own checks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from string import Template

import polars as pl

from tasks.errors import ConfigError
from tasks.scaffold import code
from tasks.scaffold.guess import Asked, Guess
from tasks.scaffold.sample import About, Column, Kind

TEMPLATES = "templates"
FILES = (
    *("__init__.py", "contract.py", "source.py", "features.py", "online.py", "segments.py"),
    *("behaviour.py", "card.py", "policy.py", "defaults.py", "requirements.txt"),
)
"""The files of a use case."""

_TAKEN = {"label", "batch_day", "predicted_at", "label_known_at", "came_7d_n", "positive_28d_share"}
_FEW_GROUPS = 10
_FEWEST_ROWS = 30  # a share of fewer is chance
_CLASS_TAKEN = {"Any", "Config", "Features", "Form", "Instant", "Online", "Raw", "Table"}
_PERSONAL = 'sensitivity="restricted", retention_days=PERSONAL_RETENTION_DAYS'


def render(guess: Guess, asked: Asked, rows: pl.DataFrame, sample: Path) -> dict[str, str]:
    """Return file name to text.

    Args:
        guess: What the use case is.
        asked: What the person said of it.
        rows: The sample, as text.
        sample: Its file.
    """
    parts = {**_words(guess, asked, sample), **_contract(guess), **_features(guess, rows), **_numbers(guess, rows)}
    folder = resources.files(__package__) / TEMPLATES
    return {name: Template((folder / f"{name}.tmpl").read_text(encoding="utf-8")).substitute(parts) for name in FILES}


def write(files: dict[str, str], out: Path) -> None:
    """Write the files into a new folder.

    Raises:
        ConfigError: If there is one already.
    """
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigError("OUT must be a new folder", f"{out}, which is there", "choose another OUT or NAME, or move it away") from error
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")


def _words(guess: Guess, asked: Asked, sample: Path) -> dict[str, str]:
    plain = re.sub(r"[^a-z0-9]", "", guess.name)
    row, rows = (plain[:-1], plain) if len(plain) > 2 and plain.endswith("s") else (plain, f"{plain}s")
    article = "an" if row[0] in "aeiou" else "a"
    model = "".join(part.capitalize() for part in guess.name.split("_"))
    called = re.sub(r"\.(csv|csv\.gz|csv\.zip|parquet)$", "", sample.name)
    last = guess.days[-1] + timedelta(days=1)
    span = (guess.days[-1] - guess.days[0]).days
    earlier = last - timedelta(days=14 if span >= 84 else 0)
    form = [f"called={code.quoted(called)}"] if called != guess.name else []
    form += [] if guess.time.has_zone else [f"zone={code.quoted(asked.zone)}"]
    positive = f"{guess.label.name} is {guess.positive}"
    return {
        "row": row,
        "rows": rows,
        "a_row": f"{article} {row}",
        "capital_row": f"{article.capitalize()} {row}",
        "row_id": f"{row}_id",
        "table": guess.name,
        "slug": guess.name.replace("_", "-"),
        "constant": guess.name.upper(),
        "model": f"{model}Rows" if model in _CLASS_TAKEN else model,
        "sample": sample.name,
        "called": called,
        "zone": asked.zone,
        "form": f"Form({', '.join(form)})",
        "row_count": f"{guess.rows:,}",
        "first_day": str(guess.days[0]),
        "last_day": str(guess.days[-1]),
        "time_name": code.quoted(guess.time.name),
        "label_name": code.quoted(guess.label.name),
        "label_meaning": code.quoted(f"1 if {positive}"),
        "purpose": code.quoted(f"It says, when {article} {row} comes, how likely it is that {positive}."),
        "source": code.quoted(str(sample.resolve().parent)),
        "as_of": _instant(earlier),
        "night": _instant(last),
    }


def _instant(day: date) -> str:
    return f"datetime({day.year}, {day.month}, {day.day}, tzinfo=UTC)"


# --- contract ---------------------------------------------------------------------------------------------------------


def _contract(guess: Guess) -> dict[str, str]:
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
        said += _PERSONAL.split(", ")
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
    return [f"ge={_short(low)}", f"le={_short(high)}"]


def _wide(value: float) -> float:
    """Return twice a positive number, rounded up to two digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(2 * value)) - 1)
    return math.ceil(2 * value / unit) * unit


def _short(value: float) -> str:
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


def _features(guess: Guess, rows: pl.DataFrame) -> dict[str, str]:
    words = _TAKEN | {f"{_words(guess, Asked(), Path('x.csv'))['row']}_id"}
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
    return f"_halves({code.quoted(column.name)}, {_short(middle)})"


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
        middle = _short((column.low + column.high) / 2)
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


# --- numbers of the policy --------------------------------------------------------------------------------------------


def _numbers(guess: Guess, rows: pl.DataFrame) -> dict[str, str]:
    """Return the numbers of the policy that follow from the sample's size and span."""
    counts = Counter(rows.get_column(guess.time.name).str.head(10).to_list())
    usual = sorted(counts.values())[len(counts) // 2]
    span = (guess.days[-1] - guess.days[0]).days + 1
    absent = span - len(guess.days)
    share = _share(guess, rows)
    # A third of the span is judged, in whole weeks: the last part, and a fold before it.
    evaluation = max(7, min(28, span // 6 // 7 * 7))
    folds = 2 if span >= 5 * evaluation + 7 else 1
    lowest, highest = min(counts.values()) / usual, max(counts.values()) / usual
    return {
        "rows_a_day": f"{usual:,}",
        "epochs": str(max(2, min(20, 20_000 // max(guess.rows, 1)))),
        "evaluation_days": str(evaluation),
        "fold_days": str(evaluation),
        "folds": str(folds),
        "training_days": str(max(7, min(28, span - (folds + 1) * evaluation - 3))),
        "evaluation_rows": str(max(50, min(200, usual * evaluation * 6 // 10))),
        "missed": _short(float(max(1, round((1 - share) / max(share, 0.01))))) + ".0",
        "fewest_rows_a_day": str(max(_FEWEST_ROWS, usual // 2)),
        "missing_warn": str(absent + 1),
        "missing_stop": str(absent + 3),
        "thin_warn": _short(min(0.75, round(lowest, 2))),
        "thin_stop": _short(min(0.4, round(lowest / 2, 2))),
        "full_warn": _short(max(1.5, round(highest, 2))),
        "full_stop": _short(max(1.9, round(1.5 * highest, 2))),
        "budget": str(max(2, min(50, usual // 2))),
    }


def _share(guess: Guess, rows: pl.DataFrame) -> float:
    label = rows.get_column(guess.label.name).drop_nulls()
    return int((label == guess.positive).sum()) / max(label.len(), 1)

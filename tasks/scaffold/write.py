"""The files of a use case from a guess: templates beside this module, filled with what the sample tells.

A template is the file itself, with a few names in it (`string.Template`); what depends on the columns is made in
`lines.py`, in the form that `ruff format` leaves, so that what is written passes the project's own checks.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from string import Template

import polars as pl

from tasks.errors import ConfigError, StorageError
from tasks.scaffold import code, lines
from tasks.scaffold.guess import Asked, Guess

TEMPLATES = "templates"
FILES = (
    *("__init__.py", "contract.py", "source.py", "features.py", "online.py", "segments.py"),
    *("behaviour.py", "card.py", "policy.py", "defaults.py", "requirements.txt"),
)
"""The files of a use case."""

_FEWEST_ROWS = 30  # a share of fewer is chance
_CLASS_TAKEN = {"Any", "Config", "Features", "Form", "Instant", "Online", "Raw", "Table"}


def render(guess: Guess, asked: Asked, rows: pl.DataFrame, sample: Path) -> dict[str, str]:
    """Return file name to text.

    Args:
        guess: What the use case is.
        asked: What the person said of it.
        rows: The sample, as text.
        sample: Its file.
    """
    words = _words(guess, asked, sample)
    parts = {**words, **lines.contract(guess), **lines.features(guess, rows, words["row_id"]), **_numbers(guess, rows)}
    folder = resources.files(__package__) / TEMPLATES
    return {name: Template((folder / f"{name}.tmpl").read_text(encoding="utf-8")).substitute(parts) for name in FILES}


def write(files: dict[str, str], out: Path) -> None:
    """Write the files into a new folder.

    Raises:
        ConfigError: If there is one already.
        StorageError: If it cannot be written.
    """
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigError("OUT must be a new folder", f"{out}, which is there", "choose another OUT or NAME, or move it away") from error
    except OSError as error:
        raise StorageError(f"OUT must be writable; {out}", str(error), "choose another OUT") from error
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
        "missed": lines.short(float(max(1, round((1 - share) / max(share, 0.01))))) + ".0",
        "fewest_rows_a_day": str(max(_FEWEST_ROWS, usual // 2)),
        "missing_warn": str(absent + 1),
        "missing_stop": str(absent + 3),
        "thin_warn": lines.short(min(0.75, round(lowest, 2))),
        "thin_stop": lines.short(min(0.4, round(lowest / 2, 2))),
        "full_warn": lines.short(max(1.5, round(highest, 2))),
        "full_stop": lines.short(max(1.9, round(1.5 * highest, 2))),
        "budget": str(max(2, min(50, usual // 2))),
    }


def _share(guess: Guess, rows: pl.DataFrame) -> float:
    label = rows.get_column(guess.label.name).drop_nulls()
    return int((label == guess.positive).sum()) / max(label.len(), 1)

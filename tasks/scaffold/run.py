"""A first use case from a sample of rows: `python -m tasks.scaffold.run --sample file.csv`, or `make new-usecase`.

It writes the files that an engineer then edits, into a new folder, and says what it guessed and why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command says; ends with a message and exit status 1 if it cannot be done.

    Args:
        arguments: Those of the command, by default the process's.
    """
    from tasks.errors import EvergreenError

    asked = _parser().parse_args(arguments)
    try:
        _new(asked)
    except EvergreenError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.scaffold.run", description="Write a first use case from a sample of rows.")
    parser.add_argument("--sample", required=True, type=Path, help="a .csv or .parquet file with some weeks of rows")
    parser.add_argument("--name", help="of the table and the use case, such as loans; by default the file's")
    parser.add_argument("--time", help="the column that says when a row came")
    parser.add_argument("--label", help="the column with two values of which one is predicted; column=value says which")
    parser.add_argument("--key", default="", help="the column that names a row, or several with commas")
    parser.add_argument("--zone", default="UTC", help="the time zone of a day, and of instants that say none; UTC by default")
    parser.add_argument("--out", type=Path, help="a new folder; by default .evergreen/new-usecase/NAME")
    return parser


def _new(asked: argparse.Namespace) -> None:
    from tasks.scaffold import guess, sample, write

    said = guess.Asked(asked.name, tuple(filter(None, asked.key.split(","))), asked.time, asked.label, guess.zone(asked.zone))
    rows = sample.read(asked.sample)
    found = guess.guess(rows, sample.columns(rows), asked.sample.name.split(".")[0], said)
    out = asked.out or Path(".evergreen") / "new-usecase" / found.name
    write.write(write.render(found, said, rows, asked.sample), out)
    print(f"{len(write.FILES)} files in {out}, from {found.rows:,} rows of {found.days[0]} to {found.days[-1]}. What was guessed:")
    for reason in found.reasons:
        print(f"  - {reason}")
    print("What to do next:")
    print(f"  grep -rn EDIT {out}    # look at each of these, contract.py first")
    print(f"  mv tasks/usecase ../usecase-before && cp -r {out} tasks/usecase")
    print("  make data-card retrain    # see what the data hold, and train a first model; docs/your-own-data.md goes on from here")


if __name__ == "__main__":
    main()

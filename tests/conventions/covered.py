"""How much of each plain module its tests run: `make coverage`. Lines and branches count alike, as coverage.py counts them.

Plain modules are those that know nothing of Flyte and of a server: what binds them (`task.py`, commands, the Bento's service) is run by
the tests of Flyte and of commands, in processes of their own that are not measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FLOOR = 90.0
"""Percent. What is left is mostly what happens on other machines and after kills, which tests in other processes bring about."""

BINDING = (
    *("tasks/*/task.py", "tasks/serving/service.py", "tasks/serving/run.py", "tasks/execution.py"),
    *("images/*", "workflows/*", "launchplans/*"),
)
"""Modules without a floor."""


@dataclass(frozen=True)
class Covered:
    """What was run of a module or a package."""

    run: int
    of: int

    @property
    def percent(self) -> float:
        return 100.0 * self.run / self.of if self.of else 100.0

    def __add__(self, other: Covered) -> Covered:
        return Covered(self.run + other.run, self.of + other.of)


def modules(report: Mapping[str, Any]) -> dict[str, Covered]:
    """Return file to what was run of it, of a report by `coverage json`."""
    found = {}
    for path, measured in report["files"].items():
        summary = measured["summary"]
        run = summary["covered_lines"] + summary.get("covered_branches", 0)
        found[path] = Covered(run, summary["num_statements"] + summary.get("num_branches", 0))
    return found


def is_plain(path: str) -> bool:
    """Return whether a module has a floor."""
    return not any(fnmatch(path, pattern) for pattern in BINDING)


def packages(found: Mapping[str, Covered]) -> dict[str, tuple[Covered, Covered]]:
    """Return package to what was run of its plain modules and of the others."""
    summed: dict[str, tuple[Covered, Covered]] = {}
    for path, covered in sorted(found.items()):
        plain, other = summed.get(str(Path(path).parent), (Covered(0, 0), Covered(0, 0)))
        summed[str(Path(path).parent)] = (plain + covered, other) if is_plain(path) else (plain, other + covered)
    return summed


def below(found: Mapping[str, Covered]) -> list[str]:
    """Return the plain modules that are below the floor."""
    return [
        f"{path}: {covered.percent:.1f} % of lines and branches are run by a test; at least {FLOOR:g} % must be"
        for path, covered in sorted(found.items())
        if is_plain(path) and covered.percent < FLOOR
    ]


def main(arguments: list[str]) -> int:
    """Print how much was run by package, and return whether a plain module is below the floor."""
    (path,) = arguments
    found = modules(json.loads(Path(path).read_text()))
    table = Table("package", "plain modules, %", "binding modules, %", title="lines and branches that a test runs")
    for package, parts in packages(found).items():
        table.add_row(package, *(f"{part.percent:.1f}" if part.of else "" for part in parts))
    plain = sum((covered for path, covered in found.items() if is_plain(path)), Covered(0, 0))
    table.add_row("all", f"{plain.percent:.1f}", "")
    Console().print(table)
    faults = below(found)
    for line in faults:
        print(line)
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Mutation testing: `make mutate MODULE=tasks/governance/gate.py`. Would a test notice if a line of a core module were wrong?

cosmic-ray makes the mutants. Each is run against the module's own unit tests in a process of its own, forked from one that has imported
the libraries and nothing of the project: no file is changed, and a mutant takes as long as the tests do.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
CORE = ("tasks/contracts.py", "tasks/rows.py", "tasks/governance/gate.py", "tasks/evidence/trigger.py")
"""What decides which rows pass, which model is promoted and when one is trained."""

LIBRARIES = ("polars", "pandera.polars", "pydantic", "numpy", "scipy.stats", "hypothesis", "pytest", "xdist", "deltalake")
"""Imported once, before the first mutant. Importing starts no thread of theirs, which a fork would lose."""

SEED = 1
_PATIENCE = 10  # times what the tests take of the module as it is; a mutant that runs on for ever is noticed


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes:
        line: Its line.
        operator: cosmic-ray's name of the change.
        occurrence: Which of the places that the operator could change.
        before: The line as it is.
        after: The lines that it becomes.
    """

    line: int
    operator: str
    occurrence: int
    before: str
    after: str


def mutants(source: str, seed: int = SEED) -> list[Mutant]:
    """Return the mutants of a module: of each way to change a place (another operator, another number, ...) one, drawn by the seed.

    Annotations are left out: nothing runs them.
    """
    silent = list(_annotations(source))
    ways: dict[tuple[object, str], list[tuple[str, int]]] = {}
    tree = get_ast(source)
    for name in cosmic_ray.plugins.operator_names():
        made = cosmic_ray.plugins.get_operator(name)
        if made.arguments():
            continue
        operator = made()
        places = (place for node in ast_nodes(tree) for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in silent):
                ways.setdefault(((start, end), _family(name)), []).append((name, occurrence))
    draw, found = random.Random(seed), []
    for ((start, _), _), choices in sorted(ways.items(), key=lambda way: str(way[0])):  # type: ignore[misc]
        name, occurrence = draw.choice(choices)
        changed = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)
        if changed is None or not _is_another(source, changed):
            continue
        before, after = _difference(source, changed)
        found.append(Mutant(start[0], name, occurrence, before, after))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.operator, mutant.occurrence))


def _is_another(source: str, changed: str) -> bool:
    try:
        return ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    except SyntaxError:  # cosmic-ray takes the star of keyword-only arguments for a product
        return False


def _family(operator: str) -> str:
    return operator.rpartition("/")[2].split("_")[0]


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            told = getattr(node, name, None)
            if isinstance(told, ast.expr):
                yield (told.lineno, told.col_offset), (told.end_lineno or 0, told.end_col_offset or 0)


def _difference(before: str, after: str) -> tuple[str, str]:
    old, new = before.splitlines(), after.splitlines()
    first = next(n for n, (a, b) in enumerate(zip([*old, None], [*new, None], strict=False)) if a != b)
    while old and new and old[-1] == new[-1] and min(len(old), len(new)) > first + 1:
        old.pop(), new.pop()
    return "\n".join(old[first:]).strip(), "\n".join(new[first:]).strip()


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module, self._path, self._source = module, path, source

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


def outcome(path: str, source: str, tests: Sequence[str], seconds: float) -> str:
    """Return what a module's tests make of a source of it: survived, killed, or late, which is killed as well.

    Args:
        path: The module's, relative to the project.
        source: To be imported in its place.
        tests: Arguments of pytest.
        seconds: How long they may take.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        code = 3
        with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import pytest

            module = path.removesuffix(".py").replace("/", ".")
            sys.meta_path.insert(0, _Instead(module, ROOT / path, source))
            code = int(pytest.main(["-x", "-q", "--no-header", "--assert=plain", "-p", "no:xdist", "-p", "no:cov", *tests]))
        os._exit(code)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "late"


def tests_of(path: str) -> list[str]:
    """Return the unit tests of a module."""
    inside = Path(path).relative_to("tasks")
    return [str(Path("tests/unit") / inside.parent / f"test_{inside.name}")]


def examine(path: str, most: int | None = None) -> dict[str, object]:
    """Run the mutants of a module.

    Args:
        path: The module's, relative to the project.
        most: How many to draw; None for all.

    Returns:
        How many there are, were run and were noticed, and the survivors.

    Raises:
        ValueError: If its tests fail as it is.
    """
    source, tests = (ROOT / path).read_text(), tests_of(path)
    began = time.monotonic()
    if outcome(path, source, tests, 600) != "survived":
        raise ValueError(f"{' '.join(tests)} must pass before a mutant is made; got a failure. To mend: run them")
    patience = _PATIENCE * (time.monotonic() - began) + 5
    made = mutants(source)
    drawn = made if most is None or most >= len(made) else random.Random(SEED).sample(made, most)
    survivors = []
    for number, mutant in enumerate(sorted(drawn, key=lambda m: m.line), 1):
        changed = mutate_code(source, cosmic_ray.plugins.get_operator(mutant.operator)(), mutant.occurrence)
        told = outcome(path, changed, tests, patience)
        if told == "survived":
            survivors.append(mutant)
            print(f"  SURVIVED  {path}:{mutant.line}  {mutant.before}  ->  {mutant.after}", flush=True)
        if sys.stdout.isatty():
            print(f"{number} of {len(drawn)}", end="\r", flush=True)
    seconds = round(time.monotonic() - began)
    return {
        "module": path,
        "mutants": len(made),
        "run": len(drawn),
        "noticed": len(drawn) - len(survivors),
        "seconds": seconds,
        "survivors": [asdict(mutant) for mutant in survivors],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine modules, print and write what survived."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", default=CORE, help="paths, by default the core ones")
    parser.add_argument("--most", type=int, help="draw so many of each module's mutants")
    asked = parser.parse_args(arguments)
    for library in LIBRARIES:
        importlib.import_module(library)
    folder = ROOT / ".evergreen" / "mutation"
    folder.mkdir(parents=True, exist_ok=True)
    for path in asked.modules:
        found = examine(path, asked.most)
        print(
            f"{path}: {found['noticed']} of {found['run']} mutants noticed, of {found['mutants']} that there are, in {found['seconds']} s"
        )
        (folder / f"{path.removesuffix('.py').replace('/', '.')}.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

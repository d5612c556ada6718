"""What nobody uses, as `make check` looks for it: `python -m tests.conventions.unused`.

Dead code is what vulture finds in the product alone: what only tests call is dead. Of a use case it is a column of `Features`
that no model learns from, and a raw column that is said to make features and makes none. (Unused dependencies are deptry's.)
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandera.polars as pa
from vulture import Vulture

from tasks import caching
from tasks.contracts import Table, columns, types

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tasks", "workflows", "launchplans", "images")

KEPT = {
    "SERVING": "images: the service's image; no task runs in it, manifests and tests name it",
    "_cache": "tasks/local.py: an attribute of flytekit's cache",
    "_initialized": "tasks/local.py: an attribute of flytekit's cache",
    "_raw_output_prefix": "tasks/local.py: an attribute of flytekit's storage",
    "against_incumbent": "tasks/governance/gate.py: the part of the gate whose level and power `make bench NAME=gate` measures",
    "assert_type": "tasks/frames.py: flytekit calls it",
    "busy_cores": "tasks/artifacts/usage.py: kept with what a task used, for people",
    "decided_at": "tasks/artifacts/serving.py: kept with a comparison, for people",
    "forward": "torch calls it",
    "get_literal_type": "tasks/frames.py: flytekit calls it",
    "get_next": "tasks/packaging/quantisation.py: onnxruntime calls it",
    "get_version": "tasks/caching.py: flytekit calls it",
    "intra_op_num_threads": "an attribute of onnxruntime's options",
    "model_config": "pydantic reads it",
    "received_at": "tasks/serving/outcomes.py: kept with an outcome, for people",
    "third_party_imports": "tasks/caching.py: the tests that hold images to imports ask it",
}
"""Names that vulture finds no use of, with what uses them."""

_SCHEMAS = "DataFrameModel"
_ENTRANCES = ("@workflow", "@model_validator", "@field_validator")
"""What is called by others: a workflow by its name, a validator by pydantic."""
_CONFIDENCE = 60  # vulture's for functions, classes, attributes and variables; what it is surer of is found as well

_LEARNT_FROM = ("numeric", "categorical", "outcome", "label")
_KNOWN = ("key", "time", "segment")


def dead(root: Path, kept: dict[str, str]) -> list[str]:
    """Return what of the product nobody uses, and names of `kept` that are in use or gone."""
    finder = Vulture(ignore_decorators=list(_ENTRANCES))
    finder.scavenge([str(root / package) for package in PACKAGES if (root / package).is_dir()])
    declared = {place for package in PACKAGES for path in (root / package).rglob("*.py") for place in _declared(path)}
    found, met = [], set()
    for item in finder.get_unused_code(min_confidence=_CONFIDENCE):
        path = Path(item.filename)
        if (path, item.first_lineno) in declared or (path.parent.name == "launchplans" and item.typ == "variable"):
            continue  # columns are looked at below; a launch plan is called by its name
        met.add(item.name)
        if item.name not in kept:
            found.append(f"{path.relative_to(root)}:{item.first_lineno}: {item.message}")
    found += [f"{name!r} is kept as unused ({kept[name]}), and is not unused: take it out of KEPT" for name in sorted(kept.keys() - met)]
    return found


def _declared(path: Path) -> Iterator[tuple[Path, int]]:
    """Give the lines of a file on which a schema declares a column or how strict it is."""
    schemas: set[str] = {_SCHEMAS}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).rpartition(".")[2] in schemas for base in node.bases):
            schemas.add(node.name)
            for below in ast.walk(node):
                if isinstance(below, ast.AnnAssign | ast.Assign | ast.ClassDef) and below is not node:
                    yield path, below.lineno


def unused_columns(features: type[pa.DataFrameModel], tables: Sequence[Table], read: frozenset[str]) -> list[str]:
    """Return columns of a use case that nothing comes of.

    Args:
        features: The schema of its features.
        tables: Its raw tables.
        read: The texts in its definition of features.
    """
    known = {name for role in (*_LEARNT_FROM, *_KNOWN) for name in columns(features, role)}
    unknown = [name for name in types(features) if name not in known]
    found = [f"{features.__name__}.{name} must be learnt from, or be a key, time or segment" for name in unknown]
    for table in tables:
        unread = [name for name in columns(table.schema, "feature") if name not in read]
        found += [f"{table.name}.{name} must make a feature; none reads it. To mend: give it role='other'" for name in unread]
    return found


def texts(module: str, but: str) -> frozenset[str]:
    """Return every text in the code of a module and of what it imports of its package, `but` one: a column is read by its name."""
    package = module.rpartition(".")[0]
    parts = [part for part in caching.closure(module) if part.startswith(f"{package}.") and part != but]
    trees = [ast.parse(caching.ROOT.joinpath(*part.split(".")).with_suffix(".py").read_text()) for part in parts]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def main() -> int:
    """Print what nobody uses, and return how much that is."""
    from tasks.usecase import contract, features

    read = texts("tasks.usecase.features", "tasks.usecase.contract")
    found = [*dead(ROOT, KEPT), *unused_columns(features.Features, contract.TABLES, read)]
    for line in found:
        print(line)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())

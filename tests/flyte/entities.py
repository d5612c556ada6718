"""The project's tasks, workflows and launch plans, and what Flyte is told of their types. Not a test itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from flyteidl.core.types_pb2 import BlobType, LiteralType, SimpleType
from flytekit import LaunchPlan
from flytekit.core.base_task import PythonTask
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.core.workflow import WorkflowBase
from flytekit.types.pickle.pickle import FlytePickleTransformer
from google.protobuf.json_format import MessageToDict

import launchplans
import workflows

ROOT = Path(__file__).resolve().parent.parent.parent


def _modules(package: ModuleType) -> list[ModuleType]:
    return [importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]


def _held(modules: list[ModuleType], kind: type) -> dict[str, Any]:
    """Return name to entity, of those that the modules define or import."""
    return {value.name: value for module in modules for value in vars(module).values() if isinstance(value, kind)}


def task_modules() -> list[str]:
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ROOT.glob("tasks/*/task.py"))]


TASKS: dict[str, PythonFunctionTask[Any]] = _held([importlib.import_module(name) for name in task_modules()], PythonTask)
WORKFLOWS: dict[str, WorkflowBase] = _held(_modules(workflows), WorkflowBase)
LAUNCH_PLANS: dict[str, LaunchPlan] = _held([*_modules(workflows), *_modules(launchplans)], LaunchPlan)


def variables(interface: Any) -> list[tuple[str, LiteralType]]:
    """Return the names and types of a typed interface's inputs and outputs (a protobuf)."""
    both = (("input", interface.inputs.variables), ("output", interface.outputs.variables))
    return [(f"{side} {name}", variable.type) for side, found in both for name, variable in found.items()]


def faults(interface: Any) -> list[str]:
    """Return what of a typed interface is pickled, bare, or open."""
    return [f"{where}: {fault}" for where, kind in variables(interface) for part in parts(kind) for fault in _faults_of(part)]


def parts(kind: LiteralType) -> Iterator[LiteralType]:
    """Yield a type and all that it holds."""
    yield kind
    match kind.WhichOneof("type"):
        case "collection_type":
            yield from parts(kind.collection_type)
        case "map_value_type":
            yield from parts(kind.map_value_type)
        case "union_type":
            for variant in kind.union_type.variants:
                yield from parts(variant)


def _faults_of(kind: LiteralType) -> Iterator[str]:
    match kind.WhichOneof("type"):
        case "blob" if kind.blob.format == FlytePickleTransformer.PYTHON_PICKLE_FORMAT:
            yield "a pickle"
        case "blob" if kind.blob.dimensionality == BlobType.SINGLE and not kind.blob.format:
            yield "a file of no format"
        case "simple" if kind.simple == SimpleType.BINARY:
            yield "bytes of no type"
        case "simple" if kind.simple == SimpleType.STRUCT:
            schema = MessageToDict(kind.metadata)
            yield from _open_in(schema) if schema else ["a dict of no schema"]
        case "structured_dataset_type" if not kind.structured_dataset_type.columns:
            yield "a frame of no columns"
        case "schema":
            yield "a frame of an old kind (FlyteSchema)"
        case None:
            yield "no type"


def _open_in(schema: Any, where: str = "record") -> Iterator[str]:
    """Yield the places of a JSON schema that take anything."""
    if not isinstance(schema, dict) or not schema.keys() & {"type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"}:
        yield f"{where} takes any value"
        return
    if schema.get("type") == "object":
        further = schema.get("additionalProperties")
        if "properties" in schema and further is not False:
            yield f"{where} takes unknown fields"
        if "properties" not in schema and not (further is False or isinstance(further, dict)):
            yield f"{where} is a dict of no type"
        if isinstance(further, dict):
            yield from _open_in(further, f"{where}.*")
    if schema.get("type") == "array":
        yield from _open_in(schema.get("items"), f"{where}[]")
    for name, field in schema.get("properties", {}).items():
        yield from _open_in(field, f"{where}.{name}")
    for name, record in schema.get("$defs", {}).items():
        yield from _open_in(record, name)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _open_in(choice, where)

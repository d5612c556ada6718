"""What the reference is made from: the project's workflows, tasks, launch plans and records as Flyte and pydantic know them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # mkdocs runs where it likes; the pages are of this checkout


def modules(package: str) -> list[ModuleType]:
    """Return the modules of a package, by name."""
    found = importlib.import_module(package)
    return [importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules(found.__path__) if not module.ispkg]


@cache
def workflows() -> dict[str, dict[str, Any]]:
    """Return the workflows that each module of `workflows/` defines: module to name to workflow, compiled."""
    from flytekit.core.workflow import PythonFunctionWorkflow

    found: dict[str, dict[str, Any]] = {}
    for module in modules("workflows"):
        own = {
            short(value.name): value
            for value in vars(module).values()
            if isinstance(value, PythonFunctionWorkflow) and value.name.startswith(f"{module.__name__}.")
        }
        for workflow in own.values():
            workflow.compile()
        if own:
            found[module.__name__.split(".")[1]] = own
    return found


@cache
def tasks() -> dict[str, dict[str, Any]]:
    """Return the tasks of each stage: stage to name to task, in the order of the source."""
    from flytekit.core.python_function_task import PythonFunctionTask

    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "tasks").glob("*/task.py")):
        module = importlib.import_module(f"tasks.{path.parent.name}.task")
        held = (value for value in vars(module).values() if isinstance(value, PythonFunctionTask))
        own = {short(value.name): value for value in held if value.name.startswith(f"{module.__name__}.")}
        found[path.parent.name] = own
    return found


@cache
def launch_plans() -> dict[str, list[tuple[str, Any]]]:
    """Return the launch plans by the name on a cluster, each with the module and variable that hold it."""
    from flytekit import LaunchPlan

    found: dict[str, list[tuple[str, Any]]] = {}
    for module in (*modules("workflows"), *modules("launchplans")):
        for variable, value in vars(module).items():
            if isinstance(value, LaunchPlan):
                found.setdefault(value.name, []).append((f"{module.__name__}.{variable}", value))
    return dict(sorted(found.items()))


@cache
def records() -> dict[str, dict[str, Any]]:
    """Return the records of each module of `tasks/artifacts/`: module to name to class, in the order of the source."""
    from pydantic import BaseModel

    found: dict[str, dict[str, Any]] = {}
    for module in modules("tasks.artifacts"):
        own = {
            name: value
            for name, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, BaseModel) and value.__module__ == module.__name__
        }
        if own:
            found[module.__name__.split(".")[2]] = own
    return found


def short(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2]

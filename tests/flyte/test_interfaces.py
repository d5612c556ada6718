"""Every task, workflow and launch plan, as its Python object: typed interfaces, described inputs, presets, images."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

import pandas as pd
import pandera.typing
import polars as pl
import pytest
from flytekit import ImageSpec, task
from flytekit.core.base_task import PythonTask
from flytekit.types.file import FlyteFile
from pydantic import BaseModel

import images
from images import lock
from tasks import caching
from tasks.usecase import policy
from tests.flyte.entities import LAUNCH_PLANS, ROOT, TASKS, WORKFLOWS, faults
from workflows.defaults import AS_OF, SOURCE

pytestmark = pytest.mark.flyte

UNCACHED = {
    "tasks.ingestion.task.ingest": "writes the lake",
    "tasks.ingestion.task.plan_ingest": "reads the lake, and writes what is not of days",
    "tasks.ingestion.task.ingest_block": "writes the lake",
    "tasks.validation.task.plan_profiles": "reads the lake, and begins its tables",
    "tasks.validation.task.profile_block": "writes the lake",
    "tasks.features.task.pick_days": "writes the lake",
    "tasks.features.task.plan_features": "reads the lake, and begins its table",
    "tasks.features.task.build_block": "writes the lake",
    "tasks.ingestion.task.tidy": "changes the lake",
    "tasks.registry.task.trace": "reads the registry",
    "tasks.registry.task.named_versions": "reads the registry",
    "tasks.registry.task.recall": "reads the registry",
    "tasks.registry.task.compare": "looks at the code and the lock of today",
    "tasks.training.task.train_network_again": "is there to train what the cache has",
    "tasks.features.task.add_features": "writes the lake",
    "tasks.validation.task.find_overrides": "reads the lake",
    "tasks.validation.task.record_override": "writes the lake",
    "tasks.validation.task.admit": "must refuse again in every run, not only in the first",
    "tasks.registry.task.find_incumbent": "reads the registry",
    "tasks.registry.task.find_champion": "reads the registry",
    "tasks.registry.task.find_version": "reads the registry",
    "tasks.registry.task.settle": "writes the registry",
    "tasks.registry.task.promote": "writes the registry",
    "tasks.registry.task.present": "asks a person each time",
    "tasks.registry.task.record_approval": "writes the audit trail",
    "tasks.registry.task.roll_back": "writes the registry",
    "tasks.registry.task.audit": "reads the trail and the registry",
    "tasks.registry.task.require_whole": "must refuse again in every run",
    "tasks.evaluation.task.explain_row": "writes a page",
    "tasks.registry.task.register": "writes the registry",
    "tasks.registry.task.track_search": "writes the registry",
    "tasks.training.task.conclude_search": "tells what was found, and keeps it as a file",
    "tasks.retraining.task.trigger": "reads and writes the lake",
    "tasks.retraining.task.asks_for": "tells the operator of each night",
    "tasks.retraining.task.begin": "claims a retraining in the lake",
    "tasks.retraining.task.claim": "claims a retraining in the lake",
    "tasks.retraining.task.stand_aside": "tells the operator of each week",
    "tasks.retraining.task.failed": "ends a claim in the lake",
    "tasks.retraining.task.abandoned": "ends a claim in the lake",
    "tasks.retraining.task.stepped_back": "tells the operator of each rollback",
    "tasks.monitoring.task.plan_nights": "reads the lake",
    "tasks.monitoring.task.look_at_service": "reads the prediction log",
    "tasks.monitoring.task.look_at_dependencies": "looks at the code and the lock of today",
    "tasks.monitoring.task.queue_labels": "writes the lake",
    "tasks.monitoring.task.show": "shows all nights, and writes pages",
    "tasks.retraining.task.stand_by": "tells the operator of each night",
    "tasks.retraining.task.challenged": "tells the operator of each night",
    "tasks.registry.task.deployable": "reads the registry and the trail",
    "tasks.serving.task.publish_state": "writes the serving folder",
    "tasks.serving.task.write_day": "writes the lake",
    "tasks.serving.task.conclude_scores": "tells what was written",
    "tasks.serving.task.collect": "reads the prediction log and writes the lake",
    "tasks.serving.task.judge_rollout": "reads the pointer and the lake, and may change the pointer",
    "tasks.serving.task.roll_out": "writes the pointer",
    "tasks.serving.task.follow": "writes the pointer",
    "tasks.backtest.task.price_list": "reads what the domain pays",
    "tasks.backtest.task.conclude_backtest": "tells what was found, and keeps it as a page",
    "tasks.registry.task.take_stock": "reads the registry",
    "tasks.readiness.task.score": "reads all that is on record",
    "tasks.summary.task.summarise": "writes the report of each run",
}
ON_GPU = {f"tasks.training.task.{name}" for name in ("distil_network", "score_fold", "train_network", "train_network_again")}

ENTITIES: dict[str, Any] = TASKS | WORKFLOWS
every_task = pytest.mark.parametrize("name", sorted(TASKS))
every_entity = pytest.mark.parametrize("name", sorted(ENTITIES))


def test_the_project_is_all_here() -> None:
    """The walk finds a task in every task.py and a workflow in every module but the defaults; else it tests nothing."""
    assert {name.rsplit(".", 1)[0] for name in TASKS} == {
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("tasks/*/task.py")
    }
    assert {name.split(".")[1] for name in WORKFLOWS} == {p.stem for p in ROOT.glob("workflows/*.py")} - {"__init__", "defaults"}
    assert {p.workflow.name for p in LAUNCH_PLANS.values()} <= set(WORKFLOWS)
    assert len(LAUNCH_PLANS) >= 4


@every_entity
def test_types_are_closed(name: str) -> None:
    """No pickle, no bare frame, no dict or list of anything, no record that takes unknown fields."""
    assert faults(ENTITIES[name].interface.to_flyte_idl()) == []


@every_entity
def test_inputs_are_described(name: str) -> None:
    inputs = ENTITIES[name].interface.inputs
    poor = {n: v.description for n, v in inputs.items() if not re.fullmatch(r"[A-Z].*\s.*\.", v.description or "", re.DOTALL)}
    assert not poor, "each input needs a line under Args that begins with a capital and ends with a period"


@every_entity
def test_what_it_does_is_described(name: str) -> None:
    assert re.fullmatch(r"[A-Z].*\s.*\.", ENTITIES[name].docs.short_description)


@every_entity
def test_no_description_speaks_of_the_use_case(name: str) -> None:
    """They are read wherever the project is, whatever its data; what the data are is said in the use case's folder."""
    entity = ENTITIES[name]
    told = [entity.docs.short_description, *(v.description or "" for v in entity.interface.inputs.values())]
    words = [policy.NAMES.row, policy.NAMES.rows, SOURCE, f"{AS_OF:%Y-%m-%d}"]
    assert [text for text in told for word in words if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)] == []


@pytest.mark.parametrize("name", sorted(LAUNCH_PLANS))
def test_launch_plans_take_what_their_workflow_takes(name: str) -> None:
    plan = LAUNCH_PLANS[name]
    assert set(plan.parameters.parameters) | set(plan.fixed_inputs.literals) == set(plan.workflow.interface.inputs)
    assert not set(plan.parameters.parameters) & set(plan.fixed_inputs.literals)


@every_task
def test_presets(name: str) -> None:
    made = TASKS[name]
    assert made.metadata.retries >= 1
    assert timedelta(0) < made.metadata.timeout <= timedelta(hours=12)
    assert made.resources.requests.cpu
    assert made.resources.requests.mem
    assert made.resources.limits == made.resources.requests, "a pod that may use more than it asked for is ended first"
    assert isinstance(made.container_image, ImageSpec)
    assert made.enable_deck


def image_of(name: str) -> ImageSpec:
    return images.GPU if name in ON_GPU else images.DATA if name.split(".")[1] in images.WITHOUT_TORCH else images.CPU


@every_task
def test_a_gpu_is_asked_for_where_one_is_used(name: str) -> None:
    made = TASKS[name]
    assert made.resources.requests.gpu == ("1" if name in ON_GPU else None)
    assert made.container_image is image_of(name)


@every_task
def test_what_is_cached_has_a_version(name: str) -> None:
    metadata = TASKS[name].metadata
    assert metadata.cache == (name not in UNCACHED)
    assert bool(re.fullmatch("[0-9a-f]{64}", metadata.cache_version)) == metadata.cache
    assert metadata.cache_serialize == metadata.cache, "two runs at once would train twice"
    assert not metadata.cache_ignore_input_vars


def test_the_uncached_tasks_are_these() -> None:
    assert {name for name, made in TASKS.items() if not made.metadata.cache} == set(UNCACHED)


def test_versions_differ_between_modules() -> None:
    """Tasks of one module share their sources and so their version; Flyte keys a cache by the task's name as well."""
    versions = {(name.rsplit(".", 1)[0], made.metadata.cache_version) for name, made in TASKS.items() if made.metadata.cache}
    assert len({module for module, _ in versions}) == len(versions) == len({version for _, version in versions})


# --- images -----------------------------------------------------------------------------------------------------------


def lock_of(image: ImageSpec) -> set[str]:
    return {lock.normal(pin.partition("==")[0]) for pin in lock.read((ROOT / str(image.requirements)).read_text())}


@cache
def imported(module: str) -> frozenset[str]:
    """Return the distributions that a module and all that it imports need."""
    by_import = packages_distributions()
    names = {name for part in caching.closure(module) for name in caching.third_party_imports(part)}
    plugins = {"flytekitplugins-pandera", "flytekitplugins-deck-standard"}
    found = {caching._normal(dist) for name in names - {"flytekitplugins"} for dist in by_import.get(name, [])}
    return frozenset(found | (plugins if "flytekitplugins" in names else set()))


@every_task
def test_an_image_holds_what_its_task_imports(name: str) -> None:
    made = TASKS[name]
    assert imported(name.rsplit(".", 1)[0]) - lock_of(made.container_image) == set(), "see images/closures.py, then make lock"


def test_the_serving_image_holds_what_the_service_imports() -> None:
    assert imported("tasks.serving.service") - lock_of(images.SERVING) == set()


# --- the walk itself finds what it looks for --------------------------------------------------------------------------


class Open(BaseModel):
    x: int


class Anything:
    pass


def _toy(kind: Any) -> PythonTask[Any]:
    def toy(x: Any) -> int:
        return 1

    toy.__annotations__ = {"x": kind, "return": int}
    return task(toy)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Anything, "input x: a pickle"),
        (list[Anything], "input x: a pickle"),
        (dict[str, Anything], "input x: a pickle"),
        (Anything | None, "input x: a pickle"),
        (dict, "input x: a dict of no schema"),
        (Open, "input x: record takes unknown fields"),
        (FlyteFile, "input x: a file of no format"),
        (pd.DataFrame, "input x: a frame of no columns"),
        (pl.DataFrame, "input x: a pickle"),  # no plugin of polars is installed
        (pandera.typing.DataFrame, "input x: a frame of no columns"),
    ],
    ids=["class", "list", "dict", "optional", "bare-dict", "open-record", "file", "pandas", "polars", "pandera"],
)
@pytest.mark.filterwarnings("ignore")  # flytekit warns of each of them, which is the point
def test_an_open_type_is_found(kind: Any, fault: str) -> None:
    assert fault in faults(_toy(kind).interface.to_flyte_idl())

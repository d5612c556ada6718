"""The load as Flyte sees it: each step of the night waits for the pods that bring what it then finds, and only so many run at once."""

from __future__ import annotations

import pytest
from flytekit.core.array_node_map_task import ArrayNodeMapTask

from tests.flyte.entities import WORKFLOWS
from workflows.batch_scoring import batch_scoring
from workflows.load import LOAD, load

pytestmark = pytest.mark.flyte


def before(name: str) -> set[str]:
    """Return the names of what a step of the load waits for, directly or not."""
    (node,) = [node for node in load.nodes if node.flyte_entity.name.rpartition(".")[2] == name]
    found, ahead = set[str](), list(node.upstream_nodes)
    while ahead:
        node = ahead.pop()
        found.add(_named(node.flyte_entity))
        ahead.extend(node.upstream_nodes)
    return found


def _named(entity: object) -> str:
    named = entity.python_function_task if isinstance(entity, ArrayNodeMapTask) else entity
    return str(getattr(named, "name", "")).rpartition(".")[2]


STEPS = {"ingest": "ingest_block", "validate": "profile_block", "admit": "profile_block", "add_features": "build_block"}


@pytest.mark.parametrize(("step", "blocks"), STEPS.items())
def test_a_step_of_the_night_waits_for_its_blocks(step: str, blocks: str) -> None:
    assert blocks in before(step)


def test_features_are_built_of_what_was_admitted() -> None:
    assert {"admit", "validate", "ingest"} <= before("plan_features")


@pytest.mark.parametrize("workflow", [load, batch_scoring], ids=["load", "batch scoring"])
def test_only_so_many_pods_at_once(workflow: object) -> None:
    maps = [node.flyte_entity for node in workflow.nodes if isinstance(node.flyte_entity, ArrayNodeMapTask)]  # type: ignore[attr-defined]
    assert {fanned.concurrency for fanned in maps} == {LOAD.at_once}
    assert len(maps) == (3 if workflow is load else 2)


def test_nights_stay_in_one_pod() -> None:
    """A second pod costs more to start than a night takes."""
    for name in ("night", "ingest", "validation"):
        nodes = WORKFLOWS[f"workflows.{name}.{name}"].nodes
        assert not [node for node in nodes if isinstance(node.flyte_entity, ArrayNodeMapTask)]

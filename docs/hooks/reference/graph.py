"""A workflow as a graph: its nodes and what each waits for, read from the compiled workflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reference.project import short


@dataclass(frozen=True)
class Node:
    """One step.

    Attributes:
        id: Unique in its graph.
        label: Its name.
        kind: task, always (a task that is not cached), workflow, plan, or choice (a conditional, or a person asked).
        note: A word below the name.
        several: Whether it is run once for each element of a list.
    """

    id: str
    label: str
    kind: str
    note: str = ""
    several: bool = False


@dataclass
class Graph:
    """Steps, and who waits for whom; `choices` are the edges that a conditional takes or leaves."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)
    choices: dict[tuple[str, str], str] = field(default_factory=dict)


def of(workflow: Any, expanded: bool = False) -> Graph:
    """Return the graph of a compiled workflow.

    Args:
        workflow: A flytekit workflow.
        expanded: Whether workflows inside it are replaced by their own steps, down to tasks.
    """
    graph = Graph()
    _add(graph, workflow, "", {}, expanded)
    return graph


Sources = dict[str, set[str]]
"""Name of an output to the steps that it comes from."""


def _add(graph: Graph, workflow: Any, prefix: str, given: Sources, expanded: bool) -> Sources:
    """Add a workflow's steps; return the steps behind each of its outputs. `given` are those behind its inputs."""
    made: dict[str, Sources] = {"global-input-node": given, "": given}
    last: dict[str, set[str]] = {}
    for node in workflow.nodes:
        before = {binding.var: _behind(binding.binding, made) for binding in node.bindings}
        waits = {step for steps in before.values() for step in steps}
        waits |= {step for other in node.upstream_nodes if other.id not in _named(node) for step in last.get(other.id, ())}
        entity = node.flyte_entity
        if expanded and type(entity).__name__ == "PythonFunctionWorkflow":
            entity.compile()
            inside = set(graph.nodes)
            made[node.id] = _add(graph, entity, f"{prefix}{node.id}-", before, expanded)
            new = set(graph.nodes) - inside
            first = {step for step in new if not any(edge[1] == step for edge in graph.edges)}
            explicit = waits - {step for steps in before.values() for step in steps}
            graph.edges |= {(a, b) for a in explicit for b in first}
            last[node.id] = {step for step in new if not any(a == step for a, _ in graph.edges)}
            continue
        step = _step(entity, f"{prefix}{node.id}")
        graph.nodes[step.id] = step
        graph.edges |= {(other, step.id) for other in waits}
        last[node.id] = {step.id}
        made[node.id] = _Always({step.id})
        if type(entity).__name__ == "BranchNode":
            for i, (label, target) in enumerate(_branches(entity)):
                branch = _step(target.flyte_entity, f"{step.id}-{i}")
                graph.nodes[branch.id] = branch
                graph.edges.add((step.id, branch.id))
                graph.choices[step.id, branch.id] = label
    return {binding.var: _behind(binding.binding, made) for binding in workflow.output_bindings}


class _Always(dict[str, set[str]]):
    """All outputs of one step come from it."""

    def __init__(self, steps: set[str]) -> None:
        super().__init__()
        self.steps = steps

    def __missing__(self, _: str) -> set[str]:
        return self.steps


def _promises(binding: Any) -> Iterator[Any]:
    if binding.promise is not None:
        yield binding.promise
    for part in getattr(binding.collection, "bindings", None) or ():
        yield from _promises(part)
    for part in (getattr(binding.map, "bindings", None) or {}).values():
        yield from _promises(part)


def _behind(binding: Any, made: dict[str, Sources]) -> set[str]:
    found: set[str] = set()
    for promise in _promises(binding):
        source = made.get(promise.node_id, {})
        try:
            found |= source[promise.var]
        except KeyError:
            continue
    return found


def _named(node: Any) -> set[str]:
    """Return the nodes whose outputs a node takes."""
    return {promise.node_id for binding in node.bindings for promise in _promises(binding.binding)}


def _step(entity: Any, identity: str) -> Node:
    kind = type(entity).__name__
    if kind == "BranchNode":
        return Node(identity, entity.name, "choice")
    if kind == "Gate":
        return Node(identity, short(entity.name), "choice", "a person")
    if kind == "LaunchPlan":
        return Node(identity, short(entity.workflow.name), "plan", "launch plan")
    if kind == "PythonFunctionWorkflow":
        return Node(identity, short(entity.name), "workflow", "workflow")
    several = kind == "ArrayNodeMapTask"
    task = entity.python_function_task if several else entity
    stage = task.name.split(".")[1] if "." in task.name else ""
    return Node(identity, short(task.name), "task" if task.metadata.cache or entity.metadata.cache else "always", stage, several)


def _branches(branch: Any) -> Iterator[tuple[str, Any]]:
    block = branch._ifelse_block
    yield "if", block.case.then_node
    for case in block.other or ():
        yield "else if", case.then_node
    if block.else_node is not None:
        yield "else", block.else_node

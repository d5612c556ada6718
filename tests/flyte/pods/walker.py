"""The graph of a packaged workflow, walked as Flyte's engine does; what runs a task is given.

A node runs once all nodes that it waits for are done: those that it names upstream, by `>>` too, and those whose outputs it is
bound to. Sub-workflows, launch plans, conditionals, maps, gates and failure nodes are what the project uses of Flyte; a node of
another kind is refused. What an engine does and a walk does not: several nodes at once, the cache, timeouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from flyteidl.admin.launch_plan_pb2 import LaunchPlanSpec
from flyteidl.admin.workflow_pb2 import WorkflowSpec
from flyteidl.core.condition_pb2 import BooleanExpression, ComparisonExpression, Operand
from flyteidl.core.identifier_pb2 import Identifier
from flyteidl.core.literals_pb2 import BindingData, Literal
from flyteidl.core.tasks_pb2 import TaskTemplate
from flyteidl.core.types_pb2 import LiteralType, SimpleType
from flyteidl.core.workflow_pb2 import IfElseBlock, Node, WorkflowTemplate

from tests.flyte.pods.literals import comparable, inside

Literals = dict[str, Literal]
_START = "start-node"


class Entities(Protocol):
    """What is packaged, by name."""

    tasks: dict[str, TaskTemplate]
    workflows: dict[str, WorkflowSpec]
    plans: dict[str, LaunchPlanSpec]


@dataclass(frozen=True)
class Job:
    """One attempt at one task."""

    path: str
    """Its node, by the ids of the nodes that it lies in."""
    task: TaskTemplate
    inputs: Literals
    execution: str = ""
    """The node that launched the plan which it is part of; empty for the plan that was launched first."""
    index: int | None = None
    """Of an element of a map."""
    attempt: int = 0


class TaskFailed(Exception):
    """An attempt that gave no outputs.

    Args:
        told: Why.
        recoverable: Whether another attempt may be made.
    """

    def __init__(self, told: str, recoverable: bool) -> None:
        super().__init__(told)
        self.recoverable = recoverable


class WorkflowFailed(Exception):
    """A workflow that ended with a failed node.

    Args:
        node: The node, by its path.
        told: Why.
    """

    def __init__(self, node: str, told: str) -> None:
        super().__init__(f"{node}: {told}")
        self.node, self.told = node, told


@dataclass(frozen=True)
class Walker:
    """Walks workflows of a package.

    Args:
        entities: What is packaged.
        run: Runs an attempt at a task, and returns its outputs.
        answer: Says of a gate's name and of what it shows whether it may be passed.
    """

    entities: Entities
    run: Callable[[Job], Literals]
    answer: Callable[[str, Literal], bool] = lambda name, shown: False

    def launch(self, plan: str, given: Mapping[str, Literal], path: str = "") -> Literals:
        """Run a launch plan; each workflow has one of its own name.

        Raises:
            WorkflowFailed: If a node failed in all its attempts.
        """
        spec = self.entities.plans[plan]
        defaults = {name: p.default for name, p in spec.default_inputs.parameters.items() if p.HasField("default")}
        unknown = given.keys() - spec.default_inputs.parameters.keys()
        assert not unknown, f"{plan} takes no input of these names: {unknown}"  # a fixed one cannot be given
        return self.workflow(self.entities.workflows[spec.workflow_id.name], {**defaults, **given, **spec.fixed_inputs.literals}, path)

    def workflow(self, spec: WorkflowSpec, inputs: Literals, path: str) -> Literals:
        """Run a workflow with the sub-workflows that it brings along."""
        inner = {sub.id.name: sub for sub in spec.sub_workflows}
        return _Execution(self, inner, path, path).of(spec.template, inputs)

    def attempts(self, job: Job, node: Node) -> Literals:
        """Run a task as often as its node allows."""
        allowed = node.metadata.retries.retries + 1
        for attempt in range(allowed):
            try:
                return self.run(replace(job, attempt=attempt))
            except TaskFailed as failure:
                told = f"[{attempt + 1}/{allowed}] currentAttempt done. Last Error: USER::\n{failure}"
                if not failure.recoverable:
                    break
        raise WorkflowFailed(job.path, told)


@dataclass(frozen=True)
class _Execution:
    """One run of a workflow: what its nodes have given so far."""

    walker: Walker
    inner: Mapping[str, WorkflowTemplate]
    name: str
    path: str

    def of(self, template: WorkflowTemplate, inputs: Literals) -> Literals:
        missing = template.interface.inputs.variables.keys() - inputs.keys()
        assert not missing, f"{template.id.name} must be given {missing}"
        done: dict[str, Literals] = {_START: inputs}
        try:
            for node in ordered(template.nodes):
                done[node.id] = self._node(node, done, self.path)
        except WorkflowFailed as failure:
            if template.HasField("failure_node"):
                self._on_failure(template.failure_node, done, failure)
            raise
        return {output.var: resolve(output.binding, done) for output in template.outputs}

    def _on_failure(self, node: Node, done: dict[str, Literals], failure: WorkflowFailed) -> None:
        """Run a failure node, which is told of the failure if it has an input for it."""
        kinds = self.walker.entities.tasks[node.task_node.reference_id.name].interface.inputs.variables
        told = {name: error for name, variable in kinds.items() if (error := as_error(variable.type, failure)) is not None}
        self._node(node, done, self.path, told)

    def _node(self, node: Node, done: dict[str, Literals], path: str, told: Mapping[str, Literal] | None = None) -> Literals:
        """Return the outputs of a node."""
        here = f"{path}/{node.id}".strip("/")
        inputs = {given.var: resolve(given.binding, done) for given in node.inputs} | dict(told or {})
        match node.WhichOneof("target"):
            case "task_node":
                task = self.walker.entities.tasks[node.task_node.reference_id.name]
                return self.walker.attempts(Job(here, task, inputs, self.name), node)
            case "workflow_node":
                return self._workflow(node, inputs, here)
            case "branch_node":
                return self._node(chosen(node.branch_node.if_else, inputs), done, here)  # its nodes are bound to those outside
            case "array_node":
                return self._array(node, inputs, here)
            case "gate_node" if node.gate_node.HasField("approve"):
                (shown,) = inputs.values()
                if not self.walker.answer(node.gate_node.approve.signal_id, shown):
                    raise WorkflowFailed(here, "nobody approved")
                return inputs
            case other:
                raise NotImplementedError(f"{here}: a walk knows no node of the kind {other!r}; teach it to tests/flyte/pods/walker.py")

    def _workflow(self, node: Node, inputs: Literals, path: str) -> Literals:
        """Run a sub-workflow as part of this execution, or a launch plan as one of its own."""
        if node.workflow_node.HasField("launchplan_ref"):
            return self.walker.launch(node.workflow_node.launchplan_ref.name, inputs, path)
        found: Identifier = node.workflow_node.sub_workflow_ref
        return replace(self, path=path).of(self.inner[found.name], inputs)

    def _array(self, node: Node, inputs: Literals, path: str) -> Literals:
        """Run a map: every pod is given all inputs and takes its own element by its index."""
        array = node.array_node
        task = self.walker.entities.tasks[array.node.task_node.reference_id.name]
        (count,) = {len(held.collection.literals) for name, held in inputs.items() if name not in array.bound_inputs}
        jobs = (Job(f"{path}/{index}", task, inputs, self.name, index) for index in range(count))
        results = [self.walker.attempts(job, array.node) for job in jobs]
        collected = {name: Literal() for name in task.interface.outputs.variables}
        for name, held in collected.items():
            held.collection.SetInParent()
            held.collection.literals.extend(result[name] for result in results)
        return collected


def ordered(nodes: Any) -> Iterator[Node]:
    """Yield nodes so that each comes after those that it waits for.

    Raises:
        ValueError: If some wait for each other, or for one that is not there.
    """
    ahead, behind = list(nodes), {_START}
    while ahead:
        free = next((node for node in ahead if waits_for(node) <= behind), None)
        if free is None:
            raise ValueError(f"nodes must not wait for each other; got {[node.id for node in ahead]}")
        ahead.remove(free)
        behind.add(free.id)
        yield free


def waits_for(node: Node) -> set[str]:
    """Return the ids of the nodes that a node waits for, those that a conditional's branches are bound to among them."""
    if node.WhichOneof("target") != "branch_node":
        return {*node.upstream_node_ids} | {source for given in node.inputs for source in _sources(given.binding)}
    return {*node.upstream_node_ids}.union(
        (source for given in node.inputs for source in _sources(given.binding)), *map(waits_for, _branches(node.branch_node.if_else))
    )


def _branches(block: IfElseBlock) -> list[Node]:
    cases = [block.case.then_node, *(other.then_node for other in block.other)]
    return [*cases, block.else_node] if block.HasField("else_node") else cases


def _sources(binding: BindingData) -> Iterator[str]:
    """Yield the nodes that a binding takes something from."""
    match binding.WhichOneof("value"):
        case "promise":
            yield binding.promise.node_id or _START
        case "collection":
            for part in binding.collection.bindings:
                yield from _sources(part)
        case "map":
            for part in binding.map.bindings.values():
                yield from _sources(part)


def resolve(binding: BindingData, done: Mapping[str, Literals]) -> Literal:
    """Return the literal that a binding stands for."""
    match binding.WhichOneof("value"):
        case "promise":
            promise = binding.promise
            return inside(done[promise.node_id or _START][promise.var], promise.attr_path)
        case "scalar":
            return Literal(scalar=binding.scalar)
        case "collection":
            held = Literal()
            held.collection.SetInParent()
            held.collection.literals.extend(resolve(part, done) for part in binding.collection.bindings)
            return held
        case "map":
            held = Literal()
            held.map.SetInParent()
            for name, part in binding.map.bindings.items():
                held.map.literals[name].CopyFrom(resolve(part, done))
            return held
        case other:
            raise NotImplementedError(f"a walk knows no binding of the kind {other!r}; teach it to tests/flyte/pods/walker.py")


def chosen(block: IfElseBlock, inputs: Literals) -> Node:
    """Return the node of a conditional's first case that holds."""
    for case in (block.case, *block.other):
        if holds(case.condition, inputs):
            return case.then_node
    assert block.HasField("else_node"), "a conditional of which no case holds must have an else"
    return block.else_node


def holds(expression: BooleanExpression, inputs: Literals) -> bool:
    """Return whether a condition holds of a conditional's inputs."""
    if expression.HasField("conjunction"):
        both = expression.conjunction
        left, right = holds(both.left_expression, inputs), holds(both.right_expression, inputs)
        return left and right if both.operator == both.AND else left or right
    compared = expression.comparison
    left, right = _operand(compared.left_value, inputs), _operand(compared.right_value, inputs)
    kind = ComparisonExpression.Operator
    return {
        kind.EQ: lambda: left == right,
        kind.NEQ: lambda: left != right,
        kind.GT: lambda: left > right,
        kind.GTE: lambda: left >= right,
        kind.LT: lambda: left < right,
        kind.LTE: lambda: left <= right,
    }[compared.operator]()


def _operand(operand: Operand, inputs: Literals) -> Any:
    if operand.WhichOneof("val") == "var":
        return comparable(inputs[operand.var])
    scalar = operand.scalar if operand.HasField("scalar") else Literal(scalar={"primitive": operand.primitive}).scalar
    return comparable(Literal(scalar=scalar))


def as_error(kind: LiteralType, failure: WorkflowFailed) -> Literal | None:
    """Return a failure as an input of a type, None if the type is of another kind."""
    if kind.simple == SimpleType.ERROR:
        return Literal(scalar={"error": {"failed_node_id": failure.node, "message": failure.told}})
    for variant in kind.union_type.variants:
        inner = as_error(variant, failure)
        if inner is not None:
            return Literal(scalar={"union": {"value": inner, "type": variant}})
    return None

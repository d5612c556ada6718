"""The walk itself, on small workflows as flytekit serialises them, with tasks that run in this process."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import msgpack
import pytest
from flyteidl.core.literals_pb2 import BindingData, Literal, LiteralMap
from flyteidl.core.types_pb2 import LiteralType, SimpleType
from flyteidl.core.workflow_pb2 import Node
from flytekit import FlyteContextManager, LaunchPlan, approve, conditional, map_task, task, workflow
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.exceptions.user import FlyteRecoverableException
from flytekit.models import literals as models
from flytekit.tools.translator import get_serializable
from flytekit.types.error.error import FlyteError
from pydantic import BaseModel

from tests.flyte.pods import literals
from tests.flyte.pods.walker import Job, Literals, TaskFailed, Walker, WorkflowFailed, as_error, ordered

pytestmark = pytest.mark.flyte

SETTINGS = SerializationSettings(
    project="p", domain="d", version="1", env={}, image_config=ImageConfig(default_image=Image("default", "image", "1"))
)
RAN: list[str] = []
TOLD: list[FlyteError | None] = []


class Person(BaseModel):
    name: str
    age: int


class Split(NamedTuple):
    small: bool
    person: Person
    several: list[int]


@task
def split(n: int) -> Split:
    RAN.append("split")
    return Split(n < 10, Person(name="Ada", age=n), [n, n + 1])


@task
def greet(name: str, age: int) -> str:
    RAN.append("greet")
    return f"{name} is {age}"


@task(retries=2)
def twice(n: int, factor: int) -> int:
    RAN.append(f"twice {n}")
    if n == 13:
        raise ValueError("thirteen brings bad luck")
    if n == 14 and RAN.count("twice 14") < 3:
        raise FlyteRecoverableException("not yet")
    return n * factor


@task
def told_of(n: int, err: FlyteError | None = None) -> None:
    TOLD.append(err)


@workflow
def inner(n: int, factor: int = 2) -> int:
    return twice(n=n, factor=factor)


LATER = LaunchPlan.get_or_create(inner, name="later", fixed_inputs={"factor": 5})


@workflow
def fields(n: int = 3) -> tuple[str, int]:
    found = split(n=n)
    return greet(name=found.person.name, age=found.person.age), inner(n=found.several[1])


@workflow
def branches(n: int) -> int:
    found = split(n=n)
    return conditional("size").if_(found.small.is_true()).then(inner(n=n)).else_().then(LATER(n=n))  # type: ignore[return-value,attr-defined]


@workflow
def compared(n: int, name: str) -> int:
    return (  # type: ignore[return-value]
        conditional("kind")
        .if_((n > 5) & (name == "Ada"))  # type: ignore[operator]
        .then(twice(n=n, factor=10))
        .elif_((n < 0) | (name != "Ada"))  # type: ignore[operator]
        .then(twice(n=n, factor=100))
        .else_()
        .then(twice(n=n, factor=1000))
    )


@workflow
def mapped(ns: list[int]) -> list[int]:
    return map_task(partial(twice, factor=3))(n=ns)


@workflow
def gated(n: int) -> str:
    presented = approve(greet(name="Ada", age=n), "approval", timeout=timedelta(hours=1))
    return greet(name=presented, age=1)


@workflow(on_failure=told_of)
def fails(n: int) -> int:
    return inner(n=n)


@workflow
def after(n: int) -> int:
    last = twice(n=n, factor=1)
    first = greet(name="Ada", age=n)
    first >> last  # type: ignore[operator]
    return last


class Entities:
    """What flytekit serialises of workflows, as `make package` does."""

    def __init__(self, *flows: Any) -> None:
        self.tasks, self.workflows, self.plans, self.made = {}, {}, {}, {}
        held: OrderedDict[Any, Any] = OrderedDict()
        for flow in flows:
            get_serializable(held, SETTINGS, flow)
            get_serializable(held, SETTINGS, LaunchPlan.get_default_launch_plan(FlyteContextManager.current_context(), flow))
        for entity, model in held.items():
            self.made[getattr(entity, "name", "")] = entity
            proto = model.to_flyte_idl() if hasattr(model, "to_flyte_idl") else None
            if type(model).__name__ == "TaskSpec":
                self.tasks[model.template.id.name] = proto.template
            elif type(model).__name__ == "WorkflowSpec":
                self.workflows[model.template.id.name] = proto
            elif type(model).__name__ == "LaunchPlan":
                self.plans[model.id.name] = proto.spec

    def run(self, job: Job) -> Literals:
        """Run a task in this process; of a map the element, as the pod of its index does."""
        made, context = self.made[job.task.id.name], FlyteContextManager.current_context()
        given = models.LiteralMap.from_flyte_idl(LiteralMap(literals=job.inputs))
        if job.index is not None:
            for name in set(given.literals) - made.bound_inputs:
                given.literals[name] = given.literals[name].collection.literals[job.index]
            made = made.python_function_task
        try:
            outputs = made.dispatch_execute(context, given)
        except Exception as error:
            raise TaskFailed(str(error), isinstance(error.__cause__ or error, FlyteRecoverableException)) from error
        return dict(outputs.to_flyte_idl().literals) if isinstance(outputs, models.LiteralMap) else {}


def walk(flow: Any, answer: bool = True, **given: Any) -> Any:
    RAN.clear()
    TOLD.clear()
    entities = Entities(flow)
    walker = Walker(entities, entities.run, lambda name, shown: answer)
    outputs = literals.python(flow.python_interface, walker.launch(flow.name, literals.given(flow.python_interface, given)))
    return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())


def test_fields_of_records_elements_of_lists_and_defaults() -> None:
    assert walk(fields) == ("Ada is 3", 8)
    assert walk(fields, n=5) == ("Ada is 5", 12)


def test_a_sub_workflow_or_a_launch_plan_by_the_real_value() -> None:
    assert walk(branches, n=4) == 8
    assert RAN == ["split", "twice 4"], "the other branch does not run"
    assert walk(branches, n=20) == 100, "a launch plan's fixed input counts, not its workflow's default"


@pytest.mark.parametrize(
    ("n", "name", "factor"),
    [
        (6, "Ada", 10),  # both hold
        (6, "Bob", 100),  # the first does not, the second by its second part
        (-1, "Ada", 100),  # ... by its first part
        (5, "Ada", 1000),  # none holds
    ],
)
def test_conditions_are_compared(n: int, name: str, factor: int) -> None:
    assert walk(compared, n=n, name=name) == n * factor


@pytest.mark.parametrize("ns", [[], [1], [3, 1, 2]])
def test_a_map_gives_one_result_an_element_in_order(ns: list[int]) -> None:
    assert walk(mapped, ns=ns) == [n * 3 for n in ns]


def test_a_gate_passes_what_it_shows_or_ends_the_run() -> None:
    assert walk(gated, n=2) == "Ada is 2 is 1"
    with pytest.raises(WorkflowFailed, match="n1: nobody approved"):
        walk(gated, answer=False, n=2)
    assert RAN == ["greet"]


def test_a_failure_node_is_told_which_node_failed_and_why() -> None:
    assert walk(fails, n=1) == 2
    assert TOLD == []
    with pytest.raises(WorkflowFailed, match="thirteen"):
        walk(fails, n=13)
    assert RAN == ["twice 13"], "an error that is the user's is not tried again"
    (error,) = TOLD
    assert error is not None
    assert error.failed_node_id == "n0/n0"
    assert "thirteen" in error.message


def test_a_recoverable_failure_is_tried_again_as_often_as_the_node_allows() -> None:
    assert walk(fails, n=14) == 28
    assert RAN == ["twice 14"] * 3


def test_an_order_without_data_is_kept() -> None:
    assert walk(after, n=1) == 1
    assert RAN == ["greet", "twice 1"]


def test_nodes_that_wait_for_each_other_are_refused() -> None:
    circle = [Node(id="a", upstream_node_ids=["b"]), Node(id="b", upstream_node_ids=["a"])]
    with pytest.raises(ValueError, match=r"must not wait for each other; got \['a', 'b'\]"):
        list(ordered(circle))


def test_a_node_of_another_kind_is_refused() -> None:
    entities = Entities(gated)
    (gate,) = [node for node in entities.workflows[gated.name].template.nodes if node.HasField("gate_node")]
    gate.gate_node.sleep.duration.seconds = 1
    with pytest.raises(NotImplementedError, match="gate_node"):
        Walker(entities, entities.run).launch(gated.name, literals.given(gated.python_interface, {"n": 1}))


def test_a_fixed_input_cannot_be_given() -> None:
    entities = Entities(branches)
    with pytest.raises(AssertionError, match="factor"):
        Walker(entities, entities.run).launch("later", literals.given(inner.python_interface, {"n": 1, "factor": 2}))


def test_a_path_leads_into_lists_maps_and_structs() -> None:
    held = Literal()
    held.map.literals["people"].collection.literals.add().scalar.generic.update({"name": {"first": "Ada"}})
    path = BindingData(promise={"var": "x"}).promise.attr_path
    for step in ({"string_value": "people"}, {"int_value": 0}, {"string_value": "name"}, {"string_value": "first"}):
        path.add(**step)
    assert msgpack.unpackb(literals.inside(held, path).scalar.binary.value) == "Ada"
    assert literals.comparable(literals.inside(held, path)) == "Ada"


def test_types_of_errors_are_found_in_unions() -> None:
    assert as_error(LiteralType(simple=SimpleType.STRING), WorkflowFailed("n0", "why")) is None

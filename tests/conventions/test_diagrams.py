"""Pictures of workflows: what waits for what is read from the compiled workflow, and drawn without overlap."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import pytest

from tests.conventions.reference import drawing, graph, project
from tests.conventions.reference import graph as graphs

pytestmark = pytest.mark.unit

Graph, Node = graph.Graph, graph.Node


def toy(*edges: str, kind: str = "task") -> Graph:
    """Return a graph of edges such as "ab"."""
    names = sorted({name for edge in edges for name in edge})
    return Graph({name: Node(name, f"step_{name}", kind) for name in names}, {(edge[0], edge[1]) for edge in edges})


@pytest.mark.parametrize(
    ("edges", "kept"),
    [
        (["ab", "bc"], {"ab", "bc"}),
        (["ab", "bc", "ac"], {"ab", "bc"}),  # the longer path says it
        (["ab", "ac", "bd", "cd", "ad"], {"ab", "ac", "bd", "cd"}),
        (["ab", "cd"], {"ab", "cd"}),  # two that never meet
    ],
)
def test_an_arrow_that_a_longer_path_says_is_left_away(edges: list[str], kept: set[str]) -> None:
    assert {a + b for a, b in drawing.reduced(toy(*edges))} == kept


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(r'<rect class="[a-z]+" x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="(\d+)"', svg)
    return [tuple(map(float, one)) for one in found]  # type: ignore[misc]


@cache
def every_graph() -> dict[str, Graph]:
    found = [(name, workflow) for own in project.workflows().values() for name, workflow in own.items()]
    return {f"{name}{' expanded' * wide}": graphs.of(workflow, expanded=wide) for name, workflow in found for wide in (False, True)}


def test_steps_stand_apart_and_within_the_picture() -> None:
    for name, made in every_graph().items():
        svg = drawing.draw(made, name)
        width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())  # type: ignore[union-attr]
        found = sorted(boxes(svg), key=lambda box: (box[1], box[0]))
        assert len(found) == len(made.nodes) > 0, name
        assert all(x >= 0 and y >= 0 and x + wide <= width + 1 and y + high <= height + 1 for x, y, wide, high in found), name
        for (x0, y0, w0, _), (x1, y1, _, _) in pairwise(found):
            assert y0 != y1 or x0 + w0 < x1, f"two steps of {name} overlap"


def test_what_waits_stands_below() -> None:
    for name, made in every_graph().items():
        layers, _ = drawing._layered(made, drawing.reduced(made))
        level = {step: i for i, layer in enumerate(layers) for step in layer}
        assert [(a, b) for a, b in made.edges if level[a] >= level[b]] == [], name


def test_the_same_graph_is_the_same_picture() -> None:
    assert drawing.draw(toy("ab", "ac", "bd", "cd"), "toy") == drawing.draw(toy("cd", "bd", "ac", "ab"), "toy")


def labels(made: Graph, edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(made.nodes[a].label, made.nodes[b].label) for a, b in edges}


def test_a_retraining_is_what_its_workflow_says() -> None:
    made = graphs.of(project.workflows()["retrain"]["retrain"])
    chain = [("packaging", "compile_dossier"), ("compile_dossier", "register"), ("register", "settle"), ("settle", "summarise")]
    assert labels(made, drawing.reduced(made)) == set(chain)
    assert {node.label: node.kind for node in made.nodes.values()} == {
        "packaging": "workflow",
        "compile_dossier": "task",
        "register": "always",
        "settle": "workflow",
        "summarise": "always",
    }


def test_workflows_within_are_opened_down_to_their_tasks() -> None:
    made = graphs.of(project.workflows()["retrain"]["retrain"], expanded=True)
    assert {node.kind for node in made.nodes.values()} == {"task", "always"}
    waits = labels(made, made.edges)
    for pair in [
        ("ingest", "validate"),
        ("admit", "build_features"),
        ("train_network", "evaluate"),
        ("validate_service", "decide"),
        ("decide", "register"),
    ]:
        reached, waiting = set(), {pair[0]}
        while waiting:
            reached |= waiting
            waiting = {b for a, b in waits if a in waiting} - reached
        assert pair[1] in reached, pair


def test_an_order_without_data_is_drawn_too() -> None:
    """`backfill` lets its scores wait for the features by `>>` alone."""
    made = graphs.of(project.workflows()["backfill"]["backfill"])
    assert ("night", "batch_scoring") in labels(made, made.edges)


def test_a_choice_shows_its_branches() -> None:
    made = graphs.of(project.workflows()["monitor"]["monitor"])
    told = {(made.nodes[a].label, word, made.nodes[b].label) for (a, b), word in made.choices.items()}
    assert told == {("act", "if", "challenge"), ("act", "else if", "step_back"), ("act", "else", "stand_by")}
    assert ">else if</text>" in drawing.draw(made, "monitor")


def test_a_step_for_each_element_says_so() -> None:
    made = graphs.of(project.workflows()["backtest"]["backtest"])
    assert [node.label for node in made.nodes.values() if node.several] == ["score_start"]


def test_a_person_asked_is_a_step() -> None:
    made = graphs.of(project.workflows()["promote"]["review"])
    assert [node.note for node in made.nodes.values() if node.kind == "choice"] == ["a person"]

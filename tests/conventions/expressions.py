"""PromQL as tests see it: an expression parsed, and each metric, label and value in it held to what the service tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

from tasks.serving import metrics

TARGET = {"job", "instance"}
"""Labels that Prometheus gives every series it scrapes."""
CLOSED = {"route": set(metrics.ROUTES), "arm": set(metrics.ARMS), "flagged": {"true", "false"}}
"""Labels with a closed set of values."""

Series = dict[str, set[str]]


def _served() -> Series:
    """Return name to labels of every series that the service tells: each method is called once, and what comes out is parsed."""
    told = metrics.Metrics()
    told.request("predict", 200, 0.01)
    told.predicted("champion", [0.2, 0.7], [False, True], 0.001)
    for act, label in ((told.warned, "stale state"), (told.refused, "key"), (told.rolled_back, "guard")):
        act(label)
    told.revision(1)
    told.refused_revision()
    told.state_as_of(datetime(2013, 10, 1, tzinfo=UTC))
    for count in (told.shadowed, told.dropped, told.log_bytes, told.outcome, told.explained):
        count(1)
    told.cpu(0.1)
    families = list(text_string_to_metric_families(told.render().decode()))
    found: Series = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    named = {*metrics.COUNTERS, *metrics.GAUGES} | {f"{name}_bucket" for name in metrics.HISTOGRAMS}
    assert named <= found.keys()  # this calls every method
    return {name: labels | TARGET for name, labels in found.items()} | {"up": TARGET}


SERVED = _served()


class Wrong(Exception):
    """What an expression asks for that is not there."""


def labels_of(node: Any, series: Series) -> set[str]:
    """Return the labels that an expression's result has.

    Raises:
        Wrong: If it names a metric, a label or a value that is not there.
    """
    match node:
        case promql.VectorSelector():
            return _selected(node, series)
        case promql.MatrixSelector():
            return _selected(node.vector_selector, series)
        case promql.AggregateExpr():
            inside = labels_of(node.expr, series)
            given = set(node.modifier.labels) if node.modifier else set()
            if given - inside:
                raise Wrong(f"no label {sorted(given - inside)} to aggregate by")
            return inside - given if node.modifier and node.modifier.type == promql.AggModifierType.Without else given
        case promql.BinaryExpr():
            left, right = labels_of(node.lhs, series), labels_of(node.rhs, series)
            matching = node.modifier.matching if node.modifier else None
            if matching and set(matching.labels) - (left | right):
                raise Wrong(f"no label {matching.labels} to match by")
            return left | right
        case promql.Call():
            found = {label for argument in node.args for label in labels_of(argument, series)}
            if node.func.name == "histogram_quantile":
                if "le" not in found:
                    raise Wrong("a quantile needs the label le")
                found -= {"le"}
            return found
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return labels_of(node.expr, series)
        case promql.NumberLiteral() | promql.StringLiteral():
            return set()
    raise Wrong(f"{type(node).__name__} is not known here")


def _selected(node: Any, series: Series) -> set[str]:
    if node.name not in series:
        raise Wrong(f"no metric is named {node.name}")
    for matcher in node.matchers.matchers:
        if matcher.name not in series[node.name]:
            raise Wrong(f"{node.name} has no label {matcher.name}")
        strange = set(matcher.value.split("|")) - CLOSED.get(matcher.name, set(matcher.value.split("|")))
        if strange:
            raise Wrong(f"{matcher.name} is never {sorted(strange)}")
    return series[node.name]


def parsed(text: str, series: Series) -> set[str]:
    """Return the labels of an expression's result.

    Raises:
        Wrong: If it is not PromQL, or asks for what is not there.
    """
    try:
        tree = promql.parse(text)
    except ValueError as error:
        raise Wrong(f"not PromQL: {error}") from error
    return labels_of(tree, series)

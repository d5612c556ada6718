"""Rules and dashboard of `images/deploy/monitoring`: every expression is parsed, and what it names is what the service tells."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from tasks.serving import metrics
from tasks.usecase.policy import PRICES, SERVICE
from tests.conventions.expressions import SERVED, Series, Wrong, parsed

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "images" / "deploy" / "monitoring"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PAGE = (ROOT / "docs" / "operations" / "alerts.md").read_text()


def test_every_kind_of_wrong_expression_is_found() -> None:
    for text, told in {
        'sum(rate(evergreen_requests_total{route="predict"}[5m])': "not PromQL",  # a bracket is missing
        "rate(evergreen_requests_total)": "not PromQL",  # a rate of an instant
        "rate(evergreen_request_total[5m])": "no metric is named evergreen_request_total",  # misspelt
        'rate(evergreen_requests_total{code="200"}[5m])': "has no label code",  # the label of another library
        'rate(evergreen_requests_total{route=~"predict|feedbak"}[5m])': "route is never ['feedbak']",  # misspelt value
        "sum by (version) (rate(evergreen_predictions_total[5m]))": "no label ['version'] to aggregate by",
        "evergreen_routing_revision / on (arm) evergreen_state_as_of_seconds": "no label ['arm'] to match by",
        "histogram_quantile(0.9, sum by (arm) (rate(evergreen_model_seconds_bucket[5m])))": "needs the label le",
        "evergreen:nowhere:rate5m > 1": "no metric is named evergreen:nowhere:rate5m",  # no rule records it
    }.items():
        with pytest.raises(Wrong, match=re.escape(told)):
            parsed(text, SERVED)


# --- rules ------------------------------------------------------------------------------------------------------------


def rules(document: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    yield from (rule for group in document["groups"] for rule in group["rules"] if kind in rule)


def faults(document: dict[str, Any]) -> tuple[list[str], Series]:
    """Return what of a rule file promtool would refuse, or would never fire; and all series that there are then."""
    found, series = [], dict(SERVED)
    names = [group.get("name") for group in document["groups"]]
    found += ["a group has no name of its own"] * (len(set(names)) < len(names) or None in names)
    found += [
        f"unknown fields of a group: {sorted(extra)}"
        for group in document["groups"]
        if (extra := group.keys() - {"name", "interval", "rules"})
    ]
    for group in document["groups"]:
        found += [f"{group['name']}: interval must be a duration"] * (not _is_duration(group.get("interval", "1m")))
        for rule in group["rules"]:
            name = rule.get("record") or rule.get("alert") or "?"
            found += [f"{name}: {fault}" for fault in _rule_faults(rule, series)]
            if "record" in rule:
                found += [f"{name}: recorded twice"] * (name in series)
                series[name] = _labels_or_none(rule, series)
    alerts = [rule["alert"] for rule in rules(document, "alert")]
    return found + [f"{name}: alerted twice" for name in sorted(set(alerts)) if alerts.count(name) > 1], series


def _labels_or_none(rule: dict[str, Any], series: Series) -> set[str]:
    try:
        return parsed(rule["expr"], series) | rule.get("labels", {}).keys()
    except Wrong:
        return set()


def _rule_faults(rule: dict[str, Any], series: Series) -> Iterator[str]:
    is_alert = "alert" in rule
    known = {"alert", "expr", "for", "labels", "annotations"} if is_alert else {"record", "expr", "labels"}
    if rule.keys() - known or is_alert == ("record" in rule):
        yield f"must be an alert or a record with {sorted(known)}; got {sorted(rule)}"
    try:
        labels = parsed(rule["expr"], series)
    except Wrong as error:
        yield str(error)
        return
    if not is_alert:
        if not re.fullmatch(r"[a-zA-Z_]\w*:\w+:\w+", rule["record"]):
            yield "must be called level:metric:operation"
        return
    if "for" in rule and not _is_duration(rule["for"]):
        yield f"`for` must be a duration; got {rule['for']}"
    if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
        yield "must have a severity"
    notes = rule.get("annotations", {})
    if notes.keys() != {"summary", "runbook_url"} or notes["runbook_url"] != f"docs/operations/alerts.md#{rule['alert'].lower()}":
        yield "must have a summary, and its own section as its runbook"
    strange = set(re.findall(r"\$labels\.(\w+)", notes.get("summary", ""))) - labels
    if strange:
        yield f"its summary names labels that it does not have: {sorted(strange)}"


def _is_duration(text: str) -> bool:
    try:
        return bool(promql.parse_duration(text))
    except ValueError:
        return False


def test_the_rules_are_as_they_must_be() -> None:
    assert faults(RULES)[0] == []


def _alert(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: next(rule for rule in rules(document, "alert") if rule["alert"] == name)


def _text(name: str) -> str:
    """Return an alert's expression on one line."""
    return " ".join(_alert(name)(RULES)["expr"].split())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: _alert("NoFeedback")(d).update(expr="sum(increase(evergreen_outcome_total[3d])) == 0"), "no metric is named"),
        (lambda d: _alert("NoFeedback")(d).update({"for": "1 hour"}), "`for` must be a duration"),
        (lambda d: _alert("NoFeedback")(d)["labels"].update(severity="bad"), "must have a severity"),
        (lambda d: _alert("NoFeedback")(d).update(fur="1h"), "must be an alert or a record"),
        (lambda d: _alert("NoFeedback")(d)["annotations"].update(runbook_url="docs/operations/alerts.md"), "its own section"),
        (lambda d: _alert("CanaryRolledBack")(d)["annotations"].update(summary="by {{ $labels.reason }}"), "does not have: ['reason']"),
        (lambda d: _alert("NoFeedback")(d).update(alert="ErrorShare"), "alerted twice"),
        (lambda d: d["groups"][1].update(name="evergreen-data"), "no name of its own"),
        (lambda d: d["groups"][0].update(interval="often"), "interval must be a duration"),
        (lambda d: d["groups"][0]["rules"].append(d["groups"][0]["rules"][0]), "recorded twice"),
        (lambda d: d["groups"][0]["rules"][0].update(record="requests"), "level:metric:operation"),
        (lambda d: d["groups"][0]["rules"].pop(0), "no metric is named evergreen:requests:rate5m"),  # an alert uses it
    ],
)  # fmt: skip
def test_a_wrong_rule_is_found(change: Callable[[dict[str, Any]], object], told: str) -> None:
    document = copy.deepcopy(RULES)
    change(document)
    assert [fault for fault in faults(document)[0] if told in fault], faults(document)[0]


def test_numbers_agree_with_the_policy() -> None:
    records = {rule["record"]: rule["expr"] for rule in rules(RULES, "record")}
    assert _text("SlowPredictions") == f"evergreen:predict_seconds:p99_5m > {SERVICE.p99_ms / 1000:g}"
    assert _text("StaleOnlineState") == f"evergreen:state_age:seconds > {SERVICE.state_stale_hours * 3600:.0f}"
    assert f"/ 3600 * {PRICES.cpu_core_hour:g}\n" in records["evergreen:cost:usd_per_million1h"]
    assert PRICES.currency == "USD"
    assert f"policy allows {SERVICE.p99_ms:g} ms" in _alert("SlowPredictions")(RULES)["annotations"]["summary"]
    assert SERVICE.p99_ms / 1000 in metrics.HISTOGRAMS["evergreen_request_seconds"][2]  # a bucket ends there: nothing is interpolated


# --- the page of alerts -----------------------------------------------------------------------------------------------


def page_faults(text: str) -> list[str]:
    """Return alerts without a section, sections without an alert, and sections that lack a part."""
    sections = {part.splitlines()[0].strip(): part for part in re.split(r"^## ", text, flags=re.M)[1:]}
    alerts = {rule["alert"] for rule in rules(RULES, "alert")}
    found = [f"no section: {name}" for name in sorted(alerts - sections.keys())]
    found += [f"no alert: {name}" for name in sorted(sections.keys() - alerts)]
    parts = ("*Means:*", "*Look:*", "*Do:*", "*Back:*")
    return found + [f"{name} has no {part}" for name, held in sections.items() for part in parts if part not in held]


def test_every_alert_has_its_section() -> None:
    assert page_faults(PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## NoFeedback", "## Feedback", "no section: NoFeedback"),  # renamed on the page alone
        ("## NoFeedback", "## Feedback", "no alert: Feedback"),
        ("*Back:*", "Back:", "NoReadyWorker has no *Back:*"),  # nobody says how to go back
    ],
)
def test_a_wrong_page_is_found(old: str, new: str, told: str) -> None:
    assert told in page_faults(PAGE.replace(old, new))


def test_metrics_on_the_page_are_there() -> None:
    named = set(re.findall(r"\bevergreen[_:]\w[\w:]*", PAGE))
    assert named - faults(RULES)[1].keys() - {name.removesuffix("_bucket") for name in SERVED} == set()


# --- the dashboard ----------------------------------------------------------------------------------------------------


def dashboard_faults(document: dict[str, Any]) -> list[str]:
    """Return what of a dashboard would show nothing."""
    series, found = faults(RULES)[1], []
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in document["panels"]]
    found += ["two panels have one id"] * (len(set(ids)) < len(ids))
    variables = {f"${{{variable['name']}}}" for variable in document["templating"]["list"]}
    for panel in [*panels, *document["annotations"]["list"]]:
        name = panel.get("title") or panel["name"]
        place = panel.get("gridPos", {"x": 0, "w": 24})
        found += [f"{name}: beyond the right edge"] * (place["x"] + place["w"] > 24)
        for target in panel.get("targets", [panel]):
            found += [f"{name}: no such source of data"] * (target["datasource"]["uid"] not in variables)
            try:
                labels = parsed(target["expr"], series)
            except Wrong as error:
                found.append(f"{name}: {error}")
                continue
            shown = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "") + target.get("titleFormat", "")))
            found += [f"{name}: its legend names labels that it does not have: {sorted(shown - labels)}"] * bool(shown - labels)
    return found


def test_the_dashboard_shows_what_there_is() -> None:
    assert dashboard_faults(DASHBOARD) == []


def test_the_dashboard_shows_every_metric() -> None:
    """Directly, or through a rule that records it."""
    records = {rule["record"]: rule["expr"] for rule in rules(RULES, "record")}
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", []))
    text = shown + " ".join(expr for name, expr in records.items() if name in shown)
    assert [name for name in (*metrics.COUNTERS, *metrics.HISTOGRAMS, *metrics.GAUGES) if name not in text] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.update(expr="sum(rate(evergreen_requests[5m]))"), "no metric is named evergreen_requests"),
        (lambda t: t.update(expr="evergreen:requests:rate1m"), "no metric is named evergreen:requests:rate1m"),
        (lambda t: t.update(legendFormat="{{path}}"), "does not have: ['path']"),
        (lambda t: t.update(datasource={"type": "prometheus", "uid": "mine"}), "no such source of data"),
    ],
)
def test_a_wrong_panel_is_found(change: Callable[[dict[str, Any]], object], told: str) -> None:
    document = copy.deepcopy(DASHBOARD)
    change(next(panel for panel in document["panels"] if panel["type"] != "row")["targets"][0])
    assert [fault for fault in dashboard_faults(document) if told in fault]

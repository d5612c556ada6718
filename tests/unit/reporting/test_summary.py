from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.registry import RunSummary, StageCost
from tasks.artifacts.settings import TrainingConfig
from tasks.reporting import text, usage
from tasks.reporting.summary import closing_table, run_report
from tests.unit.reporting import evidence, factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

PAGES = [
    *("ingest", "validate", "build_features", "train_baselines", "train_network"),
    *("evaluate", "assess_fairness", "examine_behaviour", "explain_model"),
    *("validate_service", "decide", "register", "resources"),
]
DOCUMENTS = ["dossier.html", "model_card.html"]
"""Made by another task; the report links them."""


def row(stage: StageCost) -> str:
    """Return a stage as the closing table has it."""
    measured = f"{text.duration(stage.seconds)} {text.memory(stage.peak_memory_mb)} {text.duration(stage.cpu_seconds)}"
    return f"{stage.stage} {measured} {usage.money(stage.cost)} {stage.tasks} {stage.cached}"


@pytest.fixture(scope="module")
def report() -> dict[str, str]:
    return run_report(factory.summary(), evidence.RULES)


def terminal(summary: RunSummary, width: int) -> str:
    written = io.StringIO()
    Console(width=width, color_system=None, file=written).print(closing_table(summary))
    return written.getvalue()


def test_there_is_a_page_for_each_task(report: dict[str, str]) -> None:
    assert list(report) == ["index.html", *(f"{page}.html" for page in PAGES)]


@pytest.mark.parametrize("file", ["index.html", *(f"{page}.html" for page in PAGES)])
def test_pages_need_no_network(report: dict[str, str], file: str) -> None:
    require_sound(report[file])
    assert not re.search(r"https?:|src=\"//|ftp:", report[file])


def test_index_links_each_page_and_each_page_the_index(report: dict[str, str]) -> None:
    links = [str(a["href"]) for a in require_sound(report["index.html"]).of("a")]
    assert links == [*DOCUMENTS, *(f"{page}.html" for page in PAGES)]
    for task in PAGES:
        linked = {str(a["href"]) for a in require_sound(report[f"{task}.html"]).of("a")}
        assert linked == set(report)


def test_index_shows_the_run_verdict_first(report: dict[str, str]) -> None:
    summary = factory.summary()
    shown = require_sound(report["index.html"]).text
    facts = [
        "✓ PROMOTE",
        *summary.decision.reasons,
        "2013-07-01 12:00 UTC",
        "181, 2013-01-01 to 2013-06-30",
        "183,906, 34 set aside",
        summary.snapshot.content_hash,
        summary.run_id,
        "nyc-late-flights v3",
        "champion, challenger",
        *(str(m.log_loss) for m in summary.evaluation.metrics),
        *(text.brief(value) for m in summary.evaluation.metrics for value in (m.auc, m.brier, m.cost)),
        *(
            f"{s.stage} {text.duration(s.seconds)} {text.memory(s.peak_memory_mb)} {text.duration(s.cpu_seconds)} "
            f"{text.duration(s.device_seconds)} not told {usage.money(s.cost)} {s.tasks} {s.cached}"
            for s in summary.stages
        ),
        "CPU time 6 min 8 s",
        "Device time 2 min 34 s",
        "Energy 41.25 kJ",
        "Cost 0.01150 EUR",
    ]
    assert [fact for fact in facts if fact not in shown] == []
    assert shown.index("PROMOTE") < shown.index(summary.snapshot.content_hash)


def test_hostile_texts_of_a_run_stay_text() -> None:
    for document in run_report(factory.summary().model_copy(update={"use_case": HOSTILE, "run_id": HOSTILE}), evidence.RULES).values():
        assert "alert(" in require_sound(document).text


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("champion", [None, 2])
@pytest.mark.parametrize("width", [80, 90, 100])
def test_closing_table_fits(verdict: Verdict, champion: int | None, width: int) -> None:
    shown = terminal(factory.summary(verdict, champion), width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) < 45
    assert lines[0].startswith(f"nyc-late-flights  {verdict}")
    for m in factory.evaluation(champion).metrics:  # a model is one line, even at 80 columns
        assert any(line.split() == [*m.model.split(), *f"{m.log_loss} {text.brief(m.auc)} {text.brief(m.cost)}".split()] for line in lines)


def test_closing_table_shows_the_run() -> None:
    summary = factory.summary()
    shown = " ".join(terminal(summary, 90).split())
    facts = [
        *summary.decision.reasons,
        text.short(summary.snapshot.content_hash),
        "183,906, 34 set aside; validation WARN",
        "nyc-late-flights v3, champion, challenger",
        summary.report,
        "total 4 min 5 s 2,891 MB 6 min 8 s 0.01150 13 1",
        "service ready in 1.84 s, p99 4.7 ms, 194 MB, 2 of 2 bad requests refused",
        usage.sentence(summary),
        *map(row, summary.stages),
    ]
    assert [fact for fact in facts if fact not in shown] == []


def test_a_blend_is_told_wherever_the_candidate_is_named() -> None:
    blend = factory.model("network").model_copy(update={"config": TrainingConfig(lightgbm_share=0.5)})
    summary = factory.summary().model_copy(update={"models": [*factory.models()[:3], blend]})
    documents = run_report(summary, evidence.RULES)
    for shown in (terminal(summary, 100), documents["index.html"], documents["train_network.html"]):
        assert "network with 50% LightGBM" in " ".join(shown.split())
    assert "with 50% LightGBM" not in terminal(factory.summary(), 100)


def test_every_figure_of_the_closing_table_comes_from_the_record() -> None:
    """Take away all that the record says, as it is written: no digit may be left."""
    summary = factory.summary()
    snapshot, decision = summary.snapshot, summary.decision
    known = [
        *decision.reasons,
        f"it meets {sum(c.holds for c in decision.criteria)} of {len(decision.criteria)} requirements",
        f"in place of v{decision.incumbent_version}",
        text.instant(summary.as_of),
        f"{text.short(snapshot.content_hash)}, {text.days_between(snapshot.first_day, snapshot.last_day)} days",
        str(snapshot.first_day),
        str(snapshot.last_day),
        f"{sum(t.rows for t in snapshot.tables):,}, {sum(q.rows for q in snapshot.quarantined)} set aside",
        f"{summary.registered.name} v{summary.registered.version}",
        f"run {summary.run_id}",
        f"sum {text.short(summary.registered.dossier_digest)}",
        summary.report,
        *(f"{m.model} {m.log_loss} {text.brief(m.auc)} {text.brief(m.cost)}" for m in summary.evaluation.metrics),
        *map(row, summary.stages),
        usage.sentence(summary),
        "ready in 1.84 s, p99 4.7 ms, 194 MB, 2 of 2 bad requests refused",
        f"total {text.duration(summary.seconds)} {text.memory(summary.peak_memory_mb)} {text.duration(summary.cpu_seconds)} "
        f"{usage.money(summary.cost)} {sum(s.tasks for s in summary.stages)} {sum(s.cached for s in summary.stages)}",
    ]
    shown = " ".join(terminal(summary, 90).split())
    for words in known:
        assert words in shown
        shown = shown.replace(words, "")
    assert not re.search(r"\d", shown), shown


def test_closing_table_takes_no_markup_from_a_record() -> None:
    odd = factory.summary().model_copy(update={"use_case": "[red]x[/red]", "report": "/tmp/[bold]/[/]/index.html", "run_id": "[/odd]"})
    shown = terminal(odd, 90)
    assert all(words in shown for words in ("[red]x[/red]", "/tmp/[bold]/[/]/index.html", "[/odd]"))


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    heavy = "{'matplotlib', 'pandas', 'PIL', 'rich', 'flytekit', 'flytekitplugins.deck'}"
    code = f"import sys, tasks.reporting.summary; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"

"""What a backtest says in its section, its plots and the terminal."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from rich.console import Console

from tasks.artifacts.backtest import Backtest, Phases, PolicyKind, PolicyResult, Promotion, Recommendation, WeekScore
from tasks.artifacts.record import Interval, Window
from tasks.reporting import backtest, backtest_plots
from tasks.reporting.page import page
from tests.unit.backtest.toy import FIRST, RULES

pytestmark = pytest.mark.unit


def policy(name: str, kind: PolicyKind, promotions: int, saved: float, *, reason: str = "schedule") -> PolicyResult:
    days = [FIRST + timedelta(days=7 * week) for week in range(4)]
    loss = 0.5 - saved
    return PolicyResult(
        name=name,
        kind=kind,
        log_loss=Interval(value=loss, lower=loss - 0.01, upper=loss + 0.01),
        auc=0.75,
        calibration_error=0.02,
        cost=0.53,
        retrains=promotions,
        promotions=promotions,
        train_seconds=60.0 * promotions,
        train_cost=0.002 * promotions,
        over_never=Interval(value=saved, lower=saved - 0.002, upper=saved + 0.002),
        over_shortest=Interval(value=saved - 0.016, lower=saved - 0.018, upper=saved - 0.014),
        gain_share=saved / 0.016,
        gain_share_by_half=[saved / 0.016, None],
        regret=0.02 - saved,
        regret_of_as_many=0.001,
        beaten_by_random=None if kind == PolicyKind.ORACLE or not promotions else 0.031,
        phases=None
        if kind == PolicyKind.ORACLE
        else Phases(gain_share=0.777, least_gain_share=None, promotions=2.5, shortest_promotions=30.5, beaten_by_random=0.042),
        weeks=[
            WeekScore(first_day=day, rows=6000, log_loss=loss, auc=None, calibration_error=0.02, cost=0.5, serving=n)
            for n, day in enumerate(days)
        ],
        promoted=[Promotion(start=n, first_day=days[n], reason=reason) for n in range(min(promotions, 4))],
    )


def found(*, meets_all: bool = True, reason: str = "schedule") -> Backtest:
    return Backtest(
        window=Window(first_day=FIRST, last_day=FIRST + timedelta(days=27)),
        rows=24000,
        starts=36,
        learner="lightgbm",
        shortest="weekly",
        policies=[
            policy("never", PolicyKind.FIXED, 0, 0.0),
            policy("weekly", PolicyKind.FIXED, 35, 0.016),
            policy("naive drift alarm", PolicyKind.PEER, 20, 0.01),
            policy("ours", PolicyKind.OURS, 3, 0.015, reason=reason),
            policy("oracle", PolicyKind.ORACLE, 12, 0.02),
        ],
        recommendation=Recommendation(policy="ours" if meets_all else "weekly", meets_all=meets_all, reasons=["because of the figures"]),
        rules=RULES,
        seconds={"replay": 7.25},
    )


@pytest.mark.parametrize(
    ("meets_all", "words"),
    [
        (True, "Ours meets all criteria: log-loss 0.4850 [0.4750, 0.4950], +0.0150 [+0.0130, +0.0170] saved over never with 3 promotions"),
        (False, "Weekly is what is left, as no policy meets all criteria"),
    ],
)
def test_the_sentence_names_the_recommended_policy(meets_all: bool, words: str) -> None:
    assert backtest.sentence(found(meets_all=meets_all)).startswith(words)


def test_the_section_has_every_policy_and_both_plots() -> None:
    html = backtest.backtest(found())
    assert all(f"<td>{one.name}</td>" in html for one in found().policies)
    assert html.count("<img") == 2
    assert "3.1%" in html
    assert html.count("<td>78%</td>") == 4, "the oracle has no phases"
    assert "because of the figures" in html
    assert "94%, -" in html, "a half without a gain has no share"
    assert len(html) < 300_000


def test_the_page_is_whole_and_needs_no_network() -> None:
    html = page("Backtest", backtest.backtest(found()))
    assert not re.search(r"(src|href)=\"(?!data:)", html)


def test_texts_are_escaped() -> None:
    html = backtest.backtest(found(reason="<script>alert(1)</script>"))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_plots_say_in_words_what_they_show() -> None:
    assert "ours +0.0150 [+0.0130, +0.0170] with 3" in backtest_plots.gains(found())
    assert "ours +0.0150 [+0.0130, +0.0170] over all days" in backtest_plots.weeks(found(), ["weekly", "ours"])
    nobody = found().model_copy(update={"policies": found().policies[:1]})
    assert not backtest_plots.gains(nobody)
    assert not backtest_plots.weeks(nobody, ["ours"])


def test_the_terminal_has_a_line_a_policy() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(backtest.closing(found()))
    told = capture.get()
    assert all(one.name in told for one in found().policies)

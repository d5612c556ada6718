"""A canary judged by what came: sent back only when it is worse for certain, with the reason recorded once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.serving import Arm, Comparison, GuardRules, Routing
from tasks.errors import LakeError
from tasks.lake import audit
from tasks.serving import compare as module
from tasks.serving import events, routing
from tasks.serving.collect import collect
from tasks.serving.compare import compare, judge
from tests.unit.serving.test_collect import COLUMNS, answer, labels, segment

pytestmark = pytest.mark.unit

ZONE = "America/New_York"
NOW = datetime(2026, 5, 20, tzinfo=UTC)
RULES = GuardRules(
    fewest_requests=1, excess_errors=0.1, latency_ratio=2, fewest_scores=1, score_shift=0.1, level=0.01, fewest_outcome_days=7, loss=0.0
)
CHAMPION, CANARY = Arm(version=3, package_digest="a" * 64), Arm(version=4, package_digest="b" * 64)
ROUTED = Routing(revision=1, champion=CHAMPION, canary=CANARY, share=0.5, by="Ada", reason="a trial", changed_at=NOW)


def rows(days: int, worse: float, count: int = 100, seed: int = 0) -> pl.DataFrame:
    """Return rows of which each model answered half; the challenger's logits are off by `worse` standard deviations of noise."""
    rng = np.random.default_rng(seed)
    n = days * count
    storms = np.repeat(rng.normal(0, 0.7, days), count)  # a day's weather is that of all its flights
    logit = rng.normal(-1, 1, n) + storms
    truth = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    ours, theirs = (1 / (1 + np.exp(-(logit + rng.normal(0, spread, n)))) for spread in (0.3, 0.3 + worse))
    tried = rng.uniform(size=n) < 0.5
    at = [datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=i // count) for i in range(n)]
    return pl.DataFrame(
        {
            "package": np.where(tried, "b" * 12, "a" * 12),
            "probability": np.where(tried, theirs, ours),
            "predicted_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "other_package": np.where(tried, "a" * 12, "b" * 12),
            "other_probability": np.where(tried, ours, theirs),
            "outcome": pl.Series(truth),
            "outcome_known_at": pl.Series([instant + timedelta(hours=5) for instant in at], dtype=pl.Datetime("us", "UTC")),
        }
    )


@pytest.mark.parametrize(
    ("days", "worse", "found"),
    [
        (10, 1.5, Comparison.WORSE),  # much noise, on ten days
        (10, -0.02, Comparison.OPEN),  # a little better: not to be seen in ten days
        (60, -0.3, Comparison.BETTER),  # but in sixty
        (10, 0.0, Comparison.OPEN),  # another model, as good
        (6, 1.5, Comparison.OPEN),  # too few days, however bad
    ],
)
def test_verdicts(days: int, worse: float, found: Comparison) -> None:
    report = compare(rows(days, worse), RULES, ROUTED, ZONE, NOW)
    assert (report.found, report.days, report.rows) == (found, days, days * 100)
    assert (report.champion, report.challenger, report.revision) == (3, 4, 1)
    assert (report.gain is None) == (days < 7)
    if days < 7:
        assert report.reason == "6 days with outcomes of rows that both scored, of the 7 that are needed"


def test_the_gain_is_the_share_of_the_champions_log_loss() -> None:
    report = compare(rows(8, 1.5), RULES, ROUTED, ZONE, NOW)
    loss = {"a" * 12: 0.0, "b" * 12: 0.0}
    for row in rows(8, 1.5).rows(named=True):
        for package, p in ((row["package"], row["probability"]), (row["other_package"], row["other_probability"])):
            loss[package] -= np.log(p if row["outcome"] else 1 - p)
    assert report.gain is not None
    assert report.gain.value == pytest.approx(1 - loss["b" * 12] / loss["a" * 12])
    assert report.gain.lower < report.gain.value < report.gain.upper < 0


def test_what_is_allowed_to_be_worse_is_not_worse() -> None:
    assert compare(rows(10, 1.5), RULES.model_copy(update={"loss": 0.9}), ROUTED, ZONE, NOW).found is Comparison.OPEN


def test_a_model_against_itself() -> None:
    same = rows(8, 0).with_columns(other_probability="probability")
    report = compare(same, RULES, ROUTED, ZONE, NOW)
    assert (report.found, report.gain.value if report.gain else None) == (Comparison.OPEN, 0.0)


def test_only_rows_of_these_two_models_with_outcomes_count() -> None:
    all_rows = rows(8, 1.5)
    other = all_rows.with_columns(other_package=pl.lit("c" * 12))  # an earlier canary
    unknown = all_rows.with_columns(outcome=pl.lit(None, pl.Int8))
    alone = all_rows.with_columns(pl.lit(None, pl.Float64).alias("other_probability"))
    mixed = pl.concat([all_rows, other, unknown, alone])
    assert compare(mixed, RULES, ROUTED, ZONE, NOW) == compare(all_rows, RULES, ROUTED, ZONE, NOW)


@pytest.mark.parametrize(
    ("routed", "challenger"),
    [
        (None, None),  # the package that came with the service serves
        (ROUTED.model_copy(update={"canary": None, "share": 0.0}), None),
        (ROUTED.model_copy(update={"canary": None, "share": 0.0, "shadow": CANARY}), 4),
    ],
)
def test_who_is_compared(routed: Routing | None, challenger: int | None) -> None:
    report = compare(rows(8, 1.5), RULES, routed, ZONE, NOW)
    assert report.challenger == challenger
    assert (report.found is Comparison.WORSE) == (challenger is not None)


def test_a_good_canary_is_seldom_sent_back_however_often_it_is_looked_at() -> None:
    """Of 40 canaries that are as good, looked at on each of 20 days, a level of 5 % sends back 2 at most, on the average."""
    rules, back, by_interval = RULES.model_copy(update={"level": 0.05}), 0, 0
    for seed in range(40):
        all_rows = rows(20, 0.0, count=20, seed=seed)
        reports = [compare(all_rows.head(20 * days), rules, ROUTED, ZONE, NOW) for days in range(7, 21)]
        back += any(report.found is Comparison.WORSE for report in reports)
        by_interval += any(report.gain is not None and report.gain.upper < 0 for report in reports)
    assert back <= 4
    assert back < by_interval, "which the interval alone would not hold to"


@pytest.mark.parametrize(
    ("days", "worse"),
    [
        (9, 1.5),  # one that is worse
        (9, 0.0),  # one that is as good
        (6, 1.5),  # the next day would be the seventh, but it is not over
    ],
)
def test_many_collections_of_a_day_are_one_look(days: int, worse: float) -> None:
    """Whatever came of the day that is not over, and of the days before, since the day began."""
    all_rows = rows(days + 1, worse)
    midnight = datetime(2026, 3, 1 + days, 5, tzinfo=UTC)  # in New York, where winter time ends on 8 March
    midnight -= timedelta(hours=1 if days >= 8 else 0)
    yesterday = pl.col("predicted_at") >= midnight - timedelta(days=1)
    # Half of yesterday's labels come today.
    late = pl.when(yesterday & (pl.int_range(pl.len()) % 2 == 0)).then(midnight + timedelta(hours=9)).otherwise("outcome_known_at")
    all_rows = all_rows.with_columns(outcome_known_at=late)
    reports = []
    for hour in range(0, 24, 2):
        now = midnight + timedelta(hours=hour)
        so_far = all_rows.filter(pl.col("outcome_known_at") <= now)
        reports.append(compare(so_far, RULES, ROUTED, ZONE, now, datetime(2026, 3, 1, 12, tzinfo=UTC)))
    assert {report.model_copy(update={"decided_at": NOW}).model_dump_json() for report in reports} == {
        reports[0].model_copy(update={"decided_at": NOW}).model_dump_json()
    }
    assert (reports[0].days, reports[0].rows) == (days, days * 100 - 50)
    tomorrow = compare(all_rows, RULES, ROUTED, ZONE, midnight + timedelta(days=1))
    assert (tomorrow.days, tomorrow.rows) == (days + 1, (days + 1) * 100)


def test_looks_are_counted_from_the_trials_first_day() -> None:
    """Not those alone that are read: else each day after the sixtieth would spend as much as the one before."""

    def bound(days_ago: int) -> float:
        reason = compare(rows(20, 0.0), RULES, ROUTED, ZONE, NOW, NOW - timedelta(days=days_ago)).reason
        return float(reason.split("all looks is ")[1].rstrip("%"))

    assert bound(5) == bound(20), "there are no fewer looks than days with outcomes"
    assert bound(20) > bound(61) > bound(62) > bound(200)


# --- what follows -----------------------------------------------------------------------------------------------------


def serve(folder: Path, days: int = 8) -> None:
    """Route a canary that always errs, let it answer half of some days, and collect."""
    routing.change(folder, lambda _: ROUTED)
    known: dict[str, int] = {}
    for day in range(days):
        at = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=day)
        for n in range(40):
            id, outcome = f"p{day}x{n}", n % 2
            known[id] = outcome
            line = answer([id], at)
            told = line["predictions"][0]
            bad, good = (0.1, 0.8) if outcome else (0.9, 0.2 + n / 1_000)
            is_tried = n % 4 < 2
            told |= {"predicted_at": at.isoformat(), "probability": bad if is_tried else good, "version": 4 if is_tried else 3}
            told |= {"arm": "canary" if is_tried else "champion", "package": ("b" if is_tried else "a") * 12}
            score = {"kind": "shadow", "at": at.isoformat(), "revision": 1, "version": 3 if is_tried else 4}
            score |= {"package": ("a" if is_tried else "b") * 12, "scores": [[id, good if is_tried else bad]]}
            LINES.extend((line, score))
    segment(folder, *LINES)
    LINES.clear()
    collect(str(folder / "lake"), folder, COLUMNS, labels(**known))


LINES: list[dict[str, object]] = []


def judged(folder: Path) -> Comparison:
    return judge(str(folder / "lake"), folder, "toy", RULES, ZONE, "the task", NOW).found


def test_a_canary_that_is_worse_is_dropped_and_recorded_once(tmp_path: Path) -> None:
    serve(tmp_path)
    assert judged(tmp_path) is Comparison.WORSE
    now = routing.read(tmp_path)
    assert now is not None
    assert (now.revision, now.canary, now.champion, now.by) == (2, None, CHAMPION, "the task")
    assert "worse by its outcomes: log-loss" in now.reason
    (row,) = audit.read(str(tmp_path / "lake"))
    assert (row.act, row.by, row.subject, row.reason) == (Act.ROUTING, "the task", "toy routing 2", now.reason)
    assert json.loads(row.evidence)["found"] == "worse"
    assert judged(tmp_path) is Comparison.OPEN
    assert len(audit.read(str(tmp_path / "lake"))) == 1


def test_a_shadow_that_is_worse_stays(tmp_path: Path) -> None:
    serve(tmp_path)
    shadowed = ROUTED.model_copy(update={"revision": 2, "canary": None, "share": 0.0, "shadow": CANARY})
    routing.change(tmp_path, lambda _: shadowed)
    assert judged(tmp_path) is Comparison.WORSE
    assert routing.read(tmp_path) == shadowed


def test_too_few_days_drop_nothing(tmp_path: Path) -> None:
    serve(tmp_path, days=6)
    assert judged(tmp_path) is Comparison.OPEN
    assert routing.read(tmp_path) == ROUTED


def test_nothing_is_served_yet(tmp_path: Path) -> None:
    assert judged(tmp_path) is Comparison.OPEN


def test_a_kill_before_the_record_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(tmp_path)
    with monkeypatch.context() as patch:

        def broken(*_: object) -> None:
            raise LakeError("the audit trail must be whole", "row 1", "bring it back")

        patch.setattr(module, "_record", broken)
        with pytest.raises(LakeError):
            judged(tmp_path)
    now = routing.read(tmp_path)
    assert now is not None
    assert now.canary is None, "what harms goes first"
    assert events.reconcile(str(tmp_path / "lake"), tmp_path, "toy") == 2, "and ROUTED, of which nobody wrote here"
    assert [row.reason for row in audit.read(str(tmp_path / "lake"))] == ["a trial", now.reason]


def test_a_trial_begins_with_the_first_row_that_both_scored(tmp_path: Path) -> None:
    assert module._begun(str(tmp_path / "lake"), ROUTED) is None
    serve(tmp_path, days=3)
    at = datetime(2026, 2, 1, 12, tzinfo=UTC)
    segment(tmp_path, answer(["alone"], at, package="a" * 12), answer(["other"], at))
    collect(str(tmp_path / "lake"), tmp_path, COLUMNS, labels())
    assert module._begun(str(tmp_path / "lake"), ROUTED) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    swapped = ROUTED.model_copy(update={"champion": CANARY, "canary": None, "shadow": CHAMPION, "share": 0.0})
    assert module._begun(str(tmp_path / "lake"), swapped) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    other = ROUTED.model_copy(update={"canary": Arm(version=5, package_digest="c" * 64)})
    assert module._begun(str(tmp_path / "lake"), other) is None
    assert module._begun(str(tmp_path / "lake"), None) is None

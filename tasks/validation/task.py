"""Validate: is the snapshot fit to train on? And whom a person let pass."""

from __future__ import annotations

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.data import DataSnapshot, FilledBlock, Override, Severity, ValidationReport
from tasks.artifacts.record import SuiteCondition, Window
from tasks.edges import Snapshot, scratch
from tasks.errors import BatchAnomaly
from tasks.execution import LIGHT, lake_uri, publish, stage


@stage(cached=False, resources=LIGHT)
def find_overrides(snapshot: DataSnapshot) -> list[Override]:
    """Read what persons let pass, of the days of a snapshot.

    Not cached, as the next override may have been recorded since; the check that follows is, by what is found here.

    Args:
        snapshot: What was ingested.
    """
    from tasks.lake import overrides

    last = snapshot.as_of.date()
    return [o for o in overrides.read(lake_uri()) if o.day is None or snapshot.first_day <= o.day <= last]


@stage(cached=False)
def plan_profiles(snapshot: DataSnapshot, block_days: int) -> list[Window]:
    """Return the blocks of days of which the profiles that `validate` reads are missing or stale.

    Args:
        snapshot: What was ingested.
        block_days: The most days of a block.
    """
    from tasks.validation import store

    return store.plan(snapshot, lake_uri(), _definition(), block_days)


@stage(cached=False)
def profile_block(block: Window, snapshot: DataSnapshot) -> FilledBlock:
    """Profile one block of days, beside others who profile other blocks.

    Args:
        block: The days.
        snapshot: What was ingested.
    """
    from tasks.validation import store

    return store.fill(snapshot, lake_uri(), _definition(), block)


@stage()
def inspect(snapshot: DataSnapshot) -> list[SuiteCondition]:
    """Run the slim deepchecks suite on a sample of the main table; it informs and does not decide.

    Args:
        snapshot: What was ingested.
    """
    from tasks.contracts import main_table
    from tasks.lake.snapshots import read_snapshot
    from tasks.usecase import contract, source
    from tasks.validation import integrity

    main = main_table(contract.TABLES)
    return integrity.run(read_snapshot(snapshot, source.known_by)[main.name], main)


@stage()
def validate(snapshot: DataSnapshot, overrides: list[Override], integrity: list[SuiteCondition]) -> ValidationReport:
    """Check a snapshot against the contract and the batch rules.

    Args:
        snapshot: What was ingested.
        overrides: What persons let pass.
        integrity: What the deepchecks suite says, for the report; empty if it was not asked.
    """
    from tasks.lake import manifest
    from tasks.reporting import sections
    from tasks.usecase import contract, policy
    from tasks.validation import batch

    report = batch.validate(snapshot, _profiles(snapshot), manifest.read(snapshot), contract.TABLES, policy.BATCH, overrides)
    report = report.model_copy(update={"integrity": integrity})
    publish("validation", sections.validation(report))
    return report


@stage(cached=False, resources=LIGHT)
def admit(snapshot: DataSnapshot, report: ValidationReport) -> Snapshot:
    """Let a snapshot pass unless its verdict is STOP.

    Args:
        snapshot: What was validated.
        report: The verdict on it.
    """
    from tasks.validation.override import command

    if report.verdict == Severity.STOP:
        stops = [f for f in report.findings if f.severity == Severity.STOP]
        told = [f"{f.rule}{f' on {f.day}' if f.day else ''}: expected {f.expected}, found {f.found}" for f in stops]
        raise BatchAnomaly(
            "the data must pass validation",
            f"STOP, {len(stops)} finding{'s'[: len(stops) != 1]}:\n  " + "\n  ".join(told) + "\n",
            "mend the source and ingest again, or change BATCH in tasks/usecase/policy.py, or let it pass by name:\n  "
            + "\n  ".join(map(command, stops)),
        )
    return snapshot


@stage(cached=False, resources=LIGHT)
def record_override(rule: str, day: str, by: str, reason: str) -> Override:
    """Record that a person lets a batch pass.

    Args:
        rule: Name of the rule that stops it.
        day: The day that it stops, such as 2024-07-04; empty for wherever it stops.
        by: Who answers for it.
        reason: Why it may pass.
    """
    from datetime import UTC, datetime

    from tasks.lake import overrides
    from tasks.usecase import contract
    from tasks.validation import batch
    from tasks.validation.override import make

    made = make(rule, day, by, reason, datetime.now(UTC), batch.rule_names(contract.TABLES))
    overrides.add(lake_uri(), made)
    return made


@stage()
def write_data_card(snapshot: DataSnapshot) -> FlyteDirectory:
    """Write the data card, as Markdown and as HTML: the contract beside what the snapshot holds.

    Args:
        snapshot: What was ingested.
    """
    import logging

    import polars as pl

    from tasks.reporting import data_card
    from tasks.usecase import contract, policy

    profiles = pl.concat(_profiles(snapshot).values())
    said = (policy.USE_CASE, policy.OWNER, contract.TABLES, snapshot, profiles, contract.LIMITS)
    page = data_card.html(*said)
    folder = scratch("data_card")
    folder.mkdir(parents=True)
    (folder / "data_card.md").write_text(data_card.markdown(*said))
    (folder / "data_card.html").write_text(page)
    publish("data card", page)
    logging.getLogger("tasks.validation").info("data card: %s", folder / "data_card.html")
    return FlyteDirectory(str(folder))


def _profiles(snapshot: DataSnapshot):  # type: ignore[no-untyped-def]  # frames of a package imported when a task runs
    from tasks.validation import store

    return store.profiles(snapshot, lake_uri(), _definition())


def _definition():  # type: ignore[no-untyped-def]  # a plain module's record, imported when a task runs
    from tasks.caching import version_of
    from tasks.usecase import contract, source
    from tasks.validation import profile, store

    days = {table.name: source.day_of(table) for table in contract.TABLES if table.is_daily}
    version = " ".join(map(version_of, (profile.__name__, contract.__name__, source.__name__)))
    return store.Definition(contract.TABLES, days, source.known_by, version)

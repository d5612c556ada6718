"""What is on record in an installation: all that evidence is looked for in, read once; and what a look at it may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.artifacts.audit import AuditEntry, AuditReport
from tasks.artifacts.backtest import Backtest
from tasks.artifacts.dossier import Dossier
from tasks.artifacts.monitoring import MonitoringRules
from tasks.artifacts.readiness import Inventory, Proof, ReadinessRules, SearchFacts
from tasks.artifacts.usage import TaskUsage
from tasks.lake.nights import NightRecord
from tasks.readiness.report import Report


@dataclass(frozen=True)
class Terms:
    """What the code of today declares.

    Attributes:
        contract_digest: Of the data contract.
        inputs: Names of the features that a model reads.
        restricted: Names of the columns whose values nobody may see.
        raw_tables: Tables of the lake that hold the source's columns, the restricted ones too.
        attributes: Sensitive attributes that have limits.
        no_value_log_loss: Of no value is what certainly costs at most this to lose.
        monitoring: Rules of a night.
        code: Hash of code and tests, by which the report of the tests is of today's code.
    """

    contract_digest: str
    inputs: Sequence[str]
    restricted: frozenset[str]
    raw_tables: frozenset[str]
    attributes: Sequence[str]
    no_value_log_loss: float
    monitoring: MonitoringRules
    code: str


@dataclass(frozen=True)
class Installation:
    """All records.

    Attributes:
        now: When they were read (UTC).
        rules: How old evidence may be.
        terms: What the code of today declares.
        inventory: Versions and searches of the registry.
        newest: Dossier of the newest version; None if there is none that can be read.
        trail: Rows of the audit trail.
        trail_report: Whether it is whole.
        usage: Task to its runs, the oldest first.
        nights: The nights, the oldest first.
        proofs: Outcomes that have a table of their own, the oldest first.
        tests: The newest report of the tests, if one is there.
        backtest: The newest backtest with when it was made, if one is there.
        searches: Searches on record beside those of the registry.
        columns: Table of the lake to its columns.
    """

    now: datetime
    rules: ReadinessRules
    terms: Terms
    inventory: Inventory
    newest: Dossier | None
    trail: Sequence[AuditEntry]
    trail_report: AuditReport
    usage: Mapping[str, Sequence[TaskUsage]]
    nights: Sequence[NightRecord]
    proofs: Sequence[Proof]
    tests: Report | None
    backtest: tuple[Backtest, datetime] | None
    searches: Sequence[SearchFacts]
    columns: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Evidence:
    """What a look has found.

    Attributes:
        what: In words, with figures.
        where: In which place.
        at: When it was run or written (UTC).
        runs: On record, of what makes it; None where that is not counted.
        lacks: Why it is no full point although it is there; empty for nothing.
    """

    what: str
    where: str
    at: datetime
    runs: int | None = None
    lacks: str = ""


@dataclass(frozen=True)
class Absent:
    """That there is no evidence, or evidence against it.

    Attributes:
        told: What is not there, or what speaks against it.
        is_against: Whether it speaks against it: then nothing else gives the item a point.
    """

    told: str
    is_against: bool = False


Answer = Evidence | Absent
Look = Callable[[Installation], Answer]

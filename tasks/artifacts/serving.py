"""Records of serving: what requests hold, the service's rules, who is served by which model, keys, and what the checks found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, Field

from tasks.artifacts.record import Interval, Record, Window
from tasks.artifacts.vocabulary import Vocabulary

_SHOWN = 5  # bad requests that a reason names


class RequestField(Record):
    """One field that a request may hold, as the contract declares it."""

    name: str
    kind: Literal["integer", "number", "string", "instant"]
    meaning: str
    unit: str | None = None
    group: str | None = Field(None, description="Of features: what they tell of, such as `weather`")
    is_required: bool = True
    is_nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    allowed: list[str] | None = None


class ClientRow(Record):
    """What a client sends of a row of which the service makes the features; a package carries it as `request.json`."""

    names: Vocabulary
    key: str = Field(description="Of the features: what names a row. Beside features a client may send it as a label of its own")
    fields: list[RequestField]


class GuardRules(Record):
    """When a canary is worse than the champion. Each look of each worker of a machine spends a part of `level`."""

    fewest_requests: int = Field(ge=1, description="Of the canary, before anything is said of errors and latency")
    excess_errors: float = Field(gt=0, le=1, description="Share of the canary's requests that may fail beyond the champion's share")
    latency_ratio: float = Field(gt=1, description="Median seconds of the model itself, canary to champion")
    fewest_scores: int = Field(ge=1, description="Distinct rows that both scored, before anything is said of the distribution")
    score_shift: float = Field(gt=0, description="Population stability index between both models' probabilities of the same rows")
    level: float = Field(gt=0, lt=1, description="Chance to send a canary back that is no worse, over all looks")
    fewest_outcome_days: int = Field(ge=2, description="Days with outcomes before the losses are compared")
    loss: float = Field(ge=0, description="Log-loss, as a share of the champion's, by which a canary may be worse")


class ServiceRules(Record):
    """Every limit of the service; a Bento carries them as `service.json`."""

    entity: list[str] = Field(min_length=1, description="Columns that name who is asked about: one stays with one model")
    most_rows: int = Field(ge=1, description="Rows of one request")
    most_bytes: int = Field(ge=1_000, description="Bytes of one request")
    requests_per_second: float = Field(gt=0, description="Of one key at one worker, on the average")
    burst: int = Field(ge=1, description="Requests of one key at one worker at once")
    state_stale_hours: float = Field(gt=0, description="Age of the online state, when a row is predicted, that gives a warning")
    poll_seconds: float = Field(gt=0, description="How often a worker looks at the pointer, the keys and the state")
    segment_bytes: int = Field(ge=1_000, description="A segment of the prediction log is closed at this size ...")
    segment_seconds: float = Field(gt=0, description="... or at this age")
    shadow_rows: int = Field(ge=1, description="Rows that wait for a shadow; what comes beyond is dropped")
    unapproved_share: float = Field(0.0, ge=0, lt=1, description="That a canary judged REVIEW may answer without an approval; 0 for none")
    explain_rows: int = Field(ge=1, description="Rows of one request to explain")
    ready_seconds: float = Field(gt=0, description="From start to ready, at most")
    p99_ms: float = Field(gt=0, description="Latency of a request of one row, at most, in 99 of 100")
    memory_mb: float = Field(gt=0, description="Resident memory of a worker, at most")
    guard: GuardRules


class Role(StrEnum):
    """What a key may be used for."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    ADMIN = "admin"


class Key(Record):
    """An API key: the sha256 sum of its secret, never the secret."""

    id: str
    name: str = Field(description="Who uses it")
    roles: list[Role]
    digest: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None


class Keyring(Record):
    """All keys of a service."""

    keys: list[Key] = Field([])


class Arm(Record):
    """A model that may answer: a registered version and the digest of its package."""

    version: int | None = Field(description="None where the package came without a registry")
    package_digest: str


class Routing(Record):
    """Which model answers whom: what the pointer file holds. Never changed, only replaced by the next revision."""

    revision: int = Field(ge=0)
    champion: Arm
    canary: Arm | None = None
    share: float = Field(0.0, ge=0, le=1, description="Of the entities that the canary answers")
    shadow: Arm | None = None
    by: str
    reason: str
    changed_at: datetime


class Mode(StrEnum):
    """A step of a rollout."""

    SHADOW = "shadow"
    CANARY = "canary"
    FULL = "full"
    ABORT = "abort"


class Deployable(Record):
    """A registered version that may be routed to."""

    version: int
    package_uri: str
    package_digest: str
    is_champion: bool = Field(description="By the registry: only such a version may answer all")


class BadRequestCheck(Record):
    """One bad request that the service was sent before it was trusted, and how it answered."""

    name: str
    expected_status: int
    status: int

    @property
    def is_refused(self) -> bool:
        """Return whether it was refused as it must be."""
        return self.status == self.expected_status


class Requirement(NamedTuple):
    """What a service must show: a value against its limit, in words too."""

    name: str
    value: float
    limit: float
    holds: bool
    reason: str


class ServiceCheck(Record):
    """The Bento, started as a server in a process of its own that can import the serving requirements alone."""

    bento_tag: str
    golden_rows: int
    largest_difference: float = Field(description="Between its probabilities and the training code's")
    tolerance: float
    ready_seconds: float
    p50_ms: float = Field(description="Of a request of one row, over loopback")
    p99_ms: float
    rows_per_second: float = Field(description="In requests of as many rows as are allowed")
    memory_mb: float = Field(description="Resident memory of a worker, after all of this")
    packages: int = Field(description="That it could import")
    refusals: list[BadRequestCheck]
    limits: ServiceRules

    @property
    def requirements(self) -> list[Requirement]:
        """Return all that it must show, with what it showed."""
        wrong = [f"{bad.name} ({bad.status or 'no answer'} for {bad.expected_status})" for bad in self.refusals if not bad.is_refused]
        refused, sent = len(self.refusals) - len(wrong), len(self.refusals)
        told = f"; not: {', '.join(wrong[:_SHOWN])}{', ...' if len(wrong) > _SHOWN else ''}" if wrong else ""
        return [
            _most("service answers as trained", self.largest_difference, self.tolerance, "a probability differs by {:.1e}"),
            Requirement("service refuses", refused, sent, not wrong and sent > 0, f"it refuses {refused} of {sent} bad requests{told}"),
            _most("service ready", self.ready_seconds, self.limits.ready_seconds, "it is ready in {:.1f} s"),
            _most("service p99", self.p99_ms, self.limits.p99_ms, "99 of 100 requests of a row take {:.1f} ms"),
            _most("service memory", self.memory_mb, self.limits.memory_mb, "a worker holds {:.0f} MB"),
        ]


def _most(name: str, value: float, limit: float, told: str) -> Requirement:
    holds = value <= limit
    return Requirement(name, value, limit, holds, f"{told.format(value)}, {'within' if holds else 'above'} the limit of {limit:g}")


class State(Record):
    """What the online features are made from: the raw rows known at an instant, as files."""

    as_of: datetime
    digest: str
    rows: int = Field(description="Of the main table")
    uri: str


class Collected(Record):
    """What a collection of the prediction log brought into the lake."""

    segments: int
    answers: int
    predictions: int
    torn: int = Field(description="Last lines of a killed worker, of answers that were never sent")
    damaged: int = Field(description="Lines whose sum does not fit; their segments are kept aside")
    outcomes: int = Field(description="Given by clients since the last collection")
    joined: int = Field(description="Predictions that have an outcome now, by a client or from the source")
    contradictions: int = Field(description="Predictions whose client and source say otherwise; the source counts")


class BatchScores(Record):
    """One day, scored in batch."""

    day: Window
    version: int
    package_digest: str
    rows: int
    flagged: int
    table: str
    table_version: int


class Comparison(StrEnum):
    """What the outcomes say of a canary or shadow."""

    WORSE = "worse"
    BETTER = "better"
    OPEN = "open"


class CanaryReport(Record):
    """Canary (or shadow) and champion on the same rows, with their outcomes."""

    champion: int | None
    challenger: int | None
    days: int
    rows: int
    gain: Interval | None = Field(description="Log-loss below the champion's, as a share of it; None with too few days")
    found: Comparison
    reason: str
    revision: int
    decided_at: datetime

"""Records of readiness: the ML Test Score (Breck et al., 2017), what proves each of its tests here, and what is missing.

E. Breck, S. Cai, E. Nielsen, M. Salib, D. Sculley: "The ML Test Score: A Rubric for ML Production Readiness and Technical
Debt Reduction", IEEE Big Data 2017.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Record
from tasks.artifacts.search import Search
from tasks.artifacts.settings import NetworkConfig


class ReadinessRules(Record):
    """How old evidence may be, and how much of it a point needs."""

    tests_days: float = Field(gt=0, description="Age of the report of the tests at which it is no repeated run any more")
    retrain_days: float = Field(gt=0, description="The same of the newest retraining")
    night_days: float = Field(gt=0, description="The same of the newest night")
    documented_days: float = Field(gt=0, description="Older evidence, whatever it is, gives nothing")
    repeats: int = Field(ge=2, description="Runs on record that make a repeated one")
    no_value_share: float = Field(ge=0, le=1, description="Of the features, those that may be of no value on the evaluation days")
    feature_seconds: float = Field(gt=0, description="Most seconds that making all features may take, so that no single one takes more")
    paired_nights: int = Field(ge=3, description="Nights with an offline and an online loss that a correlation needs")
    slowdown: float = Field(gt=1, description="Newest seconds of a task by its slowest run before: more is a regression")
    fewest_seconds: float = Field(ge=0, description="Runs of tasks shorter than this tell nothing of a regression")


class Section(StrEnum):
    """A part of the rubric, of seven tests."""

    DATA = "data"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"
    MONITORING = "monitoring"


class Cadence(StrEnum):
    """What runs a check again by itself; by hand nothing does, and that gives half a point at most."""

    TESTS = "tests"
    RETRAIN = "retrain"
    NIGHT = "night"
    NOW = "this look"
    HAND = "hand"


class Combine(StrEnum):
    """How the needs of an item make its points."""

    ALL = "all"  # the weakest
    EITHER = "either"  # the weakest of both; half a point for one alone
    PRACTISED = "practised"  # the first, and no more than half a point until the second was done here


class Need(Record):
    """One piece of evidence."""

    what: str = Field(description="What must be on record")
    where: str = Field(description="In which place of the installation")
    cadence: Cadence
    earn: str = Field(description="The command that puts it there")


class Item(Record):
    """One of the 28 tests, and what gives its points here."""

    section: Section
    number: int = Field(ge=1, le=7)
    title: str = Field(description="As in the rubric")
    needs: list[Need] = Field(min_length=1)
    combine: Combine = Combine.ALL
    half: str = Field(description="What gives half a point")
    full: str = Field(description="What gives a point")

    @property
    def id(self) -> str:
        """Return the name by which it is called: `data 1`."""
        return f"{self.section} {self.number}"


class Found(Record):
    """Evidence, with the points that it can give."""

    what: str
    where: str
    at: datetime = Field(description="When it was run or written (UTC)")
    points: float = Field(description="0, 0.5 or 1")


class ItemScore(Record):
    """An item with its points, the evidence for them and what a full point still lacks."""

    item: Item
    points: float
    found: list[Found]
    missing: list[str] = Field(description="Why it is no full point; empty for one")
    earn: list[str] = Field(description="Commands that would earn more, in order")


class SectionScore(Record):
    """A section: the sum over its items."""

    section: Section
    points: float


class MLTestScore(Record):
    """The score of this installation at an instant: the minimum of its sections."""

    at: datetime
    code_commit: str
    items: list[ItemScore]
    sections: list[SectionScore]
    final: float
    reading: str = Field(description="What the paper says of such a score")

    def __repr__(self) -> str:
        """Return the score."""
        parts = ", ".join(f"{part.section} {part.points:g}" for part in self.sections)
        return f"ML Test Score {self.final:g} ({parts}): {self.reading}"

    __str__ = __repr__


class Proof(Record):
    """The outcome of a check that leaves no record elsewhere."""

    kind: str
    subject: str
    holds: bool
    told: str
    at: datetime
    run: str
    record: str = Field(description="JSON of what was found")


class VersionFacts(Record):
    """A registered version, as evidence."""

    version: int
    aliases: list[str]
    registered_at: datetime
    code_commit: str
    package_digest: str
    dossier_uri: str = ""
    dossier_digest: str = ""


class SearchFacts(Record):
    """A finished search for settings, as evidence."""

    where: str
    at: datetime
    trials: int
    searched: list[str] = Field(description="Names of the settings that were varied")
    found: NetworkConfig

    @classmethod
    def of(cls, search: Search, where: str, at: datetime) -> SearchFacts:
        """Return a search as evidence: where it is on record, and when it ended."""
        searched = [varied.setting for varied in search.rules.space]
        return cls(where=where, at=at, trials=len(search.trials), searched=searched, found=search.config.network)


class Inventory(Record):
    """What the registry holds."""

    name: str
    versions: list[VersionFacts]
    searches: list[SearchFacts]
    anchors: dict[str, str] = Field(description="Number of a row of the audit trail to the hash that a version keeps of it")

    def of(self, alias: str) -> VersionFacts | None:
        """Return the version of an alias, None if there is none."""
        return next((version for version in self.versions if alias in version.aliases), None)

    @property
    def newest(self) -> VersionFacts | None:
        """Return the newest version, None if there is none."""
        return max(self.versions, key=lambda version: version.version, default=None)

"""Records of lineage: what a version was made of, which data are still named, and what upkeep left of the others."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.record import Record, Window
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split

_SHOWN = 12  # source files that are printed; the record and its Deck have more


class SourceUse(Record):
    """One file of the source in one state, and what a snapshot has of it."""

    table: str
    source: str
    file: str
    fingerprint: str
    first_day: date | None = Field(description="None of a table without days")
    last_day: date | None
    days: int
    rows: int


class Lineage(Record):
    """The way back from a version, or from a prediction that it made, to the files of the source."""

    prediction_id: str | None
    name: str
    version: int
    verdict: str
    owner: str
    package_digest: str
    evaluation: Window
    code_commit: str
    lock_hash: str
    snapshot: DataSnapshot = Field(description="Can be read again; what was set aside is left out, the manifest counts it")
    files: list[SourceUse]

    def __repr__(self) -> str:
        """Return the way back, a step a line."""
        shown = [("prediction", self.prediction_id)] if self.prediction_id else []
        shown += [
            ("version", f"{self.name} {self.version}, {self.verdict}, package {self.package_digest}, owner {self.owner}"),
            ("evaluated", str(self.evaluation)),
            ("code", self.code_commit),
            ("lock", self.lock_hash),
            ("snapshot", f"{self.snapshot.content_hash}, as of {self.snapshot.as_of:%Y-%m-%d %H:%M}, source {self.snapshot.source}"),
            ("manifest", self.snapshot.manifest),
        ]
        shown += [("table", f"{table.uri} version {table.version}, {table.rows:,} rows") for table in self.snapshot.tables]
        shown += [("file", _told(use)) for use in self.files[:_SHOWN]]
        if len(self.files) > _SHOWN:
            shown.append(("", f"and {len(self.files) - _SHOWN:,} files more"))
        return "\n" + "\n".join(f"  {label:<11}{value}" for label, value in shown)

    __str__ = __repr__


class Recipe(Record):
    """What a registered version was trained by, and the digest of what came out."""

    version: int
    config: TrainingConfig
    split: Split
    features_hash: str
    bundle_digest: str
    device: str
    precision: str
    code_commit: str
    lock_hash: str


class Reproduction(Record):
    """Whether a version's training, done again, gave the same weights to the bit; if not, what differs."""

    version: int
    bundle_digest: str
    again_digest: str
    differs: list[str] = Field(description="What was not as it was, such as the device; of equal weights for information")

    @property
    def is_identical(self) -> bool:
        """Whether the weights, the encoding and the sizes are the same to the bit."""
        return self.bundle_digest == self.again_digest

    def __repr__(self) -> str:
        """Return the verdict, and what differs."""
        verdict = "the same weights to the bit" if self.is_identical else "OTHER weights"
        lines = [f"  version {self.version}: {verdict} ({self.bundle_digest}, again {self.again_digest})"]
        lines += [f"  differs: {told}" for told in self.differs]
        return "\n".join(["", *lines])

    __str__ = __repr__


class NamedData(Record):
    """The data that some registered version was made of."""

    tables: dict[str, list[int]] = Field(description="Table to its versions, in order")
    manifests: list[str] = Field(description="Content hashes of the snapshots, in order")


class TableUpkeep(Record):
    """What upkeep did to one table."""

    table: str
    kept_versions: list[int] = Field(description="Named ones; the newest is kept anyhow")
    files_compacted: int
    files_removed: int


class Overdue(Record):
    """Values of a column that stand in a table for longer than its contract allows; upkeep names them, a person acts."""

    table: str
    column: str
    retention_days: int
    days: int
    first_day: date
    last_day: date


class UpkeepReport(Record):
    """What upkeep did to the lake."""

    keep_days: float
    tables: list[TableUpkeep]
    manifests_removed: int
    manifests_kept: int
    overdue: list[Overdue] = Field([], description="Beyond their retention; removing them would break what is named")

    def __repr__(self) -> str:
        """Return what was done, a table a line."""
        lines = [
            f"  {t.table:<12}{t.files_compacted:,} files compacted, {t.files_removed:,} removed; versions kept: "
            + (", ".join(map(str, t.kept_versions)) or "the newest")
            for t in self.tables
        ]
        lines.append(f"  {'manifests':<12}{self.manifests_removed:,} removed, {self.manifests_kept:,} kept")
        lines += [f"  {'overdue':<12}{told}" for told in map(overdue_told, self.overdue)]
        return "\n".join(["", *lines])

    __str__ = __repr__


def overdue_told(found: Overdue) -> str:
    """Return one line of what is kept for too long."""
    days = f"{found.days:,} days, {found.first_day} to {found.last_day}"
    return f"{found.table}.{found.column} of {days}: to be kept for {found.retention_days:,} days"


def _told(use: SourceUse) -> str:
    days = f"{use.first_day} to {use.last_day}, {use.days:,} days, " if use.first_day else ""
    return f"{use.source}: {use.file} ({use.table}), {days}{use.rows:,} rows, fingerprint {use.fingerprint}"

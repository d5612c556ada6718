"""Records of compression: smaller forms of a trained network, what each saves, and what it gives up."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Interval, Record, Window
from tasks.artifacts.settings import NetworkConfig


class Form(StrEnum):
    """How a network is made smaller."""

    INT8 = "int8"
    DISTILLED = "distilled"


class Ranges(StrEnum):
    """Where the ranges of activations, which int8 needs, come from."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class CompressionConfig(Record):
    """How the smaller forms are made."""

    network: NetworkConfig = Field(description="Sizes and schedule of the small network that learns from the large one")
    teacher_share: float = Field(
        ge=0, le=1, description="Weight of the large network's probability in what it learns; the rest is the label"
    )
    ranges: Ranges = Field(description="Ranges of int8: fixed on training rows (static), or taken from each batch anew (dynamic)")
    calibration_rows: int = Field(ge=100, description="Training rows on which static ranges are fixed")
    seed: int = Field(ge=0, description="Seed of the sample of these rows")


class CompressionRules(Record):
    """What a smaller form may give up, by the upper bound of the paired difference. A missing (None) limit refuses."""

    log_loss: float | None = Field(description="More than the original form's")
    calibration_error: float | None = Field(description="More than the original form's")
    segment_log_loss: float | None = Field(description="More than the original form's on any segment that decides")
    segment_days: int | None = Field(description="Fewest days of a segment that decides")


class Cost(Record):
    """What a form takes: its ONNX file, and the processor's time on one thread, without reading or encoding the rows."""

    onnx_bytes: int
    microseconds_a_row: float = Field(description="Rows one at a time, median of several rounds")
    rows_per_second: float = Field(description="Rows in batches, median of several rounds")


class SegmentGivenUp(Record):
    """What a form gives up on one segment; above 0 it is worse. A segment with too few days is shown and does not count."""

    segment: str
    rows: int
    days: int
    log_loss: Interval
    counts: bool
    holds: bool


class Compressed(Record):
    """One smaller form beside the network that it comes from, on the same rows of the same days."""

    form: Form
    package_digest: str
    cost: Cost
    original_cost: Cost
    log_loss: Interval
    original_log_loss: Interval
    calibration_error: Interval
    original_calibration_error: Interval
    log_loss_given_up: Interval
    calibration_error_given_up: Interval
    segments: list[SegmentGivenUp]
    accepted: bool
    reasons: list[str]

    def __repr__(self) -> str:
        """Return the verdict with size, speed and loss beside those of the network that it comes from."""
        cost, original = self.cost, self.original_cost
        verdict = "accepted" if self.accepted else f"refused ({', '.join(self.reasons)})"
        size = f"{cost.onnx_bytes / 1e3:,.0f} kB of {original.onnx_bytes / 1e3:,.0f}"
        speed = f"{cost.rows_per_second:,.0f} rows a second for {original.rows_per_second:,.0f}"
        return f"{self.form.value} {verdict}: {size}, {speed}, {self.log_loss_given_up.value:+.5f} log-loss"

    __str__ = __repr__


class Compression(Record):
    """All smaller forms of one network, and which of them may stand in for it."""

    model_digest: str
    window: Window
    rows: int
    days: int
    machine: str
    rules: CompressionRules
    forms: list[Compressed]

    @property
    def accepted(self) -> list[Form]:
        """The forms that the guard lets pass."""
        return [found.form for found in self.forms if found.accepted]

    def __repr__(self) -> str:
        """Return the verdict on each form."""
        return "; ".join(map(str, self.forms))

    __str__ = __repr__

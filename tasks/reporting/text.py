"""How numbers, instants and names are written in reports, each in one place; no HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from tasks.artifacts.record import Interval
from tasks.artifacts.training import FoldResult, TrainedModel

INTERVALS = "In brackets: 95 % intervals from a bootstrap over whole days."
"""What is said below figures with intervals."""

CANDIDATE = "network"
"""The model that a decision is about; the others are what it is compared with."""

_NAMES = {"lightgbm": "LightGBM", "logistic": "logistic regression", "prior": "the prior"}


def count(number: int, noun: str = "") -> str:
    """Return a number with thousands separators, and its noun in the plural unless it is one."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def decimals(value: float) -> str:
    """Return a metric with four decimals."""
    return f"{value:.4f}"


def measure(value: float) -> str:
    """Return a value of any size: whole ones as such, tiny ones by their power of ten, others with four decimals or one."""
    if value == round(value):
        return f"{value:,.0f}"
    if abs(value) < 0.0005:
        return f"{value:.1e}"
    return decimals(value) if abs(value) < 10 else f"{value:,.1f}"


def signed(interval: Interval) -> str:
    """Return a difference with its interval, each with its sign."""
    return f"{interval.value:+.4f} [{interval.lower:+.4f}, {interval.upper:+.4f}]"


def percent(interval: Interval) -> str:
    """Return a relative difference with its interval in percent, each with its sign."""
    return f"{interval.value:+.1%} [{interval.lower:+.1%}, {interval.upper:+.1%}]"


def brief(interval: Interval) -> str:
    """Return a value with its interval in three decimals, for narrow columns."""
    return f"{interval.value:.3f} [{interval.lower:.3f}, {interval.upper:.3f}]"


def share(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{value:.1%}"


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would choose: seconds, minutes or hours."""
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def memory(megabytes: float) -> str:
    """Return an amount of memory in MB."""
    return f"{megabytes:,.0f} MB"


def instant(moment: datetime) -> str:
    """Return an instant in UTC to the minute, or to the second if it has seconds."""
    zone = ""
    if moment.tzinfo is not None:
        moment, zone = moment.astimezone(UTC), " UTC"
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M") + zone


def days_between(first: date, last: date) -> int:
    """Return the number of days from first to last, both included."""
    return (last - first).days + 1


def short(digest: str) -> str:
    """Return the start of a digest, for narrow columns."""
    return digest[:12]


def model(name: str, champion: int | None = None) -> str:
    """Return a model's name in a sentence; the incumbent by its version."""
    if name == "incumbent":
        return "the champion" if champion is None else f"champion v{champion}"
    return _NAMES.get(name, name)


def candidate(trained: TrainedModel) -> str:
    """Return a trained model's name in a sentence, and what is beside a network in a blend."""
    share = trained.config.lightgbm_share if trained.name == CANDIDATE else 0
    return model(trained.name) + (f" with {share:.0%} LightGBM" if share else "")


def listed(items: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *most, last = [*items] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def fold_mean(folds: Sequence[FoldResult]) -> float | None:
    """Return the mean log-loss of a model's folds, each fold counting once; None without folds."""
    return sum(fold.log_loss for fold in folds) / len(folds) if folds else None


def clip(text: str, length: int) -> str:
    """Return a text cut to a length, with an ellipsis where it was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"

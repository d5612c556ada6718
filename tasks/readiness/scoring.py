"""From evidence to points: half a point for what was done and documented, a full one for what is done again by itself.

The score of a section is the sum over its tests, the final one the least of the sections (Breck et al., 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tasks.artifacts.readiness import Cadence, Combine, Found, Item, ItemScore, MLTestScore, Need, ReadinessRules, Section, SectionScore
from tasks.readiness.installation import Absent, Answer, Evidence, Installation, Look

READINGS = (
    (0.0, "more of a research project than a productionized system"),
    (1.0, "not totally untested, but it is worth considering the possibility of serious holes in reliability"),
    (2.0, "there has been a first pass at basic productionization, but additional investment may be needed"),
    (3.0, "reasonably tested, but it is possible that more of those tests and procedures may be automated"),
    (5.0, "strong levels of automated testing and monitoring, appropriate for mission-critical systems"),
)
BEYOND = "exceptional levels of automated testing and monitoring"
"""What the paper says of a final score, up to each of these values and beyond the last."""


@dataclass(frozen=True)
class Entry:
    """An item of the rubric, with how each of its needs is looked for, in their order."""

    item: Item
    looks: tuple[Look, ...]


@dataclass(frozen=True)
class Weighed:
    """What a need gives, and what it lacks for a full point."""

    points: float
    lacks: str


def score(installation: Installation, rubric: Sequence[Entry], commit: str) -> MLTestScore:
    """Score an installation.

    Args:
        installation: All records.
        rubric: The items, with their looks.
        commit: Of the code that scores.
    """
    items = [judge(entry, installation) for entry in rubric]
    sections = [SectionScore(section=s, points=sum(i.points for i in items if i.item.section is s)) for s in Section]
    final = min(section.points for section in sections)
    return MLTestScore(at=installation.now, code_commit=commit, items=items, sections=sections, final=final, reading=reading(final))


def reading(final: float) -> str:
    """Return what the paper says of a final score."""
    return next((told for most, told in READINGS if final <= most), BEYOND)


def judge(entry: Entry, installation: Installation) -> ItemScore:
    """Give one item its points, with the evidence for them and what is missing."""
    needs, found, weighed, against = entry.item.needs, [], [], False
    for need, look in zip(needs, entry.looks, strict=True):
        answer = look(installation)
        got = weigh(answer, need, installation)
        if isinstance(answer, Evidence) and got.lacks and len(needs) > 1:  # what is absent says by itself what it is
            got = Weighed(got.points, f"{need.what}: {got.lacks}")
        weighed.append(got)
        if isinstance(answer, Evidence):
            found.append(Found(what=answer.what, where=answer.where, at=answer.at, points=got.points))
        else:
            against = against or answer.is_against
    lacking = [(need, got.lacks) for need, got in zip(needs, weighed, strict=True) if got.lacks]
    return ItemScore(
        item=entry.item,
        points=0.0 if against else combine(entry.item.combine, [got.points for got in weighed]),
        found=found,
        missing=list(dict.fromkeys(lacks for _, lacks in lacking)),
        earn=list(dict.fromkeys(need.earn for need, _ in lacking)),
    )


def combine(how: Combine, points: Sequence[float]) -> float:
    """Make an item's points of those of its needs."""
    if how is Combine.ALL:
        return min(points)
    first, second = points
    if not (first and second):
        return 0.5 if first or second else 0.0
    return min(points) if how is Combine.EITHER else first


def weigh(answer: Answer, need: Need, installation: Installation) -> Weighed:
    """Return what evidence gives: by its age, by whether it comes by itself, and by how often it came."""
    if isinstance(answer, Absent):
        return Weighed(0.0, answer.told)
    rules = installation.rules
    age = max(installation.now - answer.at, timedelta(0)) / timedelta(days=1)
    if age > rules.documented_days:
        return Weighed(0.0, f"of {answer.at:%Y-%m-%d}, older than {rules.documented_days:g} days")
    if need.cadence is Cadence.HAND:
        return Weighed(0.5, f"done by hand on {answer.at:%Y-%m-%d}, and nothing does it again")
    limit = _limit(need.cadence, rules)
    if limit is not None and age > limit:
        return Weighed(0.5, f"last done on {answer.at:%Y-%m-%d}, more than {limit:g} days ago")
    if answer.runs is not None and answer.runs < rules.repeats:
        return Weighed(0.5, f"on record once, {rules.repeats} times show that it is repeated")
    return Weighed(0.5, answer.lacks) if answer.lacks else Weighed(1.0, "")


def _limit(cadence: Cadence, rules: ReadinessRules) -> float | None:
    return {Cadence.TESTS: rules.tests_days, Cadence.RETRAIN: rules.retrain_days, Cadence.NIGHT: rules.night_days}.get(cadence)

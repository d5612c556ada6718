"""Sections on what is served: the published state, days scored in batch, the prediction log, and a canary by its outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from tasks.artifacts.serving import BatchScores, CanaryReport, Collected, Comparison, State
from tasks.artifacts.vocabulary import Vocabulary
from tasks.reporting import text
from tasks.reporting.page import NOTHING, facts, fragment, heading, lead, paragraph, table

_ONCE = (
    "Each segment of the log is in the lake once, under its name, and was then removed; one with damaged lines is kept in the folder "
    "log/damaged. A torn line is the last one of a worker that was killed: its answer was never sent."
)
_PAIRS = (
    "Both models on the same rows, those whose outcome is known: log-loss of the challenger below that of the champion, as a share of "
    "it. Looking again each day costs certainty, so that what sends a canary back is a stricter bound than that of the interval."
)
_VERDICTS = {Comparison.WORSE: "STOP", Comparison.BETTER: "PASS", Comparison.OPEN: ""}


def state(record: State, names: Vocabulary) -> str:
    """Show what was published for the features of single rows."""
    return fragment(
        lead("", f"The service's features are made from what was known at {text.instant(record.as_of)}."),
        facts([(names.rows.capitalize(), text.count(record.rows)), ("Digest", record.digest), ("Place", record.uri)]),
    )


def scores(records: Sequence[BatchScores], names: Vocabulary) -> str:
    """Show the days that were scored in batch."""
    rows = [(r.day.first_day, text.count(r.rows), text.count(r.flagged), text.share(r.flagged / max(r.rows, 1))) for r in records]
    total, first = sum(r.rows for r in records), records[0]
    return fragment(
        lead("", f"Version {first.version} scored {text.count(total)} {names.of(total)} of {text.count(len(records), 'day')}."),
        table(["Day", names.rows.capitalize(), "Flagged", "Share"], rows),
        facts([("Package", first.package_digest), ("Table", first.table), ("Version of the table", first.table_version)]),
    )


def collected(record: Collected, by_day: Sequence[tuple[date, str, int, int]], unknown: Mapping[str, int]) -> str:
    """Show what a collection of the prediction log brought.

    Args:
        record: The counts.
        by_day: Day, arm, predictions and how many of them have an outcome.
        unknown: What no column takes, with the number of rows.
    """
    rows = [(day, arm, text.count(asked), text.count(known), text.share(known / asked)) for day, arm, asked, known in by_day]
    verdict = "WARN" if record.damaged else ""
    sentence = f"{text.count(record.answers, 'answer')} with {text.count(record.predictions, 'prediction')} came into the lake"
    return fragment(
        lead(verdict, f"{sentence}, from {text.count(record.segments, 'segment')} of the log."),
        facts(
            [
                ("Torn lines", text.count(record.torn)),
                ("Damaged lines", text.count(record.damaged)),
                ("Outcomes from clients", text.count(record.outcomes)),
                ("Predictions with an outcome, in all", text.count(record.joined)),
                ("Client and source say otherwise", text.count(record.contradictions)),
            ]
        ),
        heading("Predictions by day and arm"),
        table(["Day (UTC)", "Arm", "Predictions", "With outcome", "Share"], rows) if rows else paragraph("There are none yet."),
        *([heading("Left out"), table(["What", "Rows"], [(name, text.count(n)) for name, n in unknown.items()])] if unknown else []),
        paragraph(_ONCE),
    )


def rollout(record: CanaryReport) -> str:
    """Show what the outcomes say of a canary or shadow."""
    challenger, champion = (NOTHING if v is None else str(v) for v in (record.challenger, record.champion))
    verdicts = {
        Comparison.WORSE: f"Version {challenger} is worse than the champion, version {champion}",
        Comparison.BETTER: f"Version {challenger} is better than the champion, version {champion}",
        Comparison.OPEN: "What came does not tell the models apart",
    }
    return fragment(
        lead(_VERDICTS[record.found], f"{verdicts[record.found]}: {record.reason}."),
        facts(
            [
                ("Days", text.count(record.days)),
                ("Rows", text.count(record.rows)),
                ("Gain", NOTHING if record.gain is None else text.percent(record.gain)),
                ("Revision", text.count(record.revision)),
            ]
        ),
        paragraph(_PAIRS),
    )

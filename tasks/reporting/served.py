"""What was served, as the prediction log and the metrics tell it, and which predictions are queued for a label: sections of Decks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from tasks.artifacts.monitoring import LabelQueue, Served
from tasks.artifacts.record import Interval
from tasks.reporting import page, text
from tasks.reporting.page import facts, fragment, heading, lead, paragraph, table

_QUEUED = (
    "Those drawn at random have a known chance (the propensity), so that their labels stay an unbiased sample. The others are worth more "
    "to a model, and must not be averaged as if they were a sample."
)


def served(found: Served | None) -> str:
    """Show volume and freshness, inputs and skew, the realised log-loss and the service level; a part of the night's section."""
    if found is None:
        return heading("Served") + paragraph("The lake holds no predictions of the service.")
    days = [(found.window.first_day + timedelta(days=n), text.count(asked)) for n, asked in enumerate(found.per_day)]
    broken = [(name, text.count(rows)) for name, rows in sorted(found.violations.items(), key=lambda item: (-item[1], item[0]))]
    skewed = sorted((s for s in found.skew if s.differing), key=lambda s: (-s.differing, s.feature))
    skew = [(s.feature, text.count(s.differing), text.share(s.differing / max(s.rows, 1)), _or_none(s.largest)) for s in skewed]
    parts = [
        heading("Served"),
        facts(
            [
                ("Days", found.window),
                ("Predictions", text.count(found.predictions)),
                ("Usual number a day", page.NOTHING if found.usual_per_day is None else text.count(round(found.usual_per_day))),
                ("Newest prediction", page.NOTHING if found.newest_at is None else text.instant(found.newest_at)),
                ("With an outcome", text.count(found.with_outcome)),
                ("Outcomes told otherwise by client and source", text.count(found.contradictory)),
                ("Log-loss as answered", page.NOTHING if found.log_loss is None else found.log_loss),
                ("Recomputed to compare", text.count(found.compared)),
                *_explored(found.exploration),
            ]
        ),
        table(["Day", "Predictions"], days) if days else "",
        *([heading("Inputs outside their contract"), table(["Input", "Predictions"], broken)] if broken else []),
        *(
            [heading("Skew"), table(["Feature", "Predictions that differ", "Share", "Largest relative difference"], skew)]
            if skew
            else [paragraph("No feature of a compared prediction differs from what the lake gives.")] * bool(found.compared)
        ),
        *_level(found),
    ]
    return "".join(parts)


def _explored(found: Mapping[str, float]) -> list[tuple[str, object]]:
    """Return what the predictions tell that were drawn at random for a label, if there are any."""
    if not found:
        return []
    drawn = f"{found.get('drawn', 0):,.0f}, {found.get('rows', 0):,.0f} with an outcome ({text.share(found.get('share', 0))})"
    if (value := found.get("log_loss")) is None:
        return [("Drawn at random for a label", drawn)]
    loss = Interval(value=value, lower=found.get("log_loss_lower", value), upper=found.get("log_loss_upper", value))
    return [("Drawn at random for a label", drawn), ("Log-loss of all by those draws", loss)]


def _level(found: Served) -> list[str]:
    if (level := found.level) is None:
        return [paragraph("The service's metrics are not in reach.")]
    return [
        heading("Service level, since the service started"),
        facts(
            [
                ("Requests", text.count(level.requests)),
                ("Failed by the service's fault", f"{text.count(level.errors)} ({text.share(level.errors / max(level.requests, 1))})"),
                ("Half of the requests take", _milliseconds(level.p50_ms)),
                ("99 of 100 take at most", _milliseconds(level.p99_ms)),
                ("Predictions", text.count(level.predictions)),
                ("CPU seconds per 1,000 predictions", _or_none(level.cpu_seconds_per_1000) or page.NOTHING),
            ]
        ),
    ]


def _milliseconds(value: float | None) -> str:
    return page.NOTHING if value is None else f"{value:.1f} ms"


def queue(record: LabelQueue) -> str:
    """Show what was queued for a label, and why."""
    reasons = Counter(item.reason for item in record.queued)
    rows = [(q.reason, q.prediction_id, text.decimals(q.score), text.measure(q.propensity)) for q in record.queued]
    count = len(record.queued)
    verb = "is" if count == 1 else "are"
    told = f"Night of {record.night}: {text.count(count, 'prediction')} of {text.count(record.candidates)} {verb} queued for a label."
    return fragment(
        lead("", told),
        facts([(reason.capitalize(), text.count(number)) for reason, number in reasons.most_common()]),
        table(["Why", "Prediction", "Score", "Propensity"], rows) if rows else "",
        paragraph(_QUEUED),
    )


def _or_none(value: float | None) -> str | None:
    return None if value is None else text.measure(value)

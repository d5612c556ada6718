"""The section on compression: what each smaller form of the network saves, what it gives up, and whether that is too much."""

from __future__ import annotations

from tasks.artifacts.compression import Compressed, Compression, Cost, SegmentGivenUp
from tasks.artifacts.record import Interval
from tasks.reporting import text
from tasks.reporting.page import bullets, facts, fragment, heading, lead, paragraph, table

_GUARD = (
    "What a form gives up is its paired difference to the network on the same rows, above 0 where it is worse. The upper bound of its "
    "interval must keep to the limit, overall and on every segment with enough days."
)
_TIMES = "Times are the processor's, on one thread, without reading and encoding rows: medians of rounds in turn."


def verdicts(record: Compression) -> str:
    """Say which forms may stand in for the network, and what each saves."""
    return " ".join(_verdict(found) for found in record.forms)


def _verdict(found: Compressed) -> str:
    smaller = found.original_cost.onnx_bytes / found.cost.onnx_bytes
    faster = found.cost.rows_per_second / found.original_cost.rows_per_second
    saves = f"{smaller:.1f} times smaller, {faster:.1f} times as many rows a second"
    return f"{found.form.value} is {'accepted' if found.accepted else 'refused'}: {saves}, {_fine(found.log_loss_given_up)} log-loss."


def compression(record: Compression) -> str:
    """Show size, speed, loss and verdict of each form, its reasons, and every segment."""
    return fragment(
        lead("", verdicts(record)),
        table(
            ["Form", "Verdict", "ONNX file", "A row", "Rows a second", "Log-loss", "Given up", "Calibration error", "Given up"],
            [_original(record.forms[0]), *(_row(found) for found in record.forms)] if record.forms else [],
        ),
        paragraph(f"{_GUARD} {_TIMES} {text.INTERVALS}"),
        *(part for found in record.forms for part in _details(found)),
        facts(
            [
                ("Most log-loss given up", _limit(record.rules.log_loss)),
                ("Most calibration error given up", _limit(record.rules.calibration_error)),
                ("Most log-loss given up on a segment", _limit(record.rules.segment_log_loss)),
                ("Fewest days of a segment that counts", _limit(record.rules.segment_days)),
                ("Evaluation days", f"{record.window}, {record.days} with rows"),
                ("Rows", text.count(record.rows)),
                ("Times taken on", record.machine),
                ("Bundle of the network", record.model_digest),
            ]
        ),
    )


def _original(found: Compressed) -> tuple[object, ...]:
    return "float32", None, *_cost(found.original_cost), found.original_log_loss, None, found.original_calibration_error, None


def _row(found: Compressed) -> tuple[object, ...]:
    verdict = "accepted" if found.accepted else "refused"
    given_up = _fine(found.log_loss_given_up), _fine(found.calibration_error_given_up)
    return found.form.value, verdict, *_cost(found.cost), found.log_loss, given_up[0], found.calibration_error, given_up[1]


def _cost(cost: Cost) -> tuple[str, str, str]:
    return f"{cost.onnx_bytes / 1e3:,.0f} kB", f"{cost.microseconds_a_row:,.0f} µs", text.count(round(cost.rows_per_second))


def _details(found: Compressed) -> list[str]:
    worst_first = sorted(found.segments, key=lambda segment: -segment.log_loss.upper)
    return [
        heading(f"{found.form.value}: {'accepted' if found.accepted else 'refused'}"),
        bullets(found.reasons),
        table(["Segment", "Rows", "Days", "Log-loss given up", "Holds"], [_segment(segment) for segment in worst_first]),
        facts([("Package", found.package_digest)]),
    ]


def _segment(found: SegmentGivenUp) -> tuple[str, str, str, str, str]:
    holds = ("yes" if found.holds else "no") if found.counts else "too few days"
    return found.segment, text.count(found.rows), text.count(found.days), _fine(found.log_loss), holds


def _fine(interval: Interval) -> str:
    """Return a difference with five decimals: four would hide most of them."""
    return f"{interval.value:+.5f} [{interval.lower:+.5f}, {interval.upper:+.5f}]"


def _limit(value: float | None) -> str:
    return "none set: refused" if value is None else f"{value:g}"

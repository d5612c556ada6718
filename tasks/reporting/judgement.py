"""What a decision rests on, as sections of HTML: the models side by side, segments, the verdict with its requirements."""

from __future__ import annotations

from tasks.artifacts.evaluation import Criterion, Decision, Evaluation, WeakSegments
from tasks.artifacts.fairness import Fairness
from tasks.reporting import fairness_plots, plots, sentences, text
from tasks.reporting.page import bullets, facts, figure, fragment, heading, lead, mark, paragraph, table


def metrics(record: Evaluation) -> str:
    """Show all models side by side, as a table without a section around it."""
    rows: list[tuple[object, ...]] = [
        ("Log-loss, lower is better", *(m.log_loss for m in record.metrics)),
        ("AUC, higher is better", *(text.brief(m.auc) for m in record.metrics)),
        ("PR-AUC, higher is better", *(text.brief(m.pr_auc) for m in record.metrics)),
        ("Brier score, lower is better", *(text.brief(m.brier) for m in record.metrics)),
        ("Calibration error, lower is better", *(text.brief(m.calibration_error) for m in record.metrics)),
        ("Cost of a decision, lower is better", *(text.brief(m.cost) for m in record.metrics)),
        ("Threshold of the decision", *(text.decimals(m.threshold) for m in record.metrics)),
    ]
    models = [text.model(m.model, record.incumbent_version) for m in record.metrics]
    return table(["Metric", *models], rows) + paragraph(text.INTERVALS)


def evaluation(record: Evaluation) -> str:
    """Show the models side by side, calibration and segments of the candidate, and the suite's conditions."""
    gains = [(text.model(name, record.incumbent_version), text.signed(gain)) for name, gain in record.gains.items()]
    suite = [(mark("PASS" if c.passed else "WARN"), c.check, c.condition, c.details) for c in record.suite]
    return fragment(
        lead("", sentences.evaluation(record)),
        figure(
            plots.models(record.metrics, record.incumbent_version), "Log-loss by model, with 95 % intervals. The line is the candidate's."
        ),
        metrics(record),
        heading("Paired gain of the candidate"),
        paragraph("How far the candidate's log-loss lies below the other model's on the same rows; above 0 is better."),
        table(["Over", "Gain in log-loss"], gains),
        heading("Calibration"),
        figure(plots.calibration(record.calibration), f"{text.share(record.base_rate)} of all rows are positive."),
        heading("Segments"),
        *_segments(record),
        heading("Weak segments"),
        *_weak(record.weak_segments),
        heading("Training against evaluation data"),
        table(["Verdict", "Check", "Condition", "Details"], suite) if suite else paragraph("The suite was not run."),
        facts([("Candidate", record.candidate_digest), ("Evaluation days", record.window), ("Rows", text.count(record.rows))]),
    )


def _segments(record: Evaluation) -> list[str]:
    ordered = sorted(record.segments, key=lambda s: (s.segment != "all", -s.log_loss.value))
    has_champion = any(s.paired for s in ordered)
    rows = [
        (
            s.segment,
            text.count(s.rows),
            text.share(s.positives / s.rows),
            text.brief(s.log_loss),
            *([text.percent(s.paired.gain) if s.paired else None] if has_champion else []),
            text.brief(s.auc),
            text.brief(s.calibration_error),
            text.brief(s.cost),
        )
        for s in ordered
    ]
    gain = ["Gain over champion"] if has_champion else []
    small = [(s.segment, text.count(s.rows), text.count(s.days), s.reason) for s in record.small_segments]
    return [
        figure(plots.segments(record.segments), "Log-loss by segment, worst first. The line is that of all rows."),
        figure(plots.segment_gains(record.segments), "Paired gain over the champion by segment, smallest first."),
        table(["Segment", "Rows", "Positive", "Log-loss", *gain, "AUC", "Calibration error", "Cost"], rows),
        *(
            [paragraph("Too small to be measured; only their size is told."), table(["Segment", "Rows", "Days", "Reason"], small)]
            if small
            else []
        ),
    ]


def _weak(record: WeakSegments) -> list[str]:
    told = paragraph(
        f"Where the candidate's log-loss was above what its own probabilities expect, searched on {record.searched} by small trees over "
        f"pairs of features, and looked at again on {record.confirmed_on}. Confirmed are those whose p-value, adjusted for all that "
        f"were found, is at most {record.level:g}."
    )
    if not record.found:
        return [told, paragraph("None was found.")]
    rows = [
        (
            mark("WARN") if s.is_confirmed else "not confirmed",
            s.segment,
            text.count(s.rows),
            s.log_loss,
            text.decimals(s.expected_log_loss),
            text.signed(s.excess),
            text.decimals(s.p_value),
        )
        for s in record.found
    ]
    return [told, table(["Verdict", "Segment", "Rows", "Log-loss", "Expected", "Excess", "p-value"], rows)]


def decision(record: Decision) -> str:
    """Show the verdict, its reasons, and every requirement with value and threshold."""
    return fragment(lead(record.verdict, sentences.decision(record)), *requirements(record))


def verdict(record: Decision, judged: Evaluation, fairness: Fairness) -> str:
    """Show the verdict, the few plots that carry it, then every requirement.

    Args:
        record: The decision.
        judged: All models side by side.
        fairness: How the candidate's decisions treat groups.
    """
    return fragment(
        lead(record.verdict, sentences.decision(record)),
        bullets(record.reasons),
        figure(
            plots.models(judged.metrics, judged.incumbent_version), "Log-loss by model, with 95 % intervals. The line is the candidate's."
        ),
        figure(plots.segment_gains(judged.segments), "Paired gain over the champion by segment, smallest first."),
        figure(plots.calibration(judged.calibration), f"Calibration. {text.share(judged.base_rate)} of all rows are positive."),
        *(figure(fairness_plots.rates(a), f"Rates by {a.grouping.name}; grey groups are too small to count.") for a in fairness.attributes),
        *requirements(record, with_reasons=False),
    )


def requirements(record: Decision, with_reasons: bool = True) -> list[str]:
    """Return every requirement with value and threshold, those that do not hold first."""

    def row(criterion: Criterion) -> tuple[object, ...]:
        value, threshold = text.measure(criterion.value), text.measure(criterion.threshold)
        return mark("PASS" if criterion.holds else "FAIL"), criterion.name, value, threshold, criterion.decides, criterion.reason

    kept = [*record.failed, *(c for c in record.criteria if c.holds)]
    return [
        *([heading("Reasons"), bullets(record.reasons)] if with_reasons else []),
        heading("Requirements"),
        table(["Verdict", "Requirement", "Value", "Threshold", "Otherwise", "Reason"], [row(c) for c in kept]),
        facts(
            [
                ("Candidate", record.candidate_digest),
                ("Champion", "none" if record.incumbent_version is None else f"v{record.incumbent_version}"),
                ("Snapshot", record.snapshot_hash),
                ("Evaluation days", record.evaluation),
                ("Owner", record.owner),
            ]
        ),
    ]

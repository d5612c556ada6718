"""Sections and sentences on what data are worth: the features to a model, and more history to the next one."""

from __future__ import annotations

from tasks.artifacts.data_value import FeatureImportance, FeatureValue, GroupImportance, LearningCurve
from tasks.reporting import plots, text
from tasks.reporting.page import facts, figure, fragment, heading, lead, paragraph, table

_MOST_NAMES = 6  # in a sentence; the table has them all
_DEAREST = 20  # features in the first plot: below these the costs are hard to tell apart

_STAND_IN = (
    "Features that tell the same stand in for each other: permuting one leaves the other, so that each seems cheap to lose while "
    "both together are not. That is why groups, and the features of no value, are permuted together as well. A permuted row may "
    "also be one that never occurs. To drop a feature for good, train without it and compare."
)
_THESE_DAYS = (
    "All of this is about the model at hand on these days: a feature that speaks of winter may have no value in September and still "
    "be worth keeping. Each feature is judged for itself, its upper bound with an error of 2.5 %."
)
_METHOD = "Permutation importance: Breiman, Machine Learning 45 (2001); Fisher, Rudin and Dominici, JMLR 20 (2019)."
_BACKWARDS = (
    "Each history ends where the evaluation days begin, so that a longer one reaches further back, into other seasons: the curve says "
    "what older days bring, the nearest thing to what waiting for new ones will. The paired gain is on the same rows, and so is its "
    "interval; that of a log-loss alone is wide because days differ, and for all points alike."
)


def value_of_features(record: FeatureValue) -> str:
    """Say which features are of no value, and whether they are so together."""
    idle = record.of_no_value
    where = f"on {text.count(record.rows, 'row')} of {text.count(record.days, 'day')} ({record.window})"
    if record.no_value_together is None:
        return f"None of {text.count(len(record.features), 'feature')} is certainly of no value to {_name(record.model)} {where}."
    left = [f"{text.count(len(idle) - _MOST_NAMES)} more"] if len(idle) > _MOST_NAMES else []
    named = f"{len(idle)} of {text.count(len(record.features), 'feature')} {'is' if len(idle) == 1 else 'are'} of no value to "
    return f"{named}{_name(record.model)} {where}: {text.listed([*idle[:_MOST_NAMES], *left])}. {_together(record)}"


def _name(model: str) -> str:
    return "the candidate" if model == text.CANDIDATE else text.model(model)


def _together(record: FeatureValue) -> str:
    together = record.no_value_together
    if together is None or len(together.features) < 2:
        return ""
    cost = text.signed(together.increase_log_loss)
    if together.increase_log_loss.upper <= record.no_value_log_loss:
        return f"Permuted together they cost nothing either: {cost}."
    return f"Permuted together they cost {cost}, which is not certainly nothing: some may stand in for others."


def value_of_history(record: LearningCurve) -> str:
    """Say whether more data would help, what the last step brought and what the next may bring."""
    *_, before, last = record.points
    verdict = "More data would help" if record.would_help else "No sign that more data would help"
    days = f"from {before.training_days} to {text.count(last.training_days, 'day')} of history"
    step = f"going {days} gained {text.model(record.model)} {text.signed(record.last_gain_log_loss)} log-loss"
    ahead = (
        f"; another doubling would gain about {text.decimals(record.next_gain_log_loss)} more if the curve keeps its course."
        if record.next_gain_log_loss is not None
        else "."
    )
    return f"{verdict}: {step}{ahead}"


def features(record: FeatureValue) -> str:
    """Show what each group and each feature is worth, and which features are of no value."""
    idle = [found for found in record.features if found.is_of_no_value]
    groups = [*record.groups, *([record.no_value_together] if record.no_value_together else [])]
    return fragment(
        lead("", value_of_features(record)),
        paragraph(_STAND_IN),
        heading("Groups"),
        figure(plots.group_importances(groups), "What it costs to permute all features of a group together, with 95 % intervals."),
        table(["Group", "Features", "Increase of log-loss"], [_group(group) for group in groups]),
        heading("Dearest features"),
        figure(plots.importances(record.features[:_DEAREST], record.no_value_log_loss), "What it costs to permute one feature."),
        heading("Features of no value"),
        paragraph(
            f"The interval's upper bound is at or below {text.decimals(record.no_value_log_loss)} log-loss, the line in the plot. "
            "Below 0 the model does better when it is permuted: on these days it misleads."
        ),
        figure(plots.importances(idle, record.no_value_log_loss), "Features of no value, with 95 % intervals."),
        "" if idle else paragraph("There are none."),
        paragraph(f"Of these nothing can be told, as they have one value on all rows: {text.listed(record.constant)}.")
        if record.constant
        else "",
        paragraph(_THESE_DAYS),
        heading("All features"),
        table(["Feature", "Group", "Increase of log-loss", "Value"], [_feature(found) for found in record.features]),
        paragraph(f"{text.INTERVALS} {_METHOD}"),
        facts(
            [
                ("Model", record.model),
                ("Log-loss, nothing permuted", record.log_loss),
                ("Days", f"{record.window}, {record.days} with rows"),
                ("Rows", f"{text.count(record.rows)} of {text.count(record.rows_labelled)}, a like share of each day"),
                ("Permutations of each", f"{record.repeats}, seed {record.seed}"),
                ("Bundle", record.model_digest),
            ]
        ),
    )


def _group(group: GroupImportance) -> tuple[str, str, str]:
    return group.group, text.count(len(group.features)), text.signed(group.increase_log_loss)


def _feature(found: FeatureImportance) -> tuple[str, str, str, str]:
    sure = "constant" if found.is_constant else "none" if found.is_of_no_value else "yes" if found.increase_log_loss.lower > 0 else "open"
    return found.feature, found.group, text.signed(found.increase_log_loss), sure


def learning_curve(record: LearningCurve) -> str:
    """Show log-loss by length of history, with the paired gain of each step."""
    rows = [
        (
            text.share(p.share),
            str(p.first_day),
            text.count(p.training_days),
            text.count(p.training_rows),
            text.count(p.rounds),
            p.log_loss,
            text.signed(p.gain_log_loss) if p.gain_log_loss is not None else None,
        )
        for p in record.points
    ]
    return fragment(
        lead("", value_of_history(record)),
        figure(plots.learning_curve(record.points), "Left: log-loss. Right: paired gain of each step, with 95 % intervals."),
        table(["Share", "From", "Days", "Rows", "Rounds", "Log-loss", "Gain over the line before"], rows),
        paragraph(
            f"More data would help if the last step's gain is certainly above {text.decimals(record.least_gain_log_loss)}. {_BACKWARDS}"
        ),
        paragraph(f"{text.INTERVALS} The next gain: a power law (Viering and Loog, TPAMI 2023), if all steps double the days and gain."),
        facts(
            [
                ("Model", text.model(record.model)),
                ("Evaluation days", f"{record.window}, {record.days} with rows"),
                ("Rows evaluated", text.count(record.rows)),
            ]
        ),
    )

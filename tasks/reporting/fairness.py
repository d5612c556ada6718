"""The sections on fairness: how decisions treat the groups of each sensitive attribute, and what less difference would cost."""

from __future__ import annotations

from tasks.artifacts.fairness import (
    AttributeFairness,
    Fairness,
    FairnessRules,
    GroupRates,
    Measured,
    Mitigation,
    MitigationResult,
    Standing,
)
from tasks.artifacts.record import Interval
from tasks.reporting import fairness_plots, text
from tasks.reporting.page import facts, figure, fragment, heading, lead, mark, paragraph, table

_BADGES = {Standing.WITHIN: "PASS", Standing.NEAR: "REVIEW", Standing.BEYOND: "FAIL", Standing.UNSET: "FAIL"}
_WORST = (Standing.UNSET, Standing.BEYOND, Standing.NEAR, Standing.WITHIN)
_MOST_NAMES = 12

_MEANING = (
    "Equal opportunity is the largest difference between the groups' true positive rates (the share of positives that was flagged), "
    "equalised odds the largest of these or of the false positive rates, demographic parity that of the shares flagged, and "
    "disparate impact the lowest of these shares over the highest."
)
_INTERVALS = (
    "In brackets: 95 % intervals from a bootstrap over whole days. Those of differences hold for all pairs of groups at once, so that "
    "groups which differ by chance alone do not look different for certain. A limit is broken where the whole interval is beyond it."
)


def sentence(record: Fairness, rules: FairnessRules) -> str:
    """Say which differences are beyond their limits or near them."""
    found = [(attribute.grouping.name, one) for attribute in record.attributes for one in attribute.measured(rules)]
    told = []
    for standing, words in (
        (Standing.UNSET, "without a limit"),
        (Standing.BEYOND, "beyond the limit for certain"),
        (Standing.NEAR, "near the limit, or beyond it by chance"),
    ):
        names = [f"{one.name} by {name}" for name, one in found if one.standing is standing]
        if names:
            told.append(f"{words}: {text.listed(names[:_MOST_NAMES])}")
    told += [f"not known: {name} ({why})" for name, why in record.not_measured.items()]
    days = text.count(record.days, "day")
    where = f"{text.count(record.rows, 'row')} of {days}"
    if not told:
        attributes = text.listed(attribute.grouping.name for attribute in record.attributes)
        return f"On {where} the decisions differ between the groups of {attributes} by no more than the limits allow."
    return f"On {where}, of {text.count(len(found), 'difference')} between groups, {'; '.join(told)}."


def worst(record: Fairness, rules: FairnessRules) -> Standing:
    """Return where the worst difference stands."""
    found = [one.standing for attribute in record.attributes for one in attribute.measured(rules)]
    found += [Standing.NEAR] * len(record.not_measured)  # nobody knows: as near a limit, a person looks
    return min(found, key=_WORST.index, default=Standing.WITHIN)


def fairness(record: Fairness, rules: FairnessRules) -> str:
    """Show the verdict, then each attribute: its differences beside their limits, and the rates of its groups."""
    return fragment(
        lead(_BADGES[worst(record, rules)], sentence(record, rules)),
        paragraph(_MEANING),
        *(part for attribute in record.attributes for part in _attribute(attribute, rules)),
        paragraph(_INTERVALS),
        facts(
            [
                ("Fewest rows of a group that counts", text.count(rules.fewest_rows)),
                ("Fewest days", text.count(rules.fewest_days)),
                ("Fewest rows of each label", text.count(rules.fewest_of_a_class)),
                ("A person looks from", f"{rules.near:.0%} of the way to a limit"),
                ("Evaluation days", f"{record.window}, {record.days} with rows"),
                ("Rows", text.count(record.rows)),
                ("Bundle of the network", record.model_digest),
            ]
        ),
    )


def _attribute(found: AttributeFairness, rules: FairnessRules) -> list[str]:
    grouping = found.grouping
    cut = f", cut at {grouping.cut:g}" if grouping.cut is not None else ""
    largest_first = sorted(found.groups, key=lambda group: (not group.counts, -group.rows, group.group))
    return [
        heading(grouping.name),
        paragraph(f"By {grouping.column}{cut}. {_left_out(found)}"),
        table(["Difference", "Found", "Limit", "Verdict"], [_measured(one) for one in found.measured(rules)]),
        figure(fairness_plots.rates(found), f"Rates by {grouping.name}, with 95 % intervals; grey groups are too small to count."),
        table(
            ["Group", "Rows", "Positives", "Flagged", "True positive rate", "False positive rate", "Cost", "Counts"],
            [_group(group) for group in largest_first],
        ),
    ]


def _left_out(found: AttributeFairness) -> str:
    names = found.left_out
    if not names:
        return "All groups are large enough to count."
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"Too small to count, and shown all the same: {', '.join(names[:_MOST_NAMES])}{more}."


def _measured(one: Measured) -> tuple[str, str, str, str]:
    return one.name, text.brief(one.found), "none set: refused" if one.limit is None else f"{one.limit:g}", mark(_BADGES[one.standing])


def _group(group: GroupRates) -> tuple[object, ...]:
    rates = (group.selection_rate, group.true_positive_rate, group.false_positive_rate, group.cost)
    counts = "yes" if group.counts else "too small"
    return group.group, text.count(group.rows), text.count(group.positives), *(_brief(rate) for rate in rates), counts


def _brief(interval: Interval | None) -> str | None:
    return None if interval is None else text.brief(interval)


def mitigations(record: Mitigation) -> str:
    """Say which way leaves the least difference of true positive rates, and what that costs."""
    if not record.results:
        return "No way was tried."
    plain, *others = record.results
    if not others:
        return f"Without mitigation the true positive rates differ by {text.brief(plain.fairness.equal_opportunity_difference)}."
    best = min(others, key=lambda result: (result.fairness.equal_opportunity_difference.value, result.name))
    before, after = (result.fairness.equal_opportunity_difference.value for result in (plain, best))
    if after >= before:
        return f"No way brings the true positive rates by {record.attribute} nearer to each other than their difference of {before:.3f}."
    return (
        f"Of {text.count(len(others), 'way')} {best.name} leaves the least difference of true positive rates by {record.attribute}: "
        f"{after:.3f} in place of {before:.3f}. {_price(best)}"
    )


def _price(result: MitigationResult) -> str:
    if result.price_cost is None or result.price_log_loss is None:
        return ""
    price = result.price_cost
    certain = "for certain more" if price.lower > 0 else "for certain less" if price.upper < 0 else "not certainly more or less"
    return f"Its decisions cost {text.signed(price)} a row, {certain}; its log-loss changes by {text.signed(result.price_log_loss)}."


def mitigation(record: Mitigation) -> str:
    """Show the ways side by side: quality, price, differences, and the rates of each group that counts."""
    return fragment(
        lead("", mitigations(record)),
        table(
            ["Way", "Log-loss", "AUC", "Cost", "Price in log-loss", "Price in cost"],
            [_quality(result) for result in record.results],
        ),
        table(
            ["Way", "Equal opportunity", "Equalised odds", "Demographic parity", "Disparate impact"],
            [_differences(result) for result in record.results],
        ),
        figure(fairness_plots.ways(record), "What each way leaves of the difference, and what it costs, with 95 % intervals."),
        paragraph(
            "Reweighing lets labels count more in training where a group has them less often than others (Kamiran and Calders 2012). Group "
            "thresholds give each group the threshold by which its true positive rate was that of all on the folds (Hardt et al. 2016). "
            "Prices are paired differences to the network without mitigation on the same rows; above 0 is worse."
        ),
        heading("Groups"),
        table(
            ["Group", "Way", "Flagged", "True positive rate", "False positive rate", "Cost"],
            _groups(record),
        ),
        paragraph(f"{_MEANING} {_INTERVALS}"),
        facts([("Attribute", record.attribute), ("Evaluation days", record.window), ("Rows", text.count(record.rows))]),
    )


def _quality(result: MitigationResult) -> tuple[object, ...]:
    prices = (None if price is None else text.signed(price) for price in (result.price_log_loss, result.price_cost))
    return result.name, result.log_loss, result.auc, result.cost, *prices


def _differences(result: MitigationResult) -> tuple[str, ...]:
    found = result.fairness
    differences = (found.equal_opportunity_difference, found.equalized_odds_difference, found.demographic_parity_difference)
    return result.name, *(text.brief(one) for one in (*differences, found.disparate_impact))


def _groups(record: Mitigation) -> list[tuple[object, ...]]:
    """Return a row for each group and way, those of one group together."""
    rows: list[tuple[object, ...]] = []
    for place in range(max((len(result.fairness.groups) for result in record.results), default=0)):
        for result in record.results:
            group = result.fairness.groups[place]
            if group.counts:
                rates = (group.selection_rate, group.true_positive_rate, group.false_positive_rate, group.cost)
                rows.append((group.group, result.name, *(_brief(rate) for rate in rates)))
    return rows

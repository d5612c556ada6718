"""The sections on explanation: which features matter to a model, and why one prediction came out as it did."""

from __future__ import annotations

from tasks.artifacts.explanation import Contribution, FeatureEffect, GlobalExplanation, LocalExplanation
from tasks.reporting import text
from tasks.reporting.drawing import canvas, image, once
from tasks.reporting.page import bullets, facts, figure, fragment, heading, lead, paragraph, table
from tasks.reporting.style import BLUE, GREY, VERMILION

_MOST_FEATURES = 20  # in a plot: below these they are hard to tell apart
_MOST_CONTRIBUTIONS = 14
_NAMED = 3  # features in the first sentence
_ALIKE, _APART = 0.7, 0.4  # rank correlations by which the methods are said to agree, to agree in part, or not to
_LABEL = 44  # characters beside a dot

_TWO = (
    "Permutation asks what the model would lose without a feature: features that tell the same stand in for each other, so that each "
    "seems cheap to lose. Attribution asks how much of the logit comes by a feature on the way from a typical row: it shares out what "
    "such features tell together, and says nothing of whether that is right. Neither is a cause."
)
_METHODS = (
    "Permutation importance: Breiman, Machine Learning 45 (2001). Integrated gradients: Sundararajan, Taly and Yan (ICML 2017). "
    "In brackets: 95 % intervals from a bootstrap over whole days. Of a blend, attributions are the network's."
)
_PATH = (
    "Contributions are integrated gradients on the straight way from the typical row (medians, most frequent categories) to this one. "
    "They and the remainder add up to the difference of the two logits. The remainder is the error of the way's steps; of a blend it "
    "holds what the trees add. A contribution says what moved this prediction, not what would change the outcome."
)


def verdict(record: GlobalExplanation) -> str:
    """Say which features matter most by each method, and whether the methods agree."""
    ways = [
        text.listed(e.feature for e in sorted(record.features, key=key)[:_NAMED])
        for key in (lambda e: (-e.permutation.value, e.feature), lambda e: (-e.attribution.value, e.feature))
    ]
    agree = "agree" if record.rank_correlation >= _ALIKE else "agree in part" if record.rank_correlation >= _APART else "do not agree"
    return (
        f"Dearest to lose: {ways[0]}. Largest in the predictions: {ways[1]}. "
        f"The two methods {agree} on the order of {text.count(len(record.features), 'feature')} "
        f"(rank correlation {record.rank_correlation:.2f})."
    )


def explanation(record: GlobalExplanation) -> str:
    """Show what each feature is to the model by both methods, side by side."""
    return fragment(
        lead("", verdict(record)),
        figure(_both(record.features[:_MOST_FEATURES]), "The features that are dearest to lose, by both methods, with 95 % intervals."),
        paragraph(_TWO),
        table(
            ["Feature", "Meaning", "Increase of log-loss", "Mean size, logits"],
            [(e.feature, f"{e.meaning} ({e.group})", text.signed(e.permutation), text.brief(e.attribution)) for e in record.features],
        ),
        paragraph(_METHODS),
        facts(
            [
                ("Rank correlation", f"{record.rank_correlation:.2f} (Spearman)"),
                ("Evaluation days", f"{record.window}, {record.days} with rows"),
                ("Rows permuted", text.count(record.rows)),
                ("Bundle", record.model_digest),
            ]
        ),
    )


def local(record: LocalExplanation) -> str:
    """Show one prediction with its reasons, the largest contributions, and all of them."""
    came = {None: "not known yet", 0: "no", 1: "yes"}[record.label]
    return fragment(
        lead("", decision(record)),
        bullets(record.words) or paragraph("No feature moves it by much from that of a typical row."),
        figure(_contributions(record.contributions), "What each feature adds to the logit of a typical row, the largest first."),
        paragraph(_PATH),
        heading("All features"),
        table(
            ["Feature", "Meaning", "This row", "Typical", "Logits"],
            [(c.feature, c.meaning, c.value, c.typical, f"{c.logits:+.4f}") for c in record.contributions],
        ),
        facts(
            [
                ("Probability", text.share(record.probability)),
                ("Of a typical row", text.share(record.typical_probability)),
                ("Threshold", text.share(record.threshold)),
                ("Flagged", "yes" if record.flagged else "no"),
                ("What came", came),
                ("Predicted at", text.instant(record.predicted_at)),
                ("Remainder, logits", f"{record.remainder:+.4f}"),
                ("Model", record.model),
                ("Bundle", record.model_digest),
            ]
        ),
    )


def decision(record: LocalExplanation) -> str:
    """Say what was predicted for a row, and what a typical one has."""
    flagged = "at or above" if record.flagged else "below"
    return (
        f"{record.row}: {text.share(record.probability)}, {flagged} the threshold of {text.share(record.threshold)}, so "
        f"{'flagged' if record.flagged else 'not flagged'}. A typical row has {text.share(record.typical_probability)}."
    )


@once
def _both(effects: list[FeatureEffect]) -> str:
    """Draw both methods beside each other, a line a feature."""
    if not effects:
        return ""
    said = "; ".join(f"{e.feature} {text.signed(e.permutation)} log-loss and {text.brief(e.attribution)} logits" for e in effects[:5])
    places = range(len(effects))
    with canvas(0.8 + 0.25 * max(2, len(effects))) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for place, effect in zip(places, effects, strict=True):
            for axes, found, colour in ((left, effect.permutation, BLUE), (right, effect.attribution, VERMILION)):
                axes.plot([found.lower, found.upper], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
                axes.plot(found.value, place, marker="o", markersize=5, color=colour)
        left.axvline(0, color=GREY, linestyle="--", linewidth=1.1)
        left.set_yticks(list(places), [text.clip(effect.feature, _LABEL) for effect in effects])
        left.set(ylim=(len(effects) - 0.4, -0.6), xlabel="increase of log-loss when permuted")
        right.set(xlabel="mean size of its attribution, logits")
        right.set_xlim(left=0)
        for axes in (left, right):
            axes.grid(visible=False, axis="y")
        return image(figure, f"Features by permutation and by attribution: {said}{'; ...' if len(effects) > 5 else ''}.")


@once
def _contributions(contributions: list[Contribution]) -> str:
    """Draw the largest contributions: to the right what raises the probability, to the left, hatched, what lowers it."""
    shown = contributions[:_MOST_CONTRIBUTIONS]
    if not shown:
        return ""
    said = "; ".join(f"{c.feature} {c.logits:+.2f}" for c in shown[:6])
    places = range(len(shown))
    with canvas(0.8 + 0.27 * max(2, len(shown))) as figure:
        axes = figure.subplots()
        for place, found in zip(places, shown, strict=True):
            raises = found.logits > 0
            axes.barh(
                place,
                found.logits,
                height=0.62,
                color=VERMILION if raises else "white",
                edgecolor=VERMILION if raises else BLUE,
                hatch="" if raises else "////",
            )
            axes.annotate(f" {found.logits:+.2f} ", (found.logits, place), va="center", fontsize=8, ha="left" if raises else "right")
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(list(places), [text.clip(f"{c.feature} = {c.value}", _LABEL + 12) for c in shown])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="logits: filled raises the risk, hatched lowers it")
        axes.margins(x=0.16)
        axes.grid(visible=False, axis="y")
        return image(figure, f"Contributions to this prediction, in logits: {said}{'; ...' if len(shown) > 6 else ''}.")

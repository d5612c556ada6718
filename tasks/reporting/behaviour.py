"""The section on behaviour: what the model does under changed rows, against what it must."""

from __future__ import annotations

from tasks.artifacts.behaviour import Behaviour, BehaviourKind, BehaviourResult
from tasks.reporting import text
from tasks.reporting.drawing import canvas, image, once
from tasks.reporting.page import bullets, facts, figure, fragment, heading, lead, paragraph, table
from tasks.reporting.style import BLACK, BLUE, VERMILION

_KINDS = {
    BehaviourKind.INVARIANCE: "what must not matter",
    BehaviourKind.DIRECTION: "what may only raise it",
    BehaviourKind.ROBUSTNESS: "what may move it a little",
    BehaviourKind.MINIMUM: "what it must be good for",
}
_METHOD = "After Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020)."
_MOST_TESTS = 30  # in the plot; the table has them all
_LABEL = 48  # characters beside a bar


def verdict(record: Behaviour) -> tuple[str, str]:
    """Return PASS or FAIL, and what it means in a sentence."""
    broken, count = record.broken, len(record.results)
    if not broken:
        return "PASS", f"All {text.count(count, 'test')} of behaviour hold." if count else "There is no test of behaviour."
    named = text.listed(f"{result.name} ({text.share(result.share)} of rows, {_least(result)})" for result in broken)
    return "FAIL", f"{len(broken)} of {text.count(count, 'test')} of behaviour {'does' if len(broken) == 1 else 'do'} not hold: {named}."


def behaviour(record: Behaviour) -> str:
    """Show which tests hold, on what share of the rows, and the row that goes furthest against each."""
    return fragment(
        lead(*verdict(record)),
        figure(_shares(record.results), "Share of the rows that do what they must; the line across is the least share."),
        table(
            ["Test", "Verdict", "Rows", "Pass", "At least", "Largest", "Kind"],
            [_row(result) for result in record.results],
        ),
        heading("What must hold"),
        bullets([f"{result.name}: {result.meaning}." for result in record.results]),
        heading("The rows that go furthest against it"),
        bullets([f"{result.name}: {result.example}." for result in record.results if result.example]),
        paragraph(
            "Largest: the furthest that a row goes against the test, in probability; of a minimum, a day's log-loss above that of "
            f"guessing. {_METHOD}"
        ),
        facts([("Evaluation days", record.window), ("Bundle", record.model_digest)]),
    )


def _row(found: BehaviourResult) -> tuple[object, ...]:
    holds = "PASS" if found.holds else "FAIL"
    mark = {"PASS": "✓ PASS", "FAIL": "✗ FAIL"}[holds]
    limits = text.share(found.share), None if found.least_share is None else text.share(found.least_share)
    return found.name, mark, text.count(found.rows), *limits, text.decimals(found.largest), _KINDS[found.kind]


def _least(found: BehaviourResult) -> str:
    return "no limit is set" if found.least_share is None else f"at least {text.share(found.least_share)} must"


@once
def _shares(results: list[BehaviourResult]) -> str:
    """Draw the share of each test as a bar with its limit across; one that does not hold is vermilion and hatched."""
    if not results:
        return ""
    shown = results[:_MOST_TESTS]
    said = "; ".join(f"{r.name} {text.share(r.share)}{'' if r.holds else ' (does not hold)'}" for r in shown[:8])
    alt = f"Share of rows that pass each test of behaviour: {said}{'; ...' if len(shown) > 8 else ''}."
    places = range(len(shown))
    with canvas(0.9 + 0.32 * max(2, len(shown))) as figure:
        axes = figure.subplots()
        for place, found in zip(places, shown, strict=True):
            axes.barh(
                place,
                found.share,
                height=0.62,
                color=BLUE if found.holds else "white",
                edgecolor=BLUE if found.holds else VERMILION,
                hatch="" if found.holds else "////",
            )
            if found.least_share is not None:
                axes.plot([found.least_share] * 2, [place - 0.42, place + 0.42], color=BLACK, linewidth=2)
            axes.annotate(f" {text.share(found.share)}", (max(found.share, found.least_share or 0), place), va="center", fontsize=8.5)
        axes.set_yticks(list(places), [text.clip(found.name, _LABEL) for found in shown])
        axes.set(xlim=(0, 1.12), ylim=(len(shown) - 0.4, -0.6), xlabel="share of rows that pass; the mark is the least share")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.grid(visible=False, axis="y")
        return image(figure, alt)

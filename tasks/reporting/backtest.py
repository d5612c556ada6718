"""What a backtest says: which policy of retraining to follow, in a Deck, on a page of its own, and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts.backtest import Backtest, PolicyResult
from tasks.reporting import backtest_plots, text
from tasks.reporting.page import bullets, facts, figure, folded, fragment, heading, lead, paragraph, table

if TYPE_CHECKING:
    from rich.console import Group

_METHOD = (
    "Every night is decided with what was known by then; a model that is asked for is trained at the next start, and serves from its "
    "first whole day on. A gated one goes live only if it is better than the champion for certain on its evaluation days. The oracle "
    "knows all outcomes. Share: of the gain of the shortest cadence over never, then of the first and of the second half of the days. "
    "Beaten: by so many random schedules with as many promotions. Regret: log-loss above that of the oracle without a limit, and above "
    "that of the oracle with as many promotions."
)
_PHASES = (
    "The same policies begun anew at each of the first starts, each time with another first model: what a cadence owes to its phase "
    "shows here. Share and beaten as above, over all these replays."
)
_HEADERS = ["Policy", "Log-loss", "Saved over never", "Share", "By halves", "Promoted", "Trained", "Beaten", "Regret"]
_COST_HEADERS = ["Policy", "Saved over the shortest", "AUC", "Calibration error", "Cost of decisions", "Training", "Price of it"]
_PHASE_HEADERS = ["Policy", "Share", "Where it is least", "Promoted, mean", "Beaten, mean"]
_WEEKS = ["Week from", "Log-loss", "AUC", "Calibration", "Cost", "Model"]


def sentence(found: Backtest) -> str:
    """Return the recommendation in a sentence."""
    chosen = _chosen(found)
    verdict = "meets all criteria" if found.recommendation.meets_all else "is what is left, as no policy meets all criteria"
    return (
        f"{_capital(chosen.name)} {verdict}: log-loss {chosen.log_loss}, {text.signed(chosen.over_never)} saved over never with "
        f"{text.count(chosen.promotions, 'promotion')}, over {found.window}."
    )


def backtest(found: Backtest) -> str:
    """Return the section: the recommendation with its reasons, all policies, plots, and the weeks of the recommended one."""
    chosen = _chosen(found)
    shown = list(dict.fromkeys([found.shortest, "oracle", "ours", chosen.name]))
    costs = [_cost(policy) for policy in found.policies]
    return fragment(
        lead("PASS" if found.recommendation.meets_all else "WARN", sentence(found)),
        bullets(found.recommendation.reasons),
        heading("Policies"),
        paragraph(_METHOD),
        table(_HEADERS, [_row(policy) for policy in found.policies]),
        paragraph(text.INTERVALS),
        heading("The same in other phases"),
        paragraph(_PHASES),
        table(_PHASE_HEADERS, [_phases(policy) for policy in found.policies if policy.phases is not None]),
        figure(backtest_plots.gains(found), "Saved over never by promotions; dashed, what is asked for: up and to the left is better"),
        figure(backtest_plots.weeks(found, shown), "Saved over never, week by week"),
        heading("What they are worth and what they cost"),
        table(_COST_HEADERS, costs),
        heading(f"When {chosen.name} promotes"),
        bullets([f"{p.first_day}: the model of start {p.start} ({p.reason})" for p in chosen.promoted]),
        *(folded(f"{_capital(policy.name)}, week by week", _weeks(policy)) for policy in found.policies if policy.name in shown),
        facts(
            [
                ("Days", str(found.window)),
                ("Rows with a label", text.count(found.rows)),
                ("Starts", f"{found.starts}, {found.rules.start_every_days} days apart"),
                ("Learner", found.learner),
                ("Random schedules", text.count(found.rules.random_schedules)),
                *((f"Seconds to {part}", f"{seconds:.1f}") for part, seconds in found.seconds.items()),
            ]
        ),
    )


def closing(found: Backtest) -> Group:
    """Return what a terminal shows at the end of a backtest."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in ("policy", "log-loss", "saved", "share", "promoted", "trained", "beaten"):
        shown.add_column(header, justify="left" if header == "policy" else "right")
    for p in found.policies:
        cells = (text.decimals(p.log_loss.value), f"{p.over_never.value:+.4f}", _share(p.gain_share), str(p.promotions), str(p.retrains))
        style = "bold" if p.name == found.recommendation.policy else ""
        shown.add_row(p.name, *cells, _share(p.beaten_by_random), style=style)
    return Group(sentence(found), "", shown, "", *found.recommendation.reasons)


def _chosen(found: Backtest) -> PolicyResult:
    return next(policy for policy in found.policies if policy.name == found.recommendation.policy)


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def _row(p: PolicyResult) -> tuple[object, ...]:
    halves = ", ".join(_share(half) for half in p.gain_share_by_half)
    log_loss, over_never = text.decimals(p.log_loss.value), text.signed(p.over_never)
    share, beaten = _share(p.gain_share), None if p.beaten_by_random is None else text.share(p.beaten_by_random)
    return (
        p.name,
        log_loss,
        over_never,
        share,
        halves,
        p.promotions,
        p.retrains,
        beaten,
        f"{p.regret:.4f}, {max(p.regret_of_as_many, 0):.4f}",
    )


def _phases(p: PolicyResult) -> tuple[object, ...]:
    found = p.phases
    if found is None:
        return (p.name,)
    beaten = None if found.beaten_by_random is None else text.share(found.beaten_by_random)
    return p.name, _share(found.gain_share), _share(found.least_gain_share), f"{found.promotions:.1f}", beaten


def _cost(p: PolicyResult) -> tuple[object, ...]:
    auc, error, cost = text.decimals(p.auc), text.decimals(p.calibration_error), text.decimals(p.cost)
    return p.name, text.signed(p.over_shortest), auc, error, cost, text.duration(p.train_seconds), f"{p.train_cost:.3f}"


def _weeks(policy: PolicyResult) -> str:
    rows = [
        (
            w.first_day,
            text.decimals(w.log_loss),
            None if w.auc is None else text.decimals(w.auc),
            text.decimals(w.calibration_error),
            text.decimals(w.cost),
            f"start {w.serving}",
        )
        for w in policy.weeks
    ]
    return table(_WEEKS, rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"

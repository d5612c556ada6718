"""Backtest: what each policy of retraining would have brought."""

from __future__ import annotations

from tasks.artifacts.backtest import Backtest, BacktestRules, Start
from tasks.artifacts.monitoring import Drift, DriftRules, MonitoringRules
from tasks.artifacts.usage import Prices
from tasks.execution import LIGHT, publish, stage
from tasks.frames import LazyFrame, StartScores
from tasks.usecase import policy
from tasks.usecase.features import Features

BACKTEST = policy.BACKTEST
MONITORING = policy.MONITORING


@stage(hours=3)
def drift_series(features: LazyFrame[Features], starts: list[Start], rules: DriftRules) -> list[Drift]:
    """Test the features of every night from the first start on for drift, as the nightly monitor does.

    Predictions and labels are left out: they depend on the model in place, which each policy chooses.

    Args:
        features: Rows with their label, where known.
        starts: The first one's day is the first night.
        rules: When days are called other than those before.
    """
    from tasks.backtest import drifts
    from tasks.contracts import grouped, inputs

    return drifts.series(features, grouped(Features, inputs(Features)), starts[0].day, rules)


@stage(cached=False, resources=LIGHT)
def price_list() -> Prices:
    """Return what this cluster, or this machine, is priced with: not cached, as a domain may change it without a change of code."""
    from tasks import accounts

    return accounts.prices()


@stage()
def replay_policies(
    features: LazyFrame[Features],
    starts: list[Start],
    scores: list[LazyFrame[StartScores]],
    drift: list[Drift],
    monitoring: MonitoringRules,
    rules: BacktestRules,
    prices: Prices,
) -> Backtest:
    """Replay all policies over the days after the first start, and recommend one.

    Args:
        features: Rows with their label, where known.
        starts: The days on which a model may be trained.
        scores: Of each start's model, on every day from its evaluation on.
        drift: What every night's test of drift found.
        monitoring: The rules that every night is decided by.
        rules: Which policies, and when one is recommended.
        prices: What a training costs.
    """
    import time

    from tasks.artifacts.usage import Request
    from tasks.backtest import compare, history
    from tasks.contracts import inputs
    from tasks.execution import CPU
    from tasks.reporting import backtest as section
    from tasks.usage import quantity

    began = time.perf_counter()
    past = history.gather(features, scores, starts, policy.COSTS, rules)
    gathered = time.perf_counter()
    asked = Request(cpu=quantity(CPU.cpu), mem_mb=quantity(CPU.mem) / 2**20)
    contenders = compare.contenders(features, inputs(Features), past, {found.last_day: found for found in drift}, monitoring, rules)
    found = compare.compare(past, contenders, rules, prices.of(asked, 3600, None))
    seconds = {"gather": gathered - began, "replay": time.perf_counter() - gathered}
    found = found.model_copy(update={"seconds": seconds})
    publish("backtest", section.backtest(found))
    return found


@stage(cached=False, resources=LIGHT)
def conclude_backtest(found: Backtest) -> Backtest:
    """Print what a backtest found, and keep it as a page and a record.

    Args:
        found: Policies with what they brought.
    """
    from rich.console import Console

    from tasks import local
    from tasks.reporting import backtest as section
    from tasks.reporting.page import page

    if not local.is_pod():  # whose disk goes with it; there, the Deck has it
        folder = local.home() / "backtest"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "backtest.json").write_text(found.model_dump_json(indent=1) + "\n")
        (folder / "index.html").write_text(page("Backtest of retraining", section.backtest(found)))
        console = Console()
        console.print(section.closing(found))
        console.print(f"  {folder / 'index.html'}", markup=False, highlight=False, soft_wrap=True)
    return found

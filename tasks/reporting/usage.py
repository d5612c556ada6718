"""What tasks used, what that costs and what they should ask for: in a task's Deck and in a run's report.

A Deck has no table here: a pod that needs no pandas does not load it for this.
"""

from __future__ import annotations

from tasks.artifacts.registry import RunSummary
from tasks.artifacts.usage import Prices, Request, ResourceAdvice, TaskUsage, short_name
from tasks.reporting import page, text

_FROM_RUNS = (
    "What a task should ask for follows from the largest use of its newest runs; the rule and the presets stand in tasks/execution.py. "
    "Where tasks share a process, as on a laptop, a peak holds what those before it left in memory."
)


def task(used: TaskUsage, advice: ResourceAdvice, prices: Prices) -> str:
    """Show what one run of a task used and asked for, what it cost, and what it should ask for."""
    return page.fragment(
        page.lead("", f"It should ask for {settings(advice.suggested)}: {advice.reason}."),
        page.facts(
            [
                ("Asked for", settings(used.asked)),
                ("Time", text.duration(used.seconds)),
                ("CPU time", text.duration(used.cpu_seconds)),
                ("Peak memory", text.memory(used.peak_host_mb)),
                ("Device", used.device),
                ("Device time", text.duration(used.device_seconds)),
                ("Peak device memory", page.NOTHING if used.peak_device_mb is None else text.memory(used.peak_device_mb)),
                ("Energy", energy(used.energy_joules)),
                ("Cost", f"{money(used.cost)} {prices.currency}"),
            ]
        ),
        page.paragraph(_billed(prices)),
        page.paragraph(_FROM_RUNS),
    )


def run(summary: RunSummary) -> str:
    """Show what each task of a run used and cost, and what it should ask for."""
    used = [
        (
            short_name(u.task),
            text.duration(u.seconds),
            text.duration(u.cpu_seconds),
            text.memory(u.peak_host_mb),
            u.device,
            text.duration(u.device_seconds),
            None if u.peak_device_mb is None else text.memory(u.peak_device_mb),
            energy(u.energy_joules),
            money(u.cost),
        )
        for u in summary.tasks
        if not u.cached
    ]
    headers = ["Task", "Time", "CPU time", "Peak memory", "Device", "Device time", "Peak device memory", "Energy"]
    advice = [(short_name(a.task), settings(a.asked), settings(a.suggested), a.reason) for a in summary.advice]
    return page.fragment(
        page.lead("", sentence(summary)),
        page.heading("Used"),
        page.table([*headers, f"Cost, {currency(summary)}"], used),
        *([page.paragraph(_billed(summary.prices))] if summary.prices else []),
        page.heading("Suggested"),
        page.paragraph(_FROM_RUNS),
        page.table(["Task", "Asks for", "Should ask for", "Used"], advice),
    )


def sentence(summary: RunSummary) -> str:
    """Return in one sentence what a run used and cost, and what it would have cost at the suggested sizes."""
    used = f"{text.duration(summary.cpu_seconds)} of CPU and {text.duration(summary.device_seconds)} of devices"
    costs = f"{money(summary.cost)} {currency(summary)}".strip()
    return f"{used}, {costs} by the price list; {money(summary.cost_as_suggested)} at the suggested sizes."


def settings(request: Request) -> str:
    """Return a request as a preset of `tasks/execution.py` has it."""
    gpu = f', gpu="{request.gpu}"' if request.gpu else ""
    return f'Resources(cpu="{request.cpu:g}", mem="{request.mem_mb / 1024:g}Gi"{gpu})'


def money(amount: float) -> str:
    """Return an amount with as many decimals as a small one needs."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.5f}"


def energy(joules: float | None) -> str:
    """Return an energy in kJ, or that no counter told it."""
    return "not told" if joules is None else f"{joules / 1e3:,.2f} kJ"


def currency(summary: RunSummary) -> str:
    """Return the currency of a run's costs."""
    return summary.prices.currency if summary.prices else ""


def _billed(prices: Prices) -> str:
    return (
        f"The cost is what a cluster bills for what was asked for, over the time that it took: {prices.cpu_core_hour:g} {prices.currency} "
        f"an hour for a core, {prices.memory_gib_hour:g} for a GiB of memory, {prices.gpu_hour:g} for a GPU; "
        f"{prices.energy_kwh:g} for a kWh. Prices stand in tasks/usecase/policy.py, or for a cluster in launchplans/domains.py."
    )

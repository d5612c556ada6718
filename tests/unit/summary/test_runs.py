"""What a run used: summed by stage, and compared with what its tasks should ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.artifacts.usage import Prices, Request, SizingRules, TaskUsage
from tasks.summary import runs

pytestmark = pytest.mark.unit

RULES = SizingRules(runs=5, shortest_seconds=1.0, memory_margin=0.0, cpu_step=0.5, memory_step_mb=512)


def used(task: str, day: int, peak: float = 100.0, **more: float | bool | None) -> TaskUsage:
    started, asked = datetime(2026, 1, day, tzinfo=UTC), Request(cpu=2, mem_mb=8192)
    fields = {"seconds": 2.0, "cpu_seconds": 3.0, "cores": 8, "cost": 0.5} | more
    return TaskUsage(run=f"{day}", task=f"tasks.{task}", started=started, asked=asked, peak_host_mb=peak, **fields)


def test_stages_add_up_their_tasks() -> None:
    traces = [
        used("b.task.one", 1, energy_joules=5.0, device_seconds=2.0),
        used("a.task.one", 1),
        used("b.task.two", 1, peak=300.0, energy_joules=None),
        used("b.task.three", 1, seconds=0.0, cpu_seconds=0.0, cost=0.0, cached=True),
    ]
    first, second = runs.stage_costs(traces)
    assert (first.stage, first.tasks, first.cached, first.seconds, first.cpu_seconds) == ("b", 3, 1, 4.0, 6.0)
    assert (first.peak_memory_mb, first.device_seconds, first.energy_joules, first.cost) == (300.0, 2.0, 5.0, 1.0)
    assert (second.stage, second.energy_joules) == ("a", None)


def test_each_task_is_advised_from_its_own_history() -> None:
    now = [used("a.task.one", 9), used("a.task.two", 9, cached=True), used("a.task.three", 9, cached=True)]
    history = [used("a.task.one", 1, peak=700.0), now[0], used("a.task.two", 2, peak=1500.0), used("b.task.other", 2)]
    found = {advice.task: advice for advice in runs.advice(now, history, RULES)}
    assert list(found) == ["tasks.a.task.one", "tasks.a.task.two"], "one that the cache gave has its history; one without any has none"
    assert (found["tasks.a.task.one"].runs, found["tasks.a.task.one"].suggested.mem_mb) == (2, 1024.0)
    assert (found["tasks.a.task.two"].runs, found["tasks.a.task.two"].suggested.mem_mb) == (1, 1536.0)


def test_a_run_at_the_suggested_sizes_costs_its_time() -> None:
    prices = Prices(currency="EUR", cpu_core_hour=3600.0, memory_gib_hour=0.0, gpu_hour=0.0, energy_kwh=0.0)
    now = [used("a.task.one", 9), used("a.task.two", 9, cached=True, seconds=0.0)]
    advice = runs.advice(now, [], RULES)  # 1.5 cores
    assert runs.cost_as_suggested(now, advice, prices) == pytest.approx(2.0 * 1.5)

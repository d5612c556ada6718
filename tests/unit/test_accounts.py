"""An account is kept and shown; one that cannot be kept costs a warning and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import accounts, local
from tasks.artifacts.usage import SizingRules, TaskUsage
from tasks.lake import usage
from tasks.usecase import policy
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit

RULES = SizingRules(runs=3, shortest_seconds=1.0, memory_margin=0.3, cpu_step=0.5, memory_step_mb=512)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings; and the trace as it was, afterwards."""
    lines: list[str] = []
    monkeypatch.setattr(accounts.log, "warning", lambda text, *values: lines.append(text % values))
    monkeypatch.setattr(local.TRACE, "tasks", [])
    return lines


def ran(day: int, peak: float = 1000.0) -> TaskUsage:
    used = factory.usage("toy")
    return used.model_copy(update={"started": used.started.replace(day=day), "peak_host_mb": peak})


def test_what_was_used_is_priced_kept_traced_and_shown(tmp_path: Path, told: list[str]) -> None:
    html = accounts.settle(ran(1), str(tmp_path), RULES)
    (kept,) = usage.of_run(str(tmp_path), ran(1).run)
    assert kept.cost == pytest.approx(policy.PRICES.of(kept.asked, kept.seconds, None)) != ran(1).cost
    assert local.TRACE.tasks == [kept]
    assert "1,000 MB" in html
    assert "in 1 run," in html
    assert told == []


def test_the_runs_before_it_count(tmp_path: Path) -> None:
    for day, peak in ((1, 9000.0), (2, 2000.0), (3, 1000.0)):
        accounts.settle(ran(day, peak), str(tmp_path), RULES)
    html = accounts.settle(ran(4, 1000.0), str(tmp_path), RULES)
    assert "2,000 MB in 3 runs, and 30% more; 1.4 cores busy" in html


def test_a_lake_that_takes_nothing_is_told(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "lake").write_text("a file")
    assert "in 1 run," in accounts.settle(ran(1), str(tmp_path / "lake"), RULES)
    assert len(local.TRACE.tasks) == 1
    (line,) = told
    assert "could not be kept" in line


def test_a_damaged_history_is_told(tmp_path: Path, told: list[str]) -> None:
    accounts.settle(ran(1), str(tmp_path), RULES)
    for file in (tmp_path / "usage").glob("*.parquet"):
        file.unlink()
    used, history = accounts.of_run(str(tmp_path), RULES)
    assert (used, history) == (local.TRACE.tasks, [])
    assert "could not be read" in told[0]


def test_a_run_on_a_laptop_is_what_this_process_did(tmp_path: Path) -> None:
    usage.add(str(tmp_path), ran(1).model_copy(update={"run": "another"}))
    accounts.settle(ran(2), str(tmp_path), RULES)
    used, history = accounts.of_run(str(tmp_path), RULES)
    assert [u.started.day for u in used] == [2]
    assert [u.started.day for u in history] == [1, 2]


def test_a_run_in_pods_is_what_they_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "is_pod", lambda: True)
    monkeypatch.setattr(local, "run", lambda: "execution")
    for day, run in ((1, "another"), (2, "execution"), (3, "execution")):
        usage.add(str(tmp_path), ran(day).model_copy(update={"run": run}))
    used, history = accounts.of_run(str(tmp_path), RULES)
    assert [u.started.day for u in used] == [2, 3]
    assert [u.started.day for u in history] == [1, 2, 3]


def test_a_domain_has_prices_of_its_own(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    assert accounts.prices() == policy.PRICES
    own = policy.PRICES.model_copy(update={"currency": "EUR", "cpu_core_hour": 9.0})
    monkeypatch.setenv("EVERGREEN_PRICES", own.model_dump_json())
    assert accounts.prices() == own
    assert told == []


@pytest.mark.parametrize("given", ["nothing of the kind", '{"currency": "EUR"}', '{"currency": "EUR", "cpu_core_hour": -1}'])
def test_prices_that_cannot_be_read_are_told_and_the_policys_count(monkeypatch: pytest.MonkeyPatch, told: list[str], given: str) -> None:
    monkeypatch.setenv("EVERGREEN_PRICES", given)
    assert accounts.prices() == policy.PRICES
    (line,) = told
    assert line.startswith("EVERGREEN_PRICES must be a price list as JSON; got ")

from __future__ import annotations

import pytest

from tasks.artifacts.usage import Request
from tasks.reporting import page, usage
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit


def shown(html: str) -> str:
    return require_sound(page.page("Resources", html)).text


def test_a_task_shows_what_it_used_asked_for_and_should_ask_for() -> None:
    found = shown(usage.task(factory.usage("train", gpu=True), factory.advice("train", gpu=True), factory.PRICES))
    facts = [
        'should ask for Resources(cpu="4", mem="16Gi", gpu="1"): a peak of 1,234 MB in 7 runs.',
        'Asked for Resources(cpu="4", mem="16Gi", gpu="1")',
        "Time 31.4 s",
        "CPU time 44.8 s",
        "Peak memory 1,234 MB",
        "Device NVIDIA L4",
        "Device time 31.4 s",
        "Peak device memory 812 MB",
        "Energy 41.25 kJ",
        "Cost 0.00123 EUR",
        "0.05 EUR an hour for a core, 0.006 for a GiB of memory, 0.9 for a GPU; 0 for a kWh",
    ]
    assert [fact for fact in facts if fact not in found] == []


def test_what_no_counter_told_is_not_zero() -> None:
    found = shown(usage.task(factory.usage("ingest"), factory.advice("ingest"), factory.PRICES))
    assert "Energy not told" in found
    assert "Peak device memory -" in found
    assert "Device cpu" in found


def test_a_run_shows_each_task_that_ran_and_what_it_should_ask_for() -> None:
    found = shown(usage.run(factory.summary()))
    facts = [
        usage.sentence(factory.summary()),
        "toy.ingest 31.4 s 44.8 s 1,234 MB cpu 0.00 s - not told 0.00123",
        "toy.train_network 31.4 s 44.8 s 1,234 MB NVIDIA L4 31.4 s 812 MB 41.25 kJ 0.00123",
        'toy.ingest Resources(cpu="2", mem="8Gi") Resources(cpu="2", mem="2Gi") a peak of 1,234 MB',
    ]
    assert [fact for fact in facts if fact not in found] == []
    assert "toy.score" not in found, "what the cache gave used nothing"


def test_a_run_in_a_sentence() -> None:
    expected = "6 min 8 s of CPU and 2 min 34 s of devices, 0.01150 EUR by the price list; 0.00450 at the suggested sizes."
    assert usage.sentence(factory.summary()) == expected


def test_a_summary_from_before_there_were_prices_is_shown() -> None:
    old = factory.summary().model_copy(update={"prices": None, "tasks": [], "advice": []})
    assert "0.01150 by the price list" in shown(usage.run(old))


def test_hostile_texts_stay_text() -> None:
    used = factory.usage("ingest").model_copy(update={"device": HOSTILE})
    assert "alert(" in shown(usage.task(used, factory.advice("ingest").model_copy(update={"reason": HOSTILE}), factory.PRICES))


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request(cpu=0.5, mem_mb=512), 'Resources(cpu="0.5", mem="0.5Gi")'),
        (Request(cpu=4, mem_mb=17408, gpu=2), 'Resources(cpu="4", mem="17Gi", gpu="2")'),
    ],
)
def test_a_suggestion_can_be_pasted(request_: Request, text: str) -> None:
    assert usage.settings(request_) == text


@pytest.mark.parametrize(("amount", "text"), [(0.0, "0.00000"), (0.00123, "0.00123"), (1234.5, "1,234.50")])
def test_small_amounts_keep_their_digits(amount: float, text: str) -> None:
    assert usage.money(amount) == text

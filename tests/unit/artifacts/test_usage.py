"""The price of what a pod asks for."""

from __future__ import annotations

import pytest

from tasks.artifacts.usage import Prices, Request

pytestmark = pytest.mark.unit

PRICES = Prices(currency="EUR", cpu_core_hour=0.04, memory_gib_hour=0.005, gpu_hour=0.7, energy_kwh=0.3)


@pytest.mark.parametrize(
    ("asked", "seconds", "joules", "cost"),
    [
        (Request(cpu=2, mem_mb=8192), 3600, None, 2 * 0.04 + 8 * 0.005),
        (Request(cpu=2, mem_mb=8192), 36, None, (2 * 0.04 + 8 * 0.005) / 100),
        (Request(cpu=4, mem_mb=1024, gpu=2), 3600, None, 4 * 0.04 + 0.005 + 1.4),
        (Request(cpu=0, mem_mb=0), 3600, 3.6e6, 0.3),  # a kilowatt-hour
    ],
)
def test_the_bill_is_of_what_was_asked_for(asked: Request, seconds: float, joules: float | None, cost: float) -> None:
    assert PRICES.of(asked, seconds, joules) == pytest.approx(cost)

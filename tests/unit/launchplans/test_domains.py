"""Domains: what pods find in their environment, what a cluster needs, and that no secret stands in the code."""

from __future__ import annotations

import json

import pytest

from launchplans.domains import DEVELOPMENT, DOMAINS, PRODUCTION, STAGING, Domain
from tasks.artifacts.usage import Prices
from tasks.cluster import Pods
from tasks.errors import ConfigError

pytestmark = pytest.mark.unit

PRICES = Prices(currency="EUR", cpu_core_hour=0.02, memory_gib_hour=0.002, gpu_hour=1.5, energy_kwh=0.3)


def test_what_a_domain_says_is_what_its_pods_find() -> None:
    domain = Domain("x", storage="s3://bucket/place", tracking="http://mlflow", prices=PRICES, environment={"AWS_REGION": "eu-west-1"})
    found = domain.variables()
    assert json.loads(found.pop("EVERGREEN_PRICES")) == PRICES.model_dump()
    assert found == {
        "EVERGREEN_LAKE": "s3://bucket/place/lake",
        "EVERGREEN_ARTIFACTS": "s3://bucket/place/mlflow",
        "MLFLOW_TRACKING_URI": "http://mlflow",
        "AWS_REGION": "eu-west-1",
    }
    assert Domain("y").variables() == {}


@pytest.mark.parametrize(
    "domain",
    [
        lambda: Domain("x", environment={"MLFLOW_TRACKING_PASSWORD": "hunter2"}),
        lambda: Domain("x", environment={"AWS_SECRET_ACCESS_KEY": "abc"}),
        lambda: Domain("x", environment={"DATABASE": "postgresql://me:hunter2@db/x"}),
        lambda: Domain("x", tracking="https://me:hunter2@mlflow"),
        lambda: Domain("x", source="postgresql://me:hunter2@db/flights"),
    ],
)
def test_a_secret_in_the_code_is_refused_and_not_repeated(domain: object) -> None:
    with pytest.raises(ConfigError, match=r"must be one of `pods\.secrets`") as caught:
        domain()  # type: ignore[operator]
    assert "hunter2" not in str(caught.value) and "abc" not in str(caught.value)


def test_a_password_by_the_name_of_its_variable_is_none() -> None:
    assert Domain("x", source="postgresql+psycopg://reader:${LOANS_PASSWORD}@db/loans").source.startswith("postgresql")


def test_what_a_cluster_needs_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"no storage; no tracking; no pods\.registry"):
        Domain("x").require_complete()
    with pytest.raises(ConfigError, match=r"no tracking; the example's storage s3://example-evergreen-staging"):
        Domain("x", storage=STAGING.storage, pods=Pods(registry="r")).require_complete()
    Domain("x", storage="s3://a", tracking="http://b", pods=Pods(registry="c")).require_complete()


def test_what_ships_is_the_sandbox_and_two_examples() -> None:
    DEVELOPMENT.require_complete()
    for domain in (STAGING, PRODUCTION):
        with pytest.raises(ConfigError, match="the example's storage"):
            domain.require_complete()
    assert list(DOMAINS) == ["development", "staging", "production"]
    assert len({domain.storage for domain in DOMAINS.values()}) == 3, "no domain writes another's lake"

"""How the service did, from its metrics as Prometheus would read them. Nothing is asked of Prometheus itself.

The metrics count since the service began, so that a night sees the sum. What they are called stands in `tasks/serving/metrics.py`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tasks.artifacts.monitoring import ServiceLevel
from tasks.errors import ServingError

log = logging.getLogger(__name__)

ROUTES = ("predict", "explain", "feedback")
"""What clients ask for; probes and scrapes come by the clock and never fail, so that a share of them would tell nothing."""

_ANSWER = "predict"
_MOST_BYTES = 5_000_000  # the service's own are some ten thousand


def scrape(url: str, seconds: float) -> str | None:
    """Return the text of a service's metrics, or None, with a warning, where they are out of reach.

    Args:
        url: Such as http://localhost:3000/metrics.
        seconds: How long to wait for an answer.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        log.warning("the address of the metrics must begin with http:// or https://; got %r", url[:80])
        return None
    try:
        with urlopen(Request(url, headers={"Accept": "text/plain"}), timeout=seconds) as answer:
            body: bytes = answer.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        return body.decode()
    except (URLError, HTTPException, OSError, ValueError) as error:
        log.warning("the metrics at %s are out of reach: %s", url, str(error)[:200] or type(error).__name__)
        return None


def read(text: str) -> ServiceLevel:
    """Return what the metrics tell.

    Args:
        text: In Prometheus' text format.

    Raises:
        ServingError: If it is not of this format, or lacks the service's requests.
    """
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (ValueError, KeyError, IndexError) as error:
        raise _unread(str(error)[:200]) from error
    if text and not any(sample.name.startswith("evergreen_") for sample in samples):
        raise _unread("metrics of something else")
    asked = [s for s in samples if s.name == "evergreen_requests_total" and s.labels.get("route") in ROUTES]
    predictions = _sum(samples, "evergreen_predictions_total")
    p50, p99 = _quantiles(samples, (0.5, 0.99))
    return ServiceLevel(
        requests=int(sum(s.value for s in asked)),
        errors=int(sum(s.value for s in asked if s.labels.get("status", "").startswith("5"))),
        p50_ms=p50,
        p99_ms=p99,
        predictions=int(predictions),
        cpu_seconds_per_1000=1_000 * _sum(samples, "evergreen_cpu_seconds_total") / predictions if predictions else None,
    )


def _unread(found: str) -> ServingError:
    expected, mend = "the metrics must be the service's, in Prometheus' text format", "give the address of the service's /metrics"
    return ServingError(expected, found, mend)


def _sum(samples: Sequence[Sample], name: str) -> float:
    return float(sum(sample.value for sample in samples if sample.name == name))


def _quantiles(samples: Sequence[Sample], shares: Sequence[float]) -> list[float | None]:
    """Return quantiles of the time of an answer, in ms, from the buckets as Prometheus' `histogram_quantile` does.

    Within a bucket times count as equally spread; beyond the last bound, that bound is given: the least that it can be.
    """
    buckets = [s for s in samples if s.name == "evergreen_request_seconds_bucket" and s.labels.get("route") == _ANSWER]
    counted = sorted((float(s.labels["le"]), s.value) for s in buckets)
    total = counted[-1][1] if counted else 0
    if not total:
        return [None] * len(shares)
    return [1_000 * _at(counted, share * total) for share in shares]


def _at(counted: Sequence[tuple[float, float]], rank: float) -> float:
    bound, number = 0.0, 0.0
    for upper, upto in counted:
        if upto >= rank:
            return bound if math.isinf(upper) else bound + (upper - bound) * (rank - number) / max(upto - number, 1)
        bound, number = upper, upto
    return bound

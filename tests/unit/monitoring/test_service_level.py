"""The service level: read from what the service itself renders, by the names that it has, and out of reach without an error."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import pytest

from tasks.artifacts.monitoring import ServiceLevel
from tasks.errors import ServingError
from tasks.monitoring import service_level
from tasks.serving.metrics import COUNTERS, HISTOGRAMS, ROUTES, Metrics

pytestmark = pytest.mark.unit


def rendered(*seconds: float, failed: int = 0) -> str:
    metrics = Metrics()
    for value in seconds:
        metrics.request("predict", 200, value)
        metrics.predicted("champion", [0.25, 0.5], [False, True], value / 2)
    for _ in range(failed):
        metrics.request("feedback", 503, 0.001)
    metrics.request("live", 500, 0.001)
    metrics.request("predict", 400, 0.001)
    metrics.cpu(3.0)
    return metrics.render().decode()


def test_the_names_are_those_of_the_service() -> None:
    named = set(COUNTERS) | set(HISTOGRAMS)
    assert {"evergreen_requests_total", "evergreen_predictions_total", "evergreen_cpu_seconds_total", "evergreen_request_seconds"} <= named
    assert set(service_level.ROUTES) <= set(ROUTES)


def test_it_reads_what_the_service_renders() -> None:
    found = service_level.read(rendered(*[0.015] * 299, failed=3))
    assert (found.requests, found.errors, found.predictions) == (303, 3, 598), "a client's fault is no error, a probe no request"
    assert found.cpu_seconds_per_1000 == pytest.approx(3_000 / 598)
    assert found.p50_ms is not None
    assert 10 < found.p50_ms < 20


def test_a_service_that_nobody_asked_has_no_times() -> None:
    found = service_level.read(Metrics().render().decode())
    assert found == ServiceLevel(requests=0, errors=0, p50_ms=None, p99_ms=None, predictions=0, cpu_seconds_per_1000=None)


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_lie_in_their_bucket(seed: int) -> None:
    seconds = np.random.default_rng(seed).gamma(2.0, 0.01, 2_000)
    metrics = Metrics()
    for value in seconds.tolist():
        metrics.request("predict", 200, value)
    found = service_level.read(metrics.render().decode())
    bounds = np.array([0, *HISTOGRAMS["evergreen_request_seconds"][2]])
    for told, share in ((found.p50_ms, 0.5), (found.p99_ms, 0.99)):
        assert told is not None
        right = np.quantile(seconds, share)
        upper = bounds[np.searchsorted(bounds, right)]
        lower = bounds[np.searchsorted(bounds, right) - 1]
        assert lower <= told / 1_000 <= upper


def test_what_is_beyond_the_last_bucket_is_at_least_its_bound() -> None:
    found = service_level.read(rendered(*[60.0] * 99))
    assert found.p99_ms == 1_000 * HISTOGRAMS["evergreen_request_seconds"][2][-1]


@pytest.mark.parametrize(
    "text",
    [
        "<html>not found</html>",  # a page of something else
        "go_threads 7\n",  # another program's metrics
        'evergreen_requests_total{route="predict" 1',  # cut off
    ],
)
def test_what_is_no_scrape_of_the_service_is_told(text: str) -> None:
    with pytest.raises(ServingError, match="must be the service's"):
        service_level.read(text)


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        thread.join(10)


def test_it_is_read_over_http() -> None:
    with serving(200, rendered(0.01).encode()) as url:
        text = service_level.scrape(url, 5)
    assert text is not None
    assert service_level.read(text).predictions == 2


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, b"", "503"),  # it is starting
        (200, b"\xff\xfe", "decode"),  # no text
        (200, b"#" * 5_000_001, "more than 5,000,000 bytes"),  # something else
    ],
)
def test_what_cannot_be_read_is_a_warning(status: int, body: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(status, body) as url:
        assert service_level.scrape(url, 5) is None
    assert words in caplog.text


def test_a_service_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert service_level.scrape(f"http://127.0.0.1:{taken.getsockname()[1]}/metrics", 2) is None
    assert "out of reach" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("url", ["", "file:///etc/hostname", "localhost:3000/metrics"])
def test_only_the_web_is_asked(url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert service_level.scrape(url, 1) is None
    assert "must begin with http" in caplog.text


def test_a_service_that_does_not_answer_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert service_level.scrape(f"http://127.0.0.1:{silent.getsockname()[1]}/metrics", 0.2) is None
    assert "timed out" in caplog.text

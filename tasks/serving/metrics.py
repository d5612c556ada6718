"""What the service counts, for Prometheus: requests, predictions, warnings, and what it did with its models.

Labels are bounded whatever a client sends: routes, methods and statuses are closed sets, and any other word that would be a label
must look like one of our own and be among the first few. Works in one process, and in the multiprocess mode of prometheus_client
(`PROMETHEUS_MULTIPROC_DIR`, set before that is imported), where any worker renders the sum over all. There, a process makes one
`Metrics`: two would count into the same file.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

ROUTES = ("predict", "explain", "feedback", "live", "ready", "metrics", "openapi", "docs", "routing", "other")
ARMS = ("champion", "canary", "other")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "evergreen_"
_OTHER = "other"
_WORD = re.compile(r"[a-z][a-z _-]{0,39}", re.ASCII)  # no digits, so that no number of a request becomes a label
_MOST_WORDS = 30  # of one label: more than the service has
_REQUEST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_MODEL_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
_TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "evergreen_requests_total": ("Requests that were answered", ("route", "status")),
    "evergreen_predictions_total": ("Predictions that were given", ("arm", "flagged")),
    "evergreen_warnings_total": ("Warnings that predictions were given with", ("kind",)),
    "evergreen_refused_total": ("Requests that were refused", ("reason",)),
    "evergreen_routing_refused_total": ("Revisions of the pointer that a worker refused", ()),
    "evergreen_rollbacks_total": ("Canaries and shadows that were sent back", ("cause",)),
    "evergreen_shadow_rows_total": ("Rows that were scored in the shadow", ()),
    "evergreen_shadow_dropped_total": ("Rows that the shadow had no time for", ()),
    "evergreen_log_bytes_total": ("Bytes written to the prediction log", ()),
    "evergreen_outcomes_total": ("Outcomes that clients gave", ()),
    "evergreen_explained_rows_total": ("Rows that were explained", ()),
    "evergreen_cpu_seconds_total": ("Processor time of the workers", ()),
}
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "evergreen_request_seconds": ("From a request's arrival to its answer", ("route",), _REQUEST_SECONDS),
    "evergreen_model_seconds": ("Of the model itself, a request", ("arm",), _MODEL_SECONDS),
    "evergreen_probability": ("Probabilities that were given", ("arm",), _TENTHS),
}
GAUGES: dict[str, str] = {
    "evergreen_routing_revision": "Revision of the pointer that is served, of the worker that is furthest behind",
    "evergreen_state_as_of_seconds": "Instant of the online state, in seconds since 1970, of the worker that is furthest behind",
}

Numbers = npt.NDArray[np.floating[Any]] | list[float]


class _Child:
    """Of a histogram: counts many values at once, and one in half the time of `Histogram.observe`."""

    def __init__(self, histogram: Histogram, bounds: tuple[float, ...]) -> None:
        self._sum, self._buckets = histogram._sum, histogram._buckets  # private; a test holds this to `observe`
        self._bounds, self._array = bounds, np.asarray(bounds)

    def one(self, number: float) -> None:
        self._sum.inc(number)
        self._buckets[bisect_left(self._bounds, number)].inc(1)

    def add(self, numbers: Numbers) -> None:
        if len(numbers) == 1:
            self.one(float(numbers[0]))
            return
        given = np.asarray(numbers, np.float64)
        counts = np.bincount(self._array.searchsorted(given), minlength=len(self._buckets))
        self._sum.inc(float(given.sum()))
        for bucket, count in zip(self._buckets, counts.tolist(), strict=True):
            if count:
                bucket.inc(count)


class _Own(Collector):
    """The service's metrics alone: others write into the same folder, with labels that have no bound."""

    def __init__(self, source: Collector | CollectorRegistry) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        for metric in self._source.collect():
            if metric.name.startswith(_PREFIX):
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
                yield metric


class Metrics:
    """Counts. Every method is cheap enough for the path of a request, but `render`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {name: Counter(name, text, labels, registry=self._registry) for name, (text, labels) in COUNTERS.items()}
        self._histograms = {
            name: Histogram(name, text, labels, registry=self._registry, buckets=bounds)
            for name, (text, labels, bounds) in HISTOGRAMS.items()
        }
        self._gauges: dict[str, Gauge] = {}
        self._made: dict[tuple[str, ...], Counter] = {}
        self._children: dict[tuple[str, str], _Child] = {}
        self._words: dict[str, set[str]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request: its route (of `ROUTES`, else "other"), its HTTP status, and how long it took."""
        route = route if route in ROUTES else _OTHER
        self._count("evergreen_requests_total", 1, route, str(status) if 100 <= status <= 599 else _OTHER)
        self._child("evergreen_request_seconds", route).one(seconds)

    def predicted(self, arm: str, probabilities: Numbers, flagged: npt.NDArray[np.bool_] | list[bool], seconds: float) -> None:
        """Count predictions of one request.

        Args:
            arm: "champion" or "canary".
            probabilities: Shape (n,).
            flagged: Whether each is flagged, shape (n,).
            seconds: That the model took for all of them.
        """
        arm = arm if arm in ARMS else _OTHER
        true = int(flagged[0]) if len(flagged) == 1 else int(np.count_nonzero(flagged))
        for value, count in (("true", true), ("false", len(flagged) - true)):
            if count:
                self._count("evergreen_predictions_total", count, arm, value)
        self._child("evergreen_model_seconds", arm).one(seconds)
        if len(probabilities):
            self._child("evergreen_probability", arm).add(probabilities)

    def warned(self, kind: str) -> None:
        """Count a warning by its kind (a word or two, never a value)."""
        self._count("evergreen_warnings_total", 1, self._word("kind", kind))

    def refused(self, reason: str) -> None:
        """Count a request that was refused, by the code of its error."""
        self._count("evergreen_refused_total", 1, self._word("reason", reason))

    def revision(self, n: int) -> None:
        """Tell which revision of the pointer this worker serves."""
        self._set("evergreen_routing_revision", n)

    def refused_revision(self) -> None:
        """Count a revision that this worker refused."""
        self._count("evergreen_routing_refused_total", 1)

    def rolled_back(self, cause: str) -> None:
        """Count a canary or shadow that was sent back, by its cause (a word or two)."""
        self._count("evergreen_rollbacks_total", 1, self._word("cause", cause))

    def shadowed(self, rows: int) -> None:
        """Count rows that were scored in the shadow."""
        self._count("evergreen_shadow_rows_total", rows)

    def dropped(self, rows: int) -> None:
        """Count rows that the shadow had no time for."""
        self._count("evergreen_shadow_dropped_total", rows)

    def state_as_of(self, at: datetime) -> None:
        """Tell the instant of this worker's online state."""
        self._set("evergreen_state_as_of_seconds", at.timestamp())

    def log_bytes(self, n: int) -> None:
        """Count further bytes of the prediction log."""
        self._count("evergreen_log_bytes_total", n)

    def outcome(self, n: int) -> None:
        """Count further outcomes."""
        self._count("evergreen_outcomes_total", n)

    def explained(self, rows: int) -> None:
        """Count rows that were explained."""
        self._count("evergreen_explained_rows_total", rows)

    def cpu(self, seconds: float) -> None:
        """Count further seconds of the processor."""
        self._count("evergreen_cpu_seconds_total", seconds)

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format (`CONTENT_TYPE`); of several workers, the sum."""
        source: Collector | CollectorRegistry = self._registry
        if values.ValueClass._multiprocess:
            folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
            for pid in _gone(folder.glob("gauge_live*.db")):
                mark_process_dead(pid, str(folder))
            source = MultiProcessCollector(None, str(folder))
        rendered = CollectorRegistry()
        rendered.register(_Own(source))
        return generate_latest(rendered)

    def _count(self, name: str, amount: float, *labels: str) -> None:
        key = (name, *labels)
        counter = self._made.get(key)
        if counter is None:
            counter = self._counters[name].labels(*labels) if labels else self._counters[name]
            self._made[key] = counter
        counter.inc(amount)

    def _child(self, name: str, label: str) -> _Child:
        child = self._children.get((name, label))
        if child is None:
            child = self._children[name, label] = _Child(self._histograms[name].labels(label), HISTOGRAMS[name][2])
        return child

    def _set(self, name: str, value: float) -> None:
        if name not in self._gauges:  # not before it has a value: 0 would be one
            self._gauges[name] = Gauge(name, GAUGES[name], registry=self._registry, multiprocess_mode="livemin")
        self._gauges[name].set(value)

    def _word(self, label: str, word: str) -> str:
        known = self._words.setdefault(label, set())
        if word not in known:
            if len(known) >= _MOST_WORDS or not _WORD.fullmatch(word):
                return _OTHER
            known.add(word)
        return word


def _gone(files: Iterable[Path]) -> set[int]:
    """Return the processes that wrote files of gauges and are no more: theirs would count for ever."""
    pids = {int(file.stem.rpartition("_")[2]) for file in files}
    return {pid for pid in pids if not _is_alive(pid)}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

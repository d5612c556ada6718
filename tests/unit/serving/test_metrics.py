"""Metrics: what is counted is rendered, in one process and over several; labels are bounded."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from tasks.serving import metrics
from tasks.serving.metrics import Metrics

pytestmark = pytest.mark.unit

EVERYTHING = """
m.request("predict", 200, 0.003)
m.request("predict", 200, 0.03)
m.predicted("champion", np.array([0.05, 0.1, 0.95], np.float64), np.array([False, False, True]), 0.002)
m.predicted("canary", [0.5], [True], 0.002)
m.warned("unknown category")
m.refused("too_large")
m.refused_revision()
m.rolled_back("errors")
m.shadowed(3)
m.dropped(2)
m.log_bytes(500)
m.outcome(4)
m.explained(1)
m.cpu(0.25)
"""
COUNTED = {
    'requests_total{route="predict",status="200"}': 2,
    'request_seconds_count{route="predict"}': 2,
    'request_seconds_bucket{le="0.005",route="predict"}': 1,
    'predictions_total{arm="champion",flagged="false"}': 2,
    'predictions_total{arm="champion",flagged="true"}': 1,
    'predictions_total{arm="canary",flagged="true"}': 1,
    'model_seconds_count{arm="champion"}': 1,
    'probability_bucket{arm="champion",le="0.1"}': 2,
    'probability_bucket{arm="champion",le="0.9"}': 2,
    'probability_bucket{arm="champion",le="1.0"}': 3,
    'probability_count{arm="canary"}': 1,
    'warnings_total{kind="unknown category"}': 1,
    'refused_total{reason="too_large"}': 1,
    "routing_refused_total{}": 1,
    'rollbacks_total{cause="errors"}': 1,
    "shadow_rows_total{}": 3,
    "shadow_dropped_total{}": 2,
    "log_bytes_total{}": 500,
    "outcomes_total{}": 4,
    "explained_rows_total{}": 1,
    "cpu_seconds_total{}": 0.25,
}


def samples(text: bytes) -> dict[str, float]:
    """By name and labels, as `name{a="b"}`, without the prefix that all have."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            assert sample.name.startswith("evergreen_")
            found[f"{sample.name.removeprefix('evergreen_')}{{{labels}}}"] = sample.value
    return found


def test_everything_is_counted() -> None:
    m = Metrics()
    exec(EVERYTHING, {"m": m, "np": np})
    found = samples(m.render())
    assert {name: found.get(name) for name in COUNTED} == COUNTED
    assert "routing_revision{}" not in found  # nothing was said of it yet
    m.revision(7)
    m.state_as_of(datetime(1970, 1, 2, tzinfo=UTC))
    found = samples(m.render())
    assert (found["routing_revision{}"], found["state_as_of_seconds{}"]) == (7, 86_400)
    assert not [name for name in found if "_created" in name]


def test_all_names_are_listed() -> None:
    m = Metrics()
    exec(EVERYTHING, {"m": m, "np": np})
    m.revision(1)
    m.state_as_of(datetime(2013, 1, 1, tzinfo=UTC))
    families = {family.name for family in text_string_to_metric_families(m.render().decode())}
    listed = {name.removesuffix("_total") for name in metrics.COUNTERS} | metrics.HISTOGRAMS.keys() | metrics.GAUGES.keys()
    assert families == listed


def test_two_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.outcome(5)
    assert samples(first.render())["outcomes_total{}"] == 5
    assert samples(second.render())["outcomes_total{}"] == 0


ANY = npst.arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 1))
EDGES = npst.arrays(np.float64, st.integers(1, 50), elements=st.sampled_from([0.0, 0.1, 0.3, 1.0]))


@given(st.one_of(ANY, EDGES))
def test_many_values_at_once_are_as_one_by_one(values: npt.NDArray[np.floating]) -> None:
    m = Metrics()
    m.predicted("champion", values, values > 0.5, 0.1)
    registry = CollectorRegistry()
    peer = Histogram("evergreen_probability", "x", ["arm"], registry=registry, buckets=metrics._TENTHS)
    for value in values.tolist():
        peer.labels("champion").observe(value)
    found = samples(m.render())
    for metric in registry.collect():
        for sample in metric.samples:
            if not sample.name.endswith("_created"):
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                assert found[f"{sample.name.removeprefix('evergreen_')}{{{labels}}}"] == pytest.approx(sample.value)


LABELS = {"request_seconds": "route", "model_seconds": "arm", "probability": "arm"}


@pytest.mark.parametrize("word", ["", "/etc/passwd", "AA", "a\nb", 'a"b', "ü", "psi 0.3", "x" * 41, "\ud800"])
def test_a_word_that_is_not_like_ours_is_other(word: str) -> None:
    m = Metrics()
    m.warned(word)
    m.refused(word)
    m.rolled_back(word)
    m.request(word, -5, 0.1)
    m.predicted(word, [0.5], [False], 0.1)
    found = {name for name in samples(m.render()) if "{}" not in name and "_bucket" not in name}
    assert found == {
        'warnings_total{kind="other"}',
        'refused_total{reason="other"}',
        'rollbacks_total{cause="other"}',
        'requests_total{route="other",status="other"}',
        'predictions_total{arm="other",flagged="false"}',
        *(f'{name}_{part}{{{label}="other"}}' for part in ("sum", "count") for name, label in LABELS.items()),
    }


def test_no_label_has_many_values() -> None:
    m = Metrics()
    for number in range(500):
        m.refused(f"reason {chr(97 + number % 26)}{chr(97 + number // 26)}")
    refused = {name: value for name, value in samples(m.render()).items() if name.startswith("refused_total")}
    assert len(refused) == 31
    assert refused['refused_total{reason="other"}'] == 470


START = """
import sys
from datetime import UTC, datetime
import numpy as np
from tasks.serving.metrics import Metrics
m = Metrics()
"""


def in_processes(folder: Path, *bodies: str) -> dict[str, float]:
    """Run each body in a process of its own, one after the other; the samples that the last one renders."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    text = b""
    for body in bodies:
        command = [sys.executable, "-W", "error", "-c", f"{START}{body}\nsys.stdout.buffer.write(m.render())"]
        text = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60).stdout
    return samples(text)


def test_several_processes_are_summed_and_the_dead_still_count(tmp_path: Path) -> None:
    state = 'm.revision({0}); m.state_as_of(datetime(2013, 1, {0}, tzinfo=UTC)); m.warned("word")'
    foreign = 'from prometheus_client import Counter; Counter("bentoml_x", "x", ["path"]).labels("/secret").inc()'
    found = in_processes(tmp_path, EVERYTHING + state.format(3), EVERYTHING + state.format(8) + "\n" + foreign)
    assert {name: found.get(name) for name in COUNTED} == {name: 2 * value for name, value in COUNTED.items()}
    assert found["routing_revision{}"] == 8  # the dead one serves nothing
    assert found["state_as_of_seconds{}"] == datetime(2013, 1, 8, tzinfo=UTC).timestamp()
    assert found['warnings_total{kind="word"}'] == 2


def test_of_living_workers_the_one_furthest_behind_is_told(tmp_path: Path) -> None:
    code = "from tasks.serving.metrics import Metrics\nm = Metrics(); m.revision(4); print(flush=True); input()"
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = [sys.executable, "-c", code]
    with subprocess.Popen(run, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert in_processes(tmp_path, "m.revision(5)")["routing_revision{}"] == 4
        worker.communicate(b"\n", timeout=30)
    assert in_processes(tmp_path, "m.revision(5)")["routing_revision{}"] == 5

"""Runs in MLflow, each under an identity: one that is there is found, one that a kill left open is gone on with.

Here stands the connection that the registry shares, with MLflow's telemetry off. What a run holds stands in `runs`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

from tasks.errors import RegistryError

_IDENTITY, _CONTENT = "identity", "content"
_PARENT = "mlflow.parentRunId"
_BATCH = 900  # points in one request; MLflow takes 1,000 of all kinds

T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    """A metric's value at a step: a fold, an epoch; 0 for a value that stands alone."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Entry:
    """What a run shall hold."""

    identity: str
    """What it is a run of: letters, digits, spaces, dashes."""
    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, object]
    points: list[Point]
    documents: Mapping[str, str] = field(default_factory=dict)
    """File name to text."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Name to the folder kept under it; what it holds must follow from the identity."""
    seconds: float | None = None
    """How long it took, for MLflow's column of durations; None for as long as the logging of it."""
    grows: bool = False
    """Whether the run is brought up to date where the content is another; if not, another content is another run."""
    is_over: bool = True
    """Whether nothing more is to come."""

    @property
    def content(self) -> str:
        """Return a digest of all that it holds."""
        held = [self.name, {**self.tags}, self.texts, [(p.name, p.value, p.step) for p in self.points], {**self.documents}]
        return hashlib.sha256(json.dumps([*held, self.is_over], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def texts(self) -> dict[str, str]:
        """Return the parameters as MLflow keeps them."""
        return {key: "none" if value is None else str(value) for key, value in self.parameters.items()}


class Tracker:
    """The runs of one experiment in one MLflow.

    Args:
        uri: MLflow's tracking URI: a server, or `sqlite:///` and a path.
        experiment: The experiment's name; it is made with its first run.
        artifacts: Prefix of the storage where its artifacts go, such as `s3://bucket/mlflow`; by default beside a sqlite file, or
            where a server puts them.

    Raises:
        RegistryError: If it is out of reach.
    """

    def __init__(self, uri: str, experiment: str, artifacts: str | None = None) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # MLflow asks once, at its import
        import mlflow

        for chatty in ("mlflow", "alembic"):  # MLflow sets its own at its import
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self.uri, self.experiment = uri, experiment
        self._artifacts = artifacts
        if uri.startswith("sqlite:"):
            path = Path(urlparse(uri).path[1:] if uri.startswith("sqlite:////") else urlparse(uri).path.lstrip("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._artifacts = artifacts or str(path.parent / "mlartifacts")
        self.client = self.reach(lambda: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))

    def reach(self, call: Callable[[], T]) -> T:
        """Return what a call to MLflow gives.

        Raises:
            RegistryError: If MLflow is out of reach.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return call()
        except (MlflowException, SQLAlchemyError, OSError) as error:
            expected, found = f"the model registry at {self.uri} must be in reach", str(error).strip().split("\n")[0][:300]
            raise RegistryError(expected, found, "start it, or mend MLFLOW_TRACKING_URI") from error

    def find(self, identity: str) -> Any:
        """Return MLflow's run of an identity, None if there is none.

        Raises:
            RegistryError: If MLflow is out of reach.
        """
        return self.reach(lambda: next(iter(self._runs(self._experiment(), identity, None)), None))

    def finished(self, purpose: str) -> list[Any]:
        """Return MLflow's finished runs of a purpose, none while there is no experiment.

        Raises:
            RegistryError: If MLflow is out of reach.
        """

        def look() -> list[Any]:
            experiment = self.client.get_experiment_by_name(self.experiment)
            wanted = f"tags.purpose = '{purpose}' and attributes.status = 'FINISHED'"
            return [] if experiment is None else list(self.client.search_runs([experiment.experiment_id], filter_string=wanted))

        return self.reach(look)

    def log(self, entry: Entry, parent: str | None = None) -> Any:
        """Log a run; done again with the same content it changes nothing.

        Args:
            entry: What it shall hold.
            parent: Id of the run that it is nested in, None for none.

        Returns:
            MLflow's run.

        Raises:
            RegistryError: If MLflow is out of reach.
        """
        return self.reach(lambda: self._log(entry, parent))

    def _log(self, entry: Entry, parent: str | None) -> Any:
        from mlflow.entities import Metric, Param, RunTag

        experiment, content = self._experiment(), entry.content
        found = self._runs(experiment, entry.identity, parent)
        run = next((run for run in found if entry.grows or run.data.tags[_CONTENT] == content), None)
        if run is None:
            for left in found:
                if left.info.status == "RUNNING":
                    self.client.set_terminated(left.info.run_id, status="KILLED")
            tags = {_IDENTITY: entry.identity, **({_PARENT: parent} if parent else {})}
            # What grows has its content once all of it is there.
            tags |= {_CONTENT: "" if entry.grows else content}
            began = _now() - _milliseconds(entry.seconds or 0)
            run = self.client.create_run(experiment, start_time=began, run_name=entry.name, tags=tags)
            points = entry.points
        elif run.info.status == "FINISHED" and run.data.tags[_CONTENT] == content:
            return run
        else:
            self.client.update_run(run.info.run_id, status="RUNNING")
            points = self._missing(run.info.run_id, entry.points)
        run_id, now = run.info.run_id, _now()
        # A parameter never changes in MLflow.
        parameters = [Param(key, text) for key, text in entry.texts.items() if key not in run.data.params]
        self.client.log_batch(run_id, params=parameters, tags=[RunTag(key, value) for key, value in entry.tags.items()])
        for start in range(0, len(points), _BATCH):
            metrics = [Metric(point.name, point.value, now, point.step) for point in points[start : start + _BATCH]]
            self.client.log_batch(run_id, metrics=metrics)
        for file, text in entry.documents.items():
            self.client.log_text(run_id, text, file)
        for name, folder in entry.folders.items():
            self.client.log_artifacts(run_id, str(folder), name)
        self.client.set_tag(run_id, _CONTENT, content)
        if entry.is_over:
            ended = _now() if entry.seconds is None else run.info.start_time + _milliseconds(entry.seconds)
            self.client.set_terminated(run_id, end_time=ended)
        return self.client.get_run(run_id)

    def _missing(self, run_id: str, points: list[Point]) -> list[Point]:
        names = {point.name for point in points}
        there = {(name, metric.step): metric.value for name in names for metric in self.client.get_metric_history(run_id, name)}
        return [point for point in points if there.get((point.name, point.step)) != point.value]

    def _runs(self, experiment: str, identity: str, parent: str | None) -> list[Any]:
        nested = f" and tags.`{_PARENT}` = '{parent}'" if parent else ""
        found = self.client.search_runs([experiment], filter_string=f"tags.{_IDENTITY} = '{identity}'{nested}")
        return [run for run in found if run.info.status in ("RUNNING", "FINISHED")]

    def _experiment(self) -> str:
        """Return the id of the experiment, which is made if there is none.

        Raises:
            RegistryError: If its artifacts go through the server: tasks read packages from the storage itself.
        """
        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            location = f"{self._artifacts}/{self.experiment}" if self._artifacts else None
            found = self.client.get_experiment(self.client.create_experiment(self.experiment, artifact_location=location))
        if found.artifact_location.startswith("mlflow-artifacts:"):
            raise RegistryError(
                f"the artifacts of MLflow's experiment {self.experiment} must lie where every task can read them",
                f"{found.artifact_location}, which only its server can",
                "set EVERGREEN_ARTIFACTS to a prefix such as s3://bucket/mlflow, and delete the experiment or take another MODEL_NAME",
            )
        return str(found.experiment_id)


def _now() -> int:
    return _milliseconds(time.time())


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

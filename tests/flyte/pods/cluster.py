"""A cluster for a walk: an object store, a lake, MLflow, a serving folder, and pods. What a real one needs is what is set here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flyteidl.core.literals_pb2 import Literal

from tasks.usecase import policy
from tests.flyte.entities import WORKFLOWS
from tests.flyte.pods import literals
from tests.flyte.pods.environments import Environments
from tests.flyte.pods.package import Package
from tests.flyte.pods.pod import Pods
from tests.flyte.pods.walker import Walker
from tests.storage import Bucket, s3_server

_CHAMPION = """
import sys
from mlflow import MlflowClient
uri, name, version = sys.argv[1:]
MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias(name, "champion", version)
"""


class Cluster:
    """A cluster on which a package is registered.

    Args:
        pods: Its pods.
        lake: The bucket of its lake.
    """

    def __init__(self, pods: Pods, lake: Bucket) -> None:
        self.pods, self.lake = pods, lake
        self.shown: list[str] = []
        """What its gates showed."""
        self.answers = True
        """What a person answers."""

    def launch(self, name: str, **given: Any) -> dict[str, Any]:
        """Launch a workflow's own plan with Python values, and return its outputs as such."""
        interface = WORKFLOWS[name].python_interface
        self.pods.execution = f"{name.rpartition('.')[2]}{len({ran.execution for ran in self.pods.ran})}".replace("_", "-")
        walker = Walker(self.pods.package, self.pods, self._answer)
        return literals.python(interface, walker.launch(name, literals.given(interface, given)))

    def _answer(self, name: str, shown: Literal) -> bool:
        self.shown.append(literals.comparable(shown))
        return self.answers

    def mlflow(self, script: str, *arguments: str) -> None:
        """Do something to MLflow, by the image that has it."""
        python = self.pods.environments.of_kind("data") / "python"
        command = [python, "-W", "ignore", "-c", script, self.pods.settings["MLFLOW_TRACKING_URI"], *arguments]
        done = subprocess.run(command, env=self.pods.settings, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def make_champion(self, version: int) -> None:
        """Make a version the champion, as a person does in MLflow."""
        self.mlflow(_CHAMPION, policy.MODEL_NAME, str(version))

    @property
    def tasks(self) -> list[str]:
        """The tasks that ran to an end, in order."""
        return [ran.task for ran in self.pods.ran if ran.status == 0]

    def figures(self) -> dict[str, Any]:
        """Return what the pods took, for a report."""
        taken = [{"task": ran.task, "cpu_seconds": round(ran.cpu_seconds, 1), "execution": ran.execution} for ran in self.pods.ran]
        return {"pods": len(taken), "cpu_seconds": round(sum(ran.cpu_seconds for ran in self.pods.ran)), "each": taken}

    def write_figures(self, path: Path) -> None:
        """Write the same to a file."""
        path.write_text(json.dumps(self.figures(), indent=1) + "\n")


@contextmanager
def cluster(package: Package, environments: Environments, folder: Path, is_warm: bool) -> Iterator[Cluster]:
    """Start a cluster, its lake and registry empty."""
    with s3_server() as store:
        flyte, lake, artifacts = (Bucket(store["AWS_ENDPOINT_URL"], name).create() for name in ("flyte", "evergreen", "mlflow"))
        settings = {
            **store,
            "EVERGREEN_LAKE": f"{lake.uri}/lake",
            "EVERGREEN_SERVING": str(folder / "serving"),
            "EVERGREEN_ARTIFACTS": artifacts.uri,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        }
        folder.mkdir(parents=True, exist_ok=True)
        with Pods(package, folder / "pods", environments, flyte, settings, is_warm) as pods:
            yield Cluster(pods, lake)

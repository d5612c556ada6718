"""What a cluster's pods are made with: names are checked, the most exact template counts, each stage is given its own secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tasks import cluster
from tasks.cluster import Pods, SecretVariable
from tasks.errors import ConfigError

pytestmark = pytest.mark.unit

TEMPLATES = {"cpu": "any", "serving": "with-a-disk", "tasks.serving.task.validate_service": "quiet", "gpu": "with-a-gpu"}


@pytest.mark.parametrize(
    ("task", "kind", "name"),
    [
        ("tasks.ingestion.task.ingest", "cpu", "any"),  # by its kind
        ("tasks.training.task.train_network", "gpu", "with-a-gpu"),
        ("tasks.serving.task.score_day", "cpu", "with-a-disk"),  # by its stage
        ("tasks.serving.task.validate_service", "cpu", "quiet"),  # by its name
    ],
)
def test_the_most_exact_template_counts(task: str, kind: str, name: str) -> None:
    assert Pods(templates=TEMPLATES).template(task, kind) == name
    assert Pods().template(task, kind) is None


def test_a_stage_is_given_its_own_secrets() -> None:
    everywhere = SecretVariable("AWS_SECRET_ACCESS_KEY", "storage", "key")
    registry = SecretVariable("MLFLOW_TRACKING_TOKEN", "mlflow", "token", stages=("registry",))
    pods = Pods(secrets=(everywhere, registry))
    assert pods.secrets_of("tasks.registry.task.register") == [everywhere, registry]
    assert pods.secrets_of("tasks.ingestion.task.ingest") == [everywhere]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: Pods(accelerator="V9"), "accelerator must be one of T4, L4, A100, H100, or empty; got 'V9'"),
        (lambda: Pods(templates={"cpu": "Not A Name"}), "a pod template must be named as Kubernetes names things; got 'Not A Name'"),
        (lambda: SecretVariable("token", "mlflow", "token"), "must be named in capitals"),
        (lambda: SecretVariable("TOKEN", "ML flow", "token"), "must have a group"),
        (lambda: SecretVariable("TOKEN", "mlflow", ""), "and a key; got mlflow/"),
    ],
)
def test_what_is_wrong_is_told(made: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        made()  # type: ignore[operator]
    assert "launchplans/domains.py" in caught.value.mend


def test_it_is_chosen_before_tasks_are_made() -> None:
    import tasks.execution  # noqa: F401 - tasks are made

    cluster.choose(Pods())  # what they are made for already
    with pytest.raises(ConfigError, match="before tasks are imported"):
        cluster.choose(Pods(registry="registry.example.com"))
    assert cluster.chosen() == Pods()


def test_the_choice_is_in_every_task() -> None:
    program = """
from tasks import cluster
cluster.choose(cluster.Pods(registry="r.example.com/x", accelerator="T4", templates={"gpu": "fast"}))
from tasks.training.task import plan_split, train_network
print(plan_split.container_image.registry, plan_split.accelerator, plan_split.metadata.pod_template_name)
print(train_network.container_image.registry, train_network.accelerator._device, train_network.metadata.pod_template_name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["r.example.com/x None None", "r.example.com/x nvidia-tesla-t4 fast"]

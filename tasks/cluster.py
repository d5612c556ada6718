"""What differs from cluster to cluster in how pods are made: their registry, GPU, secrets and pod templates.

`launchplans/register.py` chooses it for a domain before any task is imported, and the presets of `tasks/execution.py` write it into
every task. Without a choice pods are such as any cluster can make. It says where tasks run, never what they give: no version of
the cache depends on it, and a pod that runs a task needs none of it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.errors import ConfigError

ACCELERATORS = ("T4", "L4", "A100", "H100")
"""GPUs by the names of `flytekit.extras.accelerators`; a cluster's nodes are labelled with Flyte's names of them."""

KINDS = ("cpu", "gpu")
"""Kinds of pods that a template may be named for."""

_MEND = "mend the domain in launchplans/domains.py"
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class SecretVariable:
    """A secret of Flyte's secret manager, which tasks find in a variable of their environment.

    Attributes:
        variable: Name of the variable, such as `MLFLOW_TRACKING_TOKEN`.
        group: Name of the secret (Kubernetes: of the `Secret` in the namespace of project and domain).
        key: Its key there.
        stages: Stages whose pods are given it; every stage without any.
    """

    variable: str
    group: str
    key: str
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _VARIABLE.fullmatch(self.variable):
            raise ConfigError("a secret's variable must be named in capitals, such as MLFLOW_TRACKING_TOKEN", repr(self.variable), _MEND)
        if not _KUBERNETES_NAME.fullmatch(self.group) or not self.key:
            raise ConfigError(
                "a secret must have a group of small letters, digits and hyphens, and a key", f"{self.group}/{self.key}", _MEND
            )


@dataclass(frozen=True)
class Pods:
    """How a cluster's pods are made.

    Attributes:
        registry: Where its images are pulled from, such as `registry.example.com/evergreen`.
        indexes: Further package indexes for building images: a mirror, or one with PyTorch's build without CUDA, gigabytes smaller.
        accelerator: The GPU of tasks that ask for one, of `ACCELERATORS`; any GPU if empty.
        secrets: What pods are given as variables.
        templates: Kind (`cpu`, `gpu`), stage (`serving`) or task (`tasks.ingestion.task.ingest`) to the name of the `PodTemplate` that
            its pods begin with: users, taints, node placement. The most exact one counts; the cluster's default without any.
    """

    registry: str = ""
    indexes: tuple[str, ...] = ()
    accelerator: str = ""
    secrets: tuple[SecretVariable, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.accelerator and self.accelerator not in ACCELERATORS:
            raise ConfigError(f"accelerator must be one of {', '.join(ACCELERATORS)}, or empty", repr(self.accelerator), _MEND)
        wrong = [name for name in self.templates.values() if not _KUBERNETES_NAME.fullmatch(name)]
        if wrong:
            raise ConfigError("a pod template must be named as Kubernetes names things", ", ".join(map(repr, wrong)), _MEND)

    def template(self, task: str, kind: str) -> str | None:
        """Return the name of a task's pod template.

        Args:
            task: Its name, such as `tasks.ingestion.task.ingest`.
            kind: `cpu` or `gpu`.
        """
        return next((self.templates[name] for name in (task, _stage(task), kind) if name in self.templates), None)

    def secrets_of(self, task: str) -> list[SecretVariable]:
        """Return what the pods of a task are given: each stage has its own and no more."""
        return [secret for secret in self.secrets if not secret.stages or _stage(task) in secret.stages]


_chosen = Pods()


def choose(pods: Pods) -> None:
    """Let every task that is imported from now on be made for a cluster.

    Raises:
        ConfigError: If tasks were imported already, and are made for another.
    """
    global _chosen
    if pods != _chosen and "tasks.execution" in sys.modules:
        raise ConfigError("a cluster must be chosen before tasks are imported", "tasks that are made already", "choose it in a new process")
    _chosen = pods


def chosen() -> Pods:
    """Return how pods are made in this process."""
    return _chosen


def _stage(task: str) -> str:
    return task.split(".")[1] if task.count(".") > 1 else task

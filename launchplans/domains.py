"""Where plans run: what differs between development, staging and production. The one file to edit for a cluster of yours.

A domain's plans stand in the module of its name, and `make register DOMAIN=staging` registers them with all workflows. Registering
starts no schedule: a person activates it once its source is a live one. Secrets stand here by name alone; their values are in
Flyte's secret manager. docs/operations/cluster.md goes through all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flytekit import CronSchedule, Email, Labels, LaunchPlan, PagerDuty, Slack, WorkflowExecutionPhase
from flytekit.core.notification import Notification
from flytekit.core.workflow import WorkflowBase

from tasks.artifacts.usage import Prices
from tasks.cluster import Pods, SecretVariable
from tasks.errors import ConfigError
from tasks.usecase.policy import ALERT_EMAILS, OWNER
from workflows.defaults import SOURCE

_FAILED = [WorkflowExecutionPhase.FAILED, WorkflowExecutionPhase.TIMED_OUT, WorkflowExecutionPhase.ABORTED]
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY|CREDENTIAL|API_KEY")
_USER_IN_URL = re.compile(r"//[^/@\s]*:(?!\$\{[A-Z_]+\}@)[^/@\s]+@")  # a password that is none of a variable
_MEND = "mend the domain in launchplans/domains.py"


@dataclass(frozen=True)
class Domain:
    """One of Flyte's domains.

    Attributes:
        name: Its name on the cluster.
        emails: Who is told of a run that failed; nobody where people look by themselves.
        slack: Addresses of Slack channels that are told, too.
        pagers: Addresses of PagerDuty services that are told, too.
        source: Where its raw files are.
        storage: Prefix of its object storage, such as `s3://bucket/evergreen`: below it lie the lake, MLflow's artifacts, and the
            outputs of tasks.
        tracking: Address of its MLflow server.
        prices: What its pods cost; the policy's prices without.
        pods: How its pods are made: images, GPU, secrets, pod templates.
        environment: Further variables of its pods, none of which is secret.
    """

    name: str
    emails: tuple[str, ...] = ()
    slack: tuple[str, ...] = ()
    pagers: tuple[str, ...] = ()
    source: str = SOURCE
    storage: str = ""
    tracking: str = ""
    prices: Prices | None = None
    pods: Pods = field(default_factory=Pods)
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        open_ones = [name for name, value in self.environment.items() if _SECRET.search(name) or _USER_IN_URL.search(value)]
        open_ones += [name for name in ("source", "storage", "tracking") if _USER_IN_URL.search(getattr(self, name))]
        if open_ones:
            raise ConfigError(
                f"a secret of {self.name} must be one of `pods.secrets`", f"a value of {', '.join(open_ones)} in the code", _MEND
            )

    def variables(self) -> dict[str, str]:
        """Return what the pods of this domain find in their environment, beside secrets."""
        stored = {"EVERGREEN_LAKE": f"{self.storage}/lake", "EVERGREEN_ARTIFACTS": f"{self.storage}/mlflow"} if self.storage else {}
        tracked = {"MLFLOW_TRACKING_URI": self.tracking} if self.tracking else {}
        priced = {"EVERGREEN_PRICES": self.prices.model_dump_json()} if self.prices else {}
        return {**stored, **tracked, **priced, **self.environment}

    def require_complete(self) -> None:
        """Raise unless all is said that a cluster needs.

        Raises:
            ConfigError: Naming all that is missing, or is still the example's.
        """
        needed = {"storage": self.storage, "tracking": self.tracking, "pods.registry": self.pods.registry}
        missing = [name for name, value in needed.items() if not value]
        examples = [f"{name} {value}" for name, value in needed.items() if "example" in value]
        if missing or examples:
            found = "; ".join([f"no {name}" for name in missing] + [f"the example's {each}" for each in examples])
            raise ConfigError(f"the domain {self.name} must say where its storage, MLflow and images are", found, _MEND)

    def plan(self, workflow: WorkflowBase, name: str, purpose: str, cron: str = "") -> LaunchPlan:
        """Return a plan of this domain.

        Args:
            workflow: What it runs; its `source` is the domain's, and the kick-off time of a schedule is its `as_of`.
            name: The plan's name, to which any domain but production adds its own: one process knows them all.
            purpose: What it is for, as a label of its executions.
            cron: When it runs (UTC), empty for when it is launched.
        """
        inputs: dict[str, Any] = {"source": self.source}
        scheduled = CronSchedule(schedule=cron, kickoff_time_input_arg="as_of") if cron else None
        return LaunchPlan.get_or_create(
            workflow,
            name=name if self.name == PRODUCTION.name else f"{name}-{self.name}",
            schedule=scheduled,
            # By the clock nobody chooses; by hand a person may.
            fixed_inputs=inputs if cron else None,
            default_inputs=None if cron else inputs,
            notifications=self._notifications() or None,
            labels=Labels({"domain": self.name, "owner": OWNER, "purpose": purpose}),
        )

    def _notifications(self) -> list[Notification]:
        targets = ((Email, self.emails), (Slack, self.slack), (PagerDuty, self.pagers))
        return [kind(phases=_FAILED, recipients_email=list(addresses)) for kind, addresses in targets if addresses]


_MLFLOW_LOGIN = (
    SecretVariable("MLFLOW_TRACKING_USERNAME", group="evergreen-mlflow", key="username", stages=("registry",)),
    SecretVariable("MLFLOW_TRACKING_PASSWORD", group="evergreen-mlflow", key="password", stages=("registry",)),
)
_TEMPLATES = {"cpu": "evergreen-cpu", "gpu": "evergreen-gpu"}
"""Of images/deploy/flyte: users that are not root, and the nodes of each kind of work."""

DEVELOPMENT = Domain(
    "development",
    # The local sandbox (`flytectl demo start`): its MinIO and its registry; images/deploy/flyte/sandbox adds MLflow.
    storage="s3://my-s3-bucket/evergreen",
    tracking="http://mlflow.evergreen-development.svc.cluster.local:5000",
    pods=Pods(
        registry="localhost:30000",
        secrets=(
            SecretVariable("AWS_ACCESS_KEY_ID", group="evergreen-storage", key="access-key-id"),
            SecretVariable("AWS_SECRET_ACCESS_KEY", group="evergreen-storage", key="secret-access-key"),
        ),
    ),
    environment={"AWS_ENDPOINT_URL": "http://flyte-sandbox-minio.flyte:9000", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"},
)
STAGING = Domain(
    "staging",
    emails=ALERT_EMAILS,
    storage="s3://example-evergreen-staging",  # pods reach it by the role of their service account
    tracking="https://mlflow.staging.example.com",
    pods=Pods(registry="registry.example.com/evergreen", accelerator="T4", secrets=_MLFLOW_LOGIN, templates=_TEMPLATES),
    environment={"AWS_REGION": "eu-central-1"},
)
PRODUCTION = Domain(
    "production",
    emails=ALERT_EMAILS,
    storage="s3://example-evergreen-production",
    tracking="https://mlflow.example.com",
    pods=Pods(registry="registry.example.com/evergreen", accelerator="A100", secrets=_MLFLOW_LOGIN, templates=_TEMPLATES),
    environment={"AWS_REGION": "eu-central-1"},
)
DOMAINS = {domain.name: domain for domain in (DEVELOPMENT, STAGING, PRODUCTION)}

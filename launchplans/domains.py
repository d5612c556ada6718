"""Where plans run: what differs between development, staging and production, and what a plan of any of them has.

A domain's plans stand in the module of its name, so that each is registered where it belongs:
`pyflyte register --domain staging workflows launchplans/staging.py`. Registering starts no schedule: a person activates it
once its source is a live one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flytekit import CronSchedule, Email, Labels, LaunchPlan, WorkflowExecutionPhase
from flytekit.core.workflow import WorkflowBase

from tasks.retraining.task import ALERT_EMAILS, OWNER
from workflows.defaults import SOURCE

_FAILED = [WorkflowExecutionPhase.FAILED, WorkflowExecutionPhase.TIMED_OUT, WorkflowExecutionPhase.ABORTED]


@dataclass(frozen=True)
class Domain:
    """One of Flyte's domains.

    Attributes:
        name: Its name on the cluster.
        emails: Who is told of a run that failed; nobody where people look by themselves.
        source: Where its raw files are.
    """

    name: str
    emails: tuple[str, ...] = ()
    source: str = SOURCE

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
            name=name if self == PRODUCTION else f"{name}-{self.name}",
            schedule=scheduled,
            # By the clock nobody chooses; by hand a person may.
            fixed_inputs=inputs if cron else None,
            default_inputs=None if cron else inputs,
            notifications=[Email(phases=_FAILED, recipients_email=list(self.emails))] if self.emails else None,
            labels=Labels({"domain": self.name, "owner": OWNER, "purpose": purpose}),
        )


DEVELOPMENT = Domain("development")
STAGING = Domain("staging", emails=ALERT_EMAILS)
PRODUCTION = Domain("production", emails=ALERT_EMAILS)

"""What runs by the clock: a night's ingest, validation and monitoring, and a week's challenger.

The kick-off time of the schedule is `as_of`. These plans are addressed by variable name with `pyflyte run`, and by
their own name on a cluster.
Registering does not start them: a person activates a schedule once its source is a live one.
"""

from __future__ import annotations

from flytekit import CronSchedule, Email, LaunchPlan, WorkflowExecutionPhase

from tasks.training.task import ALERT_EMAILS
from workflows.defaults import SOURCE
from workflows.monitor import monitor
from workflows.retrain import retrain

_FAILED = [WorkflowExecutionPhase.FAILED, WorkflowExecutionPhase.TIMED_OUT, WorkflowExecutionPhase.ABORTED]
_ON_FAILURE = [Email(phases=_FAILED, recipients_email=list(ALERT_EMAILS))]

nightly_monitor = LaunchPlan.get_or_create(
    monitor,
    name="evergreen-nightly-monitor",
    # 16:00 UTC: the labels of the day before are complete twelve hours after its end.
    schedule=CronSchedule(schedule="0 16 * * *", kickoff_time_input_arg="as_of"),
    fixed_inputs={"source": SOURCE},
    notifications=_ON_FAILURE,
)
"""Every day: ingest, validate, watch the champion, and train a challenger if the evidence asks for one."""

weekly_retrain = LaunchPlan.get_or_create(
    retrain,
    name="evergreen-weekly-retrain",
    schedule=CronSchedule(schedule="0 18 * * 1", kickoff_time_input_arg="as_of"),
    fixed_inputs={"source": SOURCE},
    notifications=_ON_FAILURE,
)
"""Every Monday: a challenger, judged against the champion."""

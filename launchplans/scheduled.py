"""What runs by the clock: a night's ingest, validation and monitoring, its collection, a week's challenger, an hour's state.

The kick-off time of the schedule is `as_of`. These plans are addressed by variable name with `pyflyte run`, and by
their own name on a cluster.
Registering does not start them: a person activates a schedule once its source is a live one.
"""

from __future__ import annotations

from flytekit import CronSchedule, Email, LaunchPlan, WorkflowExecutionPhase

from tasks.training.task import ALERT_EMAILS
from workflows.collect import collect
from workflows.defaults import SOURCE
from workflows.monitor import monitor
from workflows.retrain import retrain
from workflows.serving_state import serving_state

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

nightly_collect = LaunchPlan.get_or_create(
    collect,
    name="evergreen-nightly-collect",
    # An hour after the monitor has ingested the night: its labels are there to be joined.
    schedule=CronSchedule(schedule="0 17 * * *", kickoff_time_input_arg="as_of"),
    fixed_inputs={"source": SOURCE},
    notifications=_ON_FAILURE,
)
"""Every day: the prediction log into the lake, what came of the predictions, and what that says of a canary."""

hourly_state = LaunchPlan.get_or_create(
    serving_state,
    name="evergreen-hourly-state",
    # At half past: the readings of the hour before are there, and no other plan begins.
    schedule=CronSchedule(schedule="30 * * * *", kickoff_time_input_arg="as_of"),
    fixed_inputs={"source": SOURCE},
    notifications=_ON_FAILURE,
)
"""Every hour: what the service makes features of flights from."""

weekly_retrain = LaunchPlan.get_or_create(
    retrain,
    name="evergreen-weekly-retrain",
    schedule=CronSchedule(schedule="0 18 * * 1", kickoff_time_input_arg="as_of"),
    fixed_inputs={"source": SOURCE},
    notifications=_ON_FAILURE,
)
"""Every Monday: a challenger, judged against the champion."""

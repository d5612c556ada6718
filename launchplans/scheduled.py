"""What runs by the clock (UTC), in whichever domain: the kick-off time of the schedule is `as_of`.

A plan's variable in the module of its domain is what `pyflyte run` calls it by; on a cluster it goes by its own name.
"""

from __future__ import annotations

from flytekit import LaunchPlan

from launchplans.domains import Domain
from workflows.collect import collect
from workflows.monitor import monitor
from workflows.serving_state import serving_state
from workflows.weekly import weekly


def nightly_collect(domain: Domain) -> LaunchPlan:
    """Every day: the prediction log into the lake, what came of the predictions, and what that says of a canary."""
    # 17:00: the labels of the day before are complete since 16:00 or 17:00, twelve hours after its end.
    return domain.plan(collect, "evergreen-nightly-collect", "feedback", cron="0 17 * * *")


def nightly_monitor(domain: Domain) -> LaunchPlan:
    """Every day: ingest, validate, watch the champion, and act if the evidence asks for it."""
    # An hour after the collection, whose outcomes it reads.
    return domain.plan(monitor, "evergreen-nightly-monitor", "monitoring", cron="0 18 * * *")


def weekly_challenger(domain: Domain) -> LaunchPlan:
    """Every Monday: a challenger, judged against the champion, unless the monitor has asked for one that night."""
    return domain.plan(weekly, "evergreen-weekly-challenger", "retraining", cron="0 20 * * 1")


def hourly_state(domain: Domain) -> LaunchPlan:
    """Every hour: what the service makes features from."""
    # At half past: the readings of the hour before are there, and no other plan begins.
    return domain.plan(serving_state, "evergreen-hourly-state", "serving", cron="30 * * * *")

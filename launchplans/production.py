"""Production: what serves, and what keeps it good."""

from __future__ import annotations

from launchplans import manual, scheduled
from launchplans.domains import PRODUCTION

nightly_collect = scheduled.nightly_collect(PRODUCTION)
nightly_monitor = scheduled.nightly_monitor(PRODUCTION)
weekly_challenger = scheduled.weekly_challenger(PRODUCTION)
hourly_state = scheduled.hourly_state(PRODUCTION)
manual_retrain = manual.manual_retrain(PRODUCTION)
score_days = manual.score_days(PRODUCTION)
fill_days = manual.fill_days(PRODUCTION)

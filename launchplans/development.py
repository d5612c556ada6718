"""Development: the plans as elsewhere, of which nobody is told by mail."""

from __future__ import annotations

from launchplans import manual, scheduled
from launchplans.domains import DEVELOPMENT

nightly_collect = scheduled.nightly_collect(DEVELOPMENT)
nightly_monitor = scheduled.nightly_monitor(DEVELOPMENT)
weekly_challenger = scheduled.weekly_challenger(DEVELOPMENT)
hourly_state = scheduled.hourly_state(DEVELOPMENT)
manual_retrain = manual.manual_retrain(DEVELOPMENT)
score_days = manual.score_days(DEVELOPMENT)
fill_days = manual.fill_days(DEVELOPMENT)

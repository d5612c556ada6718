"""Staging: the plans as in production, under names of their own."""

from __future__ import annotations

from launchplans import manual, scheduled
from launchplans.domains import STAGING

nightly_collect = scheduled.nightly_collect(STAGING)
nightly_monitor = scheduled.nightly_monitor(STAGING)
weekly_challenger = scheduled.weekly_challenger(STAGING)
hourly_state = scheduled.hourly_state(STAGING)
manual_retrain = manual.manual_retrain(STAGING)
score_days = manual.score_days(STAGING)
fill_days = manual.fill_days(STAGING)

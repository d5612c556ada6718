"""What runs because something happened: retraining that the monitor asks for, or the week, in every domain alike.

Its execution belongs to the one that calls it, which fails with it and tells of it; so it has no notifications of its own.
"""

from __future__ import annotations

from workflows.challenge import retrain_on_trigger

drift_triggered_retrain = retrain_on_trigger
"""Called by conditionals; an operator may launch the same plan by hand. One execution at a time."""

"""What runs because something happened: retraining that the monitor asks for."""

from __future__ import annotations

from workflows.monitor import retrain_on_trigger

drift_triggered_retrain = retrain_on_trigger
"""Called by the monitor's conditional; the same plan that an operator may launch by hand."""

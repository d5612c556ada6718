"""Defaults that the workflows share; they are the use case's."""

from __future__ import annotations

from tasks.usecase.defaults import AS_OF, BACKTEST_AS_OF, NIGHT, SOURCE

__all__ = ["AS_OF", "BACKTEST_AS_OF", "NIGHT", "SOURCE"]

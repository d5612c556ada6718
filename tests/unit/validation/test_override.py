"""Making of an override: what a person typed is taken or refused, and a STOP names the command."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime

import pytest

from tasks.artifacts.data import Finding, Override, Severity
from tasks.errors import EvergreenError
from tasks.validation.override import command, make

pytestmark = pytest.mark.unit

AT = datetime(2013, 7, 5, tzinfo=UTC)
KNOWN = ["volume of flights", "missing days of flights"]


def made(rule: str = KNOWN[0], day: str = "2013-07-04", by: str = "Ada Example", reason: str = "a holiday") -> Override:
    return make(rule, day, by, reason, AT, KNOWN)


def test_an_override_holds_what_was_typed() -> None:
    assert made(by=" Ada Example ") == Override(rule=KNOWN[0], day=date(2013, 7, 4), by="Ada Example", reason="a holiday", at=AT)
    assert made(day="").day is None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"rule": "volume"}, ["volume of flights, missing days of flights", "'volume'"]),
        ({"by": " "}, ["--by", "an empty text"]),
        ({"reason": ""}, ["--reason", "an empty text"]),
        ({"day": "4 July"}, ["a date such as 2024-07-04", "'4 July'"]),
    ],
)
def test_what_is_refused(typed: dict[str, str], words: list[str]) -> None:
    with pytest.raises(EvergreenError) as refused:
        made(**typed)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize("day", [date(2013, 7, 4), None])
def test_the_command_of_a_finding(day: date | None) -> None:
    words = shlex.split(command(Finding(rule=KNOWN[0], severity=Severity.STOP, expected="e", found="f", day=day)))
    assert words[:4] == ["pyflyte", "run", "workflows/override.py", "override"]
    assert words[words.index("--rule") + 1] == KNOWN[0]
    assert ("--day" in words) == (day is not None)
    assert {"--by", "--reason"} <= set(words)

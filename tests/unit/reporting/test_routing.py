"""The section on the routing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.artifacts.serving import Arm, Routing
from tasks.reporting import routing
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit


def record(**given: object) -> Routing:
    held = {
        "revision": 7,
        "champion": Arm(version=3, package_digest=factory.digest(1)),
        "by": "Ada Example",
        "reason": "canary of version 4 at 0.1: it gained",
        "changed_at": datetime(2013, 10, 1, 8, 30, tzinfo=UTC),
    }
    return Routing.model_validate(held | given)


def words(html: str) -> str:
    return " ".join(" ".join(Tags(html).words).split())


CANARY = {"canary": Arm(version=4, package_digest=factory.digest(2)), "share": 0.1}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ["Version 3 of flights answers all.", "Champion 3"]),
        (CANARY, ["Version 3 of flights answers, and version 4 10.0% of the entities.", "all but 10.0%", "Canary 4"]),
        (
            {"shadow": Arm(version=5, package_digest=factory.digest(3))},
            ["Version 3 of flights answers all.", "nobody; it scores what others answer"],
        ),
        ({"champion": Arm(version=None, package_digest=factory.digest(1))}, ["The package of flights answers all.", "Champion -"]),
    ],
)
def test_who_answers_whom_is_told(given: dict[str, object], told: list[str]) -> None:
    html = routing.routing("flights", record(**given))
    require_sound(html)
    found = words(html)
    for said in (*told, "Revision 7", "2013-10-01 08:30 UTC", "Ada Example", "it gained", factory.digest(1)[:12]):
        assert said in found


def test_what_a_person_wrote_is_escaped() -> None:
    html = routing.routing(HOSTILE, record(by=HOSTILE, reason=HOSTILE))
    require_sound(html)
    assert "<script" not in html

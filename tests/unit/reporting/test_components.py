"""The bill of materials as a section: every package is in it, and licences that need care are named."""

from __future__ import annotations

import pytest

from tasks.artifacts.dossier import Component
from tasks.reporting import components, page
from tests.unit.reporting import evidence
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit


def of(licence: str, name: str = "toy") -> Component:
    return Component(name=name, version="1.0", licence=licence, is_direct=True)


@pytest.mark.parametrize("packages", [1, page.MOST_ROWS, page.MOST_ROWS + 1, 3 * page.MOST_ROWS])
def test_no_package_is_left_out(packages: int) -> None:
    record = evidence.components(packages)
    made = components.components(record)
    shown = require_sound(made).text
    assert all(made.count(f"<td>{c.name}</td>") == 1 for c in record)
    assert "not shown" not in shown
    assert shown.startswith(f"{packages} package")


@pytest.mark.parametrize(
    ("licence", "asks"),
    [
        ("AGPL-3.0-or-later", True),
        ("LGPL-2.1-only", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", True),
        ("MPL-2.0 AND MIT", True),
        ("MIT", False),
        ("Apache-2.0; BSD", False),
        ("XGPLX", False),  # another word
    ],
)
def test_licences_that_ask_something_are_named(licence: str, asks: bool) -> None:
    shown = require_sound(components.components([of(licence)])).text
    assert ("ask something" in shown) == asks
    assert (f"toy ({licence})" in shown) == asks


def test_an_empty_bill_is_told_and_hostile_texts_stay_text() -> None:
    assert "were not recorded" in require_sound(components.components([])).text
    assert "alert(" in require_sound(components.components([of(HOSTILE, HOSTILE)])).text

from __future__ import annotations

import re

import pytest

from tasks.reporting.style import STYLE

pytestmark = pytest.mark.unit


def test_every_rule_is_scoped_so_that_it_leaves_a_deck_alone() -> None:
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", STYLE.removeprefix("<style>").split("@media")[0])
    selectors = [selector.strip() for rule in rules for selector in rule.split(",")]
    assert selectors
    assert all(selector.startswith(".evergreen") for selector in selectors)


def test_braces_are_balanced() -> None:
    assert STYLE.count("{") == STYLE.count("}")

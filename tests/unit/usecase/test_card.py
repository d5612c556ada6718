"""The card of the flights: nothing is left empty, and its numbers are the policy's."""

from __future__ import annotations

import pytest

from tasks.usecase import policy
from tasks.usecase.card import CARD

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", list(type(CARD).model_fields))
def test_nothing_is_left_empty(name: str) -> None:
    value = getattr(CARD, name)
    assert value
    assert all(len(words) > 20 and words[0].isupper() for words in value if isinstance(value, list))


def test_who_answers_for_it_is_whom_the_policy_names() -> None:
    assert CARD.owner == policy.OWNER
    assert CARD.contact in policy.ALERT_EMAILS


def test_its_numbers_are_the_policy_s() -> None:
    assert any(f"{policy.MONITORING.quality.decay_margin:g} above" in words for words in CARD.rollback_criteria)
    assert any(f"{policy.COSTS.missed / policy.COSTS.needless:g} times" in words for words in CARD.risks)

"""Every error says what was expected, what was found and where to mend it, and survives a process boundary."""

from __future__ import annotations

import pickle

import pytest

from tasks import errors

pytestmark = pytest.mark.unit

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.EvergreenError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_message_has_all_three_parts(kind: type[errors.EvergreenError]) -> None:
    assert str(kind("x must be 1", "2", "set x")) == "x must be 1; got 2. To mend: set x"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pickling_keeps_kind_and_parts(kind: type[errors.EvergreenError]) -> None:
    again = pickle.loads(pickle.dumps(kind("x must be 1", "2", "set x")))
    assert type(again) is kind
    assert (again.expected, again.found, again.mend) == ("x must be 1", "2", "set x")

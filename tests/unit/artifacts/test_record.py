"""Records: what all of them share."""

from __future__ import annotations

import pytest

from tasks.artifacts.record import Interval, Window

pytestmark = pytest.mark.unit


def test_a_schema_is_made_once_and_is_pydantics() -> None:
    assert Window.model_json_schema() is Window.model_json_schema()
    assert Window.model_json_schema() == Window.model_json_schema(mode="validation")
    assert Window.model_json_schema() != Interval.model_json_schema()

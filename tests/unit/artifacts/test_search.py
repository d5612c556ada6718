"""What a search may vary."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.artifacts.search import SearchConfig
from tasks.errors import ConfigError
from tasks.usecase import policy

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"trails": 3}, "trails: no such setting; did you mean trials"),
        ({"trials": 0}, "trials = 0: input should be greater than or equal to 1"),
        ({"space": []}, "space = .*at least 1 item"),
        ({"space": [{"setting": "widht", "low": 8, "high": 9}]}, "widht is no setting of the network"),
        ({"space": [{"setting": "seed", "low": 8, "high": 9}]}, "seed is no setting of the network to search"),
        ({"space": [{"setting": "k", "low": 8, "high": 4}]}, "k: low must not be above high"),
        ({"space": [{"setting": "k", "low": 8, "high": 400}]}, "k: 400 is not allowed, .*less than or equal to 64"),
        ({"space": [{"setting": "dropout", "low": 0, "high": 0.2, "is_log": True}]}, "dropout: a range of factors is above 0"),
        ({"space": [{"setting": "k", "low": 8, "hihg": 9, "high": 9}]}, "space.0.hihg: no such setting; did you mean high"),
    ],
)
def test_what_cannot_be_searched_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=f"rules must have known settings.*{told}"):
        SearchConfig.model_validate({**policy.SEARCH.model_dump(), **changed})

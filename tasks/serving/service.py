"""The service: probabilities and decisions over HTTP, from the package that was tested.

Runs inside a Bento, beside the folder `model/` that holds the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import bentoml
from bentoml.exceptions import InvalidArgument

from tasks.serving.predictor import BadRequest, Predictor

_MODEL = Path(__file__).resolve().parents[2] / "model"
_MOST_ROWS = 1_000


@bentoml.service(name="evergreen", traffic={"timeout": 10}, workers=1)
class Evergreen:
    """Answers with the probability, the decision at the model's threshold (or that of the row's group), and warnings."""

    def __init__(self) -> None:
        self.predictor = Predictor(_MODEL)

    @bentoml.api  # type: ignore[misc]
    async def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Predict one row or many, at most 1,000.

        Each row has a string for every categorical feature and a number or null for the numeric ones.
        """
        if not 1 <= len(rows) <= _MOST_ROWS:
            raise InvalidArgument(f"rows must hold 1 to {_MOST_ROWS} rows; got {len(rows)}")
        try:
            frame = self.predictor.frame(rows)
        except BadRequest as error:
            raise InvalidArgument(str(error)) from error
        probabilities = self.predictor.predict(frame).tolist()
        flags = self.predictor.flag(frame, probabilities).tolist()
        package = self.predictor.digest[:12]
        return {
            "model": {"name": self.predictor.card["name"], "package": package},
            "predictions": [
                {
                    "prediction_id": f"{package}-{uuid4().hex}",  # `trace` finds the version by it
                    "probability": round(p, 6),
                    "flagged": flagged,
                    "warnings": self.predictor.warnings(row),
                }
                for p, flagged, row in zip(probabilities, flags, rows, strict=True)
            ],
        }

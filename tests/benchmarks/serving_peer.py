"""The peer of `serving`: what one would write by hand with FastAPI and ONNX Runtime for the same package, and nothing more.

No keys, no limits, no log, no warnings, no metrics: `python -m tests.benchmarks.serving_peer PACKAGE PORT`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from tasks.model.preprocessing import Preprocessing


def application(folder: Path) -> FastAPI:
    """Return the application for a package."""
    encoding = Preprocessing.model_validate_json((folder / "preprocessing.json").read_bytes())
    threshold = json.loads((folder / "card.json").read_text())["threshold"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    standard, known = encoding.standard, encoding.known
    numbers, categories = [c.name for c in encoding.numeric], [c.name for c in encoding.categorical]
    fields: dict[str, Any] = dict.fromkeys(numbers, (float | None, None)) | dict.fromkeys(categories, (str, ...))
    row = create_model("Row", **fields)
    body = create_model("Body", rows=(list[row], ...))  # type: ignore[valid-type]
    app = FastAPI()

    class Prediction(BaseModel):
        probability: float
        flagged: bool

    async def predict(request: Any) -> list[Prediction]:
        values = np.array([[getattr(each, name) for name in numbers] for each in request.rows], np.float32)
        codes = [[of.get(getattr(each, name), 0) for name, of in zip(categories, known, strict=True)] for each in request.rows]
        inputs = {"numbers": standard.encode(values), "codes": np.array(codes, np.int64)}
        found = session.run(["probability"], inputs)[0].tolist()
        return [Prediction(probability=p, flagged=p >= threshold) for p in found]

    predict.__annotations__["request"] = body  # made at run time, where FastAPI looks for it
    predict.__annotations__["return"] = list[Prediction]
    app.post("/predict")(predict)
    return app


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning")

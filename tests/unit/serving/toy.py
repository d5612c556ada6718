"""A package that is small and real: a sealed bundle with an ONNX model, its preprocessing, its card and its fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tasks.artifacts.serving import ClientRow, RequestField
from tasks.artifacts.vocabulary import Vocabulary
from tasks.model import bundle
from tasks.model.preprocessing import Categorical, Numeric, Preprocessing

NUMERIC, CATEGORICAL = ["distance", "wind"], ["carrier", "origin", "dest"]
ROW: dict[str, Any] = {"distance": 1_400.0, "wind": None, "carrier": "B6", "origin": "JFK", "dest": "MCO"}
"""A row that the model reads."""

NAMES = Vocabulary(row="flight", rows="flights")

ENCODING = Preprocessing(
    numeric=[
        Numeric(name="distance", lower=80, upper=5_000, fill=870, mean=1_000, scale=700, has_indicator=False),
        Numeric(name="wind", lower=0, upper=50, fill=10, mean=11, scale=6, has_indicator=True),
    ],
    categorical=[
        Categorical(name="carrier", values=["B6", "DL", "UA"]),
        Categorical(name="origin", values=["EWR", "JFK", "LGA"]),
        Categorical(name="dest", values=["LAX", "MCO", "ORD"]),
    ],
)


def package(
    folder: Path, bias: float = 0.0, weight: float = 0.5, client: Sequence[RequestField] | ClientRow | None = (), **card: Any
) -> str:
    """Write a package and return its digest; another bias or weight gives another model.

    The probability is the logistic function of `bias` + `weight` times the sum of the encoded numbers + a tenth of the codes' sum.

    Args:
        folder: Where it shall stand.
        bias: Of the logit; NaN makes a model that gives no probabilities.
        weight: Of the encoded numbers.
        client: What a client sends of a flight, or of something else; None for a package that takes features alone.
        card: Further or other entries of the card, such as a threshold.
    """
    said = {"name": "toy", "threshold": 0.5, "numeric_features": NUMERIC, "categorical_features": CATEGORICAL} | card

    def fill(path: Path) -> None:
        onnx.save(_model(bias, weight), str(path / "model.onnx"))
        (path / "preprocessing.json").write_text(ENCODING.model_dump_json())
        (path / "card.json").write_text(json.dumps(said))
        (path / "features.json").write_text(json.dumps([field.model_dump() for field in fields()]))
        if client is not None:
            sent = client if isinstance(client, ClientRow) else ClientRow(names=NAMES, key="flight_id", fields=list(client))
            (path / "request.json").write_text(sent.model_dump_json())

    return bundle.write(folder, fill)


def fields() -> list[RequestField]:
    """Return what a row may hold."""
    numbers = [RequestField(name=name, kind="number", meaning=f"A {name}", is_required=False, is_nullable=True) for name in NUMERIC]
    return numbers + [RequestField(name=name, kind="string", meaning=f"A {name}") for name in CATEGORICAL]


def _model(bias: float, weight: float) -> onnx.ModelProto:
    constants = {
        "weights": np.full((ENCODING.width, 1), weight, np.float32),
        "tenths": np.full((len(CATEGORICAL), 1), 0.1, np.float32),
        "bias": np.array(bias, np.float32),
        "last": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["of_numbers"]),
        helper.make_node("Cast", ["codes"], ["as_numbers"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["as_numbers", "tenths"], ["of_codes"]),
        helper.make_node("Add", ["of_numbers", "of_codes"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["wide"]),
        helper.make_node("Squeeze", ["wide", "last"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["batch", ENCODING.width]),
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["batch", len(CATEGORICAL)]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

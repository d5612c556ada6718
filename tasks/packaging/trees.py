"""LightGBM's trees in the ONNX model of the network: one file, one session, and no LightGBM where it is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tasks.model.trained import import_lightgbm

_PROBABILITY, _NETWORK = "probability", "network"
_INPUTS, _CLASSES = "inputs_of_lightgbm", "classes_of_lightgbm"
_ML = "ai.onnx.ml"


def add(path: Path, booster: Any, lightgbm_share: float) -> None:
    """Make an ONNX model of the network that of the blend: of the same inputs, the mean of both probabilities.

    Args:
        path: The network, as `onnx_model.export` writes it; rewritten.
        booster: LightGBM's model, of the numeric inputs and then the categorical ones.
        lightgbm_share: How much of the mean is LightGBM's.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [_NETWORK if name == _PROBABILITY else name for name in names]
    trees, opset = _converted(booster)
    constants = {
        "network_share": np.array(1 - lightgbm_share, np.float32),
        "lightgbm_share": np.array(lightgbm_share, np.float32),
        "positive": np.array(1),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["codes"], ["codes_as_numbers"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["numbers", "codes_as_numbers"], [_INPUTS], axis=1),
            trees,
            helper.make_node("Gather", [_CLASSES, "positive"], ["lightgbm"], axis=1),
            helper.make_node("Mul", [_NETWORK, "network_share"], ["of_network"]),
            helper.make_node("Mul", ["lightgbm", "lightgbm_share"], ["of_lightgbm"]),
            helper.make_node("Add", ["of_network", "of_lightgbm"], [_PROBABILITY]),
        ]
    )
    model.opset_import.append(opset)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _converted(booster: Any) -> tuple[Any, Any]:
    """Return the one node that has all trees, from the inputs to the probabilities of both classes; and what it is an operator of."""
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [(_INPUTS, FloatTensorType([None, booster.num_feature()]))]
    converted = convert_lightgbm(_in_float32(booster), initial_types=inputs, zipmap=False)
    (trees,) = (node for node in converted.graph.node if node.domain == _ML)
    trees.output[:] = ["lightgbm_class", _CLASSES]
    (opset,) = (opset for opset in converted.opset_import if opset.domain == _ML)
    return trees, opset


def _in_float32(booster: Any) -> Any:
    """Return the same trees with thresholds of 32 bits, rounded down: a 32-bit input is on the side where it was.

    ONNX has thresholds of 32 bits; rounded to the nearest, one may end up above an input that it was below.
    """

    def rounded(line: re.Match[str]) -> str:
        exact = np.array(line[1].split(), float)
        near = exact.astype(np.float32)
        down = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
        return "threshold=" + " ".join(map(repr, down.astype(float).tolist()))

    text = re.sub(r"^threshold=(.*)$", rounded, booster.model_to_string(), flags=re.MULTILINE)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)  # in bytes, which are others now; it reads on without
    return import_lightgbm().Booster(model_str=text)

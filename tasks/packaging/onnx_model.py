"""The network as ONNX, with LightGBM beside it in a blend: small and fast where it is served, with a batch of any size."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

from tasks.model.trained import BlendModel, NetworkModel
from tasks.packaging import trees


def export(model: NetworkModel, path: Path) -> None:
    """Write the network, or the blend, from encoded inputs to the probability, as one ONNX file.

    Inputs are `numbers`, float32 of shape (batch, width), and `codes`, int64 of shape (batch, categories); the output
    is `probability`, float32 of shape (batch,).
    """
    import torch

    from tasks.model.network import Probability

    encoding = model.preprocessing
    example = (torch.zeros(4, encoding.width), torch.zeros(4, len(encoding.categorical), dtype=torch.int64))
    batch = torch.export.Dim("batch", min=1, max=1_000_000)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        torch.onnx.export(
            Probability(model.network).eval(),
            example,
            str(path),
            dynamo=True,
            input_names=["numbers", "codes"],
            output_names=["probability"],
            dynamic_shapes={"numbers": {0: batch}, "codes": {0: batch}},
            external_data=False,
            verbose=False,
        )
    _forget_origins(path)
    if isinstance(model, BlendModel):
        trees.add(path, model.trees.booster, model.lightgbm_share)


def _forget_origins(path: Path) -> None:
    """Remove what the exporter notes of each part: source lines and paths of this machine, a third of a small network's file."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
    onnx.save(model, str(path))

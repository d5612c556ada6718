"""The network in int8: the weights that its members share, and what is multiplied with them, as whole numbers of 8 bits.

These are the products of the blocks, nearly all of the work. The embeddings of the numbers and the members' outputs are
many small products, one for each feature or member: in int8 they took longer and lost more, so they stay as they are.

Of the two kinds of ranges, `static` fixes them on training rows. `dynamic` takes them from the largest value of a batch: a
row's probability then depends on the rows that came with it, by up to 0.006 on the flights of the use case that ships.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.compression import Compression, Form, Ranges
from tasks.errors import PackagingError
from tasks.model import bundle
from tasks.model.preprocessing import Codes, Floats
from tasks.packaging.package import SAID

log = logging.getLogger(__name__)

_SERVED = ("preprocessing.json", "card.json", *SAID)
_ONNX = "model.onnx"
_ROWS_AT_ONCE = 100
_PERCENTILE = 99.999
"""Share of the values that a static range holds: the largest of 2,000 rows makes it coarse for all others."""


def write_int8(package: Path, ranges: Ranges, numbers: Floats, codes: Codes, folder: Path) -> str:
    """Write a package in int8 of a package in float32.

    It holds what the service reads and what is said of the model, and nothing else: the weights for torch would be another's.

    Args:
        package: The package in float32.
        ranges: Where the ranges of activations come from.
        numbers: Numeric inputs of training rows, shape (n, width), for static ranges.
        codes: Their categorical inputs, shape (n, categories).
        folder: Where the package in int8 shall stand.

    Returns:
        Its digest.

    Raises:
        PackagingError: If the network has no product with weights that its members share.
    """

    def fill(path: Path) -> None:
        for name in _SERVED:
            shutil.copyfile(package / name, path / name)
        card = json.loads((path / "card.json").read_text())
        card |= {"form": Form.INT8.value, "form_of": bundle.digest(package)}
        (path / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True))
        with (path / "model_card.md").open("a") as told:
            told.write(f"\n## Form\n\nThe model in int8. What is said above was measured in float32, package {card['form_of']}.\n")
        quantise(package / _ONNX, path / _ONNX, ranges, numbers, codes)

    return bundle.write(folder, fill)


def quantise(source: Path, target: Path, ranges: Ranges, numbers: Floats, codes: Codes) -> list[str]:
    """Write an ONNX model with the weights that the members share in int8, a scale a column.

    Weights keep to 7 bits: processors without VNNI instructions add two products in 16 bits, which 8 would overflow, and the
    model would be another there.

    Returns:
        The names of the products that are in int8.

    Raises:
        PackagingError: If there is none.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shared = shared_products(source)
    if not shared:
        raise PackagingError(
            "the network must have a product with shared weights to be put into int8", "none", "look at the exported model"
        )
    how: dict[str, Any] = {
        "nodes_to_quantize": shared,
        "op_types_to_quantize": ["MatMul"],
        "weight_type": quantization.QuantType.QInt8,
        "per_channel": True,
        "reduce_range": True,
    }
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        prepared = Path(scratch) / _ONNX
        quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        if ranges is Ranges.DYNAMIC:
            quantization.quantize_dynamic(prepared, target, **how)
        else:
            quantization.quantize_static(
                prepared,
                target,
                _reader(numbers, codes),
                activation_type=quantization.QuantType.QUInt8,
                calibrate_method=quantization.CalibrationMethod.Percentile,
                extra_options={"CalibPercentile": _PERCENTILE},
                **how,
            )
    log.info("int8: %d products, %s bytes from %s", len(shared), f"{target.stat().st_size:,}", f"{source.stat().st_size:,}")
    return shared


def shared_products(model: Path) -> list[str]:
    """Return the names of the products with weights of two axes: those of one feature or one member have three."""
    import onnx

    graph = onnx.load(str(model)).graph
    axes = {weights.name: len(weights.dims) for weights in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "MatMul" and axes.get(node.input[1]) == 2]


def accepted(compression: Compression, packages: Mapping[Form, Path]) -> list[Form]:
    """Return the forms that were accepted, once their packages are seen to be those that were judged.

    Raises:
        BundleError: If a package is altered, or another one.
    """
    judged = [found for found in compression.forms if found.accepted]
    for found in judged:
        bundle.verify(packages[found.form], found.package_digest)
    return [found.form for found in judged]


def _reader(numbers: Floats, codes: Codes) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Rows(CalibrationDataReader):  # type: ignore[misc]  # it ships no types
        """Gives rows in parts, and None at their end."""

        def __init__(self) -> None:
            self._parts: Iterator[dict[str, Any]] = (
                {"numbers": numbers[i : i + _ROWS_AT_ONCE], "codes": codes[i : i + _ROWS_AT_ONCE]}
                for i in range(0, len(numbers), _ROWS_AT_ONCE)
            )

        def get_next(self) -> dict[str, Any] | None:
            """Return the next rows."""
            return next(self._parts, None)

    return Rows()

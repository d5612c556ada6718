"""One image a kind of work, pinned from the lock: data, cpu, gpu, serving.

`make lock` writes the requirement files beside this module: the closures, within `requirements.lock`, of what each kind of
work imports. An image is named by its content, so a changed pin is a new image. flytekit's builder ends each with an
unprivileged user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flytekit import ImageSpec

_HERE = Path(__file__).resolve().parent


def _image(kind: str, **more: object) -> ImageSpec:
    return ImageSpec(
        name=f"evergreen-{kind}",
        python_version="3.11",
        requirements=str(_HERE / f"{kind}.lock"),
        **more,  # type: ignore[arg-type]
    )


DATA = _image("data")
"""Data, features, the registry and when to retrain: no torch, no ONNX, no BentoML."""

CPU = _image("cpu", apt_packages=["libgomp1"])  # LightGBM needs it
"""Baselines, evaluation, packaging, governance, monitoring, and what looks at the service."""

GPU = _image("gpu", apt_packages=["libgomp1"])
"""Training the network; CUDA comes with PyPI's torch."""

SERVING = _image("serving")
"""The service: onnxruntime and BentoML, no torch. Its requirements go into the Bento; `deploy/Dockerfile` builds the image."""

WITHOUT_TORCH = frozenset({"ingestion", "validation", "features", "registry", "retraining", "backtest", "summary"})
"""Stages of which no task needs torch: they run on `DATA`. Governance lists the environment that made a model: torch is in that."""


def at(image: ImageSpec, registry: str, indexes: Sequence[str] = ()) -> ImageSpec:
    """Return an image as it is built for a cluster.

    Args:
        image: One of this module.
        registry: Where the cluster pulls from; empty for no registry.
        indexes: Further package indexes. Sums and pins of the lock decide what is taken from which.
    """
    if not registry and not indexes:
        return image
    strategy = {"UV_INDEX_STRATEGY": "unsafe-best-match"} if indexes else None  # else the first index that has a package has its only say
    return replace(image, registry=registry or None, pip_extra_index_url=list(indexes) or None, env=strategy)

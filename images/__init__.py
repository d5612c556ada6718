"""One image a kind of work, pinned from the lock: cpu, gpu, serving.

`make lock` writes the three requirement files beside this module: the closures, within `requirements.lock`, of what
each kind of work imports. An image is named by its content, so a changed pin is a new image.
"""

from __future__ import annotations

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


CPU = _image("cpu", apt_packages=["libgomp1"])
"""Data, features, baselines, evaluation, packaging and monitoring."""

GPU = _image("gpu", cuda="12.6", apt_packages=["libgomp1"])
"""Training the network."""

SERVING = _image("serving")
"""The service: onnxruntime and BentoML, no torch."""

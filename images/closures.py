"""Write the requirement files of the images: `python -m images.closures`, called by `make lock`.

An image needs some packages by name; their closure, with the pins of `requirements.lock`, is worked out from the
installed packages' own metadata.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).resolve().parent.parent


def use_case() -> list[str]:
    """Return the packages that the use case alone needs, where its data are read."""
    lines = (line.split("#")[0].strip() for line in (_ROOT / "tasks" / "usecase" / "requirements.txt").read_text().splitlines())
    return [Requirement(line).name for line in lines if line]


_TASKS = [
    "flytekit",
    "flytekitplugins-pandera",
    "flytekitplugins-deck-standard",
    "polars",
    "pandas",
    "pyarrow",
    "pandera",
    "pydantic",
    "matplotlib",
    "rich",
    "s3fs",
    "flytekitplugins-kfpytorch",  # imported with every task of training, if several processes train
]
KINDS = {
    "gpu": [
        *_TASKS,
        *("torch", "lightning", "tabm", "rtdl-num-embeddings", "safetensors", "scikit-learn", "lightgbm", "optuna"),
        *("deltalake", "nvidia-ml-py"),  # each task keeps what it used
    ],
    "cpu": [
        *_TASKS,
        *("torch", "lightning", "tabm", "rtdl-num-embeddings", "safetensors", "scikit-learn", "lightgbm", "deepchecks", "setuptools"),
        *("deltalake", "mlflow", "boto3", "bentoml", "onnx", "onnxscript", "onnxmltools", "onnxruntime", "optuna"),
        *("fairlearn", "captum", "cyclonedx-python-lib", "prometheus_client", "psutil"),
        *use_case(),
    ],
    "serving": ["bentoml", "onnxruntime", "polars", "pydantic", "numpy", "prometheus_client", "pandera"],  # pandera: online features
}
"""Image to the packages that its tasks import."""


def pins() -> dict[str, str]:
    """Return normalised name to line of the lock."""
    lines = (_ROOT / "requirements.lock").read_text().splitlines()
    return {_normal(line.split("==")[0]): line for line in lines if "==" in line}


def closure(names: list[str]) -> list[str]:
    """Return the lock's lines of packages and all that they need here."""
    locked, found, ahead = pins(), set[str](), [_normal(name) for name in names]
    while ahead:
        name = ahead.pop()
        if name in found or name not in locked:
            continue
        found.add(name)
        ahead.extend(_needed(name))
    return sorted(locked[name] for name in found)


def _needed(name: str) -> list[str]:
    try:
        wanted = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [_normal(r.name) for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def main() -> None:
    """Write `images/<kind>.lock` of every kind."""
    for kind, names in KINDS.items():
        lines = closure(names)
        (_ROOT / "images" / f"{kind}.lock").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Write the requirement files of the images: `python -m images.closures`, called by `make lock`.

An image needs some packages by name; their closure, with the pins and sums of `requirements.lock`, is worked out from the
installed packages' own metadata.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from images import lock

_USE_CASE = lock.LOCK.parent / "tasks" / "usecase" / "requirements.txt"


def use_case() -> list[str]:
    """Return the packages that the use case alone needs, where its data are read."""
    lines = (line.split("#")[0].strip() for line in _USE_CASE.read_text().splitlines())
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
    *("deltalake", "nvidia-ml-py"),  # each task keeps what it used
]
_TRAINING = [
    "flytekitplugins-kfpytorch",  # imported with every task of training, if several processes train
]
KINDS = {
    "data": [
        *_TASKS,
        *("deepchecks", "setuptools", "scikit-learn", "sqlalchemy"),
        *("mlflow", "boto3"),  # by which MLflow keeps artifacts on S3
        *use_case(),
    ],
    "gpu": [
        *_TASKS,
        *_TRAINING,
        *("torch", "lightning", "tabm", "rtdl-num-embeddings", "safetensors", "scikit-learn", "lightgbm", "optuna"),
    ],
    "cpu": [
        *_TASKS,
        *_TRAINING,
        *("torch", "lightning", "tabm", "rtdl-num-embeddings", "safetensors", "scikit-learn", "lightgbm", "deepchecks", "setuptools"),
        *("bentoml", "uv", "onnx", "onnxscript", "onnxmltools", "onnxruntime", "optuna", "fairlearn", "captum"),
        *("prometheus_client", "psutil", "cyclonedx-python-lib"),
    ],
    "serving": ["bentoml", "onnxruntime", "polars", "pydantic", "numpy", "prometheus_client", "pandera"],  # pandera: online features
}
"""Image to the packages that its tasks import."""


def pins() -> dict[str, str]:
    """Return normalised name to entry of the lock, with its sums."""
    found = lock.read(lock.LOCK.read_text())
    return {lock.normal(requirement.partition("==")[0]): lock.entry(requirement, sums) for requirement, sums in found.items()}


def closure(names: list[str]) -> list[str]:
    """Return the lock's entries of packages and all that they need here."""
    locked, found, ahead = pins(), set[str](), [lock.normal(name) for name in names]
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
    return [lock.normal(r.name) for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]


def main() -> None:
    """Write `images/<kind>.lock` of every kind."""
    for kind, names in KINDS.items():
        (Path(__file__).parent / f"{kind}.lock").write_text("\n".join(closure(names)) + "\n")


if __name__ == "__main__":
    main()

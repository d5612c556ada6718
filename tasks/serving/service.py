"""The Bento's service: binds the worker to the use case's online features, and lets our application answer everything.

Runs inside a Bento, beside the folder `model/` that holds the package and `service.json` with the limits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml

if TYPE_CHECKING:
    # At run time within a worker alone: the server's first process imports this module too, and only starts workers.
    import polars as pl

    from tasks.serving.application import Application

_ROOT = Path(__file__).resolve().parents[2]
_WORKERS = int(os.environ.get("EVERGREEN_WORKERS") or 1)
_NOT_HERE = ".*"  # no tracing of requests: it costs as much as a small model


class _Online:
    """Features of what clients ask about, by the use case's own definitions, from the tables of the online state."""

    def __init__(self, tables: Mapping[str, pl.LazyFrame]) -> None:
        # Imported once there is a state: with pandera it takes as long as all the rest of a start.
        from tasks.usecase import online

        self.completed = online.completed
        self.features_of = online.Online(tables).features_of


def _folder() -> Path:
    return Path(os.environ.get("EVERGREEN_SERVING") or Path.home() / ".evergreen" / "serving").absolute()


class _Edge:
    """Stands before BentoML's own application, which only starts and ends."""

    application: Application | None = None

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _Edge.application is not None:
            await _Edge.application(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)


@bentoml.service(
    name="evergreen",
    workers=_WORKERS,
    traffic={"timeout": 30},
    metrics={"enabled": False},  # ours have bounded labels
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": _NOT_HERE},
)
class Evergreen:
    """Answers with the probability, the decision at the model's threshold (or that of the row's group), and warnings."""

    def __init__(self) -> None:
        from tasks.artifacts.serving import ServiceRules
        from tasks.serving.application import Application
        from tasks.serving.worker import Worker

        rules = ServiceRules.model_validate_json((_ROOT / "service.json").read_bytes())
        self._worker = Worker(_folder(), _ROOT / "model", rules, _Online, _WORKERS)
        self._application = _Edge.application = Application(self._worker)

    @bentoml.on_shutdown  # type: ignore[misc]
    def close(self) -> None:
        """End the threads and close the log."""
        self._application.close()
        self._worker.close()


Evergreen.add_asgi_middleware(_Edge)  # type: ignore[attr-defined]  # the decorator's, who ships no types

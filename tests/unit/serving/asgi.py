"""A worker on a folder with toy models, and a way to ask its application as a server does. Not a test itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.serving import ClientRow, RequestField, Role, Routing, ServiceRules
from tasks.model import bundle
from tasks.serving import journal, keys, routing
from tasks.serving.application import Application
from tasks.serving.worker import Worker
from tasks.usecase import policy
from tests.unit.serving import toy

RULES = policy.SERVICE.model_copy(update={"poll_seconds": 0.02, "most_rows": 20, "most_bytes": 20_000, "explain_rows": 3})
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass
class Service:
    """A worker with its application, and a key with all roles."""

    folder: Path
    worker: Worker
    application: Application
    token: str

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, parts: Sequence[bytes] = ()
    ) -> tuple[int, Any, dict[str, str]]:
        """Return status, body (parsed if it is JSON) and headers. A body that is no bytes goes as JSON; `parts` come one by one."""
        sent = list(parts) or [body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()]
        given = {"content-type": "application/json", "authorization": f"Bearer {self.token}"} | dict(headers or {})
        return asyncio.run(self._ask(method, path, sent, {k: v for k, v in given.items() if v}))

    async def _ask(self, method: str, path: str, sent: list[bytes], headers: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        messages = [{"type": "http.request", "body": part, "more_body": i < len(sent) - 1} for i, part in enumerate(sent)]
        came: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            came.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.application({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
        answered = {name.decode(): value.decode() for name, value in came[0]["headers"]}
        body = came[1]["body"]
        return came[0]["status"], json.loads(body) if answered["content-type"] == "application/json" else body.decode(), answered

    def predict(self, *rows: Mapping[str, Any]) -> tuple[int, Any]:
        status, body, _ = self.ask("POST", "/predict", {"rows": list(rows)})
        return status, body

    def route(self, **arms: Any) -> Routing:
        """Make the next revision."""

        def make(now: Routing | None) -> Routing:
            revision = 1 if now is None else now.revision + 1
            return Routing(revision=revision, by="test", reason="test", changed_at=NOW, **arms)

        return routing.change(self.folder, make)

    def package(self, bias: float, **card: Any) -> str:
        """Put a model into the folder; return its digest."""
        made = self.folder / "made"
        digest = toy.package(made, bias=bias, **card)
        made.rename(routing.package(self.folder, digest)) if not routing.package(self.folder, digest).exists() else None
        return digest

    def lines(self, kind: str, folder: str = "log") -> list[dict[str, Any]]:
        """Return what was logged."""
        found = [line for path in sorted((self.folder / folder).glob("*")) for line in journal.read(path).lines]
        return [line for line in found if line["kind"] == kind]


class NoFeatures:
    """What makes no features of flights."""

    def __init__(self, tables: Any) -> None: ...

    def completed(self, flight: Any) -> dict[str, Any]:
        return dict(flight)

    def features_of(self, flights: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return []


@contextmanager
def service(
    place: Path, rules: ServiceRules = RULES, make: Any = None, client: Sequence[RequestField] | ClientRow | None = ()
) -> Iterator[Service]:
    """Give a service whose own package is a toy; it ends with the `with`."""
    folder = place / "serving"
    toy.package(place / "model", client=client)
    (folder / "packages").mkdir(parents=True)
    _, token = keys.create(folder / "keys.json", "test", list(Role), NOW)
    worker = Worker(folder, place / "model", rules, make or NoFeatures)
    application = Application(worker)
    try:
        yield Service(folder, worker, application, token)
    finally:
        application.close()
        worker.close()


def digest_of(place: Path) -> str:
    """Return the digest of the service's own package."""
    return bundle.digest(place / "model")

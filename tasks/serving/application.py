"""The service over HTTP: a closed set of routes, keys, limits, and answers of a bounded form. Pure ASGI.

BentoML's own stack of routes and middleware doubles what a small request costs, takes bodies of any size and logs what they
hold; so this stands before it and answers everything itself (docs/decisions/0019).
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from tasks.artifacts.serving import Key, Role
from tasks.serving import openapi, request
from tasks.serving.request import Rejected
from tasks.serving.worker import Worker

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_JSON, _TEXT, _HTML = b"application/json", b"text/plain; version=0.0.4; charset=utf-8", b"text/html; charset=utf-8"
_FEW_BYTES = 40_000
"""A body up to this size is answered at once; a larger one in a thread, so that others need not wait for it."""
_BODY_SECONDS = 10.0
"""A body must be here within this time: a caller who sends it byte by byte must not hold a worker's memory."""
_LONGEST_MESSAGE = 600
_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_LAST = ((b"connection", b"close"),)
_PAGE_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")


@dataclass(frozen=True)
class Reply:
    """An answer: status, body, content type, further headers."""

    status: int
    body: bytes
    kind: bytes = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Route:
    """A route: its method, its name in the metrics, the role it asks for, and how it is answered."""

    method: str
    name: str
    role: Role | None
    answer: Callable[[bytes, Key | None], Reply]


class Application:
    """The ASGI application of one worker.

    Args:
        worker: What it answers with.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker, self._answers = worker, worker.answers
        self._metrics = worker.parts.metrics
        document = openapi.document(
            worker.name, worker.version, worker.parts.rules, list(worker.champion.features), list(worker.champion.client)
        )
        described, page = to_json(document), openapi.page(document).encode()
        self._routes = {
            "/predict": Route("POST", "predict", Role.PREDICT, self._predict),
            "/explain": Route("POST", "explain", Role.PREDICT, lambda body, key: Reply(200, self._answers.explain(body))),
            "/feedback": Route("POST", "feedback", Role.FEEDBACK, self._feedback),
            "/routing": Route("GET", "routing", Role.ADMIN, lambda body, key: Reply(200, worker.routing())),
            "/routing/abort": Route("POST", "routing", Role.ADMIN, self._abort),
            "/livez": Route("GET", "live", None, lambda body, key: Reply(200, b'{"status":"live"}')),
            "/readyz": Route("GET", "ready", None, lambda body, key: Reply(200, b'{"status":"ready"}')),
            "/metrics": Route("GET", "metrics", None, lambda body, key: Reply(200, self._metrics.render(), _TEXT)),
            "/openapi.json": Route("GET", "openapi", None, lambda body, key: Reply(200, described)),
            "/docs": Route("GET", "docs", None, lambda body, key: Reply(200, page, _HTML, (_PAGE_POLICY,))),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        route = self._routes.get(scope["path"])
        try:
            reply = await self._reply(route, scope, receive)
        except Rejected as error:
            self._metrics.refused(error.code)
            reply = _refusal(error)
        except ConnectionError:  # the caller is gone
            return
        except Exception as error:
            # The kind and the place alone: the text of an error may hold what a caller sent.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s in %s:%d", type(error).__name__, frame.filename.rpartition("/")[2], frame.lineno)
            reply = _refusal(Rejected(500, "internal", "the service failed; the request can be sent again"))
        headers = [(b"content-type", reply.kind), (b"content-length", str(len(reply.body)).encode()), *_HEADERS, *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        self._metrics.request(route.name if route else "other", reply.status, time.perf_counter() - started)

    async def _reply(self, route: Route | None, scope: Scope, receive: Receive) -> Reply:
        if route is None:
            raise Rejected(404, "unknown path", f"there is nothing here; the paths are {', '.join(self._routes)}")
        if scope["method"] != route.method:
            raise Rejected(405, "method", f"this path takes {route.method}", headers=[(b"allow", route.method.encode())])
        headers = dict(scope["headers"])
        key = None if route.role is None else self._admit(headers, route.role)
        if route.method == "GET":
            return await asyncio.to_thread(route.answer, b"", key) if route.name in ("metrics", "routing") else route.answer(b"", key)
        body = await self._body(headers, receive)
        # Features of flights, outcomes and explanations take longer than a model on a few rows.
        if route.name == "predict" and len(body) <= _FEW_BYTES and b'"flights"' not in body:
            return route.answer(body, key)
        return await asyncio.to_thread(route.answer, body, key)

    def _admit(self, headers: Mapping[bytes, bytes], role: Role) -> Key:
        """Return the key of a request.

        Raises:
            Rejected: If there is none, it is not valid, has another role, or asks too often.
        """
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        key = self._worker.keys.find(token.strip(), datetime.now(UTC)) if scheme.lower() == "bearer" else None
        if key is None:
            challenge = [(b"www-authenticate", b"Bearer")]
            raise Rejected(401, "key", "a valid key must come as `Authorization: Bearer evg_...`", headers=challenge)
        if role not in key.roles:
            raise Rejected(403, "role", f"the key must have the role {role.value}")
        wait = self._worker.limiter.wait(key.id, time.monotonic())
        if wait > 0:
            raise Rejected(429, "rate", "too many requests of this key", headers=[(b"retry-after", str(math.ceil(wait)).encode())])
        return key

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body.

        Raises:
            Rejected: If it is not JSON by its header, too large by its header or in fact, or too slow.
        """
        most = self._worker.parts.rules.most_bytes
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _JSON:
            raise Rejected(415, "content type", "the body must be application/json")
        if b"content-encoding" in headers:
            raise Rejected(415, "content encoding", "the body must not be compressed")
        too_large = Rejected(413, "body size", f"the body must have at most {most:,} bytes", headers=_LAST)
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > most:
            raise too_large
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):  # the usual case, without a timer
            body = bytes(message.get("body", b""))
            if len(body) > most:
                raise too_large
            return body
        parts, size = [], 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    if message["type"] != "http.request":
                        raise ConnectionResetError
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
                    message = await receive()
        except TimeoutError:
            raise Rejected(
                408, "slow", f"the body must be here within {_BODY_SECONDS:.0f} s", headers=[(b"connection", b"close")]
            ) from None

    # --- answers -------------------------------------------------------------------------------------------------------

    def _predict(self, body: bytes, key: Key | None) -> Reply:
        assert key is not None
        return Reply(200, self._answers.predict(body, key))

    def _feedback(self, body: bytes, key: Key | None) -> Reply:
        assert key is not None
        return Reply(200, self._answers.feedback(body, key))

    def _abort(self, body: bytes, key: Key | None) -> Reply:
        """Send canary and shadow back, by a person who has the role."""
        assert key is not None
        reason = request.only(request.read(body), "reason")
        if not isinstance(reason, str) or not 1 <= len(reason.strip()) <= 200:
            raise request.invalid("must be a text of 1 to 200 characters", "reason")
        found = self._worker.abort(f"key {key.id} ({key.name})", reason.strip())
        if found is None:
            raise Rejected(409, "nothing", "there is no canary and no shadow")
        return Reply(200, found)


def _refusal(error: Rejected) -> Reply:
    told = {"code": error.code, "message": error.message[:_LONGEST_MESSAGE]} | ({"where": error.where} if error.where else {})
    return replace(Reply(error.status, to_json({"error": told})), headers=tuple(error.headers))

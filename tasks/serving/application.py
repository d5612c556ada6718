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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from tasks.artifacts.serving import Key, Role
from tasks.errors import EvergreenError
from tasks.serving import openapi, request
from tasks.serving.metrics import CONTENT_TYPE
from tasks.serving.request import Rejected
from tasks.serving.worker import Worker

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_JSON, _TEXT, _HTML = b"application/json", CONTENT_TYPE.encode(), b"text/html; charset=utf-8"
_FEW_BYTES = 40_000
"""A body up to this size is answered at once; a larger one in a thread, so that others need not wait for it."""
_BODY_SECONDS = 10.0
"""A body must be here within this time: a caller who sends it byte by byte must not hold a worker's memory."""
_BODIES_AT_ONCE = 16
"""So many of the largest bodies may be here at once; beyond it callers are asked to come again."""
_THREADS = 2  # of each kind of slow work: more would only share the same cores
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
        self._described: tuple[int, bytes, bytes] | None = None
        self._bytes_here = 0
        # Apart, so that neither feedback that waits for the disk nor a reader of metrics holds up predictions.
        self._predicting = ThreadPoolExecutor(_THREADS, "predict")
        self._serving = ThreadPoolExecutor(_THREADS, "other")
        self._routes = {
            "/predict": Route("POST", "predict", Role.PREDICT, self._predict),
            "/explain": Route("POST", "explain", Role.PREDICT, lambda body, key: Reply(200, self._answers.explain(body))),
            "/feedback": Route("POST", "feedback", Role.FEEDBACK, self._feedback),
            "/routing": Route("GET", "routing", Role.ADMIN, lambda body, key: Reply(200, worker.routing())),
            "/routing/abort": Route("POST", "routing", Role.ADMIN, self._abort),
            "/livez": Route("GET", "live", None, lambda body, key: Reply(200, b'{"status":"live"}')),
            "/readyz": Route("GET", "ready", None, self._ready),
            "/metrics": Route("GET", "metrics", None, lambda body, key: Reply(200, self._metrics.render(), _TEXT)),
            "/openapi.json": Route("GET", "openapi", None, lambda body, key: Reply(200, self._documents()[0])),
            "/docs": Route("GET", "docs", None, lambda body, key: Reply(200, self._documents()[1], _HTML, (_PAGE_POLICY,))),
        }

    def close(self) -> None:
        """End the threads."""
        self._predicting.shutdown()
        self._serving.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens to it."""
        started = time.perf_counter()
        route, held = self._routes.get(scope["path"]), _Held(self)
        try:
            reply = await self._reply(route, scope, receive, held)
        except Rejected as error:
            self._metrics.refused(error.code)
            reply = _refusal(error)
        except asyncio.CancelledError:  # the caller is gone, or the server ends
            raise
        except BaseException as error:  # polars' own for its defects is no Exception
            # The kind and the place alone: the text of an error may hold what a caller sent.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s in %s:%d", type(error).__name__, frame.filename.rpartition("/")[2], frame.lineno)
            reply = _refusal(Rejected(500, "internal", "the service failed; the request can be sent again"))
        finally:
            held.release()
        headers = [(b"content-type", reply.kind), (b"content-length", str(len(reply.body)).encode()), *_HEADERS, *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        self._metrics.request(route.name if route else "other", reply.status, time.perf_counter() - started)

    async def _reply(self, route: Route | None, scope: Scope, receive: Receive, held: _Held) -> Reply:
        if route is None:
            raise Rejected(404, "unknown path", f"there is nothing here; the paths are {', '.join(self._routes)}")
        if scope["method"] != route.method:
            raise Rejected(405, "method", f"this path takes {route.method}", headers=[(b"allow", route.method.encode())])
        headers = dict(scope["headers"])
        key = None if route.role is None else self._admit(headers, route.role)
        if route.method == "GET":
            if route.name in ("live", "ready"):
                return route.answer(b"", key)
            return await self._in(self._serving, route, b"", key)
        body = await self._body(headers, receive, held)
        if route.name != "predict":
            return await self._in(self._serving, route, body, key)
        # Making features takes longer than a model on a few rows; a backslash may hide the name of what they are made of.
        client = self._worker.champion.client
        if len(body) <= _FEW_BYTES and b"\\" not in body and not (client and f'"{client.names.rows}"'.encode() in body):
            return route.answer(body, key)
        return await self._in(self._predicting, route, body, key)

    async def _in(self, threads: ThreadPoolExecutor, route: Route, body: bytes, key: Key | None) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(threads, route.answer, body, key)

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

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive, held: _Held) -> bytes:
        """Return the body.

        Raises:
            Rejected: If it is not JSON by its header, too large by its header or in fact, or too slow; or if too much is here already.
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
        held.take(int(declared))
        parts, size = [], 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Rejected(400, "gone", "the body ended before its end", headers=_LAST)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    held.take(size)
                    if not message.get("more_body"):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError:
            raise Rejected(408, "slow", f"the body must be here within {_BODY_SECONDS:.0f} s", headers=_LAST) from None

    # --- answers -------------------------------------------------------------------------------------------------------

    def _predict(self, body: bytes, key: Key | None) -> Reply:
        assert key is not None
        return Reply(200, self._answers.predict(body, key))

    def _ready(self, body: bytes, key: Key | None) -> Reply:
        if not self._worker.is_looked_after():
            raise Rejected(503, "stuck", "the worker does not follow its pointer and its keys any more")
        return Reply(200, b'{"status":"ready"}')

    def _documents(self) -> tuple[bytes, bytes]:
        """Return the OpenAPI document and its page, of the model that answers now."""
        revision, champion = self._worker.revision, self._worker.champion
        if self._described is None or self._described[0] != revision:
            rules = self._worker.parts.rules
            document = openapi.document(champion.name, self._worker.version, rules, list(champion.features), champion.client)
            self._described = revision, to_json(document), openapi.page(document).encode()
        return self._described[1:]

    def _feedback(self, body: bytes, key: Key | None) -> Reply:
        assert key is not None
        return Reply(200, self._answers.feedback(body, key))

    def _abort(self, body: bytes, key: Key | None) -> Reply:
        """Send canary and shadow back, by a person who has the role."""
        assert key is not None
        reason = request.only(request.read(body), "reason")
        if not isinstance(reason, str) or not 1 <= len(reason.strip()) <= 200:
            raise request.invalid("must be a text of 1 to 200 characters", "reason")
        try:
            found = self._worker.abort(f"key {key.id} ({key.name})", reason.strip())
        except EvergreenError:
            raise Rejected(409, "pointer", "the pointer cannot be read or written: GET /routing says why") from None
        if found is None:
            raise Rejected(409, "nothing", "there is no canary and no shadow")
        return Reply(200, found)


class _Held:
    """The bytes of one request's body that are here, or will be by its header."""

    def __init__(self, application: Application) -> None:
        self._application, self._bytes = application, 0

    def take(self, size: int) -> None:
        """Hold so many bytes in all.

        Raises:
            Rejected: If all requests together would hold too many.
        """
        more = max(0, size - self._bytes)
        most = _BODIES_AT_ONCE * self._application._worker.parts.rules.most_bytes
        if self._application._bytes_here + more > most:
            raise Rejected(503, "busy", "too many large requests are here; send it again", headers=((b"retry-after", b"1"), *_LAST))
        self._application._bytes_here += more
        self._bytes += more

    def release(self) -> None:
        """Hold nothing any more."""
        self._application._bytes_here -= self._bytes
        self._bytes = 0


def _refusal(error: Rejected) -> Reply:
    told = {"code": error.code, "message": error.message[:_LONGEST_MESSAGE]} | ({"where": error.where} if error.where else {})
    return Reply(error.status, to_json({"error": told}), headers=tuple(error.headers))

"""The service under requests made from its own OpenAPI document, valid and broken, over HTTP: `make bench NAME=fuzz`.

The service is the real one, in a process of its own, with small models that are real. Half of the requests come before there is
an online state, half after; a canary answers a half of the entities, another model is a shadow.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from jsonschema import Draft202012Validator

from tasks.artifacts.serving import Arm, ClientRow, Role, Routing
from tasks.contracts import key_of
from tasks.model import bundle
from tasks.schemas import request_fields
from tasks.serving import journal, keys, routing, state
from tasks.usecase import policy
from tasks.usecase.contract import Flights
from tasks.usecase.features import Features
from tasks.usecase.online import CLIENT, OPTIONAL
from tests.benchmarks.report import Figure, publish
from tests.e2e.server import Server, bento_server
from tests.fuzzing import ALTERED, FRESH, MARKED, MARKER, NOW, USED, Requests, Sent
from tests.unit.serving import toy
from tests.unit.usecase.toy import flight, reading, tables_of

REQUESTS = 6_000
_MOST_ERROR_BYTES = 2_000
_SHOWN = 100  # faults of a kind
_NEW_REVISION = 100  # requests; a person of the fuzz sends canaries back
RULES = policy.SERVICE.model_copy(
    update={"most_rows": 30, "most_bytes": 30_000, "explain_rows": 3, "poll_seconds": 0.05, "requests_per_second": 1e6, "burst": 1_000_000}
)
_PLACE = re.compile(r'Traceback|File "|\.py\b|/(tmp|home|usr|opt|var|site-packages|src)/')
_ROOT = Path(__file__).resolve().parents[2]


class Fuzzed:
    """A server that is fuzzed, with what was found.

    Attributes:
        statuses: How often each came.
        accepted: How often each documented path answered with 200.
        faults: By kind, each fault in words.
    """

    def __init__(self, server: Server, folder: Path, tokens: Mapping[str, str]) -> None:
        self.server, self.folder, self.has_state = server, folder, False
        self.statuses: Counter[int] = Counter()
        self.accepted: Counter[str | None] = Counter()
        self.faults: dict[str, list[str]] = {name: [] for name in ("5xx", "trace", "leak", "undocumented", "contradiction", "lost")}
        self._tokens, self._connection = dict(tokens), server.connect()
        self.document = server.ask("GET", "/openapi.json").json()
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}
        self._fresh: list[str] = []
        self._used: list[str] = []
        self._logged: dict[str, int] = {}  # the number of a request that was answered, and its predictions
        self._predicted, self._aborted = 0, set[str]()

    # --- one request ---------------------------------------------------------------------------------------------------

    def send(self, sent: Sent) -> list[str]:
        """Send a request and judge what comes back; return what is wrong with it."""
        if self.statuses.total() % _NEW_REVISION == 0:
            self._route()
        number = f"{self.statuses.total():05d}"
        body, taken = self._resolved(sent.body, number)
        try:
            status, reply, headers = self._exchange(sent, body, number)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.statuses[0] += 1
            return self._fault("undocumented", sent, body, f"no answer: {error!r}")
        self.statuses[status] += 1
        self.accepted[sent.route] += status == 200
        found = list(self._judged(sent, body, status, reply, headers))
        self._learn(sent, status, reply, number, taken)
        return [text for kind, told in found for text in self._fault(kind, sent, body, f"{status} {reply[:300]!r}: {told}")]

    def _resolved(self, body: bytes | None, number: str) -> tuple[bytes | None, list[str]]:
        """Return a body with ids, instants and its number in place; and the ids without an outcome that stand in it."""
        if body is None:
            return None, []
        used = self._used[-1] if self._used else "0" * 57
        some = self._fresh[-1] if self._fresh else "0" * 57
        now, taken = datetime.now(UTC).isoformat(), list[str]()
        for word, value in ((USED, used), (ALTERED, some[:-1] + ("0" if some[-1] != "0" else "1")), (NOW, now), (MARKED, MARKER + number)):
            body = body.replace(word.encode(), value.encode())
        while FRESH.encode() in body and self._fresh:
            taken.append(self._fresh.pop())
            body = body.replace(FRESH.encode(), taken[-1].encode(), 1)
        return body, taken

    def _exchange(self, sent: Sent, body: bytes | None, number: str) -> tuple[int, bytes, dict[str, str]]:
        headers = [(name, value.replace(MARKED, MARKER + number)) for name, value in sent.headers]
        whole = self._tokens["all"]
        other = {"none": "", "wrong": f"evg_00000000_{'0' * 64}", "altered": whole[:-1] + ("0" if whole[-1] != "0" else "1")}
        token = other.get(sent.roles, self._tokens.get(sent.roles, ""))
        headers += [("Authorization", f"Bearer {token}")] if token else []
        names = {name.lower() for name, _ in headers}
        for again in (False, True):
            connection = self._connection
            try:
                connection.putrequest(
                    sent.method, sent.path.replace(MARKED, MARKER + number), skip_host="host" in names, skip_accept_encoding=True
                )
                for name, value in headers:
                    connection.putheader(name, value.encode("latin-1"))
                if sent.is_chunked:
                    connection.putheader("Transfer-Encoding", "chunked")
                elif body is not None and "content-length" not in names:
                    connection.putheader("Content-Length", str(len(body)))
                try:
                    parts = [body[i : i + 4_000] for i in range(0, len(body or b""), 4_000)] if body and sent.is_chunked else [body or b""]
                    connection.endheaders(iter(parts) if body is not None else None, encode_chunked=sent.is_chunked)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused before all of it was sent: the answer is there to be read
                with connection.getresponse() as reply:
                    return reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()}
            except (OSError, http.client.HTTPException):
                connection.close()
                if again:  # the first may have met a connection that was idle for too long
                    raise
        raise AssertionError

    # --- what must hold ------------------------------------------------------------------------------------------------

    def _judged(self, sent: Sent, body: bytes | None, status: int, reply: bytes, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        text = reply.decode("utf-8", "replace")
        if status >= 500 and status != 503:
            yield "5xx", "a failure"
        if status != 200 and _PLACE.search(text):
            yield "trace", "tells of the code"
        if (
            status == 400
            and text == "Invalid HTTP request received."
            and {"header", "length", "longer", "content type"} & set(sent.changed)
        ):
            return  # no request of HTTP, which never reached the service
        operation = self._operation(sent.route, sent.method)
        allowed = {404} if sent.route is None else {405} if operation is None else {int(code) for code in operation["responses"]}
        if status not in allowed:
            yield "undocumented", f"the document names {sorted(allowed)}"
        asks_flights = b'"flights"' in (body or b"")
        if status == 503 and (self.has_state or not asks_flights or json.loads(reply)["error"]["code"] != "no state"):
            yield "5xx", "there is a state, or none is needed"
        if sent.method != "HEAD":
            yield from self._form(operation, status, text, headers)
        if operation is not None and not {"path", "method"} & set(sent.changed):
            wanted = self._wanted(sent, operation, asks_flights and not self.has_state, FRESH.encode() in (body or b""))
            if wanted and status not in wanted:
                yield "contradiction", f"by the document it is one of {sorted(wanted)}"
            if status == 200 and body is not None and sent.method == "POST" and (wrong := self._refused(operation, body)):
                yield "contradiction", f"accepted, but by the document {wrong}"

    def _wanted(self, sent: Sent, operation: Mapping[str, Any], has_none: bool, lacks_id: bool) -> set[int]:
        """Return the statuses of which one must come; none if any may."""
        roles = {role for each in operation["security"] for names in each.values() for role in names}
        if roles and sent.roles in ("none", "wrong", "altered"):
            return {401}
        if roles and sent.roles not in {"all", *roles}:
            return {403}
        if set(sent.changed) - {"key"}:
            return set()
        if sent.route == "/routing/abort":
            return {200, 409}
        return {503} if has_none else {404} if lacks_id else {200}

    def _form(self, operation: Mapping[str, Any] | None, status: int, text: str, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Judge an answer by its schema."""
        kind = headers.get("content-type", "").partition(";")[0]
        if status == 200 and operation is not None:
            (documented,) = operation["responses"]["200"]["content"]
            if kind != documented:
                yield "contradiction", f"{kind} and not {documented}"
            if documented != "application/json":
                return
            schema = operation["responses"]["200"]["content"][documented]["schema"]
        else:
            schema = {"$ref": "#/components/schemas/Error"}
            if len(text.encode()) > _MOST_ERROR_BYTES or kind != "application/json":
                yield "contradiction", f"an error of {len(text):,} characters, {kind}"
        try:
            found = json.loads(text, parse_constant=_no_constant)
        except ValueError as error:
            yield "contradiction", f"no JSON: {error}"
            return
        if (
            status != 200
            and isinstance(found.get("error"), dict)
            and MARKER in f"{found['error'].get('message')}{found['error'].get('code')}"
        ):
            yield "leak", "a value in the text of an error"
        yield from (("contradiction", error.message[:200]) for error in self._validator(schema).iter_errors(found))

    def _refused(self, operation: Mapping[str, Any], body: bytes) -> str:
        """Return why a body is none by the document; empty if it is one."""
        try:
            found = json.loads(body, parse_constant=_no_constant)
        except ValueError as error:
            return f"it is no JSON: {error}"
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        return "; ".join(str(error.message)[:200] for error in self._validator(schema).iter_errors(found))

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator({**schema, "components": self.document["components"]})  # type: ignore[index]
        return self._validators[key]  # type: ignore[index]

    def _operation(self, route: str | None, method: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.document["paths"].get(route, {}).get(method.lower())
        return found

    def _learn(self, sent: Sent, status: int, reply: bytes, number: str, taken: list[str]) -> None:
        """Keep the ids of predictions that need an outcome, and what must be in the log."""
        if status == 200 and sent.route == "/predict":
            predictions = json.loads(reply)["predictions"]
            self._logged[number] = len(predictions)
            # The second part of an id is the instant that was predicted for: an outcome cannot come before it.
            ids = [p["prediction_id"] for p in predictions]
            self._fresh.extend(name for name in ids if int(name.split("-")[1], 16) <= time.time())
            del self._fresh[:-100]
        elif status == 200 and sent.route == "/routing/abort":
            self._aborted.add(number)
        if status == 200 and sent.route == "/feedback":
            self._used.extend(taken)
        else:
            self._fresh.extend(taken)

    def _fault(self, kind: str, sent: Sent, body: bytes | None, told: str) -> list[str]:
        head = "; ".join(f"{name}: {value[:60]}" for name, value in sent.headers)
        text = f"{kind}: {sent.method} {sent.path[:100]} [{head}] {', '.join(sent.changed)} {(body or b'')[:600]!r}\n    -> {told}"
        self.faults[kind].append(text)
        return [text]

    # --- around the requests -------------------------------------------------------------------------------------------

    def _route(self) -> None:
        """Give a half of the entities to a canary again, and let another model score beside."""
        digests = sorted(path.name for path in (self.folder / "packages").iterdir())

        def make(now: Routing | None) -> Routing:
            champion, canary, shadow = (Arm(version=i + 1, package_digest=digest) for i, digest in enumerate(digests))
            revision = 1 if now is None else now.revision + 1
            return Routing(
                revision=revision, champion=champion, canary=canary, share=0.5, shadow=shadow, by="fuzz", reason="again",
                changed_at=datetime.now(UTC),
            )  # fmt: skip

        routing.change(self.folder, make)

    def publish_state(self) -> None:
        """Publish an online state of a few flights, and wait until the service has it."""
        tables = tables_of([flight(n, 700 + 10 * n) for n in range(1, 4)], [reading(h, wind_speed=25.0) for h in range(6, 18)])
        held = {name: table.collect() for name, table in tables.items()}
        state.publish(self.folder, held, datetime(2013, 7, 10, 12, tzinfo=UTC), "flights")
        example = self.document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["flights"]["value"]
        until = time.monotonic() + 60
        while self.server.post("/explain", example).status == 503:
            assert time.monotonic() < until, "the service never took the state"
            time.sleep(0.05)
        self.has_state = True

    def finish(self) -> None:
        """Look for values of requests in all that was written, and for answers that are not in the log."""
        self._connection.close()
        self.statuses[self.server.ask("GET", "/livez").status] += 1
        written = {"the output": self.server.output(), "the metrics": self.server.ask("GET", "/metrics").body.decode()}
        secrets = [token[-64:] for token in self._tokens.values()]
        for name, text in written.items():
            self.faults["leak"] += [
                f"leak: {name}: {line[:300]}" for line in text.splitlines() if MARKER in line or any(s in line for s in secrets)
            ]
            self.faults["trace"] += [f"trace: {name}: {line[:300]}" for line in text.splitlines() if "Traceback" in line]
        events, answers = (self._segments(name) for name in ("events", "log"))
        for line in events.lines:  # an abort's reason is for the audit, and only that
            told = json.dumps({k: v for k, v in line.items() if (line["kind"], k) != ("admin", "reason")})
            found = set(re.findall(rf"{MARKER}(\d{{5}})", json.dumps(line)))
            if MARKER in told or found - self._aborted:
                self.faults["leak"].append(f"leak: events: {json.dumps(line)[:300]}")
        found = [line for line in answers.lines if line["kind"] == "answer"]
        for line in found:
            numbers = set(re.findall(rf"{MARKER}(\d{{5}})", json.dumps(line)))
            self.faults["leak"] += [f"leak: log: {json.dumps(line)[:300]}"] if numbers - self._logged.keys() else []
        counts = len(found), sum(len(line["predictions"]) for line in found), answers.damaged + answers.torn
        if counts != (len(self._logged), sum(self._logged.values()), 0):
            self.faults["lost"].append(
                f"lost: lines, predictions and damaged lines of the log are {counts}; answered were {len(self._logged)}"
            )

    def _segments(self, name: str) -> journal.Segment:
        found = [journal.read(path) for path in sorted((self.folder / name).glob("*"))]
        return journal.Segment([line for part in found for line in part.lines], sum(p.torn for p in found), sum(p.damaged for p in found))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@contextmanager
def served(home: Path) -> Iterator[Fuzzed]:
    """Serve the project's code with small models, as a Bento lies on the disk."""
    source, folder = home / "bento" / "src", home / "serving"
    shutil.copytree(_ROOT / "tasks", source / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "service.json").write_text(RULES.model_dump_json())
    _package(source / "model", 0.0)
    for bias in (0.0, 0.01, -0.5):
        _package(home / "made", bias)
        (folder / "packages").mkdir(parents=True, exist_ok=True)
        (home / "made").rename(folder / "packages" / bundle.digest(home / "made"))
    now, roles = datetime.now(UTC), {"all": list(Role)} | {role.value: [role] for role in Role}
    tokens = {name: keys.create(folder / "keys.json", name, which, now)[1] for name, which in roles.items()}
    # As `bento_server` starts a Bento, but of a folder that was not built: building takes longer than all the rest.
    like = bento_server(home / "bento", folder, home)
    command = [sys.executable, "-m", "bentoml", "serve", "tasks.serving.service:Evergreen", "--working-dir", str(source)]
    server = Server([*command, "--host", "127.0.0.1", "--port", str(like.port)], source, like._environment, home / "server.log", like.port)
    server.token = tokens["all"]
    with server:
        yield Fuzzed(server, folder, tokens)


def _package(folder: Path, bias: float) -> None:
    """Write a small model that knows of flights, and of a feature that it does not read."""
    toy.package(folder, bias=bias, numeric_features=[*toy.NUMERIC, "still"])
    still = toy.fields()[0].model_copy(update={"name": "still"})
    (folder / "features.json").write_text(json.dumps([field.model_dump() for field in [*toy.fields(), still]]))
    sent = ClientRow(names=policy.NAMES, key=key_of(Features), fields=request_fields(Flights, CLIENT, OPTIONAL))
    (folder / "request.json").write_text(sent.model_dump_json())
    bundle.seal(folder)


def requests(fuzzed: Fuzzed) -> Requests:
    """Return the strategies of the server's own document."""
    return Requests(fuzzed.document, tuple(role.value for role in Role), RULES.most_bytes)


def fuzz(fuzzed: Fuzzed, count: int, number: int) -> None:
    """Send requests, whatever is found."""

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(requests(fuzzed).all)
    def one(sent: Sent) -> None:
        fuzzed.send(sent)

    one()


def figures(fuzzed: Fuzzed, seconds: float) -> Iterable[Figure]:
    """Return the figures of what was found."""
    sent, faults = fuzzed.statuses.total(), fuzzed.faults
    yield Figure("requests", sent, "requests", 5_000, "higher")
    yield Figure("accepted", fuzzed.statuses[200], "requests")
    yield Figure("documented paths that accepted one", len(+fuzzed.accepted), "paths", len(fuzzed.document["paths"]), "higher")
    for status, count in sorted(fuzzed.statuses.items()):
        if status != 200:
            yield Figure(f"refused with {status}" if status else "without an answer", count, "requests")
    yield Figure("5xx, but 503 while there is no state", len(faults["5xx"]), "requests", 0)
    yield Figure("tracebacks and places of the code", len(faults["trace"]), "answers and lines", 0)
    yield Figure("values of a request where none may be", len(faults["leak"]), "answers and lines", 0)
    yield Figure("undocumented statuses", len(faults["undocumented"]), "requests", 0)
    yield Figure("answers that contradict the document", len(faults["contradiction"]), "requests", 0)
    yield Figure("answers that are not in the log", len(faults["lost"]), "of 1", 0)
    yield Figure("rate, with the making and judging of requests", sent / seconds, "requests/s")


def main() -> None:
    """Fuzz, tell of each kind of fault, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--seed", type=int, default=6, help="of the requests")
    arguments = parser.parse_args()
    home, count = Path(tempfile.mkdtemp(prefix="evergreen-fuzz-")), REQUESTS // (10 if arguments.quick else 1)
    try:
        with served(home) as fuzzed:
            started = time.perf_counter()
            fuzz(fuzzed, count // 2, arguments.seed)
            fuzzed.publish_state()
            fuzz(fuzzed, count // 2, arguments.seed + 1)
            seconds = time.perf_counter() - started
            fuzzed.finish()
            for found in fuzzed.faults.values():
                for text in found[:_SHOWN]:
                    print(text, file=sys.stderr)
            publish("fuzz", list(figures(fuzzed, seconds)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()

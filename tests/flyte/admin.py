"""A FlyteAdmin on loopback: it takes what is registered, and keeps it. Not a test itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from flyteidl.admin import launch_plan_pb2, project_pb2, task_pb2, version_pb2, workflow_pb2
from flyteidl.service import admin_pb2_grpc, dataproxy_pb2, dataproxy_pb2_grpc


@dataclass
class Registered:
    """What a cluster was told: name to request, and the code that was uploaded."""

    address: str = ""
    tasks: dict[str, Any] = field(default_factory=dict)
    workflows: dict[str, Any] = field(default_factory=dict)
    plans: dict[str, Any] = field(default_factory=dict)
    activated: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)


class _Admin(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, registered: Registered) -> None:
        self._registered = registered

    def CreateTask(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        self._registered.tasks[request.id.name] = request
        return task_pb2.TaskCreateResponse()

    def CreateWorkflow(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._registered.workflows[request.id.name] = request
        return workflow_pb2.WorkflowCreateResponse()

    def CreateLaunchPlan(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._registered.plans[request.id.name] = request
        return launch_plan_pb2.LaunchPlanCreateResponse()

    def UpdateLaunchPlan(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._registered.activated.append(request.id.name)
        return launch_plan_pb2.LaunchPlanUpdateResponse()

    def GetVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        return version_pb2.GetVersionResponse()

    def ListProjects(self, request: Any, context: Any) -> Any:  # noqa: N802
        return project_pb2.Projects(projects=[project_pb2.Project(id="evergreen")])


class _DataProxy(dataproxy_pb2_grpc.DataProxyServiceServicer):
    def __init__(self, uploads: str) -> None:
        self._uploads = uploads

    def CreateUploadLocation(self, request: Any, context: Any) -> Any:  # noqa: N802
        path = f"{request.project}/{request.domain}/{request.filename}"
        return dataproxy_pb2.CreateUploadLocationResponse(signed_url=f"{self._uploads}/{path}", native_url=f"s3://uploads/{path}")


@contextmanager
def flyte_admin() -> Iterator[Registered]:
    """Serve the calls that a registration makes, and a place for its upload, on loopback."""
    registered = Registered()

    class Upload(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            registered.uploads[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *values: Any) -> None:
            """Say nothing."""

    uploads = ThreadingHTTPServer(("127.0.0.1", 0), Upload)
    threading.Thread(target=uploads.serve_forever, daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(_Admin(registered), server)
    dataproxy_pb2_grpc.add_DataProxyServiceServicer_to_server(_DataProxy(f"http://127.0.0.1:{uploads.server_port}"), server)
    registered.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield registered
    finally:
        server.stop(grace=None).wait(10)
        uploads.shutdown()
        uploads.server_close()

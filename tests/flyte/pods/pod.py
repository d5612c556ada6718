"""Pods of a cluster that is none: each attempt at a task is a process, with what its container's protobuf says and no more.

It has its image's packages alone, an empty folder as `/root`, a home and a temporary folder of its own, and the code from the
package. Inputs, outputs, raw data and the lake lie in buckets; so do the artifacts of MLflow, whose database is a file here and a
server on a cluster. The serving folder is a volume that pods share.
"""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.literals_pb2 import LiteralMap

from tests.flyte.pods import warm
from tests.flyte.pods.environments import Environments
from tests.flyte.pods.package import Package
from tests.flyte.pods.walker import Job, Literals, TaskFailed
from tests.storage import Bucket

_MOST_SECONDS = 600
_AT_IMPORT = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "2", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""What libraries read once, when they are imported: for a warm process as the most tasks have it."""
_TAIL = 3_000  # characters of a log that an error shows
_MAPPED = re.compile(r"map_(\w+)_[0-9a-f]{32}-arraynode")
DISTRIBUTION, MAP_INDEX = "{{ .remote_package_path }}", "FLYTE_K8S_ARRAY_INDEX"


def short(task: str) -> str:
    """Return a task's name, of a map that of what it maps."""
    return _MAPPED.sub(r"\1", task)


@dataclass(frozen=True)
class Ran:
    """An attempt that came to an end."""

    execution: str
    path: str
    task: str
    image: str
    attempt: int
    status: int
    seconds: float
    cpu_seconds: float
    disk: Path
    outputs: Literals
    """Empty if it failed."""


@dataclass(frozen=True)
class Command:
    """What a container runs."""

    arguments: list[str]
    environment: dict[str, str]
    folder: Path
    """Its root."""
    log: Path


class Starter(Protocol):
    """Starts pods of one image."""

    def run(self, command: Command, kill_at: str | None) -> tuple[int, float]:
        """Run a command to its end, or until its log has a line; return its status and the seconds of CPU that it took."""
        ...

    def close(self) -> None: ...


class Plain:
    """Starts a pod as a container runtime does: a new process, which fetches its code by `pyflyte-fast-execute`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs

    def run(self, command: Command, kill_at: str | None) -> tuple[int, float]:
        arguments = [str(self._programs / command.arguments[0]), *command.arguments[1:]]
        with command.log.open("wb") as log:
            process = subprocess.Popen(
                arguments,
                cwd=command.folder,
                env=command.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + _MOST_SECONDS
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, used.ru_utime + used.ru_stime
            if time.monotonic() > until or _has(command.log, kill_at):
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.02)

    def close(self) -> None:
        """Nothing is held."""


class Warm:
    """Starts a pod as a fork of a process that has imported what every task imports (`warm.py`); its code is unpacked for it."""

    def __init__(self, programs: Path, environment: dict[str, str], code: bytes) -> None:
        self._code = code
        self._parent = subprocess.Popen(
            [str(programs / "python"), "-I", warm.__file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert "ready" in self._answer(_MOST_SECONDS)

    def run(self, command: Command, kill_at: str | None) -> tuple[int, float]:
        with tarfile.open(fileobj=io.BytesIO(self._code)) as tar:
            tar.extractall(command.folder, filter="data")
        arguments = command.arguments[command.arguments.index("--") + 1 :]  # without `pyflyte-fast-execute`
        request = {"arguments": arguments, "environment": command.environment, "cwd": str(command.folder), "log": str(command.log)}
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(request) + "\n")
        pid = self._answer(_MOST_SECONDS)["pid"]
        until = time.monotonic() + _MOST_SECONDS
        while (answer := self._answer(0.02)) == {}:
            if time.monotonic() > until or _has(command.log, kill_at):
                os.killpg(pid, signal.SIGKILL)
        return answer["status"], answer["cpu"]

    def _answer(self, seconds: float) -> dict[str, Any]:
        """Return the next answer, empty if there is none in time."""
        assert self._parent.stdout is not None
        ready, _, _ = select.select([self._parent.stdout], [], [], seconds)
        found: dict[str, Any] = json.loads(self._parent.stdout.readline()) if ready else {}
        return found

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(30)
        self._parent.stdout.close()


def _has(log: Path, line: str | None) -> bool:
    return line is not None and log.exists() and line in log.read_text(errors="replace")


@dataclass
class Pods:
    """Runs jobs of executions, one after the other.

    Args:
        package: What is registered.
        folder: Where pods have their disks.
        environments: Of the images.
        bucket: Flyte's own: code, metadata, raw data.
        settings: Environment variables that the cluster gives every pod: where the lake and MLflow are, and the object store.
        is_warm: Whether pods are forks of a process that has imported; else each is a new process.
    """

    package: Package
    folder: Path
    environments: Environments
    bucket: Bucket
    settings: dict[str, str]
    is_warm: bool = False
    execution: str = "first"
    kill_at: dict[str, str] = field(default_factory=dict)
    """Task to the line of its log at which its first attempt is killed."""
    ran: list[Ran] = field(default_factory=list)
    _starters: dict[tuple[str, bool], Starter] = field(default_factory=dict)
    _distribution: str = ""

    def __enter__(self) -> Pods:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._distribution = self.bucket.put(f"code/{self.package.code_name}", self.package.code)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for starter in self._starters.values():
            starter.close()

    def __call__(self, job: Job) -> Literals:
        """Run an attempt at a task, and return its outputs.

        Raises:
            TaskFailed: With what the task or its log says.
        """
        key = f"metadata/{self.execution}/{job.path}"
        self.bucket.put(f"{key}/inputs.pb", LiteralMap(literals=job.inputs).SerializeToString())
        command, started = self._command(job, key), time.monotonic()
        image, task = job.task.container.image, short(job.task.id.name)
        kill_at = self.kill_at.get(task) if job.attempt == 0 else None
        status, cpu = self._starter(image).run(command, kill_at)
        seconds = time.monotonic() - started
        given, error = (self.bucket.get(f"{key}/{job.attempt}/{name}.pb") for name in ("outputs", "error"))
        outputs = {} if given is None else dict(LiteralMap.FromString(given).literals)
        self.ran.append(Ran(self.execution, job.path, task, image, job.attempt, status, seconds, cpu, self._disk(job), outputs))
        if error is not None:
            told = ErrorDocument.FromString(error).error
            raise TaskFailed(told.message, told.kind == ContainerError.RECOVERABLE)
        if status or given is None:  # the container ended before its task could say anything: Flyte tries again
            told = (self._disk(job) / "log").read_text(errors="replace")[-_TAIL:]
            raise TaskFailed(f"exit {status}: {told}", recoverable=True)
        return outputs

    def logs(self, task: str) -> list[str]:
        """Return what the attempts at a task wrote, in order."""
        return [(ran.disk / "log").read_text(errors="replace") for ran in self.ran if ran.task == task]

    def _disk(self, job: Job) -> Path:
        return self.folder / self.execution / f"{job.path.replace('/', '.')}-{job.attempt}"

    def _command(self, job: Job, key: str) -> Command:
        """Return what the container runs, its templates filled in as Flyte's engine does."""
        disk = self._disk(job)
        for name in ("root", "home", "tmp"):
            (disk / name).mkdir(parents=True)
        filled = {
            DISTRIBUTION: self._distribution,
            "/root": str(disk / "root"),
            "{{.input}}": f"{self.bucket.uri}/{key}/inputs.pb",
            "{{.outputPrefix}}": f"{self.bucket.uri}/{key}/{job.attempt}",
            "{{.rawOutputDataPrefix}}": self._raw(job, job.attempt),
            "{{.checkpointOutputPrefix}}": f"{self._raw(job, job.attempt)}/_flytecheckpoints",
            "{{.prevCheckpointPrefix}}": f"{self._raw(job, job.attempt - 1)}/_flytecheckpoints" if job.attempt else '""',
        }
        container = job.task.container
        arguments = [filled.get(argument, argument) for argument in container.args]
        assert not any("{{" in argument for argument in arguments), f"a template must be filled in; got {arguments}"
        return Command(arguments, self._environment(job, disk), disk / "root", disk / "log")

    def _raw(self, job: Job, attempt: int) -> str:
        return f"{self.bucket.uri}/raw/{self.execution}/{job.path}/{attempt}"

    def _environment(self, job: Job, disk: Path) -> dict[str, str]:
        """Return all variables of the container: of its image, of the cluster, of Flyte, of its task."""
        array = {} if job.index is None else {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": MAP_INDEX, MAP_INDEX: str(job.index)}
        return {
            "PATH": f"{self.environments.of(job.task.container.image)}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(disk / "root"),
            "HOME": str(disk / "home"),
            "TMPDIR": str(disk / "tmp"),
            "FLYTE_FAIL_ON_ERROR": "true",
            "FLYTE_INTERNAL_EXECUTION_ID": f"{self.execution}-{job.execution.replace('/', '-')}".rstrip("-"),
            "FLYTE_INTERNAL_EXECUTION_PROJECT": "evergreen",
            "FLYTE_INTERNAL_EXECUTION_DOMAIN": "development",
            "FLYTE_INTERNAL_TASK_NAME": job.task.id.name,
            "FLYTE_ATTEMPT_NUMBER": str(job.attempt),
            "PYTHONUNBUFFERED": "1",
            **self.settings,
            **{pair.key: pair.value for pair in job.task.container.env},
            **array,
        }

    def _starter(self, image: str) -> Starter:
        key = image, self.is_warm
        if key not in self._starters:
            programs = self.environments.of(image)
            own = {"PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(self.folder), "HOME": str(self.folder), **_AT_IMPORT}
            self._starters[key] = Warm(programs, own, self.package.code) if self.is_warm else Plain(programs)
        return self._starters[key]

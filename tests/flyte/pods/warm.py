"""A process of an image that has imported what every task imports, and forks a pod for each request: it saves the seconds of importing.

Run by the image's own interpreter, as a script: `python -I warm.py`. It imports nothing of the project, so that a pod imports the
project from its own folder; and it starts no thread and opens no connection. A request is a line of JSON: the command's arguments,
environment, working directory and log. Answers are lines too: the pid, then the status, the seconds of CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile

ALWAYS = (
    "flytekit.bin.entrypoint",
    "flytekit",
    "flytekitplugins.pandera",
    "flytekitplugins.deck",
    "pandas",
    "pandera.polars",
    "polars",
    "pyarrow",
    "s3fs",
)
"""What every task of the project imports, by `tasks/execution.py` and `tasks/frames.py` or by flytekit itself."""
OFTEN = ("deltalake", "mlflow", "scipy.optimize", "sklearn.linear_model", "torch")
"""What several tasks of an image import, if the image has it."""
COMMANDS = {"pyflyte-execute": "execute_task_cmd", "pyflyte-map-execute": "map_execute_task_cmd"}


def main() -> None:
    there = [name for name in OFTEN if importlib.util.find_spec(name.partition(".")[0])]
    for name in (*ALWAYS, *there):
        importlib.import_module(name)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _be_a_pod(request)
        print(json.dumps({"pid": pid}), flush=True)
        _, status, used = os.wait4(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "cpu": used.ru_utime + used.ru_stime}), flush=True)


def _be_a_pod(request: dict[str, object]) -> None:
    """Run a container's command; does not return."""
    os.setsid()
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    empty = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, empty), (1, log), (2, log)):
        os.dup2(source, target)
    os.chdir(str(request["cwd"]))
    environment: dict[str, str] = request["environment"]  # type: ignore[assignment]
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was that of the parent
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    arguments: list[str] = request["arguments"]  # type: ignore[assignment]
    sys.argv = arguments
    status: object = 1
    try:
        from flytekit.bin import entrypoint

        getattr(entrypoint, COMMANDS[arguments[0]])(args=arguments[1:])
        status = 0
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()

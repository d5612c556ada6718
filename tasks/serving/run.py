"""Serve the champion on loopback: `python -m tasks.serving.run --port 3000`, or `make serve`.

Routes to the registry's champion unless a rollout is under way, makes a first key if there is none, and becomes the server of
the champion's Bento. Settings are variables: EVERGREEN_SERVING (the serving folder), EVERGREEN_WORKERS, EVERGREEN_TLS_CERT and
EVERGREEN_TLS_KEY (PEM files).
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

_TLS = {"--ssl-certfile": "EVERGREEN_TLS_CERT", "--ssl-keyfile": "EVERGREEN_TLS_KEY"}
_BY = "make serve"


def main() -> None:
    """Fetch the champion's Bento, verify it, and become its server.

    Ends with a message and exit status 1 if there is no champion, its Bento is altered, or a setting is wrong.
    """
    from tasks.errors import EvergreenError

    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--bento", type=int, metavar="VERSION", help="print where a version's Bento lies, verified, and serve nothing")
    asked = parser.parse_args()
    port = asked.port
    try:
        if asked.bento is not None:
            print(_bento(asked.bento))
            return
        options = _tls()
        bento, folder = _prepare()
        _tell(folder, f"{'https' if options else 'http'}://127.0.0.1:{port}")
    except EvergreenError as error:
        sys.exit(f"error: {error}")
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port), *options]
    os.execve(command[0], command, os.environ | _environment(bento, folder))


def _prepare() -> tuple[Path, Path]:
    """Return the champion's Bento, verified, and the serving folder, with a pointer to a model."""
    from tasks.artifacts.serving import Mode
    from tasks.execution import lake_uri, serving_folder, tracking_uri
    from tasks.lake import audit
    from tasks.model import bundle
    from tasks.model.fetch import fetch
    from tasks.registry.versions import CHAMPION, Registry
    from tasks.serving import rollout
    from tasks.usecase import policy

    registry, folder, lake = Registry(tracking_uri(), policy.MODEL_NAME), serving_folder(), lake_uri()
    bento = fetch(registry.bento_uri(CHAMPION))
    bundle.verify(bento)
    champion = registry.deployable(registry.champion().version, Mode.FULL, audit.read(lake, registry.anchors()))
    record = rollout.recorder(lake, policy.MODEL_NAME)
    print(rollout.begin(folder, champion, fetch(champion.package_uri), _BY, datetime.now(UTC), record), flush=True)
    return bento, folder


def _bento(version: int) -> Path:
    """Return the Bento of a version, verified."""
    from tasks.execution import tracking_uri
    from tasks.model.fetch import fetch
    from tasks.registry.versions import Registry
    from tasks.usecase import policy

    registry = Registry(tracking_uri(), policy.MODEL_NAME)
    registry.require_whole(version)
    return fetch(registry.bento_of(version))


def _tell(folder: Path, address: str) -> None:
    """Say where it answers, and give a first key to whoever starts it."""
    from tasks.serving import access, keys

    now = datetime.now(UTC)
    if not any(keys.is_valid(key, now) for key in keys.read(folder / keys.FILE).keys):
        access.main(["add", "--name", "local", "--role", "predict", "--role", "feedback", "--by", _BY])
    print(f"it answers on {address}, to who has a key (`make key`); {address}/docs says what to send", flush=True)


def _tls() -> list[str]:
    """Return the server's options for TLS.

    Raises:
        ServingError: If one of both files is named, or one is not there.
    """
    from tasks.errors import ServingError

    given = {option: os.environ.get(name, "") for option, name in _TLS.items()}
    if not any(given.values()):
        return []
    wrong = [f"{_TLS[option]}={path or 'nothing'}" for option, path in given.items() if not Path(path).is_file()]
    if wrong:
        raise ServingError(f"{' and '.join(_TLS.values())} must both name PEM files", ", ".join(wrong), "name both, or neither")
    return [part for option, path in given.items() for part in (option, path)]


def _environment(bento: Path, folder: Path) -> dict[str, str]:
    from tasks.local import home

    return {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home() / "bentoml"),
        "EVERGREEN_SERVING": str(folder),
        "PYTHONPATH": str(bento / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    main()

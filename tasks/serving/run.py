"""Serve the champion's Bento on loopback: `python -m tasks.serving.run --port 3000`, or `make serve`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    """Fetch the champion's Bento, verify it, and become its server.

    Ends with a message and exit status 1 if there is no champion, or its Bento is altered.
    """
    from tasks.errors import EvergreenError
    from tasks.execution import tracking_uri
    from tasks.local import home
    from tasks.model import bundle
    from tasks.model.fetch import fetch
    from tasks.registry.versions import CHAMPION, Registry
    from tasks.usecase import policy

    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    port = parser.parse_args().port
    try:
        bento = fetch(Registry(tracking_uri(), policy.MODEL_NAME).bento_uri(CHAMPION))
        bundle.verify(bento)
    except EvergreenError as error:
        sys.exit(f"error: {error}")
    environment = os.environ | {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home() / "bentoml"),
        "PYTHONPATH": str(bento / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    print(f"serving the champion of {policy.MODEL_NAME} on http://127.0.0.1:{port}", flush=True)
    command = [str(Path(sys.executable)), "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main()

"""Who may use the service: `python -m tasks.serving.access add | rotate | revoke | list`, or `make key`.

A change stands in the audit trail first, then in the file, which every worker reads again by itself. Only the sum of a key's secret
is ever written: its token is printed once.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tasks.artifacts.serving import Key, Role


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command says; ends with a message and exit status 1 if it cannot be done.

    Args:
        arguments: Those of the command, by default the process's.
    """
    from tasks.errors import EvergreenError

    asked = _parser().parse_args(arguments)
    try:
        _list() if asked.act == "list" else _change(asked, datetime.now(UTC))
    except EvergreenError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.serving.access", description="Add, rotate, revoke and list the service's keys.")
    acts = parser.add_subparsers(dest="act", required=True)
    add = acts.add_parser("add", help="make a key, and print its token")
    add.add_argument("--name", required=True, help="who uses it")
    add.add_argument("--role", required=True, action="append", choices=[role.value for role in Role], help="may be given several times")
    add.add_argument("--days", type=float, help="it ends after so many days; never, if left out")
    rotate = acts.add_parser("rotate", help="put a new key in the place of one")
    rotate.add_argument("--overlap-hours", type=float, default=24.0, help="the old one is valid so long, 24 by default")
    revoke = acts.add_parser("revoke", help="end a key at once")
    for one in (rotate, revoke):
        one.add_argument("id", help="the key's id, as `list` shows it")
    for one in (add, rotate, revoke):
        one.add_argument("--by", help="your name, by default that of the account")
        one.add_argument("--reason", default="", help="stands in the audit trail")
    acts.add_parser("list", help="show all keys")
    return parser


def _change(asked: argparse.Namespace, now: datetime) -> None:
    from tasks.artifacts.audit import Act
    from tasks.execution import lake_uri, serving_folder
    from tasks.lake import audit
    from tasks.serving import keys

    by = (asked.by or getpass.getuser()).strip()

    def before(changed: list[Key]) -> None:
        """Put the change into the audit trail; what it refuses is not done."""
        audit.append(lake_uri(), Act.KEY, by, f"key {changed[0].id}", _said(asked, changed), changed[0].model_dump_json(), now)

    path = serving_folder() / keys.FILE
    if asked.act == "revoke":
        key = keys.revoke(path, asked.id, now, before)
        print(f"key {key.id} of {key.name} is revoked since {key.revoked_at:%Y-%m-%d %H:%M}Z")
        return
    if asked.act == "add":
        ends = None if asked.days is None else now + _span(days=asked.days)
        key, token = keys.create(path, asked.name, [Role(role) for role in asked.role], now, ends, before)
    else:
        key, token = keys.rotate(path, asked.id, now, _span(hours=asked.overlap_hours), before)
    print(f"key {key.id} of {key.name} for {_roles(key)}, {_end(key)}. This is its token; it is shown this once and kept nowhere:")
    print(token)


def _said(asked: argparse.Namespace, changed: Sequence[Key]) -> str:
    """Return the reason of a row of the trail: what was done, and why if somebody said so."""
    key = changed[0]
    text = {
        "add": f"a key for {key.name} with {_roles(key)}, {_end(key)}",
        "revoke": f"the key of {key.name} is revoked",
        "rotate": f"a key for {key.name} in place of {changed[-1].id}, which {_end(changed[-1])}",
    }[asked.act]
    return f"{text}: {asked.reason.strip()}" if asked.reason.strip() else text


def _span(**length: float) -> timedelta:
    """Return a length of time.

    Raises:
        ServingError: If it is none, or longer than the calendar.
    """
    from tasks.errors import ServingError

    (name, number), *_ = length.items()
    if not 0 <= number <= 100_000:  # 270 years of days; also refuses what is no number
        raise ServingError(f"{name} must be 0 to 100000", f"{number}", "give another number")
    return timedelta(**length)


def _roles(key: Key) -> str:
    return " and ".join(role.value for role in key.roles)


def _end(key: Key) -> str:
    return "never ends" if key.expires_at is None else f"ends {key.expires_at:%Y-%m-%d %H:%M}Z"


def _list() -> None:
    from tasks.execution import serving_folder
    from tasks.serving import keys

    now = datetime.now(UTC)
    ring = keys.read(serving_folder() / keys.FILE)
    if not ring.keys:
        print("there are no keys; `add` makes one")
    for key in ring.keys:
        state = "valid" if keys.is_valid(key, now) else "revoked" if key.revoked_at else "expired"
        print(f"{key.id}  {state:<8}{_roles(key):<30}{_end(key):<24}  {key.name}")


if __name__ == "__main__":
    main()

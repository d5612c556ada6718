"""The base of all records: frozen, closed, finite, with one short line as their text."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

_SHOWN = 300  # characters of a record that are printed


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields, no values that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr__(self) -> str:
        """Return one short line: a record may hold thousands of values, and `pyflyte run` prints what a workflow returns."""
        text = self.model_dump_json()
        return f"{type(self).__name__} {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"

    __str__ = __repr__

    @classmethod
    @cache
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]  # of pydantic's arguments, any
        """Return the JSON schema as pydantic makes it, made once: Flyte asks for it at every edge of every task."""
        return super().model_json_schema(*args, **options)


class Interval(Record):
    """A value with its 95 % interval from a bootstrap over whole days."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.lower:.4f}, {self.upper:.4f}]"


class Window(Record):
    """Consecutive local days, both ends included."""

    first_day: date
    last_day: date

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"


class SuiteCondition(Record):
    """One condition of a deepchecks suite."""

    check: str
    condition: str
    passed: bool
    details: str

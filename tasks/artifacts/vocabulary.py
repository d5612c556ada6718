"""The words of a use case: what one row of its main table is called, and what several are."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tasks.artifacts.record import Record

_WORD = "^[a-z][a-z0-9]*$"
_TAKEN = {
    *("row", "rows", "feature", "features", "outcome", "outcomes", "reason", "prediction", "predicted", "explanation", "explained"),
    *("accepted", "error", "status", "routing", "routed", "arm", "mode"),
}
"""Names that requests and the service's own schemas have already."""


class Vocabulary(Record):
    """What rows are called where people and clients read of them: in reports, in requests, in the service's document.

    A request lists what it asks about under `rows`: `{"orders": [...]}`.
    """

    row: str = Field(pattern=_WORD, max_length=40, description="One of them, a lower-case word such as `order`")
    rows: str = Field(pattern=_WORD, max_length=40, description="Several of them, such as `orders`")

    @model_validator(mode="after")
    def _are_free(self) -> Self:
        if self.row == self.rows:
            raise ValueError(f"row and rows must be two words, such as order and orders; got {self.row} twice")
        if taken := sorted({self.row, self.rows} & _TAKEN):
            raise ValueError(f"the words of a use case must not be those of every service; got {', '.join(taken)}")
        return self

    def of(self, number: int) -> str:
        """Return the word for so many."""
        return self.row if number == 1 else self.rows

"""Data card: the contract beside what the data hold, for people who have to trust them."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow
from flytekit.types.directory import FlyteDirectory

from tasks.validation.task import write_data_card
from workflows.defaults import AS_OF, SOURCE
from workflows.ingest import ingest


@workflow
def data_card(as_of: datetime = AS_OF, source: str = SOURCE) -> FlyteDirectory:
    """Ingest up to an instant and write the data card, as Markdown and as HTML, of what the lake then holds.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    return write_data_card(snapshot=ingest(as_of=as_of, source=source))

"""Encoded rows in a file without a name: it is gone with the process, however that ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.errors import StorageError

Values = npt.NDArray[Any]
"""An array of four-byte numbers, of whichever kind."""

_BYTES = 4


class RowFile:
    """A table of four-byte numbers, written and read by pieces.

    Args:
        folder: Where the file lies; None for the system's folder of temporary files.

    Raises:
        StorageError: From here on, if there is no room for it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        with self._told():
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file: Any = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`

    def write(self, position: int, values: Values) -> None:
        """Write numbers from a position on, counted in numbers."""
        with self._told():
            self._file.seek(int(position) * _BYTES)
            self._file.write(np.ascontiguousarray(values).data)

    def read(self, position: int, values: Values) -> None:
        """Fill an array with the numbers from a position on."""
        with self._told():
            self._file.seek(int(position) * _BYTES)
            self._file.readinto(values.data)

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # what could not be written at last is not asked for any more
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = self._folder or tempfile.gettempdir()
            mend = "free space or mend permissions, or raise rows_in_memory until all rows fit, then run again"
            raise StorageError(f"{place} must have room for two copies of the encoded training rows", f"{error}", mend) from error

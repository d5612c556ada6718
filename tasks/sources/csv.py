"""CSV: bytes of a file, packed or not, as a frame of text, with a plain word on what is wrong with it."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib

import polars as pl

from tasks.errors import SourceError

ENDINGS = (".csv", ".csv.zip", ".csv.gz")

_GZIP, _UTF_16 = b"\x1f\x8b", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse(data: bytes, missing: tuple[str, ...], where: str, mend: str) -> pl.DataFrame:
    """Return the rows of a file, every column text.

    Args:
        data: The file's bytes; packed if its name says so.
        missing: Texts that stand for no value.
        where: The file, for errors; its ending says how it is packed.
        mend: How to mend a source, for errors.

    Raises:
        SourceError: If it is truncated, not UTF-8, or not a table.
    """
    if where.endswith(".zip"):
        data = _unzipped(data, where)
    elif where.endswith(".gz"):
        data = _gunzipped(data, where)
    _require_text(data, where)
    try:
        return pl.read_csv(data, infer_schema=False, null_values=list(missing))
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise SourceError(f"{where} must be a table of comma-separated values", str(error).split("\n")[0], mend) from error


def _require_text(data: bytes, where: str) -> None:
    """Raise by the first bytes and the last one; what is between them is read by polars."""
    if not data:
        found, mend = "an empty file", "copy the file again, or ask who writes it: a day without rows has a line of names still"
    elif data.startswith(_GZIP):
        found, mend = "gzip bytes", "unpack the file with `gunzip`, or name it .csv.gz"
    elif data.startswith(_UTF_16):
        found, mend = "a UTF-16 byte order mark", "write the file in UTF-8, such as with `iconv -f UTF-16 -t UTF-8`"
    elif not data.endswith(b"\n"):
        found, mend = "a file cut off within a line", "copy the file again"
    else:
        return
    raise SourceError(f"{where} must be text in UTF-8 and must end with a full line", found, mend)


def _unzipped(data: bytes, where: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(archive.namelist()[0])
    except (zipfile.BadZipFile, IndexError, EOFError) as error:
        raise SourceError(f"{where} must be a whole zip archive", f"{error}", "copy the file again") from error


def _gunzipped(data: bytes, where: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{where} must be a whole gzip file", f"{error}", "copy the file again") from error

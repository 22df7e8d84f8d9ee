"""Reading the lines of a file that may be compressed, too long, cut short or missing. Not what they mean."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from themis_vcs.errors import DataError

MAX_LINE = 16 * 1024 * 1024
"""Default limit for one line, in bytes after decompression."""

_BOM = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of the file, decompressed if its name ends in .gz. DataError for whatever goes wrong."""
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                yield cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 16))
            else:
                yield raw
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", hint=f"the path counts from {Path.cwd()}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_lines(stream: BinaryIO, path: Path, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line with its end) for every line; a byte order mark at the start is left out.

    Never holds more than one line. DataError for a line over `limit` bytes.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise DataError(
                f"{path}:{number}: line: longer than {limit:,} bytes",
                hint="one record stands on one line; raise the limit if the record really is that large",
            )
        if number == 1 and line.startswith(_BOM):
            line = line[len(_BOM) :]
        yield number, line

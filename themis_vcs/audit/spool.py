"""Findings kept in a file of the system's until all are there: the verdicts come last, and are told first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

import msgspec

from themis_vcs.audit.finding import Finding

_MEMORY = 1 << 20
_DECODER = msgspec.json.Decoder(Finding)


class Spool:
    """Findings in a file. `count` is how many."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.count = file, 0

    def keep(self, findings: Iterable[Finding]) -> None:
        """Take all of them."""
        for finding in findings:
            self._file.write(msgspec.json.encode(finding) + b"\n")
            self.count += 1

    def __iter__(self) -> Iterator[Finding]:
        self._file.seek(0)
        return map(_DECODER.decode, self._file)


@contextmanager
def spooled() -> Iterator[Spool]:
    """Findings that are there as long as the block lasts, in bounded memory however many they are."""
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY) as file:
        yield Spool(file)

"""Frames in the bytes of a damaged file: looked for by oid where no table leads to them any more (STORE-37).

The bytes of a frame follow each other in the file, whatever has become of the pages that say where it begins. LMDB is
not asked, so nothing here can end the process.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.objects import load
from themis_vcs.model.oid import Oid
from themis_vcs.store import frames
from themis_vcs.store.compressor import Compressor
from themis_vcs.store.frames import Frame, payload_of

_PATIENCE: Final = 64 << 30
"""How many bytes are looked through at most: an object that is not there costs the whole file."""


class Wreckage:
    """A damaged data file that is not empty. It must not become shorter meanwhile."""

    def __init__(self, data: Path) -> None:
        with data.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._content)
        self._following: dict[Oid, int] = {}
        self._patience = _PATIENCE

    def frame(self, oid: Oid, compressor: Compressor) -> Frame | None:
        """Return the frame of an object if it is here and sound, and the object canonical."""
        found = (self._sound(at, compressor) for at in self._places(oid))
        return next((frame for frame in found if frame is not None), None)

    def _places(self, oid: Oid) -> Iterator[int]:
        """Yield where a frame of this oid may begin."""
        if oid in self._following:
            yield self._following[oid]
        at = -1
        while self._patience > 0:
            before, at = at, self._content.find(oid, at + 1)
            self._patience -= (len(self._content) if at < 0 else at) - before
            if at < 0:
                return
            yield at

    def _sound(self, at: int, compressor: Compressor) -> Frame | None:
        """Return the frame at a place, after a note of what follows it in its segment."""
        try:
            found = frames.unpack(self._view, at)
            load(payload_of(found, compressor.lookup))
        except ThemisError:
            return None
        self._note(at + found.size)
        return found

    def _note(self, at: int) -> None:
        while True:
            try:
                following = frames.unpack(self._view, at)
            except Corrupt:
                return
            if following.oid in self._following:
                return
            self._following[following.oid] = at
            at += following.size

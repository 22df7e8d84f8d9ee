"""The payloads that a run wrote last, so that the stage after need not read them back. Bounded in bytes."""

from __future__ import annotations

from itertools import islice

from themis_vcs.model.oid import Oid

_LIMIT = 16 << 20
_ENTRY = 200
_SHARE = 8


class Recent:
    """Payloads by oid. When they take more than `limit` bytes, an eighth of them goes, the oldest."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit, self._size = limit, 0
        self._payloads: dict[Oid, bytes] = {}
        self.get = self._payloads.get

    def add(self, oid: Oid, payload: bytes) -> None:
        """Keep a payload for a while."""
        if oid in self._payloads:
            return
        self._payloads[oid] = payload
        self._size += len(payload) + _ENTRY
        if self._size > self._limit:
            for old in list(islice(self._payloads, 1 + len(self._payloads) // _SHARE)):
                self._size -= len(self._payloads.pop(old)) + _ENTRY

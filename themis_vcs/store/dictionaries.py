"""Which records share a zstd dictionary, and when one is worth having.

Records of one label resemble each other, and one of them alone is too short for zstd to notice. A dictionary is
trained once 500 records of a label have been seen, at an eighth of their size: measured on records of a run, 110 KB for
values of 1.4 KB (ratio 1.8 → 4.0), 2 KB already for steps and scores (1.0 → 3.0). It must save its
own size over as many records as were seen. Trees are mostly hashes, and none does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import zstandard

from themis_vcs.errors import Corrupt
from themis_vcs.model.objects import Dictionary, dump, load
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.frames import LEVEL, Frame, compress

ENOUGH: Final = 500
MAX_BYTES: Final = 110 * 1024
_MIN_BYTES: Final = 1024
_SHARE: Final = 8
_KEPT: Final = 2000
_KEPT_BYTES: Final = 4 << 20
_LONGEST: Final = 128 << 10
_HELD_OUT: Final = 5
_TRY_AGAIN: Final = 4
# fastCover's parameters; to let zstd look for them takes eight times as long and gains less than 1 %.
_SEGMENT: Final = 512
_DMER: Final = 8
_FREQUENCIES: Final = 17


class Trained(NamedTuple):
    """A dictionary that no store holds yet, as the frame to store and in the form that compresses."""

    label: str
    frame: Frame
    dictionary: zstandard.ZstdCompressionDict


@dataclass
class Samples:
    """Records of one label, until there are enough of them. `older` are the oids of records of earlier sessions."""

    older: list[Oid] = field(default_factory=list)
    oids: list[Oid] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    size: int = 0
    needed: int = ENOUGH
    noted: int = 0

    def add(self, oid: Oid, payload: bytes) -> None:
        """Keep a record, unless there are enough or it is very long."""
        if self.wanted and self.size < _KEPT_BYTES and len(payload) <= _LONGEST:
            self.oids.append(oid)
            self.payloads.append(payload)
            self.size += len(payload)

    @property
    def count(self) -> int:
        return len(self.older) + len(self.oids)

    @property
    def wanted(self) -> bool:
        """Whether more records may still lead to a dictionary."""
        return self.needed <= _KEPT and len(self.payloads) < _KEPT

    @property
    def due(self) -> bool:
        """Whether there are as many records as were waited for."""
        return self.needed <= min(_KEPT, self.count)

    def postpone(self) -> None:
        """Try again when there are four times as many records, or, if those would be too many, give up."""
        self.needed = _TRY_AGAIN * self.count
        if not self.wanted:
            self.older, self.oids, self.payloads, self.size = [], [], [], 0


def train(label: str, payloads: list[bytes]) -> Trained | None:
    """Return a dictionary for records like `payloads`, or None if it would not save enough."""
    held_out = payloads[::_HELD_OUT]
    used: list[bytes | bytearray | memoryview] = [p for n, p in enumerate(payloads) if n % _HELD_OUT]
    target = max(_MIN_BYTES, min(MAX_BYTES, sum(map(len, payloads)) // _SHARE))
    try:
        dictionary = zstandard.train_dictionary(target, used, k=_SEGMENT, d=_DMER, f=_FREQUENCIES)
    except zstandard.ZstdError:
        return None
    dictionary.precompute_compress(level=LEVEL)
    plain = zstandard.ZstdCompressor(level=LEVEL)
    better = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_dict_id=False)
    before = sum(len(plain.compress(payload)) for payload in held_out)
    after = sum(len(better.compress(payload)) for payload in held_out)
    payload = dump(Dictionary(dictionary.as_bytes(), label))
    frame = compress([oid_of(payload)], [payload])[0]
    if (before - after) * _HELD_OUT < frame.size:
        return None
    return Trained(label, frame, dictionary)


def received(payload: bytes) -> Trained:
    """Return the dictionary object of another store in the form in which one of our own would be stored."""
    frame = compress([oid_of(payload)], [payload])[0]
    return Trained(load(payload, Dictionary).label, frame, loaded(payload))


def readable(dictionary: Dictionary) -> zstandard.ZstdCompressionDict:
    """Return a dictionary ready to decompress, which shows whether it is one."""
    return zstandard.ZstdCompressionDict(dictionary.data, dict_type=zstandard.DICT_TYPE_FULLDICT)


def loaded(payload: bytes) -> zstandard.ZstdCompressionDict:
    """Return the dictionary that a dictionary object holds, ready to compress and to decompress."""
    dictionary = readable(load(payload, Dictionary))
    try:
        dictionary.precompute_compress(level=LEVEL)
    except zstandard.ZstdError as error:
        raise Corrupt(f"a dictionary object holds no zstd dictionary: {error}") from error
    return dictionary

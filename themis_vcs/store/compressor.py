"""What one open store knows of its dictionaries: it turns payloads into frames, and frames back into payloads.

Learns dictionaries from the records that pass through, picks up those of other processes, and remembers the records
of labels that have none yet. Not responsible for writing any of it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Final

import zstandard

from themis_vcs.errors import Corrupt, ObjectNotFound
from themis_vcs.model.oid import OID_BYTES, Oid, oid_of, split_oids
from themis_vcs.store import dictionaries, frames
from themis_vcs.store.backend import Foreign, Record
from themis_vcs.store.dictionaries import Samples, Trained
from themis_vcs.store.environment import Environment
from themis_vcs.store.frames import Frame
from themis_vcs.store.seal import sealed, unsealed
from themis_vcs.store.tables import Writer, fields

DICTIONARIES: Final = "dictionaries"
META: Final = "meta"
_NUMBER = struct.Struct(">H")
SAMPLES: Final = b"samples:"
_NOTE_FROM: Final = 8


class Compressor:
    """The dictionaries of an open store, by number and by label."""

    def __init__(self, environment: Environment, payload_of: Callable[[Oid], bytes]) -> None:
        """`payload_of` reads an object of the store, for the dictionaries themselves and for older samples."""
        self._environment = environment
        self._payload_of = payload_of
        self._lock = RLock()
        self._oids: dict[int, Oid] = {}
        self._loaded: dict[int, zstandard.ZstdCompressionDict] = {}
        self._current: dict[str, int] = {}
        self._samples: dict[str, Samples] = {}
        self._learning = False

    def learn(self) -> None:
        """Take in the table of dictionaries; from now on also whenever one is asked for that is not known."""
        with self._environment.reading() as reader:
            rows = [(bytes(key), bytes(row)) for key, row in reader.cursor(DICTIONARIES)]
        for key, row in rows:
            try:
                value = unsealed(DICTIONARIES, key, row)
            except Corrupt:
                # Only what needs this dictionary cannot be read; `lookup` says so.
                continue
            number = fields(_NUMBER, key)[0]
            self._oids[number] = value[:OID_BYTES]
            self._current[value[OID_BYTES:].decode()] = number
        self._learning = True

    def lookup(self, number: int) -> zstandard.ZstdCompressionDict:
        """Return a dictionary by number; Corrupt if there is none."""
        known = self._loaded.get(number)
        if known is not None:
            return known
        with self._lock:
            dictionary = self._loaded.get(number)
            if dictionary is None:
                if number not in self._oids and self._learning:
                    self.learn()
                oid = self._oids.get(number)
                if oid is None:
                    raise Corrupt(f"dictionary {number}, which a frame needs, does not exist")
                try:
                    dictionary = dictionaries.loaded(self._payload_of(oid))
                except (Corrupt, ObjectNotFound) as error:
                    raise Corrupt(f"dictionary {number} cannot be used: {error}", oid=oid) from error
                self._loaded[number] = dictionary
            return dictionary

    def oid_of(self, number: int) -> Oid:
        """Return the oid of a dictionary that `lookup` knows."""
        return self._oids[number]

    def adapt(self, foreign: Sequence[Foreign], new: list[Trained]) -> list[Frame]:
        """Return frames of another store for this one; dictionaries that are not here are appended to `new`.

        Frames of the n-th new dictionary hold -n for its number, as those of `compress` do.
        """
        numbers = {oid: number for number, oid in self._oids.items()}
        numbers.update((trained.frame.oid, -place) for place, trained in enumerate(new, start=1))
        known: dict[bytes | None, int] = {None: 0}
        result = []
        for each in foreign:
            payload = each.dictionary
            number = known.get(payload)
            if number is None:
                number = numbers.get(oid_of(payload or b""))
                if number is None:
                    new.append(dictionaries.received(payload or b""))
                    number = -len(new)
                known[payload] = number
            result.append(each.frame.renumbered(number))
        return result

    def compress(self, entries: Sequence[Record]) -> tuple[list[Frame], list[Trained]]:
        """Return a frame per entry, in order, and the dictionaries that these frames were the occasion to train.

        Frames of the n-th new dictionary hold -n for its number, which is not known before it is stored.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        for place, (_, _, label) in enumerate(entries):
            groups[label].append(place)
        new: list[Trained] = []
        result: list[Frame | None] = [None] * len(entries)
        for label, places in groups.items():
            group = [entries[place] for place in places]
            with self._lock:
                number, dictionary = self._dictionary_for(label, group, new)
            packed = frames.compress(
                [oid for oid, _, _ in group], [payload for _, payload, _ in group], number, dictionary
            )
            for place, frame in zip(places, packed, strict=True):
                result[place] = frame
        return [frame for frame in result if frame is not None], new

    def rows(self) -> dict[bytes, bytes]:
        """Return the rows of `meta` that remember records of labels without a dictionary, where there are more now."""
        with self._lock:
            result = {}
            for label, samples in self._samples.items():
                if samples.wanted and samples.count - samples.noted >= _NOTE_FROM + samples.noted // _NOTE_FROM:
                    samples.noted = samples.count
                    key = SAMPLES + label.encode()
                    kept = (samples.older + samples.oids)[: dictionaries.ENOUGH]
                    result[key] = sealed(META, key, b"".join(kept))
            return result

    def adopt(self, numbers: Sequence[int], new: Sequence[Trained]) -> None:
        """Use dictionaries from now on that have been stored under these numbers."""
        with self._lock:
            for number, trained in zip(numbers, new, strict=True):
                self._oids[number] = trained.frame.oid
                self._loaded[number] = trained.dictionary
                self._current[trained.label] = number
                self._samples.pop(trained.label, None)

    def _dictionary_for(
        self, label: str, entries: Sequence[Record], new: list[Trained]
    ) -> tuple[int, zstandard.ZstdCompressionDict | None]:
        if not label:
            return 0, None
        number = self._current.get(label)
        if number is not None:
            try:
                return number, self.lookup(number)
            except Corrupt:
                # What it compressed is lost, but the label must not be: it gets another one in time.
                del self._current[label]
        samples = self._samples.get(label)
        if samples is None:
            samples = self._samples[label] = self._remembered(label)
        for oid, payload, _ in entries:
            samples.add(oid, payload)
        if not samples.due:
            return 0, None
        trained = dictionaries.train(label, self._older_payloads(samples) + samples.payloads)
        if trained is None:
            samples.postpone()
            return 0, None
        new.append(trained)
        return -len(new), trained.dictionary

    def _remembered(self, label: str) -> Samples:
        key = SAMPLES + label.encode()
        try:
            with self._environment.reading() as reader:
                row = reader.get(META, key)
                oids = b"" if row is None else unsealed(META, key, bytes(row))
        except Corrupt:
            # Only a hint for training; it will be written anew.
            oids = b""
        older = list(split_oids(oids))
        return Samples(older=older, noted=len(older))

    def _older_payloads(self, samples: Samples) -> list[bytes]:
        payloads = []
        for oid in samples.older:
            try:
                payloads.append(self._payload_of(oid))
            except (Corrupt, ObjectNotFound):
                continue
        return payloads


def enter(writer: Writer, new: Sequence[Trained]) -> list[int]:
    """Give each new dictionary the next free number and enter it; return the numbers."""
    cursor = writer.cursor(DICTIONARIES)
    last = fields(_NUMBER, cursor.key())[0] if cursor.last() else 0
    if last + len(new) > 0xFFFF:
        raise Corrupt("there is no number left for another dictionary")
    numbers = []
    for number, trained in enumerate(new, start=last + 1):
        key = _NUMBER.pack(number)
        writer.put(DICTIONARIES, key, sealed(DICTIONARIES, key, trained.frame.oid + trained.label.encode()))
        writer.delete(META, SAMPLES + trained.label.encode())
        numbers.append(number)
    return numbers

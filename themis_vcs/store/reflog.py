"""The rows of refs and of their reflog: STORE-15, STORE-16, STORE-19."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, cast

from themis_vcs.errors import Corrupt, DecodingError
from themis_vcs.model import codec
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store.backend import Batch, ReflogEntry
from themis_vcs.store.refs import moves_of
from themis_vcs.store.seal import sealed, unsealed
from themis_vcs.store.tables import Reader, Writer, fields

REFS: Final = "refs"
REFLOG: Final = "reflog"
_SEQUENCE = struct.Struct(">Q")
SEQUENCE_BYTES: Final = _SEQUENCE.size
_HIGHEST: Final = b"\xff" * _SEQUENCE.size


def move(writer: Writer, batch: Batch) -> None:
    """Move the refs of a batch and log it, or raise RefConflict."""
    moves = moves_of(batch.refs, lambda name: current(writer, name))
    for update, old in moves:
        if update.new is None:
            writer.delete(REFS, update.name.encode())
        else:
            put(writer, update.name, update.new)
        log(writer, update.name, ReflogEntry(old, update.new, batch.time, batch.who, batch.message))


def put(writer: Writer, name: str, oid: Oid) -> None:
    """Write the row of a ref."""
    key = name.encode()
    writer.put(REFS, key, sealed(REFS, key, oid))


def log(writer: Writer, name: str, entry: ReflogEntry) -> None:
    """Write the next entry of the log of a ref."""
    write(writer, name, last_sequence(writer, name.encode()) + 1, entry)


def write(writer: Writer, name: str, sequence: int, entry: ReflogEntry) -> None:
    """Write an entry of the log of a ref under its number."""
    key = key_of(name, sequence)
    writer.put(REFLOG, key, sealed(REFLOG, key, codec.pack(list(entry))))


def read(reader: Reader, name: str) -> Oid | None:
    """Return where a ref points; Corrupt if its row, or any row of a table that lacks it, is damaged."""
    key = name.encode()
    row = reader.get(REFS, key)
    if row is None:
        for _ in every(reader):
            pass
        return None
    return _target(key, row)


def every(reader: Reader) -> Iterator[tuple[str, Oid]]:
    """Yield all refs by name, checking each row and their number."""
    count = 0
    for key, row in reader.cursor(REFS):
        count += 1
        yield decoded(bytes(key), row)
    if count != reader.entries(REFS):
        raise Corrupt(f"{reader.entries(REFS)} refs were stored, and {count} are found")


def decoded(key: bytes, row: bytes | memoryview) -> tuple[str, Oid]:
    """Return the name and the target of a row of `refs`."""
    oid = _target(key, row)
    return key.decode(), oid


def history(reader: Reader, name: str) -> list[ReflogEntry]:
    """Return the moves of a ref, newest first; Corrupt if one is missing."""
    key = name.encode()
    cursor = reader.cursor(REFLOG)
    entries: list[ReflogEntry] = []
    expected: int | None = None
    found = cursor.set_range(key + b"\0")
    while found and cursor.key()[: len(key) + 1] == key + b"\0":
        sequence, entry = logged(bytes(cursor.key()), cursor.value())
        if expected is not None and sequence != expected:
            raise Corrupt(f"the reflog of {name} has a gap before its entry {sequence}", ref=name)
        entries.append(entry)
        expected = sequence + 1
        found = cursor.next()
    current = read(reader, name)
    if (entries[-1].new if entries else None) != current:
        raise Corrupt(f"the reflog of {name} does not end where the ref points", ref=name)
    return entries[::-1]


def logged(key: bytes, row: bytes | memoryview) -> tuple[int, ReflogEntry]:
    """Return the sequence number and the entry of a row of `reflog`."""
    name = name_of(key)
    record = unsealed(REFLOG, key, row)
    try:
        old, new, time, who, message = cast(Sequence[object], codec.unpack(record))
    except (DecodingError, ValueError, TypeError) as error:
        raise Corrupt(f"a reflog entry of {name} is malformed", ref=name) from error
    entry = ReflogEntry(cast(Oid | None, old), cast(Oid | None, new), cast(int, time), str(who), str(message))
    return sequence_of(key), entry


def key_of(name: str, sequence: int) -> bytes:
    """Return the key of an entry."""
    return name.encode() + b"\0" + _SEQUENCE.pack(sequence)


def sequence_of(key: bytes) -> int:
    """Return the number of the entry that has this key."""
    return fields(_SEQUENCE, key[-SEQUENCE_BYTES:])[0]


def name_of(key: bytes) -> str:
    """Return the name of the ref whose move has this key."""
    return key[: -SEQUENCE_BYTES - 1].decode("utf-8", "backslashreplace")


def _target(key: bytes, row: bytes | memoryview) -> Oid:
    oid = unsealed(REFS, key, row)
    if len(oid) != OID_BYTES:
        raise Corrupt(f"ref {key.decode()} does not hold an oid", ref=key.decode())
    return oid


def current(writer: Writer, name: str) -> Oid | None:
    """Return where a ref points, None if there is none."""
    key = name.encode()
    row = writer.get(REFS, key)
    return None if row is None else _target(key, row)


def last_sequence(writer: Writer, name: bytes) -> int:
    """Return the sequence number of the newest entry of a ref, 0 if it has none."""
    cursor = writer.cursor(REFLOG)
    found = cursor.prev() if cursor.set_range(name + b"\0" + _HIGHEST) else cursor.last()
    if not found or cursor.key()[: len(name) + 1] != name + b"\0":
        return 0
    return fields(_SEQUENCE, cursor.key()[-_SEQUENCE.size :])[0]

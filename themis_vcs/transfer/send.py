"""Making packs of objects."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from themis_vcs.model.objects import Dictionary
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.frames import compress, raw
from themis_vcs.transfer.endpoint import Source
from themis_vcs.transfer.pack import MAX_BYTES, PackWriter, within_ratio

PACK_BYTES: Final = 4 << 20
"""A pack that has become as large as this is ended."""
FIRST_BYTES: Final = 1 << 20
"""And the first one as this, where the other side has nothing to do before it comes."""


def packs(
    source: Source,
    items: Iterable[Stored],
    *,
    limit: int = PACK_BYTES,
    first: int = MAX_BYTES,
    knows: Callable[[Oid], bool] = lambda oid: False,
    sink: Callable[[], BinaryIO] = io.BytesIO,
) -> Iterator[BinaryIO]:
    """Yield objects, children first, in as few packs of about `limit` bytes as it takes; each stands at its start.

    If the `first` is to be smaller, each may be twice as large as the one before. Dictionaries that the receiver
    `knows` are only named. A pack is written to what `sink` opens; the caller closes it.
    """
    begun: tuple[PackWriter, BinaryIO] | None = None
    room = min(first, limit)
    try:
        for item in items:
            if begun is not None and (begun[0].size >= room or not begun[0].takes(item.frame)):
                finished, begun = _finished(*begun), None
                room = min(2 * room, limit)
                yield finished
            if begun is None:
                file = sink()
                begun = PackWriter(file.write), file
            _add(begun[0], source, item, knows)
        if begun is not None:
            finished, begun = _finished(*begun), None
            yield finished
    finally:
        if begun is not None:
            begun[1].close()


def _add(writer: PackWriter, source: Source, item: Stored, knows: Callable[[Oid], bool]) -> None:
    frame, dictionary = item.frame, item.dictionary
    if frame.oid in writer:
        return
    if not within_ratio(frame.raw_length, len(frame.data)):
        frame, dictionary = raw(frame.oid, item.payload), None
    if dictionary is not None and not writer.can_use(dictionary):
        if knows(dictionary):
            writer.know(dictionary)
        else:
            writer.add(compress([dictionary], [source.dictionary(dictionary)])[0], is_dictionary=True)
    writer.add(frame, dictionary, is_dictionary=isinstance(item.object, Dictionary))


def _finished(writer: PackWriter, file: BinaryIO) -> BinaryIO:
    writer.finish()
    file.seek(0)
    return file

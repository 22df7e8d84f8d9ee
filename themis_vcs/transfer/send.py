"""Making packs of objects."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.frames import compress, raw
from themis_vcs.transfer.endpoint import Source
from themis_vcs.transfer.pack import PackWriter, within_ratio

PACK_BYTES: Final = 16 << 20
"""A pack that has become as large as this is ended."""


def packs(
    source: Source,
    items: Iterable[Stored],
    *,
    limit: int = PACK_BYTES,
    knows: Callable[[Oid], bool] = lambda oid: False,
) -> Iterator[io.BytesIO]:
    """Yield objects, children first, in as few packs of about `limit` bytes as it takes; each stands at its start.

    Dictionaries that the receiver `knows` are only named.
    """
    sink = io.BytesIO()
    writer: PackWriter | None = None
    for item in items:
        if writer is not None and (writer.size >= limit or not writer.takes(item.frame)):
            yield _finished(writer, sink)
            writer = None
        if writer is None:
            sink = io.BytesIO()
            writer = PackWriter(sink.write)
        _add(writer, source, item, knows)
    if writer is not None:
        yield _finished(writer, sink)


def _add(writer: PackWriter, source: Source, item: Stored, knows: Callable[[Oid], bool]) -> None:
    frame, dictionary, payload, _ = item
    if frame.oid in writer:
        return
    if not within_ratio(frame.raw_length, len(frame.data)):
        frame, dictionary = raw(frame.oid, payload), None
    if dictionary is not None and not writer.can_use(dictionary):
        if knows(dictionary):
            writer.know(dictionary)
        else:
            writer.add(compress([dictionary], [source.dictionary(dictionary)])[0], is_dictionary=True)
    writer.add(frame, dictionary)


def _finished(writer: PackWriter, sink: io.BytesIO) -> io.BytesIO:
    writer.finish()
    sink.seek(0)
    return sink

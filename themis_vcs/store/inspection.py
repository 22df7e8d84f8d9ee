"""The part of fsck that reads, run as a process of its own: damaged pages may end it by a signal.

    python -m themis_vcs.store.inspection STORE PHASE START WAIT [contents] [PRELIMINARY …]

goes through the phases from PHASE on, waits up to WAIT seconds for writers to pause, and writes what it sees to
stdout, message by message: a length of 4 bytes and a MessagePack list; with `contents` also every sound row and frame
itself, for who makes a new store of them. It judges single rows and frames; what they mean together is for `fsck`, and
the pages of the file are for `structure`. Before anything that may end the process it says where it is, so that the
parent can name the place and start another one behind it; or, if it was a preliminary, one that does without this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from themis_vcs.errors import Corrupt, FormatError, StoreBusy, ThemisError
from themis_vcs.model.objects import load, references
from themis_vcs.model.oid import Oid
from themis_vcs.store import compressor, frames, segments
from themis_vcs.store.frames import Frame, payload_of
from themis_vcs.store.layout import Layout
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.passage import stepwise
from themis_vcs.store.rows import Message, Send, rows, why
from themis_vcs.store.segments import MAX_NUMBER, Location
from themis_vcs.store.structure import structure

PHASES: Final = ("structure", "rows", "index", "segments")
FRAMES: Final = "frames"
"""A phase that takes the place of `segments` where looking objects up ends the process: it only reads frames."""
LENGTH_BYTES: Final = 4
CONTENTS: Final = ("row", "frame")
"""The messages that carry what is stored."""
PRELIMINARIES: Final = ("learning", "bounding")
"""What is done before a phase and helps it: to learn the numbers of dictionaries, to look where the segments end."""
OPENING: Final = "the list of tables"
INDEX: Final = "the index"
SEGMENTS: Final = f"table {segments.SEGMENTS}"
_STEP: Final = 2_000

PlaceOf = Callable[[LmdbBackend, Oid, Location], Location | None]


def inspect(
    path: Path,
    phase: str,
    start: int,
    wait: float,
    send: Send,
    *,
    contents: bool = False,
    without: Collection[str] = (),
) -> None:
    """Run the phases from `phase` on, the first of them from its position `start`, `without` some preliminaries."""
    if not contents:
        send = _without_contents(send)
    phases = (FRAMES,) if phase == FRAMES else PHASES[PHASES.index(phase) :]
    if phase == "structure":
        _structure(Layout(path), wait, send)
        phases = phases[1:]
    send(("at", phases[0], start, OPENING))
    backend = LmdbBackend(path, readonly=True, lenient=True)
    try:
        if "learning" not in without:
            _learn(backend, send)
        for name in phases:
            if name == "rows":
                rows(backend, start, send)
            else:
                last = partial(_last, backend, "bounding" in without, send)
                (_index if name == "index" else _segments)(backend, name, start, last, send)
            start = 0
    finally:
        backend.close()
    send(("done",))


def _learn(backend: LmdbBackend, send: Send) -> None:
    """Let the backend learn its dictionaries, if their table can be read."""
    table = f"table {compressor.DICTIONARIES}"
    send(("at", "learning", 0, table))
    try:
        backend.compressor.learn()
    except Corrupt as error:
        send(("unreadable", table, why(error)))


def _last(backend: LmdbBackend, unbounded: bool, send: Send) -> int:
    """Return the number of the last segment there is, the highest possible one if that cannot be told."""
    if unbounded:
        return MAX_NUMBER
    send(("at", "bounding", 0, SEGMENTS))
    try:
        with backend.environment.reading() as reader:
            return segments.last_number(reader)
    except Corrupt as error:
        send(("unreadable", SEGMENTS, why(error)))
        return MAX_NUMBER


def _without_contents(send: Send) -> Send:
    def sent(message: Message) -> None:
        if message[0] not in CONTENTS:
            send(message)

    return sent


def _structure(layout: Layout, wait: float, send: Send) -> None:
    send(("at", "structure", 0, "the pages of the file"))
    layout.check()
    try:
        problems = structure(layout, wait)
    except StoreBusy as error:
        send(("finding", "busy", f"the pages were not checked: {error.message}", None, None))
        return
    for problem in problems:
        send(("finding", "structure", problem, None, None))


def _index(backend: LmdbBackend, phase: str, start: int, last: Callable[[], int], send: Send) -> None:
    """Send the rows of the index, but for those that lead to segments which others have written meanwhile."""
    before = last()
    send(("at", phase, start, INDEX))
    taken: list[bytes] = []
    beyond: list[bytes] = []
    try:
        for _, row in stepwise(
            backend, segments.INDEX, lambda code, message: send(("finding", code, message, None, None))
        ):
            (taken if segments.location_of(row)[0] <= before else beyond).append(row)
            if len(taken) == _STEP:
                send(("index", b"".join(taken)))
                taken = []
    except Corrupt as error:
        send(("unreadable", INDEX, why(error)))
    send(("index", b"".join(taken)))
    if beyond:
        now = last()
        send(("index", b"".join(row for row in beyond if segments.location_of(row)[0] > now)))


def _segments(backend: LmdbBackend, phase: str, start: int, last: Callable[[], int], send: Send) -> None:
    """Check every frame from segment `start` on; unless it only reads frames, also that the index leads to it."""
    until = last()
    place_of: PlaceOf = _place if phase == "segments" else lambda backend, oid, place: place
    number = start
    while number <= until:
        send(("at", phase, number, f"segment {number}"))
        data = _following(backend, number, until, send)
        if data is None:
            return
        number, content = data
        send(("segment", number))
        known: list[int] = []
        try:
            for offset, frame in segments.scan(content):
                _frame(backend, frame, (number, offset), place_of, send)
        except Corrupt:
            known = _offsets(backend, number)
        for offset in known:
            try:
                frame = frames.unpack(content, offset)
            except Corrupt as error:
                send(("damaged", error.oid, number, offset, error.message))
            else:
                _frame(backend, frame, (number, offset), place_of, send)
        number += 1


def _following(backend: LmdbBackend, number: int, last: int, send: Send) -> tuple[int, bytes] | None:
    """Return the first segment from a number on that can be read, None if there is none up to the last.

    What is behind a page that cannot be read is found by leaps, and then by halves.
    """
    try:
        return _at(backend, number)
    except Corrupt as error:
        send(("unreadable", SEGMENTS, why(error)))
    found, bad, good, step = None, number, 0, 1
    while good != bad + 1:
        if not good and bad >= last:
            return None
        ahead = (bad + good) // 2 if good else min(bad + step, last)
        try:
            found, good = _at(backend, ahead), ahead
        except Corrupt:
            bad, step = ahead, 2 * step
    return found


def _at(backend: LmdbBackend, number: int) -> tuple[int, bytes] | None:
    with backend.environment.reading() as reader:
        return segments.following(reader, number)


def _offsets(backend: LmdbBackend, number: int) -> list[int]:
    try:
        with backend.environment.reading() as reader:
            places = map(segments.location_of, segments.rows(reader.cursor(segments.INDEX)))
            return [offset for place, offset in places if place == number]
    except Corrupt:
        return []


def _frame(backend: LmdbBackend, frame: Frame, at: Location, place_of: PlaceOf, send: Send) -> None:
    needed: list[Oid] = []
    try:
        needed = list(dict.fromkeys(references(load(payload_of(frame, backend.compressor.lookup)))))
    except FormatError as error:
        send(("finding", "format", f"object {frame.oid.hex()}: {error.message}", frame.oid, None))
    except Corrupt as error:
        send(("damaged", frame.oid, *at, error.message))
        return
    place = place_of(backend, frame.oid, at)
    if place is None or place == at:
        send(("frame", frame.pack(), place is not None))
        send(("object", frame.oid, *at, needed, place is not None))
    else:
        send(("replaced", frame.oid, *at))


def _place(backend: LmdbBackend, oid: Oid, _: Location) -> Location | None:
    """Return where a read looks for an object."""
    try:
        with backend.environment.reading() as reader:
            return segments.Finder(reader).find(oid)
    except Corrupt:
        return None


class Outlet:
    """Sends messages; those about a place reach the parent before anything happens there."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, message: Message) -> None:
        data = msgspec.msgpack.encode(message)
        self._stream.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        if message[0] == "at":
            self._stream.flush()


def main(arguments: list[str]) -> int:
    outlet = Outlet(sys.stdout.buffer)
    try:
        path, phase, start, wait, *options = arguments
        contents = "contents" in options
        inspect(Path(path), phase, int(start), float(wait), outlet.send, contents=contents, without=options)
    except ThemisError as error:
        outlet.send(("failed", error.code, error.message, error.hint))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

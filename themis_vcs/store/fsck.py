"""Checking a whole store: every page, row, frame, object and reference, and who needs what is damaged.

Reading is done by a process of its own (`inspection`), because LMDB ends a process that meets some kinds of damage;
that it ended is then a finding, and another process goes on behind the place. Nothing is repaired or written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from themis_vcs.errors import FormatError, NoStore, StorageError, StoreBusy
from themis_vcs.model.oid import Oid
from themis_vcs.store.closure import Closure
from themis_vcs.store.findings import Finding, Report, Severity
from themis_vcs.store.inspection import FRAMES, INDEX, OPENING, PHASES, PRELIMINARIES, SEGMENTS
from themis_vcs.store.layout import Layout
from themis_vcs.store.lease import Lease
from themis_vcs.store.reading import Reading
from themis_vcs.store.rows import ROW_PLACES
from themis_vcs.store.segments import PREFIX, ROW_BYTES, Location, location_of
from themis_vcs.store.tombstones import named, ref_of

Place = tuple[str, int, str]

_RESTARTS: Final = 48
_SHOWN_USERS: Final = 8
_HARMLESS: Final = frozenset({"busy", "format", "hint"})


class Contents(Protocol):
    """Takes what is sound in a store, while it is checked; something may come twice."""

    def row(self, table: str, key: bytes, row: bytes) -> None:
        """Take a row of a table that has seals."""

    def frame(self, packed: bytes, indexed: bool) -> None:
        """Take a frame, and whether the index leads to it."""


def fsck(
    path: str | Path,
    progress: Callable[[int], None] | None = None,
    *,
    wait: float = 30.0,
    contents: Contents | None = None,
) -> Report:
    """Check the store directory `path`. `progress` is told the number of objects checked, now and then.

    The pages are checked while nobody writes; after `wait` seconds behind writers that part is left out, with a note.

    With `contents`, which are given what is sound, the caller sees to it that nobody writes, and pages are left out.

    NoStore, FormatError or StorageError if there is nothing here that could be checked; damage is never raised.
    """
    check = _Check(Path(path), progress or (lambda objects: None), wait, contents)
    with _nothing_deleted(Path(path), wait) if contents is None else nullcontext("") as problem:
        check.run()
    if problem:
        check.report.findings.append(Finding("busy", "note", problem))
    return check.report


@contextmanager
def _nothing_deleted(path: Path, wait: float) -> Iterator[str]:
    """Keep others from deleting and moving objects meanwhile; yield why that cannot be, "" if it is so."""
    layout = Layout(path)
    with ExitStack() as stack:
        try:
            if layout.format.exists():
                stack.enter_context(Lease(layout).shared(wait))
        except StoreBusy as error:
            yield f"objects may have been deleted meanwhile: {error.message}"
        except StorageError:
            # Nor can others write who see what we see.
            yield ""
        else:
            yield ""


class _Check:
    """One check of one store: takes in what the reading process says, and concludes from it."""

    def __init__(
        self, path: Path, progress: Callable[[int], None], wait: float, contents: Contents | None = None
    ) -> None:
        self.report = Report(path)
        self._wait = wait
        self._progress = progress
        self._closure = Closure()
        self._prefixes: dict[Location, bytes] = {}
        self._doubled: dict[Location, list[bytes]] = {}
        self._unread: set[str] = set()
        self._without: list[str] = [] if contents is None else ["contents"]
        self._said: set[Finding] = set()
        self._refs: set[str] = set()
        self._segments: set[int] = set()
        self._damaged: dict[Oid, Finding] = {}
        self._unindexed: dict[Oid, list[Oid]] = {}
        self._misnamed: set[Oid] = set()
        self._nameless: dict[bytes, Finding] = {}
        self._dictionaries: dict[str, list[Oid]] = {}
        self._structure: list[str] = []
        self._forgotten: set[Oid] = set()
        self._takers: dict[str, Callable[..., None]] = {
            "finding": self._finding,
            "unreadable": self._unreadable,
            "ref": self._ref,
            "needs": self._closure.need,
            "index": self._index,
            "object": self._object,
            "replaced": self._replaced,
            "damaged": self._frame,
            "segment": self._segment,
        }
        self._contents = contents
        if contents is not None:
            self._takers |= {"row": contents.row, "frame": contents.frame}

    def run(self) -> None:
        position = (PHASES[0] if self._contents is None else PHASES[1], 0)
        skip, died_in = 1, ""
        for _ in range(_RESTARTS):
            (phase, number, what), death = self._read(*position)
            if not death:
                break
            if what == OPENING:
                self._find("store", f"{what} cannot be read: reading it ended by {death}")
                break
            self._unreadable(what, f"reading it ended by {death}")
            if phase in PRELIMINARIES:
                self._without.append(phase)
                continue
            # Deaths one after another come from one page with many rows: go on ever further behind it.
            skip, died_in = (2 * skip if died_in == phase else 1), phase
            position = _behind(phase, number, skip)
        else:
            self._find("unreadable", f"gave up after {_RESTARTS} attempts to read behind damaged pages")
        self._conclude()

    def _read(self, phase: str, start: int) -> tuple[Place, str]:
        """Take in what one process reads from a place on; return where it ended, and how if not at its end."""
        place: Place = (phase, start, OPENING)
        reading = Reading(self.report.path, phase, start, self._wait, self._without)
        for message in reading:
            name, rest = message[0], message[1:]
            if name == "at":
                place = (rest[0], rest[1], rest[2])
                self._progress(self.report.objects)
            elif name == "done":
                return place, ""
            elif name == "failed":
                return place, self._failed(place, *rest)
            else:
                self._takers[name](*rest)
        return place, reading.death

    def _failed(self, place: Place, code: str, message: str, hint: str | None) -> str:
        """Return how a process ended that raised an error; "" if no other one could read on behind the place."""
        for error in (NoStore, FormatError, StorageError):
            if code == error.code:
                raise error(message, hint=hint)
        if place[0] != "structure" and place[2] != OPENING:
            return f"an error: {message}"
        self._find("store", message)
        return ""

    def _finding(self, code: str, message: str, oid: Oid | None, ref: str | None) -> None:
        if code == "structure":
            self._structure.append(message)
        else:
            severity: Severity = "note" if code in _HARMLESS else "damage"
            finding = Finding(code, severity, message, oid, ref)
            if finding not in self._said:
                self._said.add(finding)
                self.report.findings.append(finding)

    def _unreadable(self, what: str, why: str) -> None:
        """Note once of a table that it cannot be read as a whole, however often its page is met."""
        if what not in self._unread:
            self._unread.add(what)
            self._find("unreadable", f"{what} is damaged: {why}")

    def _ref(self, name: str, oid: Oid) -> None:
        self._refs.add(name)
        self.report.refs = len(self._refs)
        self._closure.need(oid, name)
        self._forgotten |= named([name])

    def _index(self, rows: bytes) -> None:
        for at in range(0, len(rows), ROW_BYTES):
            row = rows[at : at + ROW_BYTES]
            place, prefix = location_of(row), row[:PREFIX]
            if self._prefixes.setdefault(place, prefix) != prefix:
                self._doubled.setdefault(place, []).append(prefix)

    def _object(self, oid: Oid, number: int, offset: int, references: list[Oid], found: bool) -> None:
        self._lies((number, offset), oid, found)
        if found:
            self._closure.add(oid, references)
            self.report.objects = len(self._closure.sound)
        else:
            self._unindexed[oid] = references

    def _replaced(self, oid: Oid, number: int, offset: int) -> None:
        self._lies((number, offset), oid, found=True)

    def _lies(self, place: Location, oid: Oid, found: bool) -> None:
        """Take in which object lies at a place. An id that is not its own, by which the index leads there, is a
        damaged one of its own if it cannot be found, else that of another object.
        """
        own = oid[:PREFIX]
        for prefix in (self._prefixes.pop(place, own), *self._doubled.pop(place, ())):
            if prefix != own and found:
                self._nameless[prefix] = _nameless(prefix, place)
            elif prefix != own:
                self._misnamed.add(oid)

    def _frame(self, oid: Oid | None, number: int, offset: int, message: str) -> None:
        prefix = self._prefixes.pop((number, offset), None)
        where = _where((number, offset))
        if prefix is None and INDEX not in self._unread:
            what = f"a frame in {where} that nothing leads to is damaged"
            self.report.findings.append(Finding("leftover", "note", what))
        elif oid is not None and message.startswith("dictionary "):
            self._dictionaries.setdefault(message, []).append(oid)
        elif oid is not None and prefix in (None, oid[:PREFIX]):
            self._damaged[oid] = Finding("object", "damage", f"{message} ({where})", oid)
        else:
            self._nameless[prefix or b""] = _nameless(prefix or b"", (number, offset))

    def _segment(self, number: int) -> None:
        self._segments.add(number)
        self.report.segments = len(self._segments)

    def _find(self, code: str, message: str) -> None:
        self.report.findings.append(Finding(code, "damage", message))

    def _conclude(self) -> None:
        for place, prefix in self._prefixes.items():
            for each in (prefix, *self._doubled.get(place, ())):
                self._nameless[each] = _nameless(each, place)
        absent = [oid for oid in self._closure.absent() if oid not in self._damaged]
        found = [
            *self._damaged.values(),
            *self._out_of_reach(absent),
            *self._named(absent),
        ]
        for message, oids in self._dictionaries.items():
            shown = ", ".join(oid.hex()[:12] for oid in oids[:_SHOWN_USERS])
            self._find("dictionary", f"{len(oids)} objects cannot be read: {message}: {shown}…")
            self._damaged.update((oid, self.report.findings[-1]) for oid in oids)
        self.report.findings += [self._with_users(finding) for finding in found]
        severity: Severity = "damage" if self.report.damaged else "warning"
        self.report.findings += [Finding("structure", severity, problem) for problem in self._structure]

    def _out_of_reach(self, absent: list[Oid]) -> Iterator[Finding]:
        """Yield the sound objects that the index does not lead to: lost if something needs them or the index has a
        damaged row of them, else deleted.
        """
        needed = {*absent, *self._misnamed, *(oid for oid in self._unindexed if oid[:PREFIX] in self._nameless)}
        stack = list(needed)
        while stack:
            fresh = [oid for oid in self._unindexed.get(stack.pop(), ()) if oid not in needed]
            needed.update(fresh)
            stack += fresh
        out = self._unindexed.keys() - self._closure.sound
        lost = out & needed
        for oid in (oid for oid in self._unindexed if oid in lost):
            self._nameless.pop(oid[:PREFIX], None)
            yield Finding("index", "damage", f"object {oid.hex()} is sound, but the index does not lead to it", oid)
        deleted = len(out - lost)
        if deleted and INDEX not in self._unread:
            what = (
                "1 object that was deleted still takes" if deleted == 1 else f"{deleted:,} deleted objects still take"
            )
            yield Finding("leftover", "note", f"{what} space; `themis gc` gives it back when it is most of a segment")

    def _named(self, absent: list[Oid]) -> Iterator[Finding]:
        """Yield the objects that are not here, and the frames without a name that are not one of these."""
        lost = {oid[:PREFIX] for oid in absent}
        yield from (finding for prefix, finding in self._nameless.items() if prefix not in lost)
        unread = any(what == SEGMENTS or what.startswith("segment ") for what in self._unread)
        how = "cannot be found, as not all segments can be read" if unread else "is missing"
        for oid in absent:
            if oid in self._forgotten:
                yield Finding("forgotten", "note", f"run {oid.hex()} was forgotten", oid, ref_of(oid))
            elif oid not in self._unindexed and not any(oid in oids for oids in self._dictionaries.values()):
                yield Finding("missing", "damage", f"object {oid.hex()} {how}", oid)

    def _with_users(self, finding: Finding) -> Finding:
        if finding.oid is None:
            return finding
        objects, names = self._closure.users(finding.oid)
        users = [*names, *(oid.hex() for oid in objects)]
        return replace(finding, users=tuple(users))


def _behind(phase: str, number: int, skip: int) -> tuple[str, int]:
    """Return where to go on after a process died at a place."""
    if phase == "rows" and number + 1 < ROW_PLACES:
        return phase, number + 1
    if phase == "segments":
        return FRAMES, number
    if phase == FRAMES:
        return phase, number + skip
    return PHASES[PHASES.index(phase) + 1], 0


def _nameless(prefix: bytes, place: Location) -> Finding:
    what = f"the object whose id begins with {prefix.hex()} cannot be read at its place ({_where(place)})"
    return Finding("object", "damage", what)


def _where(place: Location) -> str:
    return f"segment {place[0]}, offset {place[1]}"

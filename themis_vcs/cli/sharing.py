"""What push, fetch, pull and clone have in common: the way to a remote, progress, and the report of what moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from themis_vcs.cli.output import LiveLine, Output, Part, bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, short, size
from themis_vcs.errors import NotFound, UsageError

if TYPE_CHECKING:
    from themis_vcs.model.oid import Oid
    from themis_vcs.store.repository import Repository
    from themis_vcs.transfer.endpoint import Endpoint, Transferred
    from themis_vcs.transfer.fetching import Required
    from themis_vcs.transfer.remotes import Remote
    from themis_vcs.transfer.repair import Spare
    from themis_vcs.transfer.sharing import Change, Shared

F = TypeVar("F", bound=Callable[..., Any])
_LISTED: Final = 8
_COLORS: Final = {"new": "green", "updated": "green", "forced": "yellow", "deleted": "yellow", "rejected": "red"}


def transfer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--dry-run`, `--progress` and `--json`, together as the parameter `options`."""

    @wraps(function)
    def command(*given: Any, dry_run: bool, progress: bool, as_json: bool, **others: Any) -> Any:
        return function(*given, options=Options(dry_run, progress, as_json), **others)

    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document, themis.transfer/1."),
        click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal."),
        click.option("--dry-run", is_flag=True, help="Say what would move and what would be sent; change nothing."),
    ):
        command = decorate(command)
    return command


def narrowing_options(function: F) -> F:
    """`--stages` and `--no-observations`, as the parameters `stages` and `observations`."""
    for decorate in (
        click.option(
            "--observations/--no-observations",
            default=True,
            help="Whether latencies, token counts, ids of providers and hosts go along. By default they do.",
        ),
        click.option(
            "--stages",
            metavar="STAGE,…",
            help="Send the first stages only, as in generate,reduce: runs that were stopped.",
        ),
    ):
        function = decorate(function)
    return function


def forgotten_option(function: F) -> F:
    """`--allow-forgotten`, as the parameter `allow_forgotten`."""
    return click.option(
        "--allow-forgotten",
        is_flag=True,
        help="Take in runs again that were forgotten here; their tombstones go.",
    )(function)


class Meter:
    """Shows objects, bytes and their rate while they go over."""

    def __init__(self, output: Output, verb: str, *, forced: bool) -> None:
        self._live = output.live() or (LiveLine(output) if forced else None)
        self._verb, self._began = verb, time.monotonic()

    def __call__(self, brought: Transferred) -> None:
        """Show what went over so far."""
        if self._live is not None:
            self._live.show_from(lambda now: self.line(brought, now - self._began))

    def line(self, brought: Transferred, seconds: float) -> str:
        """The line after so many seconds."""
        rate = f"  {size(int(brought.size / seconds))}/s" if seconds > 0 else ""
        return f"{self._verb} {count(brought.objects, 'object')}  {size(brought.size)}{rate}"

    def clear(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.clear()


@contextmanager
def reached(session: Session, given: str | None) -> Iterator[tuple[Remote, Endpoint]]:
    """The remote that a name or an address means, and a connection to it."""
    from themis_vcs.transfer.remotes import connect, find

    remote = find(session.settings().remotes(), given)
    endpoint = connect(remote, session.directory())
    try:
        yield remote, endpoint
    finally:
        endpoint.close()


@contextmanager
def spare(session: Session, given: str) -> Iterator[Spare]:
    """What a name, an address or an archive means, for objects that are lost here; the store itself is not opened."""
    from themis_vcs.archive.opening import is_archive, source

    if is_archive(Path(given)):
        with closing(source(Path(given))) as bundle:
            yield bundle
        return
    with reached(session, given) as (_, endpoint):
        yield endpoint


class Options(NamedTuple):
    """What `transfer_options` gives."""

    dry_run: bool
    progress: bool
    as_json: bool


Body = Callable[["Repository", "Remote", "Endpoint", "Meter"], "Shared"]


def share(session: Session, given: str | None, options: Options, verbs: tuple[str, str, str], body: Body) -> None:
    """Connect to the remote that a name or an address means, and report what `body` brought there or here.

    `verbs` are as in ("to", "sending", "sent").
    """
    with reached(session, given) as (remote, endpoint), session.writing() as repository:
        carry_out(session.output, repository, remote, endpoint, options, verbs, body)


def carry_out(
    output: Output,
    repository: Repository,
    remote: Remote,
    endpoint: Endpoint,
    options: Options,
    verbs: tuple[str, str, str],
    body: Body,
) -> None:
    """Report what `body` brings from or to an endpoint, while it does and when it has."""
    meter = Meter(output, verbs[1], forced=options.progress)
    try:
        found = body(repository, remote, endpoint, meter)
    finally:
        meter.clear()
    if options.as_json:
        forgotten = [{"run": run.hex(), "why": why} for run, why in _forgotten_there(repository, found)]
        output.json({**_document(remote, found, dry_run=options.dry_run), "forgotten_there": forgotten})
    else:
        _report(output, remote, found, verbs, dry_run=options.dry_run)
        _report_forgotten(output, _forgotten_there(repository, found))


def pulled(
    repository: Repository,
    remote: Remote,
    endpoint: Endpoint,
    meter: Meter,
    names: Sequence[str] = (),
    *,
    required: Required | None = None,
    force: bool = False,
    allow_forgotten: bool = False,
    dry_run: bool = False,
) -> Shared:
    """Fetch, then move the names here."""
    from themis_vcs.transfer.fetching import NOTHING, bring
    from themis_vcs.transfer.history import FromBoth
    from themis_vcs.transfer.sharing import NAMES, Shared, plan_pull, pull

    repository.takes_forgotten = allow_forgotten

    required = required or NOTHING
    fetched = bring(repository, remote, endpoint, names, required=required, dry_run=dry_run, progress=meter)
    runs = FromBoth(repository, endpoint) if dry_run else repository
    planned = plan_pull(repository, runs, fetched.changes, force=force)
    if not dry_run:
        # Nobody asks an address again by the name that its names were kept under meanwhile.
        pull(repository, planned, origin=remote.shown, tracking=remote.tracking, keep=bool(remote.name))
    others = (change for change in fetched.changes if not change.source.startswith(NAMES))
    return Shared([*planned, *others], fetched.brought)


def _report(output: Output, remote: Remote, found: Shared, verbs: tuple[str, str, str], *, dry_run: bool) -> None:
    """Print what became of refs, and what was sent."""
    from themis_vcs.transfer.endpoint import ATTACHED

    brought = found.brought
    changes = [change for change in found.changes if not change.ref.startswith(ATTACHED)]
    address = remote.address.text
    output.line(verbs[0], " ", *([bold(remote.name), f" ({address})"] if remote.name else [address]))
    moved = [change for change in changes if change.outcome != "unchanged"]
    width = max((len(name_of(change.ref)) for change in moved), default=0)
    for change in moved:
        output.line("  ", bold(f"{name_of(change.ref):<{width}}"), "  ", *_outcome(change), hang=4)
    if len(moved) < len(changes):
        rest = len(changes) - len(moved)
        output.line("  ", dim("everything is up to date" if not moved else f"{count(rest, 'other')} up to date"))
    elif not changes:
        output.line("  ", dim("there is nothing"))
    _report_signatures(output, found)
    if brought.objects or dry_run:
        verb = f"would have {verbs[2]}" if dry_run else verbs[2]
        output.line(verb, " ", count(brought.objects, "object"), ", ", size(brought.size))


def _report_signatures(output: Output, found: Shared) -> None:
    """Print how many signatures and tombstones came along, and what is wrong with signatures that did not."""
    changes = [change for change in found.changes if change.ref.startswith("signatures/")]
    for noun in ("signature", "tombstone"):
        moved = sum(change.moves for change in found.changes if change.ref.startswith(f"{noun}s/"))
        if moved:
            output.line("  ", dim(f"and {count(moved, noun)}"))
    for change in changes:
        if change.outcome == "rejected":
            output.line("  ", colored("a signature was not taken", "yellow"), f": {change.reason}", hang=4)


def _forgotten_there(repository: Repository, found: Shared) -> list[tuple[Oid, str]]:
    """The runs that are still here and of which a tombstone has come now, each with when and why it was forgotten."""
    from themis_vcs.store.tombstones import named, story

    stones = named(change.ref for change in found.changes if change.outcome == "new")
    return [(run, story(repository, run) or "") for run in sorted(stones) if repository.has(run)]


def _report_forgotten(output: Output, runs: list[tuple[Oid, str]]) -> None:
    """Print which runs the other side has taken away for good and this store has not."""
    for run, why in runs[:_LISTED]:
        what = f": {short(run.hex())}, which is still here, was forgotten there {why}"
        output.line("  ", colored("forgotten", "yellow"), what.rstrip(), hang=4)
    if len(runs) > _LISTED:
        output.line("  ", dim(f"and {len(runs) - _LISTED:,} more; `themis forget --list` lists all"))
    if runs:
        meant = " ".join(short(run.hex()) for run, _ in runs[:_LISTED])
        output.note(f"`themis forget {meant} --reason …` takes away here what was forgotten there")


def _document(remote: Remote, found: Shared, *, dry_run: bool) -> dict[str, Any]:
    return {
        "schema": "themis.transfer/1",
        "remote": remote.name or None,
        "address": remote.address.text,
        "dry_run": dry_run,
        "refs": [
            {
                "ref": change.ref,
                "source": change.source,
                "old": change.old.hex() if change.old else None,
                "new": change.new.hex() if change.new else None,
                "outcome": change.outcome,
                "reason": change.reason or None,
            }
            for change in found.changes
        ],
        "objects": found.brought.objects,
        "bytes": found.brought.size,
    }


def refs_meant(session: Session, repository: Repository, revisions: Sequence[str], everything: bool) -> dict[str, Oid]:
    """The refs that are put into a file: names, tags and patterns of such; other revisions under the name of their run.

    Without revisions it is the only name of the store, or with `everything` all that travels.
    """
    from themis_vcs.store.resolve import resolve_run
    from themis_vcs.transfer.sharing import select
    from themis_vcs.transfer.store_endpoint import StoreEndpoint

    known = StoreEndpoint(repository).refs()
    if everything:
        return select(known, (), "this store")
    found: dict[str, Oid] = {}
    for revision in revisions or (session.revision(repository, None),):
        try:
            meant = select(known, [revision], "this store")
        except NotFound:
            oid, run = resolve_run(repository, revision)
            meant = {f"names/{run.name}": oid}
        for ref, oid in meant.items():
            if found.setdefault(ref, oid) != oid:
                raise UsageError(
                    f"{revision} and another revision are both of {name_of(ref)}", hint="put them into two files"
                )
    return found


def name_of(ref: str) -> str:
    """A ref as people call it: main, v1, origin/main."""
    return ref.split("/", 1)[1]


def _outcome(change: Change) -> Iterator[Part]:
    yield colored(change.outcome, _COLORS.get(change.outcome, "dim"))
    if change.reason:
        yield f": {change.reason}"
    elif change.old and change.new:
        yield dim(f"  {short(change.old.hex())} → {short(change.new.hex())}")
    elif change.new:
        yield dim(f"  {short(change.new.hex())}")

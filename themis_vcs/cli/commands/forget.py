"""`themis forget`: take a run away for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import OK
from themis_vcs.cli.options import json_option, wait_option
from themis_vcs.cli.output import LiveLine, Output, bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.cli.wording import count, short, size
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.model.oid import Oid
    from themis_vcs.signing.keys import KeySigner
    from themis_vcs.store.forgetting import Forgot, State

_SHOWN = 12


@click.command(
    "forget",
    cls=Command,
    short_help="Take a run away for good, with what only it holds.",
    examples=[
        ("What would go, and what would stay because others hold it?", "themis forget main --dry-run"),
        ("Take away the last run of main", "themis forget main --reason 'an answer has a password'"),
        ("What was forgotten, and is any of it still here?", "themis forget --list"),
        ("And vouch for the tombstone", "themis forget main --reason 'withdrawn' --sign"),
        (
            "Take away every run that holds what was generated for a case",
            "themis forget --all-that-hold main:generate/questions/sum --reason 'personal data'",
        ),
    ],
)
@click.argument("revisions", metavar="[REV]...", nargs=-1)
@click.option("--reason", metavar="TEXT", help="Why; it stays in the tombstone, for everybody to read.")
@click.option(
    "--all-that-hold",
    "holding",
    metavar="OID",
    multiple=True,
    help="Also every run that holds this object: an id, or REV:STAGE/DATASET/CASE. Repeatable.",
)
@click.option("--sign", is_flag=True, help="Sign the tombstones.")
@click.option("--list", "listed", is_flag=True, help="List what was forgotten, here and where tombstones come from.")
@key_options
@wait_option
@click.option("--dry-run", is_flag=True, help="Say what would go and what would stay; change nothing.")
@json_option()
@click.pass_obj
def command(
    session: Session,
    revisions: tuple[str, ...],
    reason: str | None,
    holding: tuple[str, ...],
    sign: bool,
    listed: bool,
    choice: KeyChoice,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Take the runs REV away at once, in all their states, with everything that no other run holds, and write over the
    space. For the day on which a secret or personal data was stored.

    Refs of the runs go; a name goes back to the run before. A tombstone stays, which says what was forgotten, when, by
    whom and why, and travels with pushes and pulls: who has it refuses to take the run in again. Runs made from a
    forgotten one stay valid.

    What other runs hold too stays, and is named with these. Copies elsewhere stay: in other stores, bundles and
    backups, and in `.themis/quarantine`. Pieces of text may stay in the store's compression dictionaries.
    """
    if listed:
        return _list(session, as_json, alone=not (revisions or holding or reason or sign or dry_run or choice.made))
    if not dry_run and not (reason or "").strip():
        raise UsageError("say why", hint="themis forget REV --reason TEXT; --dry-run needs none")
    if choice.made and not sign:
        raise UsageError("--key and --passphrase-file are for --sign")
    by = choice.signer() if sign and not dry_run else None
    live = session.output.live()
    try:
        finished = None if dry_run else _finish(session, wait, live)
        found = _forget(session, revisions, holding, reason or "", wait, live, dry_run=dry_run, finished=finished)
    finally:
        if live is not None:
            live.clear()
    if by is not None:
        _sign(session, found, by)
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found)
    return OK


def _list(session: Session, as_json: bool, *, alone: bool) -> int:
    from themis_vcs.model.objects import Value
    from themis_vcs.store.tombstones import called, said, told

    if not alone:
        raise UsageError("--list goes alone", hint="themis forget --list")
    rows: list[dict[str, Any]] = []
    with session.reading() as repository:
        for run, stone in called(repository, "").items():
            value = repository.load(stone, Value)
            rows.append({"run": run.hex(), "here": repository.has(run), "why": told(value), "tombstone": said(value)})
    if as_json:
        session.output.json({"forgotten": rows})
        return OK
    for row in rows:
        still = colored("still here  ", "yellow") if row["here"] else ""
        session.output.line(bold(short(row["run"])), "  ", still, row["why"], hang=2)
    if not rows:
        session.output.line("no run was forgotten")
    return OK


def _finish(session: Session, wait: float, live: LiveLine | None) -> Forgot | None:
    from themis_vcs.store.forgetting import finish

    return finish(session.directory(), wait=wait, progress=_shown(live))


def _forget(
    session: Session,
    revisions: tuple[str, ...],
    holding: tuple[str, ...],
    reason: str,
    wait: float,
    live: LiveLine | None,
    *,
    dry_run: bool,
    finished: Forgot | None,
) -> Forgot:
    from themis_vcs.errors import RevisionNotFound
    from themis_vcs.store.forgetting import forget
    from themis_vcs.store.repository import user_at_host

    try:
        runs, held = _meant(session, revisions, holding)
    except RevisionNotFound:
        if finished is None:
            raise
        # The call that was interrupted had taken the name away already.
        session.output.note("finished what an interrupted call had begun")
        return finished
    return forget(
        session.directory(),
        runs,
        reason=reason,
        who=user_at_host(),
        holding=held,
        wait=wait,
        dry_run=dry_run,
        progress=_shown(live),
    )


def _sign(session: Session, found: Forgot, by: KeySigner) -> None:
    from themis_vcs.signing.sign import sign
    from themis_vcs.store.tombstones import ref_of

    with session.writing() as repository:
        stones = {name: repository.ref(name) for name in (ref_of(bytes.fromhex(each.oid)) for each in found.states)}
        sign(repository, {name: oid for name, oid in stones.items() if oid is not None}, by, message="forget")


def _meant(session: Session, revisions: tuple[str, ...], holding: tuple[str, ...]) -> tuple[list[Oid], list[Oid]]:
    from themis_vcs.store.resolve import resolve, resolve_run

    if not revisions and not holding:
        raise UsageError("say which run is meant", hint="`themis ls` lists the names, `themis log` the runs of one")
    with session.reading() as repository:
        runs = [resolve_run(repository, text)[0] for text in revisions]
        return runs, [resolve(repository, text) for text in holding]


def _shown(live: LiveLine | None) -> Any:
    return None if live is None else lambda what, done: live.show_from(lambda _: f"{what} {done:,}")


def _print(output: Output, found: Forgot) -> None:
    for state in found.states:
        output.line("would forget " if found.dry_run else "forgot ", bold(short(state.oid)), f", {_named(state)}")
    for name in found.moved:
        output.line(f"  {name} goes back to the run before")
    for name in found.refs:
        if not name.startswith("runs/"):
            output.line(f"  {name} goes")
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in found.kinds.items())
    verb = "would go" if found.dry_run else "went"
    output.line(f"{count(found.objects, 'object')}, {size(found.bytes)}, {verb}: {kinds}")
    _print_what_stays(output, found)
    if not found.dry_run:
        push = "push --all" if any(name.startswith("names/") for name in found.refs) else "push"
        there = f"`themis {push}` takes the tombstone to another store, then `themis forget` it there too"
        output.line(dim(f"copies in other stores, bundles and backups are untouched: {there}"))


def _print_what_stays(output: Output, found: Forgot) -> None:
    if found.shared:
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in found.shared.items())
        output.line(bold("stays"), f": {kinds}, because other runs hold the same:", hang=2)
        for state in found.holders[:_SHOWN]:
            output.line(f"  {short(state.oid)}, {_named(state)}")
        if len(found.holders) > _SHOWN:
            output.line(dim(f"  and {len(found.holders) - _SHOWN:,} more; --json lists all"))
    if found.unreachable_bytes:
        output.line(bold("stays"), f": up to {size(found.unreachable_bytes)} of free pages that somebody is reading")
    if found.quarantine:
        output.line(bold("stays"), f": {count(found.quarantine, 'damaged database')} in quarantine; delete it by hand")
    if found.dictionaries:
        output.line(bold("may stay"), f": pieces of text in the {found.dictionaries} dictionaries for compression")


def _named(state: State) -> str:
    return f"made as {state.name}"

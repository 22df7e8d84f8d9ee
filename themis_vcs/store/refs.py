"""The rule of compare-and-swap for a set of refs, which every backend applies to its own table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from themis_vcs.errors import RefConflict, UsageError
from themis_vcs.model import refname
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store.backend import Anything, RefUpdate


def moves_of(updates: Sequence[RefUpdate], current: Callable[[str], Oid | None]) -> list[tuple[RefUpdate, Oid | None]]:
    """Return the updates that move something, each with the old value, or raise RefConflict (STORE-15).

    UsageError for a name that no ref can have, an oid that is none, and two updates of one ref.
    """
    moves = []
    seen: set[str] = set()
    for update in updates:
        refname.check(update.name)
        if update.name in seen:
            raise UsageError(f"ref {update.name} is moved twice in one batch")
        if update.new is not None and len(update.new) != OID_BYTES:
            raise UsageError(f"ref {update.name} can only point to an object, not to {update.new!r:.80}")
        seen.add(update.name)
        old = current(update.name)
        if update.new == old:
            continue
        if not isinstance(update.expected, Anything) and update.expected != old:
            raise RefConflict(update.name, update.expected, old)
        moves.append((update, old))
    return moves

"""Pushing with signatures: those that there are go along, and what is sent can be signed on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from themis_vcs.model.oid import Oid
from themis_vcs.signing.keys import KeySigner
from themis_vcs.signing.sign import sign
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.attached import Side, here, plan_attached
from themis_vcs.transfer.endpoint import NAMED
from themis_vcs.transfer.sharing import Change, Insistence, plan_push


def plan_signed_push(
    repository: Repository,
    there: Side,
    wanted: Mapping[str, Oid],
    tracking: str,
    insistence: Insistence,
    atomic: bool,
    *,
    along: bool = True,
    by: Callable[[], KeySigner] | None = None,
) -> list[Change]:
    """Return what becomes of refs there and, if these go `along`, of their signatures. `by` gives who signs before.

    Nothing is signed if the push is `atomic` and one of the refs is rejected.
    """
    changes = plan_push(repository, there.refs, wanted, tracking, insistence)
    going = {change.ref: wanted[change.ref] for change in changes if change.outcome != "rejected"}
    signed = {ref: oid for ref, oid in going.items() if ref.startswith(NAMED)}
    made: list[str] = []
    if by is not None and signed and not (atomic and len(going) < len(changes)):
        made = [each.name for each in sign(repository, signed, by())]
    return changes + plan_attached(here(repository), there, going if along else (), insist=made)

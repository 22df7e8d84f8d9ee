"""Fetching with signatures: what must be signed is verified before anything moves; signatures come along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from themis_vcs.signing.trust import Trust, read_trust
from themis_vcs.signing.vouching import vouch
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.attached import Side, here, is_crowded, must_be_signed, plan_attached, require, verified
from themis_vcs.transfer.endpoint import Endpoint, Progress
from themis_vcs.transfer.remotes import Remote
from themis_vcs.transfer.sharing import Shared, fetch, plan_fetch, plan_prune, select

SETTING: Final = "require-signed"


class Required(NamedTuple):
    """Patterns of what must be signed, beside those in the settings of the remote; the trust file if one is named."""

    patterns: Sequence[str] = ()
    trust: Path | None = None


NOTHING: Final = Required()


def bring(
    repository: Repository,
    remote: Remote,
    endpoint: Endpoint,
    names: Sequence[str] = (),
    *,
    required: Required = NOTHING,
    prune: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Shared:
    """Fetch names and tags of a remote, with their signatures. Rejected, before anything moves, if one that must be
    signed is not verified.
    """
    there = Side(endpoint.refs(), endpoint)
    selected = select(there.refs, names, remote.shown)
    must = must_be_signed(selected, required.patterns, of=remote.shown, each=True)
    must += must_be_signed(selected, str(remote.settings.get(SETTING, "")).split(), of=remote.shown, each=False)
    asked = bool(must) or repository.trust == "signed" or is_crowded(there.refs, selected)
    trust = read_trust(required.trust) if asked else Trust()
    facts = require(repository, there, list(dict.fromkeys(must)), trust, remote.shown) if must else {}
    changes = plan_fetch(repository, selected, remote.tracking)
    if prune:
        changes += plan_prune(repository, there.refs, remote.tracking)
    changes += plan_attached(there, here(repository), selected, first=trust.hexes)
    done = fetch(repository, endpoint, changes, origin=remote.shown, dry_run=dry_run, progress=progress)
    if facts and not dry_run:
        repository.commit([], message="", local=facts)
    if repository.trust == "signed" and not dry_run:
        vouch(repository, verified(repository, there, selected, trust)[0], trust)
    return done

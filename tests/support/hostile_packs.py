"""A program that takes packs and bundles with something wrong in them, within limits: python -m … N SEED

A store in memory must be as it was after each pack that is refused; of a bundle that is refused it may have taken what
is sound with all that it refers to, and no ref. Prints one line of figures as JSON, or ends in the midst.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable, Mapping

from tests.support.bundles import Whole, mutated_bundle, opened, whole_bundle
from tests.support.limits import tried
from tests.support.packs import mutated, read_all, whole_pack
from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


def pack_outcome(data: bytes, contents: Mapping[Oid, bytes]) -> str:
    """Receive a pack, and say what came of it: capitals for what must not."""
    with Repository.memory() as repository:
        try:
            receive(io.BytesIO(data), repository)
        except ThemisError as error:
            return "pack: " + (type(error).__name__ if not list(repository.backend.everything()) else "STORED")
        let_in = {each.frame.oid: each.payload for each in read_all(data)} == contents
        return "pack: let in" if let_in else "pack: WRONG"


def bundle_outcome(parts: list[bytes], contents: Mapping[Oid, bytes]) -> str:
    """Verify a bundle, fetch what it has, and say what came of both: capitals for what must not."""
    try:
        found = verify(opened(parts))
        verified = "bare" if found.needs else "sound"
    except ThemisError as error:
        verified = type(error).__name__
    fetched = _fetched(parts, contents)
    if verified == "sound" and fetched != "let in":
        fetched = f"{fetched} ALTHOUGH VERIFIED"
    return f"bundle: {verified}, {fetched}"


def _fetched(parts: list[bytes], contents: Mapping[Oid, bytes]) -> str:
    with Repository.memory() as here:
        try:
            there = opened(parts)
            refs = there.refs()
            transfer(there, StoreEndpoint(here), [RefUpdate(*ref) for ref in refs.items()], message="fetch")
        except ThemisError as error:
            return type(error).__name__ + (" WRONGLY" if dict(here.refs()) or not sound(here, contents) else "")
        moved = {name: oid for name, oid in here.refs() if not name.startswith("runs/")}
        return "let in" if moved == refs and sound(here, contents) else "WRONG"


def sound(here: Repository, contents: Mapping[Oid, bytes]) -> bool:
    """Say whether nothing is here but what was packed, each with all that it refers to."""
    found = dict(here.backend.everything())
    try:
        reached = {oid for oid, _ in here.walk(found)}
    except Corrupt:
        return False
    return reached == found.keys() and all(contents.get(oid) == payload for oid, payload in found.items())


def main(count: int, seed: int) -> None:
    data, contents = whole_pack()
    whole: Whole = whole_bundle()
    draw = random.Random(seed)
    assert pack_outcome(data, contents) == "pack: let in"
    for split in (False, True):
        assert bundle_outcome(whole.parts(split=split), whole.contents) == "bundle: sound, let in"
    number = 0

    def trial() -> Callable[[], str]:
        nonlocal number
        number += 1
        if number % 2:
            changed = mutated(data, draw)
            return lambda: pack_outcome(changed, contents)
        parts = mutated_bundle(whole, draw)
        return lambda: bundle_outcome(parts, whole.contents)

    print(json.dumps(tried(count, trial)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

from __future__ import annotations

import io
import json
from contextlib import closing

from tests.golden.make_bundle import BUNDLE, CONTENTS
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundle import Bundle, open_bundle
from themis_vcs.transfer.bundling import PartWriter, verify
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

EXPECTED = json.loads(CONTENTS.read_text())


def test_the_golden_bundle_is_read() -> None:
    """BUNDLE-1 to BUNDLE-4"""
    with closing(open_bundle(BUNDLE)) as bundle, Repository.memory() as here:
        assert len(bundle.parts) == 2
        assert verify(bundle).complete
        assert {name: oid.hex() for name, oid in bundle.refs().items()} == EXPECTED["refs"]
        oids = [bytes.fromhex(oid) for oid in EXPECTED["objects"]]
        assert {oid.hex(): payload.hex() for oid, payload in bundle.read(oids)} == EXPECTED["objects"]
        transfer(bundle, StoreEndpoint(here), [RefUpdate(*ref) for ref in bundle.refs().items()], message="fetch")
        for name, oid in bundle.refs().items():
            assert here.ref(name) == oid
            assert all(EXPECTED["objects"][each.hex()] == here.read(each).hex() for each, _ in here.walk([oid]))


def test_what_it_holds_is_written_as_the_same_bytes() -> None:
    """BUNDLE-3, BUNDLE-6"""
    with closing(open_bundle(BUNDLE)) as bundle:
        for part in bundle.parts:
            assert rewritten(bundle, part.head.part - 1) == part.bytes(0, part.size)


def rewritten(bundle: Bundle, number: int) -> bytes:
    part = bundle.parts[number]
    sink = io.BytesIO()
    writer = PartWriter(sink, part.head)
    for place, (_, size) in enumerate(part.places):
        writer.add(part.slice(place), size)
    writer.finish(last=part.last)
    return sink.getvalue()

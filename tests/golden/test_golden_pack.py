from __future__ import annotations

import json

from tests.golden.make_pack import CONTENTS, PACK
from tests.support.packs import read_all
from themis_vcs.transfer.packfile import PackFile


def test_the_golden_pack_is_read() -> None:
    expected = json.loads(CONTENTS.read_text())
    assert {each.frame.oid.hex(): each.payload.hex() for each in read_all(PACK.read_bytes())} == expected
    with PACK.open("rb") as file:
        opened = PackFile(file)
        assert {oid.hex(): opened.get(oid).hex() for oid in opened.oids()} == expected

"""Documents of the wire that are not what they must be."""

from __future__ import annotations

import pytest

from themis_vcs.errors import DataError
from themis_vcs.transfer import messages
from themis_vcs.transfer.messages import Missing, Oids, Wanted

ID = "0123456789abcdef" * 4


def test_oids_come_back_as_they_were_written() -> None:
    oids = [bytes.fromhex(ID), bytes.fromhex(ID[::-1])]
    document = messages.decode(messages.encode(Oids(messages.to_hex(oids))), Oids)
    assert document.oids == ID + ID[::-1]
    assert messages.from_hex(document.oids) == oids


@pytest.mark.parametrize(
    "wrong",
    [ID.upper(), ID[:62], ID + "00", ID[:62] + "  ", " " + ID[:62] + " ", ID[:63] + "g", ID[:63] + "é", "٣" * 64, [ID]],
    ids=["capitals", "short", "long", "spaces", "around", "letter", "accent", "digits of another script", "a list"],
)
def test_what_is_no_oid_is_refused(wrong: str | list[str]) -> None:
    several = [ID + wrong, wrong + ID] if isinstance(wrong, str) else [wrong]
    for oids in several:
        for kind, document in ((Oids, {"oids": oids}), (Wanted, {"oids": ID, "dictionaries": oids})):
            with pytest.raises(DataError, match="not a document of the wire"):
                messages.decode(messages.encode(document), kind)


def test_oids_are_as_many_as_can_be_asked_about() -> None:
    most = ID * messages.MAX_OIDS
    assert messages.decode(messages.encode({"oids": most}), Oids).oids == most
    with pytest.raises(DataError, match="not a document of the wire"):
        messages.decode(messages.encode({"oids": most + ID}), Oids)
    with pytest.raises(DataError, match="not a document of the wire"):
        messages.decode(messages.encode({"missing": "0" * (messages.MAX_OIDS + 1)}), Missing)

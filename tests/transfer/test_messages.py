"""Documents of the wire that are not what they must be."""

from __future__ import annotations

import pytest

from themis_vcs.errors import DataError
from themis_vcs.transfer import messages
from themis_vcs.transfer.messages import Oids, Wanted

ID = "0123456789abcdef" * 4


def test_ids_come_back_as_they_were_written() -> None:
    assert messages.decode(messages.encode(Oids([ID, ID[::-1]])), Oids).oids == [ID, ID[::-1]]


@pytest.mark.parametrize(
    "wrong",
    [ID.upper(), ID[:62], ID + "00", ID[:62] + "  ", " " + ID[:62] + " ", ID[:63] + "g", ID[:63] + "é", "٣" * 64],
    ids=["capitals", "short", "long", "spaces", "around", "letter", "accent", "digits of another script"],
)
def test_what_is_no_id_is_refused(wrong: str) -> None:
    for kind, document in (
        (Oids, {"oids": [ID, wrong]}),
        (Wanted, {"oids": [wrong, ID]}),
        (Wanted, {"oids": [ID], "dictionaries": [wrong]}),
    ):
        with pytest.raises(DataError, match="not a document of the wire"):
            messages.decode(messages.encode(document), kind)

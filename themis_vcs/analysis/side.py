"""One of the runs that are put beside each other."""

from __future__ import annotations

import msgspec

from themis_vcs.analysis.lookup import Located
from themis_vcs.analysis.reading import Reader


class Side(msgspec.Struct, frozen=True):
    """A run, by the revision that named it; oids in hex."""

    revision: str
    oid: str
    run_id: str
    name: str
    status: str
    cases: int


def side_of(reader: Reader, revision: str, found: Located) -> Side:
    """The run that was found under a revision."""
    run, cases = found.run, reader.size(found.snapshot.identity.cases)
    return Side(revision, found.oid.hex(), run.run_id.hex(), run.name, run.status, cases)

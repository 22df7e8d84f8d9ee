"""An archive of a run of many cases in a zip file: made, verified, restored, and read by the plain program in it.

Each is a process of its own: this module with what to do and a directory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figure import Dose, Figure, clock, in_a_process
from tests.benchmarks.full_run import Peak
from tests.benchmarks.workload import Cases, experiment
from themis_vcs.archive.citation import credits_of
from themis_vcs.archive.create import create
from themis_vcs.archive.opening import source
from themis_vcs.archive.verify import verify
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield seconds and memory of each, for a run of one metric and one judgment through all stages."""
    size = dose.unchanged
    with Repository.init(directory / "store") as repository:
        experiment(Cases(size)).run(store=repository)
    for way in ("create", "verify", "restore"):
        found = in_a_process(__spec__.name, way, directory)
        note = f"{found['cpu']:.0f} s of processor time"
        yield Figure(f"archive {way} of {size:,} cases", found["wall"], "s", note=note)
        yield Figure(f"memory of archive {way}", found["memory"] / 2**20, "MiB")
    packed = (directory / "main.zip").stat().st_size
    yield Figure("the archive in a zip file", packed / 2**20, "MiB")


def _main() -> None:
    way, directory = sys.argv[1], Path(sys.argv[2])
    archive = directory / "main.zip"
    with Peak() as peak:
        if way == "create":
            with Repository.open(directory / "store", readonly=True) as repository:
                refs = dict(repository.refs("names/"))
                time = clock(lambda: create(repository, refs, archive, credits_of("main")))
        elif way == "verify":
            time = clock(lambda: verify(archive))
        else:
            with Repository.init(directory / "restored") as repository:
                time = clock(lambda: _restore(archive, repository))
    print(json.dumps({"wall": time.wall, "cpu": time.cpu, "memory": peak.bytes}))


def _restore(archive: Path, repository: Repository) -> None:
    bundle = source(archive)
    updates = [RefUpdate(ref, oid, None) for ref, oid in bundle.refs().items()]
    transfer(bundle, StoreEndpoint(repository), updates, message="restore")
    bundle.close()


if __name__ == "__main__":
    _main()

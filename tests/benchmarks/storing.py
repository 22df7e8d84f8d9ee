"""Records in and out of a store: beside the minimal loop, git, restic and sqlite3; and how much room they take."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.figure import Dose, Figure, Time, clock, ratio
from tests.benchmarks.rivals import Git, Restic, Sqlite, installed, write_files
from tests.benchmarks.store_put import Loop, put_all, verify_all
from tests.support.records import values
from themis_vcs.model.objects import Value, dump
from themis_vcs.store.repository import Repository

_ACTIONS = {
    "put": "Repository.put over the minimal loop",
    "again": "put of the same again over the loop doing the same again",
    "verify": "read all and verify over the loop doing the same",
}


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield speeds first, then sizes."""
    records = list(values(dose.records))
    raw = sum(len(dump(record)) for record in records)
    rounds = [_round(records, directory / f"records-{number}") for number in range(dose.rounds)]
    times = {name: [each[0][name] for each in rounds] for name in rounds[0][0]}
    sizes = rounds[-1][1]
    for action, row in _ACTIONS.items():
        yield _over_the_loop(f"{row}, {dose.records:,} records", times[f"loop {action}"], times[f"store {action}"])
    put = _wall(times["store put"])
    yield Figure("Repository.put over sqlite3 with zstd", ratio(_wall(times["sqlite put"]), put))
    part = sizes["store"] / raw
    files = [dump(record) for record in records[: dose.files]]
    write_files(files, directory / "files")
    if installed("restic"):
        yield _over_restic(files, dose.rounds, directory, dose.records / median(put))
    if installed("git"):
        yield from _over_git(files, dose.rounds, directory, dose.records / median(put), part)
    yield Figure("size on disk / raw bytes", part, "", most=0.36)
    yield Figure("sqlite3 with zstd / raw bytes", sizes["sqlite"] / raw, "")
    yield Figure("minimal loop / raw bytes", sizes["loop"] / raw, "")


def _over_the_loop(row: str, loop: Sequence[Time], store: Sequence[Time]) -> Figure:
    processor = ratio([time.cpu for time in loop], [time.cpu for time in store])
    return Figure(row, ratio(_wall(loop), _wall(store)), least=0.5, note=f"by processor time {processor:.2f}")


def _round(records: Sequence[Value], place: Path) -> tuple[dict[str, Time], dict[str, int]]:
    (place / "loop").mkdir(parents=True)
    loop, repository = Loop(place / "loop", records[:500]), Repository.init(place / "store")
    sqlite = Sqlite(place / "records.sqlite")
    times = {
        "loop put": clock(lambda: loop.put(records)),
        "store put": clock(lambda: put_all(repository, records)),
        "loop again": clock(lambda: loop.put(records)),
        "store again": clock(lambda: put_all(repository, records)),
        "loop verify": clock(loop.verify),
        "store verify": clock(lambda: verify_all(repository)),
        "sqlite put": clock(lambda: sqlite.put(records)),
    }
    sizes = {
        "store": repository.statistics().file_bytes,
        "loop": (place / "loop" / "data.mdb").stat().st_size,
        "sqlite": sqlite.size(),
    }
    repository.close()
    loop.env.close()
    sqlite.close()
    shutil.rmtree(place)
    return times, sizes


def _over_git(payloads: Sequence[bytes], rounds: int, directory: Path, rate: float, part: float) -> Iterator[Figure]:
    """What git makes of a folder with one file per record. Writing the folder is not in its time."""
    repositories = [Git(directory / "files", directory / f"git-{number}") for number in range(rounds)]
    times = _wall([clock(repository.commit) for repository in repositories])
    row = f"Repository.put over git add + commit of {len(payloads):,} files"
    yield Figure(row, rate / (len(payloads) / median(times)), least=2.5)
    raw = sum(map(len, payloads))
    yield Figure("git before gc / raw bytes", repositories[0].size() / raw, "")
    repositories[0].collect()
    yield Figure("size on disk / git's after gc, per raw byte", part / (repositories[0].size() / raw), most=1)


def _over_restic(payloads: Sequence[bytes], rounds: int, directory: Path, rate: float) -> Figure:
    repositories = [Restic(directory / "files", directory / f"restic-{number}") for number in range(rounds)]
    times = _wall([clock(repository.backup) for repository in repositories])
    row = f"Repository.put over restic backup of {len(payloads):,} files"
    return Figure(row, rate / (len(payloads) / median(times)), least=1)


def _wall(times: Sequence[Time]) -> list[float]:
    return [time.wall for time in times]

"""Records in and out of a store: beside the minimal loop, git, restic and sqlite3; and how much room they take."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.figure import Dose, Figure, Time, clock, ratio
from tests.benchmarks.rivals import Git, Restic, Sqlite, write_files
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
    files = _Files([dump(record) for record in records[: dose.files]], directory, dose.rounds)
    rate = dose.records / median(put)
    yield Figure(f"Repository.put over git add + commit of {dose.files:,} files", rate / files.git_rate, least=2.5)
    if files.restic_rate:
        yield Figure(f"Repository.put over restic backup of {dose.files:,} files", rate / files.restic_rate, least=1)
    part = sizes["store"] / raw
    yield Figure("size on disk / raw bytes", part, "", most=0.36)
    yield Figure("size on disk / git's after gc, per raw byte", part / files.git_part, most=1)
    yield Figure("git before gc / raw bytes", files.git_part_before, "")
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


class _Files:
    """What the tools make of a folder with one file per record. Writing the folder is not in their times."""

    def __init__(self, payloads: Sequence[bytes], directory: Path, rounds: int) -> None:
        raw = sum(map(len, payloads))
        write_files(payloads, directory / "files")
        git, restic = [], []
        for number in range(rounds):
            repository = Git(directory / "files", directory / f"git-{number}")
            git.append(clock(repository.commit).wall)
            if Restic.installed():
                backup = Restic(directory / "files", directory / f"restic-{number}")
                restic.append(clock(backup.backup).wall)
        self.git_part_before = repository.size() / raw
        repository.collect()
        self.git_part = repository.size() / raw
        self.git_rate = len(payloads) / median(git)
        self.restic_rate = len(payloads) / median(restic) if restic else None


def _wall(times: Sequence[Time]) -> list[float]:
    return [time.wall for time in times]

"""Opening, sharing, growing, failing: rules STORE-1 to STORE-11."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from tests.support.children import Child, in_child
from themis_vcs.errors import Corrupt, FormatError, NoStore, StorageError, StoreBusy
from themis_vcs.model.objects import Value
from themis_vcs.model.oid import oid_of
from themis_vcs.store import environment, filesystem, metapage, opening
from themis_vcs.store.backend import Batch, Entry
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository
from themis_vcs.store.seal import sealed
from themis_vcs.store.writelock import WriteLock


def some(count: int, size: int = 3000, first: int = 0) -> Batch:
    payloads = [os.urandom(size) + b"%d" % number for number in range(first, first + count)]
    return Batch(objects=[Entry(oid_of(payload), payload) for payload in payloads])


# Directory and format


def test_directories_and_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        Repository.init(path).close()
    finally:
        os.umask(before)
    modes = {str(each.relative_to(path.parent)): stat.S_IMODE(each.stat().st_mode) for each in [path, *path.rglob("*")]}
    assert modes == {
        "store": 0o700,
        "store/format": 0o600,
        "store/write.lock": 0o600,
        "store/db": 0o700,
        "store/db/data.mdb": 0o600,
        "store/db/lock.mdb": 0o600,
    }


def test_making_a_store_twice_keeps_it(path: Path) -> None:
    with Repository.init(path) as repository:
        oid = repository.put(Value("case", 1))
    with Repository.init(path) as repository:
        assert repository.has(oid)


def test_an_interrupted_creation_is_no_store_and_can_be_repeated(path: Path) -> None:
    Repository.init(path).close()
    (path / "format").unlink()
    os.truncate(path / "db" / "data.mdb", 100)
    with pytest.raises(NoStore):
        Repository.open(path)
    with Repository.init(path) as repository:
        repository.put(Value("case", 1))


def test_several_processes_may_create_one_store_at_once(path: Path) -> None:
    def create(number: int) -> bool:
        with Repository.init(path) as repository:
            oid = repository.put(Value("case", number))
            repository.flush()
            return repository.has(oid)

    children = [Child(lambda number=number: create(number)) for number in range(4)]  # type: ignore[misc]
    assert [child.result() for child in children] == [True] * 4
    with Repository.open(path) as repository:
        assert repository.statistics().objects == 4


def test_where_there_is_no_store_none_is_opened(path: Path) -> None:
    for there in (path, Path("/dev/null")):
        with pytest.raises(NoStore):
            Repository.open(there)


def test_a_newer_format_is_refused_and_named(path: Path) -> None:
    Repository.init(path).close()
    (path / "format").write_text("themis-store 7\n")
    with pytest.raises(FormatError, match="format 7.*knows format 1") as caught:
        Repository.open(path)
    assert "newer" in str(caught.value.hint)


def test_a_newer_format_inside_the_tables_is_refused_as_well(path: Path) -> None:
    backend = LmdbBackend(path, create=True)
    row = sealed("meta", b"format", b"\x02")
    backend.environment.write(lambda writer: writer.put("meta", b"format", row))
    backend.close()
    with pytest.raises(FormatError, match="format 2"):
        Repository.open(path)


@pytest.mark.parametrize("content", [b"", b"themis-store 1", b"themis-store 01\n", b"themis-store 0\n", b"x" * 100_000])
def test_a_damaged_format_file_is_damage(path: Path, content: bytes) -> None:
    Repository.init(path).close()
    (path / "format").write_bytes(content)
    with pytest.raises(Corrupt):
        Repository.open(path)


def test_a_lost_data_file_is_damage_and_is_not_made_anew(path: Path) -> None:
    Repository.init(path).close()
    (path / "db" / "data.mdb").unlink()
    with pytest.raises(Corrupt, match=r"data\.mdb is missing"):
        Repository.open(path)
    assert not (path / "db" / "data.mdb").exists()


def test_another_engine_is_an_unknown_format(path: Path) -> None:
    Repository.init(path).close()
    shutil.rmtree(path / "db")
    lmdb.open(str(path / "db"), lib_version=1, max_dbs=2).close()
    with pytest.raises((FormatError, Corrupt)):
        Repository.open(path)


# Meta pages


@pytest.mark.parametrize("size", [0, 100, 4096, 4200, 8192, -1, -4096])
def test_a_file_cut_short_is_refused_before_lmdb_maps_it(path: Path, size: int) -> None:
    backend = LmdbBackend(path, create=True)
    backend.apply(some(50))
    backend.close()
    data = path / "db" / "data.mdb"
    os.truncate(data, size if size >= 0 else data.stat().st_size + size)
    with pytest.raises(Corrupt):
        metapage.check(data)


def test_a_file_without_its_free_last_pages_is_accepted(path: Path) -> None:
    backend = LmdbBackend(path, create=True)
    backend.apply(some(50))
    pages = backend.environment.info()["last_page"] + 1
    backend.close()
    data = path / "db" / "data.mdb"
    content = bytearray(data.read_bytes())
    assert len(content) == pages * 4096
    assert metapage.check(data).last_page == pages - 1
    # A page that LMDB allocated and freed in one transaction counts, and is never written.
    with lmdb.open(str(path / "db"), max_dbs=16, lib_version=0) as env:
        table = env.open_db(b"local")
        with env.begin(write=True) as txn:
            txn.put(b"big", bytes(40_000), db=table)
            txn.delete(b"big", db=table)
    metapage.check(data)
    with Repository.open(path) as repository:
        assert len(list(repository.backend.everything())) == 50


# One process


def test_one_process_may_open_a_store_twice_and_close_one(path: Path) -> None:
    with Repository.init(path) as first:
        second = Repository.open(path)
        oid = first.put(Value("case", 1))
        first.flush()
        assert second.has(oid)
        second.close()
        assert first.has(oid)


def test_a_path_through_a_symlink_is_the_same_store(path: Path, tmp_path: Path) -> None:
    with Repository.init(path) as first:
        (tmp_path / "link").symlink_to(path)
        with Repository.open(tmp_path / "link") as second:
            oid = second.put(Value("case", 1))
            second.flush()
            assert first.has(oid)


def test_opening_to_write_what_is_open_to_read_makes_it_writable(path: Path) -> None:
    Repository.init(path).close()
    with Repository.open(path, readonly=True) as reader, Repository.open(path) as writer:
        oid = writer.put(Value("case", 1))
        writer.flush()
        assert reader.has(oid)
        with pytest.raises(StorageError):
            reader.put(Value("case", 2))


def test_iterators_left_unfinished_hold_no_reader_slot(path: Path) -> None:
    backend = LmdbBackend(path, create=True)
    backend.apply(some(40))
    oids = list(backend.oids())
    left = []
    for _ in range(opening.MAX_READERS + 20):
        iterator = backend.get_many(oids)
        next(iterator)
        left.append(iterator)
    assert backend.has(oids[0])
    backend.close()


def test_the_store_is_free_for_others_after_close(path: Path) -> None:
    Repository.init(path).close()
    gc.collect()
    with lmdb.open(str(path / "db"), max_dbs=16, lib_version=0) as env:
        assert "no active readers" in env.readers()


def test_reading_goes_on_while_other_threads_make_the_map_grow(path: Path) -> None:
    backend = LmdbBackend(path, create=True, map_size=1 << 16)
    batch = some(20)
    backend.apply(batch)
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                assert dict(backend.get_many(entry.oid for entry in batch.objects))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        backend.apply(some(30, first=1000 * number))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert backend.statistics().objects == 20 + 30 * 30
    assert backend.environment.info()["map_size"] > 1 << 20
    backend.close()


# Several processes


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_grow_one_map_together_and_lose_nothing(path: Path, processes: int) -> None:
    LmdbBackend(path, create=True, map_size=1 << 16).close()

    def write(number: int) -> list[bytes]:
        backend = LmdbBackend(path, map_size=1 << 16)
        oids = []
        for step in range(12):
            batch = some(25, first=number * 10_000 + step * 100)
            assert backend.apply(batch) == 25
            oids += [entry.oid for entry in batch.objects]
        assert backend.missing(oids) == []
        backend.close()
        return oids

    children = [Child(lambda number=number: write(number)) for number in range(processes)]  # type: ignore[misc]
    oids = [oid for child in children for oid in child.result()]
    backend = LmdbBackend(path, map_size=1 << 16)
    assert {oid for oid, _ in backend.everything()} == set(oids)
    assert len(oids) == processes * 12 * 25
    backend.close()


def test_a_reader_adopts_the_map_that_another_process_made_larger(path: Path) -> None:
    backend = LmdbBackend(path, create=True, map_size=1 << 16)
    backend.apply(some(3))

    def grow() -> bytes:
        other = LmdbBackend(path)
        batch = some(400)
        other.apply(batch)
        other.close()
        return batch.objects[-1].oid

    oid = in_child(grow)
    assert backend.has(oid)
    assert backend.get(oid)
    backend.close()


def test_slots_of_killed_readers_are_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_READERS", 4)
    LmdbBackend(path, create=True).apply(some(3))
    gc.collect()
    for _ in range(4):
        receive, send = os.pipe()

        def hang(send: int = send) -> None:
            other = LmdbBackend(path)
            with other.environment.reading():
                os.write(send, b"x")
                time.sleep(60)

        child = Child(hang)
        assert os.read(receive, 1) == b"x"
        child.kill(signal.SIGKILL)
        os.close(receive)
        os.close(send)
    backend = LmdbBackend(path)
    assert backend.statistics().objects == 3
    backend.close()


def test_a_child_after_fork_must_open_the_store_itself(path: Path) -> None:
    with Repository.init(path) as repository:
        oid = repository.put(Value("case", 1))
        repository.flush()

        def use() -> tuple[str, bool]:
            try:
                repository.backend.has(oid)
            except StorageError as error:
                refused = error.message
            with Repository.open(path) as own:
                own.put(Value("case", 2))
                own.flush()
                return refused, own.has(oid)

        refused, found = in_child(use)
        assert f"process {os.getpid()}, before a fork" in refused
        assert found
        repository.put(Value("case", 3))
        repository.flush()
        assert repository.statistics().objects == 3


def test_a_fork_while_threads_read_and_write_leaves_both_sides_working(path: Path) -> None:
    backend = LmdbBackend(path, create=True, map_size=1 << 18)
    batch = some(20)
    backend.apply(batch)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            while not stop.is_set():
                backend.apply(some(3, first=first))
                assert dict(backend.get_many(entry.oid for entry in batch.objects))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()

    def use() -> int:
        own = LmdbBackend(path)
        own.apply(some(2))
        found = len(dict(own.get_many(entry.oid for entry in batch.objects)))
        own.close()
        return found

    try:
        assert [in_child(use) for _ in range(8)] == [20] * 8
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    backend.close()


def test_kill_at_any_moment_loses_nothing_acknowledged(path: Path) -> None:
    LmdbBackend(path, create=True, map_size=1 << 18).close()
    hits = 0
    for round_number in range(6):
        receive, send = os.pipe()

        def write(send: int = send, round_number: int = round_number) -> None:
            backend = LmdbBackend(path)
            for step in range(10_000):
                batch = some(8, 800, first=step)
                os.write(send, b"b")
                backend.apply(batch)
                os.write(send, b"a" + b"".join(entry.oid for entry in batch.objects))

        child = Child(write)
        os.close(send)
        time.sleep(0.15 + round_number * 0.013)
        child.kill(signal.SIGKILL)
        log = b""
        while chunk := os.read(receive, 1 << 16):
            log += chunk
        os.close(receive)
        acknowledged, inside = _acknowledged(log)
        hits += inside
        backend = LmdbBackend(path)
        assert backend.missing(acknowledged) == []
        assert sum(1 for _ in backend.everything()) == backend.statistics().objects
        backend.apply(some(1))
        backend.close()
    print(f"\n{hits} of 6 kills between the start of a write and its acknowledgement")


def _acknowledged(log: bytes) -> tuple[list[bytes], bool]:
    """Return the oids whose write was acknowledged, and whether the process died inside a write."""
    oids, at, inside = [], 0, False
    while at < len(log):
        if log[at : at + 1] == b"b":
            inside, at = True, at + 1
            continue
        body = log[at + 1 : at + 1 + 8 * 32]
        oids += [body[place : place + 32] for place in range(0, len(body) // 32 * 32, 32)]
        inside, at = False, at + 1 + 8 * 32
    return oids, inside


def test_a_store_that_is_open_takes_back_the_slots_of_killed_readers(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_READERS", 3)
    backend = LmdbBackend(path, create=True)
    receive, send = os.pipe()

    def hang() -> None:
        other = LmdbBackend(path)
        with other.environment.reading():
            os.write(send, b"x")
            time.sleep(60)

    children = [Child(hang) for _ in range(3)]
    for _ in children:
        os.read(receive, 1)
    for child in children:
        child.kill(signal.SIGKILL)
    assert backend.statistics().objects == 0
    backend.close()
    os.close(receive)
    os.close(send)


# The write lock


def test_a_lock_that_is_held_elsewhere_is_busy_and_names_the_process(path: Path) -> None:
    Repository.init(path).close()
    backend = LmdbBackend(path, write_timeout=0.1)
    receive, send = os.pipe()

    def hold() -> None:
        with WriteLock(path / "write.lock").held(1):
            os.write(send, b"x")
            time.sleep(60)

    child = Child(hold)
    try:
        assert os.read(receive, 1) == b"x"
        with pytest.raises(StoreBusy, match=f"process {child.pid} is writing"):
            backend.apply(some(1))
        assert backend.statistics().objects == 0
        child.kill(signal.SIGKILL)
        assert backend.apply(some(1)) == 1
        backend.close()
    finally:
        os.close(receive)
        os.close(send)


def test_another_thread_of_the_process_is_named_as_such(path: Path) -> None:
    Repository.init(path).close()
    lock = WriteLock(path / "write.lock")
    with lock.held(1), pytest.raises(StoreBusy, match="another thread"), lock.held(0.05):
        pass
    lock.close()


def test_what_was_put_while_the_store_was_busy_is_written_later(path: Path) -> None:
    Repository.init(path).close()
    repository = Repository.open(path, write_timeout=0.05)
    oid = repository.put(Value("case", 1))
    lock = WriteLock(path / "write.lock")
    with lock.held(1), pytest.raises(StoreBusy):
        repository.flush()
    lock.close()
    repository.flush()
    assert repository.backend.has(oid)
    repository.close()


# The medium


def test_network_file_systems_are_refused_unless_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {tmp_path} rw shared:1 - fuse.sshfs host: rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    with pytest.raises(StorageError, match=r"fuse\.sshfs"):
        Repository.init(tmp_path / "store")
    monkeypatch.setenv(filesystem.FORCE, "1")
    Repository.init(tmp_path / "store").close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/a", "ext4"),
        ("/mnt/net/x/y", "nfs4"),
        ("/mnt/network", "ext4"),
        ("/mnt/net/deep", "tmpfs"),
        ("/my disk/x", "9p"),
    ],
)
def test_the_mount_nearest_to_a_path_decides(path: str, kind: str) -> None:
    mounts = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        "30 22 0:40 / /mnt/net rw - nfs4 server:/x rw\n"
        "31 30 0:41 / /mnt/net/deep rw - overlay x rw\n"
        "32 30 0:42 / /mnt/net/deep rw - tmpfs x rw\n"
        "33 22 0:43 / /my\\040disk rw - 9p x rw\n"
        "broken line\n"
    )
    assert filesystem.kind_of(Path(path), mounts) == kind


def test_a_directory_that_cannot_be_written_can_be_read(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere; the read-only mount below covers it")
    with Repository.init(path) as repository:
        oid = repository.put(Value("case", 1))
    for each in (path / "db", path):
        each.chmod(0o500)
    try:
        with Repository.open(path, readonly=True) as repository:
            assert repository.has(oid)
        with pytest.raises(StorageError):
            Repository.open(path)
    finally:
        for each in (path, path / "db"):
            each.chmod(0o700)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB of its own."""
    point = tmp_path / "mounted"
    point.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", point], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    yield point
    subprocess.run(["umount", "-l", point], check=False)


def test_a_full_disk_is_named_and_takes_nothing_from_the_store(mounted: Path) -> None:
    backend = LmdbBackend(mounted / "store", create=True)
    stored = []
    with pytest.raises(StorageError, match="no space left"):
        for number in range(100):
            batch = some(60, first=number * 100)
            backend.apply(batch)
            stored += [entry.oid for entry in batch.objects]
    assert len(stored) > 500
    assert backend.missing(stored) == []
    assert sum(1 for _ in backend.everything()) == len(stored)
    subprocess.run(["mount", "-o", "remount,size=24m", mounted], check=True)
    assert backend.apply(some(60)) == 60
    backend.close()


def test_a_disk_that_fills_during_the_write_takes_nothing_from_the_store(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LmdbBackend(mounted / "store", create=True)
    backend.apply(some(60))
    monkeypatch.setattr(environment.Environment, "_check_space", lambda self, room: None)
    with pytest.raises(StorageError, match="no space left"):
        for number in range(200):
            backend.apply(some(60, first=number * 100))
    count = backend.statistics().objects
    subprocess.run(["mount", "-o", "remount,size=24m", mounted], check=True)
    assert backend.apply(some(60)) == 60
    assert sum(1 for _ in backend.everything()) == count + 60
    backend.close()


def test_a_read_only_mount_can_be_read_and_refuses_writing(mounted: Path) -> None:
    with Repository.init(mounted / "store") as repository:
        oid = repository.put(Value("case", 1))
    (mounted / "store" / "db" / "lock.mdb").unlink()
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    with Repository.open(mounted / "store", readonly=True) as repository:
        assert repository.load(oid, Value).data == 1
    with pytest.raises(StorageError, match="Read-only"):
        Repository.open(mounted / "store")


class _Failing:
    """A write transaction whose commit fails as the kernel makes it fail."""

    def __init__(self, txn: object, error: lmdb.Error) -> None:
        self._txn, self._error = txn, error

    def __getattr__(self, name: str) -> object:
        return getattr(self._txn, name)

    def commit(self) -> None:
        self._txn.abort()  # type: ignore[attr-defined]
        raise self._error


class _FailingEnvironment:
    def __init__(self, env: lmdb.Environment, error: lmdb.Error) -> None:
        self.env, self.error = env, error

    def __getattr__(self, name: str) -> object:
        return getattr(self.env, name)

    def begin(self, **options: object) -> object:
        txn = self.env.begin(**options)  # type: ignore[arg-type]
        return _Failing(txn, self.error) if options.get("write") else txn


@pytest.mark.parametrize(
    ("error", "poisoned"),
    [
        (lmdb.Error("mdb_txn_commit: Input/output error", 5), True),
        (lmdb.CorruptedError("mdb_txn_commit"), True),
        (lmdb.DiskError("mdb_txn_commit: No space left on device"), False),
    ],
    ids=["input/output", "corrupted", "no space"],
)
def test_after_a_failed_commit_of_unknown_effect_the_handle_writes_no_more(
    path: Path, error: lmdb.Error, poisoned: bool
) -> None:
    backend = LmdbBackend(path, create=True)
    backend.apply(some(2))
    shared = backend.environment._shared
    real = shared.env
    shared.env = _FailingEnvironment(real, error)  # type: ignore[assignment]
    with pytest.raises((StorageError, Corrupt)):
        backend.apply(some(1))
    shared.env = real
    if poisoned:
        with pytest.raises(StorageError, match="takes no more writes") as caught:
            backend.apply(some(1))
        assert "themis fsck" in str(caught.value.hint)
    else:
        assert backend.apply(some(1)) == 1
    assert sum(1 for _ in backend.everything()) >= 2
    backend.close()
    fresh = LmdbBackend(path)
    assert fresh.apply(some(1)) == 1
    fresh.close()

"""Archives: made, verified and restored."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive.conftest import Shelved
from tests.support.archives import CREDITS, archived, held_by, store_runs
from themis_vcs.archive.citation import credits_of
from themis_vcs.archive.create import create
from themis_vcs.archive.layout import runs_of
from themis_vcs.archive.opening import describe, is_archive, source
from themis_vcs.archive.verify import verify
from themis_vcs.errors import Corrupt, DataError, FormatError, NotFound, StorageError, UsageError
from themis_vcs.model.objects import Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run
from themis_vcs.transfer import bundling
from themis_vcs.transfer.bundle import open_bundle
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


def rebagged(folder: Path) -> None:
    """Make the manifests of an archive fit what is there: what a forger would do."""
    payload = sorted(each for each in (folder / "data").rglob("*") if each.is_file())
    info = folder / "bag-info.txt"
    oxum = f"{sum(each.stat().st_size for each in payload)}.{len(payload)}"
    said = [line for line in info.read_text().splitlines() if not line.startswith("Payload-Oxum")]
    info.write_text("\n".join(sorted([*said, f"Payload-Oxum: {oxum}"])) + "\n")
    tags = [folder / name for name in ("bag-info.txt", "bagit.txt", "manifest-sha512.txt")]
    for manifest, files in (("manifest-sha512.txt", payload), ("tagmanifest-sha512.txt", tags)):
        lines = [(each.relative_to(folder).as_posix(), hashlib.sha512(each.read_bytes()).hexdigest()) for each in files]
        (folder / manifest).write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(lines)))


@pytest.fixture
def copy(shelved: Shelved, tmp_path: Path) -> Path:
    """A copy of the archive that a test may change."""
    return shutil.copytree(shelved.folder, tmp_path / "copy")


def damaged(path: Path) -> dict[str, str]:
    return {each.file: each.problem for each in verify(path).problems}


def test_what_was_archived_is_sound(path: Path, shelved: Shelved) -> None:
    found = verify(path)
    assert found.problems == []
    assert (found.files, found.objects) == (shelved.made.files, shelved.made.objects)
    assert found.runs == {label: oid.hex() for label, oid in shelved.made.runs.items()}
    assert [label.rpartition("-")[0] for label in found.runs] == ["main", "first"]  # ARCHIVE-7


def test_it_is_restored_with_equal_roots(path: Path, shelved: Shelved, tmp_path: Path) -> None:
    bundle = source(path)
    with Repository.init(tmp_path / "store") as restored:
        target = StoreEndpoint(restored)
        transfer(bundle, target, [RefUpdate(ref, oid, None) for ref, oid in bundle.refs().items()], message="restore")
        for revision in ("main", "first"):
            assert resolve_run(restored, revision) == resolve_run(shelved.repository, revision)
        for oid in shelved.made.runs.values():
            assert held_by(restored, oid) == held_by(shelved.repository, oid)
    bundle.close()
    assert fsck(tmp_path / "store").findings == []


def test_the_same_refs_give_the_same_bytes(shelved: Shelved, tmp_path: Path) -> None:  # ARCHIVE-5
    archived(shelved.repository, tmp_path / "sums.zip")
    archived(shelved.repository, tmp_path / "sums")
    assert (tmp_path / "sums.zip").read_bytes() == shelved.file.read_bytes()
    files = {each.relative_to(shelved.folder): each for each in shelved.folder.rglob("*") if each.is_file()}
    for name, each in files.items():
        assert (tmp_path / "sums" / name).read_bytes() == each.read_bytes(), name
    assert len(files) == sum(each.is_file() for each in (tmp_path / "sums").rglob("*"))


def test_a_run_of_several_refs_is_called_after_the_first() -> None:  # ARCHIVE-7
    with Repository.memory() as repository:
        store_runs(repository, 1)
        oid, _ = resolve_run(repository, "main")
        refs = {"tags/z": oid, "names/b/second": oid, "names/a/first": oid, "signatures/names/a": oid}
        assert runs_of(refs, repository.get) == {f"first-{oid.hex()[:12]}": oid}


def test_the_longest_names_fit(tmp_path: Path) -> None:
    with Repository.init(tmp_path / "store") as repository:
        store_runs(repository, 1)
        oid, _ = resolve_run(repository, "main")
        ref = "names/" + "n" * 194
        create(repository, {ref: oid}, tmp_path / ("z" * 200 + ".zip"), CREDITS)
        create(repository, {ref: oid}, tmp_path / ("d" * 200), CREDITS)
    for each in (tmp_path / ("z" * 200 + ".zip"), tmp_path / ("d" * 200)):
        assert verify(each).problems == []


def test_it_says_what_it_is(path: Path, shelved: Shelved) -> None:
    found = describe(path)
    assert (found.title, found.license) == (CREDITS.title, "CC-BY-4.0")
    assert found.authors == ["Ada Lovelace", "A. Menabrea"]
    assert set(found.refs) == {"names/main", "tags/first"}
    assert set(found.runs) == set(shelved.made.runs)
    assert is_archive(path)


def test_what_is_there_is_not_overwritten(shelved: Shelved, tmp_path: Path) -> None:
    for name in ("a", "a.zip"):
        target = tmp_path / name
        archived(shelved.repository, target, "tags/first")
        with pytest.raises(UsageError, match="is there already"):
            archived(shelved.repository, target)
        archived(shelved.repository, target, force=True)
        assert set(verify(target).runs) == set(shelved.made.runs)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UsageError, match="not an archive"):
        archived(shelved.repository, tmp_path / "mine", force=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "a.zip", "mine"]


def test_what_fails_leaves_nothing(shelved: Shelved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name, error in (("a", StorageError), ("a.zip", StorageError)):
        monkeypatch.setattr("themis_vcs.archive.create.sync", full)
        with pytest.raises(error, match="No space left"):
            archived(shelved.repository, tmp_path / name)
    monkeypatch.setattr("themis_vcs.archive.create.crate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        archived(shelved.repository, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_every_file_and_directory_is_synced_before_it_has_its_name(
    shelved: Shelved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = set(), os.fsync

    def noted(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.add(Path(*path.relative_to(tmp_path).parts[1:]) if path != tmp_path else None)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    archived(shelved.repository, tmp_path / "a")
    there = {each.relative_to(tmp_path / "a") for each in (tmp_path / "a").rglob("*")}
    assert synced == {*there, Path(), None}


def test_only_runs_are_archived(tmp_path: Path) -> None:
    with Repository.init(tmp_path / "store") as repository:
        store_runs(repository, 2)
        value = repository.put(Value("case", {"input": 1}))
        with pytest.raises(DataError, match="tags/odd is at a value, not at a run"):
            create(repository, {"tags/odd": value}, tmp_path / "a", CREDITS)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("",), "--title"),
        (("a\nb",), "line ends"),
        (("t", ["a\x1b[31m"]), "--author"),
        (("t", [], ["0000-0002-1825-0097"]), "more --orcid than --author"),
        (("t", ["a"], ["0000-0002-1825-0098"]), "not an ORCID"),
        (("t", ["a"], ["../../etc"]), "not an ORCID"),
        (("t", ["a", "b"], ["0000-0002-1825-0097"] * 2), "comes twice"),
        (("t", [], [], "my own licence"), "SPDX"),
    ],
)
def test_credits_that_cannot_be_are_refused(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        credits_of(*arguments)  # type: ignore[arg-type]


Change = Callable[[Path], object]
RUN = "data/runs/*/stages.jsonl"


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def flip(path: Path, at: int = -40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["bagit.txt", "bag-info.txt", "manifest-sha512.txt", "data/runs.bundle", RUN, "data/README.txt"]
)
def test_a_file_that_is_damaged_missing_or_cut_is_named(name: str, copy: Path) -> None:
    each = one(copy, name)
    whole, file = each.read_bytes(), each.relative_to(copy).as_posix()
    flip(each, 5)
    assert set(damaged(copy)) == {file}
    each.write_bytes(whole[:-1])
    assert file in damaged(copy)
    each.unlink()
    assert "missing" in damaged(copy)[file]


def test_a_damaged_tag_manifest_is_named(copy: Path) -> None:
    flip(copy / "tagmanifest-sha512.txt", 140)
    assert set(damaged(copy)) & {"tagmanifest-sha512.txt", "bag-info.txt"}
    (copy / "tagmanifest-sha512.txt").unlink()
    assert set(damaged(copy)) == {"tagmanifest-sha512.txt"}


def test_a_file_too_many_is_named(copy: Path) -> None:
    (copy / "data" / "extra.txt").write_text("hello")
    assert damaged(copy)["data/extra.txt"] == "is not in manifest-sha512.txt"


def forged_answer(folder: Path) -> None:
    each = one(folder, RUN)
    each.write_text(each.read_text().replace('"final_output":"', '"final_output":"better: ', 1))


def other_run(folder: Path) -> None:
    runs = sorted(folder.glob(RUN))
    runs[0].write_bytes(runs[1].read_bytes())


def unnamed_run(folder: Path) -> None:
    each = one(folder, RUN)
    shutil.copytree(each.parent, each.parent.with_name("another-0123456789ab"))


def left_out(folder: Path) -> None:
    """Leave out a file of the crate and the manifest, so that both agree."""
    crate = folder / "data/ro-crate-metadata.json"
    document = json.loads(crate.read_text())
    each = one(folder, RUN)
    gone = each.relative_to(folder / "data").as_posix()
    for entity in document["@graph"]:
        entity["hasPart"] = [part for part in entity.get("hasPart", []) if part["@id"] != gone]
    crate.write_text(json.dumps(document))
    each.unlink()


def unnamed_file(folder: Path) -> None:
    (folder / "data/extra.txt").write_text("hello")


def incremental(folder: Path) -> None:
    """Put a bundle into it that needs the first run."""
    whole = open_bundle(folder / "data/runs.bundle")
    with Repository.memory() as repository:
        transfer(whole, StoreEndpoint(repository), [RefUpdate(*ref, None) for ref in whole.refs().items()], message="")
        with (folder / "data/runs.bundle").open("wb") as file:
            first, main = (resolve_run(repository, name)[0] for name in ("first", "main"))
            bundling.create(repository, {"names/main": main}, lambda _: file, since=[first])
    whole.close()


def unprofiled(folder: Path) -> None:
    crate = folder / "data/ro-crate-metadata.json"
    crate.write_text(crate.read_text().replace("wfrun/process/0.6", "wfrun/process/9"))


def no_crate(folder: Path) -> None:
    (folder / "data/ro-crate-metadata.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("change", "named", "said"),
    [
        (forged_answer, "stages.jsonl", "hash"),
        (other_run, "stages.jsonl", "not of the run"),
        (unnamed_run, "another-0123456789ab/stages.jsonl", "of no run"),
        (left_out, "stages.jsonl", "missing"),
        (unnamed_file, "ro-crate-metadata.json", "does not name data/extra.txt"),
        (incremental, "runs.bundle", "builds on runs"),
        (unprofiled, "ro-crate-metadata.json", "does not conform"),
        (no_crate, "ro-crate-metadata.json", "not the metadata"),
        (lambda folder: flip(folder / "data/runs.bundle", 400), "runs.bundle", ""),
        (lambda folder: (folder / "fetch.txt").write_text("http://x 1 data/a\n"), "fetch.txt", ""),
    ],
)
def test_a_forgery_whose_manifests_fit_is_found(change: Change, named: str, said: str, copy: Path) -> None:
    change(copy)
    rebagged(copy)
    found = damaged(copy)
    assert any(name.endswith(named) and said in problem for name, problem in found.items()), found


def test_the_size_that_a_bag_states_is_held_against_what_is_there(copy: Path) -> None:  # ARCHIVE-4
    info, tags = copy / "bag-info.txt", copy / "tagmanifest-sha512.txt"
    before = hashlib.sha512(info.read_bytes()).hexdigest()
    info.write_text(re.sub(r"(Payload-Oxum: \d+)", r"\g<1>0", info.read_text()))
    tags.write_text(tags.read_text().replace(before, hashlib.sha512(info.read_bytes()).hexdigest()))
    assert damaged(copy).keys() == {"bag-info.txt"}
    assert "Payload-Oxum" in damaged(copy)["bag-info.txt"]


def test_an_archive_of_another_version_is_not_called_damaged(copy: Path) -> None:  # ARCHIVE-4
    info = copy / "bag-info.txt"
    info.write_text(info.read_text().replace("Themis-Archive-Version: 1", "Themis-Archive-Version: 2"))
    rebagged(copy)
    with pytest.raises(FormatError, match="version 2"):
        verify(copy)


def test_what_is_no_archive_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "nothing")
    with pytest.raises(DataError, match="no archive"):
        verify(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(Corrupt):
        verify(tmp_path / "a.zip")

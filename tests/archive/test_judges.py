"""Archives before judges that are not ours: bagit, rocrate, zipfile, unzip, sha512sum, a reader of YAML."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import bagit
import pytest
import yaml
from rocrate.rocrate import ROCrate

from tests.archive.conftest import Shelved
from themis_vcs.archive.verify import verify
from themis_vcs.store.resolve import resolve_run


def test_bagit_finds_a_valid_bag(shelved: Shelved) -> None:
    bag = bagit.Bag(str(shelved.folder))
    bag.validate()
    assert bag.info["Contact-Name"] == ["Ada Lovelace", "A. Menabrea"]
    assert bag.info["External-Description"] == "Whether a model can add."


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rocrate_finds_a_process_run(shelved: Shelved) -> None:
    data = shelved.folder / "data"
    crate = ROCrate(data)
    root = crate.root_dataset
    assert root["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.6"
    assert (crate.name, root["license"].id) == ("Sums: a study", "https://spdx.org/licenses/CC-BY-4.0")
    assert [each["name"] for each in root["author"]] == ["Ada Lovelace", "A. Menabrea"]
    assert root["author"][0].id == "https://orcid.org/0000-0002-1825-0097"
    actions = {each.id: each for each in root["mentions"]}
    assert set(actions) == {f"#run-{oid.hex()[:12]}" for oid in shelved.made.runs.values()}
    who = resolve_run(shelved.repository, "main")[1].who
    for action in actions.values():
        assert action.type == "CreateAction"
        assert {each.type for each in action["instrument"]} == {"SoftwareApplication"}
        assert {each["name"] for each in action["instrument"]} >= {"themis", "test/odd", "test/equal"}
        assert [each["name"] for each in _listed(action["object"])] == ["sums"]
        assert action["agent"]["name"] == who
        assert any(each.id.endswith("/stages.jsonl") for each in action["result"])
        assert action["endTime"].startswith(root["datePublished"][:4])
    parts = {each.id for each in root["hasPart"]}
    files = {each.relative_to(data).as_posix() for each in data.rglob("*") if each.is_file()}
    assert parts == files - {"ro-crate-metadata.json"}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def test_every_entity_that_the_crate_refers_to_is_in_it(shelved: Shelved) -> None:
    import json

    graph = json.loads((shelved.folder / "data/ro-crate-metadata.json").read_text())["@graph"]
    known = {each["@id"] for each in graph}
    assert len(known) == len(graph)
    outside = ("https://w3id.org/ro/crate/", "http://schema.org/")

    def links(value: object) -> list[str]:
        if isinstance(value, list):
            return [link for each in value for link in links(each)]
        return [value["@id"]] if isinstance(value, dict) else []

    lost = {link for each in graph for name, value in each.items() for link in links(value) if link not in known}
    assert {each for each in lost if not each.startswith(outside)} == set()


def test_other_tools_read_the_zip_file(shelved: Shelved, tmp_path: Path) -> None:
    with zipfile.ZipFile(shelved.file) as opened:
        assert opened.testzip() is None
        opened.extractall(tmp_path / "by-python")
    done = subprocess.run(["unzip", "-q", shelved.file, "-d", tmp_path / "by-unzip"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    for each in ("by-python", "by-unzip"):
        assert verify(tmp_path / each / "sums").problems == []
        bagit.Bag(str(tmp_path / each / "sums")).validate()


def test_sha512sum_does_what_the_readme_says(shelved: Shelved) -> None:
    command = "sha512sum --quiet -c manifest-sha512.txt tagmanifest-sha512.txt"
    assert command in (shelved.folder / "data/README.txt").read_text()
    done = subprocess.run(command, shell=True, cwd=shelved.folder, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_citation_is_yaml_of_cff(shelved: Shelved) -> None:
    said = yaml.safe_load((shelved.folder / "data/CITATION.cff").read_text())
    assert (said["cff-version"], said["title"], said["license"]) == ("1.2.0", "Sums: a study", "CC-BY-4.0")
    ada = {"family-names": "Lovelace", "given-names": "Ada", "orcid": "https://orcid.org/0000-0002-1825-0097"}
    assert said["authors"] == [ada, {"name": "A. Menabrea"}]


def test_bagit_agrees_on_what_is_damaged(shelved: Shelved, tmp_path: Path) -> None:
    copy = shutil.copytree(shelved.folder, tmp_path / "copy")
    (copy / "data/README.txt").write_text("other words")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(copy)).validate()
    assert [each.file for each in verify(copy).problems] == ["data/README.txt"]

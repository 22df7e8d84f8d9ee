"""What an address does that is no remote, and what a person may say of a remote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment, make_project

TOKEN = "themis_" + "ab" * 32


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Project, Project]:
    """A store with one run, and a clone of it that has another one after that."""
    one = make_project(tmp_path / "one", 3)
    assert one("init").status == 0
    assert one("run", "main.toml").status == 3
    assert one("clone", str(one.path), "../other").status == 0
    other = make_project(tmp_path / "other", 3)
    assert other("run", "main.toml", "--set", "seeds=[5]").status == 3
    return one, other


def test_a_file_that_is_called_like_a_remote_moves_none_of_its_names(pair: tuple[Project, Project]) -> None:
    one, other = pair
    assert other("bundle", "create", "../origin.bundle", "main").status == 0
    assert other("run", "main.toml", "--set", "seeds=[6]").status == 3
    before = other("show", "origin/main", "--json").document["oid"]
    assert "origin-2/main" in other("fetch", "../origin.bundle").out
    assert other("show", "origin/main", "--json").document["oid"] == before
    assert one("show", "main", "--json").document["oid"] == before


def test_a_pull_from_an_address_leaves_no_name_of_it(pair: tuple[Project, Project]) -> None:
    one, other = pair
    assert other("bundle", "create", "../extra.bundle", "main").status == 0
    assert "updated" in one("pull", "../extra.bundle").out
    assert "extra/main" not in one("status").out


def test_names_that_were_fetched_from_an_address_can_be_removed(pair: tuple[Project, Project]) -> None:
    one, other = pair
    assert other("bundle", "create", "../extra.bundle", "main").status == 0
    assert one("fetch", "../extra.bundle").status == 0
    assert one("remote", "remove", "extra").status == 0
    assert one("show", "extra/main").status == 11
    assert one("remote", "remove", "extra").status == 11


def test_a_dry_pull_says_what_the_pull_would(pair: tuple[Project, Project]) -> None:
    one, other = pair
    assert one("remote", "add", "origin", str(other.path)).status == 0
    said = one("pull", "--dry-run", "--json").document["refs"]
    assert [(each["ref"], each["outcome"]) for each in said] == [("names/main", "updated")]
    assert one("run", "main.toml", "--set", "seeds=[7]").status == 3
    said = one("pull", "--dry-run", "--json").document["refs"]
    assert [(each["ref"], each["outcome"]) for each in said] == [("names/main", "rejected")]
    rejected = one("pull")
    assert rejected.status == 12
    assert "themis diff main origin/main" in " ".join(rejected.err.split())


def test_a_lease_needs_a_remote_with_a_name(pair: tuple[Project, Project]) -> None:
    one, other = pair
    refused = one("push", str(other.path), "main", "--force-with-lease")
    assert refused.status == 2
    assert "remote add" in refused.err


def test_an_address_that_a_remote_has_is_that_remote(pair: tuple[Project, Project]) -> None:
    one, other = pair
    assert other("push").status == 0
    assert one("run", "main.toml", "--set", "seeds=[8]").status == 3
    said = other("fetch", "../one", "--json").document
    assert (said["remote"], said["refs"][0]["ref"]) == ("origin", "remotes/origin/main")


@pytest.mark.parametrize("address", ["http://me:s3cret@127.0.0.1:9/", "https://host/?token=s3cret"])
def test_no_credential_gets_into_an_address(pair: tuple[Project, Project], address: str) -> None:
    refused = pair[0]("config", "remote.leak.url", address)
    assert refused.status == 2
    assert "s3cret" not in refused.err
    assert "leak" not in pair[0]("config").out
    (pair[0].path / ".themis" / "config.toml").write_text(f'[remote.leak]\nurl = "{address}"\n')
    by_hand = pair[0]("remote", "list")
    assert (by_hand.status, "s3cret" in by_hand.err + by_hand.out) == (2, False)
    assert "remote.leak.url" in by_hand.err


def test_a_token_is_not_taken_for_the_name_of_a_variable(pair: tuple[Project, Project]) -> None:
    refused = pair[0]("config", "remote.leak.token-env", TOKEN)
    assert refused.status == 2
    assert TOKEN not in refused.err


def test_a_clone_is_told_settings_and_keeps_them(pair: tuple[Project, Project]) -> None:
    one = pair[0]
    assert one("clone", str(one.path), "../told", "-c", "token-env=TEAM_TOKEN").status == 0
    told = Project(one.path.parent / "told")
    assert told("config", "remote.origin.token-env").out == "TEAM_TOKEN\n"
    for wrong in ("token-env", "url=elsewhere", "nothing=1", f"token-env={TOKEN}"):
        refused = one("clone", str(one.path), "../untold", "-c", wrong)
        assert (refused.status, (one.path.parent / "untold").exists()) == (2, False)
        assert TOKEN not in refused.err


def test_a_part_of_a_run_is_no_damage_when_it_is_to_be_bundled(pair: tuple[Project, Project]) -> None:
    refused = pair[0]("bundle", "create", "../part.bundle", "main:score")
    assert refused.status == 11
    assert "main:score is a stage, not a run" in refused.err
    assert pair[0]("bundle", "create", "../part.bundle", "main", "--since", "main:score").status == 11


def test_no_part_of_an_older_bundle_stays(pair: tuple[Project, Project]) -> None:
    one = pair[0]
    stale = one.path.parent / "b.002"
    stale.write_bytes(b"a part of another bundle")
    refused = one("bundle", "create", "../b", "main", "--split", "1MiB")
    assert (refused.status, "b.002 is there already" in refused.err) == (2, True)
    assert [each.name for each in one.path.parent.glob("*b.0*")] == ["b.002"]
    assert one("bundle", "create", "../b", "main", "--split", "1MiB", "--force").status == 0
    assert not stale.exists()
    assert one("bundle", "verify", "../b").status == 0


def test_a_bundle_for_a_pipe_that_is_closed_ends_as_the_pipe_does(pair: tuple[Project, Project]) -> None:
    command = f"{COMMAND} bundle create - main | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=pair[0].path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (141, "")

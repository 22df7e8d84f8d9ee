"""Stores that exchange runs: push, fetch, pull, clone and remotes, as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Project, make_project
from tests.support.damage import damage_frame
from themis_vcs.store.repository import Repository

METRICS = 'evaluation.metrics=["builtin/exact_match"]'


@pytest.fixture
def there(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "there", 3)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    return project


@pytest.fixture
def here(there: Project, tmp_path: Path) -> Project:
    """A clone."""
    done = there("clone", str(there.path), str(tmp_path / "here"))
    assert done.status == 0, done.err
    return make_project(tmp_path / "here", 3)


def head(project: Project, name: str = "names/main") -> str | None:
    rows = project("ls-remote", str(project.path), "--json").rows
    return next((str(row["oid"]) for row in rows if row["ref"] == name), None)


def run_again(project: Project, *settings: str) -> None:
    arguments = [part for each in settings for part in ("--set", each)]
    assert project("run", "main.toml", *arguments).status == 3


def test_a_clone_is_as_if_all_of_it_was_done_here(there: Project, here: Project) -> None:
    assert head(here) == head(there)
    one, other = (project("show", "main", "--json").document for project in (there, here))
    assert (one.pop("origin"), other.pop("origin")) == (None, "origin")
    assert one == other
    assert "nothing wrong" in here("fsck").out
    again = here("run", "main.toml", "--json").document
    assert {stage: counts["built"] for stage, counts in again["stages"].items()} == dict.fromkeys(again["stages"], 0)
    assert here("show", one["run_id"][:10]).status == 0


def test_results_of_others_are_reused_only_if_they_are_trusted(here: Project) -> None:
    assert here("config", "cache.trust", "local").status == 0
    again = here("run", "main.toml", "--json").document
    assert again["stages"]["generate"]["built"] > 0
    assert again["stages"]["generate"]["reused"] == 0


def test_status_says_where_a_run_came_from_and_how_far_it_is(there: Project, here: Project) -> None:
    assert "up to date with origin/main" in here("status").out
    run_again(here, METRICS)
    status = here("status", "--json").document["names"][0]
    assert (status["origin"], status["remotes"]) == (None, [{"name": "origin/main", "ahead": 1, "behind": 0}])
    run_again(there, METRICS, "seeds=[5]")
    assert here("fetch").status == 0
    assert "1 run ahead of and 1 run behind origin/main" in here("status").out
    assert here("diff", "main", "origin/main").status == 0
    assert "origin/main" in here("log", "origin/main", "--oneline").out


def test_damage_there_is_said_to_be_there(there: Project, tmp_path: Path) -> None:
    with Repository.open(there.path / ".themis") as repository:
        run = repository.ref("names/main")
        assert run is not None
        damage_frame(repository, run)
    empty = make_project(tmp_path / "empty", 1)
    assert empty("init").status == 0
    named = {("fetch", str(there.path)): str(there.path), ("clone", str(there.path), "copy"): "origin"}
    for command, name in named.items():
        done = empty(*command)
        assert done.status == 14, done
        assert f"{name}: object {run.hex()}" in done.err and "run `themis fsck` there" in done.err, done.err
    assert not (empty.path / "copy").exists()


def test_push_moves_the_name_there(there: Project, here: Project) -> None:
    run_again(here, METRICS)
    done = here("push", "--json").document
    assert [(row["ref"], row["outcome"]) for row in done["refs"]] == [("names/main", "updated")]
    assert done["objects"] > 0
    assert head(there) == head(here)
    assert "up to date with origin/main" in here("status").out
    assert "nothing wrong" in there("fsck").out
    assert here("push").out.endswith("everything is up to date\n")


def test_a_push_that_would_lose_runs_is_rejected_and_says_what_to_do(there: Project, here: Project) -> None:
    run_again(there, "seeds=[5]")
    run_again(here, METRICS)
    before = head(there)
    done = here("push")
    assert (done.status, done.out) == (12, "")
    assert "main: it is at" in done.err
    assert "fetch first" in done.err
    assert "hint: `themis pull`" in done.err
    assert here("fetch").status == 0
    assert "it would lose 1 of the runs there" in here("push").err
    assert head(there) == before
    assert here("push", "--force").status == 0
    assert head(there) == head(here)


def test_a_lease_forces_only_what_was_seen(there: Project, here: Project) -> None:
    run_again(there, "seeds=[5]")
    run_again(here, METRICS)
    assert "was expected at" in here("push", "--force-with-lease").err
    assert here("fetch").status == 0
    assert here("push", "--force-with-lease").status == 0
    assert head(there) == head(here)


def test_all_names_move_or_none(there: Project, here: Project) -> None:
    run_again(here, "name='other'")
    run_again(there, "seeds=[5]")
    run_again(here, METRICS)
    assert here("push", "--all").status == 12
    assert head(there, "names/other") is None
    done = here("push", "--all", "--no-atomic", "--json")
    assert {row["ref"]: row["outcome"] for row in done.document["refs"]} == {
        "names/main": "rejected",
        "names/other": "new",
    }
    assert head(there, "names/other") is not None


def test_pull_moves_a_name_that_is_only_behind(there: Project, here: Project) -> None:
    run_again(there, METRICS)
    done = here("pull")
    assert (done.status, head(here)) == (0, head(there))
    assert "main  updated" in done.out
    assert "everything is up to date" in here("pull").out


def test_pull_does_not_lose_what_is_only_here(there: Project, here: Project) -> None:
    run_again(here, METRICS)
    mine = head(here)
    assert (here("pull").status, head(here)) == (0, mine)
    run_again(there, "seeds=[5]")
    done = here("pull")
    assert (done.status, head(here)) == (12, mine)
    assert "1 of its runs are only here, and 1 only there" in done.err
    assert here("pull", "--force").status == 0
    assert head(here) == head(there)
    assert here("show", "main@{1}", "--json").document["oid"] == mine


def test_a_dry_run_says_what_would_go_and_changes_nothing(there: Project, here: Project) -> None:
    run_again(here, METRICS)
    run_again(there, "name='other'")
    before = head(there), here("ls", "--json").rows
    would = here("push", "--dry-run", "--json").document
    assert would["dry_run"]
    assert here("pull", "--dry-run", "--json").document["objects"] > 0
    assert (head(there), here("ls", "--json").rows) == before
    assert here("push", "--json").document["objects"] == would["objects"] > 0


def test_tags_travel_and_are_never_replaced_unasked(there: Project, here: Project) -> None:
    assert there("tag", "v1", "main", "-m", "theirs").status == 0
    assert here("fetch").status == 0
    assert here("show", "v1").status == 0
    assert here("tag", "v2", "main").status == 0
    assert there("tag", "v2", "main", "-m", "another").status == 0
    assert "there is another tag of that name there" in here("push", "origin", "v2").err
    done = here("fetch")
    assert (done.status, "there is another tag of that name here; it stays" in done.out) == (0, True)


def test_names_are_taken_away_there_only_as_they_were_seen(there: Project, here: Project) -> None:
    run_again(here, "name='other'")
    assert here("push", "origin", "other").status == 0
    assert here("push", "origin", "--delete", "other").status == 0
    assert head(there, "names/other") is None
    run_again(there, METRICS)
    assert "was expected at" in here("push", "origin", "--delete", "main").err
    assert here("push", "--delete").status == 2


def test_fetch_prunes_what_is_gone(there: Project, here: Project) -> None:
    run_again(here, "name='other'")
    assert here("push", "origin", "other").status == 0
    assert there("push", str(there.path), "--delete", "other", "--force").status == 0
    assert here("show", "origin/other").status == 0
    assert "deleted" in here("fetch", "--prune").out
    assert here("show", "origin/other").status == 11


def test_remotes_are_added_listed_renamed_and_removed(there: Project, here: Project) -> None:
    assert here("remote", "add", "lab", "me@lab.example:evals", "--token-env", "LAB").status == 0
    assert here("remote", "list", "--json").rows == [
        {"name": "origin", "url": str(there.path)},
        {"name": "lab", "url": "me@lab.example:evals", "token-env": "LAB"},
    ]
    assert here("remote", "rename", "origin", "upstream").status == 0
    assert here("show", "upstream/main").status == 0
    assert "up to date" in here("remote", "show", "upstream").out
    assert here("remote", "remove", "upstream").status == 0
    assert here("show", "upstream/main").status == 11
    assert "lab" in here("remote", "list").out


def test_a_store_without_refs_is_cloned_and_filled(tmp_path: Path, there: Project) -> None:
    empty = make_project(tmp_path / "empty", 3)
    assert empty("init").status == 0
    assert "there is nothing" in empty("clone", str(empty.path), str(tmp_path / "copy")).out
    assert there("push", str(empty.path)).status == 0
    assert head(empty) == head(there)


def test_only_the_first_stages_are_given_away(there: Project, tmp_path: Path) -> None:
    run_again(there, "seeds=[5]")
    other = make_project(tmp_path / "other", 3)
    assert other("init").status == 0
    assert there("push", str(other.path), "--stages", "reduce,generate").status == 0
    run = other("show", "main", "--json").document
    assert run["run_id"] == there("show", "main", "--json").document["run_id"]
    assert {row["stage"] for row in run["tracks"]} == {"generate", "reduce"}
    assert run["completed_through_stage"] == "reduce"
    assert "generate, reduce only" in run["reason"]
    assert len(other("log", "--json").rows) == 2
    assert "up to date" in there("push", str(other.path), "--stages", "generate,reduce").out
    assert "nothing wrong" in other("fsck").out
    done = other("run", "main.toml", "--set", "seeds=[5]", "--json").document["stages"]
    assert (done["generate"]["built"], done["parse"]["built"]) == (0, 4)
    assert "not the first stages" in there("push", str(other.path), "--stages", "parse").err


def test_results_go_without_what_was_observed_beside_them(there: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other", 3)
    assert other("init").status == 0
    assert there("push", str(other.path), "--no-observations").status == 0
    here = there("explain", "main:generate/c1", "--json").document["steps"][0]
    assert here["observations"]["latency_ms"] == 1500.0
    explained = other("explain", "main:generate/c1", "--json").document["steps"][0]
    assert (explained["observations"], explained["origin"]) == ({}, {})
    shown = other("show", "main", "--json").document
    assert "@" not in shown["who"]
    assert not {"host", "executable"} & set(shown["surroundings"])
    assert shown["metrics"] == there("show", "main", "--json").document["metrics"]
    assert "nothing wrong" in other("fsck").out
    again = other("run", "main.toml", "--json").document
    assert {stage: counts["built"] for stage, counts in again["stages"].items()} == dict.fromkeys(again["stages"], 0)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("push",), 2, "this store has no remote"),
        (("push", "nowhere"), 11, "neither a remote nor a path"),
        (("push", "/nowhere/at/all"), 10, "no store at /nowhere/at/all"),
        (("push", "ftp://host/path"), 15, "ftp:// is not a way to a store"),
        (("push", "https://me:secret@host/path"), 2, "credential"),
        (("push", "-oProxyCommand=touch:x"), 2, "No such option"),
        (("push", ".", "nothing-like-it"), 11, "no name or tag 'nothing-like-it'"),
        (("push", ".", "--force", "--force-with-lease"), 2, "exclude each other"),
        (("fetch", ".", "nothing-like-it"), 11, "no name or tag 'nothing-like-it'"),
        (("clone", "/nowhere/at/all"), 10, "no store at"),
        (("clone", "https://me:secret@host/path"), 2, "-c token-env=VAR"),
        (("clone", ".", "."), 2, "not empty"),
        (("ls-remote", "host:-x"), 2, "cannot begin with '-'"),
        (("ls-remote", "ssh://-oProxyCommand=x/path"), 2, "cannot be the name of a host"),
        (("remote", "add", "a/b", "/x"), 2, "cannot name a remote"),
        (("remote", "add", "a", "https://host/?token=1"), 2, "credential"),
        (("remote", "add", "a", "/x", "--token-env", "sk-123 456"), 2, "name of an environment variable"),
        (("remote", "remove", "origin"), 11, "no remote 'origin'"),
        (("remote", "frobnicate"), 2, "no such command"),
        (("config", "remote.origin.password", "x"), 2, "is not a setting"),
        (("config", "cache.trust", "nobody"), 2, "must be one of"),
        (("config", "cache.trust"), 11, "is not set"),
    ],
)
def test_what_cannot_be_meant_is_refused(there: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = there(*arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "secret" not in done.err


def test_settings_that_are_none_are_named(there: Project) -> None:
    file = there.path / ".themis" / "config.toml"
    file.write_text("# mine\n[remote.origin]\nurl = '/x'\npassword = 'x'\n[cache]\ntrust = 'nobody'\n")
    done = there("remote", "list")
    assert done.status == 2
    assert "remote.origin.password: not a setting" in done.err
    assert "cache.trust" in done.err
    file.write_text("# mine\n[remote.origin]\nurl = '/x'\n")
    assert there("config", "cache.trust", "local").status == 0
    assert file.read_text().startswith("# mine\n[remote.origin]\n")
    assert there("config", "--unset", "cache.trust").status == 0
    assert there("config", "--json").document == {"remote.origin.url": "/x"}

"""Forgetting as a person meets it in several stores: who is told what, and what to do there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Outcome, call
from tests.support.forgetting import secret_run
from themis_vcs.model.objects import Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository


class Stores:
    """A store with two runs, a copy of both in `there`, and `mine`, a clone of that. The second is forgotten here."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with Repository.init(directory / "here") as repository:
            self.first = secret_run(repository, None, 1, "v1")
            self.run = secret_run(repository, self.first, 2, "v2")
        Repository.init(directory / "there").close()
        self.here("remote", "add", "origin", str(directory / "there"))
        self.here("push")
        call("clone", str(directory / "there"), str(directory / "mine"))
        self.forgot = self.here("forget", "main", "--reason", "it has a secret")

    def here(self, *arguments: str) -> Outcome:
        return call("--store", str(self.directory / "here"), *arguments)

    def there(self, *arguments: str) -> Outcome:
        return call("--store", str(self.directory / "there"), *arguments)

    def mine(self, *arguments: str) -> Outcome:
        return call("--store", str(self.directory / "mine" / ".themis"), *arguments)

    @property
    def short(self) -> str:
        return self.run.hex()[:12]

    def refs_there(self) -> set[str]:
        with Repository.open(self.directory / "there", readonly=True) as repository:
            return {name for name, _ in repository.refs()}


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_a_push_to_a_store_whose_name_is_at_the_run_says_what_to_do_and_that_works(stores: Stores) -> None:
    done = stores.here("push")
    assert done.status == 12
    assert f"{stores.short} there, a run that was forgotten here on 20" in done.err and "it has a secret" in done.err
    assert "themis pull" not in done.err and f"`themis forget {stores.short} --reason …` in that store" in done.err
    assert stores.here("push", "--force").status == 0
    assert stores.there("forget", stores.short, "--reason", "it has a secret").status == 0
    assert stores.there("show", stores.short).status == 11
    assert stores.here("pull").status == 0


def test_a_push_that_is_rejected_moves_no_name_and_brings_the_tombstone(stores: Stores) -> None:
    before = stores.refs_there()
    assert stores.here("push", "--dry-run").status == 0
    assert stores.refs_there() == before
    assert stores.here("push").status == 12
    assert stores.refs_there() - before == {f"tombstones/{stores.run.hex()}"}
    assert f"{stores.run.hex()}  names/main" in stores.there("ls-remote", str(stores.directory / "there")).out


def test_whoever_gets_a_tombstone_of_a_run_that_is_still_there_is_told(stores: Stores) -> None:
    assert stores.here("push", "--force").status == 0
    would = stores.mine("pull", "--dry-run")
    assert f"{stores.short}, which is still here, was forgotten there" in would.out
    document = stores.mine("pull", "--dry-run", "--json").document
    assert [each["run"] for each in document["forgotten_there"]] == [stores.run.hex()]
    done = stores.mine("pull")
    assert f"{stores.short}, which is still here, was forgotten there on 20" in done.out
    assert "it has a secret" in done.out and f"`themis forget {stores.short} --reason" in done.err
    assert "forgotten" not in stores.mine("pull").out
    assert "still here" in stores.mine("forget", "--list").out


def test_who_has_forgotten_is_not_told_so_by_his_own_push(stores: Stores) -> None:
    done = stores.here("push", "--force")
    assert "and 1 tombstone" in done.out and "still here" not in done.out


def test_a_name_there_that_leads_to_what_was_forgotten_here_is_taken_away(stores: Stores) -> None:
    assert stores.here("push", "origin", "--delete", "main").status == 0
    assert "names/main" not in stores.refs_there()


@pytest.mark.parametrize("named", ["oid", "beginning of the oid", "run id", "stage"])
def test_what_was_forgotten_is_said_to_be(stores: Stores, named: str) -> None:
    oid = stores.run.hex()
    text = {"oid": oid, "beginning of the oid": oid[:8], "run id": "02" * 32, "stage": f"{oid}:generate"}[named]
    done = stores.here("show", text)
    assert done.status == 11
    assert f"run {stores.short} was forgotten on 20" in done.err and "it has a secret" in done.err
    assert "no name, tag, run or object like that" in stores.here("show", "0" * 60).err


def test_what_was_forgotten_is_listed(stores: Stores) -> None:
    done = stores.here("forget", "--list")
    assert done.out.startswith(f"{stores.short}  on 20") and done.out.count("\n") == 1
    (row,) = stores.here("forget", "--list", "--json").document["forgotten"]
    assert (row["run"], row["here"], row["tombstone"]["reason"]) == (stores.run.hex(), False, "it has a secret")
    assert stores.here("forget", "main", "--list").status == 2
    assert stores.there("forget", "--list").out == "no run was forgotten\n"


def test_where_no_name_is_left_a_push_of_all_takes_the_tombstones(stores: Stores) -> None:
    assert "`themis push` takes the tombstone" in stores.forgot.out
    done = stores.here("forget", "main", "--reason", "all of it")
    assert "`themis push --all` takes the tombstone" in done.out
    assert stores.here("push", "--all").status == 0
    assert f"tombstones/{stores.first.hex()}" in stores.refs_there()


@pytest.mark.parametrize(
    "said", [{}, {"reason": "x\nerror: y", "time": "now"}, {"reason": ["z"] * 500, "time": 2**62}, 1]
)
def test_a_tombstone_that_says_something_else_is_told_in_a_line(stores: Stores, said: object) -> None:
    lost = bytes([9]) * 32
    with Repository.open(stores.directory / "here") as repository:
        stone = repository.put(Value("tombstone", said))
        repository.commit([RefUpdate(f"tombstones/{lost.hex()}", stone)], message="x")
    done = stores.here("show", lost.hex())
    assert done.status == 11
    message, hint = done.err.splitlines()
    assert "run 090909090909 was forgotten on a day unknown: " in message or "on 2116-" in message
    assert len(message) < 400 and hint.startswith("hint: ")

"""Signing as a person does it: keys, sign, verify, signed pushes, and pulls that require signatures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from msgspec.structs import replace

from tests.support.commandline import COMMAND, Outcome, Project, call, environment
from tests.support.signing import REF, SignedStore, new_signer, ssh_agent, ssh_keygen
from tests.support.stores import store_run
from tests.support.terminal import on_terminal
from themis_vcs.model.objects import Run
from themis_vcs.model.oid import Oid
from themis_vcs.signing.statement import SIGNATURES, signature_ref
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository

Themis = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SSH_AUTH_SOCK", "THEMIS_KEY", "THEMIS_TRUST", "THEMIS_PASSPHRASE_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "themis"


def store(path: Path) -> Themis:
    """The command on a store."""
    return lambda *arguments: call("--store", str(path), *arguments)


@pytest.fixture
def here(tmp_path: Path) -> Themis:
    """A store with a run, a key `me` that is trusted, and a remote `origin` that is empty."""
    with Repository.init(tmp_path / "here") as repository:
        store_run(repository, 3)
    Repository.init(tmp_path / "origin").close()
    themis = store(tmp_path / "here")
    for line in (
        ("remote", "add", "origin", str(tmp_path / "origin")),
        ("key", "generate", "me", "--no-passphrase"),
        ("key", "trust", "me"),
    ):
        assert themis(*line).status == 0
    return themis


def next_run(path: Path, draw: int = 0) -> Oid:
    with Repository.open(path) as repository:
        head = repository.ref(REF)
        assert head is not None
        return store_run(repository, 3, draw=draw + len(repository.reflog(REF)), parent=head).run


def refs(path: Path) -> dict[str, Oid]:
    with Repository.open(path, readonly=True) as repository:
        return dict(repository.refs())


def clone(tmp_path: Path, name: str, *options: str) -> tuple[Outcome, Themis]:
    done = call("clone", str(tmp_path / "origin"), str(tmp_path / name), *options)
    return done, store(tmp_path / name / ".themis")


def test_a_name_is_signed_and_verified(here: Themis) -> None:
    assert here("verify").status == 3
    done = here("sign", "--json")
    assert done.status == 0, done.err
    assert done.rows[0]["ref"] == REF and done.rows[0]["sequence"] == 1
    found = here("verify", "demo", "--json").document["refs"]
    assert [(each["outcome"], each["signatures"][0]["signer"]) for each in found] == [("verified", "me")]
    assert here("verify").status == 0
    assert "names/demo by me" in here("show", "demo").out
    assert [each["signer"] for each in here("show", "demo", "--json").document["signatures"]] == ["me"]
    assert "was signed before" in here("sign", "demo").out


def test_a_tag_is_given_and_signed_in_one_step(here: Themis, tmp_path: Path) -> None:
    assert "signed by SHA256:" in here("tag", "v1", "--sign").out
    assert here("verify", "v1").status == 0
    assert here("tag", "-d", "v1").status == 0
    assert not any(ref.startswith(SIGNATURES) for ref in refs(tmp_path / "here"))
    assert here("tag", "v1", "--sign").status == 0
    assert here("verify", "v1", "--json").document["refs"][0]["signatures"][0]["sequence"] == 2


def test_without_a_key_no_tag_is_given(here: Themis, tmp_path: Path) -> None:
    assert here("tag", "v1", "--sign", "--key", "nobody").status == 11
    assert "tags/v1" not in refs(tmp_path / "here")


def test_a_damaged_signature_ends_with_14_and_is_named(here: Themis, tmp_path: Path) -> None:
    assert here("sign").status == 0
    with Repository.open(tmp_path / "here") as repository:
        name, _ = next(iter(repository.refs(SIGNATURES)))
        repository.commit([RefUpdate(name, repository.ref(REF), ANY)], message="damage")
    done = here("verify")
    assert done.status == 14 and name in done.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("sign", "nothing"), 11, "no name or tag"),
        (("sign", "demo~0"), 2, "no name and no tag"),
        (("sign", "demo:generate"), 2, "no name and no tag"),
        (("verify", "nothing"), 11, "no name or tag"),
        (("sign", "00010203"), 2, "no name and no tag"),
        (("key", "generate", "me", "--no-passphrase"), 2, "already"),
        (("key", "generate", "../me", "--no-passphrase"), 2, "cannot name a key"),
        (("key", "trust", "nobody.pub"), 11, "neither a key nor a file"),
        (("key", "trust", "ssh-rsa AAAA", "--as", "x"), 2, "ssh-rsa"),
        (("key", "trust", "SHA256:x"), 11, "no ssh-agent is running"),
        (("key", "revoke", "nobody", "--reason", "x"), 11, "no trusted key"),
        (("key", "revoke", "me"), 2, "--reason"),
        (("push", "--key", "me"), 2, "for --signed"),
        (("push", "--signed", "--stages", "generate"), 2, "cannot be signed"),
        (("push", "--signed", "--delete", "origin", "demo"), 2, "cannot be signed"),
        (("tag", "x", "--key", "me"), 2, "for --sign"),
        (("tag", "-d", "x", "--sign"), 2, "exclude each other"),
        (("verify", "--trust", "/nonexistent/trust.toml"), 11, "no trust file"),
    ],
)
def test_what_cannot_be_meant_is_refused(here: Themis, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = here(*arguments)
    assert (done.status, said in done.err) == (status, True), done.err


def test_a_passphrase_comes_from_a_file_or_a_command_or_is_missed(
    here: Themis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    assert here("key", "generate", "safe", "--passphrase-file", str(secret)).status == 0
    assert here("sign", "--key", "safe", "--passphrase-file", str(secret)).status == 0
    monkeypatch.setenv("THEMIS_PASSPHRASE_COMMAND", f"cat {secret}")
    assert here("sign", "--force", "--key", "safe").status == 0
    monkeypatch.setenv("THEMIS_PASSPHRASE_COMMAND", "false")
    assert "THEMIS_PASSPHRASE_COMMAND failed: exit status 1" in here("sign", "--force", "--key", "safe").err


def test_where_there_is_no_terminal_nobody_is_asked() -> None:
    done = subprocess.run(
        ["setsid", "--wait", COMMAND, "key", "generate", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "no terminal" in done.stderr


def test_at_a_terminal_the_passphrase_is_asked_for_and_not_shown(here: Themis, tmp_path: Path) -> None:
    environ = {**environment(), "XDG_CONFIG_HOME": str(tmp_path / "config"), "THEMIS_DIR": str(tmp_path / "here")}

    def at_terminal(*arguments: str, typed: list[str]) -> tuple[int, str]:
        return on_terminal([COMMAND, *arguments], tmp_path, environ, typed=typed)

    status, written = at_terminal("key", "generate", "safe", typed=["open sesame", "open barley"])
    assert status == 2 and "two different passphrases" in written
    status, written = at_terminal("key", "generate", "safe", typed=["open sesame", "open sesame"])
    assert status == 0, written
    status, written = at_terminal("sign", "--key", "safe", typed=["open sesame"])
    assert status == 0 and "sesame" not in written
    status, written = at_terminal("sign", "--force", "--key", "safe", typed=["wrong"])
    assert status == 2 and "passphrase is wrong" in written


def test_keys_of_ssh_and_of_an_agent_sign(here: Themis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ssh_keygen(tmp_path / "id")
    assert here("key", "trust", f"{key}.pub", "--as", "ssh", "--ref", "names/*").status == 0
    assert here("sign", "--key", str(key)).status == 0
    with ssh_agent(tmp_path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
        key.unlink()
        assert here("sign", "--force", "--key", f"{key}.pub").status == 0
        assert "agent" in here("key", "list", "--agent").out
    (found,) = here("verify", "--json").document["refs"][0]["signatures"]
    assert (found["signer"], found["sequence"], found["code"]) == ("ssh", 2, "valid")


def test_a_signed_push_brings_the_name_and_its_signature(here: Themis, tmp_path: Path) -> None:
    done = here("push", "--signed")
    assert done.status == 0 and "and 1 signature" in done.out
    there = refs(tmp_path / "origin")
    assert {"names/demo", "store/id"} <= there.keys()
    assert {ref: oid for ref, oid in refs(tmp_path / "here").items() if ref.startswith(SIGNATURES)} == {
        ref: oid for ref, oid in there.items() if ref.startswith(SIGNATURES)
    }
    assert store(tmp_path / "origin")("verify").status == 0
    assert "everything is up to date" in here("push", "--signed").out


def test_a_push_that_is_rejected_signs_nothing(here: Themis, tmp_path: Path) -> None:
    assert here("push").status == 0
    next_run(tmp_path / "origin", 10)
    next_run(tmp_path / "here", 20)
    assert here("push", "--signed").status == 12
    assert not any(ref.startswith(SIGNATURES) for ref in refs(tmp_path / "here"))


def test_a_name_that_is_taken_away_there_takes_its_signatures_along(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    assert here("push", "--delete", "origin", "demo").status == 0
    assert not any(ref.startswith((SIGNATURES, "names/")) for ref in refs(tmp_path / "origin"))


def test_a_clone_has_the_id_of_the_store_and_continues_its_signatures(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    done, mine = clone(tmp_path, "mine", "--require-signed", "*")
    assert done.status == 0, done.err
    assert mine("verify").status == 0
    path = tmp_path / "mine" / ".themis"
    assert refs(path)["store/id"] == refs(tmp_path / "here")["store/id"]
    next_run(path)
    assert mine("push", "--signed").status == 0
    assert here("pull", "--require-signed", "demo").status == 0
    assert here("verify", "--json").document["refs"][0]["signatures"][0]["sequence"] == 2


def test_nothing_moves_that_must_be_signed_and_is_not(here: Themis, tmp_path: Path) -> None:
    assert here("push").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "demo")
    assert done.status == 12 and "nobody who is trusted has signed it" in done.err
    assert not (tmp_path / "mine").exists()
    _, mine = clone(tmp_path, "mine")
    next_run(tmp_path / "here")
    assert here("push").status == 0
    before = refs(tmp_path / "mine" / ".themis")
    for command in ("fetch", "pull"):
        assert mine(command, "--require-signed", "*").status == 12
        assert refs(tmp_path / "mine" / ".themis") == before
    assert mine("config", "remote.origin.require-signed", "other* demo").status == 0
    assert mine("pull").status == 12
    assert refs(tmp_path / "mine" / ".themis") == before
    assert here("push", "--signed").status == 0
    assert mine("pull").status == 0


def test_a_pattern_that_fits_nothing_is_refused(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "papr*")
    assert done.status == 11 and "papr*" in done.err


def test_a_clone_goes_on_to_require_what_it_was_made_with(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    done, mine = clone(tmp_path, "mine", "--require-signed", "*", "-c", "require-signed=paper*")
    assert done.status == 0, done.err
    assert "paper* *" in mine("config", "remote.origin.require-signed").out
    next_run(tmp_path / "here")
    assert here("push").status == 0
    before = refs(tmp_path / "mine" / ".themis")
    assert mine("pull").status == 12
    assert refs(tmp_path / "mine" / ".themis") == before
    assert here("push", "--signed").status == 0
    assert mine("pull").status == 0


def test_who_has_signed_and_is_not_trusted_is_named(here: Themis, tmp_path: Path) -> None:
    assert here("push").status == 0
    keys = []
    for name in ("a", "b", "c", "d", "e"):
        assert here("key", "generate", name, "--no-passphrase").status == 0
        assert here("sign", "--key", name).status == 0
        keys.append(here("key", "list", "--json").rows)
    assert here("push").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    own = {row["key"] for row in keys[-1] if row["name"] in "abcde"}
    assert done.status == 12 and sum(each in done.err for each in own) == 3
    assert "nobody who is trusted has signed it; signed by SHA256:" in done.err and ", and 2 more" in done.err
    assert "`themis key trust` trusts a key" in done.err


def test_what_to_do_about_a_refused_signature_is_what_helps(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    next_run(tmp_path / "here")
    assert here("push").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    assert "`themis push --signed`" in done.err and "key trust" not in done.err
    assert here("push", "--signed").status == 0
    assert here("key", "revoke", "me", "--reason", "lost").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    assert "another one that is trusted must sign again" in done.err and "key trust" not in done.err


def test_a_damaged_signature_beside_a_good_one_is_refused_and_it_is_said_what_to_do(
    here: Themis, tmp_path: Path
) -> None:
    assert here("key", "generate", "bob", "--no-passphrase").status == 0
    assert here("key", "trust", "bob").status == 0
    assert here("push", "--signed", "--key", "bob").status == 0
    assert here("push", "--signed", "--key", "me").status == 0
    with Repository.open(tmp_path / "origin") as repository:
        name, *_ = (name for name, _ in repository.refs(SIGNATURES))
        repository.commit([RefUpdate(name, repository.ref(REF), ANY)], message="damage")
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    assert done.status == 12 and "who made it must sign again" in done.err


def test_nothing_is_signed_with_a_key_that_was_revoked(here: Themis, tmp_path: Path) -> None:
    assert here("key", "revoke", "me", "--reason", "laptop lost").status == 0
    before = refs(tmp_path / "here")
    for line in (
        ("sign",),
        ("push", "--signed"),
        ("attest", "-o", str(tmp_path / "a.json")),
        ("tag", "v1", "--sign"),
        ("forget", "demo", "--reason", "x", "--sign"),
    ):
        done = here(*line)
        assert (done.status, "the key me was revoked: laptop lost" in done.err) == (2, True), done.err
    assert refs(tmp_path / "here") == before and not (tmp_path / "a.json").exists()
    own, trusted = here("key", "list").out.splitlines()
    assert own.startswith("own ") and "laptop lost" in own and trusted.startswith("trusted ")


def test_how_to_change_what_a_key_may_sign_is_said(here: Themis) -> None:
    done = here("key", "trust", "me", "--as", "bob")
    assert done.status == 2 and "--as me with --ref PATTERN" in done.err
    assert here("key", "trust", "me", "--as", "me", "--ref", "names/*").status == 0


def test_a_tag_that_is_there_is_signed_by_sign(here: Themis) -> None:
    assert here("tag", "v1", "demo").status == 0
    assert "`themis sign v1`" in here("tag", "v1", "demo", "--sign").err
    assert "`themis sign" not in here("tag", "v1", "demo").err
    assert here("sign", "v1").status == 0


def rolled_back(path: Path, old: dict[str, Oid]) -> None:
    """Let the refs of a store point where they did, as whoever owns it can."""
    with Repository.open(path) as repository:
        repository.commit([RefUpdate(ref, oid, ANY) for ref, oid in old.items()], message="rollback")


def test_a_remote_that_goes_back_to_an_old_signed_state_is_refused(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    _, mine = clone(tmp_path, "mine", "--require-signed", "*")
    old = refs(tmp_path / "origin")
    next_run(tmp_path / "here")
    assert here("push", "--signed").status == 0
    assert mine("pull", "--require-signed", "*").status == 0
    rolled_back(tmp_path / "origin", old)
    done = mine("fetch", "--require-signed", "*")
    assert done.status == 12 and "2 was accepted here before" in done.err


def test_a_remote_that_shows_another_run_under_a_good_signature_is_refused(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    next_run(tmp_path / "origin")
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    assert done.status == 12 and "and the ref is at" in done.err


def test_a_key_that_may_not_sign_the_ref_opens_nothing(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    trust = tmp_path / "narrow.toml"
    assert here("key", "trust", "me", "--ref", "tags/*", "--trust", str(trust)).status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "*", "--trust", str(trust))
    assert done.status == 12 and "trusted for tags/*" in done.err
    assert here("key", "revoke", "me", "--reason", "lost").status == 0
    done, _ = clone(tmp_path, "mine", "--require-signed", "*")
    assert done.status == 12 and "revoked: lost" in done.err


def test_a_signature_of_another_store_is_refused(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    with Repository.init(tmp_path / "other") as repository:
        SignedStore(repository)
    other = store(tmp_path / "other")
    assert other("remote", "add", "origin", str(tmp_path / "origin")).status == 0
    done = other("fetch", "--require-signed", "demo")
    assert done.status == 12 and "it is of store" in done.err


def test_a_damaged_signature_there_is_left_there_and_the_rest_comes(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    with Repository.open(tmp_path / "origin") as repository:
        oid = repository.ref(REF)
        repository.commit([RefUpdate(signature_ref(new_signer().key, REF), oid)], message="damage")
    done, mine = clone(tmp_path, "mine")
    assert done.status == 0 and "a signature was not taken" in done.out
    assert mine("verify").status == 0


def test_a_store_takes_in_no_signature_that_is_none(here: Themis, tmp_path: Path) -> None:
    assert here("sign").status == 0
    with Repository.open(tmp_path / "here") as repository:
        ((name, _),) = repository.refs(SIGNATURES)
        repository.commit([RefUpdate(name, repository.ref(REF), ANY)], message="damage")
    assert here("push").status == 12
    assert "names/demo" not in refs(tmp_path / "origin")


def test_thousands_of_signatures_there_cost_little(here: Themis, tmp_path: Path) -> None:
    assert here("push", "--signed").status == 0
    with Repository.open(tmp_path / "origin") as repository:
        ((_, oid),) = repository.refs(SIGNATURES)
        names = [f"{SIGNATURES}{number:032x}/{REF}" for number in range(5_000)]
        repository.commit([RefUpdate(name, oid) for name in names], message="flood")
    done, mine = clone(tmp_path, "mine", "--require-signed", "*")
    assert done.status == 0, done.err
    assert sum(ref.startswith(SIGNATURES) for ref in refs(tmp_path / "mine" / ".themis")) <= 64
    assert mine("verify").status == 0


def test_a_bundle_has_the_signatures_of_what_is_in_it(here: Themis, tmp_path: Path) -> None:
    assert here("sign").status == 0
    bundle = str(tmp_path / "x.bundle")
    assert here("bundle", "create", bundle, "demo").status == 0
    assert here("bundle", "verify", bundle).status == 0
    assert call("clone", bundle, str(tmp_path / "mine"), "--require-signed", "*").status == 0
    assert store(tmp_path / "mine" / ".themis")("verify").status == 0
    assert here("bundle", "create", str(tmp_path / "y.bundle"), "demo", "--no-observations").status == 0
    listed = json.loads(here("bundle", "list", str(tmp_path / "y.bundle"), "--json").out)
    assert not any(ref.startswith(SIGNATURES) for ref in listed["refs"])


def test_a_bundle_with_a_signature_that_is_none_is_found_out(here: Themis, tmp_path: Path) -> None:
    assert here("sign").status == 0
    with Repository.open(tmp_path / "here") as repository:
        ((name, _),) = repository.refs(SIGNATURES)
        repository.commit([RefUpdate(name, repository.ref(REF), ANY)], message="damage")
    bundle = str(tmp_path / "x.bundle")
    assert here("bundle", "create", bundle, "demo").status == 0
    done = here("bundle", "verify", bundle)
    assert done.status == 14 and name in done.err
    assert call("clone", bundle, str(tmp_path / "mine"), "--require-signed", "*").status == 12


def test_only_what_a_trusted_key_has_signed_is_reused(project: Project, tmp_path: Path, config: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(config.parent)}
    origin = str(tmp_path / "there")
    assert project("init", origin).status == 0
    assert project("push", origin).status == 0
    assert project("clone", origin, str(tmp_path / "mine")).status == 0
    mine = Project(tmp_path / "mine")
    for name in ("mine.py", "main.toml", "sums.jsonl"):
        (mine.path / name).write_bytes((project.path / name).read_bytes())

    def reused() -> int:
        work = mine("run", "main.toml", "--dry-run", "--json", **environ).document["stages"]
        return int(work["generate"]["reused"])

    assert reused() > 0
    assert mine("config", "cache.trust", "signed").status == 0
    assert reused() == 0
    assert project("key", "generate", "me", "--no-passphrase", **environ).status == 0
    assert project("push", origin, "--signed", **environ).status == 0
    assert mine("pull", **environ).status == 0
    assert reused() == 0
    assert mine("key", "trust", "me", **environ).status == 0
    assert mine("pull", **environ).status == 0
    assert reused() > 0
    damage_derivations(Layout(mine.path / ".themis").database)
    assert mine("fsck", "--repair", **environ).status == 0
    assert reused() == 0
    assert mine("pull", **environ).status == 0
    assert reused() > 0
    assert mine("key", "revoke", "me", "--reason", "lost", **environ).status == 0
    assert reused() == 0


def damage_derivations(database: Path) -> None:
    """Make every row of the table useless."""
    with lmdb.open(str(database), max_dbs=16, map_size=1 << 30) as env:
        table = env.open_db(b"derivations", create=False)
        with env.begin(table, write=True) as txn:
            for key, row in list(txn.cursor()):
                txn.put(key, bytes(len(row)))


def other_run(path: Path) -> Oid:
    """A run with another id after the one that there is."""
    with Repository.open(path) as repository:
        head = repository.ref(REF)
        assert head is not None
        run = repository.put(replace(repository.load(head, Run), run_id=bytes(31) + b"x", parents=[head]))
        repository.commit([RefUpdate(REF, run, head)], message="another")
        return head


def test_a_tombstone_is_signed_and_travels_with_its_signature(tmp_path: Path, here: Themis) -> None:
    first = other_run(tmp_path / "here")
    stone = f"tombstones/{first.hex()}"
    done = here("forget", first.hex(), "--reason", "withdrawn", "--sign")
    assert done.status == 0, done.err
    assert stone in [each["ref"] for each in here("verify", "--json").document["refs"]]
    assert here("verify", stone).status == 0
    assert here("push").status == 0
    there = refs(tmp_path / "origin")
    assert stone in there
    assert any(name.startswith(SIGNATURES) and name.endswith(stone) for name in there)
    assert here("forget", "demo", "--reason", "y", "--key", "me").status == 2


def test_signatures_of_a_name_go_when_its_only_run_is_forgotten(tmp_path: Path, here: Themis) -> None:
    assert here("sign", "demo").status == 0
    assert here("forget", "demo", "--reason", "withdrawn").status == 0
    assert not [each for each in refs(tmp_path / "here") if each.startswith(SIGNATURES)]


def test_a_deletion_there_takes_no_signature_of_a_tombstone(tmp_path: Path, here: Themis) -> None:
    first = other_run(tmp_path / "here")
    assert here("forget", first.hex(), "--reason", "withdrawn", "--sign").status == 0
    assert here("push", "--signed").status == 0
    assert here("push", "origin", "--delete", "demo").status == 0
    there = refs(tmp_path / "origin")
    assert [each for each in there if each.startswith("tombstones/")]
    assert [each for each in there if each.startswith(SIGNATURES)]
    assert not [each for each in there if each.endswith(REF)]

"""Attestations: made, checked by independent implementations, tampered with, held against runs (ATT-1 to ATT-7)."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google.protobuf.json_format as protobuf
import in_toto_attestation.v1.statement_pb2 as pb
import pytest
from in_toto_attestation.v1.statement import Statement as InToto
from securesystemslib.dsse import Envelope as Independent
from securesystemslib.signer import SSlibKey

from tests.support.commandline import Outcome, Project
from tests.support.damage import damage_frame
from tests.support.signing import new_signer, trusting
from themis_vcs.analysis.attestation.attest import PAYLOAD_TYPE, attest, encode
from themis_vcs.analysis.attestation.check import disagreements, verified
from themis_vcs.analysis.lookup import Located, locate
from themis_vcs.errors import DamagedSignature, NotVerified
from themis_vcs.model import tree
from themis_vcs.model.objects import Stage, TreeNode
from themis_vcs.signing import envelope
from themis_vcs.signing.keyfiles import FileSigner
from themis_vcs.signing.trust import Revocation, parse_trust
from themis_vcs.store.repository import Repository

CHANGES = 2_000
SIGNER = new_signer()
TRUST = trusting(SIGNER.key, refs=["names/main"])
Themis = Callable[..., Outcome]


@pytest.fixture(scope="module")
def repository(finished: Project) -> Any:
    with Repository.open(finished.path / ".themis", readonly=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(repository: Repository) -> Located:
    return locate(repository, "main")


@pytest.fixture(scope="module")
def made(repository: Repository, run: Located) -> bytes:
    return attest(repository, run, "names/main", SIGNER, tool="0").data


def statement(data: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(json.loads(data)["payload"]))
    return document


def signed(document: dict[str, Any], signer: FileSigner = SIGNER) -> bytes:
    return envelope.sign(PAYLOAD_TYPE, encode(document), signer).to_json()


def test_it_states_what_the_run_is_and_came_to(finished: Project, made: bytes, run: Located) -> None:
    found = statement(made)
    said = found["predicate"]
    shown = finished.here("show", "main", "--json").document
    means = {name: (each["mean"], each["count"], each["failed"]) for name, each in shown["metrics"].items()}
    assert means and means == {
        name: (each["mean"], each["n"], each["failed"]) for name, each in said["results"]["metrics"].items()
    }
    assert said["run"]["runId"] == shown["run_id"] and said["run"]["oid"] == shown["oid"] == run.oid.hex()
    assert said["inputs"]["caseCount"] == shown["cases"] == said["inputs"]["datasets"][0]["cases"]
    assert [each["component"] for each in said["components"]][:2] == ["mine:answer", "passthrough"]
    assert {each["level"] for each in said["audit"]["verdicts"]} >= {"integrity", "provenance"}
    assert said["environment"].keys() <= {"themis", "python", "platform", "packages", "git", "imported"}
    assert str(finished.path) not in json.dumps(found)


def test_independent_implementations_take_it(made: bytes) -> None:
    independent = Independent.from_dict(json.loads(made))
    key = SSlibKey(SIGNER.key_id, "ed25519", "ed25519", {"public": SIGNER.key.raw.hex()})
    assert list(independent.verify([key], threshold=1)) == [SIGNER.key_id]
    assert independent.payload_type == PAYLOAD_TYPE
    parsed = protobuf.ParseDict(json.loads(independent.payload), pb.Statement())
    InToto.copy_from_pb(parsed).validate()
    assert parsed.subject[0].digest.keys() == {"sha256", "themisOidV1"}


def test_a_trusted_key_and_the_same_run_agree(repository: Repository, run: Located, made: bytes) -> None:
    found = verified(made, TRUST)
    assert (found.signer, found.key, found.name, found.oid) == (
        "key-0",
        SIGNER.key.fingerprint,
        "names/main",
        run.oid.hex(),
    )
    assert disagreements(repository, run, found) == []


def test_the_run_before_disagrees(repository: Repository, made: bytes) -> None:
    paths = {each.path for each in disagreements(repository, locate(repository, "main@{1}"), verified(made, TRUST))}
    assert {"subject.sha256", "subject.themisOidV1", "run.runId"} <= paths


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["components"].pop(),
        lambda said: said["components"][0].update(fingerprint="00" * 32),
        lambda said: said["components"][2].update(values="00" * 32),
        lambda said: said["results"]["metrics"]["exact_match"].update(mean=1.0),
        lambda said: said["results"]["metrics"]["exact_match"].update(failed=0),
        lambda said: said["results"]["stages"].pop("judge"),
        lambda said: said["inputs"].update(caseCount=1),
        lambda said: said["environment"].update(python="3.14"),
        lambda said: said.pop("results"),
        lambda said: said.update(components="none"),
    ],
)
def test_what_it_overstates_is_named_although_a_trusted_key_has_signed_it(
    repository: Repository, run: Located, made: bytes, change: Callable[[Any], object]
) -> None:
    document = statement(made)
    change(document["predicate"])
    assert disagreements(repository, run, verified(signed(document), TRUST))


def test_whose_it_is_decides(made: bytes) -> None:
    lost = Revocation(parse_time(), "lost")
    for trust, why in (
        (trusting(), "no key that is trusted"),
        (trusting(new_signer().key), "no key that is trusted"),
        (trusting(SIGNER.key, refs=["tags/*"]), "trusted for tags/"),
        (trusting(SIGNER.key, revoked=lost), "revoked: lost"),
    ):
        with pytest.raises(NotVerified, match=why):
            verified(made, trust)


@pytest.mark.parametrize("counts", ["for this name", "for others", "not any more"])
def test_what_names_a_known_key_and_is_not_of_it_is_a_forgery_whatever_the_key_is_trusted_for(
    made: bytes, counts: str
) -> None:
    lost = Revocation(parse_time(), "lost") if counts == "not any more" else None
    trust = trusting(SIGNER.key, refs=["tags/*"] if counts == "for others" else ["*"], revoked=lost)
    document = statement(made)
    document["predicate"]["results"]["metrics"]["exact_match"].update(mean=1.0)
    forged = {**json.loads(made), "payload": base64.b64encode(encode(document)).decode()}
    why = f"names {re.escape(SIGNER.key.fingerprint)} is not of that key over this payload"
    with pytest.raises(DamagedSignature, match=why):
        verified(json.dumps(forged).encode(), trust)


def parse_time() -> Any:
    text = f'[keys.a]\nkey = "{SIGNER.key.openssh}"\nrefs = ["*"]\n'
    text += "[keys.a.revoked]\ntime = 2026-11-28T17:00:00Z\nreason = 'x'\n"
    revoked = parse_trust(text.encode(), "x").keys[0].revoked
    assert revoked is not None
    return revoked.time


def test_a_byte_changed_is_refused_or_says_the_same(made: bytes) -> None:
    """Key ids are hints, and white space may be put where a line ends: such a change says nothing else."""
    good = verified(made, TRUST).statement
    draw = random.Random(1)
    refused = 0
    for at, by in draw.sample([(at, by) for at in range(len(made)) for by in range(1, 256)], CHANGES):
        changed = made[:at] + bytes([made[at] ^ by]) + made[at + 1 :]
        try:
            assert verified(changed, TRUST).statement == good
        except (DamagedSignature, NotVerified):
            refused += 1
    assert refused > 0.9 * CHANGES


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": []},
        {"subject": [{"name": "names/main", "digest": {}}] * 2},
        {"subject": "names/main"},
        {"predicate": []},
    ],
)
def test_what_is_no_statement_of_ours_is_refused(made: bytes, change: dict[str, Any]) -> None:
    with pytest.raises(DamagedSignature):
        verified(signed({**statement(made), **change}), TRUST)


def test_the_commands(project: Project, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    def themis(*arguments: str) -> Outcome:
        return project(*arguments, **environ)

    assert themis("key", "generate", "me", "--no-passphrase").status == 0
    done = themis("attest", "-o", "a.json", "--json")
    assert done.status == 0, done.err
    assert done.document["subject"] == "names/main"
    assert themis("attest", "-o", "a.json").status == 2
    assert themis("verify-attestation", "a.json").status == 3
    assert themis("key", "trust", "me").status == 0
    done = themis("verify-attestation", "a.json", "main")
    assert done.status == 0 and "main is what it states" in done.out
    done = themis("verify-attestation", "a.json", "main@{1}", "--json")
    assert done.status == 3 and done.document["differences"]
    path = project.path / "a.json"
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"AAAA', 1))
    assert themis("verify-attestation", "a.json").status == 14
    assert themis("verify-attestation", "absent.json").status == 11
    assert [each.name for each in project.path.glob(".a.json*")] == []


def test_the_verdicts_of_the_audit_are_printed(project: Project, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    def themis(*arguments: str) -> Outcome:
        return project(*arguments, **environ)

    assert themis("key", "generate", "me", "--no-passphrase").status == 0
    assert "audit: integrity reproduced, provenance reproduced" in themis("attest", "-o", "good.json").out
    with Repository.open(project.path / ".themis") as repository:
        found = locate(repository, "main")
        stage = repository.load(found.run.stages[0], Stage)
        step = next(oid for _, oid in tree.scan(stage.tracks[0].steps, lambda oid: repository.load(oid, TreeNode)))
        damage_frame(repository, step)
    done = themis("attest", "-o", "bad.json")
    assert done.status == 0 and "audit: integrity not reproduced" in done.out, done
    document = themis("attest", "-o", "bad.json", "--force", "--json").document
    assert document["verdicts"]["integrity"] == "not reproduced"
    assert "\x1b[31mnot reproduced" in themis("--color", "always", "attest", "-o", "bad.json", "--force").out


def test_an_archive_can_have_one_of_each_run(project: Project, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    def themis(*arguments: str) -> Outcome:
        return project(*arguments, **environ)

    assert themis("archive", "create", "main", "-o", "shelf", "--key", "me").status == 2
    assert themis("key", "generate", "me", "--no-passphrase").status == 0
    assert themis("key", "trust", "me").status == 0
    done = themis("archive", "create", "main", "-o", "shelf", "--attest")
    assert done.status == 0, done.err
    (found,) = (project.path / "shelf").glob("data/runs/*/attestation.intoto.json")
    assert themis("verify-attestation", str(found), "main").status == 0
    assert themis("archive", "verify", "shelf").status == 0

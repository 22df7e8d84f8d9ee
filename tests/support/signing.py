"""Keys, trust files and signed stores for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.stores import Stored, store_run, store_tag
from themis_vcs.model.objects import Value
from themis_vcs.model.oid import Oid
from themis_vcs.signing import storeid
from themis_vcs.signing.ed25519 import PublicKey
from themis_vcs.signing.keyfiles import FileSigner
from themis_vcs.signing.sign import sign
from themis_vcs.signing.signature import Signature, make
from themis_vcs.signing.statement import SIGNATURES, Statement, by_ref, signature_ref
from themis_vcs.signing.trust import Revocation, Trust, TrustedKey
from themis_vcs.signing.verify import Verified, Verifier
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository

REF = "names/demo"


def new_signer() -> FileSigner:
    """A key that lies nowhere."""
    return FileSigner(Ed25519PrivateKey.generate())


def trusting(
    *keys: PublicKey, refs: Sequence[str] = ("*",), stores: Sequence[str] = (), revoked: Revocation | None = None
) -> Trust:
    """Trust in some keys."""
    named = [TrustedKey(f"key-{at}", key, tuple(refs), tuple(stores), revoked) for at, key in enumerate(keys)]
    return Trust(tuple(named), "the trust file")


@dataclass
class SignedStore:
    """A store in memory with a run and a tag, both signed once by `signer`."""

    repository: Repository = field(default_factory=Repository.memory)
    signer: FileSigner = field(default_factory=new_signer)

    def __post_init__(self) -> None:
        self.run: Stored = store_run(self.repository, 2)
        self.tag = store_tag(self.repository, self.run.run)
        sign(self.repository, {REF: self.run.run, "tags/v1": self.tag}, self.signer)

    @property
    def trust(self) -> Trust:
        return trusting(self.signer.key)

    @property
    def store(self) -> str:
        found = storeid.store_id(self.repository)
        assert found is not None
        return found.hex()

    def next_run(self) -> Oid:
        """Move names/demo to another run."""
        self.run = store_run(self.repository, 2, draw=len(self.repository.reflog(REF)), parent=self.run.run)
        return self.run.run

    def statement(self, **changes: object) -> Statement:
        """What the key would say next of names/demo, changed."""
        fields: dict[str, object] = {
            "previous": None,
            "ref": REF,
            "sequence": 1,
            "store": self.store,
            "target": self.run.run.hex(),
            "time": 1,
        }
        return Statement(**{**fields, **changes})  # type: ignore[arg-type]

    def put(self, signature: Signature | Value, ref: str = REF, key: PublicKey | None = None) -> Oid:
        """Make something the signature of a ref, as whoever owns the store can."""
        value = signature.to_value() if isinstance(signature, Signature) else signature
        oid = self.repository.put(value)
        self.point(oid, ref, key)
        return oid

    def point(self, oid: Oid, ref: str = REF, key: PublicKey | None = None) -> None:
        """Let the ref of a signature point to an object."""
        name = signature_ref(key or self.signer.key, ref)
        self.repository.commit([RefUpdate(name, oid, ANY)], message="forged")

    def forge(self, signer: FileSigner | None = None, **changes: object) -> Signature:
        """A sound signature of a changed statement."""
        signer = signer or self.signer
        return make(self.statement(**changes), signer.key, signer)

    def verify(self, ref: str = REF, trust: Trust | None = None) -> Verified:
        """Verify a ref, and remember what was accepted."""
        repository = self.repository
        verifier = Verifier(
            self.trust if trust is None else trust, storeid.store_id(repository), repository.read, repository.local
        )
        target = repository.ref(ref)
        assert target is not None
        found = verifier.ref(ref, target, by_ref(dict(repository.refs(SIGNATURES))).get(ref, []))
        if verifier.facts:
            repository.commit([], message="", local=verifier.facts)
        return found

    def codes(self, ref: str = REF, trust: Trust | None = None) -> list[str]:
        """What the signatures of a ref are refused for."""
        return [each.code for each in self.verify(ref, trust).signatures]


@contextmanager
def ssh_agent(directory: Path) -> Iterator[str]:
    """A real ssh-agent; its socket."""
    _need("ssh-agent")
    path = directory / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not _listens(path):
            assert process.poll() is None
            time.sleep(0.01)
        yield str(path)
    finally:
        process.terminate()
        process.wait()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def ssh_keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key that ssh-keygen has made."""
    _need("ssh-keygen")
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "somebody", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def _need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian: apt-get install openssh-client)")


def fingerprint(path: Path) -> str:
    """The fingerprint that ssh-keygen prints of a key."""
    _need("ssh-keygen")
    done = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]

"""Keys: which are taken, how they lie on disk, that OpenSSH's own tools and agent agree (SIG-1 to SIG-3)."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.signing import fingerprint, ssh_agent, ssh_keygen
from themis_vcs.errors import NotFound, RemoteError, ThemisError, UsageError
from themis_vcs.signing import agent, keyfiles, keys
from themis_vcs.signing.ed25519 import PublicKey, from_blob, parse, public_key

PRIME = 2**255 - 19
DATA = b"what is signed"
# RFC 7748's u = 0, 1, p - 1 and the two of order 8, as y of Edwards points: libsodium and others list them.
SMALL = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SSH_AUTH_SOCK", "THEMIS_KEY", "THEMIS_TRUST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "themis" / "keys"


def never(what: str) -> bytes:
    raise AssertionError(f"asked for the passphrase of {what}")


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("text", SMALL)
def test_points_of_small_order_are_refused(text: str, sign: int) -> None:
    raw = bytearray.fromhex(text)
    raw[31] |= sign
    with pytest.raises(UsageError, match="small order"):
        public_key(bytes(raw))


@pytest.mark.parametrize("y", [PRIME, PRIME + 1, PRIME + 18, 2**255 - 1])
def test_encodings_that_are_not_canonical_are_refused(y: int) -> None:
    for bit in (0, 1 << 255):
        with pytest.raises(UsageError, match="not canonical"):
            public_key((y | bit).to_bytes(32, "little"))


def test_a_key_that_is_made_is_one_of_openssh(home: Path) -> None:
    made = keyfiles.generate("me", b"")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert sorted(path.name for path in home.iterdir()) == ["me", "me.pub"]
    assert fingerprint(made.path) == fingerprint(home / "me.pub") == made.key.fingerprint
    printed = subprocess.run(["ssh-keygen", "-y", "-f", str(made.path)], check=True, capture_output=True, text=True)
    assert parse(printed.stdout)[0] == made.key
    signer = keys.signer(None, never)
    assert made.key.verifies(signer.sign(DATA), DATA)


def test_a_key_is_never_written_over(home: Path) -> None:
    before = keyfiles.generate("me", b"")
    with pytest.raises(UsageError, match="there is a key me already"):
        keyfiles.generate("me", b"")
    assert keyfiles.load(before.path, never).key == before.key
    assert len(list(home.iterdir())) == 2


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", ".x", "x y", "x.pub", "x" * 65])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a key"):
        keyfiles.generate(name, b"")


def test_a_passphrase_is_asked_for_where_there_is_one() -> None:
    made = keyfiles.generate("me", b"open sesame")
    asked: list[str] = []
    signer = keys.signer("me", lambda what: asked.append(what) or b"open sesame")  # type: ignore[func-returns-value]
    assert made.key.verifies(signer.sign(DATA), DATA) and asked == [str(made.path)]
    with pytest.raises(UsageError, match="passphrase is wrong"):
        keys.signer("me", lambda what: b"open barley")


def test_keys_of_openssh_sign_with_and_without_passphrase(tmp_path: Path) -> None:
    for passphrase in ("", "secret"):
        path = ssh_keygen(tmp_path / f"id-{passphrase}", passphrase=passphrase)
        for given in (str(path), f"{path}.pub"):
            signer = keys.signer(given, lambda what: b"secret")
            assert signer.key.fingerprint == fingerprint(path)
            assert signer.key.verifies(signer.sign(DATA), DATA)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_types_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = ssh_keygen(tmp_path / "id", kind)
    for given in (path, Path(f"{path}.pub")):
        with pytest.raises(UsageError, match="(?i)" + kind):
            keys.signer(str(given), never)
    with pytest.raises(UsageError, match="(?i)" + kind):
        keys.public(str(path))


def test_a_fido_key_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="sk-ssh-ed25519") as caught:
        parse("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t me")
    assert "FIDO" in str(caught.value.hint)


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = ssh_keygen(tmp_path / "id")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="others can read"):
        keys.signer(str(path), never)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\n", b"x" * 100_000])
def test_what_is_no_private_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "id"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="no private key"):
        keys.signer(str(path), never)


def test_a_private_key_with_a_byte_changed_never_signs_as_the_key(tmp_path: Path) -> None:
    path = ssh_keygen(tmp_path / "id")
    key, content = keyfiles.read_public(tmp_path / "id.pub"), path.read_bytes()
    for at in range(40, len(content) - 40, 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            signer = keys.signer(str(path), lambda what: b"")
        except ThemisError:
            continue
        assert signer.key == key and key.verifies(signer.sign(DATA), DATA)  # Padding, or the comment.


def test_which_key_is_meant_must_be_said_where_there_are_several() -> None:
    with pytest.raises(NotFound, match="no key to sign with"):
        keys.signer(None, never)
    one, _ = keyfiles.generate("one", b""), keyfiles.generate("two", b"")
    with pytest.raises(UsageError, match="say which key"):
        keys.signer(None, never)
    assert keys.signer(one.key.fingerprint, never).key == one.key
    with pytest.raises(NotFound, match="there are one, two|no key 'three'"):
        keys.signer("three", never)


def test_a_real_agent_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ssh_keygen(tmp_path / "id")
    other = ssh_keygen(tmp_path / "rsa", "rsa")
    with ssh_agent(tmp_path) as socket_path:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket_path)
        with pytest.raises(NotFound, match="no key to sign with"):
            keys.signer(None, never)
        for each in (other, path):
            subprocess.run(["ssh-add", "-q", str(each)], check=True)
        assert [each.key.fingerprint for each in agent.identities(socket_path)] == [fingerprint(path)]
        held = fingerprint(path)
        path.unlink()
        for given in (None, held, f"{path}.pub"):
            signer = keys.signer(given, never)
            assert signer.key.verifies(signer.sign(DATA), DATA)
        subprocess.run(["ssh-add", "-q", "-D"], check=True)
        with pytest.raises(NotFound, match="does not sign"):
            signer.sign(DATA)
        with pytest.raises(NotFound, match="does not hold"):
            keys.signer(held, never)
    with pytest.raises(RemoteError, match="does not answer"):
        signer.sign(DATA)


@contextmanager
def impostor(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A socket that answers whatever it likes."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.sendall(answer(connection.recv(65_536)))
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield str(path)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def message(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        bytes(4),
        b"\xff\xff\xff\xff",
        message(b"\x05"),
        message(b"\x0c"),
        message(b"\x0c\xff\xff\xff\xff"),
        message(b"\x0c\0\0\4\1"),
        message(b"\x0c\0\0\0\1\xff\xff\xff\xffx"),
        message(b"\x0c\0\0\0\1\0\0\0\1x"),
        message(b"\x0c\0\0\0\1\0\0\0\1x\0\0\0\2x"),
        message(b"\x0e\0\0\0\0"),
        message(b"\x0e" + message(message(b"ssh-rsa") + message(bytes(64)))),
        message(b"\x0e" + message(message(b"ssh-ed25519") + message(bytes(63)))),
        message(b"\x0e" + message(message(b"ssh-ed25519"))),
    ],
    ids=range(15),
)
def test_an_agent_that_answers_nonsense_is_refused(tmp_path: Path, answer: bytes) -> None:
    key = PublicKey(bytes(range(32)))
    with impostor(tmp_path / "agent", lambda asked: answer) as path:
        with pytest.raises(ThemisError):
            agent.identities(path)
        with pytest.raises(ThemisError):
            agent.AgentSigner(key, path).sign(DATA)


def test_what_an_agent_holds_is_checked_as_any_key(tmp_path: Path) -> None:
    blob = message(b"ssh-ed25519") + message(bytes([1]) + bytes(31))
    with pytest.raises(UsageError, match="small order"):
        from_blob(blob)
    answer = message(b"\x0c\0\0\0\1" + message(blob) + message(b"evil"))
    with impostor(tmp_path / "agent", lambda asked: answer) as path:
        assert agent.identities(path) == []


def test_own_keys_that_cannot_be_read_are_passed_over(home: Path) -> None:
    made = keyfiles.generate("me", b"")
    (home / "bad.pub").write_text("ssh-rsa AAAA\n")
    (home / "dir.pub").mkdir()
    assert [each.key for each in keyfiles.own_keys()] == [made.key]
    assert os.listdir(home)

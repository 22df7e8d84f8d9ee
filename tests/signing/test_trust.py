"""The trust file: what it says, what is refused, and how it is changed (SIG-17)."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.support.signing import new_signer
from themis_vcs.errors import ConfigurationError, NotFound, StorageError, UsageError
from themis_vcs.signing import trust_editing
from themis_vcs.signing.trust import parse_trust, read_trust

NOW = datetime.datetime(2026, 11, 28, 17, tzinfo=datetime.UTC)
KEY = new_signer().key
LINE = f'key = "{KEY.openssh}"\nrefs = ["names/*"]\n'


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("THEMIS_TRUST", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "themis" / "trust.toml"


def test_without_a_file_nobody_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_trust().keys == ()
    with pytest.raises(NotFound, match="no trust file"):
        read_trust(tmp_path / "absent.toml")
    monkeypatch.setenv("THEMIS_TRUST", str(tmp_path / "absent.toml"))
    with pytest.raises(NotFound, match="no trust file"):
        read_trust()


def test_a_key_is_added_changed_and_revoked_and_comments_stay(config: Path) -> None:
    trust_editing.trust(None, "alice", KEY, ["names/paper*"], ["ab" * 16])
    config.write_text(config.read_text() + "# mine\n")
    trust_editing.trust(None, "bob", new_signer().key, ["*"], [])
    trust_editing.trust(None, "alice", KEY, ["tags/*"], [])
    (alice, bob) = read_trust().keys
    assert (alice.name, alice.refs, alice.stores, bob.refs) == ("alice", ("tags/*",), (), ("*",))
    trust_editing.revoke(None, KEY.fingerprint, "lost", NOW)
    revoked = read_trust().keys[0].revoked
    assert revoked is not None and (revoked.time, revoked.reason) == (NOW, "lost")
    assert read_trust().valid == [bob.key]
    assert "# mine" in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="was revoked"):
        trust_editing.trust(None, "alice", KEY, ["*"], [])
    with pytest.raises(UsageError, match="revoked already"):
        trust_editing.revoke(None, "alice", "again", NOW)
    with pytest.raises(NotFound, match="no trusted key"):
        trust_editing.revoke(None, "carol", "x", NOW)


def test_a_name_is_of_one_key_and_a_key_has_one_name() -> None:
    trust_editing.trust(None, "alice", KEY, ["*"], [])
    with pytest.raises(UsageError, match="is another key"):
        trust_editing.trust(None, "alice", new_signer().key, ["*"], [])
    with pytest.raises(UsageError, match="already, as alice"):
        trust_editing.trust(None, "anna", KEY, ["*"], [])


def test_what_would_be_no_trust_file_is_not_written(config: Path) -> None:
    trust_editing.trust(None, "alice", KEY, ["*"], [])
    before = config.read_bytes()
    with pytest.raises(ConfigurationError, match="refs"):
        trust_editing.trust(None, "bob", new_signer().key, ["names/ü"], [])
    with pytest.raises(ConfigurationError, match="a name has"):
        trust_editing.trust(None, "b o b", new_signer().key, ["*"], [])
    assert config.read_bytes() == before


def test_a_file_that_others_can_write_is_refused(config: Path) -> None:
    trust_editing.trust(None, "alice", KEY, ["*"], [])
    for mode in (0o620, 0o602):
        config.chmod(mode)
        with pytest.raises(StorageError, match="written by others"):
            read_trust()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1\n", "not a part"),
        ("keys = 1\n", "not tables"),
        ("[keys]\na = 1\n", "not a table"),
        ("[keys.a]\n" + LINE + "also = 1\n", "also: not known"),
        ('[keys.a]\nrefs = ["*"]\n', "key:"),
        ('[keys.a]\nkey = "ssh-rsa AAAA"\nrefs = ["*"]\n', "ssh-rsa"),
        (f'[keys.a]\nkey = "{KEY.openssh}"\n', "refs:"),
        (f'[keys.a]\nkey = "{KEY.openssh}"\nrefs = []\n', "refs:"),
        (f'[keys.a]\nkey = "{KEY.openssh}"\nrefs = "*"\n', "refs:"),
        ("[keys.a]\n" + LINE + 'stores = ["AB"]\n', "stores:"),
        ("[keys.a]\n" + LINE + "revoked = true\n", "revoked:"),
        ("[keys.a]\n" + LINE + "[keys.a.revoked]\ntime = 2026-11-28T17:00:00\nreason = ''\n", "revoked:"),
        ("[keys.a]\n" + LINE + "[keys.a.revoked]\ntime = 2026-11-28T17:00:00Z\n", "revoked:"),
        ("[keys.a]\n" + LINE + "[keys.b]\n" + LINE, "the same key as a"),
        ("[keys.a", "trust.toml"),
    ],
    ids=range(15),  # A key is another one in every process.
)
def test_what_is_not_known_is_refused_with_its_place(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        parse_trust(text.encode(), "trust.toml")

"""A bucket as a remote, as a person uses it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.support.buckets import BUCKET, CREDENTIALS, moto
from tests.support.commandline import Outcome, Project, make_project

KEYS = {
    "AWS_ACCESS_KEY_ID": CREDENTIALS["access_key_id"],
    "AWS_SECRET_ACCESS_KEY": CREDENTIALS["secret_access_key"],
    "AWS_REGION": "us-east-1",
}


@pytest.fixture
def address() -> str:
    return f"s3://{BUCKET}/team-{secrets.token_hex(4)}"


def project(path: Path, address: str) -> Project:
    made = make_project(path, 3)
    assert made("init").status == 0
    assert made("remote", "add", "origin", address).status == 0
    assert made("config", "remote.origin.endpoint", moto().url).status == 0
    assert made("config", "remote.origin.allow-http", "true").status == 0
    return made


def ok(outcome: Outcome) -> Outcome:
    assert outcome.status == 0, outcome.err
    return outcome


def test_two_people_share_runs_through_a_bucket(address: str, tmp_path: Path) -> None:
    one, other = project(tmp_path / "one", address), project(tmp_path / "other", address)
    assert one("run", "main.toml").status == 3
    ok(one("push", **KEYS))
    assert "up to date" in ok(one("push", **KEYS)).out
    ok(other("pull", **KEYS))
    assert "nothing wrong" in other("fsck").out
    assert other("run", "main.toml", "--set", "seeds=[5]").status == 3
    ok(other("push", **KEYS))
    assert one("run", "main.toml", "--set", "seeds=[6]").status == 3
    assert one("push", **KEYS).status == 12
    ok(one("fetch", **KEYS))
    assert "1 run ahead of and 1 run behind origin/main" in one("status").out
    assert len(ok(one("ls-remote", "--json", **KEYS)).rows) == 1


def test_a_bucket_is_probed_compacted_and_cleared(address: str, tmp_path: Path) -> None:
    one = project(tmp_path / "one", address)
    for seed in range(3):
        assert one("run", "main.toml", "--set", f"seeds=[{seed}]").status == 3
        ok(one("push", **KEYS))
    assert ok(one("remote", "probe", "origin", "--json", **KEYS)).document["trusted"]
    assert ok(one("remote", "compact", "origin", "--json", **KEYS)).document == {"before": 3, "after": 1}
    assert ok(one("remote", "gc", "origin", "--json", **KEYS)).document["deleted"] == []
    deleted = ok(one("remote", "gc", "origin", "--grace", "0", "--json", **KEYS)).document["deleted"]
    assert len(deleted) == 6
    other = project(tmp_path / "other", address)
    ok(other("pull", **KEYS))
    assert "nothing wrong" in other("fsck").out
    assert one("remote", "compact", str(one.path)).status == 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("endpoint", "http://127.0.0.1:1", "no connection"),
        ("url", "s3://no-such-bucket-here/x", "no-such-bucket-here"),
    ],
)
def test_a_bucket_that_is_not_there_is_named(address: str, tmp_path: Path, key: str, value: str, said: str) -> None:
    one = project(tmp_path / "one", address)
    assert one("run", "main.toml").status == 3
    ok(one("config", f"remote.origin.{key}", value))
    done = one("push", **KEYS)
    assert (done.status, done.out) == (15, "")
    assert "hint:" in done.err
    assert CREDENTIALS["secret_access_key"] not in done.err
    assert said in done.err

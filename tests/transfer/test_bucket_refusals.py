"""What cannot be reached or understood is refused in words that help, and that give nothing away."""

from __future__ import annotations

import traceback

import pytest

from tests.support.buckets import BUCKET, CREDENTIALS, free_port, moto, new_prefix, opener, seaweedfs
from tests.support.canned_server import canned
from themis_vcs.errors import FormatError, RemoteError, ThemisError, UsageError
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.opening import BucketOptions, open_bucket
from themis_vcs.transfer.bucket.storage import _reason

SECRET = "sekret-0123456789abcdef"


def refused(there: BucketEndpoint) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        there.refs()
    assert caught.value.exit_status == 15
    assert caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_wrong_credentials() -> None:
    there = opener(seaweedfs().url, credentials={"access_key_id": "testkey", "secret_access_key": SECRET})()
    assert "the server refuses (HTTP 403, SignatureDoesNotMatch)" in refused(there).message


def test_no_such_bucket() -> None:
    assert "there is no such bucket" in refused(opener(moto().url, "s3://there-is-none/x")()).message


def test_nobody_listens() -> None:
    there = opener(f"http://127.0.0.1:{free_port()}", timeout=2.0)()
    assert "no connection" in refused(there).message


def test_no_tls_where_it_must_be() -> None:
    there = opener(moto().url.replace("http:", "https:"), timeout=2.0, allow_http=False)()
    assert "no secure connection" in refused(there).message


def test_an_answer_that_does_not_come() -> None:
    with canned([b"HTTP/1.1 200 OK\r\n", b"", b""], pause=1.5) as slow:
        there = opener(slow.url.removesuffix("/v1"), timeout=0.5)()
        assert "no answer in time" in refused(there).message


def test_what_a_server_says_is_not_repeated() -> None:
    body = f"<Error><Code>Odd</Code><Message>{SECRET}\x1b[31m</Message></Error>".encode()
    answer = b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    with canned(answer) as odd:
        error = refused(opener(odd.url.removesuffix("/v1"))())
    assert "(HTTP 400, Odd)" in error.message
    assert "\x1b" not in error.message


def test_a_bucket_of_a_newer_themis() -> None:
    place = opener(moto().url)
    place().bucket.put_if("root.json", b'{"format": "themis-bucket", "version": 2, "refs": 7}', None)
    with pytest.raises(FormatError, match="version 2") as caught:
        place().refs()
    assert caught.value.exit_status == 16


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///x",
        "s3://user:password@bucket/x",
        "s3://bucket/../x",
        "s3://bucket/a//b",
        "s3://bucket/x?versionId=1",
        "s3://bucket/x#y",
        "s3://bucket/a b",
        "s3://bucket:80/x",
        "file:///tmp/x",
        "http://bucket/x",
        "bucket/x",
        "s3://-bucket",
    ],
)
def test_what_is_no_url_of_a_bucket(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_bucket(url)
    assert "password" not in str(caught.value)


def test_an_endpoint_without_tls_is_asked_for() -> None:
    with pytest.raises(UsageError, match="TLS"):
        open_bucket(f"s3://{BUCKET}/x", BucketOptions(endpoint=moto().url))


@pytest.mark.parametrize(
    "options",
    [
        BucketOptions(credentials={"no_such_setting": SECRET}),
        BucketOptions(endpoint="https://[::1", credentials={"secret_access_key": SECRET}),
    ],
)
def test_options_that_cannot_be(options: BucketOptions) -> None:
    with pytest.raises(ThemisError) as caught:
        open_bucket(f"s3://{BUCKET}/x", options).refs()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_credentials_are_not_printed() -> None:
    assert SECRET not in repr(BucketOptions(credentials={"secret_access_key": SECRET}))


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("gs://some-bucket/prefix", BucketOptions(credentials={"skip_signature": "true"})),
        ("az://container/prefix", BucketOptions(credentials={"account_name": "a", "account_key": "c2VrcmV0"})),
    ],
)
def test_buckets_of_other_providers_are_opened(url: str, options: BucketOptions) -> None:
    assert open_bucket(url, options).name == url


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS["secret_access_key"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs().url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert open_bucket(new_prefix(), BucketOptions(allow_http=True)).refs() == {}
    assert "TLS" in refused(open_bucket(new_prefix())).message


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with canned(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as metadata:
        nothing = {"metadata_endpoint": metadata.url.removesuffix("/v1")}
        refused(opener(seaweedfs().url, credentials=nothing, timeout=2.0)())


def test_the_name_of_a_request_is_no_reason() -> None:
    """A server names each request by random letters, and a prefix may be called anything."""
    answer = "Object at location nightly-tls/root.json not found: <RequestId>aTLSb NoSuchBucket</RequestId> NoSuchKey"
    assert _reason(FileNotFoundError(answer)) is None

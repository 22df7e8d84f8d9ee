"""The side of HTTP that asks, before servers that are not there, refuse, lie, or lose what they were going to say."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_server import canned, response
from tests.support.cutting import proxy
from tests.support.serving import Serving, certificate, new_token, serving
from tests.support.stores import store_run, store_tag
from themis_vcs.errors import FormatError, RefConflict, RemoteError, ThemisError, UsageError
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http import client
from themis_vcs.transfer.http.client import HttpWire, open_http
from themis_vcs.transfer.http.routes import PACK
from themis_vcs.transfer.messages import Counts, Refs, Wanted
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking, transfer

TOKEN = "themis_" + "5" * 64
NOW = b'{"format": 1, "refs": {}}'


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE", 0.01)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "here") as opened:
        yield opened


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    Repository.init(tmp_path / "there").close()
    with serving(tmp_path / "there") as server:
        yield server


def ask(url: str, **options: Any) -> Refs:
    wire = HttpWire(url, **options)
    try:
        return wire.ask("refs", None, Refs)
    finally:
        wire.close()


def failure(*answers: bytes, kind: type[ThemisError] = RemoteError, **options: Any) -> str:
    """What is said about a server that answers so, and that it says nothing of the token."""
    with canned(*answers) as server, pytest.raises(kind) as caught:
        ask(server.url.removesuffix("/v1"), token=TOKEN, **options)
    text = f"{caught.value.message} {caught.value.hint}"
    assert TOKEN not in text and "5" * 6 not in text  # A port may have five of them.
    return text


def error(status: str, code: str, message: str = "it is so", **fields: Any) -> bytes:
    return response({"error": {"code": code, "message": message, "hint": None, **fields}}, status)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret-words@example.org",
        "https://secret-words@example.org",
        "https://example.org/?token=secret-words",
        "https://example.org/#secret-words",
        "ftp://example.org",
        "https://",
        "https://example.org:port",
        "http://[::1",
        "http://example.org/\x00",
        "/a/path",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        HttpWire(url)
    assert "secret-words" not in f"{caught.value.message} {caught.value.hint}"


def test_a_token_goes_over_the_net_encrypted_only() -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        HttpWire("http://example.org", TOKEN)
    for url in ("http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://example.org"):
        HttpWire(url, TOKEN).close()


def test_the_token_is_sent_as_a_header() -> None:
    with canned(response(NOW)) as server:
        assert ask(server.url.removesuffix("/v1") + "/", token=TOKEN) == Refs(1, {})
        [(line, headers, _)] = server.requests
    assert line == "GET /v1/refs HTTP/1.1"
    assert headers["authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_is_told_of_and_not_followed() -> None:
    with canned(response(NOW)) as elsewhere:
        place = elsewhere.url.replace("http://", "http://me:secret-words@") + "/there?token=secret-words"
        said = failure(response(b"", "307 Temporary Redirect", location=place))
        assert elsewhere.requests == []
    assert elsewhere.url + "/there" in said
    assert "secret-words" not in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error("401 Unauthorized", "usage"), "token-env"),
        (error("403 Forbidden", "usage"), "scope write"),
        (error("413 Content Too Large", "usage"), "--max-pack"),
        (error("404 Not Found", "usage"), "URL of the remote"),
        (error("500 Internal Server Error", "corrupt"), "it is so"),
        (response(b"<html>welcome", content_type="text/html"), "no themis"),
        (response(b"<html>nothing", "404 Not Found"), "no themis: its answer is HTTP 404"),
        (response(b"<html>proxy", "502 Bad Gateway"), "no themis: its answer is HTTP 502"),
        (response(b"{}"), "no document of the wire"),
        (response(b'{"format": 1, "refs": {"a": "b"}}'), "no document of the wire"),
        (response(NOW, content_encoding="gzip"), "compressed"),
        (response(NOW, length=1_000), "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broke off"),
        (b"", "broke off"),
        (error("503 Service Unavailable", "busy"), "it is so"),
    ],
)
def test_a_server_that_does_not_answer_as_it_must(answer: bytes, words: str) -> None:
    assert words in failure(answer)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 100_000)
    assert "over 100,000 bytes" in failure(response(b"a" * 200_000))


def test_a_newer_server_is_named_so() -> None:
    with canned(response(b'{"format": 2, "refs": {}}')) as server, pytest.raises(FormatError, match="version 2"):
        open_http(server.url.removesuffix("/v1")).refs()
    assert failure(error("400 Bad Request", "unknown-format"), kind=FormatError)


def test_who_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RemoteError, match="refused") as caught:
        ask(f"http://127.0.0.1:{port}")
    assert "themis serve" in str(caught.value.hint)
    with pytest.raises(RemoteError, match="host is not known"):
        ask("http://nowhere.invalid")


def test_a_server_that_is_busy_is_asked_again() -> None:
    busy = response({"error": {"code": "busy", "message": "wait"}}, "503 Service Unavailable", retry_after="0")
    with canned(busy, busy, response(NOW)) as server:
        assert ask(server.url.removesuffix("/v1")) == Refs(1, {})
        assert len(server.requests) == 3


def test_questions_are_asked_again_when_an_answer_is_lost() -> None:
    counts = response({"objects": 1, "new": 1})
    with canned(b"", counts) as server:
        wire = HttpWire(server.url.removesuffix("/v1"))
        document = {"oids": ""}
        assert wire.send("pack", io.BytesIO(json.dumps(document).encode()), Counts) == Counts(1, 1)
        assert [sent for _, _, sent in server.requests] == [document, document]
        wire.close()
    with canned(response(b"\x89TH", length=100, content_type=PACK), response(b"pack", content_type=PACK)) as server:
        wire = HttpWire(server.url.removesuffix("/v1"))
        assert wire.fetch("objects", Wanted("ab" * 32)).read() == b"pack"
        assert wire.name == server.url.removesuffix("/v1")
        wire.close()


def refs(**found: str) -> bytes:
    return response({"format": 1, "refs": {f"names/{name}": oid for name, oid in found.items()}})


NEW, OLD, OTHER = "aa" * 32, "bb" * 32, "cc" * 32
LOST = b""
CONFLICT = error("409 Conflict", "ref-conflict", name="names/a", expected=OLD, actual=OTHER)
DONE = response(b"{}")


@pytest.mark.parametrize(
    ("expected", "answers", "outcome"),
    [
        (OLD, [DONE], "moved"),
        (OLD, [CONFLICT], "conflict"),
        (OLD, [LOST, refs(a=NEW)], "moved"),
        (OLD, [LOST, refs(a=OLD), DONE], "moved"),
        (OLD, [LOST, refs(a=OTHER)], "unknown"),
        (OLD, [LOST, refs()], "unknown"),
        (OLD, [LOST, refs(a=OLD), CONFLICT], "unknown"),
        (OLD, [LOST, refs(a=OLD), LOST, refs(a=NEW)], "moved"),
        (OLD, [LOST, LOST, LOST, LOST], "unknown"),
        (OLD, [LOST, refs(a=OLD), LOST, refs(a=OLD), LOST, refs(a=OLD)], "unknown"),
        (None, [LOST, refs(), DONE], "moved"),
        ("any", [LOST, refs(a=OTHER), DONE], "moved"),
        (OLD, [response(b"<html>", "502 Bad Gateway"), refs(a=NEW)], "moved"),
        (OLD, [error("503 Service Unavailable", "busy"), CONFLICT], "conflict"),
        (OLD, [error("503 Service Unavailable", "busy"), DONE], "moved"),
    ],
)
def test_the_outcome_of_a_move_is_right_or_unknown(expected: str | None, answers: list[bytes], outcome: str) -> None:
    known = ANY if expected == "any" else None if expected is None else bytes.fromhex(expected)
    with canned(*answers) as server:
        endpoint = open_http(server.url.removesuffix("/v1"))
        try:
            endpoint.move([RefUpdate("names/a", bytes.fromhex(NEW), known)], "push")
            found = "moved"
        except RefConflict as error:
            assert error.actual == bytes.fromhex(OTHER)
            found = "conflict"
        except RemoteError as error:
            assert "unknown whether the refs moved" in error.message
            found = "unknown"
        endpoint.close()
    assert found == outcome


@pytest.mark.parametrize("scope", ["read", "write"])
def test_over_tls_with_a_token(tmp_path: Path, here: Repository, scope: Any) -> None:
    Repository.init(tmp_path / "there").close()
    made, token = certificate(tmp_path), new_token(tmp_path / "there", scope)
    run = store_run(here, 300)
    tag = store_tag(here, run.run)
    updates = [RefUpdate("names/demo", run.run, None), RefUpdate("tags/v1", tag, None)]
    with serving(tmp_path / "there", "--cert", str(made.chain), "--key", str(made.key)) as server:
        assert server.url.startswith("https://")
        endpoint = open_http(server.url, token, made.ca)
        if scope == "read":
            with pytest.raises(RemoteError, match="for reading only"):
                transfer(StoreEndpoint(here), endpoint, updates, message="push")
            assert endpoint.refs() == {}
        else:
            transfer(StoreEndpoint(here), endpoint, updates, message="push")
            with Repository.init(tmp_path / "other") as other:
                back = [RefUpdate(name, oid) for name, oid in endpoint.refs().items()]
                transfer(endpoint, StoreEndpoint(other), back, message="fetch")
                assert [oid for oid, _ in other.walk([tag])] == [oid for oid, _ in here.walk([tag])]
            with pytest.raises(RefConflict):
                endpoint.move([RefUpdate("names/demo", None, bytes(32))], "push")
        endpoint.close()
        for wrong in (None, TOKEN):
            with pytest.raises(RemoteError) as caught:
                ask(server.url, token=wrong, ca=made.ca)
            assert "token-env" in str(caught.value.hint)
        with pytest.raises(RemoteError, match="certificate is refused"):
            ask(server.url, token=token)
        with pytest.raises(RemoteError, match="broke off|no connection"):
            ask(server.url.replace("https", "http"))
    with serving(tmp_path / "there") as server, pytest.raises(RemoteError, match="no TLS"):
        ask(server.url.replace("http", "https"), ca=made.ca)


def test_a_certificate_that_has_ended_is_refused(tmp_path: Path) -> None:
    Repository.init(tmp_path / "there").close()
    made = certificate(tmp_path, days=-1)
    with (
        serving(tmp_path / "there", "--cert", str(made.chain), "--key", str(made.key)) as server,
        pytest.raises(RemoteError, match="expired") as caught,
    ):
        ask(server.url, ca=made.ca)
    assert "renewed" in str(caught.value.hint)


def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in ("ca.pem", "absent.pem"):
        with pytest.raises(UsageError, match=file):
            HttpWire("https://127.0.0.1", ca=tmp_path / file)


def test_a_push_refused_in_the_midst_says_why(tmp_path: Path, here: Repository, served: Serving) -> None:
    """Large enough that the refusal is sent while the pack still is."""
    run = store_run(here, 3_000)
    token = new_token(served.store, "read")
    endpoint = open_http(served.url, token)
    with pytest.raises(RemoteError, match="for reading only"):
        endpoint.take(lacking(StoreEndpoint(here), endpoint, [run.run]), StoreEndpoint(here))
    endpoint.close()


def test_a_cut_that_lasts_is_told(served: Serving, here: Repository) -> None:
    run = store_run(here, 300)
    with proxy(served.address, cut_up=30_000, for_good=True) as between:
        endpoint = open_http(between.url)
        with pytest.raises(RemoteError, match="broke off|refused|no connection") as caught:
            transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", run.run, None)], message="push")
        assert "repeat the command" in str(caught.value.hint)
        endpoint.close()
    assert ask(served.url).refs == {}

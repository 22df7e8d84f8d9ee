"""`themis serve` over HTTP as a client with nothing but HTTP sees it: statuses, tokens, limits on what is sent."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.commandline import call
from tests.support.packs import mutated, whole_pack
from tests.support.serving import Serving, new_token, serving
from tests.support.stores import Stored, store_run
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http.routes import JSON, PACK, ROUTES
from themis_vcs.transfer.pack import MAX_BYTES

EMPTY = {"oids": ""}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stored]:
    store = tmp_path_factory.mktemp("http") / "store"
    with Repository.init(store) as repository:
        return store, store_run(repository, 20)


@pytest.fixture(scope="module")
def server(filled: tuple[Path, Stored]) -> Iterator[Serving]:
    """A server without tokens."""
    with serving(filled[0]) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Repository.init(tmp_path / "store").close()
    return tmp_path / "store"


def asked(server: Serving, method: str, path: str, *, token: str = "", **options: Any) -> httpx2.Response:
    headers = {**({"authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
    with httpx2.Client(trust_env=False) as client:
        return client.request(method, server.url + path, headers=headers, **options)


def code(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def spoken(server: Serving, data: bytes) -> bytes:
    """What the server answers to bytes, until it closes."""
    with socket.create_connection(server.address, 20) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def posted(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_the_questions_have_their_paths(server: Serving, filled: tuple[Path, Stored]) -> None:
    run = filled[1].run.hex()
    assert asked(server, "GET", "/health").json() == {"status": "ok"}
    assert asked(server, "GET", "/v1/refs").json() == {"format": 1, "refs": {"names/demo": run}}
    assert asked(server, "POST", "/v1/missing", json={"oids": run + "ab" * 32}).json() == {"missing": "01"}
    pack = asked(server, "POST", "/v1/objects", json={"oids": run})
    assert (pack.status_code, pack.headers["content-type"]) == (200, PACK)
    assert pack.content.startswith(b"\x89THPACK\n")
    head = asked(server, "HEAD", "/v1/refs")
    assert (head.status_code, head.content) == (200, b"")


def test_the_description_has_every_route(server: Serving) -> None:
    described = asked(server, "GET", "/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {(route.method, route.path) for route in ROUTES}


def test_errors_are_documents_with_a_status(server: Serving, filled: tuple[Path, Stored]) -> None:
    run, stage = filled[1].run.hex(), filled[1].stage.hex()

    def moves(**move: object) -> dict[str, object]:
        return {"updates": [{"name": "names/demo", "new": run, "expected": None, **move}]}

    for expected, path, document in [
        ((404, "object-not-found"), "/v1/objects", {"oids": "ab" * 32}),
        ((400, "data"), "/v1/objects", {"oids": ""}),
        ((400, "data"), "/v1/missing", {"oids": "AB" * 32}),
        ((400, "data"), "/v1/missing", {"oids": "", "more": 1}),
        ((400, "data"), "/v1/missing", []),
        ((409, "ref-conflict"), "/v1/refs", moves(new=None, expected="ab" * 32)),
        ((400, "usage"), "/v1/refs", moves(name="runs/a/head")),
        ((400, "missing-reference"), "/v1/refs", moves(new="ab" * 32)),
        ((400, "wrong-kind"), "/v1/refs", moves(new=stage)),
        ((404, "usage"), "/v2/refs", EMPTY),
    ]:
        response = asked(server, "POST", path, json=document)
        assert code(response) == expected, response.text
    pack, _ = whole_pack()
    assert code(asked(server, "POST", "/v1/packs", content=pack[:-1], headers={"content-type": PACK})) == (
        400,
        "malformed-pack",
    )
    assert code(asked(server, "POST", "/v1/packs", content=pack + b"x", headers={"content-type": PACK}))[0] == 400
    conflict = asked(server, "POST", "/v1/refs", json=moves(new=None, expected="ab" * 32)).json()["error"]
    assert (conflict["name"], conflict["expected"], conflict["actual"]) == ("names/demo", "ab" * 32, run)


def test_a_request_that_cannot_be_meant_is_refused(server: Serving) -> None:
    response = asked(server, "PUT", "/v1/refs", json={})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (
        asked(server, "POST", "/v1/missing", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    )
    assert asked(server, "POST", "/v1/packs", content=b"{}", headers={"content-type": JSON}).status_code == 415
    assert asked(server, "GET", "/v1/refs", headers={"x-long": "a" * 20_000}).status_code == 431
    assert (
        asked(server, "POST", "/v1/missing", content=iter([b"{}"]), headers={"content-type": JSON}).status_code == 411
    )
    long = json.dumps({"oids": "ab" * 32 * 20_000})
    assert asked(server, "POST", "/v1/missing", content=long, headers={"content-type": JSON}).status_code == 413
    assert b" 431 " in spoken(server, b"GET /health HTTP/1.1\r\nx: " + b"a" * 40_000).split(b"\r\n")[0]
    assert b" 400 " in spoken(server, b"\x16\x03\x01 hello\r\n\r\n").split(b"\r\n")[0]
    for length in ("-1", "1e3", "9" * 30):
        assert b" 400 " in spoken(
            server, posted("/v1/missing", b"", f"content-type: {JSON}", f"content-length: {length}")
        )
    endless = posted("/v1/packs", b"", f"content-type: {PACK}", f"content-length: {MAX_BYTES + 1}")
    assert b" 413 " in spoken(server, endless).split(b"\r\n")[0]


def test_a_page_in_a_browser_reaches_nothing(server: Serving) -> None:
    """One that has its own name lead here, and one that can send only what needs no permission of the server."""
    for host in ("attacker.example", "attacker.example:8420", "127.0.0.1.attacker.example", "", "["):
        assert asked(server, "GET", "/v1/refs", headers={"host": host}).status_code in (400, 403)
    for host in ("localhost:8420", "127.0.0.1", "[::1]:1"):
        assert asked(server, "GET", "/v1/refs", headers={"host": host}).status_code == 200
    response = asked(server, "OPTIONS", "/v1/refs", headers={"origin": "http://attacker.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_tokens_have_scopes_and_end(store: Path) -> None:
    read, write = new_token(store, "read", "reader"), new_token(store, "write", "writer")
    moves = {"updates": []}
    with serving(store) as server:
        assert asked(server, "GET", "/health").status_code == 200
        refused = asked(server, "GET", "/v1/refs")
        assert (code(refused), refused.headers["www-authenticate"]) == ((401, "usage"), 'Bearer realm="themis"')
        for wrong in ("themis_" + "0" * 64, read[:-1], read.upper(), "x", read + "0"):
            assert code(asked(server, "GET", "/v1/refs", token=wrong)) == (401, "usage")
        assert asked(server, "GET", "/v1/refs", headers={"authorization": f"Basic {read}"}).status_code == 401
        assert asked(server, "GET", "/v1/refs", token=read).status_code == 200
        assert asked(server, "POST", "/v1/refs", token=read, json=moves).status_code == 403
        assert asked(server, "POST", "/v1/refs", token=write, json=moves).status_code == 200
        assert call("--store", str(store), "serve", "token", "revoke", "writer").out == "writer is revoked\n"
        assert asked(server, "POST", "/v1/refs", token=write, json=moves).status_code == 401
        assert call("--store", str(store), "serve", "token", "revoke", "reader").status == 0
        assert asked(server, "GET", "/v1/refs").status_code == 401, "the last token is gone, and the store is open"


def test_a_token_closes_an_open_server(store: Path) -> None:
    with serving(store) as server:
        assert asked(server, "GET", "/v1/refs").status_code == 200
        token = call("--store", str(store), "serve", "token", "create", "ci", "--scope", "read").out.strip()
        assert asked(server, "GET", "/v1/refs").status_code == 401
        assert asked(server, "GET", "/v1/refs", token=token).status_code == 200


def test_a_store_keeps_no_token(store: Path) -> None:
    made = call("--store", str(store), "serve", "token", "create", "ci", "--scope", "write", "--json").document
    assert (made["name"], made["scope"]) == ("ci", "write")
    again = call("--store", str(store), "serve", "token", "create", "ci", "--scope", "write")
    assert (again.status, again.out) == (2, "")
    listed = call("--store", str(store), "serve", "token", "list", "--json")
    assert [(row["name"], row["scope"]) for row in listed.rows] == [("ci", "write")]
    secret = made["token"].removeprefix("themis_")
    assert secret not in listed.out
    for file in store.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
    assert call("--store", str(store), "serve", "token", "revoke", "ci").status == 0
    assert call("--store", str(store), "serve", "token", "revoke", "ci").status == 11
    assert call("--store", str(store), "serve", "token", "create", "ci", "--scope", "read").out.strip() != made["token"]


def test_a_store_served_for_reading_takes_nothing(filled: tuple[Path, Stored]) -> None:
    with serving(filled[0], "--read-only") as server:
        assert asked(server, "GET", "/v1/refs").status_code == 200
        assert asked(server, "POST", "/v1/refs", json={"updates": []}).status_code == 403
        pack, _ = whole_pack()
        assert asked(server, "POST", "/v1/packs", content=pack, headers={"content-type": PACK}).status_code == 403


@pytest.mark.parametrize("arguments", [[], ["--read-only"], ["--cert", "a.pem"]])
def test_what_is_unsafe_is_refused(store: Path, arguments: list[str]) -> None:
    refused = call("--store", str(store), "serve", "--host", "0.0.0.0", "--port", "0", *arguments)
    assert (refused.status, refused.out) == (2, "")
    assert "--key" in refused.err
    new_token(store)
    refused = call("--store", str(store), "serve", "--host", "0.0.0.0", "--port", "0", *arguments)
    assert refused.status == 2


def test_an_address_that_is_taken_is_named(server: Serving, store: Path) -> None:
    refused = call("--store", str(store), "serve", "--port", str(server.address[1]))
    assert refused.status == 2
    assert str(server.address[1]) in refused.err


def test_a_smaller_limit_for_packs(store: Path) -> None:
    with serving(store, "--max-pack", "1") as server:
        response = asked(server, "POST", "/v1/packs", content=b"a" * (1 << 20) + b"a", headers={"content-type": PACK})
        assert code(response) == (413, "usage")
        response = asked(server, "POST", "/v1/packs", content=b"a" * (1 << 20), headers={"content-type": PACK})
        assert code(response) == (400, "malformed-pack")


def test_the_log_has_one_line_for_a_request_and_no_secrets(store: Path) -> None:
    token = new_token(store)
    with serving(store) as server:
        asked(server, "GET", "/v1/refs?token=" + token, token=token)
        asked(server, "GET", "/v1/" + token, token=token)
        asked(server, "GET", "/a%0A127.0.0.1%1b[31m", headers={"cookie": "session=" + token})
        asked(server, "POST", "/v1/refs", token=token, json={"updates": [], "message": "secret words"})
        assert server.stop() == 0
        lines = server.log.splitlines()
        said = [line.split(" ", 2)[2].rsplit(" ", 1)[0].split(" ") for line in lines]
    assert [(method, status) for method, _, status, _ in said] == [
        ("GET", "200"), ("GET", "404"), ("GET", "404"), ("POST", "200"),
    ]  # fmt: skip
    assert [path for _, path, _, _ in said] == ["/v1/refs", "/v1/[redacted]", "/a\\n127.0.0.1\\x1b[31m", "/v1/refs"]
    assert not [line for line in lines if token[7:] in line or "secret" in line]


def test_hostile_packs_leave_the_store_as_it_was(server: Serving, filled: tuple[Path, Stored]) -> None:
    pack, _ = whole_pack()
    with Repository.open(filled[0], readonly=True) as repository:
        before = [oid for oid, _ in repository.backend.everything()]
    draw, statuses = random.Random(1), set()
    with httpx2.Client(trust_env=False) as client:
        for _ in range(60):
            changed = mutated(pack, draw)
            if changed != pack:
                response = client.post(server.url + "/v1/packs", content=changed, headers={"content-type": PACK})
                statuses.add(response.status_code)
    with Repository.open(filled[0], readonly=True) as repository:
        assert [oid for oid, _ in repository.backend.everything()] == before
    assert statuses == {400}


def test_what_is_unsafe_can_be_insisted_on(store: Path) -> None:
    with serving(store, "--host", "0.0.0.0", "--insecure") as server:
        assert asked(server, "GET", "/v1/refs", headers={"host": "store.example.org"}).status_code == 200
        assert "open to everybody" in server.log
        token = new_token(store, "read")
        assert asked(server, "GET", "/v1/refs").status_code == 401
        assert asked(server, "GET", "/v1/refs", token=token).status_code == 200

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment
from tests.support.serving import serving
from tests.support.stores import store_run
from themis_vcs.errors import RemoteError
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.pipe import Pipe
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer
from themis_vcs.transfer.wire_endpoint import WireEndpoint


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Repository.init(tmp_path / "work" / ".themis") as repository:
        store_run(repository, 5)
    return tmp_path / "work" / ".themis"


def test_over_stdio_a_store_is_found_by_its_path_or_by_where_it_is(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    monkeypatch.delenv("THEMIS_DIR", raising=False)
    for arguments in (["--stdio", str(store)], ["--stdio", str(store.parent)], ["--stdio", ".themis"], ["--stdio"]):
        with closing(WireEndpoint(Pipe([COMMAND, "serve", *arguments], "there"))) as endpoint:
            assert list(endpoint.refs()) == ["names/demo"]
    with pytest.raises(RemoteError, match="no themis|broke off"):
        Pipe([COMMAND, "serve", "--stdio", str(store.parent.parent)], "there")


def test_over_stdio_a_store_can_be_served_for_reading_only(store: Path, tmp_path: Path) -> None:
    command = [COMMAND, "serve", "--stdio", str(store), "--read-only"]
    with Repository.init(tmp_path / "here") as here, closing(WireEndpoint(Pipe(command, "there"))) as endpoint:
        run = endpoint.refs()["names/demo"]
        transfer(endpoint, StoreEndpoint(here), [RefUpdate("names/demo", run)], message="fetch")
        new = store_run(here, 6, parent=run)
        with pytest.raises(RemoteError, match="reading only"):
            transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", new.run)], message="push")


def test_it_says_where_it_listens_and_what_it_was_asked(store: Path) -> None:
    command = [COMMAND, "--store", str(store), "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert found is not None
        with closing(open_http(found[1])) as endpoint:
            assert endpoint.refs()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    said, line = err.splitlines()
    assert said.startswith("without a token, open to this machine")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1 GET /v1/refs 200 \d+ \d+\.\d{3}", line)


def test_it_can_be_quiet(store: Path) -> None:
    with serving(store, "--quiet") as server, closing(open_http(server.url)) as endpoint:
        assert endpoint.refs()
        assert server.stop() == 0
        assert len(server.log.splitlines()) == 1


def test_what_is_sent_while_it_is_read_by_others_is_seen_by_them(project: Project) -> None:
    """A server, and a command beside it on the same store."""
    with serving(project.path / ".themis") as server, closing(open_http(server.url)) as endpoint:
        before = endpoint.refs()
        assert project("tag", "v1", "main").status == 0
        assert set(endpoint.refs()) == {*before, "tags/v1"}
        endpoint.move([RefUpdate("tags/v1", None)], "push")
        assert project("tag").out == ""

"""Memory of `themis serve` does not grow with what it is sent and asked for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx2

from tests.support.killing import FULL, Tally
from tests.support.packs import assembled, framed
from tests.support.serving import serving
from tests.support.stores import store_run
from themis_vcs.model.objects import Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.http.routes import PACK
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

ALLOWED = 200 << 20


def test_a_store_that_is_pushed_and_fetched(tmp_path: Path) -> None:
    """More than 50,000 objects in the full dose."""
    tally = Tally("memory of a server that is pushed to and fetched from")
    Repository.init(tmp_path / "there").close()
    cases = 10_000 if FULL else 1_000
    with Repository.init(tmp_path / "here") as here, serving(tmp_path / "there", "--quiet") as server:
        run = store_run(here, cases, draw=1, parent=store_run(here, cases).run).run
        update = [RefUpdate("names/demo", run)]
        with closing(open_http(server.url)) as endpoint:
            pushed = transfer(StoreEndpoint(here), endpoint, update, message="push")
        with Repository.init(tmp_path / "other") as other, closing(open_http(server.url)) as endpoint:
            fetched = transfer(endpoint, StoreEndpoint(other), update, message="fetch")
        memory = server.memory()
    assert pushed.objects == fetched.objects > 5 * cases
    found = [f"{name} is {size >> 20} MiB" for name, size in memory.items() if size >= ALLOWED]
    tally.add(f"{pushed.objects} objects", found, f"with {memory['VmHWM'] >> 20} MiB at most")
    text = tally.report()
    assert tally.failures == [], text


def test_a_pack_that_becomes_large_when_it_is_unpacked(tmp_path: Path) -> None:
    """Each of its objects stays within its limits; all of them together are some hundred megabytes."""
    Repository.init(tmp_path / "there").close()
    pack = assembled(framed(Value("parsed", f"{number:06d}" + "a" * 60_000)) for number in range(5_000))
    assert len(pack) < 1 << 20
    with serving(tmp_path / "there", "--quiet") as server:
        response = httpx2.post(server.url + "/v1/packs", content=pack, headers={"content-type": PACK}, timeout=60)
        assert response.json() == {"objects": 5_000, "new": 5_000}
        assert server.memory()["VmHWM"] < ALLOWED

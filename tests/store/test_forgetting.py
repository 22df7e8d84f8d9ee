"""What goes with a run that is forgotten, what others keep of it, and what stays to say that it was there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.damage import damage_frame
from tests.support.forgetting import SECRET, forgotten, secret_run
from tests.support.stores import store_tag
from themis_vcs.errors import Corrupt, NotFound
from themis_vcs.model.objects import Run, Step, Value
from themis_vcs.store import forgetting
from themis_vcs.store.forgetting import Forgot, finish
from themis_vcs.store.fsck import fsck
from themis_vcs.store.gc import Policy, gc
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import ref_of


@pytest.fixture
def line(path: Path) -> list[bytes]:
    """Three runs under names/main; the second holds the secret."""
    with Repository.init(path) as repository:
        first = secret_run(repository, None, 1, "first")
        second = secret_run(repository, first, 2, SECRET)
        third = secret_run(repository, second, 3, "third")
    return [first, second, third]


def test_a_run_goes_with_all_that_only_it_holds_and_its_bytes_with_it(path: Path, line: list[bytes]) -> None:
    assert SECRET in Layout(path).data.read_bytes()
    found = forgotten(path, line[1])
    assert SECRET not in Layout(path).data.read_bytes()
    assert found.unreachable_bytes == 0
    assert found.kinds["run"] == 1
    with Repository.open(path) as repository:
        assert not repository.has(line[1])
        assert repository.ref("names/main") == line[2]
        assert repository.load(line[2], Run).parents == [line[1]]
        assert list(repository.refs(f"runs/{bytes([2]).hex() * 32}")) == []
        stone = repository.load(repository.ref(ref_of(line[1])) or b"", Value)
    assert stone.type == "tombstone"
    assert {"reason": "it has a secret", "who": "tester@here", "runs": [line[1].hex()]}.items() <= stone.data.items()
    assert [(each.code, each.severity) for each in fsck(path).findings] == [("forgotten", "note")]


def test_a_name_whose_last_run_is_forgotten_goes_back_to_the_one_before(path: Path, line: list[bytes]) -> None:
    found = forgotten(path, line[2])
    assert found.moved == ["names/main"]
    with Repository.open(path) as repository:
        assert repository.ref("names/main") == line[1]
        assert [entry.new for entry in repository.reflog("names/main")] == [line[1]]
    assert not fsck(path).damaged


def test_a_name_all_of_whose_runs_are_forgotten_goes(path: Path, line: list[bytes]) -> None:
    with Repository.open(path) as repository:
        store_tag(repository, line[2])
    found = forgotten(path, *line)
    assert {"names/main", "tags/v1"} <= set(found.refs)
    with Repository.open(path) as repository:
        assert {name.split("/")[0] for name, _ in repository.refs()} == {"tombstones"}
        assert len(list(repository.refs("tombstones/"))) == 3
        assert repository.reflog("names/main") == []
    assert not fsck(path).damaged
    assert gc(path, Policy(grace=0, reflog=0)).kinds.get("run") is None


def test_what_others_hold_stays_and_they_are_named(path: Path, line: list[bytes]) -> None:
    with Repository.open(path) as repository:
        other = secret_run(repository, None, 4, SECRET, name="other")
    found = forgotten(path, line[1])
    assert found.shared["generation"] == 1
    assert [(state.oid, state.name) for state in found.holders] == [(other.hex(), "other")]
    assert SECRET in Layout(path).data.read_bytes()


def test_all_runs_that_hold_something_are_found(path: Path, line: list[bytes]) -> None:
    with Repository.open(path) as repository:
        other = secret_run(repository, None, 4, SECRET, name="other")
        value = repository.put(Value("generation", SECRET))
    found = forgotten(path, holding=[value])
    assert {state.oid for state in found.states} == {line[1].hex(), other.hex()}
    assert SECRET not in Layout(path).data.read_bytes()
    with pytest.raises(NotFound, match="no run holds that"):
        forgotten(path, holding=[value])


def test_all_states_of_a_run_go(path: Path) -> None:
    with Repository.init(path) as repository:
        earlier = secret_run(repository, None, 7, SECRET)
        later = secret_run(repository, earlier, 7, "harmless")
    assert {state.oid for state in forgotten(path, later).states} == {earlier.hex(), later.hex()}
    assert SECRET not in Layout(path).data.read_bytes()


def test_garbage_that_holds_the_same_goes_and_other_garbage_stays(path: Path, line: list[bytes]) -> None:
    with Repository.open(path) as repository:
        harmless = repository.put(Value("x", "paid for"))
        secret = repository.put(Value("generation", SECRET))
        step = repository.put(Step("parse", "x", bytes(32), harmless, [secret], "a/b", None, harmless))
        repository.flush()
    forgotten(path, line[1])
    with Repository.open(path) as repository:
        assert repository.has(harmless)
        assert not repository.has(step)
    assert not fsck(path).damaged


def test_a_dry_run_says_the_same_and_changes_nothing(path: Path, line: list[bytes]) -> None:
    data = Layout(path).data.read_bytes()
    planned = forgotten(path, line[1], dry_run=True)
    assert Layout(path).data.read_bytes() == data
    done = forgotten(path, line[1])
    assert (planned.kinds, planned.refs, planned.shared) == (done.kinds, done.refs, done.shared)


def test_what_was_begun_is_finished(path: Path, line: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> Forgot:
        raise KeyboardInterrupt

    monkeypatch.setattr(forgetting._Work, "done", killed)
    with pytest.raises(KeyboardInterrupt):
        forgotten(path, line[1])
    monkeypatch.undo()
    assert not fsck(path).damaged
    found = finish(path)
    assert found is not None
    assert [state.oid for state in found.states] == [line[1].hex()]
    assert SECRET not in Layout(path).data.read_bytes()
    assert finish(path) is None


def test_nothing_goes_from_a_store_where_it_cannot_be_told_what_is_needed(path: Path, line: list[bytes]) -> None:
    with Repository.open(path) as repository:
        damage_frame(repository, repository.load(line[0], Run).stages[0])
    with pytest.raises(Corrupt):
        forgotten(path, line[1])
    with Repository.open(path) as repository:
        assert repository.has(line[1])


READER = """
import sys
from pathlib import Path
from themis_vcs.store.repository import Repository

with Repository.open(Path(sys.argv[1]), readonly=True) as repository, repository.backend.environment.reading():
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_pages_that_a_reader_holds_are_said_to_be_out_of_reach(path: Path, line: list[bytes]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        reader.stdout.readline()
        assert forgotten(path, line[1]).unreachable_bytes > 0
        reader.stdin.close()
    assert SECRET in Layout(path).data.read_bytes()


def test_a_store_that_forgets_again_and_again_hardly_grows(path: Path, line: list[bytes]) -> None:
    forgotten(path, line[0])
    size = Layout(path).data.stat().st_size
    for number in range(10, 15):
        with Repository.open(path) as repository:
            run = secret_run(repository, line[2], number, SECRET)
        forgotten(path, run)
    assert Layout(path).data.stat().st_size <= size + 5 * 64_000

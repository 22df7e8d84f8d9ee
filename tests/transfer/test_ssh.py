"""Stores over ssh, with a real sshd on loopback; and what an address can make of an ssh command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, make_project
from tests.support.sshd import SSHD, Sshd, sshd
from themis_vcs.errors import ThemisError
from themis_vcs.store.address import parse
from themis_vcs.transfer.ssh import command

needs_sshd = pytest.mark.skipif(SSHD is None, reason="sshd is not installed (Debian: apt-get install openssh-server)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def there(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "evals of others", 3)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    return project


@needs_sshd
def test_a_store_is_cloned_pushed_to_and_pulled_from_over_ssh(server: Sshd, there: Project, tmp_path: Path) -> None:
    work = make_project(tmp_path / "work", 3)
    assert work("init").status == 0
    url = f"ssh://{server.user}@{server.host}:{server.port}{there.path}".replace(" ", "%20")
    environ = {"THEMIS_SSH_COMMAND": server.command}
    assert work("remote", "add", "origin", url).status == 0
    assert work("config", "remote.origin.themis", COMMAND).status == 0
    pulled = work("pull", **environ)
    assert pulled.status == 0, pulled.err
    assert "nothing wrong" in work("fsck").out
    assert work("show", "main", "--json").document["origin"] == "origin"
    assert work("run", "main.toml", "--set", "seeds=[5]").status == 3
    pushed = work("push", **environ)
    assert pushed.status == 0, pushed.err
    assert "nothing wrong" in there("fsck").out
    ours, theirs = (each("show", "main", "--json").document["oid"] for each in (work, there))
    assert ours == theirs
    assert "up to date" in work("push", **environ).out


@needs_sshd
@pytest.mark.parametrize(
    ("user", "path", "themis", "said"),
    [
        ("nobody-like-that", "/x", COMMAND, "Permission denied"),
        (None, "/no/store/here", COMMAND, "no store at /no/store/here"),
        (None, "/x", "/no/such/command", "/no/such/command"),
        (None, "/x", "echo hello #", "no themis: b'hello"),
    ],
)
def test_what_goes_wrong_at_the_other_end_is_told(
    server: Sshd, there: Project, user: str | None, path: str, themis: str, said: str
) -> None:
    there("remote", "add", "far", f"ssh://{user or server.user}@{server.host}:{server.port}{path}")
    there("config", "remote.far.themis", themis)
    done = there("fetch", "far", THEMIS_SSH_COMMAND=server.command)
    assert (done.status, done.out) == (15, "")
    assert said in done.err


def test_a_host_that_is_not_there_is_told(there: Project) -> None:
    done = there("ls-remote", "ssh://nowhere.invalid/evals")
    assert done.status == 15
    assert "nowhere.invalid" in done.err


def test_the_words_of_the_command() -> None:
    words = command(parse("ssh://me@lab.example:2222/srv/my evals;rm"), "themis")
    assert words[-3:] == ["--", "me@lab.example", "themis serve --stdio '/srv/my evals;rm'"]
    assert words[words.index("-p") + 1] == "2222"
    assert "BatchMode=yes" in words
    assert command(parse("me@lab:evals"))[-1] == "themis serve --stdio evals"
    assert command(parse("lab:~/evals"))[-1] == "themis serve --stdio evals"
    assert command(parse("[::1]:evals"))[-2] == "::1"


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=touch${IFS}x:path",
        "ssh://-oProxyCommand=x/path",
        "ssh://-lroot@host/path",
        "-l@host:path",
        "host:-path",
        "ssh://host:99999/path",
        "ssh://me:secret@host/path",
        "ho st:path",
        "host\n:path",
        "host:pa\nth",
        "",
    ],
)
def test_an_address_that_could_be_an_option_or_holds_a_secret_is_refused(text: str) -> None:
    with pytest.raises(ThemisError) as caught:
        command(parse(text))
    assert "secret" not in str(caught.value)

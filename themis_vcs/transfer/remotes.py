"""Remotes: other stores by name, and the way to the endpoint that an address means."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from themis_vcs.errors import Corrupt, NoStore, NotFound, RemoteError, StorageError, UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.address import Address, parse
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.layout import NAME
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundle
from themis_vcs.transfer.credentials import printed
from themis_vcs.transfer.endpoint import Endpoint, Progress, Source, Transferred
from themis_vcs.transfer.store_endpoint import StoreEndpoint

if TYPE_CHECKING:
    from themis_vcs.transfer.bucket.endpoint import BucketEndpoint

ORIGIN: Final = "origin"
_TOKEN_TIMEOUT: Final = 60


class Remote(NamedTuple):
    """Another store: its name, "" if it has none here, its address, and its settings beside that.

    `place` is what its names are kept under among the refs here: its name, else one that no remote has.
    """

    name: str
    address: Address
    settings: dict[str, Any]
    place: str

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.name or self.address.text

    @property
    def tracking(self) -> str:
        """The place of its names among the refs here."""
        return f"remotes/{self.place}/"


def find(known: Mapping[str, dict[str, Any]], given: str | None) -> Remote:
    """Return the remote that a name or an address means; without one, `origin`, else the only one.

    `known` are the settings of the remotes by name (`Settings.remotes`).
    """
    if given is None:
        if not known:
            raise UsageError("this store has no remote", hint="`themis remote add origin URL` adds one")
        if ORIGIN not in known and len(known) > 1:
            raise UsageError("say which remote is meant", hint=f"the remotes are {', '.join(known)}")
        given = ORIGIN if ORIGIN in known else next(iter(known))
    if given in known:
        if "url" not in known[given]:
            raise UsageError(f"remote {given} has no address", hint=f"themis config remote.{given}.url URL")
        return named(given, parse(known[given]["url"]), known[given])
    address = parse(given)
    if address.kind == "path" and "/" not in given and not Path(address.path).exists():
        hint = f"the remotes are {', '.join(known)}" if known else "`themis remote add NAME URL` adds one"
        raise NotFound(f"{given!r} is neither a remote nor a path", hint=hint)
    return at(known, address)


def at(known: Mapping[str, dict[str, Any]], address: Address) -> Remote:
    """Return what is at an address: the remote that has it, else one without a name, in a place of its own."""
    for name, settings in known.items():
        if settings.get("url") == address.text:
            return named(name, address, settings)
    places = (f"{address.stem}-{number}" if number > 1 else address.stem for number in count(1))
    return Remote("", address, {}, next(place for place in places if place not in known))


def named(name: str, address: Address, settings: Mapping[str, Any]) -> Remote:
    """Return a remote that has a name."""
    return Remote(name, address, {key: value for key, value in settings.items() if key != "url"}, name)


def connect(remote: Remote, cache: Path | None = None) -> Endpoint:
    """Return the endpoint that a remote means. RemoteError, NoStore, FormatError.

    `cache` is a directory for what need not be fetched twice.
    """
    match remote.address.kind:
        case "path":
            return _on_this_machine(remote)
        case "ssh":
            from themis_vcs.transfer import ssh  # noqa: PLC0415
            from themis_vcs.transfer.wire_endpoint import WireEndpoint  # noqa: PLC0415

            return WireEndpoint(ssh.connect(remote.address, remote.shown, remote.settings.get("themis", "themis")))
        case "bucket":
            return _bucket(remote, cache)
        case _:
            from themis_vcs.transfer.http.client import open_http  # noqa: PLC0415

            ca = remote.settings.get("ca")
            return open_http(remote.address.text, token(remote), None if ca is None else Path(ca).expanduser())


def _bucket(remote: Remote, cache: Path | None) -> Endpoint:
    from themis_vcs.transfer.bucket.opening import BucketOptions, open_bucket  # noqa: PLC0415

    settings = remote.settings
    options = BucketOptions(
        endpoint=settings.get("endpoint"),
        region=settings.get("region"),
        allow_http=settings.get("allow-http", False),
        single_writer=settings.get("single-writer", False),
        cache=None if cache is None else cache / "indexes",
    )
    return open_bucket(remote.address.text, options)


def _on_this_machine(remote: Remote) -> Endpoint:
    named = Path(remote.address.path)
    if bundle.is_bundle(named):
        return bundle.open_bundle(named)
    path = store_at(named)
    if path.stat().st_uid == os.getuid():
        return _PathEndpoint(Repository.open(path), remote.shown)
    # The pages of a file that somebody else wrote may end the process that maps it.
    from themis_vcs.transfer.pipe import Pipe  # noqa: PLC0415
    from themis_vcs.transfer.wire_endpoint import WireEndpoint  # noqa: PLC0415

    return WireEndpoint(Pipe([sys.executable, "-m", "themis_vcs.transfer.stdio", str(path)], remote.shown))


class _PathEndpoint(StoreEndpoint):
    """A store on this machine that is not ours to mend: what its medium refuses is an error of the remote, and what is
    damaged there is said to be there.
    """

    def refs(self) -> dict[str, Oid]:
        with self._there():
            return super().refs()

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        with self._there():
            yield from super().objects(oids)

    def dictionary(self, oid: Oid) -> bytes:
        with self._there():
            return super().dictionary(oid)

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        with self._remote():
            return super().take(items, source, progress)

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        with self._remote():
            super().move(updates, message)

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except Corrupt as error:
            error.message = f"{self.name}: {error.message}"
            error.hint = "run `themis fsck` there to see what is damaged and who uses it"
            raise

    @contextmanager
    def _remote(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            hint = "what arrived is kept there; make room, or see to its owner and mode, and repeat the command"
            raise RemoteError(f"{self.name}: {error.message}", hint=hint) from error


def store_at(path: Path) -> Path:
    """Return the store directory that a path means: itself, or `.themis` in it. NoStore."""
    for candidate in (path, path / NAME):
        if (candidate / "format").exists():
            return candidate
    raise NoStore(
        f"no store at {path}",
        hint=f"look at the path; `themis init {shlex.quote(str(path))}` would make an empty one there",
    )


def probe(remote: Remote, endpoint: Endpoint) -> dict[str, Any]:
    """Return what an endpoint turns out to be, as a document; refs are safe there if it `ignores` no condition."""
    refs = endpoint.refs()
    names = sum(ref.startswith("names/") for ref in refs)
    ignored: list[str] = []
    if remote.address.kind == "bucket":
        from themis_vcs.transfer.bucket.probe import probe as conditions  # noqa: PLC0415

        ignored = conditions(bucket_of(remote, endpoint).bucket).ignored
    return {
        "name": remote.name or None,
        "address": remote.address.text,
        "kind": remote.address.kind,
        "names": names,
        "tags": sum(ref.startswith("tags/") for ref in refs),
        "trusted": not ignored,
        "ignores": ignored,
    }


def bucket_of(remote: Remote, endpoint: Endpoint) -> BucketEndpoint:
    """Return the endpoint, if it is a bucket. UsageError."""
    if remote.address.kind != "bucket":
        raise UsageError(f"{remote.shown} is not a bucket", hint="only buckets need it; `themis stats` counts a store")
    return cast("BucketEndpoint", endpoint)


def token(remote: Remote) -> str | None:
    """Return the token for a remote from where its settings say that it is. UsageError; never shows it."""
    settings = remote.settings
    if "token-env" in settings:
        found = os.environ.get(settings["token-env"])
        where = f"the environment variable {settings['token-env']}"
    elif "token-file" in settings:
        where = settings["token-file"]
        try:
            found = Path(where).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the token of {remote.shown} cannot be read from {where}: {error}") from error
    elif "token-command" in settings:
        where = f"what the command {settings['token-command']!r} prints"
        found = _printed(remote, settings["token-command"])
    else:
        return None
    if not found or not found.strip():
        raise UsageError(f"the token of {remote.shown} is to be in {where}, which is empty")
    return found.strip()


def _printed(remote: Remote, command: str) -> str:
    what = f"the command for the token of {remote.shown}"
    try:
        return printed(command, what, _TOKEN_TIMEOUT).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} failed: it prints no text", hint=f"run it by hand: {command}") from error

"""Damaging a store file, and reading all of a store in a process that may die of it."""

from __future__ import annotations

import faulthandler
import io
import os
import pickle
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from themis_vcs.cli.app import app
from themis_vcs.cli.isolation import in_child
from themis_vcs.cli.output import Output
from themis_vcs.cli.session import Session
from themis_vcs.errors import ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository

PAGE = 4096


@dataclass(frozen=True)
class Read:
    """What a full read gave: an answer per question, or the signal that ended it."""

    answers: dict[str, object]
    signal: int = 0


def questions(repository: Repository, oids: Iterable[Oid], names: Iterable[str]) -> dict[str, Callable[[], object]]:
    """Every read of a store that a command makes, by a name of its own."""
    backend, known = repository.backend, set(oids)
    asked: dict[str, Callable[[], object]] = {
        "refs": lambda: list(repository.refs()),
        "derivations": lambda: list(backend.derivations()),
        "tracks": lambda: list(backend.tracks()),
        "local": lambda: repository.local("run"),
        "oids": lambda: _named(repository, known),
        "everything": lambda: sorted(backend.everything()),
    }
    for name in names:
        asked[f"ref {name}"] = lambda name=name: repository.ref(name)  # type: ignore[misc]
        asked[f"reflog {name}"] = lambda name=name: repository.reflog(name)  # type: ignore[misc]
    for oid in known:
        asked[f"object {oid.hex()}"] = lambda oid=oid: repository.read(oid)  # type: ignore[misc]
    return asked


def _named(repository: Repository, known: set[Oid]) -> list[Oid]:
    """All oids. One that was not stored is a name in a damaged frame, and reading it must say so."""
    found = sorted(repository.backend.oids())
    for oid in found:
        if oid not in known:
            repository.read(oid)
    return found


def read_all(path: Path, oids: Iterable[Oid], names: Iterable[str], *, named_only: bool = False) -> Read:
    """Read everything, or only these objects and refs, in a child process; an error counts as its code."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        faulthandler.disable()
        try:
            with os.fdopen(send, "wb") as stream:
                pickle.dump(_answers(path, oids, names, named_only), stream)
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        data = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Read({}, -code) if code < 0 else Read(pickle.loads(data))


def _answers(path: Path, oids: Iterable[Oid], names: Iterable[str], named_only: bool) -> dict[str, object]:
    try:
        repository = Repository.open(path, readonly=True)
    except ThemisError as error:
        return {"open": f"error: {error.code}"}
    answers: dict[str, object] = {}
    for question, answer in questions(repository, oids, names).items():
        if named_only and question.split()[0] not in ("object", "ref", "reflog"):
            continue
        try:
            answers[question] = answer()
        except ThemisError as error:
            answers[question] = f"error: {error.code}"
        except Exception as error:
            answers[question] = f"raised {type(error).__name__}: {error}"
    return answers


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


def commanded(*arguments: str) -> Said:
    """Run a reading command in a process that may die of damage, as the command line does."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [io.TextIOWrapper(each, "utf-8", write_through=True) for each in (out, err)]
        output = Output(stdout=streams[0], stderr=streams[1], environ={})

        def body() -> object:
            faulthandler.disable()
            os.dup2(err.fileno(), 2)
            return app.main(list(arguments), standalone_mode=False, obj=Session(output), prog_name="themis")

        status = in_child(body, output)
        said = []
        for each in (out, err):
            each.seek(0)
            said.append(each.read().decode())
        for stream in streams:
            stream.detach()
        return Said(status, *said)


def damage_frame(repository: Repository, oid: Oid, offset: int = 60) -> None:
    """Flip a bit of an object's frame, at an offset from where it begins, also in copies on pages that are free."""
    backend = repository.backend
    assert isinstance(backend, LmdbBackend)
    with backend.environment.reading() as reader:
        finder = segments.Finder(reader)
        place = finder.find(oid)
        assert place is not None
        frame = finder.frame(place).pack()
    data = backend.layout.data
    content = data.read_bytes()
    at = content.index(frame)
    with data.open("r+b") as file:
        while at >= 0:
            file.seek(at + offset)
            file.write(bytes([content[at + offset] ^ 1]))
            at = content.find(frame, at + 1)


def copy_of(store: Path, target: Path) -> Path:
    """Copy a store that nobody has open, without LMDB's lock file."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(store, target, ignore=shutil.ignore_patterns("lock.mdb"))
    return target


def flip(data: Path, draw: random.Random) -> str:
    """Flip one bit."""
    content = bytearray(data.read_bytes())
    place, bit = draw.randrange(len(content)), draw.randrange(8)
    content[place] ^= 1 << bit
    data.write_bytes(content)
    return f"bit {bit} of byte {place} (page {place // PAGE} + {place % PAGE})"


def flip_header(data: Path, draw: random.Random) -> str:
    """Flip one bit among the first bytes of a page, where its structure is."""
    content = bytearray(data.read_bytes())
    place = draw.randrange(len(content) // PAGE) * PAGE + draw.randrange(64)
    bit = draw.randrange(8)
    content[place] ^= 1 << bit
    data.write_bytes(content)
    return f"bit {bit} of byte {place} (page {place // PAGE} + {place % PAGE})"


def zero_page(data: Path, draw: random.Random) -> str:
    """Overwrite one page with zeros."""
    content = bytearray(data.read_bytes())
    page = draw.randrange(len(content) // PAGE)
    content[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    data.write_bytes(content)
    return f"page {page} zeroed"


REFUSED = bytes(10) + b"\x50" + b"\x50" * (PAGE - 11)
"""A page of no kind that LMDB knows, which it refuses."""
ABORTED = bytes(PAGE)
"""A page at which LMDB ends the process."""


def overwrite(data: Path, key: bytes, page: bytes) -> None:
    """Overwrite the leaf pages that hold a key, those in use and those that were given up."""
    content = bytearray(data.read_bytes())
    leaves = [at for at in range(2 * PAGE, len(content), PAGE) if content[at + 10] == 2]
    chosen = [at for at in leaves if key in content[at : at + PAGE]]
    assert chosen
    for at in chosen:
        content[at : at + PAGE] = page
    data.write_bytes(content)


def cut(data: Path, draw: random.Random) -> str:
    """Cut the file short."""
    size = draw.randrange(data.stat().st_size)
    os.truncate(data, size)
    return f"cut to {size}"


KINDS = {"flip": flip, "flip in a header": flip_header, "zeroed page": zero_page, "cut": cut}

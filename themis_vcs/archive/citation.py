"""Who made an archive and under which licence it is: checked, and as CITATION.cff."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from themis_vcs.errors import UsageError

_ORCID: Final = re.compile(r"(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])", re.ASCII)
_LICENSE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", re.ASCII)
_LONGEST: Final = 10_000


@dataclass(frozen=True)
class Author:
    """A person; `orcid` is the address of the identifier, None without one."""

    name: str
    orcid: str | None = None

    @property
    def parts(self) -> tuple[str, str] | None:
        """Family and given names of somebody who was named "Family, Given"."""
        family, comma, given = self.name.partition(", ")
        return (family, given) if comma else None

    @property
    def shown(self) -> str:
        """The name as it is read."""
        return f"{self.parts[1]} {self.parts[0]}" if self.parts else self.name


@dataclass(frozen=True)
class Credits:
    """What people say of an archive. `title` is never empty; `license` is an identifier of SPDX."""

    title: str
    authors: tuple[Author, ...] = ()
    license: str | None = None
    description: str = ""


def credits_of(
    title: str,
    names: Sequence[str] = (),
    orcids: Sequence[str] = (),
    spdx: str | None = None,
    description: str = "",
) -> Credits:
    """Return checked credits; the n-th ORCID is that of the n-th author. UsageError says what cannot be one."""
    for option, text in (("title", title), ("description", description), *(("author", name) for name in names)):
        if not text.isprintable() or len(text) > _LONGEST or (option != "description" and not text.strip()):
            raise UsageError(f"--{option} {text[:60]!r} is empty, too long, or has control characters or line ends")
    if len(orcids) > len(names):
        raise UsageError("there are more --orcid than --author", hint="the n-th --orcid belongs to the n-th --author")
    if spdx is not None and not _LICENSE.fullmatch(spdx):
        raise UsageError(f"--license {spdx[:60]!r} is not an SPDX identifier", hint="such as CC-BY-4.0, MIT or CC0-1.0")
    addresses = [*map(_orcid, orcids), *[None] * (len(names) - len(orcids))]
    authors = tuple(Author(name.strip(), orcid) for name, orcid in zip(names, addresses, strict=True))
    if len(set(authors)) < len(authors) or len(set(orcids)) < len(orcids):
        raise UsageError("an author, or an ORCID iD, comes twice")
    return Credits(title.strip(), authors, spdx, description.strip())


def citation_file(said: Credits, date: str, version: str) -> bytes:
    """Return CITATION.cff, version 1.2.0, of an archive with at least one author. Strings of JSON are ones of YAML."""
    return "".join(f"{line}\n" for line in _lines(said, date, version)).encode()


def _lines(said: Credits, date: str, version: str) -> Iterator[str]:
    yield "cff-version: 1.2.0"
    yield "message: If you use these results, please cite them as below."
    yield "type: dataset"
    yield f"title: {_quoted(said.title)}"
    if said.description:
        yield f"abstract: {_quoted(said.description)}"
    yield "authors:"
    for author in said.authors:
        if author.parts:
            yield f"  - family-names: {_quoted(author.parts[0])}"
            yield f"    given-names: {_quoted(author.parts[1])}"
        else:
            yield f"  - name: {_quoted(author.name)}"
        if author.orcid:
            yield f"    orcid: {author.orcid}"
    if said.license:
        yield f"license: {said.license}"
    yield f"date-released: {date}"
    yield f"version: {_quoted(version)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _orcid(text: str) -> str:
    """Return the address of an ORCID iD. UsageError if its last digit does not fit (ISO 7064 11,2)."""
    match = _ORCID.fullmatch(text)
    if match is not None:
        total = 0
        for digit in match[1].replace("-", "")[:-1]:
            total = (total + int(digit)) * 2
        if "0123456789X"[(12 - total % 11) % 11] == match[1][-1]:
            return f"https://orcid.org/{match[1]}"
    raise UsageError(f"--orcid {text[:60]!r} is not an ORCID iD", hint="it looks like 0000-0002-1825-0097")

"""The tag files of a bag (RFC 8493) as text: written, and read where each line must be what it has to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from themis_vcs.archive.layout import PAYLOAD, VERSION, is_name
from themis_vcs.errors import Corrupt, FormatError

DECLARATION: Final = "bagit.txt"
INFO: Final = "bag-info.txt"
MANIFEST: Final = "manifest-sha512.txt"
TAG_MANIFEST: Final = "tagmanifest-sha512.txt"
FETCH: Final = "fetch.txt"
TAG_FILES: Final = (DECLARATION, INFO, MANIFEST, TAG_MANIFEST)
DECLARED: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_VERSION: Final = "Themis-Archive-Version"
_OXUM: Final = "Payload-Oxum"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_LINE: Final = re.compile(r"([0-9a-f]{128})  ([^\n]*)\n")


def manifest(digests: Mapping[str, str]) -> bytes:
    """Return a manifest of SHA-512 digests by name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def read_manifest(data: bytes, where: str) -> dict[str, str]:
    """Return the digests by name that a manifest has. Corrupt names the line that is none (ARCHIVE-2)."""
    found: dict[str, str] = {}
    last = ""
    try:
        lines = data.decode("ascii").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise Corrupt(f"{where}: byte {error.start:,} is not ASCII", hint=_HINT) from None
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or not is_name(match[2]):
            raise Corrupt(f"{where}:{number}: not a digest and the name of a file", hint=_HINT)
        if match[2] <= last:
            raise Corrupt(f"{where}:{number}: {match[2]} comes twice, or not in order", hint=_HINT)
        last = match[2]
        found[last] = match[1]
    return found


def info(fields: Iterable[tuple[str, str]], size: int, files: int) -> bytes:
    """Return `bag-info.txt`: the given fields, the version, and the bytes and number of the files in the payload."""
    lines = [*fields, (_OXUM, f"{size}.{files}"), (_VERSION, str(VERSION))]
    return "".join(f"{label}: {value}\n" for label, value in sorted(lines, key=lambda line: line[0])).encode()


def read_info(data: bytes) -> list[tuple[str, str]]:
    """Return the labels and values of `bag-info.txt`. Corrupt; FormatError for an archive of a newer version."""
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise Corrupt(f"{INFO}: byte {error.start:,} is not UTF-8", hint=_HINT) from None
    pairs = [(label, value) for label, colon, value in (line.partition(": ") for line in lines) if colon]
    said = dict(pairs)
    version = said.get(_VERSION, "")
    if len(pairs) != len(lines) or not _NUMBER.fullmatch(version):
        raise Corrupt(f"{INFO}: these are not the facts of an archive", hint=_HINT)
    if int(version) > VERSION:
        raise FormatError(
            f"an archive of version {version}; this themis reads version {VERSION}",
            hint="use a newer version of themis",
        )
    return pairs


def oxum(pairs: Iterable[tuple[str, str]]) -> str:
    """Return what `bag-info.txt` says of bytes and number of the payload's files."""
    return dict(pairs).get(_OXUM, "")


def expected_oxum(sizes: Mapping[str, int]) -> str:
    """Return what it has to say."""
    payload = [size for name, size in sizes.items() if name.startswith(PAYLOAD)]
    return f"{sum(payload)}.{len(payload)}"


_HINT: Final = "the file was altered; get the archive again from where it comes from"

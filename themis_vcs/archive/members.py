"""The files of an archive by name, in a directory or in a zip file, to be read one after the other.

What they hold is not checked here but for what a zip file states of it. Nothing is unpacked, no link is followed.
"""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from themis_vcs.archive import zipform
from themis_vcs.archive.bag import TAG_FILES
from themis_vcs.archive.layout import MAX_FILES, MAX_HELD, is_name
from themis_vcs.errors import Corrupt, DataError, NotFound, StorageError
from themis_vcs.transfer.bundle import open_file

_CHUNK: Final = 1 << 18


class Members(Protocol):
    """The files of an archive: `sizes` has them by name, in order."""

    sizes: dict[str, int]

    def open(self, name: str) -> BinaryIO:
        """Open one to read from its beginning; a bundle can be sought in. Corrupt while it is read, if it is cut."""

    def fits(self, name: str, crc: int) -> bool:
        """Say whether a file of this CRC-32 is the one that is stated beside it, where one is."""

    def close(self) -> None:
        """Give back what it holds."""


def open_members(path: Path) -> Members:
    """Open an archive. NotFound if there is nothing, DataError for something else; Corrupt, StorageError."""
    try:
        if path.is_dir():
            if not any(os.path.lexists(path / name) for name in TAG_FILES):
                raise DataError(f"{path} is no archive: it has no {TAG_FILES[0]}", hint=_HOW)
            return Folder(path)
        if not path.exists():
            raise NotFound(f"there is no archive {path}", hint="it is a directory, or a file that ends in .zip")
        file = open_file(path)
    except OSError as error:
        raise StorageError(f"cannot read {error.filename or path}: {error.strerror}") from error
    try:
        if not zipform.begins_or_ends(file):
            raise DataError(f"{path} is no archive: it is no zip file", hint=_HOW)
        return Zip(file, str(path))
    except BaseException:
        file.close()
        raise


def held(members: Members, name: str) -> bytes:
    """Return a small file whole. Corrupt if it is absent, or too large for what it is."""
    size = members.sizes.get(name)
    if size is None:
        raise Corrupt(f"{name} is missing", hint="get the archive again from where it comes from")
    if size > MAX_HELD:
        raise Corrupt(f"{name} has {size:,} bytes, over the limit of {MAX_HELD:,}")
    with members.open(name) as file:
        return file.read(MAX_HELD)


class Folder:
    """An archive in a directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes = dict(sorted(self._walk(path, "")))

    def open(self, name: str) -> BinaryIO:
        try:
            return open_file(self._path / name)
        except OSError as error:
            raise StorageError(f"cannot read {self._path / name}: {error.strerror}") from error

    def fits(self, name: str, crc: int) -> bool:
        return True

    def close(self) -> None:
        pass

    def _walk(self, directory: Path, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield names and sizes of files. Corrupt for what cannot be one of an archive."""
        found = 0
        pending = [(directory, prefix)]
        while pending:
            directory, prefix = pending.pop()
            with os.scandir(directory) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    found += 1
                    if not is_name(name) or found > MAX_FILES:
                        raise Corrupt(
                            f"{name[:300]!r} is no name of a file of an archive, or one too many", hint=_ALIEN
                        )
                    mode = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(mode.st_mode):
                        pending.append((directory / entry.name, name + "/"))
                    elif stat.S_ISREG(mode.st_mode):
                        yield name, mode.st_size
                    else:
                        raise Corrupt(f"{name} is not a regular file", hint=_ALIEN)


class Zip:
    """An archive in a zip file; what is the same before all names is not part of them."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        entries = zipform.directory(file, source)
        tops = {entry.name.partition("/")[0] for entry in entries}
        if len(tops) != 1:
            raise Corrupt(f"{source}: the files are not all in one directory", hint=_ALIEN)
        self._entries = {entry.name.partition("/")[2]: entry for entry in entries}
        self.sizes = {name: entry.size for name, entry in self._entries.items()}
        if not any(name in self.sizes for name in TAG_FILES):
            raise DataError(f"{source} is no archive: it has no {TAG_FILES[0]}", hint=_HOW)

    def open(self, name: str) -> BinaryIO:
        entry = self._entries[name]
        window = Window(self._file, entry.start, entry.packed)
        if entry.method == zipform.STORED:
            if entry.packed != entry.size:
                raise _damaged(name)
            return cast(BinaryIO, window)
        return io.BufferedReader(_Inflating(window, entry.size, name), _CHUNK)

    def fits(self, name: str, crc: int) -> bool:
        return self._entries[name].crc == crc

    def close(self) -> None:
        self._file.close()


class Window(io.RawIOBase):
    """Some bytes of a file as a file of its own, which leaves the other open."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Inflating(io.RawIOBase):
    """A deflated entry as it was. Corrupt if it is damaged, or not as long as its headers say (ARCHIVE-13)."""

    def __init__(self, packed: Window, size: int, name: str) -> None:
        super().__init__()
        self._packed, self._left, self._name = packed, size, name
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._more(len(buffer))
        self._left -= len(data)
        if self._left < 0 or (not data and not self._whole()):
            raise _damaged(self._name)
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        """Return the next bytes, at most so many; none only at the end."""
        while not self._inflate.eof:
            waiting = self._inflate.unconsumed_tail or self._packed.read(_CHUNK)
            try:
                data = self._inflate.decompress(waiting, size)
            except zlib.error:
                raise _damaged(self._name) from None
            if data or not waiting:
                return data
        return b""

    def _whole(self) -> bool:
        rest = self._inflate.unused_data or self._inflate.unconsumed_tail or self._packed.read(1)
        return self._inflate.eof and not rest and not self._left


def _damaged(name: str) -> Corrupt:
    return Corrupt(
        f"{name}: the data in the zip file is damaged", hint="get the archive again from where it comes from"
    )


_HOW: Final = "`themis archive create` makes one"
_ALIEN: Final = "an archive has regular files with plain names in one directory; this is not one, or was changed"

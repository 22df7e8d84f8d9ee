"""Members of a ZIP archive whose directory may lie: stored, deflated or compressed with zstd (method 93).

Python reads method 93 from version 3.14 on. APPNOTE 6.3.10, sections 4.3.7 and 4.4.5.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from contextlib import AbstractContextManager
from pathlib import Path

import zstandard

from themis_vcs.errors import DataError

MAX_MEMBER = 128 * 1024 * 1024
"""Largest member, in bytes after decompression."""

_LOCAL = struct.Struct("<4s22xHH")
_MAX_WINDOW = 128 * 1024 * 1024
_ZSTD = 93
_ENCRYPTED = 1


class Archive(AbstractContextManager["Archive"]):
    """The members of an archive by name. Whatever is wrong with it is a DataError with file and member."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        try:
            self._members = {each.filename: each for each in zipfile.ZipFile(self._file).infolist()}
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            self._file.close()
            raise DataError(f"{path}: not a whole ZIP archive: {error}") from None

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of the members, in the order of the directory."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """A member. It is as long as the directory says, and its checksum fits."""
        info = self._members[name]
        if info.file_size > MAX_MEMBER:
            raise self._wrong(name, f"{info.file_size:,} bytes, over the limit of {MAX_MEMBER:,}")
        if info.flag_bits & _ENCRYPTED:
            raise self._wrong(name, "encrypted")
        try:
            data = self._decompressed(info, self._raw(info))
        except (zlib.error, zstandard.ZstdError, EOFError, OSError, ValueError, MemoryError) as error:
            raise self._wrong(name, f"damaged: {error}") from None
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise self._wrong(name, "damaged: its length or its checksum is not what the directory says")
        return data

    def _raw(self, info: zipfile.ZipInfo) -> bytes:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size:
            raise EOFError("cut short")
        magic, name, extra = _LOCAL.unpack(header)
        if magic != b"PK\x03\x04":
            raise ValueError("no member where the directory says")
        self._file.seek(name + extra, 1)
        data = self._file.read(min(info.compress_size, 2 * MAX_MEMBER))
        if len(data) < info.compress_size:
            raise EOFError("cut short")
        return data

    def _decompressed(self, info: zipfile.ZipInfo, data: bytes) -> bytes:
        wanted = info.file_size + 1
        if info.compress_type == zipfile.ZIP_STORED:
            return data
        if info.compress_type == zipfile.ZIP_DEFLATED:
            return zlib.decompressobj(-15).decompress(data, wanted)
        if info.compress_type == _ZSTD:
            reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(data)
            return reader.read(wanted)
        raise ValueError(f"compression method {info.compress_type} is not known")

    def _wrong(self, name: str, what: str) -> DataError:
        return DataError(f"{self.path}: {name!r:.200}: {what}")

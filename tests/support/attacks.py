"""Objects that no reader may take, and the ways in which they come: in a pack that is received, in a bundle."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import zstandard

from tests.support.bundles import Piece, head, opened
from tests.support.packs import assembled, framed
from themis_vcs.model.objects import Dictionary, Object, Tag, dump, load
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.frames import ZSTD, Frame, raw
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

MAGIC = b"\x28\xb5\x2f\xfd"


def as_it_is(payload: bytes) -> Frame:
    """Return any bytes in a frame, under the oid that they hash to."""
    return raw(oid_of(payload), payload)


def zstd(payload: bytes, data: bytes, raw_length: int | None = None) -> Frame:
    """Return a frame that says that `data` is the payload compressed."""
    return Frame(oid_of(payload), ZSTD, 0, len(payload) if raw_length is None else raw_length, data)


def zstd_data(payload: bytes, *, size: int | None = None, window: int | None = None, dictionary: int = 0) -> bytes:
    """Return a zstd frame of one uncompressed block that states any size, exponent of the window, and dictionary.

    Without a window it is a single segment; a size below 0 is not stated.
    """
    size = len(payload) if size is None else size
    flags = (0 if size < 0 else 0x80) | (0x20 if window is None else 0) | (1 if dictionary else 0)
    opening = MAGIC + bytes([flags]) + (b"" if window is None else bytes([(window - 10) << 3]))
    opening += bytes([dictionary]) if dictionary else b""
    opening += b"" if size < 0 else size.to_bytes(4, "little")
    return opening + (1 | len(payload) << 3).to_bytes(3, "little") + payload


def with_tag(frames: Sequence[Frame]) -> tuple[bytes, dict[str, Oid]]:
    """Return a pack of frames and a tag on the last of them, and the ref of the tag."""
    tag = framed(Tag("v1", frames[-1].oid, "", 0, "somebody"))
    dictionaries = [at for at, frame in enumerate(frames) if _is_dictionary(frame)]
    return assembled([*frames, tag], dictionaries=dictionaries), {"tags/v1": tag.oid}


def _is_dictionary(frame: Frame) -> bool:
    # Other dictionaries than raw or plainly compressed ones are attacks that come this far only.
    data = frame.data if frame.codec != ZSTD else _inflated(frame.data)
    return data.startswith(b"\x93\x01\xaadictionary") and isinstance(load(data), Dictionary)


def _inflated(data: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 20)
    except zstandard.ZstdError:
        return b""


def received(frames: Sequence[Frame], here: Repository) -> None:
    receive(io.BytesIO(with_tag(frames)[0]), here, "test.pack")


def verified(frames: Sequence[Frame], here: Repository) -> None:
    pack, refs = with_tag(frames)
    verify(opened([Piece(head(refs), [pack]).assembled()]))


def fetched(frames: Sequence[Frame], here: Repository) -> None:
    pack, refs = with_tag(frames)
    bundle = opened([Piece(head(refs), [pack]).assembled()])
    transfer(bundle, StoreEndpoint(here), [RefUpdate(*ref) for ref in bundle.refs().items()], message="fetch")


WAYS: Mapping[str, Callable[[Sequence[Frame], Repository], None]] = {
    "received": received,
    "verified": verified,
    "fetched": fetched,
}


def packed(*objects: Object) -> list[Frame]:
    """Return objects in frames."""
    return [framed(each) for each in objects]


def oid(obj: Object) -> Oid:
    return oid_of(dump(obj))

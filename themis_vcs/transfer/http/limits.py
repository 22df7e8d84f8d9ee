"""What a client of the server may take: time, bytes, connections (WIRE-11)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from themis_vcs.transfer.pack import MAX_BYTES

HEAD_BYTES: Final = 16 << 10
BLOCK: Final = 64 << 10
"""So many bytes have to move within `stall` seconds, or all that are left: 6.4 KiB/s."""


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds: for the head of a request, between two requests, for BLOCK bytes of a body in either direction, for a
    whole request, and for requests in flight when the server stops. `pack` is in bytes.
    """

    head: float = 10.0
    idle: float = 15.0
    stall: float = 10.0
    total: float = 900.0
    stop: float = 10.0
    connections: int = 256
    pack: int = MAX_BYTES

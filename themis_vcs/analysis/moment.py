"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(nanoseconds: int) -> str:
    """A time in ns since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

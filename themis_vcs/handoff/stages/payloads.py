"""The values in the lines of a stage bundle: their canonical bytes, and whether these are what the line says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from themis_vcs.errors import DataError, EncodingError, ThemisError, UsageError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.values import VALUE_TYPES, restore, value_of
from themis_vcs.handoff.stages.lines import Payload
from themis_vcs.model.codec import encode
from themis_vcs.model.objects import Value
from themis_vcs.model.oid import Oid, parse_oid


def payload_bytes(where: str, payload: Payload, field: str) -> bytes:
    """Return the canonical bytes of a value. DataError names the field that cannot be one."""
    return value_bytes(where, payload.type, domain(where, payload, field), field)


def value_bytes(where: str, kind: str, found: Any, field: str) -> bytes:
    """Return the canonical bytes of a domain value. DataError names the field that has none."""
    return encoded(lambda: encode("value", Value(kind, found), found), where, field)


def domain(where: str, payload: Payload, field: str) -> Any:
    """Return the domain value, plain data for a type that has no class. DataError."""
    if payload.type not in VALUE_TYPES:
        return payload.data
    try:
        found = restore(payload.type, payload.data)
    except DataError as error:
        raise DataError(f"{where}: {field}.data: {error.message}") from None
    if not isinstance(found, Case) and (observed := value_of(found)[2]):
        raise DataError(f"{where}: {field}.data: {', '.join(observed)} belongs to step.observations")
    return found


def encoded(make: Callable[[], bytes], where: str, field: str) -> bytes:
    """Return what `make` returns. DataError where that has no canonical encoding."""
    try:
        return make()
    except EncodingError as error:
        raise DataError(f"{where}: {field}{error.path.removeprefix('$')}: {error.reason}") from error
    except (ThemisError, ValueError) as error:
        raise DataError(f"{where}: {field}: {error}") from error


def check_hash(where: str, field: str, said: str, found: bytes) -> None:
    """DataError unless the hash that a field says is the one that was found."""
    if said != found.hex():
        raise DataError(
            f"{where}: {field}: {said} does not fit what it stands for, which is {found.hex()}",
            hint="the line was altered after it was written, or its writer computes hashes in another way",
        )


def oid_said(where: str, field: str, said: str) -> Oid:
    """Return the oid that a field spells. DataError for anything but lower-case hexadecimal digits."""
    try:
        return parse_oid(said)
    except UsageError:
        raise DataError(f"{where}: {field}: {said!r:.80} is not 64 lower-case hexadecimal digits") from None


def check_order(where: str, last: str, key: str) -> None:
    """DataError unless a key comes after the last one."""
    if key == last:
        raise DataError(f"{where}: {key!r:.200} comes twice")
    if key < last:
        raise DataError(f"{where}: {key!r:.200} comes after {last!r:.200}", hint="lines are in the order of their keys")

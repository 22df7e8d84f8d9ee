"""The id of a store: what a signature says which store it is about (SIG-10)."""

from __future__ import annotations

import os
from typing import Final

from themis_vcs.errors import DamagedSignature
from themis_vcs.model.objects import Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.store.view import View

REF: Final = "store/id"
TYPE: Final = "store"
ID_BYTES: Final = 16
MAX_OBJECT: Final = 256


def read(oid: Oid, payload: bytes) -> bytes:
    """Return the id in the object that `store/id` points to. DamagedSignature if there is none in it."""
    value = load(payload, Value) if len(payload) <= MAX_OBJECT else None
    data = value.data if value is not None and value.type == TYPE else None
    if not isinstance(data, dict) or data.keys() != {"id"}:
        raise DamagedSignature(f"ref {REF}: this is no id of a store", oid=oid, ref=REF)
    found = data["id"]
    if not isinstance(found, bytes) or len(found) != ID_BYTES:
        raise DamagedSignature(f"ref {REF}: the id of a store has {ID_BYTES} bytes", oid=oid, ref=REF)
    return found


def store_id(view: View) -> bytes | None:
    """Return the id of a store, None if it has none yet."""
    oid = view.ref(REF)
    return None if oid is None else read(oid, view.read(oid))


def put_new(repository: Repository) -> tuple[Oid, bytes]:
    """Put a new id into a store, and return its object and itself; the caller moves `store/id` there."""
    made = os.urandom(ID_BYTES)
    return repository.put(Value(TYPE, {"id": made})), made

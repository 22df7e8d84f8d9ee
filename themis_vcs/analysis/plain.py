"""Stored objects as plain data that JSON can hold."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from themis_vcs.model.objects import KINDS, Blob, Dictionary, Object, TreeNode, Value
from themis_vcs.model.oid import OID_BYTES, split_oids

_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


def plain(obj: Object) -> Any:
    """What an object says: of a value its data alone, of any other its kind and its fields.

    Oids are in hex. Other bytes are base64, also in the data of a value.
    """
    if isinstance(obj, Value):
        return msgspec.to_builtins(obj.data)
    if isinstance(obj, TreeNode):
        oids = (oid.hex() for oid in split_oids(obj.oids))
        return {"kind": "tree", "level": obj.level, "entries": dict(zip(obj.keys, oids, strict=True))}
    fields: dict[str, Any] = msgspec.to_builtins(obj, builtin_types=(bytes,))
    if isinstance(obj, Blob | Dictionary):
        fields["data"] = base64.b64encode(obj.data).decode()
    return {"kind": _KIND_OF[type(obj)], **{name: _readable(value) for name, value in fields.items()}}


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex() if len(value) == OID_BYTES else base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value

"""What all built-in components share: options that are fields of a frozen struct, a target, an identity."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from blake3 import blake3

from themis_vcs.model import codec

_IDENTITY = "themis_vcs 2026-11-23 builtin component v1"


class Builtin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True, weakref=True):
    """A component whose behaviour is said by its kind, its version and its options.

    So its fingerprint is declared, not computed from its source: `version` changes whenever an answer
    changes that it may give. `apart` names the options that are no part of the identity, because what they
    lead to enters the derivation key by itself. `name` replaces the component id, for two of a kind in one
    experiment.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    apart: ClassVar[frozenset[str]] = frozenset()

    name: str = ""

    @property
    def component_id(self) -> str:
        return self.name or self.kind

    @property
    def target(self) -> str:
        return f"builtin/{self.kind}"

    def options(self) -> dict[str, Any]:
        """The options that differ from their defaults, as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {
            field.name: plain[field.name]
            for field in msgspec.structs.fields(self)
            if plain[field.name] != _default(field)
        }

    def fingerprint(self) -> bytes:
        """32 bytes: the hash of kind, version and the options that differ from their defaults."""
        identity = {name: value for name, value in self.options().items() if name not in self.apart}
        packed = codec.pack([self.kind, self.version, identity])
        return blake3(packed, derive_key_context=_IDENTITY).digest()


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    default = field.default
    return default if default is msgspec.NODEFAULT else msgspec.to_builtins(default)

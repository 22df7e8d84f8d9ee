"""The installed distribution that a module belongs to, with its version, for code that is not the user's."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import metadata


@lru_cache(maxsize=1024)
def distributions_of(top: str) -> dict[str, str]:
    """Name → version of the distributions that provide the top-level module `top`; {} if none says so.

    A distribution of the module's own name is taken at once, since asking all of them costs a tenth of a second.
    One that was installed from a repository has the commit in its version.
    """
    try:
        return {top: _version(metadata.distribution(top))}
    except (metadata.PackageNotFoundError, ValueError):
        names = _providers().get(top, [])
        return {name: _version(metadata.distribution(name)) for name in sorted(set(names))}


@lru_cache(maxsize=1)
def _providers() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _version(distribution: metadata.Distribution) -> str:
    origin = distribution.read_text("direct_url.json")
    try:
        commit = json.loads(origin).get("vcs_info", {}).get("commit_id") if origin else None
    except (ValueError, AttributeError):
        commit = None
    return f"{distribution.version}+{commit}" if commit else distribution.version

"""Making a component again from what a stored run says of it, if the person here has vouched for that.

This is the one gate between data and code (docs/explanation/trust.md). What the component then does is not its concern.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from themis_vcs.catalog import registry
from themis_vcs.errors import UsageError
from themis_vcs.evaluation.component import component_id
from themis_vcs.pipeline.snapshot import recipe_name
from themis_vcs.store.view import View


def remade(view: View, recipe: Mapping[str, Any], directory: str | None, *, trust_code: bool = False) -> Any:
    """The component of a recipe. ThemisError if it is not trusted here, or cannot be made.

    Somebody's own code is made if a person of this store has named it before, or with `trust_code`. Only for the former
    is the directory that the run names put on the import path: that of a stranger may be anything.
    """
    known = view.local(recipe_name(recipe, directory)) is not None
    if known and directory and directory not in sys.path:
        sys.path.append(directory)
    return _make(recipe, trust_code or known)


def _make(recipe: Mapping[str, Any], trusted: bool) -> Any:
    target = recipe["target"]
    if not target:
        raise UsageError("it was an object of the experiment's own process and cannot be made again from a name")
    if not trusted and not target.startswith("builtin/"):
        raise UsageError(
            f"{target} is somebody's code, and no experiment has named it in this store",
            hint="read that code, then say --trust-code",
        )
    if not trusted and "api_key" in recipe["config"]:
        raise UsageError(
            f"{target} would send a secret of yours to {recipe['config'].get('base_url')}, which no experiment in this"
            " store has named",
            hint="read its configuration with `themis show`, then say --trust-code",
        )
    component = registry.resolve(recipe["role"], target, recipe["config"] or None)
    if component_id(component) != recipe["id"]:
        raise UsageError(f"{target} is now called {component_id(component)}")
    return component

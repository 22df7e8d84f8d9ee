"""The surroundings of a run, captured when it is recorded: versions, platform, installed packages, source revision."""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from themis_vcs.store.repository import user_at_host


def capture(directory: Path | None = None) -> dict[str, Any]:
    """Plain data about this process. `directory` is where the experiment's code lies, by default the working one."""
    return {
        "themis": version(),
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
        "packages": packages(),
        "git": git_state(directory or Path.cwd()),
        "host": socket.gethostname(),
        "executable": sys.executable,
    }


@functools.cache
def version() -> str:
    """The version of themis that is installed; "unknown" when it runs from a folder that is not installed."""
    try:
        return metadata.version("themis-vcs")
    except metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def packages() -> dict[str, str]:
    """Name and version of every installed distribution."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        name = each.metadata["Name"]
        if name:
            found.setdefault(name.lower(), each.version or "")
    return dict(sorted(found.items()))


def git_state(directory: Path) -> dict[str, Any] | None:
    """Commit of the work tree that holds `directory` and whether it had uncommitted changes; None outside of git."""
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": bool(status is None or status.strip())}


def who() -> str:
    """The person as the reflog names them: THEMIS_USER, else user@host."""
    return os.environ.get("THEMIS_USER") or user_at_host()


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None

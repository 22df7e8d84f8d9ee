"""The surroundings of a run, captured when it is recorded: versions, platform, installed packages, source revision."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

from themis_vcs.store.repository import user_at_host

_SECONDS = 10
_CHUNK = 1 << 16


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
    """Commit of the work tree that holds `directory` and whether it had uncommitted changes; None outside of git.

    Of the changes of tracked files, `diff` is a hash, if it can be had in some seconds; their content is not kept.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(directory, "status", "--porcelain", "--untracked-files=no")
    state: dict[str, Any] = {"commit": commit.strip(), "dirty": bool(status is None or status.strip())}
    diff = _diff(directory) if state["dirty"] else None
    return state if diff is None else {**state, "diff": diff}


def who() -> str:
    """The person as the reflog names them: THEMIS_USER, else user@host."""
    return os.environ.get("THEMIS_USER") or user_at_host()


def _diff(directory: Path) -> str | None:
    """SHA-256 of the difference between the commit and the tracked files as they are."""
    command = ["git", "-C", str(directory), "diff-index", "-p", "--binary", "--full-index"]
    command += ["--no-ext-diff", "--no-textconv", "--no-color", "HEAD"]
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=_environment()
        ) as git:
            late = threading.Timer(_SECONDS, git.kill)
            late.start()
            try:
                assert git.stdout is not None
                digest = hashlib.sha256()
                while chunk := git.stdout.read(_CHUNK):
                    digest.update(chunk)
            finally:
                late.cancel()
    except OSError:
        return None
    return digest.hexdigest() if git.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None

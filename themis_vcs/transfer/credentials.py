"""Secrets that a command of the person prints, which is how they stay out of files and of the environment."""

from __future__ import annotations

import shlex
import subprocess

from themis_vcs.errors import UsageError


def printed(command: str, what: str, seconds: float) -> bytes:
    """Return what a command prints within so many seconds; `what` messages call it. UsageError if it fails."""
    try:
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        kind = type(error).__name__
        why = f"exit status {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else kind
        raise UsageError(f"{what} failed: {why}", hint=f"run it by hand: {command}") from error
    return done.stdout

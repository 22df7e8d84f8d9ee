"""Running a command on a terminal of a given width, and taking down what it draws there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path


def on_terminal(
    command: Sequence[str], directory: Path, environ: Mapping[str, str], *, columns: int = 80
) -> tuple[int, str]:
    """(exit status, everything written) of a command whose three streams are a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, cwd=directory, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
    except OSError:
        pass  # Linux ends the reading of a terminal that nobody holds any more like this.
    finally:
        os.close(ours)
    return process.wait(timeout=60), written.decode()

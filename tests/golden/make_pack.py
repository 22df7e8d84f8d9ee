"""Writes `pack-1.pack` and, in `pack-1.json`, what is in it: `python -m tests.golden.make_pack`.

Only a new version of the format makes this necessary: what was once written must stay readable.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.packs import whole_pack

PACK = Path(__file__).parent / "pack-1.pack"
CONTENTS = Path(__file__).parent / "pack-1.json"


def main() -> None:
    data, contents = whole_pack()
    PACK.write_bytes(data)
    CONTENTS.write_text(json.dumps({oid.hex(): payload.hex() for oid, payload in contents.items()}, indent=0) + "\n")


if __name__ == "__main__":
    main()

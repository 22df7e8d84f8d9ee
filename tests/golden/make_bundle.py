"""Writes the parts of `bundle-1` and, in `bundle-1.json`, what is in them: `python -m tests.golden.make_bundle`.

Only a new version of the format makes this necessary: what was once written must stay readable.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.bundles import whole_bundle

BUNDLE = Path(__file__).parent / "bundle-1"
CONTENTS = BUNDLE.with_suffix(".json")


def main() -> None:
    whole = whole_bundle()
    for number, part in enumerate(whole.parts(split=True), start=1):
        BUNDLE.with_suffix(f".{number:03d}").write_bytes(part)
    refs = {name: oid.hex() for name, oid in whole.refs.items()}
    objects = {oid.hex(): payload.hex() for oid, payload in whole.contents.items()}
    CONTENTS.write_text(json.dumps({"refs": refs, "objects": objects}, indent=0) + "\n")


if __name__ == "__main__":
    main()

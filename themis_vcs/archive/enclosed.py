"""The files that every archive has from the package: the format pages, the reader, and README.txt.

An installed package has them beside this module (`force-include` in pyproject.toml), a checkout in `docs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from themis_vcs.archive.citation import Credits
from themis_vcs.archive.layout import FORMAT, READER
from themis_vcs.errors import StorageError

_HERE: Final = Path(__file__).parent / "enclosed"
_CHECKOUT: Final = Path(__file__).parents[2] / "docs"

_README: Final = """\
{title}
{line}

Results of language model evaluations, made by themis and archived by it.
{credits}
WHAT IS HERE

{runs}
Of each run, in the directory of its name in runs/:
  report.html    means and cases, for a browser
  report.csv     a row per case and metric, for a spreadsheet
  stages.jsonl   everything: cases, answers, parsed outputs, scores, judgments,
                 each with the receipt of how it was made
  audit.json     what an audit found when the archive was made
{attested}
runs.bundle      the same runs and those before them, for themis
format/          how all of this is written, to the byte; begin with
                 format/stage-bundle.md for stages.jsonl, and with
                 format/README.md for runs.bundle
read_archive.py  a program that reads stages.jsonl, in plain Python
ro-crate-metadata.json
                 what was made of what, when and by whom, for programs

IS IT WHOLE?

In the directory above this one, which has manifest-sha512.txt:

  sha512sum --quiet -c manifest-sha512.txt tagmanifest-sha512.txt

says nothing if no file was damaged. (This is a BagIt bag, RFC 8493.)

READING IT WITHOUT THEMIS

stages.jsonl is text: a JSON object in each line, "kind" says which.
  head      the run, its stages, and the components that worked in each
  case      a case of a dataset: "payload" has its input and what is expected
  record    what a component ("track") made of a case in a stage: "payload" has
            the value, "error" the reason where there is none
  dataset, input
            what else was known of datasets, and what else components were given
  end       the last line
Bytes are {{"$bytes": "00ff"}} and numbers that JSON has not {{"$float": "NaN"}}.

Every value, in the directory above this one, with nothing but Python 3:

  python3 data/read_archive.py .

With --means it prints the mean of every metric. One case, with grep:

  grep '"case_id":"CASE"' data/runs/*/stages.jsonl

READING IT WITH THEMIS

  pip install themis-vcs
  themis archive verify .
  themis archive restore . STORE
"""


_ATTESTED: Final = """\
  attestation.intoto.json
                 a signed in-toto statement of what the run was made from and
                 came to; `themis verify-attestation`, or any DSSE verifier
"""


def specification() -> Iterator[tuple[str, Path]]:
    """Yield the pages and schemas of the format, by name in an archive. StorageError if the package lacks them."""
    folder = _HERE / "format" if _HERE.is_dir() else _CHECKOUT / "reference" / "format"
    pages = sorted(each for each in folder.glob("*") if each.suffix in (".md", ".json"))
    if not pages:
        raise StorageError(f"{folder}: the pages of the format are missing", hint="install themis again")
    for page in pages:
        yield FORMAT + page.name, page
    yield READER, (_HERE if _HERE.is_dir() else _CHECKOUT / "examples") / "read_archive.py"


def readme(said: Credits, runs: dict[str, str], *, attested: bool) -> bytes:
    """Return README.txt; `runs` has a line about each run by label, `attested` says that each has an attestation."""
    authors = f"By {'; '.join(author.shown for author in said.authors)}.\n" if said.authors else ""
    license_ = f"Licence: {said.license}\n" if said.license else "No licence was given: ask before you use it.\n"
    about = f"\n{said.description}\n" if said.description else ""
    listed = "".join(f"runs/{label}\n  {line}\n" for label, line in runs.items())
    text = _README.format(
        title=said.title,
        line="=" * min(80, len(said.title)),
        credits=about + authors + license_,
        runs=listed,
        attested=_ATTESTED if attested else "",
    )
    return text.encode()

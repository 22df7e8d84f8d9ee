"""`themis import`: results of other stores, one command for each kind of file."""

from __future__ import annotations

import click

from themis_vcs.cli.command import Family
from themis_vcs.cli.commands import import_log, import_stage


@click.group(
    "import",
    cls=Family,
    short_help="Bring in stage bundles, and the logs of other tools.",
    examples=[
        ("Continue where somebody stopped", "themis import score theirs.bundle"),
        ("Judge what another tool has generated", "themis import inspect logs/arithmetic.eval"),
    ],
)
def command() -> None:
    """Bring results into the store that were made elsewhere.

    `generation`, `reduction`, `parse`, `score` and `evaluation` read what `themis export` wrote; the others read the
    logs of other tools, and make a run of each. What was imported is as good as what was made here: `replay`,
    `status`, `report`, `compare` and reuse make no difference.
    """


for each in (*import_stage.COMMANDS, *import_log.COMMANDS):
    command.add_command(each)

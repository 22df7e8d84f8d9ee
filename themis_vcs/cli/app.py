"""The command `themis`: its global options, and the table of commands."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from themis_vcs.cli.command import Group
from themis_vcs.cli.failure import exit_status
from themis_vcs.cli.output import Output
from themis_vcs.cli.session import Session

COMMANDS: Final = {
    "init": "Make a store.",
    "run": "Run an experiment; only what is not on record is executed.",
    "resume": "Finish a stored run without its experiment file.",
    "replay": "Redo a stage on stored results, and what follows from it.",
    "status": "Show the store and where every name stands.",
    "log": "Show how a name came to where it stands.",
    "show": "Show a run, or one case through all its stages.",
    "ls": "List names, stages, datasets or cases.",
    "cat": "Print one stored value.",
    "diff": "Compare two runs: flipped scores first.",
    "compare": "Say which run is better, by how much, and how sure that is.",
    "report": "Write a report of a run: means, failures, and a row per case and metric.",
    "tag": "Give a run a name for good, or list such names.",
    "key": "Make keys to sign with, and say whose signatures count.",
    "sign": "Vouch for where a name or a tag points.",
    "verify": "Say whether names and tags are where a trusted key says that they are.",
    "attest": "Write a signed statement of what a run was made from and came to.",
    "verify-attestation": "Say who has signed an attestation, and whether a run here is what it states.",
    "explain": "Say what a step was made from, and why it would be rebuilt.",
    "remote": "Name other stores, and look at them.",
    "push": "Send runs to another store.",
    "fetch": "Bring runs here, and leave our names where they are.",
    "pull": "Bring runs here, and move our names to them.",
    "clone": "Make a store with everything that another one has.",
    "ls-remote": "List the names and tags of another store.",
    "bundle": "Put runs into one file, and look at such files.",
    "archive": "Put runs on the shelf, readable without themis.",
    "export": "Write a run up to a stage into a file.",
    "import": "Bring in stage bundles, and the logs of other tools.",
    "config": "Show or change the settings of the store.",
    "serve": "Let others fetch from a store and push to it, over HTTP or ssh.",
    "audit": "Prove that a run is intact, explained, and repeatable here.",
    "fsck": "Check every object, tree and ref of the store.",
    "gc": "Delete what no name, tag or other ref reaches.",
    "forget": "Take a run away for good, with what only it holds.",
    "stats": "Say what the store holds, and what takes the space.",
}

EXAMPLES: Final = [
    ("Make a store and run an experiment", "themis init && themis run experiment.toml"),
    (
        "Edit the parser, then redo parsing and what changed after it",
        "themis replay experiment.toml --stage parse",
    ),
    ("What did that change?", "themis diff main@{1} main"),
    ("Look at one case", "themis show main case-17"),
]


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        ctx.ensure_object(Session).output.line("themis ", version("themis-vcs"))
        ctx.exit()


@click.group(
    cls=Group,
    lazy=COMMANDS,
    examples=EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def app() -> None:
    """Evaluate language models, store what every stage produced, and rebuild only what changed.

    An experiment is generate, reduce, parse, score and judge over the cases of one or more datasets. What a stage
    produced for a case is stored under the hash of all that it depends on, so nothing is computed twice. A line of runs
    has a name, like a branch. A revision names a run or a part of it: NAME, NAME@{1} (where it was before), NAME~2 (its
    parent's parent), a tag, the beginning of a run id, REV:STAGE, REV:STAGE/DATASET/CASE.
    """


def main() -> None:
    """Run the command line of this process, and exit."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    session = Session(Output(), isolated=True)
    sys.exit(exit_status(lambda: app.main(standalone_mode=False, obj=session, prog_name="themis"), session.output))

"""`themis resume`: finish a stored run without its experiment file."""

from __future__ import annotations

from typing import Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import execution_options, stage_option, with_concurrency
from themis_vcs.cli.session import Session


@click.command(
    "resume",
    cls=Command,
    short_help="Finish a stored run without its experiment file.",
    examples=[
        ("Go on after Ctrl-C or a power cut", "themis resume main"),
        ("Try the failed cases of an older run again", "themis resume main~2 --name retried"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option("--name", metavar="NAME", help="The line of runs to put the run on. Default: the one that REV is on.")
@stage_option("--until", "Stop after this stage: generate, reduce, parse, score or judge.", default="judge")
@click.option("--trust-code", is_flag=True, help="Import components that no experiment has named in this store.")
@execution_options
@click.pass_obj
def command(session: Session, /, revision: str | None, **options: Any) -> int:
    """Bring the stages of the stored run REV up to date, with the components that it was begun with.

    The components are made again from what the run recorded, their modules being looked for from the working directory
    on; one whose code has changed since is refused. The cases are those that the run stored. Exit status 3 says that
    some cases failed.
    """
    from themis_vcs.cli.execution import carry_out, show_plan
    from themis_vcs.pipeline.config import RuntimeConfig
    from themis_vcs.pipeline.stored import resume_async

    wanted: dict[str, Any] = {
        "name": options["name"],
        "until_stage": options["until"],
        "trust_code": options["trust_code"],
        "retry": options["retry"],
        "runtime": with_concurrency(RuntimeConfig(), options["concurrency"]),
    }
    if options["name"] is not None:
        from themis_vcs.model.refname import check

        check(f"names/{options['name']}")
    session.import_from_here()
    with session.reading() if options["dry_run"] else session.writing() as repository:
        named = session.revision(repository, revision)
        if options["dry_run"]:
            return show_plan(
                session.output,
                lambda: resume_async(repository, named, dry_run=True, **wanted),
                as_json=options["as_json"],
            )
        return carry_out(
            session.output,
            lambda observer: resume_async(repository, named, on_event=observer, **wanted),
            as_json=options["as_json"],
            again="the same command goes on from here",
        )

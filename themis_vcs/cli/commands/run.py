"""`themis run`: bring an experiment up to date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import execution_options, settings_option, stage_option, with_concurrency
from themis_vcs.cli.session import Session
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.pipeline.experiment import Experiment
    from themis_vcs.store.repository import Repository


@click.command(
    "run",
    cls=Command,
    short_help="Run an experiment; only what is not on record is executed.",
    examples=[
        ("Run an experiment, and again after any edit of it", "themis run experiment.toml"),
        (
            "Two more answers per case, on a line of its own",
            "themis run experiment.toml --name five --set generation.candidate_policy.num_samples=5",
        ),
        ("What would be executed, and why?", "themis run experiment.toml --dry-run"),
        ("Generate only; judge another day", "themis run experiment.toml --until generate"),
    ],
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@settings_option
@click.option(
    "--name",
    metavar="NAME",
    help="The line of runs to put the run on. Default: the experiment's name, else the file's.",
)
@stage_option("--until", "Stop after this stage: generate, reduce, parse, score or judge.", default="judge")
@click.option("--rerun", is_flag=True, help="Execute everything again; the same as --policy rerun.")
@click.option(
    "--policy",
    type=click.Choice(["auto", "error", "rerun"]),
    help="If this very run exists: continue it (auto), refuse, or execute everything again.",
)
@execution_options
@click.pass_obj
def command(session: Session, /, file: Path, settings: tuple[str, ...], **options: Any) -> int:
    """Run the experiment in FILE (.toml, .yaml, .json): bring every stage of every case up to date.

    A step is executed only if no step with the same key is on record: the same component code and options, params,
    inputs and seed. A case that fails stops no other, is recorded with its cause, and is tried again by the next run.
    Ctrl-C keeps everything that is finished. Exit status 3 says that some cases failed.
    """
    from themis_vcs.pipeline.configfile import load_experiment

    if options["rerun"] and options["policy"] not in (None, "rerun"):
        raise UsageError(f"--rerun and --policy {options['policy']} contradict each other")
    return _run(session, load_experiment(file, settings, options["name"]), options)


def _run(session: Session, experiment: Experiment, options: dict[str, Any]) -> int:
    import msgspec

    from themis_vcs.cli.execution import carry_out, show_plan
    from themis_vcs.model.refname import check

    check(f"names/{experiment.name}")
    runtime = with_concurrency(experiment.runtime, options["concurrency"])
    policy = "rerun" if options["rerun"] else options["policy"]
    if policy is not None:
        runtime = msgspec.structs.replace(runtime, existing_run_policy=policy)
    wanted = {"until_stage": options["until"], "runtime": runtime, "retry": options["retry"]}
    with store_of(session, experiment, readonly=options["dry_run"]) as store:
        wanted["store"] = store
        if options["dry_run"]:
            return show_plan(
                session.output,
                lambda: experiment.run_async(dry_run=True, **wanted),
                as_json=options["as_json"],
            )
        return carry_out(
            session.output,
            lambda observer: experiment.run_async(on_event=observer, **wanted),
            as_json=options["as_json"],
            again="the same command goes on from here",
        )


@contextmanager
def store_of(session: Session, experiment: Experiment, *, readonly: bool) -> Iterator[Repository]:
    """The store of an experiment: --store or THEMIS_DIR, else the one that the experiment names, else the nearest."""
    from themis_vcs.pipeline.stores import opened

    storage = experiment.storage
    configured = storage.store == "memory" or "path" in storage.parameters
    if configured and session.store is None and not os.environ.get("THEMIS_DIR"):
        with opened(None, storage) as repository:
            yield repository
    else:
        with session.reading() if readonly else session.writing() as repository:
            yield repository

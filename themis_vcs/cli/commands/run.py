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
        (
            "A run under each of two rubrics, generating once",
            "themis run experiment.toml --sweep --set evaluation.judge_config.rubric=@a.txt,@b.txt",
        ),
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
@click.option(
    "--sweep",
    is_flag=True,
    help="Make a run for every combination of the values that --set gives, separated by commas, each on its own line.",
)
@execution_options
@click.pass_obj
def command(session: Session, /, file: Path, settings: tuple[str, ...], **options: Any) -> int:
    """Run the experiment in FILE (.toml, .yaml, .json): bring every stage of every case up to date.

    A step is executed only if no step with the same key is on record: the same component code and options, params,
    inputs and seed. A case that fails stops no other, is recorded with its cause, and is tried again by the next run.
    Ctrl-C keeps everything that is finished. Exit status 3 says that some cases failed.

    With --sweep, `--set seeds=[1],[2]` makes two runs, on the lines NAME-1 and NAME-2. What does not depend on a swept
    setting is executed once. --json then prints one document per line.
    """
    from themis_vcs.pipeline.configfile import load_experiment

    if options["rerun"] and options["policy"] not in (None, "rerun"):
        raise UsageError(f"--rerun and --policy {options['policy']} contradict each other")
    if options["sweep"]:
        return _sweep(session, file, settings, options)
    return _run(session, load_experiment(file, settings, options["name"]), options)


def _sweep(session: Session, file: Path, settings: tuple[str, ...], options: dict[str, Any]) -> int:
    from dataclasses import replace

    from themis_vcs.cli.sweeping import Start, carry_out_all
    from themis_vcs.model.refname import check
    from themis_vcs.pipeline.configfile import load_experiment
    from themis_vcs.pipeline.sweep import combinations

    if options["dry_run"] or options["rerun"] or options["policy"] == "rerun":
        raise UsageError("--sweep goes with neither --dry-run nor --rerun", hint="say them of a run without --sweep")
    experiments = []
    for each in combinations(settings):
        experiment = load_experiment(file, each.settings, options["name"])
        experiments.append(replace(experiment, name=f"{experiment.name}-{each.label}"))
        check(f"names/{experiments[-1].name}")
    with store_of(session, experiments[0], readonly=False) as store:

        def start(experiment: Experiment) -> Start:
            wanted = _wanted(experiment, options)
            return lambda observer: experiment.run_async(on_event=observer, store=store, **wanted)

        return carry_out_all(session.output, map(start, experiments), as_json=options["as_json"])


def _wanted(experiment: Experiment, options: dict[str, Any]) -> dict[str, Any]:
    """How the options want an experiment to be run."""
    import msgspec

    runtime = with_concurrency(experiment.runtime, options["concurrency"])
    policy = "rerun" if options["rerun"] else options["policy"]
    if policy is not None:
        runtime = msgspec.structs.replace(runtime, existing_run_policy=policy)
    return {"until_stage": options["until"], "runtime": runtime, "retry": options["retry"]}


def _run(session: Session, experiment: Experiment, options: dict[str, Any]) -> int:
    from themis_vcs.cli.execution import carry_out, show_plan
    from themis_vcs.model.refname import check

    check(f"names/{experiment.name}")
    wanted = _wanted(experiment, options)
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

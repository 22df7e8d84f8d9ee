"""`themis replay`: redo a stage on stored results, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.commands.run import store_of
from themis_vcs.cli.options import (
    execution_options,
    is_experiment,
    settings_option,
    stage_option,
    with_concurrency,
)
from themis_vcs.cli.session import Session
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.model.objects import Snapshot
    from themis_vcs.pipeline.experiment import Experiment
    from themis_vcs.pipeline.result import RunResult

Start = Callable[..., Coroutine[Any, Any, "RunResult"]]


@click.command(
    "replay",
    cls=Command,
    short_help="Redo a stage on stored results, and what follows from it.",
    examples=[
        ("Parse again after an edit of the parser", "themis replay experiment.toml --stage parse"),
        (
            "Judge again under another rubric",
            "themis replay experiment.toml --stage judge --set evaluation.judge_config.rubric=@strict.txt",
        ),
        ("Draw every judgment three times", "themis replay main --stage judge --repeats 3"),
        ("What would be judged again, and why?", "themis replay main --stage judge --changed-only --dry-run"),
    ],
)
@click.argument("target", metavar="[REV|FILE]", required=False)
@stage_option("--stage", "The stage to redo: generate, reduce, parse, score or judge.", required=True)
@settings_option
@click.option(
    "--metric", "metrics", multiple=True, metavar="ID", help="Redo only this metric of the stage. Repeatable."
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="PATTERN",
    help="Redo only these cases, as in 'gsm8k/case-1*'. Repeatable.",
)
@click.option(
    "--changed-only",
    is_flag=True,
    help="Draw nothing again that is on record, also of nondeterministic components.",
)
@click.option("--fresh", is_flag=True, help="Execute the whole stage again.")
@click.option("--repeats", type=click.IntRange(min=1), metavar="N", help="Draws of each judgment, kept apart.")
@click.option(
    "--base",
    metavar="REV",
    help="With FILE: the run to start from. Default: the last of the experiment's name.",
)
@click.option("--name", metavar="NAME", help="The line of runs to put the result on.")
@click.option(
    "--trust-code",
    is_flag=True,
    help="With REV: import components that no experiment has named in this store.",
)
@execution_options
@click.pass_obj
def command(session: Session, /, target: str | None, **options: Any) -> int:
    """Redo one stage on stored results and bring what follows from it up to date. The stages before are frozen.

    With FILE, by the components of that experiment, which may differ from those of the run that it starts from, but on
    the cases of that run, also where the datasets have changed since; with REV, by the run's own components as their
    code is today. Components of the stages before are not even imported. In the stage itself, nondeterministic
    components, such as a judge behind an API, are drawn again; others run only where their code, options or inputs
    changed. The run before stays reachable as NAME@{1}.
    """
    if options["changed_only"] and options["fresh"]:
        raise UsageError("--changed-only and --fresh contradict each other")
    if options["name"] is not None:
        from themis_vcs.model.refname import check

        check(f"names/{options['name']}")
    if target is not None and is_experiment(target):
        return _replay_experiment(session, Path(target), options)
    return _replay_stored(session, target, options)


def _replay_experiment(session: Session, file: Path, options: dict[str, Any]) -> int:
    from themis_vcs.model.refname import check
    from themis_vcs.pipeline.configfile import load_experiment
    from themis_vcs.pipeline.stores import load_base

    if options["trust_code"]:
        raise UsageError("--trust-code is for a stored run", hint="the components of an experiment file are your own")
    experiment = load_experiment(file, options["settings"], options["name"], for_replay=True)
    check(f"names/{experiment.name}")
    with store_of(session, experiment, readonly=options["dry_run"]) as repository:
        _, stored = load_base(repository, experiment.name, options["base"])
        if experiment.datasets and not options["as_json"]:
            _note_other_cases(session, file, experiment, stored)
        wanted: dict[str, Any] = {
            "store": repository,
            "stage": options["stage"],
            "base": options["base"],
            "metric_ids": options["metrics"] or None,
            "cases": options["cases"] or None,
            "changed_only": options["changed_only"],
            "fresh": options["fresh"],
            "repeats": options["repeats"],
            "retry": options["retry"],
            "runtime": with_concurrency(experiment.runtime, options["concurrency"]),
        }
        return _finish(session, lambda **more: experiment.replay_async(**wanted, **more), options)


def _note_other_cases(session: Session, file: Path, experiment: Experiment, stored: Snapshot) -> None:
    from themis_vcs.pipeline.cases import same_cases

    if not same_cases(experiment.datasets, stored.identity):
        anew = f"`themis run {file}` takes the new ones"
        session.output.note(f"the datasets of {file} have changed since the run: its cases are replayed; {anew}")


def _replay_stored(session: Session, revision: str | None, options: dict[str, Any]) -> int:
    from themis_vcs.pipeline.config import RuntimeConfig
    from themis_vcs.pipeline.replay import Selection
    from themis_vcs.pipeline.stored import replay_stored_async

    for name in ("settings", "base"):
        if options[name]:
            flag = "--set" if name == "settings" else "--base"
            raise UsageError(f"{flag} goes with an experiment file", hint="give FILE instead of a revision")
    selection = Selection(
        options["stage"],
        options["metrics"] or None,
        options["cases"] or None,
        options["changed_only"],
        options["fresh"],
    )
    wanted: dict[str, Any] = {
        "name": options["name"],
        "repeats": options["repeats"],
        "trust_code": options["trust_code"],
        "retry": options["retry"],
        "runtime": with_concurrency(RuntimeConfig(), options["concurrency"]),
    }
    session.import_from_here()
    with session.reading() if options["dry_run"] else session.writing() as repository:
        named = session.revision(repository, revision)
        return _finish(
            session,
            lambda **more: replay_stored_async(repository, named, selection, **wanted, **more),
            options,
        )


def _finish(session: Session, start: Start, options: dict[str, Any]) -> int:
    from themis_vcs.cli.execution import carry_out, show_plan

    if options["dry_run"]:
        return show_plan(session.output, lambda: start(dry_run=True), as_json=options["as_json"])
    return carry_out(
        session.output,
        lambda observer: start(on_event=observer),
        as_json=options["as_json"],
        again="the same command with --changed-only goes on from here",
    )

"""`themis import inspect`, `lm-eval`, … `jsonl`: the logs of other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, bold, dim
from themis_vcs.cli.progress import Progress
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, short, size, status_color
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.cli.output import LiveLine
    from themis_vcs.handoff.foreign.log import Log
    from themis_vcs.handoff.foreign.record import Disagreement, Recorded
    from themis_vcs.store.repository import Repository

F = TypeVar("F", bound=Callable[..., Any])
PATH: Final = click.Path(path_type=Path)


def _shared(function: F) -> F:
    """The options of every importer."""
    for decorate in (
        json_option("Print what became of it as one JSON document, themis.import-log/1."),
        click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal."),
        click.option("--dry-run", is_flag=True, help="Read and check everything and say what it holds; store nothing."),
        click.option("--dataset", metavar="ID", help="What to call the dataset, where the log has one only."),
        click.option("--name", metavar="NAME", help="The line of runs to put it on; by default as the log is called."),
    ):
        function = decorate(function)
    return function


def bring_in(session: Session, logs: list[Log], options: dict[str, Any]) -> int:
    """Import logs one after the other and report each; 3 if a log does not agree with its own summary."""
    names: list[str | None] = [options["name"]] * len(logs)
    if options["name"] and len(logs) > 1:
        names = [f"{options['name']}/{each.name.rpartition('/')[2]}" for each in logs]
        if len(set(names)) < len(names):
            raise UsageError(f"--name is for one run, and these are {len(logs)}", hint="import them one by one")
    with session.reading() if options["dry_run"] else session.writing() as repository:
        recorded = [
            _bring_in(session.output, repository, log, name, options) for log, name in zip(logs, names, strict=True)
        ]
    if options["as_json"]:
        session.output.json({"schema": "themis.import-log/1", "logs": [_document(each) for each in recorded]})
    else:
        for each in recorded:
            _report(session.output, each)
    for each in recorded:
        for note in each.notes:
            session.output.note(note)
        for disagreement in each.disagreements:
            session.output.note(_disagreeing(each, disagreement))
    return 3 if any(each.disagreements for each in recorded) else 0


def _bring_in(output: Output, repository: Repository, log: Log, name: str | None, options: dict[str, Any]) -> Recorded:
    from themis_vcs.cli.output import LiveLine
    from themis_vcs.handoff.foreign.record import Options, record

    live = output.live() or (LiveLine(output) if options["progress"] else None)
    progress = Progress(live)
    try:
        wanted = Options(name=name, dry_run=options["dry_run"], reading=_reading(live), observer=progress)
        return record(repository, log, wanted)
    finally:
        progress.clear()


def _reading(live: LiveLine | None) -> Callable[[int, int], None]:
    def show(samples: int, amount: int) -> None:
        if live is not None:
            live.show_from(lambda now: f"reading {count(samples, 'sample')}  {size(amount)}")

    return show


def _document(recorded: Recorded) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins({**recorded.__dict__, "result": None})
    plain["result"] = recorded.result.document() if recorded.result else None
    return plain


def _report(output: Output, recorded: Recorded) -> None:
    status = recorded.result.status if recorded.result else None
    output.line(
        bold(recorded.name), f"  run {short(recorded.run_id)}", *(("  ", status_color(status)) if status else ())
    )
    output.line("  ", dim(f"{recorded.tool} {recorded.version}, {recorded.model}"))
    datasets = ", ".join(f"{name} {amount:,}" for name, amount in recorded.samples.items())
    failed = f", {recorded.failed:,} of them errors" if recorded.failed else ""
    output.line("  ", f"cases {datasets}; ", count(recorded.answers, "answer"), failed)
    if recorded.means:
        means = ", ".join(f"{name} {'—' if mean is None else f'{mean:.4g}'}" for name, mean in recorded.means.items())
        output.line("  ", means, hang=4)
    if recorded.agreed:
        output.line("  ", count(recorded.agreed, "mean"), f" of {recorded.tool}'s own summary found again")
    if recorded.outcome == "unchanged":
        output.line("all of it is here already")
    elif recorded.outcome == "dry run":
        output.line("nothing was stored")


def _disagreeing(recorded: Recorded, found: Disagreement) -> str:
    where = f" of {found.dataset}" if found.dataset else ""
    here = "no score" if found.found is None else repr(found.found)
    return f"{recorded.name}: {found.scorer}{where}: the tool's summary says {found.stated!r}, its samples have {here}"


@click.command(
    "jsonl",
    cls=Command,
    short_help="JSON Lines of any tool, by a map of fields.",
    examples=[
        (
            "Questions and answers of a tool of one's own",
            "themis import jsonl answers.jsonl --map case_id=id --map input=question --map output=reply.text",
        ),
        ("With a score, and what it is about", "themis import jsonl a.jsonl --map score.acc=ok --map metadata.topic=t"),
    ],
)
@click.argument("file", type=PATH)
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="FIELD=PATH",
    help="Where a field stands in a line: a.b.0, or the JSON pointer /a/b/0. Several with commas. Repeatable.",
)
@click.option("--model", metavar="NAME", default="unknown", help="Which model answered.")
@_shared
@click.pass_obj
def _jsonl(session: Session, /, file: Path, pairs: tuple[str, ...], model: str, **options: Any) -> int:
    """Make a run of FILE, with a JSON object on every line.

    The fields are case_id (by default the number of the line), input, output or error, outputs (a list, for several
    answers to each case), expected, metadata, metadata.NAME, score.NAME. A field that the map does not have is looked
    for under its own name.
    """
    from themis_vcs.handoff.foreign.jsonl import jsonl

    mapping: dict[str, str] = {}
    for pair in (each for given in pairs for each in given.split(",")):
        name, equals, where = pair.partition("=")
        if not equals or not where:
            raise UsageError(f"--map {pair}: expected FIELD=PATH", hint="as in --map input=question")
        mapping[name.strip()] = where.strip()
    return bring_in(session, [jsonl(file, mapping, dataset=options["dataset"], model=model)], options)


@click.command(
    "inspect",
    cls=Command,
    short_help="Logs of Inspect (inspect_ai).",
    examples=[("A log, with scores and judgments", "themis import inspect logs/task.eval")],
)
@click.argument("files", metavar="FILE...", type=PATH, nargs=-1, required=True)
@click.option(
    "--reader",
    type=click.Choice(["auto", "inspect-ai", "own"]),
    default="auto",
    show_default=True,
    help="Read with Inspect's own library, or without it. Auto takes the library where it is installed.",
)
@_shared
@click.pass_obj
def _inspect(session: Session, /, files: tuple[Path, ...], reader: str, **options: Any) -> int:
    """Make a run of every FILE, an .eval archive or a .json log.

    Epochs are samples of a case. Scores are numbers as Inspect counts them (C is 1, P one half, I and N 0); over
    several epochs, those of the reducer. A scorer that asked a model is in the judge stage, with prompt and answer.
    """
    from themis_vcs.handoff.foreign.inspect_files import has_library
    from themis_vcs.handoff.foreign.inspect_log import inspect_log

    library = has_library() if reader == "auto" else reader == "inspect-ai"
    logs = [inspect_log(file, dataset=options["dataset"], library=library) for file in files]
    return bring_in(session, logs, options)


@click.command(
    "lm-eval",
    cls=Command,
    short_help="Results of the LM Evaluation Harness.",
    examples=[("The newest results in a folder, all tasks", "themis import lm-eval results/my-model")],
)
@click.argument("paths", metavar="DIR|FILE...", type=PATH, nargs=-1, required=True)
@_shared
@click.pass_obj
def _lm_eval(session: Session, /, paths: tuple[Path, ...], **options: Any) -> int:
    """Make a run of what `lm_eval --log_samples --output_path DIR` wrote: of DIR its newest results, or of the files
    samples_TASK_DATE.jsonl that are given.

    Every task is a dataset, every metric a scorer; where a task has several filters, METRIC_FILTER.
    """
    from themis_vcs.handoff.foreign.lm_eval import lm_eval

    return bring_in(session, lm_eval(paths, dataset=options["dataset"]), options)


@click.command(
    "promptfoo",
    cls=Command,
    short_help="Results of promptfoo.",
    examples=[("A run for every prompt at every provider", "themis import promptfoo results.json")],
)
@click.argument("file", type=PATH)
@_shared
@click.pass_obj
def _promptfoo(session: Session, /, file: Path, **options: Any) -> int:
    """Make a run of every column of FILE, which `promptfoo eval -o FILE.json` wrote: of a prompt at a provider.

    The case is the test with its variables, so that columns can be compared. Scores are success, score, and the named
    ones.
    """
    from themis_vcs.handoff.foreign.promptfoo import promptfoo

    return bring_in(session, promptfoo(file, dataset=options["dataset"]), options)


@click.command(
    "openai-evals",
    cls=Command,
    short_help="Logs of OpenAI Evals.",
    examples=[("What oaieval recorded", "themis import openai-evals run.jsonl")],
)
@click.argument("file", type=PATH)
@_shared
@click.pass_obj
def _openai_evals(session: Session, /, file: Path, **options: Any) -> int:
    """Make a run of FILE, which `oaieval --record_path FILE` wrote.

    The first sampling of a sample is its answer; of a model-graded eval the last one is the judgment.
    """
    from themis_vcs.handoff.foreign.openai_evals import openai_evals

    return bring_in(session, [openai_evals(file, dataset=options["dataset"])], options)


@click.command(
    "themis-eval",
    cls=Command,
    short_help="Bundles of themis-eval.",
    examples=[
        ("The answers of a run", "themis import themis-eval generation.json"),
        ("Its answers and its judgments", "themis import themis-eval generation.json evaluation.json"),
    ],
)
@click.argument("files", metavar="FILE...", type=PATH, nargs=-1, required=True)
@_shared
@click.pass_obj
def _themis_eval(session: Session, /, files: tuple[Path, ...], **options: Any) -> int:
    """Make a run of a generation bundle that themis-eval exported, with the evaluation bundles of the same run.

    A case without an answer in the bundle is a failed case.
    """
    from themis_vcs.handoff.foreign.themis_eval import themis_eval

    return bring_in(session, [themis_eval(files, dataset=options["dataset"])], options)


COMMANDS: Final = [_inspect, _lm_eval, _promptfoo, _openai_evals, _themis_eval, _jsonl]

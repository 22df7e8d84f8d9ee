"""`themis compare`: whether one run is better than another, and how sure that is."""

from __future__ import annotations

from typing import Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option, limit_option
from themis_vcs.cli.session import Session


@click.command(
    "compare",
    cls=Command,
    reads=True,
    short_help="Say which run is better, by how much, and how sure that is.",
    examples=[
        ("Is the last run better than the one before?", "themis compare main@{1} main"),
        ("Two candidates, one metric, by subject", "themis compare small large huge --metric f1 --by metadata.subject"),
        ("The questions about one document belong together", "themis compare small large --cluster metadata.document"),
        ("How many cases would show a difference of one point?", "themis compare small large --power 0.01"),
        ("Do two draws of a judge agree?", "themis compare main@{1} main --agreement"),
        (
            "In a pipeline: end with 3 if it got worse",
            "themis compare released main --fail-if 'exact_match < base - 0.01'",
        ),
    ],
)
@click.argument("base", metavar="BASE")
@click.argument("candidates", metavar="CANDIDATE...", nargs=-1, required=True)
@click.option("--metric", "metrics", multiple=True, metavar="ID", help="Compare only this metric. Repeatable.")
@click.option("--by", metavar="FIELD", help="Figures for each value of a field too: dataset, or say metadata.subject.")
@click.option(
    "--cluster", metavar="FIELD", help="Cases with one value of this field, say metadata.document, are not independent."
)
@click.option(
    "--failed",
    type=click.Choice(["exclude", "zero"]),
    help="Whether cases without a score are left out or count as 0. Default: the setting analysis.failed.",
)
@click.option(
    "--power",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DIFF",
    help="Say how many cases would show a difference of DIFF.",
)
@click.option("--agreement", is_flag=True, help="Say how far the judges of the runs agree, and the draws of each.")
@click.option(
    "--fail-if",
    multiple=True,
    metavar="CONDITION",
    help="End with 3 if this holds for a candidate: METRIC < NUMBER, or METRIC < base - NUMBER. Repeatable.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="The seed of all resampling."
)
@limit_option(10, "Cases to name of each kind; 0 for all. --json names all.")
@json_option("Print one JSON document, themis.compare/1.")
@click.pass_obj
def command(
    session: Session, /, base: str, candidates: tuple[str, ...], limit: int, as_json: bool, **options: Any
) -> int:
    """Compare the scores of each CANDIDATE with those of BASE, case by case, where both runs have a metric.

    Cases are paired by dataset and id. For each metric there is the mean difference with its 95 % interval, a p-value,
    and the same corrected for all metrics and candidates (Holm); higher scores are taken to be better. Every figure
    says over how many cases it is, and how many have no score. `themis diff` lists the cases that differ.

    Conditions also take <=, >, >= and +. METRIC.low and METRIC.high stand for the ends of the interval:
    'f1.high < base' holds only if f1 is surely lower. It needs `pip install 'themis-vcs[stats]'`.
    """
    from themis_vcs.analysis.comparison.compare import compare
    from themis_vcs.cli.comparing import print_comparison

    with session.reading() as repository:
        found = compare(repository, base, candidates, **options)
    if as_json:
        session.output.json(found)
    else:
        print_comparison(session.output, found, limit)
    return FINDINGS if found.failing else OK

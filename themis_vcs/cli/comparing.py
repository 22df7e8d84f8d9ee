"""A comparison as text: for each candidate two tables, and a sentence for each metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from themis_vcs.analysis.comparison.document import Agreement, Candidate, Comparison, MetricComparison
from themis_vcs.analysis.side import Side
from themis_vcs.cli.output import Output, Part, bold, clip, colored, columns, dim
from themis_vcs.cli.wording import count, number, short, status_color

_LEVEL = 0.05
_FIGURES = 60
"""Columns that the figures take beside the name of a metric."""


def print_comparison(output: Output, found: Comparison, limit: int) -> None:
    """Print a comparison; `limit` cases of each kind are named, 0 for all."""
    _print_side(output, "base", found.base)
    for at, candidate in enumerate(found.candidates):
        _print_candidate(output, found, at, candidate, limit)
    for each in found.agreement:
        _print_agreement(output, found, each, limit)
    if found.fail_if:
        output.line()
    for verdict in found.fail_if:
        said = colored("fails", "red") if verdict.holds else colored("passes", "green")
        revision = found.candidates[verdict.candidate].run.revision
        output.line(said, f"  {verdict.condition}", dim(f"  {revision}: {verdict.reason}"), hang=8)


def _print_side(output: Output, what: str, side: Side) -> None:
    cases = count(side.cases, "case")
    line: list[Part] = [bold(what), f"  {side.revision}  {short(side.oid)}  ", status_color(side.status), f"  {cases}"]
    output.line(*line, hang=4)


def _print_candidate(output: Output, found: Comparison, at: int, candidate: Candidate, limit: int) -> None:
    output.line()
    _print_side(output, "candidate", candidate.run)
    if candidate.run.oid == found.base.oid:
        output.line("they are the same run")
    for keys, what in (
        (candidate.only_base, "only in the base"),
        (candidate.only_candidate, "only in the candidate"),
        (candidate.changed, "with another content, paired all the same"),
    ):
        if keys:
            output.line(colored(count(len(keys), "case"), "yellow"), f" {what}: ", _named(keys, limit), hang=4)
    for metrics, what in ((candidate.metrics_only_base, "base"), (candidate.metrics_only_candidate, "candidate")):
        if metrics:
            output.line(dim(f"metrics of the {what} alone: {', '.join(metrics)}"), hang=4)
    if candidate.alone:
        output.line(colored(count(candidate.alone, "case"), "yellow"), f" without {found.cluster}: each by itself")
    rows = [each for each in found.metrics if each.candidate == at]
    if not rows:
        output.line("they have no metric in common")
        return
    _print_tables(output, rows)
    _print_methods(output, found, rows)
    output.line()
    for each in rows:
        if each.part is None:
            output.line(*_sentence(found, each), hang=2)
            _print_other_states(output, each)


def _print_tables(output: Output, rows: Sequence[MetricComparison]) -> None:
    figures: list[list[Part]] = [["metric", "base", "candidate", "difference", "95 % interval", "p (Holm)"]]
    counts: list[list[Part]] = [["", "n", "failed", "wins", "losses", "ties", "effect", "p"]]
    for each in rows:
        name = _name(each, output.width - _FIGURES)
        interval = "" if each.interval is None else f"{_signed(each.interval[0])} to {_signed(each.interval[1])}"
        difference = "" if each.difference is None else _signed(each.difference)
        means = [_mean(each.base_mean), _mean(each.candidate_mean)]
        figures.append([name, *means, bold(difference), interval, _p(each.p_holm)])
        lacking = f"{each.base_failed:,}, {each.candidate_failed:,}"
        failed: Part = colored(lacking, "yellow") if each.base_failed or each.candidate_failed else "0"
        tallies = [f"{amount:,}" for amount in (each.wins, each.losses, each.ties)]
        counts.append([name, f"{each.n:,}", failed, *tallies, _effect(each), _p(each.p)])
    for table in (figures, counts):
        output.line()
        output.table(table, right=range(1, 8))


def _name(each: MetricComparison, room: int) -> str:
    return clip(each.metric, room) if each.part is None else "  " + clip(each.part, room - 2)


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _effect(each: MetricComparison) -> str:
    effect = each.effect
    if effect is None or effect.value is None:
        return ""
    return f"{effect.measure} {effect.value:+.2f}"


def _print_methods(output: Output, found: Comparison, rows: Iterable[MetricComparison]) -> None:
    """In what way the figures were made: each way once, with the metrics that it was for."""
    ways: dict[str, dict[str, None]] = {}
    for each in rows:
        if each.n:
            clusters = f", {each.clusters:,} clusters" if each.clusters and each.part is None else ""
            way = f"interval {each.interval_method}; test {each.test}{clusters}"
            ways.setdefault(way, {})[each.metric if each.part is None else f"parts of {each.metric}"] = None
    failed = "left out" if found.failed == "exclude" else "counted as 0"
    output.line()
    for way, metrics in ways.items():
        output.line(dim(f"{', '.join(metrics)}: {way}"), hang=4)
    resampled = f"{found.resamples:,} resamples, seed {found.seed}"
    output.line(dim(f"{resampled}; failed cases (of base, candidate) are {failed}"), hang=4)


def _sentence(found: Comparison, each: MetricComparison) -> Iterator[Part]:
    """What the figures of a metric mean, in words."""
    revision = found.candidates[each.candidate].run.revision
    if each.difference is None or each.p_holm is None:
        yield f"nothing to compare on {each.metric}: no case of {each.pairs:,} has a score in both"
        return
    p = f"p {'' if each.p_holm < 0.0001 else '= '}{_p(each.p_holm)} (Holm)"
    if each.p_holm < _LEVEL:
        better = each.difference > 0
        yield bold(revision)
        yield " is "
        yield colored("better" if better else "worse", "green" if better else "red")
        yield f" on {each.metric} by {abs(each.difference):.4f}{_size_span(each)}, {p}"
    elif not each.wins + each.losses:
        yield f"no difference on {each.metric}: {_all_cases(each.n)} the same score in both"
    else:
        span = "" if each.interval is None else f" [{each.interval[0]:.4f}, {each.interval[1]:.4f}]"
        yield f"no difference found on {each.metric}: {_signed(each.difference)}{span}, {p}"
        if each.detectable is not None:
            yield f"; smallest that {count(each.n, 'case')} could have shown: {number(each.detectable)}"
    if each.needed is not None:
        yield f"; {count(each.needed, 'case')} would show {number(found.needed_for)}"


def _print_other_states(output: Output, each: MetricComparison) -> None:
    """That a metric is not the same instrument in both runs, in lines of 80 columns at most."""
    if not each.other_states:
        return
    said = f"{clip(each.metric, 24)} is not measured alike in both runs; it may be that alone"
    output.line("  ", colored("note:", "yellow"), f" {said}", hang=4)
    for state in each.other_states:
        if state.base is None and state.candidate is None:
            output.line(dim("    settings differ: `themis diff` shows them"))
            continue
        sides = " → ".join("none" if side is None else _state(side) for side in (state.base, state.candidate))
        output.line(dim(f"    {state.role} {sides}"))


def _state(label: str) -> str:
    """A component as "id #code", clipped."""
    name, _, code = label.rpartition(" ")
    return f"{clip(name.rpartition(' ')[0], 18)} {code}"


def _all_cases(n: int) -> str:
    return "its case has" if n == 1 else f"all {n:,} cases have"


def _size_span(each: MetricComparison) -> str:
    """The interval of how much better or worse: of the size of the difference, not of its sign."""
    if each.interval is None or each.difference is None:
        return ""
    low, high = each.interval if each.difference > 0 else (-each.interval[1], -each.interval[0])
    return f" [{low:.4f}, {high:.4f}]"


def _named(keys: Sequence[str], limit: int) -> str:
    if limit == 0 or len(keys) <= limit:
        return ", ".join(keys)
    return f"{', '.join(keys[:limit])} and {len(keys) - limit:,} more"


def _print_agreement(output: Output, found: Comparison, each: Agreement, limit: int) -> None:
    runs = [found.base, *(candidate.run for candidate in found.candidates)]
    between = f"of {each.raters} draws of {runs[each.run].revision}"
    if each.models:
        between = f"of {', '.join(each.models)} in {runs[each.run].revision}"
    elif each.other is not None:
        between = f"of {runs[each.run].revision} and {runs[each.other].revision}"
    output.line()
    output.line(bold("agreement"), f" {between} on {each.metric}: ", _share(each), hang=4)
    if each.other_answers:
        output.line(
            "  ", colored(count(each.other_answers, "case"), "yellow"), " left out: the answers are not the same"
        )
    for name, plain, other, weighted in (
        ("Cohen's kappa", each.kappa, "weighted by squared distance", each.kappa_weighted),
        ("Krippendorff's alpha, nominal", each.alpha_nominal, "interval", each.alpha_interval),
    ):
        if plain is not None and weighted is not None:
            output.line(f"  {name} {plain:.3f}, {other} {weighted:.3f}")
    room = output.width - 4
    for flip in each.flipped if limit == 0 else each.flipped[:limit]:
        ratings = (", " if each.other is None else " → ").join(map(number, flip.ratings))
        output.line("  ", clip(flip.case, room - columns(ratings)), "  ", ratings)
    if limit and len(each.flipped) > limit:
        output.line("  ", dim(f"and {len(each.flipped) - limit:,} more; --limit 0 names all"))


def _share(each: Agreement) -> str:
    if not each.n:
        return "no case is rated twice"
    return f"{each.agreed:,} of {count(each.n, 'case')} ({each.agreed / each.n:.1%})"

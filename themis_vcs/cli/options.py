"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from themis_vcs.pipeline.config import RuntimeConfig

F = TypeVar("F", bound=Callable[..., Any])

STAGES: Final = ("generate", "reduce", "parse", "score", "judge")
EXPERIMENT_SUFFIXES: Final = frozenset({".toml", ".yaml", ".yml", ".json"})


def json_option(what: str = "Print one JSON document instead of text.") -> Callable[[F], F]:
    """`--json`, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=what)


def limit_option(default: int, what: str) -> Callable[[F], F]:
    """`--limit N`: how many of something are printed, 0 for all."""
    return click.option(
        "--limit", type=click.IntRange(min=0), default=default, show_default=True, metavar="N", help=what
    )


def wait_option(function: F) -> F:
    """`--wait SECONDS`: how long to wait for others who write."""
    return click.option(
        "--wait",
        type=click.FloatRange(min=0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait at most for others who write.",
    )(function)


def settings_option(function: F) -> F:
    """`--set a.b=c`, as the parameter `settings`."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help="Change a setting of the experiment, as in --set 'seeds=[7]'. Repeatable.",
    )(function)


def stage_option(name: str, what: str, **kwargs: Any) -> Callable[[F], F]:
    """An option that takes the name of a stage."""
    return click.option(name, type=click.Choice(STAGES), metavar="STAGE", help=what, **kwargs)


def execution_options(function: F) -> F:
    """What `run`, `resume` and `replay` have in common."""
    for decorate in (
        json_option("Print the result as one JSON document, themis.run/1."),
        click.option("--dry-run", is_flag=True, help="Say what would be executed and why; execute and store nothing."),
        click.option(
            "--concurrency",
            type=click.IntRange(min=1),
            metavar="N",
            help="Steps that may be in flight at once.",
        ),
        click.option(
            "--retry",
            type=click.Choice(["failed", "none"]),
            default="failed",
            show_default=True,
            help="Whether steps that failed before are tried again.",
        ),
    ):
        function = decorate(function)
    return function


def with_concurrency(runtime: RuntimeConfig, concurrency: int | None) -> RuntimeConfig:
    """The configuration with `--concurrency` in place of its own limit."""
    import msgspec

    if concurrency is None:
        return runtime
    return msgspec.structs.replace(runtime, max_concurrent_tasks=concurrency, stage_concurrency={})


def is_experiment(text: str) -> bool:
    """Whether an argument names an experiment file, not a revision."""
    return Path(text).suffix.lower() in EXPERIMENT_SUFFIXES

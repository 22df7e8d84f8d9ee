"""`themis config`: the settings of the store."""

from __future__ import annotations

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.session import Session
from themis_vcs.errors import NotFound, UsageError


@click.command(
    "config",
    cls=Command,
    short_help="Show or change the settings of the store.",
    examples=[
        ("What is set?", "themis config"),
        ("Where the token of a remote is", "themis config remote.origin.token-env TEAM_TOKEN"),
        ("Reuse only what was computed here", "themis config cache.trust local"),
        ("Take a setting away", "themis config --unset remote.origin.token-env"),
    ],
)
@click.argument("key", required=False)
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Take the setting KEY away.")
@json_option("Print what is set as one JSON document.")
@click.pass_obj
def command(session: Session, key: str | None, value: str | None, unset: bool, as_json: bool) -> None:
    """Set KEY to VALUE; without VALUE, print what it is; without KEY, print all that is set.

    The settings are in `config.toml` in the store, which may be edited. Credentials are not among them, only where to
    find them: an environment variable, a file, or a command.
    """
    from themis_vcs.store.editing import change

    settings = session.settings()
    found = dict(settings.items())
    if key is not None and (value is not None or unset):
        if value is not None and unset:
            raise UsageError("--unset takes no VALUE")
        if unset and key not in found:
            raise NotFound(f"{key} is not set", hint="`themis config` shows what is")
        change(settings, {key: value})
    elif key is not None:
        if key not in found:
            settings.check_key(key)
            raise NotFound(f"{key} is not set", hint=f"themis config {key} VALUE")
        session.output.json(found[key]) if as_json else session.output.line(_text(found[key]))
    elif as_json:
        session.output.json(found)
    else:
        for each, setting in found.items():
            session.output.line(each, " = ", _text(setting))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

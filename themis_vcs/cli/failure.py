"""From an exception to a message and an exit status: the one place where both are decided."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from themis_vcs.cli.output import Output
from themis_vcs.errors import ConfigurationError, Corrupt, ThemisError

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
FINDINGS: Final = 3
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
_OUTPUT_FAILS: Final = (errno.EPIPE, errno.ENOSPC)
"""What a write to stdout fails with; the files of a store have errors of their own."""


def exit_status(body: Callable[[], Any], output: Output) -> int:
    """Run `body` and return the exit status that its outcome stands for; what went wrong is reported on stderr.

    With `--json` among the arguments the report is one line of JSON, `themis.error/1`.
    """
    try:
        try:
            result = body()
            status = result if isinstance(result, int) else OK
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, OSError) and error.errno in _OUTPUT_FAILS:
                raise
            status = _reported(error, output)
        output.flush()
    except BrokenPipeError:
        return _silenced(PIPE_CLOSED)
    except OSError as error:
        output.error(f"the output cannot be written: {error.strerror}")
        return _silenced(FAILURE)
    return status


def _silenced(status: int) -> int:
    """Nobody takes what is left to be written: let Python's own flush at exit go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _reported(error: BaseException, output: Output) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            output.note("interrupted")
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            for line in error.format_message().split("\n"):
                output.note(line)
            return USAGE
        case click.ClickException():
            message = " ".join(error.format_message().split())
            return _report(output, "usage", message, _usage_hint(error), error.exit_code)
        case ThemisError():
            return _report(output, error.code, error.message, error.hint, error.exit_status, **_details(error))
        case _:
            return _unforeseen(error, output)


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` shows how it is used" if context is not None else None


def _details(error: ThemisError) -> dict[str, Any]:
    if isinstance(error, ConfigurationError):
        return {"problems": [{"path": path, "problem": what} for path, what in error.problems]}
    if isinstance(error, Corrupt):
        return {"oid": error.oid.hex() if error.oid is not None else None, "ref": error.ref}
    return {}


def _unforeseen(error: BaseException, output: Output) -> int:
    if os.environ.get("THEMIS_TRACEBACK"):
        import traceback

        for line in "".join(traceback.format_exception(error)).rstrip().split("\n"):
            output.note(line)
    hint = "this is not foreseen; THEMIS_TRACEBACK=1 shows where it happened"
    return _report(output, "unforeseen", f"{type(error).__name__}: {error}", hint, FAILURE)


def _report(output: Output, code: str, message: str, hint: str | None, status: int, **details: Any) -> int:
    if "--json" in sys.argv[1:]:
        document = {
            "schema": "themis.error/1",
            "code": code,
            "message": message,
            "hint": hint,
            "exit_status": status,
        }
        output.error_document({**document, **details})
    else:
        output.error(message, hint)
    return status

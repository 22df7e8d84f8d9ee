"""The exceptions that a component raises to say what kind of failure it met. Any other one is its own bug."""

from __future__ import annotations

from typing import Any

from themis_vcs.errors import DataError, ThemisError


class ComponentFailure(ThemisError):
    """A component could not do its work for this case.

    `category` groups failures in reports: "provider_failure", "parse_failure", "judge_parse_failure",
    "data_problem", "metric_failure", "missing_record" or one of your own. `retryable` asks for another try
    in the same run, not before `retry_after` seconds where that is set. `details` is plain data that is
    stored with the failed step.
    """

    code = "component-failure"
    category = "component_failure"

    def __init__(
        self,
        message: str,
        *,
        category: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.category = category or type(self).category
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = details or {}


class ParseError(ComponentFailure):
    """An answer that the parser cannot read."""

    category = "parse_failure"


class JudgeParseError(ComponentFailure):
    """A judge's answer that holds no verdict. It becomes a JudgeFailure, never a score."""

    category = "judge_parse_failure"


class WrongResult(DataError):
    """A component returned something that its role does not allow."""

    code = "wrong-result"
    category = "wrong_result"

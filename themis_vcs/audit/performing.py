"""What an auditor needs of whoever calls components for it: the receipt of a step goes in, canonical bytes come back.

The auditor cannot see components, nor what a run was made with; it hands over plain data and judges what comes back.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Ready(NamedTuple):
    """Whether the component of a track can be called here.

    `obstacle` says why not, and is "" if it can. With it, `excuse` is NOT_ASKED or NOT_REPEATABLE, or "" if it was
    asked for and cannot be had. What an `exact` one gives must be what is stored, bit for bit. `answers_stored` says
    that judge models are not asked: their stored answers are handed to the metric once more.
    """

    obstacle: str = ""
    excuse: str = ""
    exact: bool = True
    answers_stored: bool = False


class Call(NamedTuple):
    """One step to execute again. `inputs` are the bodies of value objects, by the name of what the track reads.

    `case` is the key of the case, `number` that of the sample or draw, `whole` the body of the case itself: what the
    component was shown of it is among its inputs. `recorded` is the body of the stored value.
    """

    stage: str
    track: str
    case: str
    number: int
    seed: int | None
    params: Any
    inputs: dict[str, list[dict[str, Any]]]
    whole: dict[str, Any] | None
    recorded: dict[str, Any] | None


class Outcome(NamedTuple):
    """What came of it: the bytes of a value object, or the category of a failure and what it said."""

    payload: bytes | None
    category: str = ""
    message: str = ""


class Performer(Protocol):
    """Calls components. It contains what they do: whatever they raise, and however long they take, is an outcome."""

    def prepare(self, stage: str, track: dict[str, Any], *, named: bool) -> Ready:
        """Whether the component of this track can be called; `named` allows one that may answer otherwise each time."""

    def fingerprint(self, recipe: dict[str, Any]) -> bytes | str:
        """The fingerprint of a component that is made here as a run says that it is made, or why there is none."""

    def perform(self, call: Call) -> Outcome:
        """Call the component of a track that was prepared and found ready."""

    def differences(self, then: Any, now: Any) -> list[str]:
        """The fields in which two pieces of plain data differ, some lines of bounded length."""


NOT_ASKED = "not asked for"
"""It may answer otherwise each time, and nobody named it; or it is not among what was named."""
NOT_REPEATABLE = "recorded, or made by another tool"
"""Nobody can have it called again."""

TIMEOUT = "timeout"
"""The category of a failure to answer in time, which proves nothing either way."""

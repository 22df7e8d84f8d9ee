"""Samples on their way into a store: kept in a temporary file, so that a log is read once and little is in memory.

What is kept is checked and redacted. What the parts mean is up to `playback` and `record`.
"""

from __future__ import annotations

import math
import os
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import msgspec

from themis_vcs.analysis.scores import Failure, case_score
from themis_vcs.errors import DataError, EncodingError
from themis_vcs.evaluation.dataset import Case, id_problem
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.evaluation.secrets import redacted
from themis_vcs.handoff.foreign.log import Sample, Scored
from themis_vcs.model.codec import pack
from themis_vcs.model.oid import oid_of
from themis_vcs.model.tree.casekey import case_key

T = TypeVar("T")
_PARTS = 3


class Answer(msgspec.Struct, frozen=True):
    """What the system under evaluation said, or the error in its place."""

    result: GenerationResult | None = None
    error: str | None = None


class Verdicts(msgspec.Struct, frozen=True):
    """What every scorer said of a sample."""

    scores: dict[str, Scored] = {}
    evaluations: dict[str, EvaluationExecution] = {}


class Tally:
    """The values that a scorer gave, by dataset, and how many of them a model's words stand behind."""

    def __init__(self) -> None:
        self.values: dict[str, array[float]] = {}
        self.judged = 0
        self.asked: set[str] = set()

    def mean(self, dataset: str) -> float | None:
        """The mean of a dataset, of all for ""; None without a value."""
        chosen = self.values.values() if not dataset else [self.values.get(dataset, array("d"))]
        amount = sum(map(len, chosen))
        return math.fsum(value for each in chosen for value in each) / amount if amount else None


class Spool(AbstractContextManager["Spool"]):
    """Samples by dataset and case, and what there is to know of all of them."""

    def __init__(self, width: int) -> None:
        """`width` is how many outputs a sample has."""
        self._file = tempfile.TemporaryFile(prefix="themis-import-")  # noqa: SIM115
        self._rows = array("Q")
        self._found: dict[bytes, int] = {}
        self._width, self._end = width, 0
        self.datasets: dict[str, array[int]] = {}
        self.tallies: dict[str, Tally] = {}
        self.answers = self.failed = 0

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """Bytes kept so far."""
        return self._end

    def add(self, sample: Sample) -> None:
        """Keep a sample. DataError names its place and what cannot be kept."""
        try:
            self._add(msgspec.convert(redacted(msgspec.to_builtins(sample, builtin_types=(bytes,))), Sample))
        except EncodingError as error:
            raise DataError(f"{sample.place}: {error.path.removeprefix('$.') or 'sample'}: {error.reason}") from None
        except UnicodeEncodeError:
            raise DataError(f"{sample.place}: sample: a lone surrogate, which is no text") from None

    def cases(self, dataset: str) -> Iterator[Case]:
        """The cases of a dataset in the order of the log."""
        for row in self.datasets[dataset]:
            yield self._read(row, 0, Case)

    def answers_to(self, dataset: str, case: str) -> list[Answer]:
        """What the system under evaluation said to a case, each time that it was asked."""
        return self._read(self._row(dataset, case), 1, list[Answer])

    def verdicts(self, dataset: str, case: str) -> Verdicts:
        """What the scorers said of a case."""
        return self._read(self._row(dataset, case), 2, Verdicts)

    def _add(self, sample: Sample) -> None:
        problem = id_problem(sample.case_id) or id_problem(sample.dataset_id)
        if problem:
            raise DataError(f"{sample.place}: id: {problem}")
        key = _key(sample.dataset_id, sample.case_id)
        if key in self._found:
            raise DataError(f"{sample.place}: id: {sample.case_id!r:.80} is there twice in {sample.dataset_id}")
        if len(sample.outputs) != self._width:
            raise DataError(f"{sample.place}: outputs: {len(sample.outputs)}, where the log has {self._width} a sample")
        answers = [Answer(error=each) if isinstance(each, str) else Answer(each) for each in sample.outputs]
        row = self._found[key] = len(self._found)
        self.datasets.setdefault(sample.dataset_id, array("Q")).append(row)
        for part in (
            Case(sample.case_id, sample.input, sample.expected_output, sample.metadata),
            answers,
            Verdicts(sample.scores, sample.evaluations),
        ):
            data = pack(part)
            self._file.write(data)
            self._rows.extend((self._end, len(data)))
            self._end += len(data)
        self.answers += len(answers)
        self.failed += sum(each.error is not None for each in answers)
        self._count(sample)

    def _count(self, sample: Sample) -> None:
        for scorer in {**sample.scores, **sample.evaluations}:
            tally = self.tallies.setdefault(scorer, Tally())
            evaluation = sample.evaluations.get(scorer)
            if evaluation is not None:
                tally.asked.update(call.judge_model_id for call in evaluation.judge_calls)
                score = case_score(evaluation)
                value = None if isinstance(score, Failure) else score
            else:
                value = sample.scores[scorer].value
            if value is not None:
                tally.values.setdefault(sample.dataset_id, array("d")).append(value)
                tally.judged += evaluation is not None

    def _row(self, dataset: str, case: str) -> int:
        return self._found[_key(dataset, case)]

    def _read(self, row: int, part: int, kind: type[T]) -> T:
        # A place in the file is not shared, so that any thread may read.
        self._file.flush()
        start = 2 * (_PARTS * row + part)
        offset, length = self._rows[start], self._rows[start + 1]
        return msgspec.msgpack.decode(os.pread(self._file.fileno(), length, offset), type=kind)


def _key(dataset: str, case: str) -> bytes:
    return oid_of(case_key(dataset, case).encode())[:16]

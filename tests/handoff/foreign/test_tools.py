"""What the logs that real tools wrote bring: every sample, with the means of the tool's own summary."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from themis_vcs import InMemoryRunStore
from themis_vcs.errors import DataError, FormatError, UsageError
from themis_vcs.handoff.foreign.inspect_log import inspect_log
from themis_vcs.handoff.foreign.lm_eval import lm_eval
from themis_vcs.handoff.foreign.log import Log, Sample
from themis_vcs.handoff.foreign.openai_evals import openai_evals
from themis_vcs.handoff.foreign.promptfoo import promptfoo
from themis_vcs.handoff.foreign.record import Options, Recorded, record

GOLDEN = Path(__file__).parents[2] / "golden" / "imports"
INSPECT = GOLDEN / "inspect"
PROMPTFOO = GOLDEN / "promptfoo" / "sums.json"


def take(given: Log) -> Recorded:
    store = InMemoryRunStore()
    return record(store.repository, given, Options())


def samples(given: Log) -> dict[str, Sample]:
    return {each.case_id: each for each in given.read()}


BOTH_READERS = pytest.mark.parametrize("library", [False, True], ids=["own reader", "inspect_ai"])


@BOTH_READERS
@pytest.mark.parametrize(
    ("file", "cases", "answers", "means"),
    [
        ("graded.eval", 3, 3, {"match": 2 / 3, "includes": 2 / 3, "model_graded_qa": 0.5}),
        ("graded.json", 3, 3, {"match": 2 / 3, "includes": 2 / 3, "model_graded_qa": 0.5}),
        ("epochs.eval", 2, 4, {"includes_mean": 0.5, "includes_max": 1.0}),
        ("choice.eval", 3, 3, {"choice": 1 / 3}),
        ("tools.eval", 1, 1, {"match": 1.0}),
        ("errored.eval", 3, 3, {"includes": 1.0}),
    ],
)
def test_an_inspect_log_has_the_means_of_its_summary(
    file: str, cases: int, answers: int, means: dict[str, float], library: bool
) -> None:
    recorded = take(inspect_log(INSPECT / file, library=library))
    assert (sum(recorded.samples.values()), recorded.answers) == (cases, answers)
    assert recorded.means == pytest.approx(means, abs=1e-12)
    assert (recorded.agreed, recorded.disagreements) == (len(means), [])
    assert recorded.result is not None
    assert {name: mean.mean for name, mean in recorded.result.metrics.items()} == pytest.approx(means, abs=1e-12)


def placeless(given: Log) -> list[Sample]:
    return [msgspec.structs.replace(each, place="") for each in given.read()]


@pytest.mark.parametrize("file", sorted(each.name for each in INSPECT.iterdir()))
def test_the_library_of_inspect_and_our_own_reader_give_the_same(file: str) -> None:
    own, theirs = (inspect_log(INSPECT / file, library=library) for library in (False, True))
    assert placeless(own) == placeless(theirs)
    for part in ("version", "model", "name", "files", "configuration", "created", "summary", "samples_each", "notes"):
        assert getattr(own, part) == getattr(theirs, part)
    assert take(own).run_id == take(theirs).run_id


def test_the_library_of_inspect_is_asked_for_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("themis_vcs.handoff.foreign.inspect_files.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="inspect_ai is not installed"):
        inspect_log(INSPECT / "tools.eval", library=True)


@BOTH_READERS
def test_a_log_of_another_tool_is_refused_by_its_fields(library: bool) -> None:
    with pytest.raises(DataError, match=r"sums\.json: eval: .*missing|sums\.json: record: .*`eval`") as caught:
        inspect_log(PROMPTFOO, library=library)
    assert "is this a log of that tool" in str(caught.value.hint)


def test_both_forms_of_an_inspect_log_hold_the_same() -> None:
    one, other = (samples(inspect_log(INSPECT / f"graded.{form}")) for form in ("eval", "json"))
    assert one.keys() == other.keys() == {"sky", "2", "long"}
    for case in one:
        for part in ("input", "expected_output", "metadata", "scores"):
            assert getattr(one[case], part) == getattr(other[case], part)


def test_a_judgment_of_inspect_is_what_was_asked_and_said_without_attachments() -> None:
    evaluation = samples(inspect_log(INSPECT / "graded.eval"))["2"].evaluations["model_graded_qa"]
    assert "[Submission]: It is 41." in evaluation.rendered_prompts[0].content
    assert evaluation.judge_responses[0].raw_response == "It fits.\n\nGRADE: I"
    assert (evaluation.parsed_judgments[0].label, evaluation.scores[0].value) == ("I", 0.0)


def test_a_conversation_with_tools_is_kept_whole() -> None:
    (answer,) = samples(inspect_log(INSPECT / "tools.eval"))["sum"].outputs
    assert not isinstance(answer, str)
    assert [each.role for each in answer.conversation] == ["user", "assistant", "tool", "assistant"]
    assert answer.conversation[1].content["tool_calls"][0]["arguments"] == {"x": 1, "y": 2}


def test_an_errored_sample_of_inspect_is_a_failed_answer() -> None:
    assert samples(inspect_log(INSPECT / "errored.eval"))["sky"].outputs == ["RuntimeError('the tool is down')"]


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an archive with other members, stored as they are."""
    from themis_vcs.handoff.foreign.archive import Archive

    with Archive(source) as archive:
        members = {name: archive.read(name) for name in archive.names}
    change(members)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return target


@BOTH_READERS
def test_a_killed_run_is_imported_as_far_as_it_got(tmp_path: Path, library: bool) -> None:
    def kill(members: dict[str, bytes]) -> None:
        for name in ("header.json", "reductions.json", "summaries.json", "samples/long_epoch_1.json"):
            del members[name]

    given = inspect_log(rewritten(INSPECT / "graded.eval", tmp_path / "killed.eval", kill), library=library)
    assert list(samples(given)) == ["sky", "2"]
    assert given.notes == [f"{tmp_path / 'killed.eval'}: its status is started; what is there is imported"]


def test_an_epoch_that_is_missing_is_a_failed_answer(tmp_path: Path) -> None:
    path = rewritten(
        INSPECT / "epochs.eval", tmp_path / "less.eval", lambda members: members.pop("samples/sky_epoch_2.json")
    )
    first, second = samples(inspect_log(path))["sky"].outputs
    assert not isinstance(first, str)
    assert second == "the log has no answer of this epoch"


def edited(name: str, **changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = json.dumps({**json.loads(members[name]), **changes}).encode()

    return change


def test_a_newer_version_of_the_format_is_refused(tmp_path: Path) -> None:
    path = rewritten(INSPECT / "tools.eval", tmp_path / "new.eval", edited("header.json", version=3))
    with pytest.raises(FormatError, match=r"new\.eval: version: 3; .* up to version 2"):
        inspect_log(path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"id": None}, "id: Expected"),
        ({"epoch": 7}, "epoch: 7 is there twice, or is none of 1"),
        ({"input": "attachment://nowhere"}, "attachments: 'nowhere' is referred to and missing"),
        ({"metadata": {"n": 2**70}}, "integer"),
    ],
)
def test_a_bad_sample_is_named_with_file_member_and_field(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    path = rewritten(INSPECT / "tools.eval", tmp_path / "bad.eval", edited("samples/sum_epoch_1.json", **changes))
    with pytest.raises(DataError, match=rf"bad\.eval: 'samples/sum_epoch_1\.json': .*{what}"):
        take(inspect_log(path))


def test_a_score_that_is_no_number_is_not_counted(tmp_path: Path) -> None:
    scores = {"match": {"value": float("nan")}}
    path = rewritten(INSPECT / "tools.eval", tmp_path / "nan.eval", edited("samples/sum_epoch_1.json", scores=scores))
    assert samples(inspect_log(path))["sum"].scores["match"].error == "not scored"


@BOTH_READERS
def test_an_archive_that_claims_to_be_larger_than_the_limit_is_refused(tmp_path: Path, library: bool) -> None:
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("header.json", b" " * 1000)
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 1 << 30)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"'header\.json': 1,073,741,824 bytes, over the limit"):
        inspect_log(path, library=library)


@BOTH_READERS
def test_a_member_that_is_longer_than_it_says_is_refused(tmp_path: Path, library: bool) -> None:
    path = tmp_path / "lies.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("header.json", b" " * 100_000)
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10)
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        inspect_log(path, library=library)


def test_every_column_of_promptfoo_is_a_run_on_the_same_cases() -> None:
    one, other = promptfoo(PROMPTFOO)
    assert (one.name, other.name) == ("sums/0", "sums/1")
    assert {case: sample.input for case, sample in samples(one).items()} == {
        case: sample.input for case, sample in samples(other).items()
    }
    first, second = take(one), take(other)
    assert first.means == {"success": 0.5, "score": 0.5625, "right": 0.5, "brief": 1.0, "length": 0.25}
    assert second.means == {"success": 0.0, "score": 0.375, "right": 0.5, "brief": 0.0, "length": 0.5}
    assert (first.agreed, second.agreed) == (5, 5)


def test_an_inspect_log_is_not_taken_for_a_newer_promptfoo() -> None:
    with pytest.raises(DataError, match=r"graded\.json: results\.version: missing"):
        promptfoo(INSPECT / "graded.json")


def test_another_version_of_promptfoo_is_refused(tmp_path: Path) -> None:
    data = json.loads(PROMPTFOO.read_bytes())
    data["results"]["version"] = 4
    (tmp_path / "new.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=r"new\.json: results\.version: 4"):
        promptfoo(tmp_path / "new.json")


DATE = "2026-11-24T05-08-54.010946"


def harness(folder: Path, lines: list[dict[str, Any]], accuracy: float) -> Path:
    """Files as lm-eval writes them, of one task."""
    folder.mkdir(exist_ok=True)
    results = {
        "results": {"letters": {"alias": "letters", "acc,none": accuracy, "acc_stderr,none": 0.1}},
        "configs": {"letters": {"metric_list": [{"metric": "acc", "aggregation": "mean"}]}},
        "versions": {"letters": 1.0},
        "lm_eval_version": "0.4.13",
        "model_name": "some/model",
    }
    (folder / f"results_{DATE}.json").write_text(json.dumps(results))
    (folder / f"samples_letters_{DATE}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


def choice(number: int, right: float) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {"question": "?"},
        "target": "0",
        "arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": " a"}, "gen_args_1": {"arg_0": "Q", "arg_1": " b"}},
        "resps": [[["-1.5", "True"]], [["-2.5", "False"]]],
        "filtered_resps": [["-1.5", "True"], ["-2.5", "False"]],
        "filter": "none",
        "metrics": ["acc"],
        "acc": right,
    }


def test_the_newest_results_of_lm_eval_are_taken_with_their_samples(tmp_path: Path) -> None:
    folder = harness(tmp_path / "out", [choice(0, 1.0), choice(1, 0.0), choice(2, 0.0)], 1 / 3)
    (folder / "results_2020-01-01T00-00-00.000000.json").write_text("{}")
    (given,) = lm_eval([folder])
    recorded = take(given)
    assert (recorded.model, recorded.samples, recorded.agreed) == ("some/model", {"letters": 3}, 1)


def test_tasks_with_other_metrics_are_runs_of_their_own(tmp_path: Path) -> None:
    folder = harness(tmp_path / "out", [choice(0, 1.0), choice(1, 0.0)], 0.5)
    document = json.loads((folder / f"results_{DATE}.json").read_text())
    document["results"]["pages"] = {
        "alias": "pages",
        "word_perplexity,none": 96.4,
        "word_perplexity_stderr,none": "N/A",
    }
    (folder / f"results_{DATE}.json").write_text(json.dumps(document))
    page = {**choice(0, 1.0), "metrics": ["word_perplexity"], "word_perplexity": [-12.5, 3]}
    (folder / f"samples_pages_{DATE}.jsonl").write_text(json.dumps(page) + "\n")
    found = {each.name: each for each in lm_eval([folder])}
    assert {name: list(take(each).means) for name, each in found.items()} == {"pages": [], "letters": ["acc"]}
    (note,) = found["pages"].notes
    assert note.endswith("word_perplexity: not scores of single samples, so they are not imported")


def test_samples_that_do_not_fit_the_results_of_lm_eval_are_found(tmp_path: Path) -> None:
    (given,) = lm_eval([harness(tmp_path / "out", [choice(0, 1.0), choice(1, 0.0)], 1.0)])
    (found,) = take(given).disagreements
    assert (found.scorer, found.dataset, found.stated, found.found) == ("acc", "letters", 1.0, 0.5)


def test_a_repeated_document_of_lm_eval_is_refused_with_its_line(tmp_path: Path) -> None:
    (given,) = lm_eval([harness(tmp_path / "out", [choice(0, 1.0), choice(0, 0.0)], 1.0)])
    with pytest.raises(DataError, match=r"letters_.*\.jsonl:2: id: '0' is there twice"):
        take(given)


def test_filters_of_lm_eval_are_put_together_by_document(tmp_path: Path) -> None:
    def filtered(number: int, name: str, right: float) -> dict[str, Any]:
        return {**choice(number, right), "filter": name}

    # Two processes took part, and each wrote all its filters.
    lines = [
        filtered(n, name, float(n == 2)) for part in ((0, 2), (1, 3)) for name in ("loose", "strict") for n in part
    ]
    lines[0]["acc"] = 1.0
    (given,) = lm_eval([harness(tmp_path / "out", lines, 0.0)])
    assert {each.case_id: {name: score.value for name, score in each.scores.items()} for each in given.read()} == {
        "0": {"acc_loose": 1.0, "acc_strict": 0.0},
        "2": {"acc_loose": 1.0, "acc_strict": 1.0},
        "1": {"acc_loose": 0.0, "acc_strict": 0.0},
        "3": {"acc_loose": 0.0, "acc_strict": 0.0},
    }
    (short,) = lm_eval([harness(tmp_path / "short", lines[:-1], 0.0)])
    with pytest.raises(DataError, match=r"jsonl:6: doc_id: filter 'strict' has not this document"):
        list(short.read())


def event(number: int, sample: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"run_id": "r", "event_id": number, "sample_id": sample, "type": kind, "data": data, "created_by": ""}


SPEC = {"spec": {"completion_fns": ["model-a", "grader-b"], "eval_name": "facts.val", "run_id": "r"}}


def recording(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return path


def test_the_events_of_openai_evals_are_gathered_by_sample(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "run.jsonl",
        SPEC,
        event(0, "facts.0", "sampling", prompt=[{"role": "user", "content": "1+1?"}], sampled=["2"]),
        event(1, "facts.1", "sampling", prompt="1+2?", sampled="4"),
        event(2, "facts.1", "match", correct=False, expected="3", picked=None),
        event(3, "facts.0", "match", correct=True, expected="2", picked="2"),
        {"final_report": {"accuracy": 0.5}},
    )
    given = openai_evals(path)
    recorded = take(given)
    assert (recorded.model, recorded.means, recorded.agreed) == ("model-a", {"accuracy": 0.5}, 1)
    answers = {case: sample.outputs[0] for case, sample in samples(given).items()}
    assert {case: getattr(answer, "final_output", None) for case, answer in answers.items()} == {
        "facts.0": "2",
        "facts.1": "4",
    }


@pytest.mark.parametrize(
    ("file", "answers", "means", "tokens"),
    [
        ("sums", ["4", "8", "12"], {"accuracy": 2 / 3}, (12, 3)),
        ("within", ["4", "8", "12"], {"accuracy": 2 / 3}, (12, 3)),
        ("facts", ["Paris, of course.", "12"], {"score": 0.5}, (7, 4)),
    ],
)
def test_a_log_of_openai_evals_has_the_means_of_its_report(
    file: str, answers: list[str], means: dict[str, float], tokens: tuple[int, int]
) -> None:
    given = openai_evals(GOLDEN / "openai-evals" / f"{file}.jsonl")
    found = [sample.outputs[0] for _, sample in sorted(samples(given).items())]
    results = [each for each in found if not isinstance(each, str)]
    assert [each.final_output for each in results] == answers
    usage = [each.token_usage or {} for each in results]
    assert tuple(sum(each[kind] for each in usage) for kind in ("prompt_tokens", "completion_tokens")) == tokens
    recorded = take(given)
    assert recorded.means == pytest.approx(means, abs=1e-12)
    assert (recorded.agreed, recorded.disagreements) == (1, [])


def test_the_grader_of_a_log_of_openai_evals_is_a_judge_with_its_words() -> None:
    evaluation = samples(openai_evals(GOLDEN / "openai-evals" / "facts.jsonl"))["facts.dev.1"].evaluations["score"]
    assert "[Submission]: 12\n" in evaluation.rendered_prompts[0].content
    assert (evaluation.judge_responses[0].raw_response, evaluation.scores[0].value) == ("It does not.\n\nN", 0.0)


def test_a_model_graded_eval_has_the_words_of_its_grader(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "run.jsonl",
        SPEC,
        event(0, "facts.0", "sampling", prompt="1+1?", sampled=["2"]),
        event(1, "facts.0", "sampling", prompt=[{"role": "user", "content": "Right?"}], sampled=["Yes"]),
        event(2, "facts.0", "metrics", choice="Yes", score=1.0),
        {"final_report": {"score": 1.0, "counts/Yes": 1}},
    )
    recorded = take(openai_evals(path))
    assert (recorded.judged, recorded.agreed) == (["score"], 1)
    evaluation = samples(openai_evals(path))["facts.0"].evaluations["score"]
    assert evaluation.judge_calls[0].judge_model_id == "grader-b"
    assert (evaluation.rendered_prompts[0].content, evaluation.judge_responses[0].raw_response) == ("Right?", "Yes")


def by_library(path: Path) -> Log:
    return inspect_log(path, library=True)


@pytest.mark.parametrize("reader", [inspect_log, by_library, promptfoo, openai_evals])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b"PK\x03\x04", b"[" * 100_000])
def test_a_file_of_something_else_is_refused_by_its_name(
    tmp_path: Path, reader: Callable[[Path], Any], content: bytes
) -> None:
    for suffix in (".json", ".eval", ".jsonl"):
        path = tmp_path / f"other{suffix}"
        path.write_bytes(content)
        with pytest.raises((DataError, FormatError), match="other"):
            reader(path)


def test_a_copy_under_another_name_is_the_same_run(tmp_path: Path) -> None:
    shutil.copy(INSPECT / "tools.eval", tmp_path / "copy.eval")
    assert take(inspect_log(INSPECT / "tools.eval")).run_id == take(inspect_log(tmp_path / "copy.eval")).run_id

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commandline import HOSTILE, Project, call, make_project

STAGES = ["generate", "reduce", "parse", "score", "judge"]
CONTROLS = set("\x1b\x07\x9b\u202e\U000e0041\r")


def rows(finished: Project, *arguments: str) -> list[Any]:
    return finished.here(*arguments, "--json").rows


def test_status_shows_the_store_and_every_name(finished: Project) -> None:
    document = finished.here("status", "--json").document
    assert document["store"] == str(finished.path / ".themis")
    assert (document["runs"], document["tags"]) == (2, 0)
    (name,) = document["names"]
    assert (name["name"], name["status"], name["failed"]) == ("main", "completed_with_failures", {"generate": 1})
    means = name["metrics"]["exact_match"]
    assert (means["mean"], means["count"], means["failed"]) == (pytest.approx(7 / 9), 9, 1)
    text = finished.here("status").out
    assert "main  run " in text
    assert "  exact_match 0.778 (n 9, 1 failed), f1 0.778 (n 9, 1 failed), llm_rubric " in text
    assert "failed: generate 1" in text


def test_log_says_what_changed_and_how_much_was_reused(finished: Project) -> None:
    newest, oldest = rows(finished, "log")
    assert newest["parents"] == [oldest["oid"]]
    assert [newest["reason"], oldest["reason"]] == ["replay parse", "run"]
    assert [run["metrics"]["exact_match"]["mean"] for run in (newest, oldest)] == [
        pytest.approx(7 / 9),
        pytest.approx(8 / 9),
    ]
    assert [change["path"] for change in newest["changes"]["configuration"]] == ["parse.parser"]
    assert newest["work"]["parse"] == {"built": 9, "reused": 0, "failed": 0}
    assert list(newest["work"]) == STAGES  # type: ignore[call-overload]
    text = finished.here("log", "main").out
    assert "(main)" in text.splitlines()[0]
    assert "    replay parse" in text
    assert "Means:  exact_match 0.778 (n 9, 1 failed), " in text
    assert "    ~ parse.parser: " in text
    assert "    parse     9 built, 0 reused" in text


def test_log_in_one_line_per_run_and_up_to_a_number(finished: Project) -> None:
    assert len(finished.here("log", "--oneline").out.splitlines()) == 2
    assert len(rows(finished, "log", "-n", "1")) == 1


def test_show_a_run(finished: Project) -> None:
    document = finished.here("show", "--json").document
    assert (document["cases"], document["datasets"]) == (10, {"sums": 10})
    assert [track["track"] for track in document["tracks"]][-3:] == ["exact_match", "f1", "llm_rubric"]
    assert document["metrics"]["exact_match"]["failed"] == 1
    text = finished.here("show", "main").out
    assert document["run_id"] in text
    assert "reduce    passthrough" in text


def test_show_a_case_through_all_stages_with_the_judge(finished: Project) -> None:
    for arguments in (("show", "main", "c3"), ("show", "main:judge/sums/c3"), ("show", "main", "sums/c3")):
        text = finished.here(*arguments).out
        headings = [line.split()[0] for line in text.splitlines() if line.strip() and line.split()[0] in STAGES]
        assert list(dict.fromkeys(headings)) == STAGES
        assert "prompt to demo_judge" in text
        assert "Is it right?" in text
        assert '"rationale"' in text
        assert "verdict" in text
    view = finished.here("show", "main", "c3", "--json").document
    assert view["case"]["input"] == "3+3"
    (judged,) = view["stages"]["judge"]
    assert judged["value"]["rendered_prompts"][0]["content"].count("3+3") == 1
    (generated,) = view["stages"]["generate"]
    assert generated["observations"]["latency_ms"] == 1500.0


def test_show_where_a_case_failed_and_what_waits_for_it(finished: Project) -> None:
    text = finished.here("show", "main", "broken").out
    assert "generate  mine:answer [0]  failed: component_failure" in text
    assert "RuntimeError: the model is down" in text
    assert text.count("not run: its input is missing") == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "main", "hostile"),
        ("show", "main", "broken"),
        ("ls", "main:generate/sums"),
        ("ls", "main:generate", "--failed"),
        ("cat", "main:generate/sums/hostile"),
        ("cat", "main:generate/sums/broken"),
        ("explain", "main:generate/hostile"),
        ("explain", "main:generate/broken"),
        ("show", "main", HOSTILE),
        ("show", HOSTILE),
        (HOSTILE,),
        ("ls", "main", f"--{HOSTILE}"),
    ],
)
@pytest.mark.parametrize("json_flag", [(), ("--json",)])
def test_nothing_that_was_written_elsewhere_reaches_the_terminal_as_it_is(
    finished: Project, arguments: tuple[str, ...], json_flag: tuple[str, ...]
) -> None:
    done = finished.here(*arguments, *json_flag)
    assert not CONTROLS & set(done.out + done.err)
    assert not any(line.startswith("error: not ours") for line in (done.out + done.err).splitlines())


def test_hostile_text_comes_back_exact_from_json(finished: Project) -> None:
    assert finished.here("cat", "main:generate/sums/hostile").document["final_output"] == HOSTILE


def test_ls_goes_from_names_to_cases(finished: Project) -> None:
    assert [row["ref"] for row in rows(finished, "ls")] == ["names/main"]
    assert [row["stage"] for row in rows(finished, "ls", "main")] == [*STAGES[:3], "score", "score", "judge"]
    assert [row["track"] for row in rows(finished, "ls", "main:score")] == ["exact_match", "f1"]
    dataset = rows(finished, "ls", "main:judge")[0]
    assert (dataset["dataset"], dataset["cases"], dataset["values"], dataset["blocked"]) == ("sums", 10, 9, 1)
    cases = rows(finished, "ls", "main:parse/sums")
    assert len(cases) == 10
    assert {"key": "sums/c7", "outcome": "ok", "excerpt": '"41"'}.items() <= cases[8].items()
    assert [row["key"] for row in rows(finished, "ls", "main:generate/sums/c3")] == ["sums/c3/0"]


def test_ls_has_the_order_of_the_keys(tmp_path: Path) -> None:
    project = make_project(tmp_path, cases=11)
    assert project("init").status == 0
    assert project("run", "main.toml", "--until", "generate").status == 3
    keys = [row["key"] for row in rows(project, "ls", "main:generate/sums")]
    assert keys == sorted(keys)
    assert "q10 comes before q2" in " ".join(project("ls", "--help").out.split())


def test_ls_of_what_failed(finished: Project) -> None:
    (failed,) = rows(finished, "ls", "main:generate", "--failed")
    assert (failed["key"], failed["outcome"]) == ("sums/broken/0", "failed")
    (blocked,) = rows(finished, "ls", "main:parse/sums", "--failed")
    assert (blocked["key"], blocked["outcome"]) == ("sums/broken", "blocked")


def test_ls_fits_its_lines_into_the_terminal(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for revision in ("main:generate/sums", "main:judge/sums", "main"):
        assert max(map(len, finished.here("ls", revision).out.splitlines())) <= 80


def test_cat_prints_one_value(finished: Project) -> None:
    assert finished.here("cat", "main:parse/sums/c7").document == {"value": "41"}
    assert finished.here("cat", "main:parse/c7").document == {"value": "41"}
    score = finished.here("cat", "main:score/c7", "--component", "exact_match").document
    assert score == {"metric_id": "exact_match", "value": 0.0}


def test_cat_by_object_id(finished: Project) -> None:
    oid = rows(finished, "ls", "main:parse/sums/c7")[0]["value_oid"]
    assert finished.here("cat", str(oid)[:12]).document == {"value": "41"}
    step = finished.here("explain", "main:parse/c7", "--json").document["steps"][0]["step"]
    body = finished.here("cat", step).document
    assert (body["kind"], body["stage"], body["value"]) == ("step", "parse", oid)


def test_cat_raw_writes_the_canonical_bytes(finished: Project) -> None:
    import msgspec

    from tests.support.commandline import COMMAND, environment, subprocess

    done = subprocess.run(
        [COMMAND, "cat", "--raw", "main:parse/c7"],
        cwd=finished.path,
        env=environment(),
        capture_output=True,
        check=True,
    )
    assert msgspec.msgpack.decode(done.stdout) == [1, "value", {"data": {"value": "41"}, "type": "parsed"}]


def test_diff_shows_flipped_scores_first(finished: Project) -> None:
    document = finished.here("diff", "main@{1}", "main", "--json").document
    assert [change["path"] for change in document["changes"]["configuration"]] == ["parse.parser"]
    flips = document["flipped"]
    assert {(flip["metric"], flip["case"], flip["old"], flip["new"]) for flip in flips[:2]} == {
        ("exact_match", "sums/c7", 1.0, 0.0),
        ("f1", "sums/c7", 1.0, 0.0),
    }
    assert [(step["key"], step["old"], step["new"]) for step in document["steps"]] == [("sums/c7", '"14"', '"41"')]
    exact = next(each for each in document["metrics"] if each["metric"] == "exact_match")
    assert (exact["higher"], exact["lower"]) == (0, 1)
    text = finished.here("diff", "main@{1}", "main").out
    assert text.index("configuration") < text.index("flipped scores") < text.index("other values of parse")
    assert "sums/c7  exact_match  1 → 0" in text


def test_diff_of_a_run_with_itself(finished: Project) -> None:
    assert "they are the same run" in finished.here("diff", "main", "main").out
    document = finished.here("diff", "main", "main", "--json").document
    assert (document["flipped"], document["changed"], document["steps"]) == ([], [], [])


def test_diff_tells_a_flipped_score_from_a_changed_one(project: Project) -> None:
    project.edit("mine.py", '.replace("14", "41")', '.replace("14", "14 or so")')
    assert project("replay", "main.toml", "--stage", "parse").status == 3
    text = project.here("diff", "main~2", "main").out
    flipped, changed = text.index("flipped scores"), text.index("changed scores")
    assert flipped < text.index("sums/c7  exact_match  1 → 0") < changed < text.index("sums/c7  f1  1 → 0.5")


def test_diff_says_of_how_many_cases_means_are_that_differ_in_that(project: Project) -> None:
    project.edit("mine.py", 'case.case_id == "broken"', 'case.case_id in ("broken", "hostile")')
    assert project("run", "main.toml").status == 3
    text = project.here("diff", "main@{1}", "main").out
    assert "exact_match: means over 9 and 8 cases with a score; `themis compare` pairs them" in text


def test_diff_says_that_the_runs_have_other_cases(project: Project) -> None:
    assert "means over" not in project.here("diff", "main@{1}", "main").out
    project.edit("sums.jsonl", '"case_id": "c3"', '"case_id": "new"')
    with (project.path / "sums.jsonl").open("a") as file:
        file.write('{"case_id": "newer", "input": "1+1", "expected_output": "2"}\n')
    assert project("run", "main.toml").status == 3
    assert "\nmeans over 10 and 11 cases; 9 in both\n" in project.here("diff", "main@{1}", "main").out


def test_explain_shows_the_receipt(finished: Project) -> None:
    (step,) = finished.here("explain", "main:parse/c7", "--json").document["steps"]
    assert [(each["name"], each["excerpt"]) for each in step["inputs"]] == [("reduce", '"14"')]
    assert {use["track"] for use in step["used_by"]} == {"exact_match", "f1", "llm_rubric"}
    text = finished.here("explain", "main:parse/c7").out
    for field in ("key", "component", "fingerprint", "params", "input", "seed", "value", "used by"):
        assert any(line.startswith(field) for line in text.splitlines())


def test_explain_says_why_a_step_would_be_rebuilt(project: Project) -> None:
    def now(revision: str) -> dict[str, object]:
        done = project("explain", revision, "--experiment", "main.toml", "--component", "exact_match", "--json")
        verdict: dict[str, object] = done.document["now"][0]
        return verdict

    assert now("main:score/c7")["outcome"] == "reused"
    project.edit("mine.py", ".strip()", ".strip().lower()")
    verdict = now("main:score/c7")
    assert verdict["outcome"] == "undecided"
    assert [(each["stage"], each["reasons"][0]["kind"]) for each in verdict["waits_for"]] == [  # type: ignore[index, attr-defined]
        ("parse", "code changed")
    ]
    project.edit("main.toml", '"builtin/exact_match", ', "")
    assert now("main:score/c7")["outcome"] == "gone"
    text = project("explain", "main:parse/c7", "--experiment", "main.toml").out
    assert "now          rebuilt" in text
    assert "  code changed: mine:tidy  #" in text


def test_fsck_finds_nothing_wrong(finished: Project) -> None:
    done = finished.here("fsck", "--json")
    assert (done.status, done.document["damaged"], done.document["findings"]) == (0, False, [])
    assert finished.here("fsck").out.endswith(": nothing wrong\n")


def test_stats_counts_what_is_there(finished: Project) -> None:
    document = finished.here("stats", "--json").document
    assert document["kinds"]["run"]["objects"] == 2
    assert document["objects"] == finished.here("status", "--json").document["objects"]
    assert document["refs"]["names"] == 1
    lines = [line.split() for line in finished.here("stats").out.splitlines()]
    assert lines[0] == ["what", "objects", "payload", "on", "disk"]
    assert ["all", f"{document['objects']:,}"] in [line[:2] for line in lines]
    parts, reached = document["usage"]["parts"], document["usage"]["reached"]
    assert parts["step generate"]["objects"] > 0
    assert sum(each["objects"] for each in reached) == sum(part["objects"] for part in parts.values())
    assert [each["by"] for each in reached] == ["names/main", "other refs", "reflogs alone", "nothing"]


def test_a_tag_stays_where_it_was_put(project: Project) -> None:
    before = project.here("show", "main~1", "--json").document["oid"]
    assert project("tag", "paper/v1", "main~1", "-m", f"first\n{HOSTILE}").status == 0
    (row,) = rows(project, "tag")
    assert (row["ref"], row["target"], str(row["message"]).split("\n")[0]) == ("tags/paper/v1", before, "first")
    listed = project.here("tag")
    assert not CONTROLS & set(listed.out)
    assert project.here("show", "paper/v1", "--json").document["oid"] == before
    assert "(main, tag: now)" not in project.here("log").out
    assert project("tag", "now").status == 0
    assert "(main, tag: now)" in project.here("log").out
    assert project("tag", "-d", "now").status == 0
    assert [row["ref"] for row in rows(project, "tag")] == ["tags/paper/v1"]


def test_a_tag_is_given_once(project: Project) -> None:
    assert project("tag", "v1").status == 0
    done = project("tag", "v1")
    assert done.status == 2
    assert "themis tag -d v1" in done.err


def test_a_tag_cannot_have_the_name_of_a_line_of_runs(project: Project) -> None:
    done = project("tag", "main")
    assert (done.status, "ambiguous" in done.err, "take another name" in done.err) == (2, True, True)


def test_a_line_of_runs_cannot_have_the_name_of_a_tag(project: Project) -> None:
    assert project("tag", "v1").status == 0
    done = project("run", "main.toml", "--name", "v1")
    assert (done.status, "ambiguous" in done.err, "themis tag -d v1" in done.err) == (2, True, True)


def test_a_tag_as_json_is_the_row_of_the_listing(project: Project) -> None:
    given = project("tag", "v1", "-m", "first", "--json").document
    assert (given["ref"], given["message"]) == ("tags/v1", "first")
    assert rows(project, "tag") == [given]
    assert project("tag", "-d", "v1", "--json").document == given


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("lgo",), 2, "did you mean log?"),
        (("frobnicate",), 2, "lists the commands"),
        (("log", "--onelin"), 2, "--oneline"),
        (("log", "mian"), 11, "did you mean main?"),
        (("log", "main", "-n", "0"), 2, "not in the range"),
        (("log", "a b"), 2, "is not a revision"),
        (("log", "main~9"), 11, "has only 1 run before it"),
        (("show", "main@{9}"), 11, "has made only 2 moves"),
        (("show", "main", "c33"), 11, "did you mean c3"),
        (("show", "ffffffff"), 11, "no name, tag, run or object"),
        (("ls", "main:prase"), 2, "did you mean parse?"),
        (
            ("ls", "main:parse/smus"),
            11,
            "no dataset 'smus' in this run\nhint: did you mean sums? the datasets are: sums\n",
        ),
        (("ls", "main:parse/smus/c3"), 11, "no dataset 'smus'"),
        (
            ("ls", "main:parse/elsewhere"),
            11,
            "no dataset or case 'elsewhere' in this run\nhint: the datasets are: sums\n",
        ),
        (("ls", "main:parse/sums/c33"), 11, "no case 'sums/c33'"),
        (("ls", "main:parse/c33"), 11, "did you mean c3"),
        (("ls", "main:score", "--component", "f2"), 11, "there are: exact_match, f1"),
        (("cat", "main:score/c7"), 2, "name one of them"),
        (("cat", "main:generate/broken"), 11, "the step failed"),
        (("cat", "main:parse/broken"), 11, "its input is missing"),
        (("cat", "main:generate/c7/5"), 11, "no such sample"),
        (("cat",), 2, "Missing argument"),
        (("diff", "main"), 2, "Missing argument"),
        (("diff", "main", "nope"), 11, "no name, tag, run or object"),
        (("explain", "main"), 2, "does not name a step"),
        (("explain", "main:parse/broken"), 11, "was never executed"),
        (("explain", "main:parse/c7", "--set", "a=1"), 2, "add --experiment"),
        (("tag", "-m", "text"), 2, "NAME is missing"),
        (("tag", "-d", "v9"), 11, "no tag v9"),
        (("tag", "v..9", "main"), 2, "cannot name a ref"),
        (("fsck", "main"), 2, "unexpected extra argument"),
        (("stats", "--color", "sometimes"), 2, "is not one of"),
        (("status", "x"), 2, "unexpected extra argument"),
    ],
)
def test_what_does_not_exist_gets_the_nearest_as_a_hint(
    finished: Project, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = finished.here(*arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert done.err.startswith("error: ")


@pytest.mark.parametrize("command", ["status", "log", "show", "ls", "tag", "fsck", "stats"])
def test_without_a_store_every_command_says_so(tmp_path: object, command: str) -> None:
    done = call("--store", f"{tmp_path}/none", command, "--json")
    assert (done.status, done.out) == (10, "")
    assert json.loads(done.err)["code"] == "no-store"


def test_a_store_without_runs(tmp_path: object) -> None:
    store = f"{tmp_path}/empty"
    assert call("--store", store, "init").status == 0
    assert "no runs yet" in call("--store", store, "status").out
    assert call("--store", store, "ls").out == ""
    done = call("--store", store, "log")
    assert (done.status, "themis run FILE" in done.err) == (11, True)


def test_with_several_names_one_has_to_be_said(project: Project) -> None:
    assert project("run", "main.toml", "--name", "other").status == 3
    done = project.here("log")
    assert (done.status, "main, other" in done.err) == (2, True)
